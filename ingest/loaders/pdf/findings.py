"""What was met while a PDF was read, and how the report says it.

This module knows nothing of how a PDF is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_MOST_NAMES = 5

_LANGUAGE_REMEDY = (
    "If it is in another language, install that for tesseract and name it in RAG_APP_READING__OCR_LANGUAGES."
)
_FORM_REMEDY = "Print the form to a PDF with the program it was filled in with."
_MISTAKES_REMEDY = "Check what matters against the pages themselves."
_CUT_REMEDY = "Get a complete copy of it."


@dataclass
class Findings:
    """What was met; page numbers count from 1.

    `scanned` and `unreadable` pages are those that were not read: pictures of text, and text in fonts that do not say which
    letters they show. `ocr_languages` is empty where OCR was not asked for, and
    `ocr_remedy` says how it could be; `has_text` is false where nothing was found at
    all. `has_unread_form` is true for what only the program of a form shows, `is_cut` where the end of the file is missing.
    """

    pages: int
    ocr_languages: str = ""
    ocr_remedy: str = ""
    blank: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    scanned: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    read_by_ocr: list[int] = field(default_factory=list)
    pictures: int = 0
    attachments: list[str] = field(default_factory=list)
    has_text: bool = True
    has_unread_form: bool = False
    is_cut: bool = False

    @property
    def unread(self) -> tuple[int, ...]:
        """The pages that only OCR can read, and that were not read."""
        return tuple(sorted(self.scanned + self.unreadable))

    @property
    def has_no_text_layer(self) -> bool:
        """Whether there are such pages, and no page that was read."""
        return bool(self.unread) and len(self.unread) + len(self.blank) + len(self.failed) == self.pages

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report."""
        return tuple(self._notes())

    @property
    def remedy(self) -> str:
        """What can be done about it."""
        remedies = {
            self.ocr_remedy: bool(self.unread) and not self.ocr_languages,
            _MISTAKES_REMEDY: bool(self.read_by_ocr) and self.has_text,
            _LANGUAGE_REMEDY: bool(self.unread and self.ocr_languages),
            _FORM_REMEDY: self.has_unread_form,
            _CUT_REMEDY: self.is_cut or bool(self.failed),
        }
        return " ".join(remedy for remedy, is_needed in remedies.items() if is_needed and remedy)

    def _notes(self) -> Iterator[str]:
        if len(self.blank) == self.pages:
            yield "Its only page is blank." if self.pages == 1 else f"It has {self.pages} pages, all blank."
        if self.failed:
            yield f"{_pages(self.failed)} could not be read."
        yield from self._unread_notes()
        if self.read_by_ocr:
            was = "was" if len(self.read_by_ocr) == 1 else "were"
            outcome = "expect mistakes" if self.has_text else "it found no text"
            yield f"{_pages(self.read_by_ocr)} {was} read by OCR ({self.ocr_languages}): {outcome}."
        if self.has_unread_form:
            yield "What is filled in its form was not read."
        if self.pictures:
            yield "1 picture was not read." if self.pictures == 1 else f"{self.pictures} pictures were not read."
        if self.attachments:
            yield _attachments_note(self.attachments)
        if self.is_cut:
            yield "Its end mark is missing: it may have been cut off, and text may be missing."

    def _unread_notes(self) -> Iterator[str]:
        if self.has_no_text_layer and not self.ocr_languages:
            subject = "Its only page has no" if self.pages == 1 else f"None of its {self.pages} pages has a"
            if self.unreadable:
                yield f"{subject} text layer that can be read: its fonts do not say which letters they show."
            else:
                yield f"{subject} text layer: it is scanned."
            return
        for numbers, is_so, are_so in (
            (self.scanned, "is scanned", "are scanned"),
            (self.unreadable, "hides its letters", "hide their letters"),
        ):
            if numbers:
                is_one = len(numbers) == 1
                outcome = "was not read" if is_one else "were not read"
                if self.ocr_languages:
                    outcome = "could not be read by OCR"
                subject = "Its only page" if self.pages == 1 else f"{len(numbers)} of {self.pages} pages"
                which = "" if self.pages == 1 else f": {_listed(numbers)}"
                yield f"{subject} {is_so if is_one else are_so} and {outcome}{which}."


def _pages(numbers: Sequence[int]) -> str:
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {_listed(numbers)}"


def _listed(numbers: Sequence[int]) -> str:
    """Return `2, 5, 7-12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(str(number) for number in run) for run in runs
    )


def _attachments_note(names: Sequence[str]) -> str:
    count = "1 attachment was" if len(names) == 1 else f"{len(names)} attachments were"
    named = [" ".join(name.split()) for name in names if name.strip()][:_MOST_NAMES]
    more = f" and {len(names) - len(named)} more" if named and len(named) < len(names) else ""
    return f"{count} not read{': ' if named else ''}{', '.join(named)}{more}."
