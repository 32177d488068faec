"""What a build warns of: a model that does not fit the documents, by language or by length.

This module knows nothing of how documents were read or vectors made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ingest.events import Event, EventHandler, EventKind
from rag_app.datatypes import DocumentReport, Fingerprint, ModelReport
from rag_app.models.catalogue import load_catalogue

# A language of at least this share of the documents, or of their passages, is warned about.
_NOTABLE_SHARE = 0.05

_LanguageAndScript = tuple[str, str]


def warn_of_languages(
    fingerprints: Sequence[Fingerprint], reports: Sequence[DocumentReport], on_event: EventHandler
) -> None:
    """Say it where a model was not made for a notable part of the documents, and name a better choice."""
    documents: Counter[_LanguageAndScript] = Counter()
    passages: Counter[_LanguageAndScript] = Counter()
    for report in reports:
        if report.language is not None:
            documents[report.language, report.script or ""] += 1
            passages[report.language, report.script or ""] += report.chunks
    notable = [
        key
        for key, count in documents.most_common()
        if count >= _NOTABLE_SHARE * documents.total() or passages[key] >= _NOTABLE_SHARE * passages.total()
    ]
    for fingerprint in fingerprints:
        row = load_catalogue().embedder(fingerprint.model)
        uncovered = [key for key in notable if row is not None and not row.covers(*key)]
        if uncovered:
            found = ", ".join(
                f"{documents[key]} of {documents.total()} documents are in {_shown(*key)}" for key in uncovered
            )
            message = (
                f"{fingerprint.model} was not made for these: {found}. There, only keyword search finds "
                f"anything.{_better_choice(notable)}"
            )
            on_event(Event(EventKind.MESSAGE, f"warning: {message}"))


def _shown(language: str, script: str) -> str:
    return f"'{language}' ({script})" if script else f"'{language}'"


def _better_choice(languages: Collection[_LanguageAndScript]) -> str:
    """Return a sentence that names the first model of the catalogue that was made for all of the languages."""
    for row in load_catalogue().embedders:
        if all(row.covers(*key) for key in languages):
            return f" {row.id} was made for all of them: add it with --embed-model {row.id} ({row.download_gb:g} GB)."
    return ""


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
