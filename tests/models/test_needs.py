"""What is asked of a model: each need excludes what fails it, and nothing else; needs that a knowledge base has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rag_app.datatypes import Chunk, DocumentReport, FileStatus, ModelReport
from rag_app.errors import UsageError
from rag_app.models.catalogue import Runs, packaged_catalogue
from rag_app.models.choosing.needs import (
    Needs,
    fitting_length,
    known_languages,
    needed_window,
    notable_languages,
    objections,
)
from rag_app.text import size_in_units
from tests.fakes import fake_fingerprint
from tests.models.small_catalogue import row

FAILING = [
    ({"languages": ("zh",)}, {}, "the languages", "it was made for en, not for zh"),
    ({"languages": ("en", "fr", "de")}, {}, "the languages", "it was made for en, not for fr, de"),
    ({"scripts": ("Cyrl",)}, {}, "the languages", "it was made for en, not for Cyrl"),
    ({"pictures": True}, {}, "pictures", "it embeds text alone"),
    ({"commercial": True}, {"licence": "CC-BY-NC", "commercial": False}, "commercial use", "its licence is CC-BY-NC"),
    ({"memory_gb": 0.9}, {}, "memory", "it needs 1 GB of memory, the limit is 0.9"),
    ({"download_gb": 0.3}, {}, "download", "it needs 0.4 GB to be downloaded, the limit is 0.3"),
    ({"window_tokens": 513}, {}, "the window", "it reads 512 tokens of a passage, not 513"),
    ({"max_dimension": 767}, {}, "the dimension", "its vectors have 768 numbers and cannot be cut"),
    ({"max_dimension": 99}, {"matryoshka": (128, 256)}, "the dimension", "768 numbers, or 128, 256 where cut"),
    ({"fast": True}, {"parameters_millions": 151.0}, "speed", "it needs 151 million parameters, the limit is 150"),
    ({}, {"parameters_millions": 1001.0}, "no GPU", "1001 million parameters take seconds"),
    ({}, {"runs": Runs.REMOTE_CODE}, "no code of a model's own", "only Python code that comes with its files"),
    ({}, {"runs": Runs.SERVED}, "no server", "only a server can run it"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "has", "need", "why"), FAILING, ids=[f"{case[2]}-{case[0]}" for case in FAILING])
def test_a_need_that_a_model_fails_is_named_with_what_is_wrong(
    asked: dict[str, Any], has: dict[str, Any], need: str, why: str
) -> None:
    (objection,) = objections(row("one", "en", **has), Needs(**asked))
    assert objection.need == need
    assert why in objection.why


@pytest.mark.parametrize(
    ("asked", "has"),
    [
        ({}, {}),
        ({"languages": ("en",), "commercial": True, "memory_gb": 1.0, "download_gb": 0.4, "window_tokens": 512}, {}),
        ({"max_dimension": 768, "fast": True}, {}),
        ({"max_dimension": 300}, {"matryoshka": (128, 256)}),
        ({"gpu": True}, {"parameters_millions": 8000.0}),
        ({"remote_code": True}, {"runs": Runs.REMOTE_CODE}),
        ({"pictures": True}, {"images": True}),
        ({"scripts": ("Latn",)}, {}),
    ],
)
def test_a_model_at_the_limit_fits(asked: dict[str, Any], has: dict[str, Any]) -> None:
    assert objections(row("one", "en", **has), Needs(**asked)) == ()


@pytest.mark.parametrize(("asked", "objects"), [({"languages": ("en",)}, 1), ({"scripts": ("Cyrl",)}, 1), ({}, 0)])
def test_a_model_whose_languages_are_not_known_is_not_said_to_fit_one(asked: dict[str, Any], objects: int) -> None:
    found = objections(replace(row("one"), languages=()), Needs(**asked))
    assert [one.why for one in found] == ["which languages it was made for is not known"] * objects


def test_what_a_server_runs_costs_this_machine_nothing() -> None:
    large = row("one", "en", runs=Runs.SERVED, parameters_millions=8000.0, memory_gb=34.0, download_gb=16.0)
    assert objections(large, Needs(served=True, memory_gb=1, download_gb=1, fast=True)) == ()


def test_the_longest_vector_within_the_limit_is_taken() -> None:
    one = row("one", matryoshka=(128, 256, 512))
    assert [fitting_length(one, Needs(max_dimension=limit)) for limit in (None, 768, 600, 128, 100)] == [
        768, 768, 512, 128, None,
    ]  # fmt: skip


def test_an_unknown_language_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'english' is not a known language code; known are: .*en.*zh"):
        known_languages(["zh", "english"], packaged_catalogue())


def test_a_region_and_capitals_are_no_other_language() -> None:
    typed = ["zh-CN", "EN", "pt_BR", "multilingual"]
    assert known_languages(typed, packaged_catalogue()) == ("zh", "en", "pt", "multilingual")


def report(language: str | None, chunks: int = 1) -> DocumentReport:
    return DocumentReport("x", FileStatus.INDEXED, chunks=chunks, language=language, script="")


def test_notable_is_a_twentieth_of_the_documents_or_of_the_passages() -> None:
    documents = [*[report("en")] * 40, report("zh"), report("de", 200), report(None)]
    assert notable_languages(documents) == {("en", ""): 40, ("de", ""): 1}


def passage(text: str) -> Chunk:
    return Chunk("a.md", 0, 0, len(text), text)


def test_the_window_needed_is_the_longest_passage_at_the_density_of_those_that_were_cut() -> None:
    passages = [passage("word " * 10), passage("word " * 400)]
    units = size_in_units(passages[1].text)
    fingerprint = fake_fingerprint(max_tokens=256)
    whole = ModelReport("m", fingerprint.digest, 64, 2, 0, truncated=0, chunks_per_second=1.0)
    cut = ModelReport("m", fingerprint.digest, 64, 2, 0, truncated=1, chunks_per_second=1.0, fitting_chunk_tokens=128)
    assert needed_window(passages, [fingerprint], [whole]) == units
    assert needed_window(passages, [fingerprint], [cut]) == 2 * units
    assert needed_window([], [fingerprint], [whole]) is None
