"""Texts are compared by the cosines of their vectors, and what a model cannot read is said beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.datatypes import Fingerprint
from rag_app.language import Language
from rag_app.models.choosing.similarity import compare
from tests.fakes import fake_fingerprint, hash_vector
from tests.models.small_catalogue import row

CHINESE = "忘记密码如何处理？"
ENGLISH = "What is to be done when the password is forgotten?"


class PromptedEmbedder:
    """Vectors of the text with its prompt; one token a letter."""

    def __init__(self, **changes: object) -> None:
        self.fingerprint: Fingerprint = fake_fingerprint(**changes)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([hash_vector(self.fingerprint.passage_prompt + text) for text in texts])

    def embed_question(self, text: str) -> NDArray[np.float32]:
        return hash_vector(self.fingerprint.query_prompt + text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(self.fingerprint.passage_prompt + text) for text in texts]


def test_a_cosine_is_that_of_the_two_vectors() -> None:
    found = compare(PromptedEmbedder(), None, ["one two", "two three", "one two"])
    expected = float(hash_vector("one two") @ hash_vector("two three"))
    assert found.cosines.shape == (3, 3)
    assert found.cosines[0, 1] == pytest.approx(expected, abs=1e-6)
    assert found.cosines[0, 2] == pytest.approx(1, abs=1e-6)
    assert np.array_equal(found.cosines, found.cosines.T)
    assert np.allclose(np.diag(found.cosines), 1)
    assert np.abs(found.cosines).max() <= 1


def test_the_order_of_texts_does_not_matter_unless_the_first_is_a_question() -> None:
    embedder = PromptedEmbedder(query_prompt="seek many words ", passage_prompt="found ")
    one, other = (compare(embedder, None, texts).cosines[0, 1] for texts in (["red", "blue"], ["blue", "red"]))
    asked, turned = (
        compare(embedder, None, texts, first_is_question=True).cosines[0, 1]
        for texts in (["red", "blue"], ["blue", "red"])
    )
    assert one == other
    assert asked == pytest.approx(float(hash_vector("seek many words red") @ hash_vector("found blue")), abs=1e-6)
    assert asked != one
    assert turned == pytest.approx(float(hash_vector("seek many words blue") @ hash_vector("found red")), abs=1e-6)


def test_a_text_beyond_the_window_is_named_with_its_prompt_counted() -> None:
    embedder = PromptedEmbedder(max_tokens=10, passage_prompt="12345", query_prompt="123")
    assert compare(embedder, None, ["12345", "123456"]).truncated == (False, True)
    assert compare(embedder, None, ["12345", "12345"], first_is_question=True).truncated == (True, False)


def test_a_language_that_the_row_does_not_have_is_named() -> None:
    found = compare(PromptedEmbedder(), row("own/a", "en"), [ENGLISH, CHINESE, "Schlüssel"])
    assert found.uncovered == (None, Language("zh", "Hans"), None)
    assert compare(PromptedEmbedder(), row("own/a", "multilingual"), [ENGLISH, CHINESE]).uncovered == (None, None)


def test_of_a_model_without_a_row_no_language_is_known() -> None:
    assert compare(PromptedEmbedder(), None, [ENGLISH, CHINESE]).uncovered == (None, None)
