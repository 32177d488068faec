"""The page Models in Streamlit's own test harness: filters, details, downloads that ask first, advice, the similarity lab."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from rag_app.datatypes import Fingerprint
from rag_app.errors import KnowledgeBaseDamaged, ModelNotAvailable
from rag_app.models.catalogue import load_catalogue
from rag_app.models.choosing.advice import advise
from rag_app.models.choosing.needs import CHECKS, Needs
from rag_app.models.choosing.similarity import Similarity
from rag_app.models.listing import held, rows_of
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.ui import resources
from rag_app.ui.jobs import Job, JobCancelled, JobState, all_jobs
from rag_app.ui.models import advisor, downloads
from rag_app.ui.models.similarity import heat_map
from rag_app.ui.words import LANGUAGES, said_in
from tests.conftest import SmallBase
from tests.ui.drawn_page import drawn, drawn_page, texts_of

CATALOGUE = load_catalogue()
BUNDLED = "sentence-transformers/all-MiniLM-L6-v2"
NOT_HERE = "BAAI/bge-small-zh-v1.5"


@pytest.fixture(autouse=True)
def own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No index, no model of the developer's, and no job of another test."""
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "nothing"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    all_jobs.clear()
    resources.held_embedders.clear()


def view(name: str, language: str = "en") -> AppTest:
    return drawn_page("models", language=language, models_view=name)


# the catalogue


def test_the_table_has_every_model_and_what_is_here_takes_space() -> None:
    at = drawn_page("models")
    assert not at.exception
    table = at.dataframe[0].value
    assert list(table["model"]) == [row.id for _, row in rows_of(CATALOGUE)]
    bundled = table[table["model"] == BUNDLED].iloc[0]
    assert 0.08 < bundled["disk"] < 0.2
    assert np.isnan(table[table["model"] == NOT_HERE].iloc[0]["disk"])


def test_filters_leave_what_fits_all_of_them() -> None:
    at = drawn_page("models")
    at.segmented_control(key="models_kind").set_value("embedder")
    at.multiselect(key="models_language").set_value(["zh"])
    at.number_input(key="models_memory").set_value(1.5)
    at.toggle(key="models_commercial").set_value(True)
    at.run()
    expected = [row.id for row in CATALOGUE.embedders if row.covers("zh") and row.memory_gb <= 1.5 and row.commercial]
    assert list(at.dataframe[0].value["model"]) == expected
    at.toggle(key="models_here").set_value(True).run()
    assert not at.dataframe
    assert "No model of the catalogue is like that." in texts_of(at)


def test_held_counts_the_files_that_are_here() -> None:
    row = CATALOGUE.embedder("bundled")
    assert row is not None
    one = held(row)
    assert one is not None
    assert one.bytes == sum(path.stat().st_size for path in one.folder.rglob("*") if path.is_file())


DETAILS = """
from rag_app.config import load_settings
from rag_app.models.catalogue import load_catalogue
from rag_app.models.listing import held, rows_of
from rag_app.ui.models.details import draw_details
from rag_app.ui.words import draw_language_choice

draw_language_choice()
for kind, row in rows_of(load_catalogue())[{first}:{last}]:
    draw_details(kind, row, held(row), load_settings())
"""


@pytest.mark.parametrize("language", LANGUAGES)
def test_details_say_everything_of_every_model(language: str) -> None:
    rows = rows_of(CATALOGUE)
    at = drawn(DETAILS.format(first=0, last=len(rows)), language=language)
    assert not at.exception
    facts = [frame.value for frame in at.dataframe if len(frame.value.columns) == 2 and len(frame.value) > 6]
    assert len(facts) == len(rows)
    for (_, row), table in zip(rows, facts, strict=True):
        values = list(table.iloc[:, 1])
        assert row.licence in values
        assert f"{row.download_gb:g}" in values
        assert not row.notes or row.notes in values
    sources = "\n".join(text.value for text in at.text)
    assert all(f"{name}: {source}" in sources for _, row in rows for name, source in row.sources.items())


# downloads


class Fetches:
    """Stands for `install`: notes what it was asked for, and reports bytes until it may end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_asked = threading.Event()
        self.may_end = threading.Event()
        self.started = threading.Event()
        self.failure: Exception | None = None

    def __call__(self, model_id: str, *, announce, hub, trusted_code, on_bytes) -> None:
        self.asked.append(model_id)
        self.is_asked.set()
        if self.failure is not None:
            raise self.failure
        done = 0
        while not self.may_end.wait(0.02):
            done = min(done + 10_000_000, 90_000_000)
            on_bytes(done, 95_000_000)
            self.started.set()

    def first(self) -> str:
        """Return the model that is asked for, once it is: a job runs in a thread of its own."""
        assert self.is_asked.wait(300)
        return self.asked[0]


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> Fetches:
    stand_in = Fetches()
    monkeypatch.setattr(downloads, "install", stand_in)
    return stand_in


def wait_for_end(key: str) -> Job:
    job = all_jobs().get(key)
    assert job is not None
    deadline = time.monotonic() + 300
    while job.state is JobState.RUNNING:
        assert time.monotonic() < deadline, "the job did not end"
        time.sleep(0.01)
    return job


def test_nothing_is_fetched_before_it_is_confirmed_with_size_licence_and_place(fetches: Fetches) -> None:
    at = view("advice")
    text = texts_of(at)
    best = advise(CATALOGUE, Needs(languages=("en",), memory_gb=at.number_input[0].value)).recommended[0].row
    assert fetches.asked == []
    assert re.search(rf"{re.escape(best.id)}: {best.download_gb:g} GB to download, licence ", text)
    assert "It comes from https://huggingface.co and stays on this machine." in text


def test_the_place_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://mirror.example")
    assert "It comes from https://mirror.example and stays on this machine." in texts_of(view("advice"))


def test_a_download_runs_shows_how_far_it_is_and_can_be_cancelled(fetches: Fetches) -> None:
    at = view("advice")
    (confirm, *_) = [button for button in at.button if button.label.startswith("Download ")]
    confirm.click().run()
    assert fetches.started.wait(300)
    model = fetches.first()
    at.run()
    assert f"Getting {model}" in texts_of(at)
    (cancel,) = [button for button in at.button if button.label == "Cancel"]
    cancel.click().run()
    assert wait_for_end(f"model {model}").state is JobState.CANCELLED
    at.run()
    assert f"{model} was not fetched. What has arrived is kept" in texts_of(at)
    (close,) = [button for button in at.button if button.label == "Close"]
    close.click().run()
    assert f"{model} was not fetched" not in texts_of(at)


def test_a_download_that_is_done_is_said(fetches: Fetches) -> None:
    fetches.may_end.set()
    at = view("advice")
    (confirm, *_) = [button for button in at.button if button.label.startswith("Download ")]
    confirm.click().run()
    wait_for_end(f"model {fetches.first()}")
    at.run()
    assert f"{fetches.first()} is on this machine" in texts_of(at)


def test_a_download_that_fails_says_why(fetches: Fetches) -> None:
    fetches.failure = ModelNotAvailable("The hub could not be reached.", "Try again with a connection.")
    at = view("advice")
    (confirm, *_) = [button for button in at.button if button.label.startswith("Download ")]
    confirm.click().run()
    wait_for_end(f"model {fetches.first()}")
    at.run()
    assert not at.exception
    assert "The hub could not be reached." in texts_of(at)


def test_offline_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_OFFLINE", "true")
    at = view("advice")
    assert not [button for button in at.button if button.label.startswith("Download ")]
    assert "The settings say offline" in texts_of(at)


def test_bytes_are_told_to_whoever_follows_and_their_refusal_ends_the_download() -> None:
    from rag_app.models.fetching.download_progress import DownloadProgress

    told: list[tuple[int, int]] = []
    with DownloadProgress("m", 100, 20, lambda _: None, lambda done, total: told.append((done, total))) as progress:
        progress.update(30)
        progress.of_one_file().update(10)
    assert told == [(20, 100), (50, 100), (60, 100)]

    def refuse(done: int, total: int) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled), DownloadProgress("m", 100, 0, lambda _: None, refuse):
        pass


# advice


@pytest.mark.parametrize("language", LANGUAGES)
def test_advice_is_that_of_the_command_with_its_reasons(language: str) -> None:
    at = view("advice", language)
    assert not at.exception
    needs = Needs(languages=(language,), memory_gb=at.number_input[0].value)
    best = advise(CATALOGUE, needs).recommended[0]
    text = texts_of(at)
    assert best.model in text
    for said in (*best.reasons, *best.caveats):
        shown = said.in_language(language).replace("'", "&#x27;")
        assert shown in text
    assert f"python -m ingest FOLDER --kb NAME --embed-model {best.model}" in [code.value for code in at.code]


def test_advice_for_a_knowledge_base_names_it(monkeypatch: pytest.MonkeyPatch, small_base: SmallBase) -> None:
    monkeypatch.setenv("RAG_APP_INDEXES", str(small_base.indexes))
    at = view("advice")
    at.selectbox[0].set_value("small")
    (submit,) = [button for button in at.button if button.label == "Advise"]
    submit.click().run()
    assert not at.exception
    assert any("--kb small --embed-model" in code.value for code in at.code)
    assert "passages of up to" in texts_of(at)


def test_a_knowledge_base_is_closed_also_where_no_advice_comes_of_it(
    monkeypatch: pytest.MonkeyPatch, small_base: SmallBase
) -> None:
    def damaged(*_: object) -> None:
        raise KnowledgeBaseDamaged("It cannot be read.", "Build it again.")

    closed: list[str] = []
    monkeypatch.setattr(advisor, "with_those_of", damaged)
    monkeypatch.setattr(KnowledgeBase, "close", lambda base: closed.append(base.name))
    monkeypatch.setenv("RAG_APP_INDEXES", str(small_base.indexes))
    at = view("advice")
    at.selectbox[0].set_value("small")
    (submit,) = [button for button in at.button if button.label == "Advise"]
    submit.click().run()
    assert "It cannot be read." in texts_of(at)
    assert closed == ["small"]


def test_where_nothing_fits_the_needs_that_exclude_are_named() -> None:
    at = view("advice")
    at.number_input[1].set_value(0.05)
    (submit,) = [button for button in at.button if button.label == "Advise"]
    submit.click().run()
    assert not at.exception
    assert "No model fits all of that" in texts_of(at)
    assert "download" in list(at.dataframe[0].value["Need"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_need_has_a_name(language: str) -> None:
    assert all(said_in(language, f"models.needs.{advisor._key(check.need)}") for check in CHECKS)


# the similarity lab


def test_texts_are_compared_by_a_real_model_and_shown_as_numbers() -> None:
    at = view("similarity")
    at.text_area(key="similarity_texts").set_value("The account is locked.\nThe account is locked.\nPizza tastes good.")
    (compare,) = [button for button in at.button if button.label == "Compare"]
    compare.click().run()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["1"].iloc[1] == pytest.approx(1.0, abs=1e-3)
    assert table["1"].iloc[2] < 0.5
    assert "texts 1 and 2, cosine 1.000" in texts_of(at)


@pytest.mark.parametrize(("texts", "said"), [("only one", "two texts at least"), ("a b\n" * 21, "At most 20 texts")])
def test_too_few_and_too_many_texts_are_refused(texts: str, said: str) -> None:
    at = view("similarity")
    at.text_area(key="similarity_texts").set_value(texts)
    (compare,) = [button for button in at.button if button.label == "Compare"]
    compare.click().run()
    assert not at.exception
    assert said in texts_of(at)


def test_markup_in_a_text_stays_text() -> None:
    at = view("similarity")
    at.text_area(key="similarity_texts").set_value("<script>alert(1)</script> ![x](http://127.0.0.1:9)\n:red[no]")
    (compare,) = [button for button in at.button if button.label == "Compare"]
    compare.click().run()
    assert not at.exception
    assert "<script>" in at.dataframe[0].value["Text"].iloc[0]
    assert "<script>" not in texts_of(at).replace(at.text_area[0].value, "")


def test_a_heat_map_has_the_scale_of_its_own_model_and_no_text_in_it() -> None:
    fingerprint = Fingerprint("m", "r", "f", 2, "mean", True, "", "", 512, "float32")
    for lowest in (0.2, 0.7):
        cosines = np.array([[1, lowest], [lowest, 1]], dtype=np.float32)
        chart = heat_map(Similarity(fingerprint, cosines, (False, False), (None, None))).to_dict()
        domain = chart["layer"][0]["encoding"]["color"]["scale"]["domain"]
        assert domain == [pytest.approx(lowest, abs=1e-3), 1.0]


def test_in_chinese_every_view_is_chinese() -> None:
    for name in ("catalogue", "advice", "similarity"):
        at = view(name, "zh")
        assert not at.exception
        for element in [*at.title, *at.button, *at.expander, *at.checkbox, *at.toggle]:
            text = getattr(element, "label", None) or element.value
            assert re.search(r"[\u3400-\u9fff]", text), text
        assert at.segmented_control(key="models_view").value == name
