"""The texts of the app: every language says the same things, every text that is asked for is there and none is left over."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path
from typing import Any

import pytest

import rag_app.ui
from rag_app.ui.words import LANGUAGES, said_in, texts_of

UI = Path(rag_app.ui.__file__).parent
PAGES = sorted(file.stem for file in (UI / "words" / "en").glob("*.toml"))
# Entries that are looked up by a name that comes from elsewhere, and by which.
COMPUTED = re.compile(r"^(app\.pages\.|problems\.|\w+\.title$)")


def flat(texts: dict[str, Any], before: str) -> dict[str, dict[str, str]]:
    """Return the forms of each text by its key."""
    found: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        key = f"{before}.{name}"
        if isinstance(text, str):
            found[key] = {"": text}
        elif set(text) == {"one", "other"}:
            found[key] = text
        else:
            found |= flat(text, key)
    return found


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def keys_in_code() -> tuple[set[str], set[str]]:
    """Return the keys that the code asks for, and the beginnings of those that it computes."""
    whole, begun = set(), set()
    for file in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="say" | "said_in"), args=[*_, ast.Constant(value=str(key))]):
                    whole.add(key)
                case ast.Call(
                    func=ast.Name(id="say" | "said_in"),
                    args=[*_, ast.JoinedStr(values=[ast.Constant(value=first), *_])],
                ):
                    begun.add(str(first))
    return whole, begun


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_every_language_says_the_same_things(page: str, code: str) -> None:
    english, other = flat(texts_of("en", page), page), flat(texts_of(code, page), page)
    assert list(other) == list(english)
    for key, forms in english.items():
        assert set().union(*map(places, forms.values())) == set().union(*map(places, other[key].values())), key


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over() -> None:
    known = {key for page in PAGES for key in flat(texts_of("en", page), page)}
    whole, begun = keys_in_code()
    assert whole <= known
    unused = {key for key in known - whole if not key.startswith(tuple(begun)) and not COMPUTED.match(key)}
    assert not unused


def test_a_text_of_a_number_has_its_form() -> None:
    assert said_in("en", "app.documents", count=1) == "1 document"
    assert said_in("en", "app.documents", count=2) == "2 documents"
    assert said_in("zh", "app.documents", count=2) == "2 个文档"


def test_no_text_of_the_chinese_app_is_english() -> None:
    for page in PAGES:
        for key, forms in flat(texts_of("zh", page), page).items():
            for text in forms.values():
                assert re.search(r"[\u3400-\u9fff]", text), f"{key}: {text}"
