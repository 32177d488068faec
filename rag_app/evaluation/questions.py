"""Labelled questions as values: what is asked, and what is known of where the answer stands.

This module knows nothing of files, knowledge bases or models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

_NAMED = 3  # of the questions that a note is about, so many are named


@dataclass(frozen=True)
class EvidenceSpan:
    """Where an answer stands: the characters `[start, end)` of a document's extracted text; `source` is its path or its end.

    `text` is what stands there, where the file says it: it is how a span is found again in a base that was read otherwise.
    """

    source: str
    start: int
    end: int
    text: str = ""


@dataclass(frozen=True)
class LabelledQuestion:
    """A question with what is known of its answer.

    `answers` are wordings of it, none for a question that the documents do not answer. `sources` are the documents that hold
    it, by their path or its end; `spans` its exact places, where they are known; `context` the whole paragraph that holds it,
    where that is known instead of a document, and `context_spans` its places `[start, end)` in that. `judgements` say by the
    name of a document (the end of its path) how right it is: 0 for not at all, then whole numbers. `article` names what
    questions belong together although they have no document. `key` is unique in a file.
    """

    question: str
    answers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    spans: tuple[EvidenceSpan, ...] = ()
    context: str = ""
    article: str = ""
    context_spans: tuple[tuple[int, int], ...] = ()
    judgements: Mapping[str, float] = field(default_factory=dict)
    key: str = ""

    @property
    def is_answerable(self) -> bool:
        """Whether the documents answer it."""
        return bool(self.answers or self.spans or self.context_spans or self.right_documents)

    @property
    def right_documents(self) -> tuple[str, ...]:
        """The documents that are judged right in any degree."""
        return tuple(name for name, grade in self.judgements.items() if grade > 0)


@dataclass(frozen=True)
class QuestionSet:
    """The questions of a file, its name without the ending, and the sha256 of its bytes.

    `notes` are sentences on what was left out of the file, and why.
    """

    name: str
    sha256: str
    questions: tuple[LabelledQuestion, ...]
    notes: tuple[str, ...] = ()


def with_keys(questions: Iterable[LabelledQuestion]) -> tuple[tuple[LabelledQuestion, ...], tuple[str, ...]]:
    """Return the questions with a key each, and notes. The first of several with one key is kept, the others left out."""
    all_questions = tuple(questions)
    counts = Counter(question.key for question in all_questions)
    kept: dict[str, LabelledQuestion] = {}
    repeated = []
    for number, question in enumerate(all_questions, start=1):
        key = question.key or f"question {number}"
        while not question.key and key in counts:
            key += "'"
        if key in kept:
            repeated.append(key)
        else:
            kept[key] = replace(question, key=key)
    return tuple(kept.values()), note_on(repeated, "left out: a question with the same id comes before")


def note_on(keys: Sequence[str], what: str) -> tuple[str, ...]:
    """Return one sentence on the questions with these keys, or nothing where there are none."""
    if not keys:
        return ()
    if len(keys) == 1:
        return (f"1 question was {what} ({named(keys)}).",)
    return (f"{len(keys):,} questions were {what} ({named(keys)}).",)


def named(names: Sequence[str]) -> str:
    """Return the first three names and how many more there are."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _NAMED:,} more" if len(distinct) > _NAMED else ""
    return f"{', '.join(name[:80] for name in distinct[:_NAMED])}{more}"
