"""A conversation as Markdown, with the sources of each answer: what is exported. Text of documents stays text in it.

This module knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag_app.answering.prompting.markdown_text import as_markdown, in_one_line
from rag_app.datatypes import Answer, Passage
from rag_app.store.records.conversations import Turn
from rag_app.ui.words import said_in
from rag_app.ui.words.translation import translated_to


def transcript_of(turns: Sequence[Turn], code: str) -> str:
    """Return a conversation as Markdown, its own words in a language; it is not asked of the session."""
    title = said_in(code, "ask.transcript.title", day=turns[0].asked_at[:10])
    return "\n\n".join([f"# {title}", *(part for turn in turns for part in _of_turn(turn, code))]) + "\n"


def answer_with_sources(turn: Turn, code: str) -> str:
    """Return the answer of a turn as Markdown with where its sources stand, as it is copied."""
    return "\n\n".join(_answer(turn, [_place(passage, code) for passage in turn.passages], code))


def _of_turn(turn: Turn, code: str) -> Iterator[str]:
    yield f"## {in_one_line(turn.question)}"
    yield from _answer(turn, [_source(passage, code) for passage in turn.passages], code)


def _answer(turn: Turn, sources: Sequence[str], code: str) -> Iterator[str]:
    text = _text_of(turn, code)
    yield as_markdown(text) if text else f"*{said_in(code, 'ask.transcript.unanswered')}*"
    if sources:
        yield f"**{said_in(code, 'ask.transcript.sources')}**"
        yield "\n\n".join(sources)


def _text_of(turn: Turn, code: str) -> str:
    answer: Answer | None = turn.answer
    if answer is None:
        return turn.written.strip() or (translated_to(code, turn.problem.found) if turn.problem else "")
    return "\n\n".join(part for part in (answer.text, answer.abstention) if part)


def _place(passage: Passage, code: str) -> str:
    """Return where a source stands: number, document, page, headings."""
    name = in_one_line(passage.document)
    if passage.page is not None:
        name = said_in(code, "ask.source.on_page", document=name, page=passage.page)
    headings = f" - {in_one_line(' > '.join(passage.heading_path))}" if passage.heading_path else ""
    return f"[{passage.n}] {name}{headings}"


def _source(passage: Passage, code: str) -> str:
    """Return a source with its scores, and the passage as a quotation."""
    scores = ", ".join(f"{in_one_line(name)} {value:.3f}" for name, value in passage.scores.items())
    quoted = as_markdown(passage.found_text.strip()).replace("\n", "\n> ")
    return f"{_place(passage, code)} ({scores})\n\n> {quoted}"
