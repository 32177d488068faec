"""The models this project knows, as rows of data: exact prompts, window, pooling, size, languages, licence.

`catalogue.toml` beside this file holds the rows; a `catalogue.toml` in the user's data folder is merged over it by id.
This module knows nothing of how a model is loaded or where its files are.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import platformdirs

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import ConfigurationError
from rag_app.language import SCRIPT_LANGUAGES, UNDETERMINED

BUNDLED = "bundled"
# In place of a generator: the answer is the passages' own sentences, and no model writes.
QUOTE: Final = "quote"
# Before the name of a model that was made here; no hub is asked for one.
OWN = "own/"


class Family(StrEnum):
    """What a model was made for: any subject, one language or subject, or small machines."""

    GENERAL = "general"
    DOMAIN = "domain"
    LIGHT = "light"


class Runs(StrEnum):
    """What runs a model's published files.

    NATIVE: sentence-transformers or transformers as they are. CLIP: the text tower of a CLIP model. REMOTE_CODE: only code that
    comes with the files, which nobody runs without asking for it. SERVED: nothing here; a server that the user configured.
    """

    NATIVE = "native"
    CLIP = "clip"
    REMOTE_CODE = "remote-code"
    SERVED = "served"


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """What every kind of model has. The units stand at the top of catalogue.toml.

    `alias` is a second name (`bundled`). `folder` is where the files of a model of the user's own are. A bundled model's files
    lie in `package_folder` of the Python package `package`; `sha256` is that of its weights file. `revision` is the commit on
    the Hugging Face hub that is fetched, empty for the newest; `gated` is given only to those who accepted its terms.
    `languages` is empty where they are not known. `figures` are published results by benchmark (nDCG@10 times 100, higher is
    better), `trained_on` which of them the model has seen. `sources` says where facts are from, by field.
    """

    id: str
    parameters_millions: float
    download_gb: float
    memory_gb: float
    languages: tuple[str, ...]
    licence: str
    commercial: bool
    family: Family = Family.GENERAL
    notes: str = ""
    alias: str = ""
    modelscope_id: str = ""
    revision: str = ""
    gated: bool = False
    folder: str = ""
    package: str = ""
    package_folder: str = ""
    sha256: str = ""
    trained_on: str = ""
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)

    def covers(self, language: str, script: str = "") -> bool:
        """Whether the model was made for texts in this language; where it is undetermined, for one written in the script.

        Of an undetermined language in Latin letters, or of a model whose languages are not known, nothing can be said: it
        counts as covered.
        """
        if not self.languages or "multilingual" in self.languages:
            return True
        if language != UNDETERMINED:
            return language in self.languages
        written_so = SCRIPT_LANGUAGES.get(script)
        return written_so is None or not written_so.isdisjoint(self.languages)

    @property
    def terms(self) -> str:
        """The licence, with a word where it does not allow commercial use."""
        return self.licence if self.commercial else f"{self.licence}, which does not allow commercial use"


@dataclass(frozen=True, kw_only=True)
class EmbedderRow(ModelRow):
    """An embedding model. `max_tokens` counts special tokens; prompts are put before a text as they are.

    `matryoshka` are the shorter lengths a vector may be cut to, as the model was trained; `layer_norm_before_cut` where its
    authors normalise the layer first. `normalises`: its own files end in unit length (it is normalised here either way).
    `end_of_sequence` is the token every text must end in, for those that pool the last one; `bidirectional` a decoder whose
    attention looks both ways, which its files alone do not say to transformers. `has_modules`: its files say in which steps
    sentence-transformers runs it; else they are the transformer, the pooling of the row, and length one. `images`: it embeds
    pictures too.
    """

    dimension: int
    max_tokens: int
    pooling: str
    query_prompt: str
    passage_prompt: str
    runs: Runs = Runs.NATIVE
    normalises: bool = True
    matryoshka: tuple[int, ...] = ()
    layer_norm_before_cut: bool = False
    end_of_sequence: str = ""
    bidirectional: bool = False
    has_modules: bool = True
    images: bool = False

    @property
    def is_static(self) -> bool:
        """Whether it has one vector a token, and so no window."""
        return self.max_tokens == NO_WINDOW

    @property
    def reads(self) -> str:
        """How much of a text it reads, in words."""
        return "all" if self.is_static else f"{self.max_tokens} tokens"


@dataclass(frozen=True, kw_only=True)
class RerankerRow(ModelRow):
    """A reranker: `max_tokens` of question and passage together, special tokens and prompt included.

    One with a `prompt` is a language model that judges. What it reads are the parts of the prompt, each made into tokens by
    itself, as its authors do; `{question}` and `{passage}` stand for the two, and the part with the passage ends in it. Its
    score is the logit of the token `yes` less that of `no`, as the next one.
    """

    max_tokens: int
    prompt: tuple[str, ...] = ()
    yes: str = ""
    no: str = ""
    runs: Runs = Runs.NATIVE


@dataclass(frozen=True, kw_only=True)
class GeneratorRow(ModelRow):
    """A generator. `default_on` is `cpu` or `gpu` for the default there; `gguf_file` names a file to be converted.

    `chat_template` says what is peculiar about how it is prompted.
    """

    context_tokens: int
    default_on: str = ""
    gguf_file: str = ""
    chat_template: str = ""
    runs: Runs = Runs.NATIVE


Row = TypeVar("Row", bound=ModelRow)

# What TOML gives for the fields above, by their annotation.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "tuple[str, ...]": (list,),
    "tuple[int, ...]": (list,),
    "Mapping[str, float]": (dict,),
    "Mapping[str, str]": (dict,),
    "Family": (str,),
    "Runs": (str,),
}
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "tuple[str, ...]": tuple,
    "tuple[int, ...]": tuple,
    "Family": Family,
    "Runs": Runs,
}


@dataclass(frozen=True)
class Catalogue:
    """All rows. Lookup is by exact id or alias; an id that is not listed is no error: any model may be used."""

    embedders: tuple[EmbedderRow, ...]
    rerankers: tuple[RerankerRow, ...]
    generators: tuple[GeneratorRow, ...]

    def embedder(self, model_id: str) -> EmbedderRow | None:
        """Return the row of an embedding model, or None where the catalogue has none."""
        return _find(self.embedders, model_id)

    def reranker(self, model_id: str) -> RerankerRow | None:
        """Return the row of a reranker, or None where the catalogue has none."""
        return _find(self.rerankers, model_id)

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


def load_catalogue() -> Catalogue:
    """Return the packaged rows with the user's own merged over them, as they are now: they are read again when they change.

    Raises:
        ConfigurationError: a row with an unknown, missing or mistyped field; a file that cannot be read.
    """
    own = user_data_folder() / "catalogue.toml"
    return _read_catalogue(own, _state(own))


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None where this user sees none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None


@lru_cache(maxsize=1)
def _read_catalogue(own: Path, state: tuple[int, int, int] | None) -> Catalogue:
    if state is None:
        return packaged_catalogue()
    try:
        table = tomllib.loads(own.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{own} is not valid TOML: {error}.", "Correct it or remove it.") from error
    except OSError as error:
        raise ConfigurationError(f"{own} cannot be read: {error.strerror}.", "Give this user the right to.") from error
    return _catalogue(_packaged_table(), (str(own), table))


def packaged_catalogue() -> Catalogue:
    """Return the packaged rows alone."""
    return _catalogue(_packaged_table())


def _packaged_table() -> tuple[str, dict[str, Any]]:
    text = resources.files("rag_app.models").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return "the packaged catalogue", tomllib.loads(text)


def _catalogue(*tables: tuple[str, dict[str, Any]]) -> Catalogue:
    return Catalogue(
        embedders=_merged(EmbedderRow, [(name, table.get("embedder", [])) for name, table in tables]),
        rerankers=_merged(RerankerRow, [(name, table.get("reranker", [])) for name, table in tables]),
        generators=_merged(GeneratorRow, [(name, table.get("generator", [])) for name, table in tables]),
    )


def _merged(kind: type[Row], tables: list[tuple[str, list[dict[str, Any]]]]) -> tuple[Row, ...]:
    values: dict[str, dict[str, Any]] = {}
    allowed = {known.name for known in fields(kind)}
    for where, rows in tables:
        for row in rows:
            unknown = set(row) - allowed
            if unknown or "id" not in row:
                raise ConfigurationError(
                    f"A row of {where} has {'no id' if 'id' not in row else f'unknown fields: {sorted(unknown)}'}.",
                    f"Known fields: {', '.join(sorted(allowed))}.",
                )
            values[row["id"]] = values.get(row["id"], {}) | row
    return tuple(_row(kind, model_id, row) for model_id, row in values.items())


def _row(kind: type[Row], model_id: str, values: dict[str, Any]) -> Row:
    converted = {}
    for known in fields(kind):
        if known.name not in values:
            continue
        value, annotation = values[known.name], str(known.type)
        try:
            # bool is an int to Python, but `dimension = true` is a mistake
            if type(value) not in _TYPES[annotation]:
                raise ValueError  # noqa: TRY301 - said once, for a wrong type and a wrong word alike
            converted[known.name] = _CONVERSIONS.get(annotation, lambda same: same)(value)
        except ValueError as error:
            raise ConfigurationError(
                f"The catalogue row of {model_id} has {known.name} = {value!r}, expected {_expected(annotation)}.",
                "Correct the field in your catalogue.toml.",
            ) from error
    try:
        return kind(**converted)
    except TypeError as error:
        raise ConfigurationError(
            f"The catalogue row of {model_id} is incomplete: {error}.", "Add the field."
        ) from error


def _expected(annotation: str) -> str:
    words = {"Family": Family, "Runs": Runs}.get(annotation)
    return f"one of {', '.join(words)}" if words else annotation
