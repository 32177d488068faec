"""Plain text and source code: kept as they are, cut into blocks at blank lines.

XML is read as the code that it is. This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, paragraphs
from rag_app.datatypes import BlockKind


def load_text(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a text file as it is, its paragraphs as blocks.

    Raises:
        DocumentError: binary data, or an encoding that cannot be told.
    """
    yield _extract(data, BlockKind.PARAGRAPH)


def load_code(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a file of source code as it is, what stands between blank lines as blocks.

    Raises:
        DocumentError: binary data, or an encoding that cannot be told.
    """
    yield _extract(data, BlockKind.CODE)


def _extract(data: bytes, kind: BlockKind) -> Extract:
    decoded = decode(data)
    return Extract(decoded.text, blocks=paragraphs(decoded.text, kind), encoding=decoded.encoding)
