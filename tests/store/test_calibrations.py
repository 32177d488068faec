"""Calibrations on disk: written whole, read back, and passed over by name where they cannot be used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rag_app.errors import StorageError
from rag_app.store import calibrations
from rag_app.store.calibrations import (
    Calibration,
    Calibrations,
    read_calibrations,
    remove_calibrations,
    write_calibration,
)
from tests.calibrations import made_calibration
from tests.conftest import SmallBase


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    return tmp_path / "handbook"


def test_what_was_written_is_read(base: Path) -> None:
    calibration = made_calibration()
    path = write_calibration(base, calibration, "<svg/>")
    assert path.parent == base / "calibration"
    assert re.fullmatch(rf"{calibration.fingerprint}-hybrid-mine-1-abcdef01-[0-9a-f]{{8}}\.json", path.name)
    assert read_calibrations(base) == Calibrations((calibration,))
    assert path.with_suffix(".svg").read_text() == "<svg/>"
    assert {one.name for one in path.parent.iterdir()} == {path.name, path.with_suffix(".svg").name}


def test_the_newest_is_first_and_the_same_question_set_is_replaced(base: Path) -> None:
    first = made_calibration()
    newer = made_calibration(created_at="2026-02-02T03:04:05.678+00:00", questions_sha256="1" * 64)
    again = made_calibration(created_at="2026-03-02T03:04:05.678+00:00")
    for one in (first, newer, again):
        write_calibration(base, one, "")
    assert read_calibrations(base).usable == (again, newer)


@pytest.mark.parametrize("name", ["测试 问题", "..", "/etc/passwd", "a" * 300, ""])
def test_a_question_set_of_any_name_is_a_file_in_the_folder(base: Path, name: str) -> None:
    path = write_calibration(base, made_calibration(question_set=name), "")
    assert path.parent == base / "calibration"
    assert read_calibrations(base).usable[0].question_set == name


def test_there_is_none(base: Path) -> None:
    assert read_calibrations(base) == Calibrations()
    assert remove_calibrations(base) == 0


def test_every_byte_that_is_changed_is_noticed_and_the_file_named(base: Path) -> None:
    path = write_calibration(base, made_calibration(), "")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = read_calibrations(base)
        assert found.usable == ()
        assert str(path) in found.ignored[0]
        assert "Make it again: rag-app kb calibrate handbook --questions FILE" in found.ignored[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\x00", "ignored"),
        (b"[]", "it is not one"),
        (b"{}", "it is not one"),
        (b'{"format_version": 0}', "its format is 0, this program reads 1"),
        (b'{"format_version": "' + b"9" * 90 + b'"}', "its format is"),
        (b'{"format_version": 1, "sum": ""}', "it is not one"),
        (b"[" * 100_000, "ignored"),
    ],
)
def test_a_foreign_or_old_file_is_named_and_the_others_are_used(base: Path, content: bytes, reason: str) -> None:
    usable = made_calibration()
    write_calibration(base, usable, "")
    (base / "calibration" / "foreign.json").write_bytes(content)
    found = read_calibrations(base)
    assert found.usable == (usable,)
    assert reason in found.ignored[0]


def test_numbers_that_cannot_be_used_are_refused(base: Path) -> None:
    calibration = made_calibration()
    for changes in ({"weights": (1.0,)}, {"weights": (1.0, float("nan"), 1.0)}, {"weights": ("a", 1.0, 1.0)}):
        values = calibration.model.__dict__ | changes
        text = made_calibration(model=type(calibration.model)(**values)).to_json()
        with pytest.raises(ValueError, match=r"number|it is not one"):
            Calibration.from_json(text.encode())


def test_a_file_under_the_name_of_another_model_is_passed_over(base: Path) -> None:
    path = write_calibration(base, made_calibration(), "")
    path.rename(path.with_name(f"other-{path.name}"))
    found = read_calibrations(base)
    assert found.usable == ()
    assert "that of another model" in found.ignored[0]


def test_a_write_that_fails_leaves_what_was_there(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made_calibration()
    write_calibration(base, before, "")

    def full(path: Path, text: str) -> None:
        path.write_text(text[:10])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(calibrations, "write_text", full)
    with pytest.raises(StorageError, match="is full"):
        write_calibration(base, made_calibration(questions=99), "")
    assert read_calibrations(base) == Calibrations((before,))
    monkeypatch.undo()
    write_calibration(base, before, "")
    assert not [path for path in (base / "calibration").iterdir() if path.name.startswith(".pending")]


def test_everything_that_was_measured_is_removed_also_what_is_damaged(base: Path) -> None:
    path = write_calibration(base, made_calibration(), "<svg/>")
    (path.parent / "damaged.json").write_text("{")
    (path.parent / "mine.txt").write_text("a note")
    assert remove_calibrations(base) == 2
    assert [left.name for left in path.parent.iterdir()] == ["mine.txt"]
    assert read_calibrations(base) == Calibrations()


def test_nothing_of_a_question_or_a_document_is_in_the_file(base: Path) -> None:
    values = json.loads(made_calibration().to_json())
    texts = [key for key, value in values.items() if isinstance(value, str)]
    assert sorted(texts) == [
        "created_at",
        "embedder",
        "fingerprint",
        "generation",
        "question_set",
        "questions_sha256",
        "retriever",
        "sum",
    ]


def test_a_base_with_a_calibration_is_still_one_and_whole(small_base: SmallBase) -> None:
    write_calibration(small_base.indexes / small_base.name, made_calibration(), "")
    assert small_base.open().chunk_count > 0
