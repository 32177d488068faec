"""Batches are bounded by padded tokens and the same for the same lengths; calls run on threads that wait for nobody."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rag_app.models.batches import run_each, token_batches


@given(st.lists(st.integers(0, 3000), max_size=200), st.integers(1, 4096))
def test_each_text_is_in_one_batch_that_its_padding_keeps_small(lengths: list[int], most: int) -> None:
    batches = token_batches(lengths, most)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[row] for row in batch) <= most or len(batch) == 1


def test_texts_of_like_length_go_together_longest_first_ties_in_their_order() -> None:
    assert token_batches([5, 100, 5, 90, 5], 200) == [[1, 3], [0, 2, 4]]
    assert token_batches([5] * 5, 10) == [[0, 1], [2, 3], [4]]


def test_a_text_longer_than_a_batch_goes_alone() -> None:
    assert token_batches([10, 500, 10], 100) == [[1], [0, 2]]


def test_texts_without_tokens_are_not_lost() -> None:
    assert token_batches([0, 0, 0], 2) == [[0, 1], [2]]


@pytest.fixture
def two_threads() -> None:
    if torch.get_num_threads() < 2:
        pytest.skip("one core")


def of_each(calls: int, *, together: bool) -> dict[int, tuple[int, str]]:
    """Return for each call how many threads torch had in it, and on which thread it ran."""

    def call() -> tuple[int, str]:
        time.sleep(0.05)
        return torch.get_num_threads(), threading.current_thread().name

    return dict(run_each([call] * calls, together=together, stop=threading.Event()))


@pytest.mark.usefixtures("two_threads")
def test_together_each_call_has_one_thread_and_afterwards_torch_has_all_again() -> None:
    before = torch.get_num_threads()
    found = of_each(6, together=True)
    assert sorted(found) == list(range(6))
    assert {threads for threads, _ in found.values()} == {1}
    assert 1 < len({name for _, name in found.values()}) <= before
    assert torch.get_num_threads() == before
    in_another: list[int] = []
    later = threading.Thread(target=lambda: in_another.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert in_another == [before], "a thread that comes later has all, too"


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_one_after_the_other_each_has_all_threads(calls: int) -> None:
    own = (torch.get_num_threads(), threading.current_thread().name)
    assert of_each(calls, together=False) == dict.fromkeys(range(calls), own)


@pytest.mark.usefixtures("two_threads")
def test_a_call_that_fails_ends_the_others_that_have_not_begun() -> None:
    begun: list[int] = []

    def call(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise RuntimeError("out of memory")
        time.sleep(0.05)

    stop = threading.Event()
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="out of memory"):
        list(run_each([partial(call, number) for number in range(100)], together=True, stop=stop))
    assert len(begun) < 50
    assert stop.is_set()
    assert torch.get_num_threads() == before
