"""Languages by their names, in the language of the app.

This module knows nothing of models.
"""

from __future__ import annotations

from rag_app.models.catalogue import Catalogue
from rag_app.models.choosing.standings import MIRACL_LANGUAGES, MULTILINGUAL
from rag_app.ui.words import language, say, texts_of

# What most people look for comes first.
_FIRST = ("zh", "en")


def language_name(code: str) -> str:
    """Return the name of a language; its code where it has none here."""
    return say(f"models.languages.{code}") if code in texts_of(language(), "models")["languages"] else code


def known_codes(catalogue: Catalogue) -> list[str]:
    """Return the languages that may be asked for."""
    rows = (*catalogue.embedders, *catalogue.rerankers, *catalogue.generators)
    found = MIRACL_LANGUAGES.union(*(row.languages for row in rows)) - {MULTILINGUAL}
    return [*_FIRST, *sorted(found - set(_FIRST), key=language_name), MULTILINGUAL]
