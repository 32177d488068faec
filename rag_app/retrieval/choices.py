"""What the documents of a knowledge base can be chosen by, as it stands in filter terms; and the terms of a choice.

This module knows nothing of what the terms mean to a search (`filter_terms`), nor of how a choice is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from rag_app.store.chunks import DocumentValues
    from rag_app.store.knowledge_base import KnowledgeBase

_OPEN_XML = "application/vnd.openxmlformats-officedocument"
# What people call the media types that documents have, after the endings of their files; the first name is shown.
TYPE_NAMES = {
    "text/markdown": ("md", "markdown"),
    "text/plain": ("txt", "text"),
    "text/html": ("html", "htm"),
    "application/pdf": ("pdf",),
    f"{_OPEN_XML}.wordprocessingml.document": ("docx", "word"),
    f"{_OPEN_XML}.presentationml.presentation": ("pptx", "powerpoint"),
    f"{_OPEN_XML}.spreadsheetml.sheet": ("xlsx", "excel"),
    "application/vnd.oasis.opendocument.text": ("odt",),
    "application/epub+zip": ("epub",),
    "application/rtf": ("rtf",),
    "message/rfc822": ("eml", "email"),
    "text/csv": ("csv",),
    "text/tab-separated-values": ("tsv",),
    "application/json": ("json",),
    "application/jsonl": ("jsonl", "ndjson"),
    "application/x-ipynb+json": ("ipynb", "notebook"),
    "text/x-source": ("code",),
}
RANGE = ".."  # between the first and the last of a range
_LISTED_FOLDERS = 500  # more are no choice any more, and slow in a page


@dataclass(frozen=True)
class Choices:
    """What documents can be chosen by: each value as it stands in a term.

    `dates` are the first and the last day, None where no document has a date; `undated` documents have none.
    `unlisted_folders` counts those that are left out of `folders`, the deepest.
    """

    folders: tuple[str, ...]
    types: tuple[str, ...]
    languages: tuple[str, ...]
    dates: tuple[str, str] | None
    undated: int
    unlisted_folders: int


def choices_of(knowledge_base: KnowledgeBase) -> Choices:
    """Return what the documents of a knowledge base can be chosen by."""
    return _choices(knowledge_base.document_values)


@lru_cache(maxsize=8)  # a page asks at every click, and there may be many folders
def _choices(values: DocumentValues) -> Choices:
    folders = with_those_above(values.folders)
    listed = sorted(sorted(folders, key=lambda folder: (folder.count("/"), folder))[:_LISTED_FOLDERS])
    return Choices(
        folders=tuple(listed),
        types=tuple(sorted(map(type_name, values.media_types))),
        languages=tuple(_language_names(values.languages)),
        dates=values.dates if values.dates[0] else None,
        undated=values.undated,
        unlisted_folders=len(folders) - len(listed),
    )


def terms_of_choice(
    folders: Iterable[str] = (),
    types: Iterable[str] = (),
    languages: Iterable[str] = (),
    first: date | None = None,
    last: date | None = None,
) -> tuple[str, ...]:
    """Return the terms of what was chosen; `first` and `last` day may each be left open."""
    dates = f"{first or ''}{RANGE}{last or ''}"
    return (
        *(f"folder={folder}" for folder in folders),
        *(f"type={name}" for name in types),
        *(f"language={name}" for name in languages),
        *([f"date={dates}"] if dates != RANGE else []),
    )


def type_name(media_type: str) -> str:
    """Return what a media type is called in a term: `pdf`; the media type itself where it has no shorter name."""
    return TYPE_NAMES.get(media_type, (media_type,))[0]


def with_those_above(folders: Iterable[str]) -> set[str]:
    """Return folders with all that they lie in."""
    found: set[str] = set()
    for folder in folders:
        parts = folder.split("/")
        found.update("/".join(parts[:depth]) for depth in range(1, len(parts) + 1) if folder)
    return found


def _language_names(languages: Iterable[tuple[str, str]]) -> list[str]:
    """Return a name for each language, with the script where a language is there in several."""
    scripts: dict[str, list[str]] = {}
    for language, script in languages:
        scripts.setdefault(language, []).append(script)
    return [
        name
        for language, written in sorted(scripts.items())
        for name in (
            [language] if len(written) == 1 else sorted(f"{language}-{script}".rstrip("-") for script in written)
        )
    ]
