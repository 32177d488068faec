"""Between chunks and LlamaIndex's nodes: nothing but the text is prompted or embedded, and a node can be read back."""

from __future__ import annotations

import pytest
from llama_index.core.schema import Document, MetadataMode, NodeWithScore, TextNode

from rag_app.datatypes import Chunk, Place
from rag_app.retrieval.nodes import node_of, passages_of

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
ELSEWHERE = Place("docs/copy.pdf", 4, 4, 7, 19)
SCORES = {"cosine": 0.5, "bm25": 3.25, "fused": 1.5}


def test_a_node_carries_the_chunk_and_ranks_by_the_ranking_score() -> None:
    scored = node_of(CHUNK, SCORES, 1.5)
    assert scored.score == 1.5
    assert scored.node.node_id == CHUNK.id == "docs/密码.pdf#100-112"
    assert scored.node.get_content() == CHUNK.text
    assert scored.node.metadata["scores"] == SCORES


@pytest.mark.parametrize("mode", [MetadataMode.EMBED, MetadataMode.LLM])
def test_metadata_is_kept_out_of_what_is_embedded_and_prompted(mode: MetadataMode) -> None:
    assert node_of(CHUNK, SCORES, 1.5).node.get_content(metadata_mode=mode) == CHUNK.text


def test_a_passage_is_read_back_whole() -> None:
    first, second = passages_of([node_of(CHUNK, SCORES, 1.5, [ELSEWHERE]), node_of(CHUNK, {"bm25": 0.0}, 0.0)])
    assert (first.n, second.n) == (1, 2)
    assert (first.document, first.page, first.start, first.end) == ("docs/密码.pdf", 2, 100, 112)
    assert (first.text, first.heading_path) == (CHUNK.text, ("忘记密码", "锁定"))
    assert (first.last_page, first.pages, first.table_header) == (3, "pages 2-3", "Model | Price")
    assert (first.also_in, second.also_in) == ((ELSEWHERE,), ())
    assert first.scores == SCORES
    assert second.scores == {"bm25": 0.0}


def test_a_node_survives_llama_indexs_serialisation() -> None:
    scored = node_of(CHUNK, SCORES, 1.5, [ELSEWHERE])
    restored = TextNode.from_json(scored.node.to_json())
    assert passages_of([NodeWithScore(node=restored, score=1.5)]) == passages_of([scored])


def test_a_changed_score_is_not_shared_with_the_caller() -> None:
    scores = dict(SCORES)
    scored = node_of(CHUNK, scores, 1.5)
    scores["cosine"] = -1.0
    assert passages_of([scored])[0].scores["cosine"] == 0.5


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
