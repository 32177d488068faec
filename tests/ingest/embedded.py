"""Texts through `embed_chunks`, each in a document of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.embedding import Embedded, embed_chunks
from rag_app.build_events import Event
from rag_app.datatypes import Fingerprint
from tests.fakes import FakePassageEmbedder, fake_fingerprint


def embed_with(
    embedder: FakePassageEmbedder,
    texts: Sequence[str],
    base: Path,
    fingerprint: Fingerprint | None = None,
    events: list[Event] | None = None,
) -> Embedded:
    """Embed texts of which the one in place n stands in `n.txt`."""
    documents = [f"{number}.txt" for number in range(len(texts))]
    on_event = (events if events is not None else list[Event]()).append
    return embed_chunks(texts, documents, fingerprint or fake_fingerprint(), lambda: embedder, base, on_event)
