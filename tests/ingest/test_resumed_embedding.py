"""A build that was killed and goes on: it embeds the same texts together, and so ends with the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest import embedding
from ingest.embedding import Embedded
from rag_app.build_events import Event
from rag_app.store.cache_file import CacheCheck, check
from tests.children import in_a_child
from tests.fakes import FakePassageEmbedder, fake_fingerprint, hash_vector
from tests.ingest.embedded import embed_with


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


class Stopped(BaseException):
    """What ends a build in these tests."""


class BatchEmbedder(FakePassageEmbedder):
    """As a real model: embeds 16 at once, longest first, and the others of a batch change the last digits of a vector."""

    def __init__(self, calls: int = -1, stop: Callable[[], None] | None = None) -> None:
        """Stop in the call after so many."""
        super().__init__()
        self.calls = calls
        self.stop = stop

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.calls == 0:
            if self.stop is None:
                raise Stopped
            self.stop()
        self.calls -= 1
        vectors = super().embed_passages(texts).astype(np.float64)
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        for first in range(0, len(texts), 16):
            rows = order[first : first + 16]
            batch = tuple(texts[row] for row in rows)
            digest = hashlib.sha256("\0".join(batch).encode()).digest()
            vectors[rows] += 1e-5 * np.random.default_rng(list(digest)).standard_normal(vectors.shape[1])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "WINDOW", 96)


def passages(count: int, seed: int = 0) -> list[str]:
    """Return texts of lengths from 2 to 12 words, some of them several times."""
    numbers = random.Random(seed)
    words = [f"w{number}" for number in range(300)]
    texts = [" ".join(numbers.choices(words, k=numbers.randint(2, 12))) for _ in range(count)]
    return texts + numbers.sample(texts, count // 20)


TEXTS = passages(400)


@pytest.fixture
def uninterrupted(small_windows: None, tmp_path: Path) -> Embedded:
    (tmp_path / "uninterrupted").mkdir()
    return embed_with(BatchEmbedder(), TEXTS, tmp_path / "uninterrupted")


def test_the_stand_in_for_a_model_gives_another_vector_in_another_batch(base: Path, uninterrupted: Embedded) -> None:
    backwards = embed_with(BatchEmbedder(), TEXTS[::-1], base).vectors[::-1]
    assert not np.array_equal(backwards, uninterrupted.vectors)
    assert (backwards * uninterrupted.vectors).sum(axis=1).min() >= 0.999999


@pytest.mark.parametrize("calls", range(9))  # of five windows with two calls each, the last with one
def test_a_build_that_goes_on_from_one_that_failed_ends_with_the_same_bytes(
    calls: int, base: Path, uninterrupted: Embedded
) -> None:
    with pytest.raises(Stopped):
        embed_with(BatchEmbedder(calls), TEXTS, base)
    rest = BatchEmbedder()
    resumed = embed_with(rest, TEXTS, base)
    assert resumed.vectors.tobytes() == uninterrupted.vectors.tobytes()
    assert len(rest.embedded) == len(set(TEXTS)) - calls // 2 * 96
    assert resumed.report.reused == len(TEXTS) - len(rest.embedded)
    assert resumed.libraries == uninterrupted.libraries


@pytest.mark.parametrize("seed", range(3))
def test_it_may_fail_again_and_again(seed: int, base: Path, uninterrupted: Embedded) -> None:
    numbers = random.Random(seed)
    for _ in range(6):
        with pytest.raises(Stopped):
            embed_with(BatchEmbedder(numbers.randrange(3)), TEXTS, base)
    assert embed_with(BatchEmbedder(), TEXTS, base).vectors.tobytes() == uninterrupted.vectors.tobytes()


@pytest.mark.parametrize("calls", [0, 1, 4, 7])
def test_a_build_that_goes_on_from_one_that_was_killed_ends_with_the_same_bytes(
    calls: int, base: Path, uninterrupted: Embedded
) -> None:
    assert in_a_child(lambda: embed_with(BatchEmbedder(calls, lambda: os._exit(9)), TEXTS, base)) == 9
    rest = BatchEmbedder()
    assert embed_with(rest, TEXTS, base).vectors.tobytes() == uninterrupted.vectors.tobytes()
    assert len(rest.embedded) == len(set(TEXTS)) - calls // 2 * 96


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.matrix)], ids=["sample", "all"])
def test_killed_at_any_moment_it_ends_with_the_same_bytes(count: int, base: Path, uninterrupted: Embedded) -> None:
    class Slow(BatchEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
            time.sleep(0.02)
            return super().embed_passages(texts)

    numbers = random.Random(0)
    killed = 0
    for number in range(count):
        folder = base / str(number)
        folder.mkdir()
        for _ in range(2):
            child = os.fork()
            if child == 0:
                try:
                    embed_with(Slow(), TEXTS, folder)
                finally:
                    os._exit(0)
            time.sleep(numbers.uniform(0, 9 * 0.02))
            os.kill(child, signal.SIGKILL)
            killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert embed_with(BatchEmbedder(), TEXTS, folder).vectors.tobytes() == uninterrupted.vectors.tobytes()
        assert check(folder) == CacheCheck(len(set(TEXTS)), 0, "")
    assert killed >= count


def test_after_an_edit_the_windows_that_are_still_wanted_are_embedded_as_they_were(
    base: Path, uninterrupted: Embedded
) -> None:
    with pytest.raises(Stopped):
        embed_with(BatchEmbedder(2), TEXTS, base)  # one window of five is kept
    edited = ["a new first line", *TEXTS]
    removed = list(dict.fromkeys(TEXTS))[150]  # of the second window
    edited = [text for text in edited if text != removed]
    resumed = embed_with(BatchEmbedder(), edited, base)
    before = {text: uninterrupted.vectors[row] for row, text in enumerate(TEXTS)}
    unique = list(dict.fromkeys(TEXTS))
    same = {*unique[:96], *unique[192:]}
    for row, text in enumerate(edited):
        if text in same:
            assert resumed.vectors[row].tobytes() == before[text].tobytes()
        elif text in before:
            assert resumed.vectors[row] @ before[text] >= 0.999999
    np.testing.assert_allclose(resumed.vectors[0], hash_vector("a new first line"), atol=1e-4)


def test_two_models_are_gone_on_with_each_by_its_own_windows(tmp_path: Path, base: Path, small_windows: None) -> None:
    first, second = fake_fingerprint(), fake_fingerprint("fake/second")
    (tmp_path / "whole").mkdir()
    whole = [embed_with(BatchEmbedder(), TEXTS, tmp_path / "whole", model).vectors for model in (first, second)]
    for model, calls in ((first, 3), (second, 5), (first, 2)):
        with pytest.raises(Stopped):
            embed_with(BatchEmbedder(calls), TEXTS, base, model)
    for model, expected in zip((second, first), whole[::-1], strict=True):
        assert embed_with(BatchEmbedder(), TEXTS, base, model).vectors.tobytes() == expected.tobytes()


def test_what_is_still_to_embed_is_told_anew_when_a_build_goes_on(base: Path, small_windows: None) -> None:
    with pytest.raises(Stopped):
        embed_with(BatchEmbedder(4), TEXTS, base)
    events: list[Event] = []
    embed_with(BatchEmbedder(), TEXTS, base, events=events)
    total = len(set(TEXTS)) - 2 * 96
    assert {event.total for event in events} == {total}
    assert [event.done for event in events] == sorted({event.done for event in events})
    assert events[-1].done == total


def test_a_cache_that_is_damaged_while_the_model_embeds_ends_nothing(base: Path, small_windows: None) -> None:
    class Damaging(BatchEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(self.embedded) >= 200:
                for path in (base / "cache").iterdir():
                    path.write_bytes(random.Random(0).randbytes(path.stat().st_size))
            return super().embed_passages(texts)

    events: list[Event] = []
    outcome = embed_with(Damaging(), TEXTS, base, events=events)
    assert np.abs(np.linalg.norm(outcome.vectors, axis=1) - 1).max() < 1e-3
    assert any("the embedding cache was damaged" in event.subject for event in events)
    again = embed_with(BatchEmbedder(), TEXTS, base)
    assert (again.vectors * outcome.vectors).sum(axis=1).min() >= 0.999999
