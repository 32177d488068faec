"""What was purged while somebody still had it open is not kept. This module knows nothing of records."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from rag_app.errors import StorageError
from rag_app.store import layout


def check_not_purged(indexes: Path, knowledge_base: str, documents: Collection[str]) -> None:
    """Refuse passages of a document that their knowledge base has purged: whoever began before has them still.

    Args:
        indexes: the index root.
        knowledge_base: that was asked; one that is not there, or is damaged, refuses nothing.
        documents: those that the passages are of, by their paths.

    Raises:
        StorageError: one was purged.
    """
    if not documents:
        return
    manifest = layout.whole_manifest(indexes / knowledge_base)
    purged = {exclusion.path for exclusion in manifest.excluded} if manifest else set()
    if found := sorted(purged.intersection(documents)):
        raise StorageError(f"It holds passages of a document that was purged meanwhile: {found[0]}.", "Ask again.")
