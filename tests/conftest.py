"""Fixtures for all tests: a clean environment without a network, and small knowledge bases."""

from __future__ import annotations

import hashlib
import os
import socket
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from ingest import calibrating
from ingest.chunking import chunk_document
from ingest.loaders.extract import first_title
from ingest.loaders.markdown import markdown_blocks
from rag_app.datatypes import Chunk, Document, DocumentReport, FileStatus, Fingerprint, IngestReport, ModelReport
from rag_app.retrieval.foreign_questions import foreign_questions
from rag_app.store import writer
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Source
from rag_app.store.publishing import Draft, ModelVectors, publish
from tests.commands import Run
from tests.fakes import fake_fingerprint, hash_vector

REPOSITORY = Path(__file__).parent.parent
HANDBOOK = REPOSITORY / "samples" / "helpdesk" / "handbook"

# The same examples each time, however long one takes where other work goes on; `make test-all` draws others each time.
settings.register_profile("tests", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files, so that two workers seldom drive two browsers, and begin with the longest, so that it is not the last."""
    items.sort(
        key=lambda item: (
            item.path.name != "test_soak.py",
            zlib.crc32(item.path.relative_to(REPOSITORY).as_posix().encode()),
        )
    )


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's reaches a test: not RAG_APP_*, a rag.toml, nor a terminal's width. None leaves a key."""
    for name in list(os.environ):
        if name.startswith("RAG_APP_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist says 80
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    monkeypatch.setattr("rag_app.answering.prompting.delimiters.user_data_folder", lambda: tmp_path / "user data")


@pytest.fixture(autouse=True)
def few_foreign_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds in this process ask a few foreign questions of either language: hundreds of builds are made."""
    few = foreign_questions()[::37]
    monkeypatch.setattr(calibrating, "foreign_questions", lambda: few)


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket: it does not leave the machine
    return str(address[0]) in {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Deny every connection and look-up that would leave the machine, and give the list of what was tried."""
    tried: list[object] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: object) -> None:
        if not _is_loopback(address):
            tried.append(address)
            raise ConnectionRefusedError(f"the tests deny connections off this machine: {address}")
        connect(self, address)  # type: ignore[arg-type]

    def guarded_look_up(host: object, *arguments: object, **options: object) -> object:
        if host not in {None, "127.0.0.1", "::1", "localhost"}:
            tried.append(host)
            raise socket.gaierror(f"the tests deny look-ups: {host!r}")
        return look_up(host, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    return tried


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs a command of `rag-app` in this process."""
    return Run(capsys, monkeypatch)


@dataclass(frozen=True)
class SmallBase:
    """A knowledge base with vectors of `tests.fakes.hash_vector`, and where it is."""

    indexes: Path
    name: str
    fingerprint: Fingerprint

    def open(self) -> KnowledgeBase:
        return KnowledgeBase.open(self.indexes, self.name)


MakeBase = Callable[..., SmallBase]

TEXTS = {
    "docs/passwords.md": "# Passwords\n\nAn account is locked for 30 minutes after 5 failed sign-ins.\n\n"
    "Open the reset portal to choose a new password.",
    "docs/vpn.md": "# VPN\n\nThe VPN needs Harbour Connect 6.2. Private computers are not admitted.",
    "docs/密码.md": "# 忘记密码\n\n连续输错五次密码，账号会被锁定三十分钟。请打开重置页面设置新密码。",
}


def document_of(path: str, text: str) -> Document:
    """Return a Markdown document as a loader would give it."""
    blocks = markdown_blocks(text)
    language = "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in text) else "en"
    return Document(
        path,
        hashlib.sha256(text.encode()).hexdigest(),
        "text/markdown",
        language,
        first_title(blocks),
        text,
        blocks=blocks,
    )


def report_of(
    name: str,
    generation: str,
    documents: Sequence[tuple[Document, Sequence[Chunk]]],
    fingerprints: Sequence[Fingerprint],
) -> IngestReport:
    """Return the report of a build in which everything went well."""
    count = len(distinct_chunks(chunk for _, chunks in documents for chunk in chunks))
    return IngestReport(
        kb=name,
        generation=generation,
        seconds=0.0,
        chunks=count,
        documents=tuple(
            DocumentReport(
                document.path,
                FileStatus.INDEXED,
                chunks=len(chunks),
                language=document.language,
                file_sha256=document.sha256,
            )
            for document, chunks in documents
        ),
        models=tuple(
            ModelReport(
                one.model, one.digest, one.dimension, embedded=count, reused=0, truncated=0, chunks_per_second=1.0
            )
            for one in fingerprints
        ),
    )


@pytest.fixture
def make_base(tmp_path: Path) -> MakeBase:
    """Give a function that publishes a knowledge base of Markdown texts by path."""

    def make(
        texts: dict[str, str] | None = None,
        *,
        name: str = "small",
        fingerprints: Sequence[Fingerprint] = (fake_fingerprint(),),
        memory_gb: float | None = None,
    ) -> SmallBase:
        indexes = tmp_path / "indexes"
        base = indexes / name
        documents = [document_of(path, text) for path, text in (texts or TEXTS).items()]
        cut = [(document, chunk_document(document, chunk_tokens=200, overlap=30)) for document in documents]
        chunks = distinct_chunks(chunk for _, group in cut for chunk in group)
        vectors = np.stack([hash_vector(chunk.embedded_text) for chunk in chunks])
        made = ModelVectors(vectors, np.arange(len(chunks)), ("fake 1.0",))
        with writer.writer_lock(base):
            draft = Draft(
                report=report_of(name, writer.next_generation(base), cut, fingerprints),
                sources=(Source("docs", str(tmp_path / "docs")),),
                parsing={"chunk_tokens": 200, "overlap": 30},
                documents=cut,
                vectors=dict.fromkeys(fingerprints, made),
                memory_gb=memory_gb,
            )
            publish(base, draft)
        return SmallBase(indexes, name, fingerprints[0])

    return make


@pytest.fixture
def small_base(make_base: MakeBase) -> SmallBase:
    """A knowledge base of three short documents, one of them Chinese."""
    return make_base()


@pytest.fixture(scope="session")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random embedding model."""
    from tests.checkpoints import make_bert_embedder

    return make_bert_embedder(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random generator."""
    from tests.checkpoints import make_llama_generator

    return make_llama_generator(tmp_path_factory.mktemp("generator"))


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user data folder."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    return tmp_path / "data"
