"""The models this project knows, as rows of data: exact prompts, window, pooling, size, languages, licence.

`catalogue.toml` beside this file holds the rows; a `catalogue.toml` in the user's data folder is merged over it by id.
This module knows nothing of how a model is loaded or where its files are.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from rag_app.errors import ConfigurationError
from rag_app.language import SCRIPT_LANGUAGES, UNDETERMINED

BUNDLED = "bundled"


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """What every kind of model has. The units stand at the top of catalogue.toml.

    `alias` is a second name (`bundled`). A bundled model's files lie in `package_folder` of the Python package
    `package`; `sha256` is that of its weights file.
    """

    id: str
    parameters_millions: float
    download_gb: float
    memory_gb: float
    languages: tuple[str, ...]
    licence: str
    commercial: bool
    notes: str = ""
    alias: str = ""
    package: str = ""
    package_folder: str = ""
    sha256: str = ""

    def covers(self, language: str, script: str = "") -> bool:
        """Whether the model was made for texts in this language; where it is undetermined, for one written in the script.

        Of an undetermined language in Latin letters nothing can be said: it counts as covered.
        """
        if "multilingual" in self.languages:
            return True
        if language != UNDETERMINED:
            return language in self.languages
        written_so = SCRIPT_LANGUAGES.get(script)
        return written_so is None or not written_so.isdisjoint(self.languages)


@dataclass(frozen=True, kw_only=True)
class EmbedderRow(ModelRow):
    """An embedding model. `max_tokens` counts special tokens; prompts are put before a text as they are."""

    dimension: int
    max_tokens: int
    pooling: str
    query_prompt: str
    passage_prompt: str


@dataclass(frozen=True, kw_only=True)
class GeneratorRow(ModelRow):
    """A generator. `default_on` is `cpu` or `gpu` for the default there; `gguf_file` names a file to be converted."""

    context_tokens: int
    default_on: str = ""
    gguf_file: str = ""


Row = TypeVar("Row", bound=ModelRow)

# What TOML gives for the fields above, by their annotation.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
}


@dataclass(frozen=True)
class Catalogue:
    """All rows. Lookup is by exact id or alias; an id that is not listed is no error: any model may be used."""

    embedders: tuple[EmbedderRow, ...]
    generators: tuple[GeneratorRow, ...]

    def embedder(self, model_id: str) -> EmbedderRow | None:
        """Return the row of an embedding model, or None where the catalogue has none."""
        return _find(self.embedders, model_id)

    def generator(self, model_id: str) -> GeneratorRow | None:
        """Return the row of a generator, or None where the catalogue has none."""
        return _find(self.generators, model_id)

    def default_generator(self, *, on_gpu: bool) -> GeneratorRow:
        """Return the generator used where none is configured."""
        return next(row for row in self.generators if row.default_on == ("gpu" if on_gpu else "cpu"))


def _find(rows: tuple[Row, ...], model_id: str) -> Row | None:
    return next((row for row in rows if model_id in (row.id, row.alias) and model_id), None)


def user_data_folder() -> Path:
    """Return the folder for what this program keeps outside the index root: converted models, the user's own rows."""
    return Path(platformdirs.user_data_dir("rag-app", appauthor=False))


@cache
def load_catalogue() -> Catalogue:
    """Return the packaged rows with the user's own merged over them.

    Raises:
        ConfigurationError: a row with an unknown, missing or mistyped field.
    """
    packaged = resources.files("rag_app.models").joinpath("catalogue.toml").read_text(encoding="utf-8")
    tables = [("the packaged catalogue", tomllib.loads(packaged))]
    own = user_data_folder() / "catalogue.toml"
    if own.is_file():
        try:
            tables.append((str(own), tomllib.loads(own.read_text(encoding="utf-8"))))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{own} is not valid TOML: {error}.", "Correct it or remove it.") from error
    return Catalogue(
        embedders=_merged(EmbedderRow, [(name, table.get("embedder", [])) for name, table in tables]),
        generators=_merged(GeneratorRow, [(name, table.get("generator", [])) for name, table in tables]),
    )


def _merged(kind: type[Row], tables: list[tuple[str, list[dict[str, Any]]]]) -> tuple[Row, ...]:
    values: dict[str, dict[str, Any]] = {}
    allowed = {field.name for field in fields(kind)}
    for where, rows in tables:
        for row in rows:
            unknown = set(row) - allowed
            if unknown or "id" not in row:
                raise ConfigurationError(
                    f"A row of {where} has {'no id' if 'id' not in row else f'unknown fields: {sorted(unknown)}'}.",
                    f"Known fields: {', '.join(sorted(allowed))}.",
                )
            values[row["id"]] = values.get(row["id"], {}) | row
    merged = []
    for model_id, row in values.items():
        for field in fields(kind):
            allowed_types = _TYPES[str(field.type)]
            # bool is an int to Python, but `dimension = true` is a mistake
            if field.name in row and type(row[field.name]) not in allowed_types:
                raise ConfigurationError(
                    f"The catalogue row of {model_id} has {field.name} = {row[field.name]!r}, expected {field.type}.",
                    "Correct the field in your catalogue.toml.",
                )
        try:
            merged.append(kind(**row | {"languages": tuple(row.get("languages", ()))}))
        except TypeError as error:
            raise ConfigurationError(
                f"The catalogue row of {model_id} is incomplete: {error}.", "Add the field."
            ) from error
    return tuple(merged)
