"""E-books (EPUB 2 and 3): the documents of a book in the order in which they are read.

This module knows nothing of files: names in a book are looked up in the archive, nowhere else.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ingest.loaders.archive import open_archive
from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, TextBuilder
from ingest.loaders.web.html import add_html, declared_encoding, parse_html
from rag_app.dates import stated_day
from rag_app.errors import DocumentError
from rag_app.text import normalise

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_MOST_NAMED = 10  # documents named in a note; more are counted
_REMEDY = "Open it in an e-book reader: where it is damaged there too, get another copy."


@dataclass(frozen=True)
class _Entry:
    """A file of a book: where in the archive (empty where that is outside), its media type, and what it is for."""

    path: str
    media_type: str
    properties: tuple[str, ...]


@dataclass(frozen=True)
class _Book:
    """What the package document says. `spine` are the documents in the order in which they are read."""

    title: str
    date: str
    authors: tuple[str, ...]
    entries: tuple[_Entry, ...]
    spine: tuple[_Entry, ...]


def load_epub(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a book; its table of contents is left out.

    Raises:
        DocumentError: not a readable EPUB, protected, or none of its documents can be read.
    """
    with open_archive(data, options, may_name_types=True) as archive:
        book = _book(archive)
        _refuse_protected(archive, book)
        texts = {entry.path: _text(archive, entry) for entry in book.spine if "nav" not in entry.properties}
    builder = TextBuilder()
    builder.paragraph(_by_line(book, texts.values()))
    unread: list[str] = []
    cut: list[str] = []
    for path, text in texts.items():
        try:
            page = parse_html(text)
        except DocumentError:
            unread.append(path)
            continue
        add_html(builder, page.tree)
        cut += page.notes
    if texts and len(unread) == len(texts):
        raise _unreadable(unread)
    notes = [*_unread_notes(unread), *dict.fromkeys(cut), *_beside_text(book)]
    title = book.title or builder.first_title
    remedy = _REMEDY if unread else ""
    yield builder.build(Extract("", title=title, notes=tuple(notes), remedy=remedy, date=book.date))


def _book(archive: zipfile.ZipFile) -> _Book:
    container = _xml(archive, _CONTAINER)
    root_file = container.find(".//{*}rootfile")
    path = "" if root_file is None else _path("", root_file.get("full-path", ""))
    package = _xml(archive, path)
    entries = {
        item.get("id", ""): _entry(posixpath.dirname(path), item) for item in package.findall("{*}manifest/{*}item")
    }
    spine = dict.fromkeys(reference.get("idref", "") for reference in package.findall("{*}spine/{*}itemref"))
    if not spine:
        raise DocumentError("It is not a readable e-book: it says of none of its documents that they are to be read.")
    return _Book(
        title=next(_metadata(package, "title"), ""),
        date=next(filter(None, map(stated_day, _metadata(package, "date"))), ""),
        authors=tuple(dict.fromkeys(_metadata(package, "creator"))),
        entries=tuple(entries.values()),
        spine=tuple(entries.get(name, _Entry(name, "", ())) for name in spine),
    )


def _xml(archive: zipfile.ZipFile, path: str) -> Element:
    """Return a file of the archive, parsed.

    Raises:
        DocumentError: it is not there, or not XML, or declares a document type.
    """
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(archive.read(path))
    except KeyError as error:
        if not path:
            raise DocumentError("It is not a readable e-book: its list of contents is missing in it.") from error
        raise DocumentError(f"It is not a readable e-book: {path} is missing in it.") from error
    except (
        ParseError,
        ValueError,
        LookupError,
    ) as error:  # an encoding that is not known is a ValueError or LookupError
        raise DocumentError(f"It is not a readable e-book: {path} in it is not XML ({error}).") from error
    return root


def _path(folder: str, reference: str) -> str:
    """Return the path in the archive that a reference in a folder leads to; none leads above the archive's root."""
    return posixpath.normpath(posixpath.join("/", folder, unquote(reference.partition("#")[0]))).lstrip("/")


def _entry(folder: str, item: Element) -> _Entry:
    properties = tuple(item.get("properties", "").split())
    return _Entry(_path(folder, item.get("href", "")), item.get("media-type", ""), properties)


def _metadata(package: Element, name: str) -> Iterator[str]:
    for element in package.findall(f"{{*}}metadata//{{*}}{name}"):
        words = normalise(" ".join("".join(element.itertext()).split()))
        if words:
            yield words


def _refuse_protected(archive: zipfile.ZipFile, book: _Book) -> None:
    """Refuse a book whose documents are encrypted. Fonts that are scrambled do no harm."""
    if _ENCRYPTION not in archive.namelist():
        return
    references = _xml(archive, _ENCRYPTION).findall(".//{*}CipherReference")
    encrypted = {_path("", reference.get("URI", "")) for reference in references}
    if encrypted.intersection(entry.path for entry in book.spine):
        raise DocumentError(
            "It is protected (DRM): its text is encrypted.",
            "Ask the seller or the publisher for a copy without protection.",
        )


def _text(archive: zipfile.ZipFile, entry: _Entry) -> str:
    """Return the source of a document, or an empty string where it is missing, no text or in an unknown encoding."""
    try:
        data = archive.read(entry.path)
        return decode(data, declared_encoding(data)).text
    except (KeyError, DocumentError):
        return ""


def _by_line(book: _Book, texts: Collection[str]) -> str:
    """Return a line with the authors that the text does not name."""
    unnamed = [author for author in book.authors if not any(author in text for text in texts)]
    return f"By {', '.join(unnamed)}" if unnamed else ""


def _unreadable(paths: Sequence[str]) -> DocumentError:
    """Return the error of a book none of whose documents can be read."""
    shown, rest = ", ".join(paths[:_MOST_NAMED]), len(paths) - _MOST_NAMED
    if rest > 0:
        return DocumentError(f"None of its documents can be read: {shown} and {rest} more.", _REMEDY)
    return DocumentError(f"None of its documents can be read: {shown}.", _REMEDY)


def _unread_notes(paths: Sequence[str]) -> Iterator[str]:
    """Yield what is said of documents that are missing or cannot be read."""
    count, shown, rest = len(paths), ", ".join(paths[:_MOST_NAMED]), len(paths) - _MOST_NAMED
    if count == 1:
        yield f"1 of its documents is missing or cannot be read: {shown}."
    elif rest > 0:
        yield f"{count} of its documents are missing or cannot be read: {shown} and {rest} more."
    elif paths:
        yield f"{count} of its documents are missing or cannot be read: {shown}."


def _beside_text(book: _Book) -> Iterator[str]:
    """Yield what a book holds that is no text; its cover is not worth a word."""
    kinds = [entry.media_type.partition("/")[0] for entry in book.entries if "cover-image" not in entry.properties]
    if pictures := kinds.count("image"):
        yield f"Pictures in it were not read: {pictures}."
    if recordings := kinds.count("audio") + kinds.count("video"):
        yield f"Recordings in it were not read: {recordings}."
