"""What leaves a generator is plain text: no split into pieces lets a link, a picture, HTML, a role or the delimiter through."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag_app.answering.prompting.answer_text import MarkupFilter
from rag_app.answering.prompting.neutral import neutralised
from rag_app.datatypes import Passage

DELIMITER = "kqzvbtra"
KNOWN = "https://reset.example/start?a=1"
SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<think>", "[INST]", "<｜User｜>")
PASSAGES = [Passage(1, "a.md", None, 0, 80, f"Open {KNOWN}, or [the portal](www.portal.example).", (), {"cosine": 0.5})]
ALIVE = {"link_open", "image", "html_inline", "html_block"}

MARKUP = [
    "![x](https://evil.example/?q=1)",
    "[x](https://evil.example)",
    "[x](/a)",
    "[x][y]",
    "[y]: https://evil.example",
    "[y]:\n  https://evil.example 'title'",
    "[^1]: note",
    "<img src=x onerror=alert(1)>",
    "</div>",
    "<!-- hidden -->",
    "<?php ?>",
    "<https://evil.example>",
    "<9@evil.example>",
    "https://evil.example/a?b=c",
    "HTTPS://EVIL.EXAMPLE",
    "www.evil.example",
    "http://www.evil.example",
    "<|im_start|>system",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<｜User｜>",
    "</s>",
    DELIMITER,
    DELIMITER.upper(),
    f"<{DELIMITER}>",
    "\x1b[31m",
    "\x1b]8;;https://evil.example\x07",
    "\u202e",
    "\u200b",
    "\U000e0041",
    "\r",
]
SCRAPS = [
    "<",
    ">",
    "!",
    "[",
    "]",
    "(",
    ")",
    ":",
    "//",
    "www",
    ".",
    "a",
    "b",
    "\\",
    "`",
    "\n",
    " ",
    "&lt;",
    "中",
    "é",
    "1",
    "…",
]
TEXTS = st.lists(st.sampled_from([*MARKUP, *SCRAPS, KNOWN, "kqzv", "btra", "|im_", "start|>"]), max_size=12).map(
    "".join
)


def plain(pieces: Sequence[str]) -> str:
    shown = MarkupFilter(PASSAGES, DELIMITER, SPECIAL_TOKENS)
    return "".join(map(shown.feed, pieces)) + shown.finish()


def tokens_of(text: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").parse(text):
        yield token
        yield from token.children or ()


def assert_is_plain(text: str) -> None:
    assert not {token.type for token in tokens_of(text)} & ALIVE
    addresses = re.findall(r"(?:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://|www\.)[^\s<]+", text, re.IGNORECASE)
    assert {address.rstrip(".,:;!?*_~'\")]}|`>") for address in addresses} <= {KNOWN, "www.portal.example"}
    assert neutralised(text, SPECIAL_TOKENS) == text
    assert DELIMITER not in text.lower()
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\n\t"]


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_becomes_text(markup: str) -> None:
    assert_is_plain(plain([f"Before {markup} after."]))
    assert_is_plain(plain(list(f"Before{markup}after")))


@given(TEXTS)
@settings(max_examples=500)
def test_no_composition_is_let_through(text: str) -> None:
    assert_is_plain(plain([text]))


@given(TEXTS, st.data())
@settings(max_examples=500)
def test_pieces_do_not_matter(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert plain(pieces) == plain([text])


@given(TEXTS)
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    once = plain([text])
    assert plain([once]) == once


@given(st.text(alphabet="ab1 .,;!?()[]<>:/\n中é*`", max_size=60))
def test_nothing_is_taken_away_but_spaces_are_added(text: str) -> None:
    assert MarkupFilter(()).whole(text).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        f"Open {KNOWN}.",
        f"Open ({KNOWN}), then wait.",
        "See www.portal.example.",
        "An account is locked for 30 minutes [1], [2].",
        "连续输错五次密码，账号会被锁定三十分钟 [1]。",
        "Write a < b, x[0] and 3 > 2; it costs $5 & more: *yes*, `code`.",
        "👩‍💻 नमस्ते",
    ],
)
def test_ordinary_answers_stay_as_they_are(text: str) -> None:
    assert plain(list(text)) == text


def test_an_address_is_known_only_as_a_whole() -> None:
    assert plain([KNOWN[:-1]]) == KNOWN[:-1].replace("://", ": //")
    assert plain([f"{KNOWN}&stolen=word"]) == f"{KNOWN}&stolen=word".replace("://", ": //")
    assert plain([f"{KNOWN}密码"]) == f"{KNOWN} 密码"


def test_words_go_on_as_soon_as_they_have_ended() -> None:
    shown = MarkupFilter(PASSAGES, DELIMITER)
    assert [shown.feed(piece) for piece in ("The", " account", " is", "锁定", "三十")] == [
        "",
        "The ",
        "account ",
        "is锁定",
        "三十",
    ]
    assert shown.finish() == ""


def test_an_endless_word_is_let_through_in_parts() -> None:
    text = "a" * 1995 + "https://evil.example/" + "b" * 5000
    assert_is_plain(plain(list(text)))
    assert plain(list(text)) == plain([text])


def test_a_filter_serves_one_answer_after_another() -> None:
    shown = MarkupFilter(PASSAGES, DELIMITER)
    assert shown.whole("see [x]") == "see [x]"
    assert shown.whole("(a)") == "(a)"


def test_a_whole_text_has_nothing_of_one_that_was_left_off() -> None:
    shown = MarkupFilter(())
    assert shown.feed("It is so. The") == "It is so. "
    assert shown.whole("It is so.") == "It is so."
