"""The page Doctor in Streamlit's own test harness: what is wrong first, with its command; the same as the command prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from rag_app.config import load_settings
from rag_app.doctor.examination import examine
from rag_app.doctor.findings import as_text
from rag_app.doctor.program import REQUIRED_OPTIONS
from tests.conftest import MakeBase
from tests.ui.drawn_page import drawn_page, texts_of


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An index root that is not there, and an app that is served as it is shipped, which the harness does not do."""
    served = dict(REQUIRED_OPTIONS)
    get_option = streamlit.get_option
    monkeypatch.setattr(streamlit, "get_option", lambda name: served[name] if name in served else get_option(name))
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "nothing"))
    return tmp_path / "nothing"


def report(at: AppTest) -> str:
    return str(at.code[-1].value)


def test_on_a_sound_machine_nothing_is_wrong(nothing: Path) -> None:
    at = drawn_page("doctor")
    assert not at.exception
    assert "Nothing is wrong" in texts_of(at)
    assert f"python -m ingest FOLDER --embed-model bundled --indexes {nothing}" in [code.value for code in at.code]


def test_the_report_is_what_the_command_prints(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The other workers' files come and go between the two looks at the disk.
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(100 * 10**9, 55 * 10**9, 45 * 10**9))
    assert report(drawn_page("doctor")) == as_text(examine(load_settings()))


def test_a_damaged_base_comes_first_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, make_base: MakeBase
) -> None:
    base = make_base()
    (base.open().folder / "chunks.sqlite").unlink()
    monkeypatch.setenv("RAG_APP_INDEXES", str(base.indexes))
    at = drawn_page("doctor")
    assert not at.exception
    assert at.code[0].value == f"python -m ingest --kb small --rebuild --indexes {base.indexes}"
    assert report(at).startswith("wrong  The knowledge base 'small' cannot be opened as it is.")
    assert "things are wrong" in texts_of(at) or "thing is wrong" in texts_of(at)


def test_in_chinese_nothing_is_english_but_names_and_commands(nothing: Path) -> None:
    at = drawn_page("doctor", language="zh")
    assert not at.exception
    sentences = [element.value for element in [*at.title, *at.subheader, *at.text]]
    details = {element.value for expander in at.expander if "英文" in expander.label for element in expander.text}
    english = [text for text in sentences if text not in details and not re.search(r"[\u3400-\u9fff]", text)]
    assert english == []
    assert "还没有知识库" in texts_of(at)


def test_a_check_that_breaks_does_not_break_the_page(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: 1 / 0)
    at = drawn_page("doctor")
    assert not at.exception
    assert "The check 'check_index_root' could not be made." in texts_of(at)


def test_settings_are_listed_with_where_they_were_set(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "9")
    at = drawn_page("doctor")
    (table,) = at.dataframe
    line = table.value[table.value["Setting"] == "retrieval.top_k"].iloc[0]
    assert (line["Value"], line["Set by"]) == ("9", "environment")


def test_what_is_broken_is_looked_at_again(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_RERANKER", "/no/such/model")
    at = drawn_page("doctor")
    assert "The reranker /no/such/model" in texts_of(at)
    monkeypatch.delenv("RAG_APP_RERANKER")
    at.button[0].click().run()
    assert "The reranker /no/such/model" not in texts_of(at)


def test_an_app_that_is_served_otherwise_than_shipped_is_told(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get_option = streamlit.get_option
    monkeypatch.setattr(
        streamlit, "get_option", lambda name: "0.0.0.0" if name == "server.address" else get_option(name)
    )
    assert 'The app is served with server.address = "0.0.0.0"' in texts_of(drawn_page("doctor"))
