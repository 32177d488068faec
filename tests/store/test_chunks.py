"""Documents and chunks in SQLite: what was written is what is read, by number, by path, from any thread."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.datatypes import Block, BlockKind, Box, Chunk, Document, Place
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.boxes import pack_boxes
from rag_app.store.chunks import ChunkStore, DocumentFacts, DocumentValues, PlaceColumn, distinct_chunks, write_chunks

HANDBOOK = Document(
    path="docs/手册.pdf",
    sha256="a" * 64,
    media_type="application/pdf",
    language="zh",
    title="员工手册",
    text="# 密码\n\n五次。\n\nThe VPN \U0001f600.",
    page_starts=(0, 11),
    blocks=(Block(BlockKind.HEADING, 0, 4, 1, "密码"), Block(BlockKind.PARAGRAPH, 6, 9)),
    script="Hans",
    date="2024-05-01",
    boxes=pack_boxes([Box(6, 9, 1, 70, 700, 100, 712), Box(11, 14, 2, 70, 700, 100, 712)]),
)
NOTE = Document("note.txt", "b" * 64, "text/plain", "en", "", "A note.", name="note", script="Latn", encoding="utf-8")
HANDBOOK_CHUNKS = [
    Chunk("docs/手册.pdf", 0, 0, 9, "# 密码\n\n五次。", 1, 1, ()),
    Chunk("docs/手册.pdf", 1, 11, 21, "The VPN \U0001f600.", 2, 3, ("员工手册", "密码"), "Model | Price"),
]
NOTE_CHUNKS = [Chunk("note.txt", 0, 0, 7, "A note.", name="note")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kb" / "gen-00000001" / "chunks.sqlite"
    path.parent.mkdir(parents=True)
    assert write_chunks(path, [(HANDBOOK, HANDBOOK_CHUNKS), (NOTE, NOTE_CHUNKS)]) == 3
    return path


@pytest.fixture
def store(file: Path) -> ChunkStore:
    return ChunkStore(file)


def test_documents_come_back_as_they_were(store: ChunkStore) -> None:
    assert store.document("docs/手册.pdf") == HANDBOOK
    assert store.document("note.txt") == NOTE
    assert store.document("docs/手册") is None


def test_chunks_come_back_as_they_were_in_the_order_of_their_numbers(store: ChunkStore) -> None:
    assert list(store.all_chunks()) == [*HANDBOOK_CHUNKS, *NOTE_CHUNKS]
    assert store.count() == 3


def test_chunks_are_given_in_the_order_asked_for_also_more_than_once(store: ChunkStore) -> None:
    assert store.chunks([2, 0, 2]) == [NOTE_CHUNKS[0], HANDBOOK_CHUNKS[0], NOTE_CHUNKS[0]]
    assert store.chunks([]) == []


def test_the_chunks_of_a_document_come_in_order(store: ChunkStore) -> None:
    assert store.chunks_of("docs/手册.pdf") == HANDBOOK_CHUNKS
    assert store.chunks_of("gone") == []


def test_a_chunk_is_given_with_those_beside_it(store: ChunkStore) -> None:
    assert store.chunks_around("docs/手册.pdf", 0, 9) == HANDBOOK_CHUNKS
    assert store.chunks_around("docs/手册.pdf", 11, 21) == HANDBOOK_CHUNKS
    assert store.chunks_around("note.txt", 0, 7) == NOTE_CHUNKS
    assert store.chunks_around("docs/手册.pdf", 0, 8) == store.chunks_around("gone", 0, 9) == []


def test_of_many_chunks_only_those_beside_it(tmp_path: Path) -> None:
    text = "0123456789" * 10
    note = replace(NOTE, text=text)
    chunks = [Chunk("note.txt", ordinal, ordinal, ordinal + 1, text[ordinal]) for ordinal in range(100)]
    write_chunks(tmp_path / "chunks.sqlite", [(HANDBOOK, HANDBOOK_CHUNKS), (note, chunks)])
    store = ChunkStore(tmp_path / "chunks.sqlite")
    for ordinal in (0, 1, 57, 99):
        expected = chunks[max(ordinal - 1, 0) : ordinal + 2]
        assert store.chunks_around("note.txt", ordinal, ordinal + 1) == expected, (
            "a passage of many places, at this one"
        )


def test_what_stands_before_and_after_some_characters_is_found_one_by_one(tmp_path: Path) -> None:
    text = "0123456789" * 3
    note = replace(NOTE, text=text)
    chunks = [Chunk("note.txt", ordinal, 10 * ordinal, 10 * ordinal + 10, text[:10]) for ordinal in range(3)]
    chunks = [replace(chunk, start=max(chunk.start - 2, 0)) for chunk in chunks]  # they overlap
    chunks = [replace(chunk, text=text[chunk.start : chunk.end]) for chunk in chunks]
    write_chunks(tmp_path / "chunks.sqlite", [(HANDBOOK, HANDBOOK_CHUNKS), (note, chunks)])
    store = ChunkStore(tmp_path / "chunks.sqlite")
    assert store.chunk_after("note.txt", chunks[0].end) == chunks[1]
    assert store.chunk_after("note.txt", chunks[1].end) == chunks[2]
    assert store.chunk_after("note.txt", chunks[2].end) is None
    assert store.chunk_before("note.txt", chunks[2].start) == chunks[1]
    assert store.chunk_before("note.txt", chunks[1].start) == chunks[0]
    assert store.chunk_before("note.txt", chunks[0].start) is None
    assert store.chunk_before("note.txt", 15) == chunks[1]  # of a passage that was widened
    assert store.chunk_after("gone.txt", 0) is None


@pytest.mark.parametrize("text", [HANDBOOK.text, "before\0after \0 and more"], ids=["characters", "NUL"])
def test_slices_are_those_of_the_whole_text(tmp_path: Path, text: str) -> None:
    write_chunks(tmp_path / "chunks.sqlite", [(replace(NOTE, text=text), [])])
    spans = [(start, end) for start in range(len(text)) for end in (start, start + 1, len(text))]
    found = ChunkStore(tmp_path / "chunks.sqlite").slices("note.txt", spans)
    assert found == [text[start:end] for start, end in spans]


@pytest.mark.parametrize(("path", "end"), [("note.txt", 8), ("gone.txt", 7)])
def test_a_slice_of_what_is_not_there_is_damage(store: ChunkStore, path: str, end: int) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match=f"does not hold the text of {path}"):
        store.slices(path, [(0, 5), (0, end)])


def test_documents_are_listed_with_their_sums_and_counts(store: ChunkStore) -> None:
    assert store.document_sums() == {"docs/手册.pdf": "a" * 64, "note.txt": "b" * 64}
    assert store.documents() == [("docs/手册.pdf", "员工手册", "zh", 2), ("note.txt", "note", "en", 1)]


# Passages that stand in several places


def test_a_passage_that_two_documents_hold_is_one_with_two_places(tmp_path: Path) -> None:
    copy = replace(NOTE, path="copy.txt", name="copy")
    copied = [Chunk("copy.txt", 0, 0, 7, "A note.", name="copy")]
    file = tmp_path / "x.sqlite"
    assert write_chunks(file, [(HANDBOOK, HANDBOOK_CHUNKS), (NOTE, NOTE_CHUNKS), (copy, copied)]) == 3
    store = ChunkStore(file)
    assert list(store.all_chunks()) == [*HANDBOOK_CHUNKS, *NOTE_CHUNKS]
    assert store.places([2, 0]) == {
        0: (Place("docs/手册.pdf", 1, 1, 0, 9),),
        2: (Place("note.txt", None, None, 0, 7), Place("copy.txt", None, None, 0, 7)),
    }
    assert store.chunks_of("copy.txt") == copied
    assert store.documents()[2] == ("copy.txt", "copy", "en", 1)


def test_a_passage_that_one_document_repeats_is_one_as_well(tmp_path: Path) -> None:
    twice = [*NOTE_CHUNKS, Chunk("note.txt", 1, 20, 27, "A note.", name="note")]
    write_chunks(tmp_path / "x.sqlite", [(NOTE, twice)])
    store = ChunkStore(tmp_path / "x.sqlite")
    assert store.count() == 1
    assert store.chunks_of("note.txt") == twice


@pytest.mark.parametrize(
    ("change", "passages"),
    [
        pytest.param(
            {"document_path": "other.txt", "name": "other", "start": 5, "end": 12}, 1, id="place and file name"
        ),
        pytest.param({"text": "A note!"}, 2, id="text"),
        pytest.param({"heading_path": ("Prices",)}, 2, id="headings"),
        pytest.param({"table_header": "Model | Price"}, 2, id="header of the table"),
    ],
)
def test_what_makes_two_chunks_the_same_passage(change: dict[str, object], passages: int) -> None:
    assert len(distinct_chunks([NOTE_CHUNKS[0], replace(NOTE_CHUNKS[0], **change)])) == passages


def test_the_boxes_of_a_span_are_found_by_document(store: ChunkStore) -> None:
    assert store.boxes("docs/手册.pdf", 7, 12) == [Box(7, 9, 1, 80, 700, 100, 712), Box(11, 12, 2, 70, 700, 80, 712)]
    assert store.boxes("note.txt", 0, 7) == []
    assert store.boxes("gone", 0, 7) == []


HANDBOOK_FACTS = DocumentFacts(
    "docs/手册.pdf", "application/pdf", "zh", "Hans", "员工手册", "2024-05-01", "docs/手册.pdf"
)
NOTE_FACTS = DocumentFacts("note.txt", "text/plain", "en", "Latn", "note", "", "note.txt")


def test_what_is_known_of_documents_comes_without_their_text(store: ChunkStore) -> None:
    assert store.all_facts() == [HANDBOOK_FACTS, NOTE_FACTS]
    assert store.facts(["note.txt", "gone"]) == {"note.txt": NOTE_FACTS}
    assert store.facts([]) == {}


def test_the_values_that_documents_have_are_known_each_once(store: ChunkStore, tmp_path: Path) -> None:
    assert store.document_values() == DocumentValues(
        folders=("", "docs"),
        media_types=("application/pdf", "text/plain"),
        languages=(("en", "Latn"), ("zh", "Hans")),
        dates=("2024-05-01", "2024-05-01"),
        undated=1,
    )
    paths = ["a/b/c.txt", "a/b/d.txt", "a//e.txt", "文件夹/子 夹/x.y/f.txt", "f.txt", "a/f.txt/f.txt"]
    dated = [(replace(NOTE, path=path, date=f"202{number}-01-01"), []) for number, path in enumerate(paths)]
    write_chunks(tmp_path / "x.sqlite", dated)
    values = ChunkStore(tmp_path / "x.sqlite").document_values()
    assert set(values.folders) == {"", "a", "a/b", "a/f.txt", "文件夹/子 夹/x.y"}
    assert (values.dates, values.undated) == (("2020-01-01", "2025-01-01"), 0)
    write_chunks(tmp_path / "nothing.sqlite", [])
    assert ChunkStore(tmp_path / "nothing.sqlite").document_values() == DocumentValues((), (), (), ("", ""), 0)


@pytest.mark.parametrize(
    ("path", "media_type", "file", "folder"),
    [
        ("data/squad.json#AC/DC/0", "application/json", "data/squad.json", "data"),
        ("数据/SQuAD.JSON#Größe/3", "application/json", "数据/SQuAD.JSON", "数据"),
        ("squad.json#Normans/3", "application/json", "squad.json", ""),
        ("a#b/c#d.json", "application/json", "a#b/c#d.json", "a#b"),
        ("a#b/corpus.jsonl#doi:10/5", "application/jsonl", "a#b/corpus.jsonl", "a#b"),
        ("logs/lines.jsonl", "application/jsonl", "logs/lines.jsonl", "logs"),
        ("C#/x.json#y/z.md", "text/markdown", "C#/x.json#y/z.md", "C#/x.json#y"),
    ],
)
def test_a_record_is_told_from_a_file_in_a_folder(
    path: str, media_type: str, file: str, folder: str, tmp_path: Path
) -> None:
    write_chunks(tmp_path / "x.sqlite", [(replace(NOTE, path=path, media_type=media_type), [])])
    store = ChunkStore(tmp_path / "x.sqlite")
    assert [facts.file for facts in store.all_facts()] == [file]
    assert store.document_values().folders == (folder,)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("chunk", [0, 1, 2, 2]),
        ("page", [1, 2, -1, -1]),
        ("last_page", [1, 3, -1, -1]),
        ("start", [0, 11, 0, 0]),
        ("end", [9, 21, 7, 7]),
    ],
)
def test_a_column_of_places_is_in_the_order_of_documents(
    tmp_path: Path, column: PlaceColumn, expected: list[int]
) -> None:
    copied = [Chunk("a-copy.txt", 0, 0, 7, "A note.", name="copy")]
    documents = [(HANDBOOK, HANDBOOK_CHUNKS), (NOTE, NOTE_CHUNKS), (replace(NOTE, path="a-copy.txt"), copied)]
    write_chunks(tmp_path / "x.sqlite", documents)
    values = ChunkStore(tmp_path / "x.sqlite").place_column(column)
    assert (values.dtype, values.tolist()) == ("int32", expected)


def test_places_are_counted_by_document_also_where_there_are_none(tmp_path: Path) -> None:
    documents = [(replace(NOTE, path="0"), []), (HANDBOOK, HANDBOOK_CHUNKS), (replace(NOTE, path="2"), [])]
    write_chunks(tmp_path / "x.sqlite", documents)
    assert ChunkStore(tmp_path / "x.sqlite").place_counts().tolist() == [0, 2, 0]


def test_a_column_of_passages_tells_its_values_once(tmp_path: Path) -> None:
    again = replace(HANDBOOK_CHUNKS[1], ordinal=2, start=11, end=14, text="The")
    write_chunks(tmp_path / "x.sqlite", [(HANDBOOK, [*HANDBOOK_CHUNKS, again])])
    store = ChunkStore(tmp_path / "x.sqlite")
    headings, numbers = store.chunk_column("heading_path")
    assert (headings, numbers.tolist()) == ([(), ("员工手册", "密码")], [0, 1, 1])
    headers, numbers = store.chunk_column("table_header")
    assert (headers, numbers.tolist()) == (["", "Model | Price"], [0, 1, 1])


@pytest.mark.parametrize("path", ["'; DROP TABLE chunks; --", "a%_b\n\t.md", "<b>.md"])
def test_a_path_is_data_and_nothing_else(path: str, tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    write_chunks(file, [(replace(NOTE, path=path), [replace(NOTE_CHUNKS[0], document_path=path)])])
    assert ChunkStore(file).chunks_of(path)[0].document_path == path


def test_a_document_without_chunks_is_kept(tmp_path: Path) -> None:
    assert write_chunks(tmp_path / "x.sqlite", [(NOTE, [])]) == 0
    assert ChunkStore(tmp_path / "x.sqlite").documents() == [("note.txt", "note", "en", 0)]


def test_two_documents_of_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=r"documents\.path"):
        write_chunks(tmp_path / "x.sqlite", [(NOTE, []), (NOTE, [])])


def test_the_same_documents_give_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_chunks(tmp_path / "again.sqlite", [(HANDBOOK, HANDBOOK_CHUNKS), (NOTE, NOTE_CHUNKS)])
    assert (tmp_path / "again.sqlite").read_bytes() == file.read_bytes()


def test_reading_leaves_the_file_and_its_folder_as_they_are(file: Path) -> None:
    before = file.read_bytes()
    store = ChunkStore(file)
    store.count()
    store.close()
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["chunks.sqlite"]


def test_a_chunk_that_is_not_there_is_damage_with_the_command_that_repairs_it(store: ChunkStore) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match="has no chunk 7, which an index beside it points to") as caught:
        store.chunks([0, 7])
    assert caught.value.remedy == "Rebuild the knowledge base: python -m ingest --kb kb --rebuild"


def test_a_file_that_is_no_database_is_damage(file: Path) -> None:
    file.write_bytes(b"not a database, and long enough to be one" * 100)
    with pytest.raises(KnowledgeBaseDamaged, match=r"chunks\.sqlite is damaged.*--kb kb --rebuild"):
        ChunkStore(file).count()
    with pytest.raises(KnowledgeBaseDamaged, match=r"chunks\.sqlite is damaged"):
        ChunkStore(file).place_column("chunk")


def test_a_file_that_is_gone_is_damage(file: Path) -> None:
    file.unlink()
    with pytest.raises(KnowledgeBaseDamaged, match=r"chunks\.sqlite cannot be opened"):
        ChunkStore(file)


def test_one_store_is_read_from_several_threads(store: ChunkStore) -> None:
    results: list[list[Chunk]] = []

    def read() -> None:
        for _ in range(50):
            results.append(store.chunks([0, 1, 2]))  # noqa: PERF401 - what was read before a failure is kept

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert results == [[*HANDBOOK_CHUNKS, *NOTE_CHUNKS]] * 200
