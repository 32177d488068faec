"""What a build warns of: languages that a model was not made for, by documents or by passages, with a better choice."""

from __future__ import annotations

import pytest

from ingest.cautions import warn_of_languages
from ingest.events import Event
from rag_app.datatypes import DocumentReport, FileStatus
from tests.fakes import fake_fingerprint


def warnings(model: str, *documents: tuple[str, str, int]) -> list[str]:
    """Return what is said of a model over documents of (language, script, number of passages)."""
    said: list[Event] = []
    reports = [
        DocumentReport(f"{number}", FileStatus.INDEXED, chunks=chunks, language=language, script=script)
        for number, (language, script, chunks) in enumerate(documents)
    ]
    reports.append(DocumentReport("failed.pdf", FileStatus.FAILED, "It is damaged."))
    warn_of_languages([fake_fingerprint(model)], reports, said.append)
    return [event.subject for event in said]


ENGLISH = ("en", "Latn", 10)
CHINESE = ("zh", "Hans", 10)


def test_an_english_model_over_chinese_documents_is_warned_about_and_a_better_one_named() -> None:
    (warning,) = warnings("bundled", CHINESE, CHINESE, ENGLISH)
    assert "bundled was not made for these: 2 of 3 documents are in 'zh' (Hans)" in warning
    assert "only keyword search finds anything" in warning
    assert "BAAI/bge-m3 was made for all of them: add it with --embed-model BAAI/bge-m3" in warning


@pytest.mark.parametrize(
    ("model", "documents"),
    [
        pytest.param("bundled", [ENGLISH] * 3, id="the language it was made for"),
        pytest.param("BAAI/bge-m3", [ENGLISH, CHINESE, ("und", "Cyrl", 5)], id="a multilingual model"),
        pytest.param("bundled", [ENGLISH] * 40 + [("zh", "Hans", 1)], id="a language that hardly occurs"),
        pytest.param("bundled", [("und", "Latn", 10)], id="undetermined in Latin letters"),
        pytest.param("bundled", [("und", "", 10)], id="no letters at all"),
        pytest.param("someone/unknown-model", [CHINESE], id="a model that nothing is known of"),
    ],
)
def test_there_is_no_warning_where_there_is_no_reason(model: str, documents: list[tuple[str, str, int]]) -> None:
    assert warnings(model, *documents) == []


def test_one_long_document_among_many_short_ones_counts_by_its_passages() -> None:
    assert len(warnings("bundled", *[ENGLISH] * 40, ("zh", "Hans", 200))) == 1


def test_an_undetermined_language_is_judged_by_its_script() -> None:
    (warning,) = warnings("bundled", ("und", "Cyrl", 10))
    assert "1 of 1 documents are in 'und' (Cyrl)" in warning
