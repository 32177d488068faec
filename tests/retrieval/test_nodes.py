"""Between passages and LlamaIndex's nodes: nothing but the text is prompted or embedded, and a node can be read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, TextNode

from rag_app.datatypes import Chunk, Place
from rag_app.datatypes import Document as OurDocument
from rag_app.retrieval.filters import FIELDS
from rag_app.retrieval.nodes import document_metadata, node_of, passages_of, read_nodes, span_of_node
from rag_app.store.chunks import ChunkStore, DocumentFacts, write_chunks

CHUNK = Chunk(
    document_path="docs/密码.pdf",
    ordinal=3,
    start=100,
    end=112,
    text="账号会被锁定三十分钟。\n",
    page=2,
    last_page=3,
    heading_path=("忘记密码", "锁定"),
    table_header="Model | Price",
)
FACTS = DocumentFacts("docs/密码.pdf", "application/pdf", "zh", "Hans", "员工手册", "2024-05-01", "docs/密码.pdf")
ELSEWHERE = Place("docs/copy.pdf", 4, 4, 7, 19)
SCORES = {"cosine": 0.5, "bm25": 3.25, "fused": 1.5}


def scored(
    scores: dict[str, float] = SCORES, also_in: tuple[Place, ...] = (), score: float | None = 1.5
) -> NodeWithScore:
    return NodeWithScore(node=node_of(CHUNK, FACTS, scores, also_in), score=score)


def test_a_node_carries_the_chunk() -> None:
    node = node_of(CHUNK, FACTS, SCORES)
    assert node.node_id == CHUNK.id == "docs/密码.pdf#100-112"
    assert (node.get_content(), node.start_char_idx, node.end_char_idx) == (CHUNK.text, 100, 112)
    assert node.ref_doc_id == "docs/密码.pdf"
    assert node.metadata["scores"] == SCORES


def test_every_field_that_can_be_filtered_is_in_the_metadata() -> None:
    metadata = node_of(CHUNK, FACTS, SCORES).metadata
    assert {name: metadata[name] for name in FIELDS} == {
        "document": "docs/密码.pdf",
        "source": "docs",
        "folder": "docs",
        "folders": ["docs"],
        "file_name": "密码.pdf",
        "media_type": "application/pdf",
        "language": "zh",
        "script": "Hans",
        "title": "员工手册",
        "date": "2024-05-01",
        "page": 2,
        "last_page": 3,
        "start": 100,
        "end": 112,
        "heading_path": ["忘记密码", "锁定"],
        "table_header": "Model | Price",
    }
    assert set(metadata) == set(FIELDS) | {"also_in", "scores"}


@pytest.mark.parametrize(
    ("path", "source", "folder", "folders", "file_name"),
    [
        (
            "handbook/en/it/vpn.md",
            "handbook",
            "handbook/en/it",
            ["handbook", "handbook/en", "handbook/en/it"],
            "vpn.md",
        ),
        ("note.txt", "note.txt", "", [], "note.txt"),
    ],
)
def test_the_path_of_a_document_tells_its_folders(
    path: str, source: str, folder: str, folders: list[str], file_name: str
) -> None:
    metadata = document_metadata(DocumentFacts(path, "text/plain", "en", "Latn", "", "", path))
    assert (metadata["source"], metadata["folder"], metadata["folders"]) == (source, folder, folders)
    assert metadata["file_name"] == file_name


def test_a_record_is_in_the_folder_of_its_file() -> None:
    facts = DocumentFacts("data/squad.json#AC/DC/0", "application/json", "en", "Latn", "", "", "data/squad.json")
    metadata = document_metadata(facts)
    assert (metadata["document"], metadata["source"]) == ("data/squad.json#AC/DC/0", "data")
    assert (metadata["folders"], metadata["file_name"]) == (["data"], "squad.json")


@pytest.mark.parametrize("mode", [MetadataMode.EMBED, MetadataMode.LLM])
def test_metadata_is_kept_out_of_what_is_embedded_and_prompted(mode: MetadataMode) -> None:
    assert node_of(CHUNK, FACTS, SCORES).get_content(metadata_mode=mode) == CHUNK.text


@pytest.mark.parametrize(
    ("node_id", "span"),
    [
        (CHUNK.id, ("docs/密码.pdf", 100, 112)),
        ("a#1-2.md#3-4", ("a#1-2.md", 3, 4)),
        ("line\nbreak#3-4", ("line\nbreak", 3, 4)),
        ("docs/密码.pdf", None),
        ("docs/密码.pdf#100", None),
        ("docs/密码.pdf#-1-2", None),
        ("5a6b", None),
        ("", None),
    ],
)
def test_the_id_of_a_node_names_a_document_and_a_span(node_id: str, span: tuple[str, int, int] | None) -> None:
    assert span_of_node(node_id) == span


def test_a_passage_is_read_back_whole() -> None:
    first, second = passages_of([scored(also_in=(ELSEWHERE,)), scored({"bm25": 0.0}, score=0.0)])
    assert (first.n, second.n) == (1, 2)
    assert (first.document, first.page, first.start, first.end) == ("docs/密码.pdf", 2, 100, 112)
    assert (first.text, first.heading_path) == (CHUNK.text, ("忘记密码", "锁定"))
    assert (first.last_page, first.pages, first.table_header) == (3, "pages 2-3", "Model | Price")
    assert (first.also_in, second.also_in) == ((ELSEWHERE,), ())
    assert first.scores == SCORES
    assert second.scores == {"bm25": 0.0}


def test_a_node_survives_llama_indexs_serialisation() -> None:
    node = node_of(CHUNK, FACTS, SCORES, [ELSEWHERE])
    restored = TextNode.from_json(node.to_json())
    assert restored == node
    assert passages_of([NodeWithScore(node=restored)]) == passages_of([NodeWithScore(node=node)])


def test_a_changed_score_is_not_shared_with_the_caller() -> None:
    scores = dict(SCORES)
    node = scored(scores)
    scores["cosine"] = -1.0
    assert passages_of([node])[0].scores["cosine"] == 0.5


def test_a_foreign_node_is_taken_with_what_it_knows() -> None:
    node = TextNode(id_="n1", text="Harbour Connect 6.2", start_char_idx=7, metadata={"file_name": "vpn.md"})
    (passage,) = passages_of([NodeWithScore(node=node, score=0.25)])
    assert passage.document == "vpn.md"
    assert (passage.start, passage.end) == (7, 7 + len("Harbour Connect 6.2"))
    assert (passage.page, passage.heading_path) == (None, ())
    assert passage.text == "Harbour Connect 6.2"
    assert passage.scores == {"score": 0.25}


def test_a_foreign_node_that_knows_nothing_is_named_by_its_id() -> None:
    (passage,) = passages_of([NodeWithScore(node=Document(id_="doc-1", text="text"), score=None)])
    assert (passage.document, passage.start, passage.end) == ("doc-1", 0, 4)
    assert passage.scores == {}


def test_no_nodes_no_passages() -> None:
    assert passages_of([]) == ()


# Read from a store


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    """Two thousand passages in the first document, of which the second repeats two."""
    texts = [f"{number:04}" for number in range(2000)]
    first = [Chunk("a/first.txt", number, number * 4, number * 4 + 4, text) for number, text in enumerate(texts)]
    second = [Chunk("b/second.pdf", 0, 0, 4, "1999", 7, 8), Chunk("b/second.pdf", 1, 4, 8, "0000", 8, 8)]
    write_chunks(
        tmp_path / "chunks.sqlite",
        [
            (OurDocument("a/first.txt", "0" * 64, "text/plain", "en", "First", "".join(texts)), first),
            (OurDocument("b/second.pdf", "1" * 64, "application/pdf", "zh", "", "19990000", name="second"), second),
        ],
    )
    return ChunkStore(tmp_path / "chunks.sqlite")


def test_passages_are_read_in_the_order_given_also_more_than_one_query_takes(store: ChunkStore) -> None:
    numbers = list(reversed(range(2000)))
    nodes = read_nodes(store, numbers, [{"cosine": float(number)} for number in numbers])
    assert [node.text for node in nodes] == [f"{number:04}" for number in numbers]
    assert [node.metadata["scores"]["cosine"] for node in nodes] == numbers
    assert {node.metadata["title"] for node in nodes} == {"First"}


def test_a_passage_is_shown_at_the_place_that_is_asked_for(store: ChunkStore) -> None:
    first, second = read_nodes(store, [1999, 1999], [{}, {}], shown=[[0, 1], [1, 0]])
    assert (first.node_id, first.metadata["page"]) == ("a/first.txt#7996-8000", None)
    assert first.metadata["also_in"] == [
        {"document": "b/second.pdf", "page": 7, "last_page": 8, "start": 0, "end": 4}
    ]  # fmt: skip
    assert (second.node_id, second.ref_doc_id) == ("b/second.pdf#0-4", "b/second.pdf")
    assert (second.metadata["page"], second.metadata["last_page"], second.metadata["language"]) == (7, 8, "zh")
    assert (second.metadata["title"], second.start_char_idx, second.end_char_idx) == ("second", 0, 4)
    assert second.metadata["also_in"] == [
        {"document": "a/first.txt", "page": None, "last_page": None, "start": 7996, "end": 8000}
    ]  # fmt: skip


def test_only_the_places_that_are_asked_for_are_named(store: ChunkStore) -> None:
    (alone,) = read_nodes(store, [1999], [{}], shown=[[1]])
    assert (alone.node_id, alone.metadata["also_in"]) == ("b/second.pdf#0-4", [])


def test_a_date_that_is_not_known_is_none() -> None:
    assert document_metadata(replace(FACTS, date=""))["date"] is None


def test_nothing_is_read_where_nothing_is_asked_for(store: ChunkStore) -> None:
    assert read_nodes(store, [], []) == []
