"""Which systems a comparison has: those that flags name, or those that a TOML file spells out.

    [[system]]
    name = "z-scores"
    retriever = "hybrid"            # dense, keyword, hybrid
    embed_model = "bundled"
    fusion = "z-scores"             # evidence (what the app does), reciprocal rank, z-scores
    dense_weight = 0.7
    keywords = { k1 = 0.9, b = 0.4, stop_words = "en", stemming = false, tokenizer = "words", text = "passage" }
    reranker = "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"
    generator = "quote"             # none, quote, or a generator

This module knows nothing of how they are run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rag_app.config import RetrieverName
from rag_app.errors import UsageError

NO_GENERATOR = "none"
LONGEST_NAME = 80
Fusion = Literal["evidence", "reciprocal rank", "z-scores"]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeywordSpec(_Spec):
    """BM25 as it is to be. `tokenizer`: `ours` is the app's, `words` splits at what is no letter or digit, as most do.

    `text`: what of a passage is read; the app reads the headings, too. `stop_words` `en` leaves out English function words.
    """

    k1: float = Field(default=0.9, ge=0)
    b: float = Field(default=0.4, ge=0, le=1)
    stop_words: Literal["en", "none"] = "en"
    stemming: bool = True
    tokenizer: Literal["ours", "words"] = "words"
    text: Literal["headings and passage", "passage"] = "headings and passage"


class SystemSpec(_Spec):
    """One system. What is not said is what the app does, but for the passages that are kept (docs/comparing.md).

    `keywords` None: its own keyword search. `dense_weight` is that of the cosines in z-scores, `constant` and `depth` are those
    of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009). `generator` None: that of the comparison.
    """

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    retriever: RetrieverName = "hybrid"
    embed_model: str | None = None
    fusion: Fusion = "evidence"
    dense_weight: float = Field(default=0.5, ge=0, le=1)
    constant: int = Field(default=60, ge=1)
    depth: int = Field(default=100, ge=1)
    keywords: KeywordSpec | None = None
    reranker: str | None = None
    generator: str | None = None

    @model_validator(mode="after")
    def _check(self) -> SystemSpec:
        if self.retriever != "keyword" and self.embed_model is None:
            raise ValueError(f"the retriever '{self.retriever}' needs an embed_model")
        if self.retriever == "hybrid" and self.fusion == "evidence" and self.keywords is not None:
            raise ValueError(
                "the fusion 'evidence' has its own keyword search; leave keywords out, or choose another fusion"
            )
        return self


def usual_systems(embed_models: Sequence[str], generator: str | None) -> tuple[SystemSpec, ...]:
    """Return keyword search, and dense and hybrid search under each embedding model."""
    return chosen_systems(embed_models, ("keyword", "dense", "hybrid"), (generator,))


def chosen_systems(
    embed_models: Sequence[str], retrievers: Sequence[RetrieverName], generators: Sequence[str | None]
) -> tuple[SystemSpec, ...]:
    """Return each retriever under each embedding model with each generator; keyword search needs no model and comes first.

    A generator is in the names where there are several.
    """
    kinds: list[tuple[str | None, RetrieverName]] = [(None, "keyword")] if "keyword" in retrievers else []
    kinds += [(model, kind) for model in embed_models for kind in retrievers if kind != "keyword"]
    return tuple(
        SystemSpec(
            name=_name(model, kind, generator if len(generators) > 1 else None),
            retriever=kind,
            embed_model=model,
            generator=generator,
        )
        for model, kind in kinds
        for generator in generators
    )


def _name(*parts: str | None) -> str:
    """Return what tells a system from others; of what is too long, a folder's path, the end does."""
    name = ", ".join(part for part in parts if part is not None)
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def read_systems(path: Path, generator: str | None) -> tuple[SystemSpec, ...]:
    """Read a file of systems. Keyword search is put before them, where no system is that already.

    Args:
        path: TOML.
        generator: that of the systems which name none.

    Raises:
        UsageError: it cannot be read, or a system is not as it must be, by its number.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Expected TOML with [[system]] tables.") from error
    rows = content.get("system")
    if not isinstance(rows, list) or not rows or set(content) != {"system"}:
        found = ", ".join(content) or "nothing"
        raise UsageError(
            f"{path} holds {found:.200}; expected [[system]] tables and nothing else.", "See docs/comparing.md."
        )
    systems = [_system(row, number, path) for number, row in enumerate(rows, start=1)]
    names = [system.name for system in systems]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{path} has two systems named '{twice}'.", "Give each its own name.")
    given = [system if system.generator else system.model_copy(update={"generator": generator}) for system in systems]
    if not any(system.retriever == "keyword" for system in given):
        name = "keyword" if "keyword" not in names else "keyword search"
        given.insert(0, SystemSpec(name=name, retriever="keyword", generator=generator))
    return tuple(given)


def _system(row: Any, number: int, path: Path) -> SystemSpec:
    try:
        return SystemSpec.model_validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{path}, system {number}, {where}: {what} (found {problem['input']!r:.80})."
            if where
            else f"{path}, system {number}: {what} (found {problem['input']!r:.80}).",
            "See docs/comparing.md.",
        ) from error
