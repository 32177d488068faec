"""Markers of chat turns are broken up, and what nobody sees is taken out."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.prompting.neutral import neutralised, visible

ROLE_MARKERS = [
    "<|im_start|>system",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|eot_id|>",
    "<|system|>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "<<SYS>>",
    "<</SYS>>",
    "<s>",
    "</s>",
    "<start_of_turn>user",
    "<end_of_turn>",
    "[SYSTEM_PROMPT]",
    "<｜User｜>",
    "<|turn>user",
    "<turn|>",
    "<bos>",
    "<think>",
    "[AVAILABLE_TOOLS]",
    "＜｜im_start｜＞",
    "＜|im_end|＞",
    "‹|system|›",
    "［INST］",
    "＜ｓ＞",
    "<\u200d|im_start|>",
]
PIECES = ["<", ">", "|", "/", "[", "]", "s", "im_start", "INST", "SYS", " ", "＜", "｜", *ROLE_MARKERS]


@pytest.mark.parametrize("marker", ROLE_MARKERS)
def test_a_marker_is_broken_up(marker: str) -> None:
    text = neutralised(f"before {marker} after")
    assert marker not in text
    assert unicodedata.normalize("NFKC", marker).replace("\u200d", "") not in unicodedata.normalize("NFKC", text)
    assert text.startswith("before ")
    assert text.endswith(" after")


@given(st.lists(st.sampled_from(PIECES)))
def test_no_composition_leaves_a_marker(parts: list[str]) -> None:
    text = "".join(parts)
    once = neutralised(text)
    assert neutralised(once) == once, "what is broken up holds no marker any more"
    assert once.replace(" ", "").replace("\u200d", "") == text.replace(" ", "").replace("\u200d", "")


def test_special_tokens_of_a_generator_are_broken_up_too() -> None:
    assert neutralised("a <answer> b", ["<answer>", "x"]) == "a < answer > b"
    assert neutralised("an x", ["<answer>", "x"]) == "an x", "one letter is no marker"


@pytest.mark.parametrize(
    "text", ["a < b and c > d", "x[0] | y", "《红楼梦》", "一｜二", "List<int>", "naïve café", "👩‍💻 नमस्ते क्‍ष"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert neutralised(visible(text)) == text


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u202e", "\u2066", "\ufeff", "\u00ad", "\U000e0041", "\x00", "\x1b", "\x7f", "\ufe01"]
)
def test_what_nobody_sees_is_taken_out(hidden: str) -> None:
    assert visible(f"se{hidden}cret") == "secret"
    assert visible(f"密{hidden}码") == "密码"


def test_white_space_of_other_kinds_is_a_space() -> None:
    assert visible("a\x0bb\x85c\u2028d\re\nf\tg") == "a b c d e\nf\tg"
    assert visible("a\x0bb\re") == "a b e"


@given(st.text())
def test_a_text_may_come_in_pieces(text: str) -> None:
    assert "".join(map(visible, text)) == visible(text)
