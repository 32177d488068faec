"""E-mail as mail programs save it (.eml): the headers a reader sees, the text, and the messages that are forwarded in it.

Attachments are named, not read. This module knows nothing of mailboxes, nor of how bytes become text in a message
(electronic_mail_text.py).
"""

from __future__ import annotations

import binascii
import email
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from email.utils import parsedate
from typing import Any

from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, attachments_note
from ingest.loaders.web.electronic_mail_text import header_text, part_text
from ingest.loaders.web.html import Page, add_html, parse_html
from ingest.loaders.web.html_elements import text_of
from rag_app.dates import day_of
from rag_app.errors import DocumentError
from rag_app.text import size_in_units

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
# What tells a message from a text that happens to begin with a word and a colon.
_KNOWN = frozenset(
    """
    from to cc bcc date subject sender reply-to received return-path message-id mime-version content-type
    """.split()  # noqa: SIM905 - a line is read more easily than a list of a dozen strings
)
_SIGNATURES = frozenset(("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"))
_ENCRYPTED = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"))
_DEEPEST = 20  # messages forwarded in one another
_MOST_NAMED = 20  # attachments named in a note; more are counted
_STUB = 0.5  # plain text that is this much shorter than the same text in HTML only says that there is HTML


def load_eml(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a message: its headers, its body, what is forwarded in it, and the names of what is attached.

    Raises:
        DocumentError: not a message, or one whose parts are nested without end.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not data:
        yield Extract("")
        return
    try:
        # Not the newer policy: its parser of headers fails on malformed addresses.
        message = email.message_from_bytes(data, _Message)
    except RecursionError as error:
        raise DocumentError("It is not a readable e-mail: its parts are nested too deeply.") from error
    if _KNOWN.isdisjoint(name.lower() for name in message):
        raise DocumentError(
            "It is not an e-mail: it does not begin with header lines such as From and Subject.",
            "Give it the ending of what it is.",
        )
    reader = _Reader()
    reader.add_message(message)
    title = _header(message, "Subject")
    notes = tuple(reader.notes())
    remedy = "Save them into the folder to have them read." if reader.attachments else ""
    yield reader.builder.build(Extract("", title=title, notes=notes, remedy=remedy, date=_date(message)))


class _Message(Message):
    """A message in which a header has no parameters where they contradict one another."""

    def get_param(
        self,
        param: str,
        failobj: Any = None,
        header: str = "content-type",
        unquote: bool = True,
    ) -> Any:
        """Return a parameter of a header: the name of a file, a boundary, an encoding."""
        try:
            return super().get_param(param, failobj, header, unquote)
        except (TypeError, ValueError):  # the standard library's, for a name that is there whole and in pieces
            return failobj


class _Reader:
    """Reads messages into one document, and remembers what it could not read."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self.attachments: list[str] = []
        self._pictures = 0
        self._notes: list[str] = []

    def add_message(self, message: Message, depth: int = 0) -> None:
        """Add a message, with those that are forwarded in it."""
        lines = [f"{name}: {value}" for name in _SHOWN if (value := _header(message, name))]
        self.builder.paragraph("\n".join(lines))
        attached: list[str] = []
        forwarded: list[Message] = []
        for part in _parts(message):
            if part.get_content_type() == "message/rfc822" and part.is_multipart():
                forwarded.append(part)
            elif _is_attachment(part):
                attached.append(header_text(part.get_filename("")) or part.get_content_type())
            else:
                self._add_part(part)
        if attached:
            self.builder.paragraph(f"Attachments: {', '.join(attached)}")
        self.attachments += attached
        for part in forwarded:
            self._add_forwarded(part, depth + 1)

    def notes(self) -> Iterator[str]:
        """Yield sentences on what was not read."""
        if self.attachments:
            yield attachments_note(self.attachments, _MOST_NAMED)
        if self._pictures:
            yield f"Pictures in the text were not read: {self._pictures}."
        yield from self._notes

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)

    def _add_forwarded(self, part: Message, depth: int) -> None:
        if depth > _DEEPEST:
            self._note(f"Messages that are forwarded in one another more than {_DEEPEST} deep were not read.")
            return
        (message,) = _children(part)
        is_packed = part.get("Content-Transfer-Encoding", "").strip().lower() == "base64" and not message.keys()
        if is_packed:  # against the rules, and done; where headers can be read, it is only said
            with suppress(ValueError):
                message = email.message_from_bytes(binascii.a2b_base64(message.as_bytes().strip()), _Message)
        self.builder.heading(depth, f"Forwarded message: {_header(message, 'Subject')}")
        self.add_message(message, depth)

    def _add_part(self, part: Message) -> None:
        kind = part.get_content_type()
        if kind in _ENCRYPTED:
            self._note("Its text is encrypted, or packed with a signature: it was not read.")
        elif part.is_multipart():  # what a mail server reports of a message: blocks of headers
            for report in _children(part):
                self.builder.paragraph("\n".join(f"{name}: {header_text(value)}" for name, value in report.raw_items()))
        elif part.get_content_maintype() == "image":
            self._pictures += 1
        elif kind not in _SIGNATURES:
            self._add_text(part, kind)

    def _add_text(self, part: Message, kind: str) -> None:
        text, is_whole = part_text(part)
        if not is_whole:
            self._note("Some characters are in an encoding that cannot be told: � stands for them.")
        page = _page(text) if kind == "text/html" else None
        if page is not None:
            add_html(self.builder, page.tree)
            for note in page.notes:
                self._note(note)
        elif part.get_content_maintype() == "text" and kind not in ("text/plain", "text/html"):
            self.builder.code(text)  # an appointment, a table: lines that mean something
        else:
            self.builder.paragraph(text)


def _parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a message to be read, in order; of a text that is there twice, one."""
    pending = [message]
    while pending:
        part = pending.pop()
        if not part.is_multipart() or part.get_content_maintype() == "message":
            yield part
        elif part.get_content_type() == "multipart/alternative":
            pending += reversed(_alternative(part))
        else:
            pending += reversed(_children(part))


def _alternative(part: Message) -> list[Message]:
    """Return the plain text of a text that is there in several forms, or its HTML where the plain text is hardly any."""
    children = _children(part)
    plain = next((child for child in children if child.get_content_type() == "text/plain"), None)
    rich = next((child for child in reversed(children) if _html_in(child) is not None), None)
    if plain is None and rich is None:
        return children
    chosen = rich if plain is None or (rich is not None and _is_stub(plain, rich)) else plain
    others = [inner for child in children if child is not chosen for inner in child.walk() if _is_beside_text(inner)]
    return [*([chosen] if chosen is not None else []), *others]


def _is_stub(plain: Message, rich: Message) -> bool:
    html = _html_in(rich)
    page = _page(part_text(html)[0]) if html is not None else None
    return page is not None and size_in_units(part_text(plain)[0]) < _STUB * size_in_units(text_of(page.tree))


def _html_in(part: Message) -> Message | None:
    return next((inner for inner in part.walk() if inner.get_content_type() == "text/html"), None)


def _page(text: str) -> Page | None:
    """Return a text in HTML, parsed, or None where it is no HTML at all."""
    try:
        return parse_html(text)
    except DocumentError:
        return None


def _is_attachment(part: Message) -> bool:
    """Whether a part is a file beside the text: what says so, and what is neither text nor a picture shown in it."""
    kind = part.get_content_type()
    if part.is_multipart() or kind in _SIGNATURES or kind in _ENCRYPTED:
        return False
    if part.get_content_disposition() == "attachment":
        return True
    if part.get_content_maintype() == "image":
        return "Content-ID" not in part and bool(part.get_filename())
    return part.get_content_maintype() not in ("text", "multipart", "message")


def _is_beside_text(part: Message) -> bool:
    return _is_attachment(part) or part.get_content_maintype() == "image"


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _date(message: Message) -> str:
    """Return the day on which a message was sent, as its sender's clock had it; an empty string where that cannot be told."""
    try:
        stated = parsedate(_header(message, "Date"))
    except (ValueError, IndexError):  # it is not made for everything that a header may hold
        return ""
    return day_of(*stated[:3]) if stated else ""


def _header(message: Message, name: str) -> str:
    """Return a header as a reader sees it, or an empty string."""
    value = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if value.isascii():
        return header_text(value)
    encodings = (part.get_content_charset("") for part in message.walk())
    return header_text(value, next(filter(None, encodings), ""))  # written as it is, most likely like the text
