"""Which questions can be judged against the documents of a knowledge base: what they name must be there.

What can be used is used, everything else is counted and named. This module knows nothing of files of questions, of models,
or of where documents are kept: it is given their paths and a way to their texts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from rag_app.errors import UsageError
from rag_app.evaluation.labels import document_names, plain, stands_in
from rag_app.evaluation.questions import EvidenceSpan, LabelledQuestion, QuestionSet, named, note_on

_KEPT_TEXTS = 64  # questions on one document mostly come together

_NO_DOCUMENT = "left out: the document that is named is not in the knowledge base"
_NO_ANSWER = "left out: the answer stands in no document that is named"
_NO_PARAGRAPH = "left out: the paragraph is not in the knowledge base as the file has it"
_NO_JUDGED = "left out: none of the documents judged right is in the knowledge base"
_WORDS = "judged by the words of the answer: the places of the file hold something else in this knowledge base"
_MOVED = "judged by a quote that was found at another place than the file says"
_PARTLY = "kept, but some of the documents or places named are not in the knowledge base"


def check_against(question_set: QuestionSet, paths: Iterable[str], text_of: Callable[[str], str]) -> QuestionSet:
    """Return the questions that can be judged, in their order, with notes on the others; unanswerable ones all can.

    What a question names and the documents do not have is taken from it, so that it counts in no recall. The notes of the set
    come first.

    Args:
        question_set: as read from a file.
        paths: of all documents of the knowledge base.
        text_of: gives the text of one.

    Raises:
        UsageError: no question can be judged, or none has an answer.
    """
    if not any(question.is_answerable for question in question_set.questions):
        raise without_answers(question_set.name)
    checker = _Checker(paths, text_of)
    kept = [found for question in question_set.questions if (found := checker.usable(question)) is not None]
    notes = (*question_set.notes, *checker.notes())
    if not any(question.is_answerable for question in kept):
        raise UsageError(
            f"No question of {question_set.name} can be judged against this knowledge base.",
            " ".join((*notes, "See that the file belongs to it: rag-app kb show NAME lists its documents.")),
        )
    if len(kept) == 1:
        notes = (*notes, "One question is left: what it shows of a system may be chance.")
    return replace(question_set, questions=tuple(kept), notes=notes)


def without_answers(name: str) -> UsageError:
    """Return the error of a set by its name: none of its questions has an answer."""
    return UsageError(
        f"No question of {name} has an answer, so that no passage can be right.",
        "Give each its `answer` and `source`; only questions that the documents do not answer go without.",
    )


class _Checker:
    """The documents, and what was found of the questions so far."""

    def __init__(self, paths: Iterable[str], text_of: Callable[[str], str]) -> None:
        self._paths_by_name: defaultdict[str, list[str]] = defaultdict(list)
        for path in paths:
            for name in document_names(path):
                self._paths_by_name[name].append(path)
        self._text_of = lru_cache(maxsize=_KEPT_TEXTS)(text_of)
        self._plain_text_of = lru_cache(maxsize=_KEPT_TEXTS)(lambda path: plain(self._text_of(path)))
        self._keys: defaultdict[str, list[str]] = defaultdict(list)
        self._unknown_documents: list[str] = []

    def notes(self) -> tuple[str, ...]:
        """Return sentences on what was not as the questions say."""
        sentences = [sentence for what, keys in self._keys.items() for sentence in note_on(keys, what)]
        unknown = self._unknown_documents
        if len(unknown) == 1:
            sentences.append(
                f"1 judgement of a document that is not in the knowledge base was left out ({named(unknown)})."
            )
        elif unknown:
            sentences.append(
                f"{len(unknown):,} judgements of documents that are not in the knowledge base were left out "
                f"({named(unknown)})."
            )
        return tuple(sentences)

    def usable(self, question: LabelledQuestion) -> LabelledQuestion | None:
        """Return the question with what is there of what it names; None where it cannot be judged."""
        found = self._with_what_is_there(question)
        if isinstance(found, str):
            self._keys[found].append(question.key)
            return None
        return found

    def _with_what_is_there(self, question: LabelledQuestion) -> LabelledQuestion | str:
        """Return the question, or why it is left out."""
        if question.judgements:
            return self._with_judgements(question)
        if not question.is_answerable:
            return question
        if question.context:
            return self._with_paragraph(question)
        return self._with_spans(question) if question.spans else self._with_sources(question)

    def _paths(self, source: str) -> Sequence[str]:
        return self._paths_by_name.get(source, ())

    def _with_judgements(self, question: LabelledQuestion) -> LabelledQuestion | str:
        known = {name: grade for name, grade in question.judgements.items() if name in self._paths_by_name}
        self._unknown_documents += [name for name in question.judgements if name not in known]
        found = replace(question, judgements=known)
        return found if found.is_answerable else _NO_JUDGED

    def _with_paragraph(self, question: LabelledQuestion) -> LabelledQuestion | str:
        paragraph = plain(question.context)
        paths = [path for source in question.sources for path in self._paths(source)]
        if not any(paragraph in self._plain_text_of(path) for path in paths):
            return _NO_PARAGRAPH
        has_answer = question.context_spans or _has_words(question, paragraph)
        return question if has_answer else _NO_ANSWER

    def _with_spans(self, question: LabelledQuestion) -> LabelledQuestion | str:
        found = [self._located(span) for span in question.spans]
        spans = tuple(span for span in found if span is not None)
        if not spans:
            by_words = self._with_sources(replace(question, spans=()))
            if not isinstance(by_words, str):
                self._keys[_WORDS].append(question.key)
            return by_words
        if len(spans) < len(found):
            self._keys[_PARTLY].append(question.key)
        if any(span not in question.spans for span in spans):
            self._keys[_MOVED].append(question.key)
        return replace(question, spans=spans)

    def _located(self, span: EvidenceSpan) -> EvidenceSpan | None:
        """Return where the span's text is; None where the document or the text is not there, or is there several times."""
        texts = [self._text_of(path) for path in self._paths(span.source)]
        wanted = "".join(span.text.split())
        for text in texts:
            if span.end <= len(text) and wanted in ("", "".join(text[span.start : span.end].split())):
                return span
        places = [place for text in texts if (place := _only_place(wanted, text)) is not None]
        return replace(span, start=places[0][0], end=places[0][1]) if len(places) == 1 else None

    def _with_sources(self, question: LabelledQuestion) -> LabelledQuestion | str:
        known = [source for source in question.sources if self._paths(source)]
        holding = tuple(
            source
            for source in known
            if any(_has_words(question, self._plain_text_of(path)) for path in self._paths(source))
        )
        if not holding:
            return _NO_ANSWER if known else _NO_DOCUMENT
        if len(holding) < len(question.sources):
            self._keys[_PARTLY].append(question.key)
        return replace(question, sources=holding)


def _has_words(question: LabelledQuestion, text: str) -> bool:
    return any(stands_in(plain(answer), text) for answer in question.answers)


def _only_place(bare: str, text: str) -> tuple[int, int] | None:
    """Return where a text without its white space stands in another; None where it does not, or more than once."""
    positions = [place for place, character in enumerate(text) if not character.isspace()]
    bare_text = "".join(text[place] for place in positions)
    if not bare or bare_text.count(bare) != 1:
        return None
    first = bare_text.index(bare)
    return positions[first], positions[first + len(bare) - 1] + 1
