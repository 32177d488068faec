"""Sentences that are decided below the pages and shown in more than one language: what a check found, why a model is advised.

A `sayings.toml` beside the module that decides has each sentence by its key, as a template for `str.format` a language. To
Python a saying is its English sentence, so that a command prints it and JSON holds it; a page asks for another language.
This module knows nothing of what is said.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

FILE = "sayings.toml"


class Saying(str):
    """An English sentence that knows what it says, and so can be said in another language."""

    __slots__ = ("_package", "key", "values")
    key: str
    values: Mapping[str, object]
    _package: str

    def __new__(cls, package: str, key: str, /, **values: object) -> Saying:
        """Say what `key` of the package's sayings is, with its places filled in.

        Raises:
            KeyError: there is no such sentence, or a place has no value.
        """
        saying = super().__new__(cls, _template(package, "en", key).format(**values))
        saying._package, saying.key, saying.values = package, key, values
        return saying

    def in_language(self, code: str) -> str:
        """Return the sentence in a language of the sayings."""
        return _template(self._package, code, self.key).format(**self.values)


def _template(package: str, code: str, key: str) -> str:
    return sayings_of(package)[key][code]


@cache
def sayings_of(package: str) -> dict[str, dict[str, str]]:
    """Return the sentences of a package by key and language."""
    return tomllib.loads((files(package) / FILE).read_text(encoding="utf-8"))
