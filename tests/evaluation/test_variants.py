"""Searches that the app does not do: BM25 as bm25s has it, and the two fusions by their formulas."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest
from llama_index.core.schema import QueryBundle

from rag_app.evaluation.systems import KeywordSpec, SystemSpec
from rag_app.evaluation.variants import KeywordVariant, VariantRetriever, reciprocal_ranks, z_scores
from tests.conftest import SmallBase
from tests.fakes import HashEmbedding

QUESTION = "When is an account locked after failed sign-ins?"


class Embedding(HashEmbedding):
    """A fake with what a model of ours has."""

    def embed_question(self, text: str):
        return np.asarray(self._get_query_embedding(text), np.float32)


def test_words_are_cut_and_scored_as_bm25s_does_by_itself(small_base: SmallBase) -> None:
    opened = small_base.open()
    texts = [chunk.text for chunk in opened.chunks.all_chunks()]
    spec = KeywordSpec(stemming=False, tokenizer="words", text="passage")
    index = bm25s.BM25(k1=spec.k1, b=spec.b)
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    (tokens,) = bm25s.tokenize([QUESTION], stopwords="en", show_progress=False, return_ids=False)
    expected = index.get_scores(tokens)
    assert KeywordVariant(opened, spec).scores(QUESTION) == pytest.approx(expected)
    assert expected.max() > 0


def test_settings_make_a_difference(small_base: SmallBase) -> None:
    opened = small_base.open()
    question = "accounts locks"
    stems = KeywordVariant(opened, KeywordSpec(stemming=True)).scores(question)
    words = KeywordVariant(opened, KeywordSpec(stemming=False)).scores(question)
    assert stems.max() > 0 == words.max()
    assert not KeywordVariant(opened, KeywordSpec()).scores("???").any()
    chinese = KeywordVariant(opened, KeywordSpec(tokenizer="ours")).scores("账号锁定")
    assert chinese.max() > 0


def test_z_scores_have_mean_zero_and_deviation_one() -> None:
    values = z_scores(np.array([1.0, 2.0, 4.0], np.float32))
    assert values.mean() == pytest.approx(0)
    assert values.std() == pytest.approx(1)
    assert z_scores(np.full(3, 7.0)).tolist() == [0, 0, 0]


def test_reciprocal_ranks_are_summed_to_a_depth() -> None:
    first, second = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])
    assert reciprocal_ranks([first, second], 60, 2) == pytest.approx([1 / 61, 2 / 62, 1 / 61])
    assert reciprocal_ranks([first, second], 60, 1) == pytest.approx([1 / 61, 0, 1 / 61])


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        (SystemSpec(name="k", retriever="keyword", keywords=KeywordSpec()), {"bm25"}),
        (SystemSpec(name="z", embed_model="m", fusion="z-scores"), {"cosine", "bm25", "fused"}),
        (SystemSpec(name="r", embed_model="m", fusion="reciprocal rank"), {"cosine", "bm25", "fused"}),
    ],
    ids=["keyword", "z-scores", "reciprocal rank"],
)
def test_the_right_passage_is_found_with_named_scores(small_base: SmallBase, spec: SystemSpec, names: set[str]) -> None:
    opened = small_base.open()
    embedder = None if spec.embed_model is None else _with_fingerprint(small_base)
    keywords = None if spec.keywords is None else KeywordVariant(opened, spec.keywords)
    nodes = VariantRetriever(opened, embedder, spec, keywords, 2).retrieve(QueryBundle(QUESTION))  # type: ignore[arg-type]
    assert nodes[0].node.metadata["document"] == "docs/passwords.md"
    assert set(nodes[0].node.metadata["scores"]) == names
    assert len(nodes) <= 2


def _with_fingerprint(base: SmallBase) -> Embedding:
    class Known(Embedding):
        @property
        def fingerprint(self):
            return base.fingerprint

    return Known()
