"""What drafting is about, as values: where a question comes from, a question that a rule made of it, and a drafted one.

This module knows nothing of knowledge bases or of how questions are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stratum(StrEnum):
    """What a question tests, as a file of questions names it."""

    LEXICAL = "lexical"
    PARAPHRASED = "paraphrased"
    KEYWORDS = "keyword-like"
    CROSS_LINGUAL = "cross-lingual"
    UNANSWERABLE = "unanswerable"


@dataclass(frozen=True)
class Span:
    """A sentence, a list item, a table row or a section: the characters `[start, end)` of a document's extracted text.

    `quote` is what stands there, `text` the same without the marks of Markdown and on one line. `headings` are those above it,
    the document's title first. `fields` has the columns of a table row by their names, in order; a section is one that its
    heading asks about.
    """

    document: str
    language: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    is_section: bool = False
    quote: str = ""


@dataclass(frozen=True)
class Wording:
    """A question that a rule makes of a span, with its answer; `crossed` asks the same in the other language, if any can."""

    question: str
    answer: str
    crossed: str = ""


@dataclass(frozen=True)
class DraftedQuestion:
    """A question for a person to keep, edit or drop. `span` is None where no document answers it."""

    key: str
    question: str
    answer: str
    stratum: Stratum
    language: str
    drafted_by: str
    span: Span | None

    def as_row(self) -> dict[str, Any]:
        """Return the line of the file: what `read_questions` reads, and what a person judges it by."""
        evidence = []
        if self.span is not None:
            place = {"source": self.span.document, "start": self.span.start, "end": self.span.end}
            evidence = [place | {"text": self.span.quote}]
        return {
            "id": self.key,
            "question": self.question,
            "answer": self.answer,
            "source": self.span.document if self.span else "",
            "evidence": evidence,
            "stratum": self.stratum.value,
            "language": self.language,
            "drafted_by": self.drafted_by,
            "keep": True,
        }


@dataclass(frozen=True)
class Drafts:
    """What was drafted, in the order of the file; `notes` say what could not be, and why."""

    questions: tuple[DraftedQuestion, ...]
    asked_for: int
    documents: int
    notes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
