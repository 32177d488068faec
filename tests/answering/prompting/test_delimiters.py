"""The mark around the passages: unknown to others, the same for the same texts on one machine, in none of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rag_app.answering.prompting import delimiters
from rag_app.answering.prompting.delimiters import delimiter_for


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setattr(delimiters, "user_data_folder", lambda: folder)
    return folder


def forget() -> None:
    """Do as a new process would."""
    delimiters._key.cache_clear()


def test_the_same_texts_give_the_same_mark_also_in_another_process(data: Path) -> None:
    first = delimiter_for(["How long?", "Locked."])
    assert re.fullmatch("[a-z]{8}", first)
    forget()
    assert delimiter_for(["How long?", "Locked."]) == first


def test_other_texts_and_other_machines_give_other_marks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [["a", "b"], ["ab"], ["a", "b", ""], ["", "a", "b"], ["b", "a"]]
    marks = {delimiter_for(case) for case in texts}
    assert len(marks) == len(texts)
    monkeypatch.setattr(delimiters, "user_data_folder", lambda: tmp_path / "another machine")
    assert delimiter_for(texts[0]) not in marks


def test_a_mark_that_stands_in_a_text_is_not_taken(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimiters, "_delimiter", lambda key, texts, attempt: ["aaaaaaaa", "bbbbbbbb"][attempt])
    assert delimiter_for(["xAAAAAAAAx"]) == "bbbbbbbb"
    assert delimiter_for(["aaaa", "aaaa"]) == "aaaaaaaa", "texts are not joined"


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_only_its_owner_reads_the_key(data: Path) -> None:
    delimiter_for(["a"])
    assert [path.name for path in data.iterdir()] == ["delimiter.key"]
    assert (data / "delimiter.key").stat().st_mode & 0o777 == 0o600
    assert (data / "delimiter.key").stat().st_size == 32


def test_the_key_of_another_process_is_kept(data: Path) -> None:
    data.mkdir()
    (data / "delimiter.key").write_bytes(b"k" * 32)
    delimiters._make_key(data / "delimiter.key")
    assert [(path.name, path.read_bytes()) for path in data.iterdir()] == [("delimiter.key", b"k" * 32)]


@pytest.mark.parametrize("damage", ["a file in the way", "a short key"])
def test_without_a_kept_key_this_process_has_its_own(data: Path, damage: str) -> None:
    if damage == "a short key":
        data.mkdir()
        (data / "delimiter.key").write_bytes(b"short")
    else:
        data.write_text("not a folder")
    first = delimiter_for(["a"])
    forget()
    assert delimiter_for(["a"]) == first
    assert first == delimiters._delimiter(delimiters._PROCESS_KEY, ["a"], 0)


def test_half_a_pair_in_a_text_is_no_obstacle(data: Path) -> None:
    assert delimiter_for(["\ud800"]) != delimiter_for(["\ufffd"])
