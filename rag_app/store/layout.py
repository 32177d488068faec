"""Names and places on disk, the manifest, and how a generation is published so that a kill harms nothing.

    indexes/<name>/
      CURRENT                    name of the live generation, then the sha256 of its manifest; replaced, never edited
      .writer.lock               flock of the one build at a time; the kernel frees it, also on kill -9
      gen-00000007/              immutable once renamed into place
        manifest.json            written last
        chunks.sqlite            documents, chunks and all their places, boxes of PDF text
        keywords/                BM25
        vectors/<model>-<fingerprint>/   vectors.faiss, rows.npy, fingerprint.json
        report.json              every input file and what became of it
      cache/embeddings.sqlite    vectors by fingerprint, prompt and text
      .build-*                   a build under way, or the rest of a killed one; never read

This module knows nothing of what is inside the files of a generation.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag_app.datatypes import Fingerprint
from rag_app.errors import (
    ConfigurationError,
    FormatVersionError,
    KnowledgeBaseBusy,
    KnowledgeBaseDamaged,
    KnowledgeBaseError,
    KnowledgeBaseNameError,
    KnowledgeBaseNotFound,
)

FORMAT_VERSION = 2
CURRENT = "CURRENT"
MANIFEST = "manifest.json"
CHUNKS = "chunks.sqlite"
KEYWORDS = "keywords"
VECTORS = "vectors"
REPORT = "report.json"

# Letters of any script, digits, and - _ . inside: `手册`, `helpdesk-2025`. No separators, no leading dot.
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_GENERATION = re.compile(r"gen-(\d{8})")
_BUILD_PREFIX = ".build-"


@dataclass(frozen=True)
class FileSum:
    """Size in bytes and sha256 of one file of a generation."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A file or folder that documents come from: its name in document paths, and where it is."""

    name: str
    path: str


@dataclass(frozen=True)
class Manifest:
    """What a generation is. `parsing` holds whatever decides how files become chunks; equal means nothing to redo.

    `languages` counts documents by language and script: `{"zh-Hans": 12, "en-Latn": 10}`.
    """

    format_version: int
    generation: str
    created_at: str
    app_version: str
    sources: tuple[Source, ...]
    parsing: dict[str, Any]
    counts: dict[str, int]
    languages: dict[str, int]
    models: tuple[Fingerprint, ...]
    files: dict[str, FileSum]

    def to_json(self) -> str:
        """Return the text of manifest.json."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: Path) -> Manifest:
        """Read the text of a manifest.json.

        Raises:
            FormatVersionError: another format version.
            KnowledgeBaseDamaged: not a manifest.
        """
        try:
            values = json.loads(text)
            version = values["format_version"]
            if version != FORMAT_VERSION:
                raise FormatVersionError(
                    f"{where} is in format version {version}; this program reads version {FORMAT_VERSION}.",
                    f"Use the version of rag-app that made it. {rebuild_command(where.parent.parent)}",
                )
            return cls(
                **values
                | {
                    "sources": tuple(Source(**source) for source in values["sources"]),
                    "models": tuple(Fingerprint(**model) for model in values["models"]),
                    "files": {name: FileSum(**entry) for name, entry in values["files"].items()},
                }
            )
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise KnowledgeBaseDamaged(
                f"{where} is not a manifest ({error}).", rebuild_command(where.parent.parent)
            ) from error


def rebuild_command(base: Path) -> str:
    """Return the sentence that says how a damaged knowledge base is repaired."""
    return f"Rebuild the knowledge base: python -m ingest SOURCE --kb {base.name} --rebuild"


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not name.endswith(".")


def checked_name(name: str) -> str:
    """Return the name of a knowledge base if it is a plain folder name.

    Raises:
        KnowledgeBaseNameError: it is not.
    """
    if not _is_name(name):
        raise KnowledgeBaseNameError(
            f"'{name[:80]}' cannot name a knowledge base: expected up to 64 letters, digits, '-', '_' or '.', "
            "beginning with a letter or digit.",
            "Choose a plain name: --kb handbook",
        )
    return name


def vectors_folder(generation: Path, fingerprint: Fingerprint) -> Path:
    """Return the folder of one model's vectors inside a generation."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", Path(fingerprint.model).name).strip("-").lower()[:40]
    return generation / VECTORS / f"{slug}-{fingerprint.digest}"


def knowledge_base_names(indexes: Path) -> list[str]:
    """Return the names of all knowledge bases below the index root, sorted."""
    if not indexes.is_dir():
        return []
    return sorted(path.name for path in indexes.iterdir() if _is_name(path.name) and (path / CURRENT).is_file())


def read_current(base: Path) -> tuple[Path, str]:
    """Return the folder of the live generation and the sha256 its manifest must have.

    Raises:
        KnowledgeBaseNotFound: nothing was ever published there.
        KnowledgeBaseDamaged: CURRENT does not name a generation that is there.
    """
    try:
        lines = (base / CURRENT).read_text(encoding="utf-8").split()
    except (FileNotFoundError, NotADirectoryError) as error:
        known = knowledge_base_names(base.parent)
        found = f"; there are: {', '.join(known)}" if known else ", nor any other"
        raise KnowledgeBaseNotFound(
            f"There is no knowledge base '{base.name}' in {base.parent}{found}.",
            f"Build it: python -m ingest FOLDER --kb {base.name}",
        ) from error
    except UnicodeDecodeError as error:
        raise KnowledgeBaseDamaged(f"{base / CURRENT} is not text.", rebuild_command(base)) from error
    if len(lines) != 2 or not _GENERATION.fullmatch(lines[0]) or not (base / lines[0]).is_dir():
        raise KnowledgeBaseDamaged(
            f"{base / CURRENT} names no generation that is there.",
            rebuild_command(base),
        )
    return base / lines[0], lines[1]


def read_manifest(generation: Path, sha256: str) -> Manifest:
    """Return the manifest of a generation after checking its sum and the size of every file it lists.

    Raises:
        KnowledgeBaseDamaged: a file is missing or differs, by name.
        FormatVersionError: another format version.
    """
    path = generation / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KnowledgeBaseDamaged(
            f"{path} cannot be read: {error.strerror}.", rebuild_command(path.parent.parent)
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise KnowledgeBaseDamaged(
            f"{path} is damaged: its sum is not the one in CURRENT.", rebuild_command(path.parent.parent)
        )
    manifest = Manifest.from_json(content.decode(), path)
    for name, entry in manifest.files.items():
        file = generation / name
        found = file.stat().st_size if file.is_file() else None
        if found != entry.bytes:
            state = "missing" if found is None else f"damaged: {found} bytes instead of {entry.bytes}"
            raise KnowledgeBaseDamaged(f"{file} is {state}.", rebuild_command(path.parent.parent))
    return manifest


def whole_manifest(base: Path) -> Manifest | None:
    """Return the live generation's manifest if it is whole itself, whatever has become of the files it lists; else None."""
    try:
        generation, sha256 = read_current(base)
        content = (generation / MANIFEST).read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            return None
        return Manifest.from_json(content.decode(), generation / MANIFEST)
    except (KnowledgeBaseError, OSError, UnicodeDecodeError):
        return None


@contextmanager
def writer_lock(base: Path) -> Iterator[None]:
    """Hold the one writer's lock of a knowledge base; clean up what a killed build left.

    Raises:
        KnowledgeBaseBusy: another build is running.
        ConfigurationError: the index root cannot be written.
    """
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"The index root {base.parent} cannot be written: {error.strerror}.", "Choose another: --indexes FOLDER"
        ) from error
    lock = FileLock(base / ".writer.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise KnowledgeBaseBusy(
            f"Another build of the knowledge base '{base.name}' is running.", "Wait until it has ended, then run again."
        ) from error
    try:
        for leftover in base.glob(f"{_BUILD_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield
    finally:
        lock.release()


def next_generation(base: Path) -> str:
    """Return the name of the generation that the next build publishes."""
    newest = max((int(path.name.removeprefix("gen-")) for path in _generations(base)), default=0)
    return f"gen-{newest + 1:08d}"


def new_build_folder(base: Path) -> Path:
    """Create and return an empty folder in which a build may write; call it under the writer's lock."""
    folder = base / f"{_BUILD_PREFIX}{os.getpid()}"
    folder.mkdir(mode=0o700)
    return folder


def file_sums(folder: Path) -> dict[str, FileSum]:
    """Return size and sha256 of every file below a folder, by its path inside."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            sums[path.relative_to(folder).as_posix()] = FileSum(path.stat().st_size, digest)
    return sums


def write_text(path: Path, text: str) -> None:
    """Write a text file and make sure that it is on the disk."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Make sure that a file's bytes, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(base: Path, build: Path, manifest: Manifest) -> None:
    """Make a finished build the live generation. Everything is on the disk before CURRENT is replaced: that commits.

    Args:
        base: the folder of the knowledge base.
        build: the build folder, complete but for manifest.json.
        manifest: its description; `generation` names the folder it becomes.
    """
    text = manifest.to_json()
    before = _live_generation(base)
    for path in sorted(build.rglob("*")):
        sync(path)
    write_text(build / MANIFEST, text)
    sync(build)
    os.rename(build, base / manifest.generation)
    sync(base)
    pending = base / f"{_BUILD_PREFIX}{CURRENT}"
    write_text(pending, f"{manifest.generation}\n{hashlib.sha256(text.encode()).hexdigest()}\n")
    os.replace(pending, base / CURRENT)
    sync(base)
    for path in _generations(base):
        if path.name not in (manifest.generation, before):  # readers may still have the one before open
            shutil.rmtree(path, ignore_errors=True)


def _generations(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if _GENERATION.fullmatch(path.name))


def _live_generation(base: Path) -> str:
    """Return the name of the live generation; where CURRENT does not say, the newest that is there."""
    try:
        return read_current(base)[0].name
    except (KnowledgeBaseNotFound, KnowledgeBaseDamaged):
        return max((path.name for path in _generations(base)), default="")
