"""The catalogues of sentences: what an error may say in the app has its translation, and none is of a sentence that is gone."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

import pytest

from rag_app import errors
from rag_app.ui.words import LANGUAGES
from rag_app.ui.words.translation import catalogues_of, fragments_of, translated_to
from tests.conftest import REPOSITORY

CODES = [code for code in LANGUAGES if code != "en"]
ERRORS = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.RagAppError)
}
# What only a command says: its own modules.
OF_COMMANDS = re.compile(r"^(rag_app/cli|ingest/cli)")


def template_of(node: ast.expr) -> str | None:
    """Return a literal as a template with numbered places; nothing if it is not one."""
    match node:
        case ast.Constant(value=str(text)):
            return text.replace("{", "{{").replace("}", "}}")
        case ast.JoinedStr(values=values):
            parts, places = [], 0
            for value in values:
                if isinstance(value, ast.Constant):
                    parts.append(str(value.value).replace("{", "{{").replace("}", "}}"))
                else:
                    parts.append(f"{{{places}}}")
                    places += 1
            return "".join(parts)
    return None


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in ("rag_app", "ingest"):
        for file in sorted((REPOSITORY / package).rglob("*.py")):
            yield file.relative_to(REPOSITORY).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def texts_of_errors() -> set[str]:
    """Return the templates of what errors say, as far as they stand where the error is made, or in a constant of its module."""
    found = set()
    for path, tree in trees():
        if OF_COMMANDS.match(path):
            continue
        constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
                for argument in node.args[:2]:
                    branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
                    values = [constants.get(getattr(branch, "id", ""), branch) for branch in branches]
                    found.update(template for value in values if (template := template_of(value)))
    return {template for template in found if any(letter.isalpha() for letter in re.sub(r"\{\d+\}", "", template))}


def all_texts() -> set[str]:
    """Return every literal of the code as a template."""
    found = {template_of(node) for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.expr)}
    return {template for template in found if template is not None}


def sentences_of(code: str) -> dict[str, str]:
    """Return all that the catalogues of a language have, with the fragments."""
    tables = [*catalogues_of(code).values(), *(group.texts for group in fragments_of(code))]
    return {english: other for table in tables for english, other in table.items()}


def places_of(template: str) -> set[str]:
    return {place for _, place, _, _ in string.Formatter().parse(template) if place is not None}


@pytest.mark.parametrize("code", CODES)
def test_every_error_has_its_translation(code: str) -> None:
    missing = sorted(texts_of_errors() - set(sentences_of(code)))
    assert not missing, f"{len(missing)} are missing: {missing}"


@pytest.mark.parametrize("code", CODES)
def test_no_translation_is_of_a_sentence_that_is_gone(code: str) -> None:
    gone = sorted(set(sentences_of(code)) - all_texts())
    assert not gone, gone


@pytest.mark.parametrize("code", CODES)
def test_a_translation_has_the_places_of_its_sentence(code: str) -> None:
    for english, other in sentences_of(code).items():
        assert places_of(other) == places_of(english), english
        assert places_of(english) == {str(number) for number in range(len(places_of(english)))}, english


@pytest.mark.parametrize("code", CODES)
def test_no_sentence_is_taken_for_another(code: str) -> None:
    sentences = {english: other for table in catalogues_of(code).values() for english, other in table.items()}
    for english, other in sentences.items():
        values = [f"X{place}Y" for place in sorted(places_of(english))]
        assert translated_to(code, english.format(*values)) == other.format(*values), english


def test_several_sentences_are_translated_one_by_one() -> None:
    first, second = "It has 3 pages, all blank.", "2 pictures were not read."
    assert translated_to("zh", f"{first} {second}") == translated_to("zh", first) + translated_to("zh", second)


def test_places_are_filled_in_and_what_fills_them_is_translated() -> None:
    inner = "It is encrypted: a password is needed."
    outer = translated_to("zh", f"It is not readable HTML. {inner}")
    assert outer.endswith(translated_to("zh", inner))
    assert not outer.startswith("It")
    assert "permission denied (7)" in translated_to("zh", "It cannot be read: permission denied (7).")


def test_a_fragment_is_translated_in_its_place() -> None:
    missing = (
        "The reranker me/mine (1 GB) is not on this machine: it is not in the cache /c, and the hub was not asked."
    )
    assert translated_to("zh", missing).startswith("重排模型 me/mine (1 GB) 不在本机上")
    damaged = "The generator /g/mine.gguf is damaged, or no GGUF file: ValueError: x."
    assert translated_to("zh", damaged).startswith("生成模型 /g/mine.gguf 已损坏")


@pytest.mark.parametrize(
    "name", ["model report.pdf", "The model card.md", "The generator manual.pdf", "The reranker.md"]
)
def test_the_name_of_a_file_is_not_translated(name: str) -> None:
    assert name in translated_to("zh", f"'mine' has no document {name}. Near it: The model card.md.")
    assert name in translated_to("zh", f"The file of {name} has changed since it was indexed.")
    assert "The model card.md" in translated_to("zh", f"'mine' has no document {name}. Near it: The model card.md.")


@pytest.mark.parametrize("code", CODES)
def test_a_fragment_stands_within_sentences_that_there_are(code: str) -> None:
    sentences = {english for table in catalogues_of(code).values() for english in table}
    assert {sentence for group in fragments_of(code) for sentence in group.within} <= sentences


def test_an_unknown_sentence_and_english_stay_as_they_are() -> None:
    assert translated_to("zh", "Nobody wrote this sentence.") == "Nobody wrote this sentence."
    assert translated_to("zh", "The model is gone.") == "The model is gone.", "a fragment is no sentence"
    assert translated_to("en", "It is encrypted: a password is needed.") == "It is encrypted: a password is needed."
