"""One at a time, in the order of asking."""

from __future__ import annotations

import threading

import pytest

from rag_app.errors import GeneratorBusy
from rag_app.models.generating.waiting_line import GenerationQueue


def test_the_first_has_its_turn_at_once() -> None:
    queue = GenerationQueue()
    places: list[int] = []
    assert queue.enter().wait(0, places.append)
    assert places == []


def test_turns_come_in_the_order_of_asking_and_each_knows_its_place() -> None:
    queue = GenerationQueue()
    tickets = [queue.enter() for _ in range(5)]
    done: list[int] = []
    places: list[list[int]] = [[] for _ in tickets]

    def take(number: int) -> None:
        assert tickets[number].wait(10, places[number].append)
        done.append(number)
        tickets[number].leave()

    threads = [threading.Thread(target=take, args=(number,)) for number in (4, 2, 3, 1)]
    for thread in threads:
        thread.start()
    take(0)
    for thread in threads:
        thread.join(10)
    assert done == [0, 1, 2, 3, 4]
    for number, seen in enumerate(places):
        assert seen == sorted(set(seen), reverse=True)
        assert all(0 < place <= number for place in seen)


def test_who_waited_too_long_leaves_with_a_message() -> None:
    queue = GenerationQueue()
    first, second, third = (queue.enter() for _ in range(3))
    with pytest.raises(GeneratorBusy, match=r"2 answers are before this one; waited 0 s\."):
        third.wait(0, lambda place: None)
    with pytest.raises(GeneratorBusy, match=r"1 answer is before this one"):
        second.wait(0.01, lambda place: None)
    first.leave()
    first.leave()
    assert queue.enter().wait(0, lambda place: None)


def test_withdrawing_is_for_those_that_wait() -> None:
    queue = GenerationQueue()
    first, second, third = (queue.enter() for _ in range(3))
    first.withdraw()
    second.withdraw()
    assert second.wait(0, lambda place: None) is False
    places: list[int] = []
    with pytest.raises(GeneratorBusy):
        third.wait(0.01, places.append)
    assert places == [1], "the first has the model still"
