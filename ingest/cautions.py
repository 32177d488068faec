"""What a build warns of: a model that does not fit the documents, by language or by length.

This module knows nothing of how documents were read or vectors made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingest.events import Event, EventHandler, EventKind
from rag_app.datatypes import DocumentReport, ModelReport
from rag_app.models.embedder_spec import EmbedderSpec

# A language of at least this share of the documents is warned about.
_NOTABLE_SHARE = 0.05


def warn_of_languages(specs: Sequence[EmbedderSpec], reports: Sequence[DocumentReport], on_event: EventHandler) -> None:
    """Say it where a model was not made for a notable part of the documents, and name a better choice."""
    languages = Counter(report.language for report in reports if report.language)
    total = sum(languages.values())
    for spec in specs:
        uncovered = [
            f"{count} of {total} documents are in '{language}'"
            for language, count in languages.most_common()
            if spec.row is not None and not spec.row.covers(language) and count >= _NOTABLE_SHARE * total
        ]
        if uncovered:
            message = (
                f"{spec.model_id} was not made for these: {', '.join(uncovered)}. There, only keyword search finds "
                "anything; a multilingual model such as BAAI/bge-m3 would find by meaning as well."
            )
            on_event(Event(EventKind.MESSAGE, f"warning: {message}"))


def warn_of_truncation(models: Sequence[ModelReport], on_event: EventHandler) -> None:
    """Say how much of the chunks a model did not read, and which chunk size would fit."""
    for model in models:
        if model.truncated:
            message = (
                f"{model.model}: {model.truncated} chunk{'s' if model.truncated > 1 else ''} longer than its window; "
                f"{model.unseen_share:.0%} of the text there is not searchable by meaning. "
                f"--chunk-tokens {model.fitting_chunk_tokens} would fit."
            )
            on_event(Event(EventKind.MESSAGE, f"warning: {message}"))
