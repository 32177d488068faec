"""Word, PowerPoint and Excel files as packages: opened safely, what their parts refer to, the title and date they state.

This module knows nothing of what the parts hold.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from ingest.loaders.archive import ARCHIVE_ERRORS, open_archive
from ingest.loaders.extract import LoadOptions
from rag_app.dates import stated_day
from rag_app.errors import DocumentError
from rag_app.text import normalise

Element: TypeAlias = Any
"""An element of lxml, which has no types."""

# What the libraries stumble over in damaged files: lxml's errors are SyntaxErrors, an element of the wrong kind lacks an
# attribute, a part that is referred to is missing.
_DAMAGE = (*ARCHIVE_ERRORS, SyntaxError, KeyError, IndexError, TypeError, AttributeError)
_STRICT = b"http://purl.oclc.org/ooxml/"
# Titles that the programs and libraries write themselves.
_NO_TITLES = frozenset(
    """
    word document|powerpoint presentation|powerpoint 演示文稿|powerpoint 簡報|powerpoint プレゼンテーション
    |powerpoint-präsentation|présentation powerpoint|presentación de powerpoint|slide 1|幻灯片 1|无标题|untitled
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)
# When the templates of python-docx and python-pptx were made: what is made with them says so of itself.
_NO_DATES = frozenset({"2013-12-23T23:15:00Z", "2013-01-27T09:14:16Z", "2013-01-27T09:15:58Z"})


@dataclass(frozen=True)
class Relationship:
    """What a part refers to: `kind` is the last word of the type, `target` the name of the entry in the archive."""

    id: str
    kind: str
    target: str


@contextmanager
def reading(kind: str, *library_errors: type[Exception]) -> Iterator[None]:
    """Turn what a library raises for a damaged file into the one error; `kind` says what it should be: `Word document`.

    Raises:
        DocumentError: something in the block could not be read.
    """
    errors: tuple[type[Exception], ...] = (*_DAMAGE, *library_errors)
    try:
        yield
    except errors as error:
        raise _unreadable(kind, error) from error


def open_package(data: bytes, options: LoadOptions, kind: str) -> zipfile.ZipFile:
    """Open a package whose contents were found to be bounded and harmless.

    Raises:
        DocumentError: not a package, more than it may hold, or of the strict variant.
    """
    try:
        archive = open_archive(data, options)
    except DocumentError as error:
        if error.__cause__ is None:
            raise  # a limit or a danger: it says so itself
        raise _unreadable(kind, error.__cause__) from error
    if "_rels/.rels" in archive.namelist() and _STRICT in archive.read("_rels/.rels"):
        raise DocumentError("It is saved as Strict Open XML, which is not read.", f"Save it as an ordinary {kind}.")
    return archive


def parse_part(blob: bytes) -> Element:
    """Return the root element of a part, parsed without entities and without network, of alternatives the first alone."""
    from lxml import etree

    return with_first_choices(
        etree.fromstring(blob, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    )


def with_first_choices(root: Element) -> Element:
    """Keep of each drawing that is there in several variants the first, which the newest programs show; the rest is equal."""
    for alternatives in list(root.iter("{*}AlternateContent")):
        for other in list(alternatives.iterchildren("{*}Choice", "{*}Fallback"))[1:]:
            alternatives.remove(other)
    return root


def relationships(archive: zipfile.ZipFile, part: str) -> list[Relationship]:
    """Return what a part (an entry's name; empty for the package itself) refers to inside the archive."""
    folder, name = posixpath.split(part)
    entry = posixpath.join(folder, "_rels", f"{name}.rels")
    if entry not in archive.namelist():
        return []
    return [
        Relationship(element.get("Id", ""), element.get("Type", "").rpartition("/")[2], _target(folder, element))
        for element in parse_part(archive.read(entry)).iterchildren("{*}Relationship")
        if element.get("TargetMode") != "External"
    ]


@dataclass(frozen=True)
class CoreProperties:
    """What a package says of itself: its title, and the day of its last change, else of its making; empty where it does not."""

    title: str = ""
    date: str = ""


def core_properties(archive: zipfile.ZipFile) -> CoreProperties:
    """Return what the package's core properties say, without what nobody wrote."""
    names = set(archive.namelist())
    for relationship in relationships(archive, ""):
        if relationship.kind == "core-properties" and relationship.target in names:
            properties = parse_part(archive.read(relationship.target))
            words = " ".join(normalise(properties.findtext("{*}title") or "").split())
            title = "" if words.casefold() in _NO_TITLES else words
            stated = [(properties.findtext(f"{{*}}{name}") or "").strip() for name in ("modified", "created")]
            days = [stated_day(moment) for moment in stated if moment not in _NO_DATES]
            return CoreProperties(title, next(filter(None, days), ""))
    return CoreProperties()


def without_dangling_relationships(archive: zipfile.ZipFile, data: bytes) -> bytes:
    """Return the package without references to entries that it does not hold.

    Some programs void a reference by the target `NULL`: Word does not mind, python-docx gives up.
    """
    from lxml import etree

    names = set(archive.namelist())
    changed: dict[str, bytes] = {}
    for entry in names:
        folder, is_relationships, _ = entry.rpartition("_rels/")
        if not is_relationships or not entry.endswith(".rels"):
            continue
        root = parse_part(archive.read(entry))
        dangling = [
            element
            for element in root.iterchildren("{*}Relationship")
            if element.get("TargetMode") != "External" and _target(folder, element) not in names
        ]
        for element in dangling:
            root.remove(element)
        if dangling:
            changed[entry] = etree.tostring(root)
    return _rewritten(archive, changed) if changed else data


def related_parts(part: Any, kind: str) -> Iterator[Any]:
    """Yield the parts of a library's package that a part of it refers to by a relationship of this kind."""
    for relationship in part.rels.values():
        if not relationship.is_external and relationship.reltype.rpartition("/")[2] == kind:
            yield relationship.target_part


def _unreadable(kind: str, error: BaseException) -> DocumentError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    program = kind.split(maxsplit=1)[0]
    return DocumentError(f"It is not a readable {kind} ({reason}).", f"If {program} can open it, save it again there.")


def _target(folder: str, element: Element) -> str:
    return posixpath.normpath(posixpath.join("/", folder, element.get("Target", ""))).lstrip("/")


def _rewritten(archive: zipfile.ZipFile, changed: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for entry in archive.namelist():
            target.writestr(entry, changed.get(entry) or archive.read(entry))
    return stream.getvalue()
