"""What documents can be chosen by: read from the base, named as a term names them."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rag_app.retrieval.choices import choices_of, terms_of_choice, type_name
from rag_app.store.chunks import DocumentValues
from rag_app.store.knowledge_base import KnowledgeBase


def base_with(**changes: Any) -> KnowledgeBase:
    values: dict[str, Any] = {
        "folders": (), "media_types": (), "languages": (), "dates": ("", ""), "undated": 0,
    }  # fmt: skip
    return cast("KnowledgeBase", SimpleNamespace(document_values=DocumentValues(**values | changes)))


def test_folders_come_with_all_that_they_lie_in() -> None:
    choices = choices_of(base_with(folders=("", "a/b/c", "a/d", "x")))
    assert choices.folders == ("a", "a/b", "a/b/c", "a/d", "x")
    assert choices.unlisted_folders == 0


def test_of_many_folders_the_upper_ones_are_listed() -> None:
    folders = tuple(f"a/{number:04}/deep" for number in range(600))
    choices = choices_of(base_with(folders=folders))
    assert choices.folders[:3] == ("a", "a/0000", "a/0001")
    assert len(choices.folders) + choices.unlisted_folders == 1201
    assert not any(folder.endswith("deep") for folder in choices.folders)


@pytest.mark.parametrize(
    ("languages", "names"),
    [
        ((("zh", "Hans"),), ("zh",)),
        ((("zh", "Hans"), ("zh", "Hant"), ("en", "Latn")), ("en", "zh-Hans", "zh-Hant")),
        ((("und", ""), ("und", "Latn")), ("und", "und-Latn")),
    ],
)
def test_a_language_is_named_with_its_script_where_it_has_several(
    languages: tuple[tuple[str, str], ...], names: tuple[str, ...]
) -> None:
    assert choices_of(base_with(languages=languages)).languages == names


def test_types_and_dates() -> None:
    choices = choices_of(
        base_with(media_types=("text/markdown", "application/pdf"), dates=("2023-01-01", "2024-01-01"), undated=2)
    )
    assert (choices.types, choices.dates, choices.undated) == (("md", "pdf"), ("2023-01-01", "2024-01-01"), 2)
    assert choices_of(base_with(undated=3)).dates is None
    assert type_name("image/png") == "image/png"


@pytest.mark.parametrize(
    ("choice", "terms"),
    [
        ({}, ()),
        ({"folders": ["a", "b/c"], "types": ["pdf"]}, ("folder=a", "folder=b/c", "type=pdf")),
        ({"languages": ["zh-Hant"], "first": date(2024, 1, 2)}, ("language=zh-Hant", "date=2024-01-02..")),
        ({"last": date(2024, 1, 2)}, ("date=..2024-01-02",)),
        ({"first": date(2024, 1, 2), "last": date(2024, 3, 4)}, ("date=2024-01-02..2024-03-04",)),
    ],
)
def test_a_choice_is_said_in_terms(choice: dict[str, Any], terms: tuple[str, ...]) -> None:
    assert terms_of_choice(**choice) == terms
