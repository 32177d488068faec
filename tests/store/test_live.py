"""Following the live generation: new ones are picked up, damaged ones named and stepped over, none mixed or left open."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import (
    FormatVersionError,
    KnowledgeBaseDamaged,
    KnowledgeBaseError,
    KnowledgeBaseNameError,
    KnowledgeBaseNotFound,
)
from rag_app.store import layout, writer
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.live import LiveKnowledgeBase, Served
from rag_app.store.publishing import Draft, ModelVectors
from rag_app.store.publishing import publish as publish_draft
from tests.children import as_nobody, in_a_child
from tests.conftest import MakeBase
from tests.open_files import needs_proc, open_generations
from tests.store.damage import with_format_version

GENERATIONS = ("gen-00000001", "gen-00000002")


@pytest.fixture
def publish(make_base: MakeBase) -> Callable[[int], Path]:
    """Give a function that publishes a generation whose texts carry a number; it returns the folder of the knowledge base."""

    def published(number: int) -> Path:
        base = make_base({f"docs/{name}.md": f"# Stand {number}\n\nText {name} of {number}." for name in "abc"})
        return base.indexes / base.name

    return published


@pytest.fixture
def base(publish: Callable[[int], Path]) -> Path:
    """The folder of a knowledge base with two generations."""
    publish(1)
    return publish(2)


def following(base: Path) -> LiveKnowledgeBase:
    return LiveKnowledgeBase(base.parent, base.name)


def generation_of(served: Served) -> str:
    """The generation that is served, after all of its texts were seen to be of it."""
    number = layout.generation_number(served.knowledge_base.generation)
    chunks = list(served.knowledge_base.chunks.all_chunks())
    assert chunks
    assert all(chunk.text.endswith(f"of {number}.") for chunk in chunks)
    return served.knowledge_base.generation


def flip(file: Path) -> None:
    """Change one bit in the middle of a file, whose size stays."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


# The live generation


def test_the_live_generation_is_served_without_a_notice(base: Path) -> None:
    served = following(base).current()
    assert generation_of(served) == "gen-00000002"
    assert served.notice == ""
    assert served.version.startswith("gen-00000002, built 20")


def test_a_new_generation_is_picked_up_and_the_one_before_stays_usable(
    publish: Callable[[int], Path], base: Path
) -> None:
    live = following(base)
    before = live.current()
    publish(3)
    publish(4)  # removes the files of the second
    assert not before.knowledge_base.folder.exists()
    assert generation_of(live.current()) == "gen-00000004"
    assert generation_of(before) == "gen-00000002"
    fingerprint = before.knowledge_base.models[0]
    assert before.knowledge_base.vectors(fingerprint).count == before.knowledge_base.keywords.count == 3


def test_what_has_not_changed_is_opened_and_read_once(base: Path) -> None:
    live = following(base)
    first = live.current()
    first.check.wait()
    again = live.current()
    assert again.knowledge_base is first.knowledge_base
    assert again.check is first.check


def test_every_file_is_read_in_the_background(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    go_on, read = threading.Event(), []
    file_problem = layout.file_problem

    def slowly(folder: Path, manifest: layout.Manifest, name: str) -> str:
        assert go_on.wait(60)
        read.append(name)
        return file_problem(folder, manifest, name)

    monkeypatch.setattr(layout, "file_problem", slowly)
    served = following(base).current()
    check = served.check
    assert (check.is_running, check.is_whole, check.problem) == (True, False, "")
    check.wait(0.01)
    assert check.is_running
    go_on.set()
    check.wait()
    assert (check.is_running, check.is_whole, check.problem) == (False, True, "")
    assert sorted(read) == sorted(served.knowledge_base.manifest.files)
    assert len(read) > 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_check_that_breaks_off_does_not_pass_for_whole(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    def broken(*_: object) -> str:
        raise SystemExit  # ends a thread without a word

    monkeypatch.setattr(layout, "file_problem", broken)
    with pytest.raises(KnowledgeBaseDamaged, match="gen-00000002 could not be read to its end"):
        following(base).verified()


def test_a_name_that_is_a_path_is_refused(base: Path) -> None:
    with pytest.raises(KnowledgeBaseNameError):
        LiveKnowledgeBase(base.parent, f"../{base.name}")


def test_a_base_that_is_not_there_or_no_longer_there_is_said(base: Path) -> None:
    with pytest.raises(KnowledgeBaseNotFound, match=r"no knowledge base 'none'"):
        LiveKnowledgeBase(base.parent, "none").current()
    live = following(base)
    live.current()
    shutil.rmtree(base)
    with pytest.raises(KnowledgeBaseNotFound, match=r"no knowledge base 'small'.*python -m ingest FOLDER --kb small"):
        live.current()


# Damage


def every_file(base: Path) -> list[str]:
    """The files of the live generation, by their paths inside."""
    folder = layout.read_current(base)[0]
    return [layout.MANIFEST, *layout.read_manifest(folder).files]


@pytest.mark.parametrize("harm", [Path.unlink, cut, empty, flip])
def test_the_generation_before_is_served_whatever_file_is_harmed_and_the_file_is_named(
    harm: Callable[[Path], None], base: Path
) -> None:
    names = every_file(base)
    assert len(names) > 6
    for name in names:
        file = base / "gen-00000002" / name
        content, times = file.read_bytes(), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
        harm(file)
        served = following(base).verified()
        assert generation_of(served) == "gen-00000001"
        assert str(file) in served.notice
        assert f"Answers come from {served.version}" in served.notice
        assert "--kb small --rebuild" in served.notice
        file.write_bytes(content)
        os.utime(file, ns=times)


@pytest.mark.parametrize("harm", [Path.unlink, cut, empty, flip])
def test_harm_that_comes_while_a_generation_is_served_is_seen_at_the_next_question(
    harm: Callable[[Path], None], base: Path
) -> None:
    for name in every_file(base):
        live = following(base)
        assert live.verified().notice == ""
        file = base / "gen-00000002" / name
        content = file.read_bytes()
        harm(file)
        served = live.verified()
        assert generation_of(served) == "gen-00000001"
        assert str(file) in served.notice
        file.write_bytes(content)
        repaired = live.verified()  # from a copy: the same bytes, and so the same generation
        assert (generation_of(repaired), repaired.notice) == ("gen-00000002", "")


def test_until_its_sums_are_read_a_generation_is_served_and_then_no_more(
    monkeypatch: pytest.MonkeyPatch, base: Path
) -> None:
    go_on = threading.Event()
    file_problem = layout.file_problem
    monkeypatch.setattr(layout, "file_problem", lambda *given: go_on.wait(60) and file_problem(*given))
    (file,) = (base / "gen-00000002").rglob("vectors.faiss")
    flip(file)
    live = following(base)
    served = live.current()
    assert (served.knowledge_base.generation, served.notice) == ("gen-00000002", "")
    go_on.set()
    served.check.wait()
    assert str(file) in served.check.problem
    assert str(file) in live.current().notice


def test_the_generation_before_is_served_where_the_live_one_may_not_be_read(base: Path) -> None:
    """As after a build by another user."""
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        copy = Path(shutil.copytree(base, Path(temporary) / base.name))
        for path in (Path(temporary), copy, *copy.rglob("*")):
            path.chmod(0o755)
        (copy / GENERATIONS[1]).chmod(0)

        def work() -> None:
            served = following(copy).current()
            assert generation_of(served) == GENERATIONS[0]
            assert "Permission denied" in served.notice
            assert f"chmod -R u+rX {copy}" in served.notice

        status = in_a_child(as_nobody(work))
        (copy / GENERATIONS[1]).chmod(0o700)
    assert status == 0


def test_two_damaged_generations_leave_nothing_to_serve_and_the_live_one_is_named(base: Path) -> None:
    live = following(base)
    live.current()
    for generation in GENERATIONS:
        flip(base / generation / layout.CHUNKS)
    with pytest.raises(KnowledgeBaseDamaged) as caught:
        live.verified()
    assert str(base / "gen-00000002" / layout.CHUNKS) in caught.value.found
    assert "--rebuild" in caught.value.remedy
    assert isinstance(caught.value, KnowledgeBaseError)


def test_the_notice_goes_away_with_the_next_generation(publish: Callable[[int], Path], base: Path) -> None:
    live = following(base)
    cut(base / "gen-00000002" / layout.CHUNKS)
    assert live.current().notice
    publish(3)
    served = live.current()
    assert (generation_of(served), served.notice) == ("gen-00000003", "")


def test_a_format_of_another_version_is_named_and_the_one_before_served(base: Path) -> None:
    manifest = base / "gen-00000002" / layout.MANIFEST
    manifest.write_bytes(with_format_version(manifest, layout.FORMAT_VERSION + 1))
    served = following(base).current()
    assert generation_of(served) == "gen-00000001"
    assert "newer version of rag-app" in served.notice
    shutil.rmtree(base / "gen-00000001")
    with pytest.raises(FormatVersionError):
        following(base).current()


@pytest.mark.parametrize(
    "content",
    [
        None, b"", b"\xff\xfe\x00", b"gen-00000009\n" + b"0" * 64 + b"\n", b"../../x\n" + b"0" * 64 + b"\n",
        b"gen-00000002\n" + b"0" * 64 + b"\n", b"gen-00000001\n" + b"0" * 64 + b"\n", b"gen-00000002",
    ],
    ids=["missing", "empty", "bytes", "no such generation", "a path", "another sum", "the one before", "no sum"],
)  # fmt: skip
def test_without_a_sound_current_the_newest_whole_generation_is_served_with_a_notice(
    base: Path, content: bytes | None
) -> None:
    live = following(base)
    sound = (base / layout.CURRENT).read_bytes()
    live.current()
    (base / layout.CURRENT).unlink() if content is None else (base / layout.CURRENT).write_bytes(content)
    assert base.name in layout.knowledge_base_names(base.parent)
    for reader in (live, following(base)):
        served = reader.verified()
        assert generation_of(served) == "gen-00000002"
        assert str(base / layout.CURRENT) in served.notice
    cut(base / "gen-00000002" / layout.CHUNKS)
    assert generation_of(live.current()) == "gen-00000001"
    cut(base / "gen-00000001" / layout.CHUNKS)
    with pytest.raises(KnowledgeBaseDamaged):
        live.current()
    (base / layout.CURRENT).write_bytes(sound)


def test_what_the_live_generation_does_not_keep_is_not_served(base: Path) -> None:
    """A purge keeps no older generation; one that was killed before it removed them must not bring the text back."""
    live, before = base / "gen-00000002", base / "gen-00000001"
    manifest = layout.read_manifest(live)
    changed = layout.Manifest(**{**manifest.__dict__, "oldest_kept": "gen-00000002"})
    (live / layout.MANIFEST).write_text(changed.to_json())
    (base / layout.CURRENT).write_text(layout.current_text(changed))
    assert generation_of(following(base).verified()) == "gen-00000002"
    cut(live / layout.CHUNKS)
    assert before.is_dir()
    with pytest.raises(KnowledgeBaseDamaged):
        following(base).current()


def test_a_generation_that_was_never_committed_is_not_served(publish: Callable[[int], Path], base: Path) -> None:
    committed = (base / layout.CURRENT).read_bytes()
    publish(3)
    (base / layout.CURRENT).write_bytes(committed)  # as a kill between the two renames leaves it
    assert generation_of(following(base).verified()) == "gen-00000002"
    cut(base / "gen-00000002" / layout.CHUNKS)
    with pytest.raises(KnowledgeBaseDamaged):
        following(base).current()


# Others at work


def test_a_generation_that_is_removed_while_it_is_opened_is_not_taken_for_damaged(
    monkeypatch: pytest.MonkeyPatch, publish: Callable[[int], Path], base: Path
) -> None:
    """Two builds publish between the reading of CURRENT and the opening of what it named."""
    read_current, named = layout.read_current, []

    def overtaken(folder: Path) -> tuple[Path, str]:
        found = read_current(folder)
        monkeypatch.setattr(layout, "read_current", read_current)
        named.append(found[0].name)
        publish(3)
        publish(4)
        return found

    live = following(base)
    monkeypatch.setattr(layout, "read_current", overtaken)
    served = live.current()
    assert named == ["gen-00000002"]
    assert (generation_of(served), served.notice) == ("gen-00000004", "")


def test_what_scores_are_worth_is_known_after_the_files_are_gone(base: Path) -> None:
    """As to a comparison, which comes to a model long after it has opened the base."""
    knowledge_base = KnowledgeBase.open(base.parent, base.name)
    (model,) = knowledge_base.models
    index = knowledge_base.vectors(model)
    made = ModelVectors(index.vectors(slice(None)), index.rows, ("fake 1.0",), measure=lambda *_: {"worth": 1})
    with writer.writer_lock(base):
        report = replace(knowledge_base.report, generation=writer.next_generation(base))
        draft = Draft(report, (), {}, None, {model: made}, previous=knowledge_base)
        publish_draft(base, draft)
    served = following(base).current()
    shutil.rmtree(base)
    assert served.knowledge_base.null_scores(model) == {"worth": 1}


@pytest.mark.parametrize("last", ["chunks", "keywords", "vectors"])
def test_a_generation_that_is_removed_half_opened_is_not_taken_for_damaged(
    monkeypatch: pytest.MonkeyPatch, publish: Callable[[int], Path], base: Path, last: str
) -> None:
    pending = [3, 4]

    def overtaken(opened: Callable[..., object]) -> Callable[..., object]:
        def opening(self: KnowledgeBase, *given: object) -> object:
            while pending and self.generation == "gen-00000002":
                publish(pending.pop(0))
            return opened(self, *given)

        return opening

    live = following(base)
    if last == "chunks":
        monkeypatch.setattr(KnowledgeBase, "vectors", overtaken(KnowledgeBase.vectors))
    elif last == "keywords":
        monkeypatch.setattr(KnowledgeBase, "keywords", property(overtaken(KnowledgeBase.keywords.func)))
    else:
        monkeypatch.setattr(KnowledgeBase, "models", property(overtaken(KnowledgeBase.models.fget)))
    served = live.current()
    assert pending == []
    assert (generation_of(served), served.notice) == ("gen-00000004", "")


def test_a_generation_that_is_removed_while_its_sums_are_read_is_not_damaged(
    monkeypatch: pytest.MonkeyPatch, publish: Callable[[int], Path], base: Path
) -> None:
    go_on = threading.Event()
    file_problem = layout.file_problem
    monkeypatch.setattr(layout, "file_problem", lambda *given: go_on.wait(60) and file_problem(*given))
    live = following(base)
    before = live.current()
    monkeypatch.setattr(layout, "file_problem", file_problem)
    publish(3)
    publish(4)
    go_on.set()
    before.check.wait()
    assert (before.check.is_whole, before.check.problem) == (False, "")
    assert generation_of(live.verified()) == "gen-00000004"


def test_many_threads_open_a_generation_once(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    opened = []
    make = KnowledgeBase.__init__

    def counted(self: KnowledgeBase, name: str, folder: Path, manifest: layout.Manifest) -> None:
        opened.append(folder.name)
        make(self, name, folder, manifest)

    monkeypatch.setattr(KnowledgeBase, "__init__", counted)
    live = following(base)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(generation_of(live.verified()))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["gen-00000002"] * 20
    assert opened == ["gen-00000002"]


# What stays open


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What is closed is closed by the last reference, not some time later by the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@needs_proc
def test_one_generation_is_held_open_and_those_that_somebody_asks(
    publish: Callable[[int], Path], base: Path, without_collector: None
) -> None:
    live = following(base)
    asked = live.verified()
    for number in range(3, 9):
        publish(number)
        live.verified()
        gc.collect()  # what publishing left
        assert open_generations(base) == ["gen-00000002", f"gen-0000000{number}"]
    del asked
    publish(9)
    gc.collect()
    live.verified()
    assert open_generations(base) == ["gen-00000009"]


@needs_proc
def test_a_damaged_generation_and_a_deleted_base_are_let_go(base: Path, without_collector: None) -> None:
    live = following(base)
    live.verified()
    flip(base / "gen-00000002" / layout.CHUNKS)
    assert live.verified().notice
    assert open_generations(base) == ["gen-00000001"]
    shutil.rmtree(base)
    with pytest.raises(KnowledgeBaseNotFound):
        live.current()
    assert open_generations(base) == []
