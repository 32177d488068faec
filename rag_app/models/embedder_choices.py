"""The embedding models that a knowledge base can be built with: those on this machine first, the likeliest choice first of all.

Nothing is fetched and nothing loaded. This module knows nothing of documents or screens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rag_app.config import Settings
from rag_app.models.catalogue import BUNDLED, load_catalogue
from rag_app.models.embedder_spec import catalogue_row, embedder_name, is_at_hand


@dataclass(frozen=True)
class EmbedderChoice:
    """An embedding model by the id that a build takes: whether it is on this machine, and what it would be to fetch it.

    `languages` are those it was made for; empty where that is not known.
    """

    id: str
    is_here: bool
    download_gb: float = 0.0
    languages: tuple[str, ...] = ()


def embedder_choices(settings: Settings, without: Collection[str] = ()) -> list[EmbedderChoice]:
    """Return the models to choose from, the first being the one to be proposed.

    It is the configured one where it is on this machine, else the bundled one, else another that is here; where none is, it is
    the configured one, to be fetched. Where the app is offline, only what is here is given.

    Args:
        settings: which model is configured, and where models are looked for.
        without: models, as an index names them, that are not offered.
    """
    rows = load_catalogue().embedders
    ids = dict.fromkeys([settings.embed_model, BUNDLED, *(row.alias or row.id for row in rows)])
    seen = set(without)
    choices = []
    for model_id in ids:
        name = embedder_name(model_id)
        if name not in seen:
            seen.add(name)
            choices.append(_choice(model_id, settings))
    here = [choice for choice in choices if choice.is_here]
    return here + ([] if settings.offline else [choice for choice in choices if not choice.is_here])


def _choice(model_id: str, settings: Settings) -> EmbedderChoice:
    row = catalogue_row(model_id)
    is_here = is_at_hand(model_id, settings.models)
    if row is None:
        return EmbedderChoice(model_id, is_here)
    return EmbedderChoice(model_id, is_here, row.download_gb, row.languages)
