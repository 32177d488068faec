"""Which embedding models are on this machine. Nothing is loaded, and no hub is asked. This module knows nothing of choices."""

from __future__ import annotations

from rag_app.models.catalogue import load_catalogue
from rag_app.models.hub import find_on_machine


def embedders_on_machine() -> list[str]:
    """Return the embedding models of the catalogue that are here, by the names under which they are chosen."""
    rows = load_catalogue().embedders
    return [row.alias or row.id for row in rows if find_on_machine(row.id, row) is not None]
