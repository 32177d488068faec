"""The settings, by stage, and the one place where rag.toml, the environment and flags are read.

Precedence: a flag, then the environment (`RAG_APP_GENERATOR`, `RAG_APP_RETRIEVAL__TOP_K`), then `rag.toml` in the
working folder, then the defaults below. Settings are passed on, never fetched; they hold no live objects.
This module knows nothing of what the settings do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from rag_app.errors import ConfigurationError

CONFIGURATION_FILE = "rag.toml"
MAX_CHUNK_TOKENS = 8192

RetrieverName = Literal["hybrid", "dense", "keyword"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
HubName = Literal["huggingface", "modelscope"]


class _Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChunkingSettings(_Stage):
    """How documents are cut. Sizes are in the unit of `rag_app.text.size_in_units`.

    The default size is measured (docs/benchmarks.md, "Chunk size"): over 99.5 % of English and Chinese chunks, heading path
    included, fit a window of 256 tokens.
    """

    chunk_tokens: int = Field(default=200, ge=0, le=MAX_CHUNK_TOKENS)
    overlap: int = Field(default=30, ge=0)


class ModelSettings(_Stage):
    """Where models come from, and what they may do.

    `hub` is asked for a model that is not on the machine. `trusted_code` names the models, and other repositories that they
    have code in, whose code may be run; none is without it. `held` embedding models stay in the app's memory at once.
    `served_url` is the base of an OpenAI-compatible server for models that run there (`http://127.0.0.1:8000/v1`),
    `served_key` what it wants to be shown, `served_seconds` how long it may take over one request. `served_generator_url` is
    that of generators, where another server runs them, `served_generator_key` what that one wants to be shown; where it is
    empty, `served_key` is, but only to the server of `served_url`.
    """

    hub: HubName = "huggingface"
    trusted_code: tuple[str, ...] = ()
    held: int = Field(default=1, ge=1, le=16)
    served_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    served_generator_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    served_key: SecretStr = SecretStr("")
    served_generator_key: SecretStr = SecretStr("")
    served_seconds: int = Field(default=60, ge=1)


class IndexSettings(_Stage):
    """What a vector index may cost: gigabytes of memory for the vectors of one model; None: no limit."""

    memory_gb: float | None = Field(default=None, gt=0)


class RetrievalSettings(_Stage):
    """How passages are found.

    Of the `evidence_depth` best passages of a hybrid search each sentence is looked at (docs/scores.md).
    Where there is a reranker, `rerank_depth` passages are given to it, and the best `top_k` of them are kept: its time grows
    with that number (docs/reranking.md, "What it costs").
    `per_document` is how many passages of one document are shown at most, as long as others fill the rest; None: any number,
    because an answer often takes several of one document (docs/benchmarks.md, "The sample's questions").
    """

    retriever: RetrieverName = "hybrid"
    top_k: int = Field(default=5, ge=1, le=100)
    per_document: int | None = Field(default=None, ge=1)
    evidence_depth: int = Field(default=20, ge=0, le=200)
    rerank_depth: int = Field(default=30, ge=1, le=1000)


class AnsweringSettings(_Stage):
    """How an answer is written: the longest answer, and the passages it is written from, in the generator's tokens.

    Where no passage has a percentile of one minus `false_alarm_rate`, nothing was found, and nothing is written: of the
    questions that the base cannot answer so many are answered all the same. 1: all are.
    A `temperature` of 0 takes the likeliest token each time; above, tokens are drawn, from `seed` on. A question waits at most
    `wait_seconds` while the model writes for others. A follow-up is understood by the last `history_turns` exchanges.
    """

    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int = Field(default=0, ge=0)
    wait_seconds: int = Field(default=120, ge=1)
    history_turns: int = Field(default=4, ge=0, le=20)
    max_new_tokens: int = Field(default=200, ge=1, le=4096)
    passage_tokens: int = Field(default=1400, ge=64)
    false_alarm_rate: float = Field(default=0.1, gt=0, le=1)


class ReadingSettings(_Stage):
    """How documents become text.

    `ocr` reads scanned pages where tesseract is installed (the extra `ocr`); `ocr_languages` are its names of languages, those
    of them that are installed are used; a scanned page may take `ocr_page_seconds`.
    """

    ocr: bool = True
    ocr_languages: str = Field(default="eng+chi_sim", pattern=r"[A-Za-z_]+(\+[A-Za-z_]+)*")
    ocr_page_seconds: int = Field(default=60, ge=1)


class LimitSettings(_Stage):
    """What is refused: longer questions, larger files, PDFs of more pages, archives with more files or more in them.

    A DOCX, PPTX, XLSX, ODT or EPUB file is an archive; `expanded_megabytes` is counted while it is unpacked.
    `upload_files` may be given to the app at once, `upload_megabytes` by one session in all.
    """

    question_characters: int = Field(default=2000, ge=1)
    file_megabytes: int = Field(default=25, ge=1)
    pdf_pages: int = Field(default=2000, ge=1)
    archive_files: int = Field(default=2000, ge=1)
    expanded_megabytes: int = Field(default=200, ge=1)
    upload_files: int = Field(default=200, ge=1)
    upload_megabytes: int = Field(default=500, ge=1)


class SandboxSettings(_Stage):
    """What the child process that reads a document may spend on it: time by the clock and the processor's, memory, output.

    Of the honest files that were measured (docs/benchmarks.md) the slowest takes 5 s and the hungriest 200 MB. `workers`
    children read at once, 0: one for each processor.
    """

    seconds: int = Field(default=90, ge=1)
    cpu_seconds: int = Field(default=60, ge=1)
    memory_megabytes: int = Field(default=1500, ge=256)
    output_megabytes: int = Field(default=200, ge=1)
    workers: int = Field(default=0, ge=0, le=64)


class Settings(BaseSettings):
    """All settings. `generator` None: the catalogue's default for the device; `reranker` None: none."""

    model_config = SettingsConfigDict(
        env_prefix="RAG_APP_",
        env_nested_delimiter="__",
        toml_file=CONFIGURATION_FILE,
        frozen=True,
        extra="forbid",
    )

    indexes: Path = Path("indexes")
    embed_model: str = "BAAI/bge-m3"
    generator: str | None = None
    reranker: str | None = None
    device: DeviceName = "auto"
    offline: bool = False
    models: ModelSettings = ModelSettings()
    reading: ReadingSettings = ReadingSettings()
    sandbox: SandboxSettings = SandboxSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    index: IndexSettings = IndexSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answering: AnsweringSettings = AnsweringSettings()
    limits: LimitSettings = LimitSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings prescribes the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags first, then the environment, then rag.toml."""
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def load_settings(**flags: Any) -> Settings:
    """Return the settings in force. Flags that are None were not given; those of a stage are given as a dict.

    Raises:
        ConfigurationError: an unknown name or a value that is not allowed, with where it stands.
    """
    given: dict[str, Any] = {}
    for name, flag in flags.items():
        is_stage = isinstance(flag, dict)
        value = {key: part for key, part in flag.items() if part is not None} or None if is_stage else flag
        if value is not None:
            given[name] = value
    try:
        return Settings(**given)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{CONFIGURATION_FILE} is not valid TOML: {error}.", "Correct it or remove it."
        ) from error
    except SettingsError as error:  # RAG_APP_RETRIEVAL=5: a stage has no value of its own
        raise ConfigurationError(
            f"The environment cannot be used: {error}.",
            "Set what is in a stage by its name: RAG_APP_RETRIEVAL__TOP_K=5.",
        ) from error
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise ConfigurationError(
            f"The setting '{name}' cannot be used: {problem['msg'].lower()} (found {problem['input']!r:.80}).",
            f"Change it where it is set: a flag, RAG_APP_{name.upper().replace('.', '__')}, or {CONFIGURATION_FILE}.",
        ) from error


OriginName = Literal["default", "file", "environment", "flag"]


@dataclass(frozen=True)
class SettingInForce:
    """A setting as it is in force, `retrieval.top_k`, and where it was set. A secret's value is not shown."""

    name: str
    value: str
    origin: OriginName


def settings_in_force(settings: Settings) -> tuple[SettingInForce, ...]:
    """Return every setting with where its value came from; one that is like that of a source is taken to be from it."""
    environment = dict(_flat(EnvSettingsSource(Settings)()))
    file = dict(_flat(TomlConfigSettingsSource(Settings)()))
    defaults = dict(_flat(Settings.model_construct().model_dump()))

    def origin(name: str, value: object) -> OriginName:
        if name in environment:
            return "environment"
        if name in file:
            return "file"
        return "default" if value == defaults[name] else "flag"

    return tuple(
        SettingInForce(name, _shown(value), origin(name, value)) for name, value in _flat(settings.model_dump())
    )


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
    return text or "-"
