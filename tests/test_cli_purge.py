"""`rag-app kb purge` and `rag-app kb delete`: what they print, what they ask, and their exit codes."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from rag_app.store import writer
from tests.commands import Run
from tests.conftest import SmallBase


def kb(command: str, base: SmallBase, *options: str) -> tuple[str | Path, ...]:
    return ("kb", command, base.name, "--indexes", base.indexes, *options)


def purge(base: SmallBase, *options: str) -> tuple[str | Path, ...]:
    return kb("purge", base, "--document", "docs/vpn.md", *options)


class Terminal(io.StringIO):
    """Standard input where a person sits."""

    def isatty(self) -> bool:
        return True


def files_of(base: SmallBase) -> int:
    return sum(path.is_file() for path in base.indexes.rglob("*"))


# kb purge


def test_purge_says_what_was_removed_and_what_was_searched(run: Run, small_base: SmallBase) -> None:
    result = run(*purge(small_base))
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "docs/vpn.md is removed; gen-00000002 is live, and no older version is kept."
    assert lines[1] == "1 passage and 0 cached vectors were removed."
    assert lines[2].startswith(f"{files_of(small_base)} files (")
    assert lines[2].endswith("pieces of its text that no other document has, and for 1 vector: none found.")
    assert "Harbour" not in result.out


def test_purge_gives_all_of_it_as_json(run: Run, small_base: SmallBase) -> None:
    result = run(*purge(small_base, "--document", "docs/密码.md", "--json"))
    assert result.code == 0
    traces = result.json.pop("traces")
    assert result.json | {"traces": traces} == {
        "kb": "small",
        "generation": "gen-00000002",
        "documents": ["docs/vpn.md", "docs/密码.md"],
        "before": [],
        "sources": [],
        "passages": 2,
        "cached_vectors": 0,
        "calibrations": 0,
        "missing_vectors": 0,
        "traces": traces,
    }
    assert set(traces) == {"pieces", "searched", "vectors", "files", "bytes", "found", "found_in"}
    assert (traces["found"], traces["found_in"]) == (0, [])


def test_text_that_is_left_ends_the_command_with_1_and_the_file_is_named(run: Run, small_base: SmallBase) -> None:
    (small_base.indexes / "small" / "notes.txt").write_text("# VPN\n\nThe VPN needs Harbour Connect 6.2.")
    result = run(*purge(small_base, "--json"))
    assert result.code == 1
    assert result.json["traces"]["found_in"] == ["notes.txt"]
    assert "Text of the document is left in notes.txt." in result.err


def test_a_second_purge_exits_with_0_and_says_that_it_was_done_before(run: Run, small_base: SmallBase) -> None:
    run(*purge(small_base))
    again = run(*purge(small_base))
    assert again.code == 0
    assert again.out == "docs/vpn.md was purged before: there is nothing left of it to remove, nor to search for.\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Missing option '--document'"),
        (("--document", "vpn.md"), "'small' has no document vpn.md. Near it: docs/vpn.md."),
        (
            ("--document", "docs/vpn.md", "--document", "docs/密码.md", "--document", "docs/passwords.md"),
            "rag-app kb delete small",
        ),
    ],
)
def test_wrong_usage_of_purge_exits_with_2(
    run: Run, small_base: SmallBase, options: tuple[str, ...], said: str
) -> None:
    result = run(*kb("purge", small_base, *options))
    assert result.code == 2
    assert said in result.err
    assert small_base.open().chunk_count == 3


def test_purge_beside_a_build_exits_with_4(run: Run, small_base: SmallBase) -> None:
    with writer.writer_lock(small_base.indexes / "small"):
        assert run(*purge(small_base)).code == 4


def test_control_characters_of_a_path_are_shown_and_not_obeyed(run: Run, small_base: SmallBase) -> None:
    result = run(*kb("purge", small_base, "--document", "docs/\x1b[2J.md"))
    assert result.code == 2
    assert "\x1b" not in result.err


# kb delete


def test_a_program_that_deletes_is_not_asked(run: Run, small_base: SmallBase) -> None:
    result = run(*kb("delete", small_base))
    assert (result.code, result.err) == (0, "")
    assert not (small_base.indexes / "small").exists()


def test_delete_with_yes_says_what_was_deleted(run: Run, small_base: SmallBase) -> None:
    files = files_of(small_base)
    result = run(*kb("delete", small_base, "--yes"))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"'small' is deleted: 3 documents, {files} files, ")
    assert result.out.endswith(" What it was built from is untouched.\n")
    assert list(small_base.indexes.iterdir()) == []


def test_delete_gives_it_as_json(run: Run, small_base: SmallBase) -> None:
    files = files_of(small_base)
    size = sum(path.stat().st_size for path in small_base.indexes.rglob("*") if path.is_file())
    result = run(*kb("delete", small_base, "--yes", "--json"))
    folder = str(small_base.indexes / "small")
    assert result.json == {"kb": "small", "folder": folder, "documents": 3, "files": files, "bytes": size}


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1)])
def test_delete_asks_on_a_terminal(
    run: Run, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    result = run(*kb("delete", small_base, "--json"))
    assert result.code == code
    assert "Delete 'small' (3 documents, " in result.err
    assert ("Nothing was deleted." in result.err) == bool(left)
    assert len(list(small_base.indexes.iterdir())) == left


def test_a_base_that_does_not_say_how_much_it_holds_is_deleted_all_the_same(run: Run, small_base: SmallBase) -> None:
    (small_base.indexes / "small" / "gen-00000001" / "manifest.json").write_text('{"format_version": 2}')
    assert "an unknown number of documents" in run(*kb("delete", small_base, "--yes")).out
    assert list(small_base.indexes.iterdir()) == []


def test_delete_of_what_is_not_there_exits_with_2_and_beside_a_build_with_4(run: Run, small_base: SmallBase) -> None:
    assert run("kb", "delete", "other", "--yes", "--indexes", small_base.indexes).code == 2
    with writer.writer_lock(small_base.indexes / "small"):
        assert run(*kb("delete", small_base, "--yes")).code == 4


@pytest.mark.parametrize("command", ["purge", "delete"])
def test_both_commands_have_help(run: Run, command: str) -> None:
    result = run("kb", command, "--help")
    assert (result.code, result.err) == (0, "")
    assert "Usage:" in result.out
