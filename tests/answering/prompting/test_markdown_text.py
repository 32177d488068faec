"""Text that is written into Markdown is read back as text: nothing of it acts, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag_app.answering.prompting.markdown_text import as_markdown, in_one_line

HOSTILE = [
    "![x](http://127.0.0.1:9/?q=secret)",
    "[a](javascript:alert(1)) and [r]\n\n[r]: http://127.0.0.1:9/b",
    "<img src=x onerror=alert(1)> <!-- c --> &amp; &#33;",
    "# heading\n## two\n- item\n+ item\n* item\n1. one\n2) two\n> quoted\n---\n===",
    "    indented code\n\tand a tab",
    "```\nfence\n```\n~~~\nfence",
    "*em* _em_ **strong** `code` ~~gone~~ $x$ | a | b |",
    "<http://127.0.0.1:9/c> http://127.0.0.1:9/d www.example.org a@example.org",
    "a\\",
    "\x1b[31mred\u202e",
]
ACTS = {
    "link_open",
    "image",
    "html_inline",
    "html_block",
    "code_inline",
    "em_open",
    "strong_open",
    "s_open",
    "text_special",
}


def read(markdown: str) -> tuple[set[str], str]:
    """Return what kinds of parts a reader of GitHub's Markdown sees, and the text."""
    kinds, text = set(), []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        kinds.add(token.type)
        for child in token.children or ():
            kinds.add(child.type)
            text.append("\n" if child.type == "hardbreak" else child.content)
    return kinds, "".join(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    kinds, shown = read(as_markdown(text))
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "hardbreak"}
    assert not kinds & ACTS
    for word in ("secret", "alert(1)", "heading", "two", "item", "fence", "gone", "example.org"):
        assert (word in shown) == (word in text)


def test_addresses_are_broken_for_readers_that_make_links_of_them() -> None:
    assert as_markdown("http://example.org") == "http\\://example.org"
    assert as_markdown("www.example.org") == "www\\.example.org"
    assert "a\\@example.org" in as_markdown("a@example.org")


def test_ordinary_text_stays_as_it_is() -> None:
    assert as_markdown("An account is locked for 30 minutes, 5 times. 密码：三十分钟。") == (
        "An account is locked for 30 minutes, 5 times. 密码：三十分钟。"
    )
    assert as_markdown("one\ntwo") == "one  \ntwo"
    assert in_one_line(" one\n# two ") == "one \\# two"


@given(st.text(alphabet=st.sampled_from("ab 1.)-+*_`[]()<>!#|~$&@:/\\=^{}\"'"), max_size=60))
def test_no_line_acts_and_none_is_lost(text: str) -> None:
    kinds, shown = read(as_markdown(text))
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text"}
    assert "".join(shown.split()) == "".join(text.split())
