"""Sentences that several languages say: the same ones with the same places, and every one that the code asks for is there."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

import rag_app
from rag_app.sayings import Saying, sayings_of

PACKAGES = ("rag_app.doctor", "rag_app.models.choosing")
# Looked up by a state or an origin.
COMPUTED = re.compile(r"^(state|origin)_")


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_language_says_the_same_things(package: str) -> None:
    for key, texts in sayings_of(package).items():
        assert set(texts) == {"en", "zh"}, key
        assert places(texts["en"]) == places(texts["zh"]), key
        assert key == "origin_file" or re.search(r"[\u3400-\u9fff]", texts["zh"]), key


@pytest.mark.parametrize("package", PACKAGES)
def test_every_saying_that_is_asked_for_is_there_and_none_is_left_over(package: str) -> None:
    folder = Path(rag_app.__file__).parent.joinpath(*package.split(".")[1:])
    words = {
        str(node.value)
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    asked = {
        str(argument.value)
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"_say", "found", "found_error"}
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }
    known = set(sayings_of(package))
    assert asked <= known
    assert {key for key in known - words if not COMPUTED.match(key)} == set()


def test_a_saying_is_its_english_sentence_and_knows_the_other() -> None:
    saying = Saying("rag_app.doctor", "library_missing", name="faiss")
    assert saying == "The library faiss is not installed."
    assert saying.in_language("zh") == "缺少依赖库 faiss。"
