"""The prompts are files with a version; what is filled in stays text."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest

from rag_app.answering.prompting.prompt_files import LANGUAGES, load_prompt, prompt_language
from rag_app.language import language_of

FIELDS = {"answer": {"passages", "question", "delimiter"}, "standalone": {"turns", "question"}}
CASES = [(name, language) for name in FIELDS for language in LANGUAGES]


@pytest.mark.parametrize(("name", "language"), CASES)
def test_a_prompt_is_in_its_language_with_its_fields(name: str, language: str) -> None:
    template = load_prompt(name, language)
    assert language_of(template.system).code == language
    assert set(re.findall(r"\{(\w+)\}", template.system + template.user)) == FIELDS[name]
    assert "{question}" in template.user


@pytest.mark.parametrize(("name", "language"), CASES)
def test_its_name_says_version_and_hash_of_the_file(name: str, language: str) -> None:
    data = resources.files("rag_app.answering.prompting").joinpath("prompts", f"{name}.{language}.toml").read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:8]
    assert re.fullmatch(rf"{name}\.{language} \d+ sha256:{digest}", load_prompt(name, language).name)


def test_what_is_filled_in_is_not_read_as_a_template() -> None:
    _, user = load_prompt("standalone", "en").filled(turns="{question} {0}", question="{turns.__class__} {}")
    assert "{question} {0}" in user
    assert "{turns.__class__} {}" in user


def test_there_is_no_other_prompt() -> None:
    with pytest.raises(FileNotFoundError):
        load_prompt("answer", "fr")


@pytest.mark.parametrize(
    ("question", "language"),
    [("忘记密码怎么办？", "zh"), ("How?", "en"), ("Où est-ce ?", "en"), ("パスワードは？", "en")],
)
def test_a_question_in_another_language_gets_english_instructions(question: str, language: str) -> None:
    assert prompt_language(question) == language
