"""Narrowing in Streamlit's own test harness: what can be chosen, what it does to an answer, and how it is undone."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from tests.ui.test_ask_page import page, shown

QUESTION = "What needs Harbour Connect?"
FILES = {
    "docs/en/vpn.md": "---\ndate: 2024-05-01\n---\n# VPN\n\nThe VPN needs Harbour Connect 6.2 on every computer.",
    "docs/en/it/admin.txt": "The administrators need Harbour Connect 7.0 on their computers, and a token.",
    "docs/zh/密码.md": "---\ndate: 2025-06-30\n---\n# 忘记密码\n\n请打开重置页面设置新密码，需要 Harbour Connect。",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        os.utime(folder / name, (1_704_067_200, 1_704_067_200))  # 2024-01-01


def make(folder: Path, tiny_embedder: Path) -> Path:
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(tiny_embedder),)), settings, lambda event: None)
    return folder / "indexes"


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    folder = tmp_path_factory.mktemp("narrowing")
    write(folder, FILES)
    return make(folder, tiny_embedder)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, indexes: Path, page_generator: Path) -> AppTest:
    at = page(monkeypatch, indexes, page_generator)
    at.selectbox(key="generator").set_value("none").run()
    assert not at.exception
    return at


def asked(at: AppTest) -> str:
    at.chat_input[0].set_value(QUESTION).run()
    assert not at.exception
    assert not at.warning
    return shown(at)


def test_what_there_is_can_be_chosen(at: AppTest) -> None:
    choices = {box.label: box.options for box in at.multiselect}
    assert choices == {
        "Folders": ["docs", "docs/en", "docs/en/it", "docs/zh"],
        "Types": ["md", "txt"],
        "Languages": ["en", "zh"],
    }
    assert [(box.label, box.min, box.max, box.value) for box in at.date_input] == [
        ("From", date(2024, 1, 1), date(2025, 6, 30), None),
        ("To", date(2024, 1, 1), date(2025, 6, 30), None),
    ]
    assert "Only in" not in shown(at)
    assert at.button(key="clear small").disabled


def test_an_answer_comes_from_what_was_chosen_and_says_so_after_it_was_undone(at: AppTest) -> None:
    at.multiselect[0].set_value(["docs/en"]).run()
    at.multiselect[1].set_value(["txt"]).run()
    page_text = asked(at)
    assert "Only in: folder=docs/en, type=txt" in page_text
    assert "docs/en/it/admin.txt" in page_text
    assert "vpn.md" not in page_text
    assert "密码" not in page_text
    at.button(key="clear small").click().run()
    assert [box.value for box in at.multiselect] == [[], [], []]
    assert at.button(key="clear small").disabled
    assert shown(at).count("Only in: folder=docs/en, type=txt") == 1  # the answer keeps it
    assert "vpn.md" in asked(at)


def test_dates_may_be_left_open_at_either_end(at: AppTest) -> None:
    at.date_input[0].set_value(date(2024, 4, 1)).run()
    page_text = asked(at)
    assert "Only in: date=2024-04-01.." in page_text
    assert "admin.txt" not in page_text
    at.date_input[1].set_value(date(2024, 12, 31)).run()
    page_text = asked(at)
    assert "Only in: date=2024-04-01..2024-12-31" in page_text
    assert at.date_input[1].min == date(2024, 4, 1)  # no range ends before it begins
    at.date_input[0].set_value(date(2025, 1, 1)).run()
    assert at.date_input[1].value is None
    assert not at.exception


def test_choices_that_exclude_one_another_are_a_problem_that_is_named(at: AppTest) -> None:
    at.multiselect[0].set_value(["docs/zh"]).run()
    at.multiselect[1].set_value(["txt"]).run()
    assert "No passage matches all of these filters together: folder=docs/zh, type=txt" in asked(at)


def test_what_was_chosen_and_is_gone_with_a_new_version_is_no_longer_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_embedder: Path, page_generator: Path
) -> None:
    write(tmp_path, FILES)
    indexes = make(tmp_path, tiny_embedder)
    at = page(monkeypatch, indexes, page_generator)
    at.selectbox(key="generator").set_value("none").run()
    at.multiselect[0].set_value(["docs/zh", "docs/en"]).run()
    at.date_input[0].set_value(date(2025, 6, 30)).run()
    (tmp_path / "docs/zh/密码.md").unlink()
    make(tmp_path, tiny_embedder)
    at.run()
    assert not at.exception
    assert at.multiselect[0].value == ["docs/en"]
    assert at.date_input[0].value is None
    assert "Only in: folder=docs/en" in asked(at)
