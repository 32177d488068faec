"""What `rag-app ask` prints: an answer with its sources, as text and as JSON.

Document text is printed with control characters shown instead of obeyed. This module knows nothing of flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rag_app.answering.query_engine import Answered, AnswerEvent, Retrieved, Written
from rag_app.datatypes import Answer, Passage
from rag_app.terminal import print_json
from rag_app.text import printable

_PREVIEW = 240


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return the object that `ask --json` prints."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "sentences": [
            {
                "text": sentence.text,
                "citations": [citation.n for citation in sentence.citations],
                "supported": sentence.supported,
                "computed": any(citation.computed for citation in sentence.citations),
            }
            for sentence in answer.sentences
        ],
        "passages": [
            {
                "n": passage.n,
                "document": passage.document,
                "page": passage.page,
                "last_page": passage.last_page,
                "start": passage.start,
                "end": passage.end,
                "heading_path": list(passage.heading_path),
                "table_header": passage.table_header,
                "also_in": [asdict(place) for place in passage.also_in],
                "text": passage.text,
                "scores": {name: round(value, 6) for name, value in passage.scores.items()},
            }
            for passage in answer.passages
        ],
        "models": {"embedder": answer.embedder, "reranker": None, "generator": answer.generator},
        "timings": dict(answer.timings),
    }


class AnswerPrinter:
    """Prints an answer as it comes, then the sources."""

    def __init__(self) -> None:
        """Nothing is printed yet."""
        self._is_writing = False
        self._passages: Sequence[Passage] = ()

    def show(self, event: AnswerEvent) -> None:
        """Print what an event brings."""
        match event:
            case Retrieved():
                self._passages = event.passages
            case Written():
                self._is_writing = True
                print(printable(event.text), end="", flush=True)
            case Answered():
                self._end_text()
                _print_remarks(event.answer)
                # Without an answer the passages are what was asked for.
                _print_sources(event.answer.passages, is_whole=event.answer.text is None)

    def stopped(self) -> None:
        """Print the sources after the generator failed."""
        self._end_text()
        _print_sources(self._passages)

    def _end_text(self) -> None:
        if self._is_writing:
            print("\n")


class JsonPrinter:
    """Prints one JSON object at the end, also where the generator failed: then without an answer."""

    def __init__(self, question: str, notice: str = "") -> None:
        """Nothing is printed yet. `notice` says why it is not the live generation that is asked; else it is empty."""
        self._question = question
        self._notice = notice
        self._passages: tuple[Passage, ...] = ()

    def show(self, event: AnswerEvent) -> None:
        """Print the object once the answer is whole."""
        match event:
            case Retrieved():
                self._passages = event.passages
            case Answered():
                self._print(event.answer)

    def stopped(self) -> None:
        """Print the object after the generator failed."""
        self._print(Answer(self._question, None, False, (), self._passages, None, None))

    def _print(self, answer: Answer) -> None:
        print_json(answer_as_json(answer) | ({"notice": self._notice} if self._notice else {}))


def _print_remarks(answer: Answer) -> None:
    """Print what is to be said of an answer: computed citations, sentences without support, or why there is none."""
    if answer.abstained:
        print("No passage was found. Try other words, or --retriever hybrid.")
    elif answer.text == "":
        print("The generator wrote nothing; these are the passages it was given.\n")
    if answer.is_cited_by_computation:
        print("The generator cited nothing. Computed from the passages:")
        for sentence in answer.sentences:
            marks = "".join(f"[{citation.n}]" for citation in sentence.citations)
            print(f"  {marks or '[-]'} {printable(sentence.text, keep_line_breaks=False)}")
        print()
    unsupported = [sentence.text for sentence in answer.sentences if not sentence.supported]
    if unsupported:
        print("Not supported by a passage it cites:")
        for text in unsupported:
            print(f"  {printable(text, keep_line_breaks=False)}")
        print()


def _print_sources(passages: Sequence[Passage], *, is_whole: bool = False) -> None:
    if passages:
        print("Sources")
    for passage in passages:
        page = f", {passage.pages}" if passage.pages else ""
        scores = "  ".join(f"{name} {value:.3f}" for name, value in passage.scores.items())
        print(f"[{passage.n}] {printable(passage.document, keep_line_breaks=False)}{page}    {scores}")
        text = printable(" ".join(f"{passage.table_header} {passage.text}".split()), keep_line_breaks=False)
        print(f"    {text if is_whole or len(text) <= _PREVIEW else text[:_PREVIEW] + '…'}")
        if passage.also_in:
            print(f"    also in {printable(passage.also_in_words, keep_line_breaks=False)}")
