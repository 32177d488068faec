"""Sources: which files a build reads, under which names, and what it leaves alone and says so."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ingest.loaders.registry import FORMATS
from ingest.sources import InputFile, discover, is_gone, read_input, resolve_sources
from rag_app.datatypes import DocumentReport, FileStatus
from rag_app.errors import DocumentError, SourceError
from rag_app.store.layout import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    return docs


def found(*folders: Path, max_bytes: int = 1000) -> list[InputFile | DocumentReport]:
    return list(discover([Source(folder.name, str(folder)) for folder in folders], max_bytes=max_bytes))


def one(folder: Path, **options: int) -> InputFile | DocumentReport:
    (entry,) = found(folder, **options)
    return entry


def refusal(folder: Path, **options: int) -> tuple[FileStatus, str]:
    entry = one(folder, **options)
    assert isinstance(entry, DocumentReport)
    return entry.status, entry.reason


# What is named


def test_a_source_is_named_by_its_folder_and_kept_by_its_absolute_path(folder: Path) -> None:
    os.chdir(folder.parent)
    assert resolve_sources([Path("docs")], [], replace=False) == (Source("docs", str(folder)),)


def test_a_dot_is_named_by_the_folder_it_stands_for(folder: Path) -> None:
    os.chdir(folder)
    assert resolve_sources([Path()], [], replace=False) == (Source("docs", str(folder)),)


def test_sources_of_the_same_name_get_names_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / parent / "docs" for parent in "abc"]
    for path in paths:
        path.mkdir(parents=True)
    names = [source.name for source in resolve_sources(paths, [], replace=False)]
    assert names == ["docs", "docs (2)", "docs (3)"]


def test_a_source_named_twice_is_one(folder: Path) -> None:
    before = resolve_sources([folder, folder / ".." / "docs"], [], replace=False)
    assert len(before) == 1
    assert resolve_sources([folder], before, replace=False) == before


def test_new_sources_are_added_to_those_before(folder: Path) -> None:
    before = Source("docs", "/elsewhere/docs")
    assert resolve_sources([folder], [before], replace=False) == (before, Source("docs (2)", str(folder)))


def test_none_named_means_those_before() -> None:
    before = (Source("docs", "/elsewhere/docs"),)
    assert resolve_sources([], before, replace=False) == before
    assert resolve_sources([], before, replace=True) == before


def test_replace_takes_those_named_alone(folder: Path) -> None:
    before = [Source("docs", "/elsewhere/docs")]
    assert resolve_sources([folder], before, replace=True) == (Source("docs", str(folder)),)


def test_a_path_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no file or folder .*手册\. Check the path\."):
        resolve_sources([tmp_path / "手册"], [], replace=False)


# What is found


def test_files_come_sorted_by_name_folder_by_folder_in_the_order_of_the_sources(tmp_path: Path) -> None:
    for path in ("two/b.md", "two/a/z.txt", "two/c.MD", "two/密码.md", "one/x.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("text")
    entries = found(tmp_path / "two", tmp_path / "one")
    assert [entry.path for entry in entries] == ["two/a/z.txt", "two/b.md", "two/c.MD", "two/密码.md", "one/x.md"]
    assert all(isinstance(entry, InputFile) for entry in entries)


def test_a_single_file_is_a_source(folder: Path) -> None:
    file = folder / "a.md"
    file.write_text("text")
    entry = one(file)
    assert isinstance(entry, InputFile)
    assert entry == InputFile(file, "a.md", 4, 1000)


def test_a_source_that_is_gone_yields_nothing(tmp_path: Path) -> None:
    assert found(tmp_path / "gone") == []


def test_a_link_to_a_file_or_folder_is_not_followed(folder: Path) -> None:
    (folder.parent / "secret.md").write_text("secret")
    (folder / "a.md").symlink_to(folder.parent / "secret.md")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.md").symlink_to("nowhere")
    reports = found(folder)
    assert [entry.path for entry in reports] == ["docs/a.md", "docs/broken.md", "docs/loop"]
    assert {(entry.status, entry.reason) for entry in reports} == {  # type: ignore[union-attr]
        (FileStatus.SKIPPED, "It is a link; links are not followed.")
    }


def test_a_link_that_the_user_names_is_the_source(folder: Path) -> None:
    (folder / "a.md").write_text("text")
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert [entry.path for entry in found(link)] == ["link/a.md"]


@pytest.mark.parametrize("name", ["~$letter.docx", "Thumbs.db", "desktop.ini"])
def test_what_programs_keep_for_themselves_is_passed_over_and_said(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    entry = one(folder)
    assert isinstance(entry, DocumentReport)
    assert (entry.status, entry.intended) == (FileStatus.SKIPPED, True)


@pytest.mark.parametrize("name", [".hidden.md", ".git"])
def test_what_is_hidden_is_passed_over_and_said(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / "a.md").write_text("text")
    assert refusal(folder) == (FileStatus.SKIPPED, "It is hidden.")


def test_a_pipe_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")
    assert refusal(folder) == (FileStatus.SKIPPED, "It is not a regular file.")


def test_a_format_that_is_not_supported_is_said_with_those_that_are(folder: Path) -> None:
    (folder / "tool.exe").write_bytes(b"MZ")
    assert one(folder) == DocumentReport(
        "docs/tool.exe",
        FileStatus.SKIPPED,
        "Its format is not read.",
        remedy=f"Formats that are read: {FORMATS}.",
    )


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("old.doc", "Save it as .docx."), ("OLD.XLS", "Save it as .xlsx."), ("mail.msg", "Save it as .eml.")],
)
def test_a_format_that_people_have_is_said_with_what_to_make_of_it(folder: Path, name: str, remedy: str) -> None:
    (folder / name).write_bytes(b"x")
    entry = one(folder)
    assert isinstance(entry, DocumentReport)
    assert (entry.status, entry.remedy) == (FileStatus.SKIPPED, remedy)


def test_a_file_that_is_too_large_is_said_with_the_setting(folder: Path) -> None:
    (folder / "big.md").write_bytes(b"x" * 3_000_001)
    status, reason = refusal(folder, max_bytes=2_000_000)
    assert status is FileStatus.SKIPPED
    assert reason == "It has 3 MB, more than 2 MB."
    assert "RAG_APP_LIMITS__FILE_MEGABYTES" in one(folder, max_bytes=2_000_000).remedy  # type: ignore[union-attr]


def test_a_file_of_just_the_limit_is_read(folder: Path) -> None:
    (folder / "a.md").write_bytes(b"x" * 1000)
    assert isinstance(one(folder, max_bytes=1000), InputFile)


def test_a_folder_that_cannot_be_read_is_said_and_the_others_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "closed").mkdir()
    (folder / "open.md").write_text("text")
    listed = os.scandir

    def denied(path: Path) -> object:  # permissions do not bind the root user that tests may run as
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", denied)
    closed, opened = found(folder)
    assert closed == DocumentReport(
        "docs/closed",
        FileStatus.FAILED,
        "The folder cannot be read: Permission denied.",
        "Make it readable, then run again.",
    )
    assert opened.path == "docs/open.md"


def test_a_name_that_is_no_unicode_gets_a_path_that_is(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"caf\xe9.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    entry = one(folder)
    assert isinstance(entry, InputFile)
    assert entry.path == "docs/caf\\xe9.md"
    assert entry.file.read_text() == "text"


def test_the_questions_of_a_beir_data_set_are_no_documents(folder: Path) -> None:
    for path in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "README.md"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text("x")
    entries = {entry.path: entry for entry in found(folder)}
    assert isinstance(entries["docs/corpus.jsonl"], InputFile)
    assert isinstance(entries["docs/README.md"], InputFile)
    for path in ("docs/qrels", "docs/queries.jsonl"):
        assert entries[path] == DocumentReport(
            path, FileStatus.SKIPPED, "It holds questions of a BEIR data set, not documents.", intended=True
        )


def test_without_a_corpus_such_names_are_ordinary(folder: Path) -> None:
    (folder / "queries.md").write_text("x")
    assert isinstance(one(folder), InputFile)


def test_a_file_that_two_sources_hold_is_read_once(folder: Path) -> None:
    (folder / "part").mkdir()
    (folder / "part" / "a.md").write_text("x")
    entries = found(folder, folder / "part")
    assert [entry.path for entry in entries] == ["docs/part/a.md", "part/a.md"]
    assert entries[1] == DocumentReport(
        "part/a.md", FileStatus.SKIPPED, "It is read already, as docs/part/a.md.", intended=True
    )


def test_a_second_name_of_a_file_is_reported_with_the_first(folder: Path) -> None:
    (folder / "a.md").write_text("x")
    (folder / "b.md").hardlink_to(folder / "a.md")
    assert found(folder)[1] == DocumentReport(
        "docs/b.md", FileStatus.SKIPPED, "It is read already, as docs/a.md.", intended=True
    )


def test_a_second_name_that_is_not_read_hides_no_file(folder: Path) -> None:
    (folder / "a.bak").write_text("x")
    (folder / "b.md").hardlink_to(folder / "a.bak")
    skipped, read = found(folder)
    assert isinstance(skipped, DocumentReport)
    assert isinstance(read, InputFile)


def test_two_files_of_one_name_named_as_sources_keep_their_ending(tmp_path: Path) -> None:
    files = [tmp_path / parent / "notes.txt" for parent in "ab"]
    for file in files:
        file.parent.mkdir()
        file.write_text("text")
    sources = resolve_sources(files, [], replace=False)
    assert [source.name for source in sources] == ["notes.txt", "notes (2).txt"]
    assert all(isinstance(entry, InputFile) for entry in discover(sources, max_bytes=100))


def test_a_link_to_a_file_that_the_user_names_is_read_and_hides_nothing(folder: Path) -> None:
    (folder / "target.md").write_text("text")
    (folder.parent / "link.md").symlink_to(folder / "target.md")
    (entry,) = found(folder.parent / "link.md")
    assert isinstance(entry, InputFile)
    assert (entry.path, read_input(entry).data) == ("link.md", b"text")


def test_names_that_become_one_when_they_are_shown_get_paths_of_their_own(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"caf\xe9.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    (folder / "caf\\xe9.md").write_text("text")
    assert len({entry.path for entry in found(folder)}) == 2


def test_a_source_whose_path_is_no_unicode_is_refused_in_a_sentence(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"src\xe9")
    try:
        source.mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    with pytest.raises(SourceError, match=r"src\\xe9 is not Unicode.*Rename it"):
        resolve_sources([source], [], replace=False)


def test_a_socket_is_not_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.md")
        assert refusal(folder) == (FileStatus.SKIPPED, "It is not a regular file.")


def test_a_folder_named_like_a_file_is_a_folder(folder: Path) -> None:
    (folder / "x.txt").mkdir()
    (folder / "x.txt" / "a.md").write_text("text")
    assert [entry.path for entry in found(folder)] == ["docs/x.txt/a.md"]


def test_five_hundred_folders_in_one_another_are_walked(folder: Path) -> None:
    deep = folder.joinpath(*["d"] * 500)
    deep.mkdir(parents=True)
    (deep / "a.md").write_text("text")
    assert [entry.path for entry in found(folder)] == [f"docs/{'d/' * 500}a.md"]


@pytest.mark.parametrize("name", ["README", "LICENSE", "Makefile", "手册"])
def test_a_file_without_an_ending_is_read_as_text(folder: Path, name: str) -> None:
    (folder / name).write_text("text")
    assert isinstance(one(folder), InputFile)


# What is read


def test_the_bytes_of_a_file_are_read(folder: Path) -> None:
    (folder / "a.md").write_bytes(b"the bytes")
    assert read_input(InputFile(folder / "a.md", "docs/a.md", 1, 9)).data == b"the bytes"


@pytest.mark.parametrize(("seconds", "day"), [(1_714_607_999, "2024-05-01"), (1_714_608_000, "2024-05-02"), (0, "")])
def test_the_day_of_a_file_is_that_of_its_last_change_in_utc(folder: Path, seconds: int, day: str) -> None:
    (folder / "a.md").write_text("text")
    os.utime(folder / "a.md", (seconds, seconds))
    assert read_input(InputFile(folder / "a.md", "docs/a.md", 1, 100)).date == day


def test_a_file_that_became_a_link_meanwhile_is_not_followed(folder: Path) -> None:
    (folder / "secret.md").write_text("secret")
    (folder / "a.md").symlink_to(folder / "secret.md")
    with pytest.raises(DocumentError, match="It cannot be read: Too many levels of symbolic links"):
        read_input(InputFile(folder / "a.md", "docs/a.md", 1, 100))


def test_a_file_that_became_a_pipe_meanwhile_does_not_hang_the_build(folder: Path) -> None:
    os.mkfifo(folder / "a.md")
    with pytest.raises(DocumentError, match="It is not a regular file"):
        read_input(InputFile(folder / "a.md", "docs/a.md", 1, 100))


def test_a_file_that_is_gone_meanwhile_is_said(folder: Path) -> None:
    with pytest.raises(DocumentError, match="It cannot be read: No such file or directory"):
        read_input(InputFile(folder / "a.md", "docs/a.md", 1, 100))


def test_a_file_that_has_grown_beyond_the_limit_is_refused(folder: Path) -> None:
    (folder / "a.md").write_bytes(b"x" * 101)
    with pytest.raises(DocumentError, match="It has 0 MB, more than 0 MB"):
        read_input(InputFile(folder / "a.md", "docs/a.md", 1, 100))


@pytest.mark.parametrize(("changes", "is_read"), [(1, True), (5, False)], ids=["once", "all the time"])
def test_a_file_that_is_written_while_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, changes: int, is_read: bool
) -> None:
    file = folder / "a.md"
    file.write_bytes(b"first")
    looked = os.fstat
    left = [2 * changes]

    def look(descriptor: int) -> os.stat_result:
        status = looked(descriptor)
        if left[0]:
            left[0] -= 1
            with file.open("ab") as writer:
                writer.write(b" more")
        return status

    monkeypatch.setattr(os, "fstat", look)
    entry = InputFile(file, "docs/a.md", 5, 1000)
    if is_read:
        assert read_input(entry).data == b"first more more"
    else:
        with pytest.raises(DocumentError, match=r"changed while it was being read\. Run the command again"):
            read_input(entry)


def test_the_index_root_is_never_a_source(folder: Path) -> None:
    (folder / "indexes" / "kb").mkdir(parents=True)
    (folder / "indexes" / "kb" / "report.json").write_text("{}")
    sources = [Source("docs", str(folder))]
    (entry,) = discover(sources, max_bytes=1000, passed_over=folder / "indexes")
    assert entry == DocumentReport("docs/indexes", FileStatus.SKIPPED, "It is the index root.", intended=True)


def test_a_path_that_is_too_long_is_no_traceback(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no file or folder x+\."):
        resolve_sources([Path("x" * 5000)], [], replace=False)


def test_a_source_that_may_not_be_looked_at_is_a_line_of_the_report_and_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, open_ = tmp_path / "locked", tmp_path / "open"
    for folder in (locked, open_):
        folder.mkdir()
        (folder / "a.md").write_text("Text.")
    sources = resolve_sources([locked, open_], [], replace=False)
    look = Path.stat

    def refused(path: Path, **options: bool) -> os.stat_result:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return look(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    first, *others = discover(sources, max_bytes=100)
    assert isinstance(first, DocumentReport)
    assert (first.path, first.status) == ("locked", FileStatus.FAILED)
    assert "Permission denied" in first.reason
    assert [entry.path for entry in others] == ["open/a.md"]
    assert [is_gone(source) for source in sources] == [False, False]


def test_an_unknown_home_is_a_path_that_is_not_there() -> None:
    with pytest.raises(SourceError, match="There is no file or folder ~nobody-of-that-name/x"):
        resolve_sources([Path("~nobody-of-that-name/x")], [], replace=False)
