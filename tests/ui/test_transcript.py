"""An exported conversation: what it holds, and that nothing of a document acts in it."""

from __future__ import annotations

from markdown_it import MarkdownIt

from rag_app.answering.citing.citations import cite
from rag_app.datatypes import Answer, Passage
from rag_app.store.records.conversations import Problem, Turn
from rag_app.ui.ask.transcript import answer_with_sources, transcript_of

PAYLOAD = "The lock ![x](http://127.0.0.1:9/a) lasts 30 minutes.\n# No heading\n[r]: http://127.0.0.1:9/b"


def turn(text: str | None = "The lock lasts 30 minutes. [1]") -> Turn:
    passage = Passage(1, "docs/<b>_a_.md", 3, 0, len(PAYLOAD), PAYLOAD, ("Locks", "*Times*"), {"cosine": 0.5})
    sentences = cite(text, (passage,)) if text else ()
    answer = Answer("How long?", text, False, sentences, (passage,), "e", "g")
    return Turn("How *long*?", "small", asked_at="2026-11-29T22:00:00+00:00", passages=(passage,), answer=answer)


def test_it_holds_question_answer_and_sources_with_their_text() -> None:
    text = transcript_of([turn(), Turn("Stopped?", "small", written="Half an ans")], "en")
    assert text.startswith("# Conversation of 2026-11-29\n\n## How \\*long\\*?\n")
    assert "The lock lasts 30 minutes. [1]" in text
    assert "[1] docs/\\<b\\>\\_a\\_.md, page 3 - Locks \\> \\*Times\\* (cosine 0.500)" in text
    assert "\n> The lock " in text
    assert "## Stopped?\n\nHalf an ans" in text


def test_nothing_of_a_document_acts_in_it() -> None:
    tokens = MarkdownIt("commonmark").parse(transcript_of([turn()], "en"))
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    assert not kinds & {"image", "link_open", "html_inline", "html_block", "code_block", "fence"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2"]


def test_it_is_in_the_language_of_the_page_and_says_what_went_wrong() -> None:
    failed = Turn("坏了？", "small", problem=Problem("The model is gone."))
    text = transcript_of([turn(text=None), failed], "zh")
    assert "2026-11-29 的对话" in text
    assert "第 3 页" in text
    assert "*没有写出回答。*" in text
    assert "The model is gone." in text


def test_what_is_copied_names_the_sources_without_their_text() -> None:
    copied = answer_with_sources(turn(), "en")
    assert copied.startswith("The lock lasts 30 minutes. [1]")
    assert "page 3" in copied
    assert "No heading" not in copied
