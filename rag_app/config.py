"""The settings, by stage, and the one place where rag.toml, the environment and flags are read.

Precedence: a flag, then the environment (`RAG_APP_GENERATOR`, `RAG_APP_RETRIEVAL__TOP_K`), then `rag.toml` in the
working folder, then the defaults below. Settings are passed on, never fetched; they hold no live objects.
This module knows nothing of what the settings do.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
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
    `served_key` what it wants to be shown, `served_seconds` how long it may take over one request.
    """

    hub: HubName = "huggingface"
    trusted_code: tuple[str, ...] = ()
    held: int = Field(default=1, ge=1, le=16)
    served_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    served_key: SecretStr = SecretStr("")
    served_seconds: int = Field(default=60, ge=1)


class IndexSettings(_Stage):
    """What a vector index may cost: gigabytes of memory for the vectors of one model; None: no limit."""

    memory_gb: float | None = Field(default=None, gt=0)


class RetrievalSettings(_Stage):
    """How passages are found. `dense_weight` is the share of the dense retriever in the fused score.

    Its default was measured with the bundled model (docs/benchmarks.md, "Fusion").
    """

    retriever: RetrieverName = "hybrid"
    top_k: int = Field(default=5, ge=1, le=100)
    dense_weight: float = Field(default=0.7, ge=0, le=1)


class AnsweringSettings(_Stage):
    """How an answer is written: the longest answer, and the passages it is written from, in the generator's tokens."""

    max_new_tokens: int = Field(default=200, ge=1, le=4096)
    passage_tokens: int = Field(default=1400, ge=64)


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
    """

    question_characters: int = Field(default=2000, ge=1)
    file_megabytes: int = Field(default=25, ge=1)
    pdf_pages: int = Field(default=2000, ge=1)
    archive_files: int = Field(default=2000, ge=1)
    expanded_megabytes: int = Field(default=200, ge=1)


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
    """All settings. `generator` None: the catalogue's default for the device."""

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
