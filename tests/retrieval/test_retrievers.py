"""Question to passages over a published knowledge base: order, scores by name, and Chinese as well as English."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from rag_app.retrieval.first_stage import DEPTH, NATS_PER_DEVIATION
from rag_app.retrieval.fusion import PassageScores, Scales, fuse_first, fuse_second, keyword_scale
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.retrieval.second_stage import evidence_of
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


class Sentences:
    """Embeds sentences as passages are, and keeps them."""

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text."""
        return True

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded.extend(texts)
        return np.stack([hash_vector(text) for text in texts])


@pytest.mark.parametrize("embedder", [None, Sentences()])
def test_the_fused_score_is_that_of_the_second_stage(small_base: SmallBase, embedder: Sentences | None) -> None:
    question = "account locked VPN 密码"
    base = small_base.open()
    vectors = base.vectors(small_base.fingerprint)
    settings = RetrievalSettings(top_k=100, evidence_depth=100)
    nodes = KnowledgeBaseRetriever(base, vectors, HashEmbedding(), settings, None, embedder).retrieve(question)
    assert len(nodes) == base.chunk_count
    chunks = list(base.chunks.all_chunks())
    cosines = vectors.cosines(hash_vector(question), np.arange(len(chunks)))
    bm25, words = base.keywords.scores(question), base.keywords.read(question)
    evidence = evidence_of(chunks, words, hash_vector(question), embedder)
    scales = Scales(NATS_PER_DEVIATION / vectors.spread(hash_vector(question))[1], keyword_scale(words.weight))
    expected = fuse_second(
        PassageScores(cosines, bm25, evidence.sentences, evidence.sentence_words, evidence.word_pairs), scales
    )
    by_id = {chunk.id: number for number, chunk in enumerate(chunks)}
    for node in nodes:
        number = by_id[node.node.node_id]
        assert scores(node)["fused"] == pytest.approx(float(expected[number]), abs=1e-4)
        assert ("sentence" in scores(node)) == (embedder is not None)
        start, end = node.node.metadata["best_sentence"]
        offset = node.node.metadata["start"]
        assert (start - offset, end - offset) == evidence.best[number]


def test_passages_beyond_the_second_stage_stay_behind_it_in_the_order_of_the_first(small_base: SmallBase) -> None:
    question = "account locked VPN 密码"
    first = retriever_over(small_base, top_k=100, evidence_depth=0).retrieve(question)
    both = retriever_over(small_base, top_k=100, evidence_depth=2).retrieve(question)
    names = [[node.node.node_id for node in nodes] for nodes in (first, both)]
    assert set(names[0][:2]) == set(names[1][:2])
    assert names[0][2:] == names[1][2:]
    fused = [scores(node)["fused"] for node in both]
    assert fused == sorted(fused, reverse=True)
    assert ["best_sentence" in node.node.metadata for node in both] == [True] * 2 + [False] * (len(both) - 2)


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
    knowledge_base = retriever._knowledge_base
    vectors = knowledge_base.vectors(knowledge_base.models[0])
    cosines, bm25 = vectors.vectors(slice(None)) @ vector, knowledge_base.keywords.scores(QUESTION)
    weight = knowledge_base.keywords.read(QUESTION).weight
    scales = Scales(NATS_PER_DEVIATION / vectors.spread(vector)[1], keyword_scale(weight))
    return {"cosine": cosines, "bm25": bm25, "fused": fuse_first(cosines, bm25, scales)}


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
        embedding = FixedEmbedding(vector=vector.tolist())
        asked = make(embedding, retriever=retriever, top_k=20, evidence_depth=0)
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
    asked = make(FixedEmbedding(vector=away.tolist()), retriever="hybrid")
    words = asked._knowledge_base.keywords.read(QUESTION)
    found = asked._first_stage.find(words, away, "hybrid", 1)
    assert found.cosines is not None
    assert found.cosines[found.numbers == number].tolist() == [pytest.approx(-1, abs=1e-5)]
    assert len(found.numbers) < DEPTH + 500  # it is among them for its words alone


def test_a_passage_without_a_vector_is_found_by_its_words(tmp_path: Path) -> None:
    make = make_many(tmp_path, 50, rows=np.arange(49))
    embedding = FixedEmbedding(vector=[1.0] + [0.0] * 15)
    for retriever in ("hybrid", "keyword"):
        found = make(embedding, retriever=retriever, top_k=50).retrieve("49 " + QUESTION)
        (without,) = [node for node in found if node.node.get_content().endswith(" 49")]
        assert "cosine" not in scores(without)
        assert all("cosine" in scores(node) for node in found if node is not without)
    dense = make(embedding, retriever="dense", top_k=50).retrieve("49 " + QUESTION)
    assert len(dense) == 49


def test_a_passage_that_lost_its_vector_is_judged_by_its_words(tmp_path: Path) -> None:
    """A purge may leave such passages until the next build."""
    make = make_many(tmp_path, 300, rows=np.arange(299))
    asked = make(FixedEmbedding(vector=unit_vectors(1, 16, seed=7)[0].tolist()), retriever="hybrid")
    (lost,) = asked._knowledge_base.chunks.chunks([299])
    found = asked.retrieve(lost.text)
    assert found[0].node.node_id == lost.id
