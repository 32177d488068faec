"""A small catalogue for tests of advice: rows of which each test says only what matters to it."""

from __future__ import annotations

from typing import Any

from rag_app.models.catalogue import Catalogue, EmbedderRow

ENGLISH_FIGURE = "MTEB English v2 retrieval"
CHINESE_FIGURE = "C-MTEB retrieval"
MANY_FIGURE = "MTEB multilingual v2 retrieval"
MIRACL_FIGURE = "MIRACL"
MIRACL_CHINESE_FIGURE = "MIRACL Chinese"


def row(model_id: str, *languages: str, **changes: Any) -> EmbedderRow:
    """Return the row of a model that hinders nothing; `changes` replace fields."""
    values: dict[str, Any] = {
        "id": model_id,
        "parameters_millions": 100.0,
        "download_gb": 0.4,
        "memory_gb": 1.0,
        "languages": languages or ("en",),
        "licence": "MIT",
        "commercial": True,
        "dimension": 768,
        "max_tokens": 512,
        "pooling": "mean",
        "query_prompt": "",
        "passage_prompt": "",
    }
    return EmbedderRow(**values | changes)


def catalogue(*rows: EmbedderRow) -> Catalogue:
    """Return a catalogue of these embedding models alone."""
    return Catalogue(rows, (), ())
