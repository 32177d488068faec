"""The file of the app's records: what is said where it cannot be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rag_app.errors import StorageError
from rag_app.store.records import database
from rag_app.store.records.database import records, records_file

SCHEMA = "CREATE TABLE IF NOT EXISTS things (name TEXT)"


def test_a_file_that_another_program_holds_is_not_to_be_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    with records(tmp_path, SCHEMA) as connection:
        connection.execute("INSERT INTO things VALUES ('kept')")
    with closing(sqlite3.connect(records_file(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(StorageError, match="Another program holds") as caught,
            records(tmp_path, SCHEMA) as connection,
        ):
            connection.execute("INSERT INTO things VALUES ('not kept')")
        assert caught.value.remedy == "Wait a moment, then try again."
        other.execute("ROLLBACK")
    with records(tmp_path, SCHEMA) as connection:
        assert [row["name"] for row in connection.execute("SELECT name FROM things")] == ["kept"]


def test_what_is_deleted_or_written_over_stands_in_no_free_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def without(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA secure_delete = OFF")  # the default of some libraries, and not of others
        return connection

    monkeypatch.setattr(sqlite3, "connect", without)
    with records(tmp_path, SCHEMA) as connection:
        connection.executemany("INSERT INTO things VALUES (?)", [("zanzibar" * 1000,), ("wren-nine" * 1000,)])
    with records(tmp_path, SCHEMA) as connection:
        connection.execute("DELETE FROM things WHERE name LIKE 'zanzibar%'")
        connection.execute("UPDATE things SET name = 'short'")
    content = b"".join(file.read_bytes() for file in records_file(tmp_path).parent.iterdir())
    assert b"short" in content
    assert b"zanzibar" not in content
    assert b"wren-nine" not in content


def test_a_damaged_file_is_to_be_moved_away(tmp_path: Path) -> None:
    file = records_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError, match="cannot be used") as caught, records(tmp_path, SCHEMA):
        pass
    assert caught.value.remedy.startswith("Move records.sqlite away")
