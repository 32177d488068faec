"""Which benchmark speaks for a language, and where a model stands on it."""

from __future__ import annotations

import pytest

from rag_app.models.catalogue import packaged_catalogue
from rag_app.models.choosing.standings import BENCHMARKS, MULTILINGUAL, benchmarks_of, standing
from tests.models.small_catalogue import CHINESE_FIGURE, ENGLISH_FIGURE, MANY_FIGURE, MIRACL_CHINESE_FIGURE, row


@pytest.mark.parametrize(
    ("language", "benchmark"),
    [
        ("en", "MTEB English v2 retrieval"),
        ("zh", "C-MTEB retrieval"),
        ("de", "MIRACL"),
        (MULTILINGUAL, "MIRACL"),
        ("ca", "MTEB multilingual v2 retrieval"),  # MIRACL has no Catalan
    ],
)
def test_the_benchmark_of_a_language_speaks_for_it(language: str, benchmark: str) -> None:
    assert benchmarks_of(language)[0] == benchmark


def test_a_place_counts_only_those_made_for_the_language_and_measured_there() -> None:
    one = row("one", "zh", figures={CHINESE_FIGURE: 60.0})
    others = [
        row("better", "zh", figures={CHINESE_FIGURE: 70.0}),
        row("worse", "zh", figures={CHINESE_FIGURE: 50.0}),
        row("english", "en", figures={CHINESE_FIGURE: 1.0}),
        row("elsewhere", "zh", figures={MANY_FIGURE: 1.0}),
    ]
    found = standing(one, "zh", [one, *others])
    assert found is not None
    assert (found.benchmark, found.figure, found.ahead_of, found.others) == (CHINESE_FIGURE, 60.0, 1, 2)
    assert found.share == pytest.approx(0.5)
    assert found.stands_in_for == ""


def test_a_second_benchmark_stands_in_and_is_said_to() -> None:
    one = row("one", "zh", figures={MIRACL_CHINESE_FIGURE: 60.0})
    found = standing(one, "zh", [one, row("other", "zh", figures={CHINESE_FIGURE: 70.0})])
    assert found is not None
    assert (found.benchmark, found.stands_in_for) == (MIRACL_CHINESE_FIGURE, CHINESE_FIGURE)
    assert (found.ahead_of, found.others) == (0, 0), "figures of two benchmarks are never compared"


def test_without_a_figure_that_says_something_of_the_language_there_is_no_place() -> None:
    one = row("one", "zh", figures={ENGLISH_FIGURE: 60.0})
    assert standing(one, "zh", [one]) is None


def test_every_benchmark_of_the_catalogue_is_explained() -> None:
    named = {name for one in packaged_catalogue().embedders for name in one.figures}
    assert named == set(BENCHMARKS)
