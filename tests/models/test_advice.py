"""Advice: the ranking rule on small catalogues, the rules of thumb on the packaged one, and what is said where nothing fits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from rag_app.errors import UsageError
from rag_app.models.catalogue import Runs, packaged_catalogue
from rag_app.models.choosing.advice import Advice, advise, better_choice
from rag_app.models.choosing.needs import Needs
from tests.models.small_catalogue import (
    CHINESE_FIGURE,
    ENGLISH_FIGURE,
    MANY_FIGURE,
    MIRACL_CHINESE_FIGURE,
    MIRACL_FIGURE,
    catalogue,
    row,
)

PACKAGED = packaged_catalogue()


def ranked(advice: Advice) -> list[str]:
    return [one.model for one in advice.recommended]


def placed(*models: str, **needs: Any) -> bool:
    """Whether the packaged models come in this order, all of them recommended."""
    order = ranked(advise(PACKAGED, Needs(**needs)))
    return all(order.index(first) < order.index(second) for first, second in pairwise(models))


# The ranking rule


def test_the_figure_of_the_language_asked_for_decides() -> None:
    both = catalogue(
        row("english", "en", "zh", figures={ENGLISH_FIGURE: 60.0, CHINESE_FIGURE: 50.0}),
        row("chinese", "en", "zh", figures={ENGLISH_FIGURE: 50.0, CHINESE_FIGURE: 60.0}),
    )
    assert ranked(advise(both, Needs(languages=("en",)))) == ["english", "chinese"]
    assert ranked(advise(both, Needs(languages=("zh",)))) == ["chinese", "english"]


def test_several_languages_count_the_same() -> None:
    three = catalogue(
        row("good at one", "en", "zh", figures={ENGLISH_FIGURE: 70.0, CHINESE_FIGURE: 10.0}),
        row("second in both", "en", "zh", figures={ENGLISH_FIGURE: 60.0, CHINESE_FIGURE: 60.0}),
        row("last in one", "en", "zh", figures={ENGLISH_FIGURE: 50.0, CHINESE_FIGURE: 50.0}),
    )
    assert ranked(advise(three, Needs(languages=("en", "zh"))))[0] == "second in both"


def test_a_model_without_a_figure_for_every_language_comes_after_all_that_have_them() -> None:
    some = catalogue(
        row("BAAI/bge-none", "en", "zh", parameters_millions=1.0),
        row("half", "en", "zh", figures={ENGLISH_FIGURE: 99.0}),
        row("low", "en", "zh", figures={ENGLISH_FIGURE: 1.0, CHINESE_FIGURE: 1.0}),
    )
    assert ranked(advise(some, Needs(languages=("en", "zh"))))[0] == "low"


def test_without_figures_the_rules_of_thumb_decide_then_size_then_the_order_of_the_catalogue() -> None:
    some = catalogue(
        row("first", "zh"),
        row("second", "zh"),
        row("small", "zh", parameters_millions=10.0),
        row("moka-ai/m3e-base", "zh"),
        row("BAAI/bge-large-zh-v1.5", "zh", parameters_millions=326.0),
    )
    assert ranked(advise(some, Needs(languages=("zh",)))) == [
        "BAAI/bge-large-zh-v1.5", "moka-ai/m3e-base", "small", "first", "second",
    ]  # fmt: skip


def test_without_a_language_many_are_meant() -> None:
    some = catalogue(
        row("english", "en", figures={ENGLISH_FIGURE: 99.0, MIRACL_FIGURE: 10.0}),
        row("many", "multilingual", figures={MIRACL_FIGURE: 60.0}),
    )
    advice = advise(some, Needs())
    assert ranked(advice)[0] == "many"
    assert advice.benchmarks == (MIRACL_FIGURE,)


# What is said of a model


def test_a_figure_is_named_with_its_benchmark_and_its_place() -> None:
    some = catalogue(
        row("one", "zh", figures={CHINESE_FIGURE: 70.0}),
        row("two", "zh", figures={CHINESE_FIGURE: 60.0}),
        row("three", "zh", figures={MIRACL_CHINESE_FIGURE: 40.0}),
        row("four", "zh"),
    )
    said = {one.model: one for one in advise(some, Needs(languages=("zh",))).recommended}
    assert f"zh: 70 on {CHINESE_FIGURE}, ahead of 1 of 1 others" in said["one"].reasons
    assert f"zh: no figure of {CHINESE_FIGURE} is known, {MIRACL_CHINESE_FIGURE} stands in" in said["three"].caveats
    assert f"zh: no figure of {CHINESE_FIGURE} or {MIRACL_CHINESE_FIGURE} is known" in said["four"].caveats


@pytest.mark.parametrize(
    ("has", "needs", "caveat"),
    [
        ({"trained_on": "MIRACL."}, Needs(), "trained on: MIRACL"),
        ({"commercial": False}, Needs(), "licence: MIT, which does not allow commercial use"),
        ({"gated": True}, Needs(), "its terms have to be accepted on the hub before it is given out"),
        ({"runs": Runs.REMOTE_CODE}, Needs(remote_code=True), "runs only on Python code that comes with its files"),
        ({"runs": Runs.SERVED}, Needs(served=True), "runs only on a server of yours"),
        ({"parameters_millions": 151.0}, Needs(), "151 million parameters are slow without a GPU"),
        ({"matryoshka": (256,)}, Needs(max_dimension=300), "cut to 256 of its 768 numbers"),
    ],
)
def test_what_a_model_costs_is_said_where_it_is_recommended(has: dict[str, Any], needs: Needs, caveat: str) -> None:
    (one,) = advise(catalogue(row("one", **has)), needs).recommended
    assert any(said.startswith(caveat) for said in one.caveats), one.caveats


def test_no_training_on_the_benchmarks_is_a_reason_and_no_caveat() -> None:
    (one,) = advise(
        catalogue(row("one", "en", figures={ENGLISH_FIGURE: 1.0}, trained_on="none of these")), Needs(languages=("en",))
    ).recommended
    assert "trained on none of these benchmarks" in one.reasons
    assert not any(said.startswith("trained on") for said in one.caveats)


def test_a_shorter_vector_is_recommended_by_the_id_that_gives_it() -> None:
    (one,) = advise(catalogue(row("me/mine", matryoshka=(128, 256))), Needs(max_dimension=200)).recommended
    assert (one.model, one.dimension) == ("me/mine@128", 128)


# Where nothing fits


def test_where_nothing_fits_the_need_that_alone_is_in_the_way_is_named_first() -> None:
    some = catalogue(row("small", "en"), row("large", "zh", memory_gb=9.0))
    advice = advise(some, Needs(languages=("zh",), memory_gb=4))
    assert advice.recommended == ()
    error = advice.nothing_fits()
    assert isinstance(error, UsageError)
    assert error.found.startswith("None of the 2 embedding models fits all of that:")
    assert "the languages excludes 1" in error.found
    assert "memory excludes 1" in error.found
    assert "a larger --memory-gb (1 would fit)" in error.remedy


def test_where_no_single_need_decides_all_that_exclude_are_named() -> None:
    some = catalogue(row("one", "en", memory_gb=9.0), row("two", "fr", memory_gb=9.0))
    error = advise(some, Needs(languages=("zh",), memory_gb=4)).nothing_fits()
    assert error.remedy == "No single need decides it; relax several: fewer --language; a larger --memory-gb."


def test_every_model_is_recommended_or_rejected_with_a_reason() -> None:
    advice = advise(PACKAGED, Needs(languages=("zh",), memory_gb=2, commercial=True, window_tokens=1000))
    assert len(advice.recommended) + len(advice.rejected) == len(PACKAGED.embedders)
    assert all(one.objections and all(found.why for found in one.objections) for one in advice.rejected)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UsageError, match="'xx' is not a known language code"):
        advise(PACKAGED, Needs(languages=("xx",)))


# The packaged catalogue


def test_the_rules_of_thumb_hold_on_the_packaged_catalogue() -> None:
    assert placed("BAAI/bge-large-zh-v1.5", "moka-ai/m3e-base", languages=("zh",))
    assert placed("BAAI/bge-small-zh-v1.5", "moka-ai/m3e-base", languages=("zh",), fast=True)
    for e5 in ("intfloat/multilingual-e5-small", "intfloat/multilingual-e5-base", "intfloat/multilingual-e5-large"):
        assert placed("BAAI/bge-m3", e5)
    assert ranked(advise(PACKAGED, Needs(pictures=True)))[0].startswith("BAAI/BGE-VL-")


def test_of_a_model_for_pictures_it_is_said_that_no_picture_is_embedded_here() -> None:
    said = "here only its text side is used: no picture is embedded"
    assert all(said in one.caveats for one in advise(PACKAGED, Needs(pictures=True)).recommended)
    assert not any(said in one.caveats for one in advise(PACKAGED, Needs()).recommended)


@pytest.mark.parametrize("code", ["zh", "en", "de", "ja"])
def test_no_model_is_recommended_for_a_language_that_it_was_not_made_for(code: str) -> None:
    advice = advise(PACKAGED, Needs(languages=(code,)))
    assert advice.recommended
    assert all(one.row.covers(code) for one in advice.recommended)


def test_a_small_budget_leads_to_open_and_light_models() -> None:
    advice = advise(PACKAGED, Needs(languages=("zh",), memory_gb=1.3, fast=True, commercial=True))
    assert advice.recommended
    assert all(one.row.commercial and one.row.parameters_millions <= 150 for one in advice.recommended)


def test_the_same_needs_give_the_same_advice_whatever_the_order_of_the_languages() -> None:
    assert ranked(advise(PACKAGED, Needs(languages=("zh", "en")))) == ranked(
        advise(PACKAGED, Needs(languages=("en", "zh", "en")))
    )


# What ingest asks


def test_the_better_choice_is_what_advice_puts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_app.models.choosing.advice.default_memory_gb", lambda: 4.0)
    choice = better_choice(PACKAGED, [("zh", "Hans"), ("en", "Latn")], 600)
    needs = Needs(languages=("en", "zh"), memory_gb=4.0, window_tokens=600)
    assert choice == advise(PACKAGED, needs).recommended[0]
    assert choice.row.max_tokens >= 600


def test_the_better_choice_for_an_undetermined_language_goes_by_its_script() -> None:
    only = catalogue(row("english", "en"), row("russian", "ru"))
    choice = better_choice(only, [("und", "Cyrl")])
    assert choice is not None
    assert choice.model == "russian"


def test_there_may_be_no_better_choice() -> None:
    assert better_choice(catalogue(row("english", "en", figures={MANY_FIGURE: 1.0})), [("zh", "Hans")]) is None
