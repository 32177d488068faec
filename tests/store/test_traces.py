"""The proof that a text is gone: whatever is left of it is found and named, and nothing else is taken for it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag_app.datatypes import Block, BlockKind, Document
from rag_app.errors import KnowledgeBaseError
from rag_app.store import traces
from rag_app.store.chunks import write_chunks
from rag_app.store.keywords import write_keywords
from rag_app.store.traces import VECTOR_BYTES, Traces, search_traces
from tests.children import as_nobody, in_a_child
from tests.conftest import document_of

SECRET = document_of(
    "docs/secret.md",
    '# The Harbour Report\n\nThe vault opens at 04:17 with the code "wren\\nine".\n\n密码是蓝色的鲸鱼，请勿外传给任何人。\n\n'
    "| --- | --------- |\n\nContact: m.featherstone@example.org\n\n"
    "It ends with a line that is much longer than what is looked for in one piece, so that it must be cut in several.\n",
)
STAYING = document_of("docs/open.md", "# Opening hours\n\nThe office opens at 08:30 on working days.")
VECTOR = np.arange(1, 65, dtype="<f4")[: VECTOR_BYTES // 4].tobytes()

Search = Callable[..., Traces]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder as a knowledge base without the secret document leaves it."""
    folder = tmp_path / "kb"
    (folder / "gen-00000002").mkdir(parents=True)
    write_chunks(folder / "gen-00000002" / "chunks.sqlite", [(STAYING, [])])
    write_keywords(folder / "gen-00000002" / "keywords", [STAYING.text])
    (folder / "CURRENT").write_text("gen-00000002\n")
    return folder


@pytest.fixture
def search(base: Path) -> Search:
    def run(
        removed: Sequence[Document] = (SECRET,),
        staying: Sequence[Document] = (STAYING,),
        vectors: Sequence[bytes] = (VECTOR,),
        sayings: Sequence[str] = (),
    ) -> Traces:
        return search_traces(base, removed, vectors, staying, sayings)

    return run


def test_where_nothing_is_left_nothing_is_found_and_it_is_said_what_was_searched(search: Search, base: Path) -> None:
    result = search()
    files = [path for path in base.rglob("*") if path.is_file()]
    assert (result.found, result.found_in) == (0, ())
    assert (result.files, result.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert result.searched == result.pieces > 8
    assert result.vectors == 1


@pytest.mark.parametrize(
    "left",
    [
        SECRET.text.encode(),
        b"# The Harbour Report",  # a heading alone
        b"The Harbour Report",  # its words alone
        b'with the code "wren\\nine".',  # a part of a line
        json.dumps({"text": SECRET.text}).encode(),
        json.dumps({"text": SECRET.text}, ensure_ascii=False).encode(),
        json.dumps("密码是蓝色的鲸鱼，请勿外传给任何人。").encode(),
        b"x.featherstone@example.org m.featherstone@example.org",
        b'{"m.featherstone": 17}',  # a token of the keyword index
        b"\0" * 5_000_000 + b"Contact: m.featherstone@example.org" + b"\0" * 100,
        b"\xff" + VECTOR + b"\xff",
    ],
    ids=lambda left: left[:24].decode("utf-8", "backslashreplace"),
)
def test_what_is_left_is_found_and_its_file_named(search: Search, base: Path, left: bytes) -> None:
    (base / "sources").mkdir()
    (base / "sources" / "left over").write_bytes(left)
    result = search()
    assert result.found > 0
    assert result.found_in == ("sources/left over",)


def test_rules_and_borders_of_tables_are_no_text(search: Search, base: Path) -> None:
    (base / "left").write_text("| --- | --------- |")
    assert search().found == 0


def test_what_another_document_says_too_is_no_trace(search: Search, base: Path) -> None:
    shared = "The vault opens at 04:17 with the code"
    (base / "left").write_text(f"{shared} M.FEATHERSTONE")
    assert search().found > 0
    other = document_of("docs/other.md", f'{shared} "wren\\nine". Ask M.Featherstone@Example.ORG.')
    assert search(staying=[STAYING, other]).found == 0


@pytest.mark.parametrize("field", ["path", "title", "name", "sha256", "blocks"])
def test_what_stands_beside_the_text_of_another_document_is_no_trace_either(
    search: Search, base: Path, field: str
) -> None:
    (base / "left").write_text("The Harbour Report")
    heading = Block(BlockKind.HEADING, 0, 1, 1, "The Harbour Report")
    other = replace(STAYING, **{field: (heading,) if field == "blocks" else "The Harbour Report"})
    assert search().found > 0
    assert search(staying=[other]).found == 0


def test_the_words_in_which_a_base_is_written_are_no_traces(search: Search, base: Path) -> None:
    text = "CREATE TABLE documents (\n    path TEXT NOT NULL UNIQUE,\nis a paragraph about gen-00000002 and its format."
    assert search([document_of("docs/format.md", text)], sayings=['{"generation": "gen-00000002"}']).found == 0


def test_of_a_text_of_very_many_pieces_an_evenly_spread_part_is_looked_for(
    search: Search, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "_MOST", 100)
    lines = [f"line number {number:05} of a long list" for number in range(1000)]
    (base / "left").write_text("\n".join(lines[500:]))
    result = search([document_of("docs/long.md", "\n".join(lines))], vectors=[])
    assert (result.pieces, result.searched) == (1000, 100)
    assert result.found == 50


def test_links_are_not_followed(search: Search, base: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(SECRET.text)
    (base / "link").symlink_to(tmp_path / "elsewhere")
    assert search().found == 0


@pytest.mark.parametrize("closed", ["CURRENT", "gen-00000002/keywords"])
def test_a_file_or_folder_that_cannot_be_read_is_named(base: Path, closed: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # not below tmp_path, which others may not enter
        Path(name).chmod(0o755)
        copy = Path(shutil.copytree(base, Path(name) / "kb"))
        (copy / closed).chmod(0o000)

        def work() -> None:
            with pytest.raises(KnowledgeBaseError, match=f"{closed} cannot be read"):
                search_traces(copy, [SECRET], [], [STAYING], [])

        assert in_a_child(as_nobody(work)) == 0
        (copy / closed).chmod(0o700)
