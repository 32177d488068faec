"""What `rag-app ask` prints: an answer with its sources, as text and as JSON.

Document text is printed with control characters shown instead of obeyed. This module knows nothing of flags.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rag_app.answering.prompting.hostile_text import is_hostile
from rag_app.answering.query_engine import Answered, AnswerEvent, Retrieved
from rag_app.answering.writers import Waiting, Written
from rag_app.datatypes import Answer, Passage
from rag_app.models.reranker_spec import UNSEEN
from rag_app.terminal import print_json, say
from rag_app.text import matching_spans, printable

_PREVIEW = 240
_BOLD, _PLAIN = "\x1b[1m", "\x1b[22m"


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return the object that `ask --json` prints."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "abstention": answer.abstention,
        "cut": answer.is_cut,
        "sentences": [
            {
                "text": sentence.text,
                "citations": [citation.n for citation in sentence.citations],
                "spans": [
                    {"n": citation.n, "document": citation.document, "page": citation.page}
                    | {"start": citation.start, "end": citation.end}
                    for citation in sentence.citations
                ],
                "supported": sentence.supported,
                "missing": list(sentence.missing),
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
                "found": [list(span) for span in passage.found_spans],
                "heading_path": list(passage.heading_path),
                "table_header": passage.table_header,
                "best_sentence": passage.best_sentence,
                "also_in": [asdict(place) for place in passage.also_in],
                "speaks_to_the_model": is_hostile(passage),
                "text": passage.text,
                "scores": {name: round(value, 6) for name, value in passage.scores.items()},
            }
            for passage in answer.passages
        ],
        "models": {"embedder": answer.embedder, "reranker": answer.reranker, "generator": answer.generator},
        "not_asked": answer.not_asked,
        "prompt": answer.prompt,
        "timings": dict(answer.timings),
        "wanted_percentile": answer.wanted_percentile,
    }


class AnswerPrinter:
    """Prints an answer as it comes, then the sources, on a terminal with the words of the question in bold."""

    def __init__(self, question: str) -> None:
        """Nothing is printed yet."""
        self._question = question
        self._written = ""
        self._place = 0
        self._passages: Sequence[Passage] = ()

    def show(self, event: AnswerEvent) -> None:
        """Print what an event brings."""
        match event:
            case Retrieved():
                self._passages = event.passages
            case Waiting() if event.place != self._place:
                self._place = event.place
                if event.place:
                    say(f"waiting: {event.place} before this one")
            case Written():
                self._written += event.text
                print(printable(event.text), end="", flush=True)
            case Answered():
                self._end_text()
                if event.answer.text and "".join(event.answer.text.split()) != "".join(self._written.split()):
                    print(f"With its citations checked against the passages:\n{printable(event.answer.text)}\n")
                _print_remarks(event.answer)
                # Without an answer the passages are what was asked for.
                _print_sources(
                    event.answer.passages,
                    self._question,
                    cited=_cited_places(event.answer),
                    is_whole=event.answer.text is None,
                )

    def stopped(self) -> None:
        """Print the sources after the generator failed."""
        self._end_text()
        _print_sources(self._passages, self._question)

    def _end_text(self) -> None:
        if self._written:
            print("\n")


class JsonPrinter:
    """Prints one JSON object at the end, also where the generator failed: then without an answer."""

    def __init__(self, question: str, notice: str = "", filters: Sequence[str] = ()) -> None:
        """Nothing is printed yet.

        Args:
            question: what is asked.
            notice: why it is not the live generation that is asked; else empty.
            filters: what the passages were narrowed to, as typed.
        """
        self._question = question
        self._notice = notice
        self._filters = filters
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
        filters = {"filters": list(self._filters)}
        print_json(answer_as_json(answer) | filters | ({"notice": self._notice} if self._notice else {}))


def unread_note(event: AnswerEvent) -> str:
    """Return what is to be said where passages that are shown were not read to their end by the reranker; else nothing."""
    cut = sum(UNSEEN in node.node.metadata for node in event.nodes) if isinstance(event, Retrieved) else 0
    return (
        f"The reranker read only the beginning of {cut} of these passages: they are longer than its window."
        if cut
        else ""
    )


def _print_remarks(answer: Answer) -> None:
    """Print what is to be said of an answer: where it was cut, sentences without support, or why there is none."""
    if answer.abstained:
        print(f"{answer.abstention}\n")
    elif answer.text == "":
        print("Nothing was written; these are the passages that were found.\n")
    if answer.not_asked:
        print(f"{answer.not_asked} was not made for this language: these are the passages' own sentences.\n")
    if answer.is_cut:
        print(
            "The answer ends here: it reached its longest (RAG_APP_ANSWERING__MAX_NEW_TOKENS), or the model repeated itself.\n"
        )
    unsupported = [sentence for sentence in answer.sentences if not sentence.supported]
    if unsupported:
        print("No passage supports:")
        for sentence in unsupported:
            reason = f" (not said of this: {', '.join(sentence.missing)})" if sentence.missing else ""
            print(f"  {printable(sentence.text + reason, keep_line_breaks=False)}")
        print()


def _cited_places(answer: Answer) -> dict[int, int]:
    """Return where in its document the first sentence begins that is cited from a passage, by the passage's number."""
    places: dict[int, int] = {}
    for sentence in answer.sentences:
        for citation in sentence.citations:
            places[citation.n] = min(citation.start, places.get(citation.n, citation.start))
    return places


def _print_sources(
    passages: Sequence[Passage], question: str, *, cited: Mapping[int, int] | None = None, is_whole: bool = False
) -> None:
    if passages:
        print("Sources")
    for passage in passages:
        page = f", {passage.pages}" if passage.pages else ""
        scores = "  ".join(f"{name} {value:.3f}" for name, value in passage.scores.items())
        print(f"[{passage.n}] {printable(passage.document, keep_line_breaks=False)}{page}    {scores}")
        shown = _excerpt(passage, (cited or {}).get(passage.n), is_whole=is_whole)
        print(f"    {_with_words_in_bold(shown, question)}")
        if passage.also_in:
            print(f"    also in {printable(passage.also_in_words, keep_line_breaks=False)}")
        if is_hostile(passage):
            print("    This passage speaks to the model, as an attack would: read it with care.")


def _excerpt(passage: Passage, cited: int | None, *, is_whole: bool) -> str:
    """Return what was found of a passage; of a longer one the beginning, or from its cited, else its best sentence on.

    Args:
        passage: what is shown.
        cited: where in its document the first sentence begins that is cited from it; None where none is.
        is_whole: however long it is.
    """
    text = " ".join(f"{passage.table_header} {passage.found_text}".split())
    was_found = cited is None or any(start <= cited < end for start, end in passage.found_spans)
    if is_whole or (len(text) <= _PREVIEW and was_found):
        return text
    first = beginning = passage.found_spans[0][0]
    if cited is not None:
        first = cited
    elif passage.best_sentence is not None:
        first = max(passage.best_sentence[0], beginning)
    if first == beginning:
        return f"{text[:_PREVIEW]}…"
    rest = " ".join(passage.text[first - passage.start :].split())
    return f"… {rest[:_PREVIEW]}{'…' if len(rest) > _PREVIEW else ''}"


def _with_words_in_bold(text: str, question: str) -> str:
    """Return a text as one line to print; on a terminal the words of the question are bold in it."""
    parts = []
    first = 0
    for start, end in matching_spans(text, question) if sys.stdout.isatty() else ():
        parts += [printable(text[first:start], keep_line_breaks=False), _BOLD]
        parts += [printable(text[start:end], keep_line_breaks=False), _PLAIN]
        first = end
    return "".join(parts) + printable(text[first:], keep_line_breaks=False)
