"""What was met while a PDF was read, and how the report says it.

This module knows nothing of how a PDF is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.loaders.extract import attachments_note, not_read

_MOST_NAMES = 5

_LANGUAGE_REMEDY = (
    "If it is in another language, install that for tesseract and name it in RAG_APP_READING__OCR_LANGUAGES."
)
_FORM_REMEDY = "Print the form to a PDF with the program it was filled in with."
_MISTAKES_REMEDY = "OCR makes mistakes: check what matters against the pages themselves."
_CUT_REMEDY = "Get a complete copy of it."
_FAILED_REMEDY = "Open it in a PDF reader: where the pages are damaged there too, get another copy."


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
            _CUT_REMEDY: self.is_cut,
            _FAILED_REMEDY: bool(self.failed) and not self.is_cut,
        }
        return " ".join(remedy for remedy, is_needed in remedies.items() if is_needed and remedy)

    def _notes(self) -> Iterator[str]:
        if len(self.blank) == self.pages:
            yield "Its only page is blank." if self.pages == 1 else f"It has {self.pages} pages, all blank."
        if self.failed:
            listed = _listed(self.failed)
            yield f"Page {listed} could not be read." if len(self.failed) == 1 else f"Pages {listed} could not be read."
        yield from self._unread_notes()
        if self.read_by_ocr:
            yield self._ocr_note()
        if self.has_unread_form:
            yield "What is filled in its form was not read."
        yield from not_read({"picture": self.pictures})[0]
        if self.attachments:
            yield attachments_note(self.attachments, _MOST_NAMES)
        if self.is_cut:
            yield "Its end mark is missing: it may have been cut off, and text may be missing."

    def _unread_notes(self) -> Iterator[str]:
        if self.has_no_text_layer and not self.ocr_languages:
            yield self._no_text_layer_note()
            return
        is_tried = bool(self.ocr_languages)
        if self.scanned:
            yield _scanned_note(self.scanned, self.pages, is_tried=is_tried)
        if self.unreadable:
            yield _hidden_letters_note(self.unreadable, self.pages, is_tried=is_tried)

    def _ocr_note(self) -> str:
        listed, languages = _listed(self.read_by_ocr), self.ocr_languages
        if len(self.read_by_ocr) == 1:
            if self.has_text:
                return f"Page {listed} was read by OCR ({languages}): expect mistakes."
            return f"Page {listed} was read by OCR ({languages}): it found no text."
        if self.has_text:
            return f"Pages {listed} were read by OCR ({languages}): expect mistakes."
        return f"Pages {listed} were read by OCR ({languages}): it found no text."

    def _no_text_layer_note(self) -> str:
        if self.unreadable:
            if self.pages == 1:
                return "Its only page has no text layer that can be read: its fonts do not say which letters they show."
            return (
                f"None of its {self.pages} pages has a text layer that can be read: "
                "its fonts do not say which letters they show."
            )
        if self.pages == 1:
            return "Its only page has no text layer: it is scanned."
        return f"None of its {self.pages} pages has a text layer: it is scanned."


# Whole sentences, though they are much alike: they are translated.


def _scanned_note(numbers: Sequence[int], pages: int, *, is_tried: bool) -> str:
    """Return what is said of pages that are pictures of text and were not read; `is_tried`: OCR could not read them either."""
    count, listed = len(numbers), _listed(numbers)
    if is_tried:
        if pages == 1:
            return "Its only page is scanned and could not be read by OCR."
        if count == 1:
            return f"1 of {pages} pages is scanned and could not be read by OCR: {listed}."
        return f"{count} of {pages} pages are scanned and could not be read by OCR: {listed}."
    if count == 1:
        return f"1 of {pages} pages is scanned and was not read: {listed}."
    return f"{count} of {pages} pages are scanned and were not read: {listed}."


def _hidden_letters_note(numbers: Sequence[int], pages: int, *, is_tried: bool) -> str:
    """Return what is said of pages whose fonts do not say which letters they show; `is_tried`: nor could OCR read them."""
    count, listed = len(numbers), _listed(numbers)
    if is_tried:
        if pages == 1:
            return "Its only page hides its letters and could not be read by OCR."
        if count == 1:
            return f"1 of {pages} pages hides its letters and could not be read by OCR: {listed}."
        return f"{count} of {pages} pages hide their letters and could not be read by OCR: {listed}."
    if count == 1:
        return f"1 of {pages} pages hides its letters and was not read: {listed}."
    return f"{count} of {pages} pages hide their letters and were not read: {listed}."


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
