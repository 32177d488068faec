"""A comparison as the text that is kept of it, whole: every question, passage and answer, so that it can be shown again.

This module knows nothing of where it is kept.
"""

from __future__ import annotations

import json
from functools import cache

from pydantic import TypeAdapter

from rag_app.errors import StorageError
from rag_app.evaluation.comparison import Comparison


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison as JSON. Half of a surrogate pair, which is no text, becomes its escape."""
    values = _adapter().dump_python(comparison, mode="json")
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def comparison_from(text: str) -> Comparison:
    """Return the comparison that a text holds.

    Raises:
        StorageError: it holds none, as where another version wrote it.
    """
    try:
        return _adapter().validate_python(json.loads(text))
    except (ValueError, RecursionError) as error:  # pydantic's own is a ValueError, too
        raise StorageError(
            "This evaluation was kept by another version of the app and cannot be read.",
            "Run it again: what is known of it is not asked again.",
        ) from error


@cache
def _adapter() -> TypeAdapter[Comparison]:
    """Return what reads and writes comparisons; it is made once, when it is first needed."""
    return TypeAdapter(Comparison)
