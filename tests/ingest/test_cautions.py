"""What a build warns of: languages that a model was not made for, and chunks that it cuts, with the better choice."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ingest.cautions import warn_of_cuts, warn_of_languages
from rag_app.build_events import Event
from rag_app.datatypes import Chunk, DocumentReport, FileStatus, ModelReport
from rag_app.models.catalogue import load_catalogue
from tests.commands import Run
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


def test_an_english_model_over_chinese_documents_is_warned_about_with_its_figure_and_a_better_one_named() -> None:
    (warning,) = warnings("bundled", CHINESE, CHINESE, ENGLISH)
    assert "bundled was made for en. 2 of 3 documents are in 'zh' (Hans), which it was not made for." in warning
    assert "On C-MTEB retrieval it reached 3.61 of 100, models made for 'zh' " in warning
    assert "Keyword search is not affected." in warning
    assert "Made for all of them: --embed-model " in warning


def test_the_better_model_is_the_one_that_the_command_advises(run: Run) -> None:
    (warning,) = warnings("bundled", CHINESE, ENGLISH)
    advised = run("models", "advise", "--language", "zh", "--language", "en", "--json").json["recommended"][0]
    assert f"--embed-model {advised['model']} ({advised['download_gb']:g} GB to download)" in warning


def test_where_nothing_fits_this_machine_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_app.models.choosing.advice.default_memory_gb", lambda: 0.1)
    (warning,) = warnings("bundled", CHINESE)
    assert warning.endswith(
        "No model of the catalogue was made for all of them and runs here: see rag-app models advise"
    )


@pytest.mark.parametrize("model", ["Snowflake/snowflake-arctic-embed-m-v1.5@256", "served:BAAI/bge-small-en-v1.5"])
def test_a_shorter_or_served_model_is_judged_by_its_row(model: str) -> None:
    (warning,) = warnings(model, CHINESE)
    assert f"{model} was made for en. 1 of 1 documents is in 'zh' (Hans), which it was not made for." in warning


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


def test_there_is_no_warning_where_the_languages_of_a_model_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = load_catalogue().embedder("bundled")
    assert bundled is not None
    monkeypatch.setattr("ingest.cautions.catalogue_row", lambda _: replace(bundled, languages=()))
    assert warnings("own/mine", CHINESE, ENGLISH) == []


def test_one_long_document_among_many_short_ones_counts_by_its_passages() -> None:
    assert len(warnings("bundled", *[ENGLISH] * 40, ("zh", "Hans", 200))) == 1


def test_an_undetermined_language_is_judged_by_its_script() -> None:
    (warning,) = warnings("bundled", ("und", "Cyrl", 10))
    assert "1 of 1 documents is in 'und' (Cyrl)" in warning
    assert " it reached " not in warning, "no figure says anything of a language that nobody knows"


def cuts(longest: str, model: str = "bundled", **changes: Any) -> list[str]:
    """Return what is said of a model that cut two passages, the longest of them this."""
    said: list[Event] = []
    fingerprint = fake_fingerprint(model, max_tokens=256)
    values: dict[str, Any] = {"truncated": 2, "unseen_share": 0.4, "fitting_chunk_tokens": 200} | changes
    report = ModelReport(model, fingerprint.digest, 64, 2, 0, chunks_per_second=1.0, **values)
    documents = [DocumentReport("a", FileStatus.INDEXED, chunks=2, language="en", script="Latn")]
    warn_of_cuts([report], [fingerprint], documents, [Chunk("a", 0, 0, len(longest), longest)], said.append)
    return [event.subject for event in said]


def test_a_model_that_cuts_chunks_is_warned_about_with_what_would_fit() -> None:
    (warning,) = cuts("word " * 1000)
    assert "bundled: 2 chunks longer than its window; 40% of the text there is not searchable by meaning." in warning
    assert "--chunk-tokens 200 would fit." in warning
    found = re.search(r"Or add a model that reads them whole: --embed-model (\S+) ", warning)
    assert found
    better = load_catalogue().embedder(found[1])
    assert better is not None
    assert better.max_tokens >= 1000 * 256 / 200
    assert better.covers("en")


def test_one_cut_chunk_is_one() -> None:
    (warning,) = cuts("word " * 300, truncated=1)
    assert "1 chunk longer than its window" in warning


def test_a_chunk_that_no_model_reads_whole_names_the_chunk_size_alone() -> None:
    (warning,) = cuts("word " * 20_000)
    assert warning.endswith("--chunk-tokens 200 would fit.")


def test_nothing_is_said_where_nothing_was_cut() -> None:
    assert cuts("word", truncated=0, fitting_chunk_tokens=None) == []
