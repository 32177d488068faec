"""Hostile documents: in the prompt they are text of a passage, and what a generator copies from them leaves as plain text.

That is so by construction, whatever the generator; how often one obeys is measured by benchmarks/injection.py.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from rag_app.answering.prompting import delimiters
from rag_app.answering.prompting.answer_text import MarkupFilter
from rag_app.answering.prompting.hostile_text import speaks_to_the_model
from rag_app.answering.prompting.neutral import neutralised
from rag_app.answering.prompting.prompt import Budget, Prompt, build_prompt
from rag_app.datatypes import Passage
from rag_app.text import size_in_units
from tests.answering.prompting.marks import around
from tests.conftest import REPOSITORY

DOCUMENTS = tomllib.loads((REPOSITORY / "tests" / "data" / "hostile" / "documents.toml").read_text(encoding="utf-8"))[
    "document"
]
IDS = [f"{document['kind']}, {document['language']}, {number}" for number, document in enumerate(DOCUMENTS)]
SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
ALIVE = {"link_open", "image", "html_inline", "html_block"}
# Nothing in these is said to a model: only what is asked and answered, or claimed.
NOT_FLAGGED = {
    "fake sources",
    "fake citations",
    "guessed delimiter",
    "fake dialogue",
    "delimiter asked for",
    "turned text",
}


@pytest.fixture(autouse=True)
def key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimiters, "user_data_folder", lambda: tmp_path / "data")


def text_of(document: dict[str, str]) -> str:
    return document["text"] + document.get("hidden", "")


def passages_of(document: dict[str, str]) -> list[Passage]:
    """Return the hostile text as passage, heading and file name at once, and an innocent passage after it."""
    text = text_of(document)
    hostile = Passage(
        1, f"docs/{document['file']}", None, 0, len(text), text, (text, document["file"]), {"cosine": 0.9}
    )
    return [hostile, Passage(2, "docs/b.md", None, 0, 5, "Open.", (), {"cosine": 0.1})]


def prompt_of(document: dict[str, str]) -> Prompt:
    budget = Budget(size_in_units, 1500, 4096, SPECIAL_TOKENS)
    return build_prompt(document["question"], passages_of(document), budget)


def test_there_are_enough_of_them() -> None:
    assert len(DOCUMENTS) >= 30
    assert min(Counter(document["language"] for document in DOCUMENTS).values()) >= 15
    assert {document["goal"] for document in DOCUMENTS} == {"answer", "leak", "markup", "role"}
    assert all(
        document["payload"] in text_of(document) + document["file"]
        or document["kind"] in {"base64", "invisible tags"}
        or document["goal"] == "leak"
        for document in DOCUMENTS
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_in_the_prompt_it_is_one_line_between_the_marks(document: dict[str, str]) -> None:
    prompt = prompt_of(document)
    system, user = (message.content or "" for message in prompt.messages)
    before, inside, after = around(user)
    lines = [line for line in inside.splitlines() if line]
    assert [line[:4] for line in lines] == ["[1] ", "[2] "]
    assert after.count(document["question"]) == 1
    assert document["payload"] not in system + before + after
    assert neutralised(system + user, SPECIAL_TOKENS) == system + user, "no marker of a turn"
    assert not [c for c in user if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"], "nothing hidden"


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_copied_word_for_word_it_leaves_as_plain_text(document: dict[str, str], size: int) -> None:
    prompt = prompt_of(document)
    shown = MarkupFilter(prompt.passages, prompt.delimiter, SPECIAL_TOKENS)
    written = f"{text_of(document)} [1] {prompt.delimiter} {document['file']} https://evil.example/?q=stolen"
    pieces = [written[first : first + size] for first in range(0, len(written), size)]
    text = "".join(map(shown.feed, pieces)) + shown.finish()
    tokens = [part for token in MarkdownIt("commonmark").parse(text) for part in (token, *(token.children or ()))]
    assert not {token.type for token in tokens} & ALIVE
    assert neutralised(text, SPECIAL_TOKENS) == text
    assert prompt.delimiter not in text
    assert "://evil.example/?q=stolen" not in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\U000e0000-\U000e007f]", text)
    assert "[1]" in text, "citations stay"


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_most_are_flagged(document: dict[str, str]) -> None:
    is_flagged = speaks_to_the_model(text_of(document)) or speaks_to_the_model(document["file"])
    assert is_flagged == (document["kind"] not in NOT_FLAGGED)
