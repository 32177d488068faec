"""Zip files that formats are made of: opened only after all of it was unpacked once, counting.

Nothing is written to the disk: names of entries (`../../x`) are never paths here.
This module knows nothing of what the entries mean.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from ingest.loaders.extract import LoadOptions
from rag_app.errors import DocumentError

# What the library raises for a damaged archive, and for one that is packed in a way it cannot unpack.
ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError)

_PIECE = 1 << 16
_ENCRYPTED = 0x1  # general purpose bit 0 in PKWARE's APPNOTE.TXT, 4.4.4
_XML_ENDINGS = (".xml", ".rels", ".opf", ".vml")
# A document type declaration, in the encodings that XML parsers know without one being named; and one with declarations of its
# own, or an entity. One that only names a type (that of XHTML, say) declares nothing, and nothing of it is fetched.
_DOCUMENT_TYPE = re.compile(rb"<\0*!\0*D\0*O\0*C\0*T\0*Y\0*P\0*E")
_DECLARATION = re.compile(rb"<\0*!\0*(?:E\0*N\0*T\0*I\0*T\0*Y|D\0*O\0*C\0*T\0*Y\0*P\0*E[^>\[]{0,2000}\[)")
_OVERLAP = 4096  # bytes of the piece before that a declaration may begin in


def open_archive(data: bytes, options: LoadOptions, *, may_name_types: bool = False) -> zipfile.ZipFile:
    """Open a zip file whose contents were found to be bounded, and whose XML to be free of document type declarations.

    What the headers say of sizes is not believed: every entry is unpacked in pieces, which are counted and dropped.

    Args:
        data: of the file.
        options: what it may hold.
        may_name_types: whether XML in it may name a document type, as books do, as long as it declares nothing itself.

    Raises:
        DocumentError: not a readable zip file, encrypted, more than it may hold, or XML with a document type
            declaration (entities in one could read files or grow without bound).
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = archive.infolist()
        if len(entries) > options.max_entries:
            raise DocumentError(
                f"It holds {len(entries)} files, more than {options.max_entries}.",
                "To have it read all the same, raise RAG_APP_LIMITS__ARCHIVE_FILES.",
            )
        if any(entry.flag_bits & _ENCRYPTED for entry in entries):
            raise DocumentError("It is encrypted: a password is needed.", "Save a copy without one.")
        total = 0
        forbidden = _DECLARATION if may_name_types else _DOCUMENT_TYPE
        for entry in entries:
            total = _count(archive, entry, total, options.max_expanded_bytes, forbidden)
    except ARCHIVE_ERRORS as error:
        raise DocumentError(f"It is damaged: its contents cannot be unpacked ({error}).") from error
    return archive


def _count(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, total: int, most: int, forbidden: re.Pattern[bytes]
) -> int:
    """Return `total` and the unpacked size of an entry together."""
    is_xml = entry.filename.lower().endswith(_XML_ENDINGS)
    before = b""
    with archive.open(entry) as stream:
        while piece := stream.read(_PIECE):
            total += len(piece)
            if total > most:
                raise DocumentError(
                    f"It expands beyond {most // 1_000_000} MB.",
                    "To have it read all the same, raise RAG_APP_LIMITS__EXPANDED_MEGABYTES.",
                )
            if is_xml and forbidden.search(before + piece):
                raise DocumentError(f"{entry.filename} in it declares a document type (DTD), which is not allowed.")
            before = piece[-_OVERLAP:]
    return total
