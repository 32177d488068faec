"""A calibration to write, read and apply in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rag_app.config import RetrievalSettings
from rag_app.datatypes import Fingerprint
from rag_app.retrieval.calibrated import conditions_of
from rag_app.store.calibrations import Calibration, ProbabilityModel, Reliability, ReliabilityBin
from tests.fakes import fake_fingerprint


def made_calibration(
    fingerprint: Fingerprint | None = None, settings: RetrievalSettings | None = None, **changes: Any
) -> Calibration:
    """Return a calibration of scores `cosine`, `bm25` and `fused`; `changes` replace fields."""
    fingerprint, settings = fingerprint or fake_fingerprint(), settings or RetrievalSettings()
    calibration = Calibration(
        created_at="2026-01-02T03:04:05.678+00:00",
        generation="gen-00000001",
        fingerprint=fingerprint.digest,
        embedder=fingerprint.model,
        retriever=settings.retriever,
        conditions=conditions_of(settings, None),
        passages=settings.top_k,
        scores=("bm25", "cosine", "fused"),
        question_set="Mine <1>",
        questions_sha256="abcdef0123" + "0" * 54,
        questions=40,
        answerable=36,
        pairs=200,
        holding=30,
        model=ProbabilityModel(
            ("score", "lead", "behind"), (1.0, 0.5, -0.5), (2.0, 1.0, 1.0), (0.5, 1.0, 0.75), -1.5, 0.005
        ),
        reliability=Reliability(
            0.021,
            0.034,
            0.012,
            0.05,
            0.1275,
            (ReliabilityBin(0.04, 0.03, 0.01, 0.08, 170), ReliabilityBin(0.93, 1.0, 0.88, 1.0, 30)),
        ),
    )
    return replace(calibration, **changes)
