"""What a build warns of: a model that does not fit the documents, by language or by length.

The better choice that is named is the one that `rag-app models advise` puts first for the same needs.
This module knows nothing of how documents were read or vectors made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.datatypes import Chunk, DocumentReport, Fingerprint, ModelReport
from rag_app.language import UNDETERMINED
from rag_app.models.catalogue import EmbedderRow, load_catalogue
from rag_app.models.choosing.advice import Recommendation, better_choice
from rag_app.models.choosing.needs import LanguageAndScript, needed_window, notable_languages
from rag_app.models.choosing.standings import standing
from rag_app.models.embedder_spec import catalogue_row


def warn_of_languages(
    fingerprints: Sequence[Fingerprint], reports: Sequence[DocumentReport], on_event: EventHandler
) -> None:
    """Say it where a model was not made for a notable part of the documents, and name a better choice."""
    notable = notable_languages(reports)
    total = sum(report.language is not None for report in reports)
    for fingerprint in fingerprints:
        row = catalogue_row(fingerprint.model)
        uncovered = [key for key in notable if row is not None and not row.covers(*key)]
        if row is None or not uncovered:
            continue
        sentences = (
            f"warning: {fingerprint.model} was made for {', '.join(row.languages)}.",
            *(_uncovered(notable[key], total, _shown(*key)) for key in uncovered),
            *_figures(row, uncovered),
            "Keyword search is not affected.",
            _better(notable),
        )
        on_event(Event(EventKind.MESSAGE, " ".join(sentences)))


def warn_of_cuts(
    models: Sequence[ModelReport],
    fingerprints: Sequence[Fingerprint],
    reports: Sequence[DocumentReport],
    passages: Iterable[Chunk],
    on_event: EventHandler,
) -> None:
    """Say how much of the chunks a model did not read, which chunk size would fit, and which model would read them whole.

    Args:
        models: what those said that embedded something now.
        fingerprints: of all the models.
        reports: of the documents, for their languages.
        passages: all of them.
        on_event: told.
    """
    cut = [model for model in models if model.truncated]
    if not cut:
        return
    choice = better_choice(load_catalogue(), notable_languages(reports), needed_window(passages, fingerprints, cut))
    longer = [f"Or add a model that reads them whole: {_added(choice)}"] if choice is not None else []
    for model in cut:
        on_event(Event(EventKind.MESSAGE, " ".join((_cut(model), *longer))))


def _cut(model: ModelReport) -> str:
    if model.truncated == 1:
        return (
            f"warning: {model.model}: 1 chunk longer than its window; "
            f"{model.unseen_share:.0%} of the text there is not searchable by meaning. "
            f"--chunk-tokens {model.fitting_chunk_tokens} would fit."
        )
    return (
        f"warning: {model.model}: {model.truncated} chunks longer than its window; "
        f"{model.unseen_share:.0%} of the text there is not searchable by meaning. "
        f"--chunk-tokens {model.fitting_chunk_tokens} would fit."
    )


def _uncovered(count: int, total: int, language: str) -> str:
    if count == 1:
        return f"1 of {total} documents is in {language}, which it was not made for."
    return f"{count} of {total} documents are in {language}, which it was not made for."


def _shown(language: str, script: str) -> str:
    return f"'{language}' ({script})" if script else f"'{language}'"


def _figures(row: EmbedderRow, uncovered: Sequence[LanguageAndScript]) -> Iterator[str]:
    """Yield a sentence for each language with what the model reached there, beside those that were made for it."""
    rows = load_catalogue().embedders
    for language in dict.fromkeys(language for language, _ in uncovered if language != UNDETERMINED):
        found = standing(row, language, rows)
        others = [
            other.figures[found.benchmark]
            for other in rows
            if found is not None and found.benchmark in other.figures and other.covers(language)
        ]
        if found is not None and others:
            yield (
                f"On {found.benchmark} it reached {found.figure:g} of 100, models made for '{language}' "
                f"{min(others):g} to {max(others):g}."
            )


def _better(languages: Collection[LanguageAndScript]) -> str:
    """Return a sentence that names the model to be added, or says where to look for one."""
    choice = better_choice(load_catalogue(), languages)
    if choice is None:
        return "No model of the catalogue was made for all of them and runs here: see rag-app models advise"
    return f"Made for all of them: {_added(choice)}"


def _added(choice: Recommendation) -> str:
    return f"--embed-model {choice.model} ({choice.row.download_gb:g} GB to download)."
