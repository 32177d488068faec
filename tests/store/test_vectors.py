"""Vectors that are written come back, and are found exactly or nearly so, with and without a filter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.errors import EmbedderMismatch, EmbeddingError
from rag_app.store import vectors as vectors_module
from rag_app.store.vector_plan import EXACT_NUMBERS, plan_vectors
from rag_app.store.vectors import VectorIndex, write_vectors
from tests.fakes import fake_fingerprint
from tests.store.clusters import DIMENSION, clustered
from tests.store.vector_kinds import LISTS, PLANS, Numbers, Vectors, nearest, units, written

FINGERPRINT = fake_fingerprint(dimension=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kb" / "gen-00000001" / "vectors" / "fake-0"


@pytest.fixture(params=PLANS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def looking_at_all(folder: Path, index: VectorIndex) -> VectorIndex:
    """Return the index with as many probes as there are lists, so that it has to find what an exact search finds."""
    parameters = {**index.description.parameters, "probes": index.description.parameters.get("lists", 0)}
    return VectorIndex(folder, index.fingerprint, replace(index.description, parameters=parameters))


# What is written comes back


def test_vectors_come_back_bit_for_bit_each_with_its_chunk(folder: Path, kind: str) -> None:
    vectors, rows = clustered(700, seed=1), np.random.default_rng(0).permutation(1400)[:700]
    index = written(folder, vectors, rows, kind)
    assert index.count == 700
    assert index.vectors(slice(None)).dtype == np.float32
    order = np.argsort(rows)
    there = np.argsort(index.rows)
    np.testing.assert_array_equal(np.asarray(index.rows)[there], rows[order])
    np.testing.assert_array_equal(index.vectors(slice(None))[there], vectors[order])
    np.testing.assert_array_equal(index.vectors(there[:50]), vectors[order[:50]])
    np.testing.assert_array_equal(index.vectors(slice(3, 9)), index.vectors(np.arange(3, 9)))


def test_the_description_says_what_was_made(folder: Path, kind: str) -> None:
    description = written(folder, clustered(2000, seed=1), range(2000), kind).description
    assert (description.kind, description.code) == (PLANS[kind].kind, PLANS[kind].code)
    if kind == "exact":
        assert (description.parameters, description.recall, description.sample) == ({}, 1.0, 0)
    else:
        assert description.parameters["lists"] == LISTS
        assert 1 <= description.parameters["probes"] <= LISTS
        assert 0.97 <= description.recall <= 1
        assert description.sample == 500


@pytest.mark.parametrize("memory_gb", [None, 1e-4])
def test_the_plan_follows_from_count_dimension_and_memory(memory_gb: float | None, folder: Path) -> None:
    vectors, fingerprint = clustered(2000, seed=1), fake_fingerprint(dimension=DIMENSION)
    description = write_vectors(folder, vectors, np.arange(2000), fingerprint, memory_gb=memory_gb)
    plan = plan_vectors(2000, DIMENSION, memory_gb)
    assert (description.kind, description.code) == (plan.kind, plan.code)
    assert description.parameters.get("lists", 0) == plan.lists


def test_the_same_vectors_give_the_same_bytes_on_any_number_of_threads(tmp_path: Path, kind: str) -> None:
    vectors = clustered(2000, seed=1)
    before = faiss.omp_get_max_threads()
    contents, descriptions = [], []
    try:
        for threads in (1, 2, 3, 2):
            faiss.omp_set_num_threads(threads)
            folder = tmp_path / str(len(contents))
            descriptions.append(written(folder, vectors, range(2000), kind).description)
            contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    finally:
        faiss.omp_set_num_threads(before)
    assert all(content == contents[0] for content in contents)
    assert all(description == descriptions[0] for description in descriptions)


# What is found


@pytest.mark.parametrize("kind", PLANS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_looking_at_all_lists_finds_what_an_exact_search_finds(
    data: st.DataObject, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generator = np.random.default_rng(data.draw(st.integers(0, 2**20), label="seed"))
    size = data.draw(st.integers(1, 120), label="rows")
    vectors = clustered(size, seed=int(generator.integers(2**20)))[
        generator.integers(size, size=size)
    ]  # some are equal
    rows = generator.integers(
        data.draw(st.integers(1, 150), label="chunks"), size=size
    )  # several rows a chunk, or none
    allowed = data.draw(st.none() | st.sets(st.integers(0, 160), max_size=100).map(sorted), label="allowed")
    allowed = None if allowed is None else np.array(allowed, dtype=np.int64)
    count = data.draw(st.integers(1, 40), label="count")
    question = clustered(1, seed=int(generator.integers(2**20)))[0]
    folder = tmp_path_factory.mktemp("kb") / "gen" / "vectors" / "fake"
    index = looking_at_all(folder, written(folder, vectors, rows, kind))
    numbers, cosines = index.search(question, count, allowed)
    expected, values = nearest(vectors, rows, question, count, allowed)
    assert numbers.dtype == np.int64
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, values, atol=1e-6)
    assert len(set(numbers.tolist())) == len(expected)
    assert allowed is None or set(numbers.tolist()) <= set(allowed.tolist())
    np.testing.assert_array_equal(index.cosines(question, numbers), cosines)
    ranked = list(zip((-cosines).tolist(), numbers.tolist(), strict=True))
    assert ranked == sorted(ranked)  # of equals, the lower number first
    certain = [number for number, value in zip(expected, values, strict=True) if value > values[-1] + 1e-6]
    assert set(certain) <= set(numbers.tolist())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VectorIndex]:
    """Three thousand vectors in an index of each kind, with the probes that were chosen for them."""
    folder = tmp_path_factory.mktemp("kb")
    return {kind: written(folder / kind, clustered(3000, seed=1), range(3000), kind) for kind in PLANS}


def correlated(numbers: Numbers) -> Numbers:
    """Return the thirtieth of the chunks that are nearest to a place far from most questions."""
    return np.sort(
        np.argsort(-(clustered(3000, seed=1) @ clustered(1, seed=99)[0]), kind="stable")[: len(numbers) // 30]
    )


FILTERS: dict[str, Callable[[Numbers], Numbers]] = {
    "half": lambda numbers: numbers[::2],
    "a tenth": lambda numbers: numbers[::10],
    "a hundredth": lambda numbers: numbers[::100],
    "five": lambda numbers: numbers[::600],
    "one corner": correlated,
}


@pytest.mark.parametrize("name", [None, *FILTERS])
@pytest.mark.parametrize("floor", [0, EXACT_NUMBERS])
def test_questions_that_are_no_rows_find_what_is_nearest_with_and_without_a_filter(
    floor: int, name: str | None, kind: str, large: dict[str, VectorIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps up to 50 million numbers is searched whole; without that floor lists are looked at under a filter too."""
    monkeypatch.setattr(vectors_module, "EXACT_NUMBERS", floor)
    vectors, numbers = clustered(3000, seed=1), np.arange(3000)
    allowed = FILTERS[name](numbers) if name else None
    wanted = min(10, 3000 if allowed is None else len(allowed))
    found = []
    for question in clustered(60, seed=7):
        expected, values = nearest(vectors, numbers, question, wanted, allowed)
        got, cosines = large[kind].search(question, 10, allowed)
        assert len(got) == wanted
        np.testing.assert_allclose(cosines, vectors[got] @ question, atol=1e-6)
        assert cosines[0] <= values[0] + 1e-6
        found.append(len(set(got.tolist()) & set(expected)) / wanted)
    assert np.mean(found) >= (1 if kind == "exact" or (floor and name) else 0.98)


def test_a_filter_loses_nothing_where_lists_are_far_too_few(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of tight clusters one list may be enough without a filter, while most of what a filter lets through is elsewhere."""
    index = written(tmp_path / "vectors", clustered(3000, seed=1), range(3000), kind)
    few = VectorIndex(
        tmp_path / "vectors", index.fingerprint, replace(index.description, parameters={"lists": LISTS, "probes": 1})
    )
    allowed = np.arange(0, 3000, 3)

    def recall() -> float:
        found = []
        for question in clustered(40, seed=7):
            expected, _ = nearest(clustered(3000, seed=1), np.arange(3000), question, 10, allowed)
            found.append(len(set(few.search(question, 10, allowed)[0].tolist()) & set(expected)) / 10)
        return float(np.mean(found))

    assert recall() == 1
    if kind != "exact":
        monkeypatch.setattr(vectors_module, "EXACT_NUMBERS", 0)
        assert recall() < 0.9


@pytest.mark.parametrize("count", [1, 10, 1500, 3000, 5000])
def test_there_are_never_fewer_than_were_asked_for_and_are_there(
    count: int, kind: str, large: dict[str, VectorIndex]
) -> None:
    for question in clustered(3, seed=7):
        for allowed in (None, np.arange(0, 3000, 3)):
            numbers, _ = large[kind].search(question, count, allowed)
            assert len(numbers) == min(count, 3000 if allowed is None else 1000)
            assert len(set(numbers.tolist())) == len(numbers)


def test_a_chunk_with_many_near_rows_is_found_once_and_others_beside_it(folder: Path, kind: str) -> None:
    vectors = np.concatenate([np.repeat(clustered(1, seed=1), 900, axis=0), clustered(300, seed=2)])
    index = written(folder, vectors, [0] * 900 + list(range(1, 301)), kind)
    numbers, cosines = index.search(vectors[0], 10)
    assert numbers[0] == 0
    assert cosines[0] == pytest.approx(1)
    assert len(set(numbers.tolist())) == 10


def test_a_chunk_has_the_cosine_of_its_best_row_wherever_that_lies(folder: Path, kind: str) -> None:
    random = np.random.default_rng(5)
    vectors = random.standard_normal((800, 32), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = written(folder, vectors, np.sort(random.integers(0, 200, 800)), kind)
    for question in vectors[::40]:
        numbers, cosines = index.search(question, 10)
        assert cosines.tolist() == index.cosines(question, numbers).tolist() == sorted(cosines.tolist(), reverse=True)


def test_where_all_are_equal_the_lowest_numbers_are_found(folder: Path, kind: str) -> None:
    vectors = np.repeat(clustered(1, seed=1), 500, axis=0)
    index = written(folder, vectors, np.random.default_rng(0).permutation(500), kind)
    assert index.search(vectors[0], 5)[0].tolist() == [0, 1, 2, 3, 4]
    assert index.search(vectors[0], 3, np.array([7, 9, 300, 499]))[0].tolist() == [7, 9, 300]


def test_several_threads_find_what_one_finds(kind: str, large: dict[str, VectorIndex]) -> None:
    questions = clustered(40, seed=7)
    expected = [large[kind].search(question, 10) for question in questions]
    failures: list[int] = []

    def ask(number: int) -> None:
        for question, (numbers, cosines) in list(zip(questions, expected, strict=True))[number::4] * 5:
            got = large[kind].search(question, 10)
            if got[0].tolist() != numbers.tolist() or got[1].tolist() != cosines.tolist():
                failures.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_filter_that_lets_nothing_through_finds_nothing(kind: str, large: dict[str, VectorIndex]) -> None:
    for allowed in ([], [5000, 9000], [-3]):
        numbers, cosines = large[kind].search(clustered(1, seed=7)[0], 10, np.array(allowed, dtype=np.int64))
        assert (len(numbers), len(cosines)) == (0, 0)


def test_none_are_found_where_none_are_wanted(kind: str, large: dict[str, VectorIndex]) -> None:
    assert large[kind].search(clustered(1, seed=7)[0], 0)[0].tolist() == []


def test_the_index_of_no_vectors_can_be_written_and_asked(folder: Path) -> None:
    description = write_vectors(folder, np.empty((0, 4), dtype=np.float32), np.empty(0, dtype=np.int64), FINGERPRINT)
    index = VectorIndex(folder, FINGERPRINT, description)
    question = units([1, 0, 0, 0])[0]
    assert index.count == 0
    assert index.search(question, 3)[0].tolist() == []
    assert index.cosines(question, np.array([0, 1])).tolist() == [-1, -1]
    assert index.spread(question) == (0, 0)
    assert index.vectors(slice(None)).shape == (0, 4)


# Scores


def test_a_cosine_is_one_for_the_same_direction_and_minus_one_for_the_opposite(folder: Path) -> None:
    index = written(folder, units([1, 0, 0, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [1, 1, 0, 0]), [0, 1, 2, 3])
    cosines = index.cosines(units([1, 0, 0, 0])[0], np.arange(4))
    np.testing.assert_allclose(cosines, [1, 0, -1, np.sqrt(0.5)], atol=1e-6)
    assert cosines.dtype == np.float32


def test_a_chunk_with_several_rows_has_the_cosine_of_its_best_and_one_without_a_row_the_worst_there_is(
    folder: Path,
) -> None:
    index = written(folder, units([1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0], [-1, 0, 0, 0]), [1, 1, 0, 4])
    cosines = index.cosines(units([1, 0, 0, 0])[0], np.array([4, 0, 3, 1, 0, 99, 2]))
    np.testing.assert_allclose(cosines, [-1, np.sqrt(0.5), -1, 1, np.sqrt(0.5), -1, -1], atol=1e-6)


def test_the_spread_is_mean_and_deviation_of_all_cosines_where_there_are_few(
    kind: str, large: dict[str, VectorIndex]
) -> None:
    question = clustered(1, seed=7)[0]
    cosines = clustered(3000, seed=1) @ question
    assert large[kind].spread(question) == pytest.approx((cosines.mean(), cosines.std()), abs=1e-5)


def test_the_spread_of_many_is_that_of_a_sample(folder: Path, kind: str) -> None:
    vectors = clustered(9000, seed=1)
    question = clustered(1, seed=7)[0]
    cosines = vectors @ question
    spread = written(folder, vectors, range(9000), kind).spread(question)
    assert spread == pytest.approx((cosines.mean(), cosines.std()), abs=0.02)


# What is refused


@pytest.mark.parametrize(
    "ask",
    [
        lambda index, question: index.search(question, 3),
        lambda index, question: index.cosines(question, np.array([0])),
        lambda index, question: index.spread(question),
    ],
)
def test_a_question_of_another_length_or_without_numbers_is_refused(
    ask: Callable[[VectorIndex, Vectors], object], folder: Path
) -> None:
    index = written(folder, units([1, 0, 0, 0]), [0])
    with pytest.raises(EmbedderMismatch, match="has 3 numbers; the index of fake/hash-embedding has 4"):
        ask(index, np.ones(3, dtype=np.float32))
    with pytest.raises(EmbeddingError, match="not finite"):
        ask(index, np.array([1, np.nan, 0, 0], dtype=np.float32))


@pytest.mark.parametrize(
    ("vector", "found"),
    [
        ([np.nan, 0, 0, 0], "length nan"),
        ([np.inf, 0, 0, 0], "length inf"),
        ([0, 0, 0, 0], "length 0"),
        ([2, 0, 0, 0], "length 2"),
    ],
)
def test_vectors_that_no_model_should_give_are_not_written(vector: list[float], found: str, folder: Path) -> None:
    vectors = np.array([[1, 0, 0, 0], vector], dtype=np.float32)
    with pytest.raises(EmbeddingError, match=f"gave passage 7 a vector of {found}; expected 1"):
        write_vectors(folder, vectors, np.array([3, 7]), FINGERPRINT)
    assert not folder.exists()


def test_vectors_of_another_length_than_the_fingerprint_says_are_not_written(folder: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"gave vectors of shape \(1, 3\); expected 4 numbers each"):
        write_vectors(folder, np.array([[1, 0, 0]], dtype=np.float32), np.array([0]), FINGERPRINT)
