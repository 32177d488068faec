"""What the readers of question files share: text out of bytes, JSON out of lines, and what is said of another form.

This module knows nothing of questions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag_app.errors import UsageError

FORMS = "Expected JSON lines or CSV with question, answer and source, SQuAD JSON, or a BEIR folder."


def text_of(path: Path) -> tuple[str, bytes]:
    """Return the text of a file, and its bytes.

    Raises:
        UsageError: it cannot be read, or is not in UTF-8.
    """
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig"), content
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", FORMS) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8 (byte offset {error.start}).", "Save it in UTF-8.") from error


def json_rows(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the object in each line that is not empty, with the line's number.

    Raises:
        UsageError: a line that holds no object.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode()  # half a character can be escaped in JSON, and is no text
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{path}, line {number}, is not JSON: {error}.", FORMS) from error
            if not isinstance(row, dict):
                raise UsageError(f"{path}, line {number}, is no JSON object.", FORMS)
            yield number, row


def checked(value: object) -> str:
    """Return a text that must be there.

    Raises:
        ValueError: it is no text, or there is nothing in it.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r:.40} instead of a text")
    return value
