"""A question's vector: of unit length, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.errors import EmbeddingError
from rag_app.retrieval.question_vector import question_vector

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda number: abs(number) > 1e-6)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_any_embedding_keeps_its_direction_and_gets_length_one(embedding: list[float]) -> None:
    vector = question_vector(embedding)
    assert vector.dtype == np.float32
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(vector * np.linalg.norm(embedding), embedding, rtol=1e-5)


@pytest.mark.parametrize(
    "embedding",
    [
        pytest.param([0.0, 0.0], id="zero"),
        pytest.param([], id="empty"),
        pytest.param([1.0, float("nan")], id="not a number"),
        pytest.param([float("-inf"), 1.0], id="infinite"),
        pytest.param([1e300, 1e300], id="too long for a float"),
    ],
)
def test_a_vector_without_a_direction_is_refused(embedding: list[float]) -> None:
    with pytest.raises(EmbeddingError, match="cannot be searched: its length is"):
        question_vector(embedding)
