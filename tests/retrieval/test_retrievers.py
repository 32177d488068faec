"""Question to passages over a published knowledge base: order, scores by name, and Chinese as well as English."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore
from numpy.typing import NDArray

from rag_app.config import RetrievalSettings
from rag_app.datatypes import Chunk, Document
from rag_app.errors import EmbeddingError
from rag_app.retrieval.fusion import fuse, spread_of
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import DEPTH, KnowledgeBaseRetriever
from tests.conftest import MakeBase, SmallBase
from tests.fakes import HashEmbedding, hash_vector
from tests.retrieval.bases import publish_vectors, unit_vectors

RETRIEVERS = ["hybrid", "dense", "keyword"]
PASSWORDS, VPN, CHINESE = "docs/passwords.md", "docs/vpn.md", "docs/密码.md"


def retriever_over(base: SmallBase, **settings: Any) -> KnowledgeBaseRetriever:
    opened = base.open()
    return KnowledgeBaseRetriever(
        opened, opened.vectors(base.fingerprint), HashEmbedding(), RetrievalSettings(**settings)
    )


def documents(nodes: list[NodeWithScore]) -> list[str]:
    return [passage.document for passage in passages_of(nodes)]


def scores(node: NodeWithScore) -> dict[str, float]:
    found: dict[str, float] = node.node.metadata["scores"]
    return found


def test_it_is_a_llama_index_retriever(small_base: SmallBase) -> None:
    assert isinstance(retriever_over(small_base), BaseRetriever)


@pytest.mark.parametrize("retriever", RETRIEVERS)
@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("When is an account locked after failed sign-ins?", PASSWORDS),
        ("Which Harbour Connect does the VPN need?", VPN),
        ("连续输错密码，账号会怎样？", CHINESE),
        ("账号锁定多少分钟", CHINESE),
    ],
)
def test_the_document_that_answers_is_first(
    small_base: SmallBase, retriever: str, question: str, document: str
) -> None:
    assert documents(retriever_over(small_base, retriever=retriever).retrieve(question))[0] == document


@pytest.mark.parametrize(
    ("retriever", "ranks_by"), [("hybrid", "fused"), ("dense", "cosine"), ("keyword", "bm25")]
)  # fmt: skip
def test_the_order_is_that_of_the_ranking_score(small_base: SmallBase, retriever: str, ranks_by: str) -> None:
    nodes = retriever_over(small_base, retriever=retriever).retrieve("account locked password VPN 密码")
    assert len(nodes) > 1
    assert [node.score for node in nodes] == [scores(node)[ranks_by] for node in nodes]
    assert [node.score for node in nodes] == sorted((node.score or 0.0 for node in nodes), reverse=True)


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_every_passage_has_each_score_under_its_name(small_base: SmallBase, retriever: str) -> None:
    question = "account locked password VPN 密码"
    vector = hash_vector(question)
    base = small_base.open()
    nodes = retriever_over(small_base, retriever=retriever).retrieve(question)
    by_id = {chunk.id: chunk for chunk in base.chunks.chunks(list(range(base.chunk_count)))}
    for node in nodes:
        names = {"cosine", "bm25"} | ({"fused"} if retriever == "hybrid" else set())
        assert set(scores(node)) == names
        expected = float(hash_vector(by_id[node.node.node_id].embedded_text) @ vector)
        assert scores(node)["cosine"] == pytest.approx(expected, abs=1e-5)
        assert scores(node)["bm25"] > 0 or retriever != "keyword"


def test_the_fused_score_weighs_dense_and_keyword(small_base: SmallBase) -> None:
    question = "account locked VPN 密码"
    nodes = retriever_over(small_base, retriever="hybrid", dense_weight=0.2, top_k=100).retrieve(question)
    assert len(nodes) == small_base.open().chunk_count
    cosines = np.array([scores(node)["cosine"] for node in nodes], np.float32)
    bm25 = np.array([scores(node)["bm25"] for node in nodes], np.float32)
    fused = [scores(node)["fused"] for node in nodes]
    expected = fuse([cosines, bm25], [spread_of(cosines), spread_of(bm25)], [0.2, 0.8])
    np.testing.assert_allclose(fused, expected, atol=1e-4)


@pytest.mark.parametrize("retriever", ["hybrid", "dense"])
def test_the_exact_text_has_cosine_one(small_base: SmallBase, retriever: str) -> None:
    base = small_base.open()
    for chunk in base.chunks.chunks(list(range(base.chunk_count))):
        best = retriever_over(small_base, retriever=retriever).retrieve(chunk.embedded_text)[0]
        assert best.node.node_id == chunk.id
        assert scores(best)["cosine"] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("question", ["zymurgy quokka", "鲸鱼", "?"])
def test_keyword_search_finds_nothing_where_no_word_is_shared(small_base: SmallBase, question: str) -> None:
    assert retriever_over(small_base, retriever="keyword").retrieve(question) == []


@pytest.mark.parametrize("retriever", ["hybrid", "dense"])
def test_the_others_say_with_a_score_how_bad_the_best_is(small_base: SmallBase, retriever: str) -> None:
    nodes = retriever_over(small_base, retriever=retriever).retrieve("zymurgy quokka")
    assert nodes
    assert all(scores(node)["bm25"] == 0 for node in nodes)


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_no_more_than_top_k(small_base: SmallBase, retriever: str) -> None:
    question = "account locked password VPN 密码"
    everything = retriever_over(small_base, retriever=retriever, top_k=100).retrieve(question)
    two = retriever_over(small_base, retriever=retriever, top_k=2).retrieve(question)
    assert [node.node.node_id for node in two] == [node.node.node_id for node in everything[:2]]


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_the_same_question_gets_the_same_passages(small_base: SmallBase, retriever: str) -> None:
    first, second = (
        [(node.node.node_id, node.score) for node in retriever_over(small_base, retriever=retriever).retrieve("VPN")]
        for _ in range(2)
    )
    assert first == second


def test_equal_passages_come_in_the_order_of_the_documents(make_base: MakeBase) -> None:
    # The same words in every document, but not the same text: else it were one passage.
    base = make_base(
        {f"docs/{name}.md": f"The same words everywhere{stops}" for name, stops in zip("abcd", ".?!;", strict=True)}
    )
    for retriever in RETRIEVERS:
        found = documents(retriever_over(base, retriever=retriever, top_k=3).retrieve("same words"))
        assert found == ["docs/a.md", "docs/b.md", "docs/c.md"]


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_a_passage_that_stands_in_many_documents_is_found_once_with_all_its_places(
    make_base: MakeBase, retriever: str
) -> None:
    copies = {f"docs/copy-{number:03}.md": "# VPN\n\nThe VPN needs Harbour Connect." for number in range(100)}
    base = make_base(copies | {"docs/other.md": "# Printers\n\nThe printer is on the second floor."})
    nodes = retriever_over(base, retriever=retriever, top_k=5).retrieve("Which VPN client?")
    holding = [passage for passage in passages_of(nodes) if "Harbour Connect" in passage.text]
    assert len(holding) == 1
    assert [holding[0].document, *(place.document for place in holding[0].also_in)] == list(copies)


def test_a_passage_is_the_text_at_its_place_and_nothing_else_is_prompted(small_base: SmallBase) -> None:
    for node in retriever_over(small_base).retrieve("密码 password VPN"):
        assert node.node.get_content(metadata_mode=MetadataMode.LLM) == node.node.get_content()
        assert node.node.get_content(metadata_mode=MetadataMode.EMBED) == node.node.get_content()
        assert node.node.metadata["end"] - node.node.metadata["start"] == len(node.node.get_content())


def test_keyword_search_works_without_an_embedding_model(small_base: SmallBase) -> None:
    retriever = KnowledgeBaseRetriever(small_base.open(), None, None, RetrievalSettings(retriever="keyword"))
    nodes = retriever.retrieve("Harbour Connect")
    assert documents(nodes) == [VPN]
    assert set(scores(nodes[0])) == {"bm25"}


@pytest.mark.parametrize("retriever", ["hybrid", "dense"])
def test_a_dense_search_without_vectors_is_a_mistake_of_the_caller(small_base: SmallBase, retriever: str) -> None:
    with pytest.raises(ValueError, match="needs vectors"):
        KnowledgeBaseRetriever(small_base.open(), None, None, RetrievalSettings(retriever=retriever))


def test_vectors_without_their_model_are_a_mistake_of_the_caller(small_base: SmallBase) -> None:
    base = small_base.open()
    with pytest.raises(ValueError, match="together"):
        KnowledgeBaseRetriever(base, base.vectors(small_base.fingerprint), None, RetrievalSettings())


class ScaledEmbedding(HashEmbedding):
    """A LlamaIndex embedding that does not normalise, times a factor."""

    factor: float

    def _get_query_embedding(self, query: str) -> list[float]:
        return (hash_vector(query) * self.factor).tolist()


def with_factor(base: SmallBase) -> Callable[[float], KnowledgeBaseRetriever]:
    opened = base.open()
    vectors = opened.vectors(base.fingerprint)
    settings = RetrievalSettings(retriever="dense")
    return lambda factor: KnowledgeBaseRetriever(opened, vectors, ScaledEmbedding(factor=factor), settings)


def test_an_embedding_that_does_not_normalise_still_gives_cosines(small_base: SmallBase) -> None:
    build = with_factor(small_base)
    plain, scaled = build(1.0).retrieve("VPN"), build(17.0).retrieve("VPN")
    assert [scores(node)["cosine"] for node in scaled] == pytest.approx([scores(node)["cosine"] for node in plain])
    assert max(scores(node)["cosine"] for node in scaled) <= 1.0001


@pytest.mark.parametrize("factor", [0.0, float("nan"), float("inf")])
def test_a_question_without_a_direction_is_refused(small_base: SmallBase, factor: float) -> None:
    with pytest.raises(EmbeddingError, match="cannot be searched"):
        with_factor(small_base)(factor).retrieve("VPN")


# Against scoring every passage


class FixedEmbedding(HashEmbedding):
    """A LlamaIndex embedding that gives the same vector to every question."""

    vector: list[float]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.vector


WORDS = [f"word{number}" for number in range(300)]
QUESTION = "word0 word17 word111 word299"


def make_many(folder: Path, count: int, rows: NDArray[np.int64] | None = None) -> Callable[..., KnowledgeBaseRetriever]:
    """Publish passages of random words with random vectors; return what makes a retriever over them."""
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS, size=12)) + f" {number}" for number in range(count)]
    ends = np.cumsum([len(text) for text in texts]).tolist()
    spans = zip([0, *ends], ends, texts, strict=False)
    chunks = [Chunk("a.txt", number, start, end, text) for number, (start, end, text) in enumerate(spans)]
    document = Document("a.txt", "0" * 64, "text/plain", "en", "", "".join(texts))
    vectors = unit_vectors(count if rows is None else len(rows), 16)
    opened, index = publish_vectors(folder, [(document, chunks)], vectors, rows)

    def make(embed_model: BaseEmbedding, **settings: Any) -> KnowledgeBaseRetriever:
        return KnowledgeBaseRetriever(opened, index, embed_model, RetrievalSettings(**settings))

    return make


def exhaustive(retriever: KnowledgeBaseRetriever, vector: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the scores of every passage, each computed from all of them."""
    assert retriever._vectors is not None
    cosines = retriever._vectors.vectors(slice(None)) @ vector
    bm25 = retriever._knowledge_base.keywords.scores(QUESTION)
    dense = retriever._settings.dense_weight
    fused = dense * (cosines - cosines.mean()) / cosines.std() + (1 - dense) * (bm25 - bm25.mean()) / bm25.std()
    return {"cosine": cosines, "bm25": bm25, "fused": fused}


@pytest.mark.parametrize("count", [300, DEPTH, DEPTH + 500])
@pytest.mark.parametrize(
    ("retriever", "ranks_by"), [("hybrid", "fused"), ("dense", "cosine"), ("keyword", "bm25")]
)  # fmt: skip
def test_the_ranking_is_that_of_scoring_every_passage(
    tmp_path: Path, count: int, retriever: str, ranks_by: str
) -> None:
    make = make_many(tmp_path, count)
    for seed in range(5):
        vector = unit_vectors(1, 16, seed=100 + seed)[0]
        asked = make(FixedEmbedding(vector=vector.tolist()), retriever=retriever, top_k=20)
        expected = exhaustive(asked, vector)
        order = np.argsort(-expected[ranks_by], kind="stable")[:20].tolist()
        found = asked.retrieve(QUESTION)
        numbers = [int(node.node.get_content().rsplit(" ", 1)[1]) for node in found]
        assert numbers == order
        for node, number in zip(found, numbers, strict=True):
            for name, score in scores(node).items():
                assert score == pytest.approx(expected[name][number], abs=1e-4), name


def test_a_passage_that_only_keyword_search_finds_has_its_cosine(tmp_path: Path) -> None:
    make = make_many(tmp_path, DEPTH + 500)
    plain = make(FixedEmbedding(vector=[1.0] + [0.0] * 15), retriever="keyword", top_k=1).retrieve(QUESTION)[0]
    number = int(plain.node.get_content().rsplit(" ", 1)[1])
    away = -unit_vectors(DEPTH + 500, 16)[number]
    found = make(FixedEmbedding(vector=away.tolist()), retriever="hybrid", dense_weight=0.0, top_k=1).retrieve(QUESTION)
    assert found[0].node.node_id == plain.node.node_id
    assert scores(found[0])["cosine"] == pytest.approx(-1, abs=1e-5)


def test_a_passage_without_a_vector_is_found_by_its_words(tmp_path: Path) -> None:
    make = make_many(tmp_path, 50, rows=np.arange(49))
    embedding = FixedEmbedding(vector=[1.0] + [0.0] * 15)
    for retriever in ("hybrid", "keyword"):
        found = make(embedding, retriever=retriever, top_k=50, dense_weight=0.5).retrieve("49 " + QUESTION)
        (without,) = [node for node in found if node.node.get_content().endswith(" 49")]
        assert scores(without)["cosine"] == -1
    dense = make(embedding, retriever="dense", top_k=50).retrieve("49 " + QUESTION)
    assert len(dense) == 49
