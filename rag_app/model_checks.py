"""Gives whoever verifies a knowledge base the embedding models of this machine; nothing is fetched.

This module knows nothing of what is verified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import load_catalogue
from rag_app.models.embedder_spec import is_at_hand, resolve_embedder
from rag_app.store.checks import ModelAtHand

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag_app.config import Settings
    from rag_app.datatypes import Fingerprint
    from rag_app.store.checks import FindModel


def models_on_this_machine(settings: Settings, announce: Callable[[str], None], *, may_load: bool) -> FindModel:
    """Return what finds an embedding model on this machine.

    Args:
        settings: where models are, and what runs them.
        announce: told before a model is loaded.
        may_load: whether one may be loaded; else only its files are looked at.
    """

    def find(fingerprint: Fingerprint) -> ModelAtHand:
        name = fingerprint.model
        row = load_catalogue().embedder(name)
        try:
            if not is_at_hand(name, settings.models):
                install = f"rag-app models install {row.alias if row and row.alias else name}"
                raise ModelNotAvailable(
                    f"{name} is not on this machine.", f"To compare with it: {install}; verify again."
                )
            spec = resolve_embedder(name, offline=True, models=settings.models)
        except (OSError, ValueError, LookupError) as error:
            raise ModelLoadError(f"The files of {name} cannot be read: {error}.", "Fetch the model again.") from error

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            if not may_load:
                raise ModelNotAvailable("No model was loaded (--no-model).")
            from rag_app.models.embedder import load_embedder

            announce(f"Loading {name} ...")
            return load_embedder(spec, device=settings.device, models=settings.models).embed_passages(texts)

        return ModelAtHand(spec.fingerprint, embed)

    return find
