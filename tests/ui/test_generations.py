"""The Ask page and generations: a new one between two questions, a damaged one, one that is still being verified, none."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.errors import StorageError
from rag_app.store import layout
from rag_app.ui.ask import state, turn
from tests.open_files import needs_proc, open_generations
from tests.ui.test_ask_page import page, shown


@dataclass(frozen=True)
class Notes:
    """A knowledge base of notes, built by the real build, and the folder they lie in."""

    folder: Path
    indexes: Path
    model: Path

    def write(self, name: str, text: str, *, rebuild: bool = False) -> None:
        """Write a note and bring the knowledge base up to date."""
        (self.folder / name).write_text(text)
        settings = load_settings(indexes=self.indexes, offline=True)
        request = BuildRequest("notes", (self.folder,), (str(self.model),), rebuild=rebuild)
        build(request, settings, lambda event: None)

    def live(self, name: str) -> Path:
        """The path of a file of the live generation."""
        (path,) = layout.read_current(self.indexes / "notes")[0].rglob(name)
        return path


@pytest.fixture
def notes(tmp_path: Path, tiny_embedder: Path) -> Notes:
    """Two generations: the first knows of the canteen, the second of the shuttle as well."""
    (tmp_path / "notes").mkdir()
    made = Notes(tmp_path / "notes", tmp_path / "indexes", tiny_embedder)
    made.write("a.txt", "The canteen opens at noon.")
    made.write("b.txt", "The shuttle leaves at eight.")
    return made


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, notes: Notes) -> AppTest:
    """The page, asked for passages only."""
    at = page(monkeypatch, notes.indexes, "bundled")
    return at.selectbox(key="generator").set_value("none").run()


def ask_for(at: AppTest, question: str) -> str:
    """Ask, and return what is on the page then."""
    at.chat_input[0].set_value(question).run()
    assert not at.exception
    return shown(at)


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    """Take the last bytes off a file."""
    file.write_bytes(file.read_bytes()[:-100])


def test_the_page_names_the_version_that_answers(at: AppTest) -> None:
    assert "gen-00000002, built 20" in shown(at)
    assert "verifying" not in shown(at)
    assert "Notice" not in shown(at)


def test_a_new_generation_is_picked_up_between_two_questions(at: AppTest, notes: Notes) -> None:
    before = ask_for(at, "When does the shuttle leave?")
    assert "The shuttle leaves at eight." in before
    assert "From notes" not in before
    notes.write("b.txt", "The shuttle leaves at nine.")
    after = ask_for(at, "When does the shuttle leave now?")
    assert "The shuttle leaves at nine." in after
    assert "gen-00000003, built" in after
    first, second = at.chat_message[1], at.chat_message[3]
    assert "From notes, gen-00000002" in "".join(element.proto.body for element in first.get("html"))
    assert "From notes" not in "".join(element.proto.body for element in second.get("html"))
    assert "leaves at eight" not in "".join(element.proto.body for element in second.get("html"))


@pytest.mark.parametrize(
    ("harm", "name"),
    [(flip, "vectors.faiss"), (cut, "chunks.sqlite"), (flip, "chunks.sqlite"), (Path.unlink, "rows.npy")],
)
def test_a_question_to_a_damaged_generation_is_answered_from_the_one_before_with_a_notice(
    at: AppTest, notes: Notes, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None], name: str
) -> None:
    monkeypatch.setattr(turn, "_PATIENCE_SECONDS", 60)
    ask_for(at, "When does the canteen open?")
    harm(notes.live(name))
    found = ask_for(at, "When does the shuttle leave?")
    assert name in found
    assert "Answers come from gen-00000001, built" in found
    assert "--kb notes --rebuild" in found
    answer = "".join(element.proto.body for element in at.chat_message[3].get("html"))
    assert "From notes, gen-00000001" in answer
    assert "The live version was damaged" in answer
    assert "The canteen opens at noon." in answer
    assert "shuttle" not in answer


def test_the_notice_goes_away_with_the_next_build(at: AppTest, notes: Notes) -> None:
    cut(notes.live("chunks.sqlite"))
    assert "Answers come from gen-00000001" in ask_for(at, "When does the shuttle leave?")
    notes.write("c.txt", "The library closes at six.", rebuild=True)
    found = ask_for(at, "When does the library close?")
    assert "The library closes at six." in found
    assert "Answers come from" not in found


def test_a_base_without_current_is_listed_and_served_with_a_notice(
    monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    (notes.indexes / "notes" / layout.CURRENT).unlink()
    at = page(monkeypatch, notes.indexes, "bundled")
    assert at.selectbox(key="kb").options == ["notes"]
    assert "CURRENT is missing. Answers come from gen-00000002" in shown(at)
    assert at.chat_input


def test_without_a_whole_generation_the_damage_is_named_and_nothing_can_be_asked(at: AppTest, notes: Notes) -> None:
    for file in (notes.indexes / "notes").glob("gen-*/chunks.sqlite"):
        cut(file)
    found = ask_for(at, "When does the shuttle leave?")
    assert "gen-00000002/chunks.sqlite is damaged" in found
    assert "Rebuild the knowledge base" in found
    assert not at.chat_input


# Verification


@dataclass(frozen=True)
class SlowSums:
    """Sums that are not read before `go_on`."""

    go_on: threading.Event


@pytest.fixture
def slow_sums(monkeypatch: pytest.MonkeyPatch, notes: Notes) -> Iterator[SlowSums]:
    state = SlowSums(threading.Event())
    read = layout.file_problem

    def slowly(*arguments: object) -> str:
        assert state.go_on.wait(60)
        return read(*arguments)

    monkeypatch.setattr(layout, "file_problem", slowly)
    monkeypatch.setattr(turn, "_PATIENCE_SECONDS", 0.05)
    yield state
    state.go_on.set()


def finish(slow: SlowSums) -> None:
    """Let the sums be read to their end."""
    slow.go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sums of"):
            thread.join(60)


def test_the_page_says_that_it_verifies_until_it_has(slow_sums: SlowSums, at: AppTest) -> None:
    assert "gen-00000002, built" in shown(at)
    assert shown(at).count("verifying its files") == 1
    found = ask_for(at, "When does the shuttle leave?")  # it is answered all the same
    assert "The shuttle leaves at eight." in found
    assert found.count("verifying its files") == 1
    finish(slow_sums)
    at.run()
    assert not at.exception
    assert "verifying" not in shown(at)
    assert "The shuttle leaves at eight." in shown(at)


def test_what_goes_wrong_while_the_page_watches_the_verification_is_a_sentence(
    slow_sums: SlowSums, at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(version: str, *, is_verifying: bool) -> None:
        drawn.append(version)
        if len(drawn) > 1:  # the first is the page's own
            raise StorageError("It cannot be read.", "Look at it.")

    monkeypatch.setattr(state, "_draw_version", draw)
    at.run()
    assert not at.exception
    assert "It cannot be read." in shown(at)


def test_an_answer_from_files_that_turn_out_damaged_is_marked(slow_sums: SlowSums, at: AppTest, notes: Notes) -> None:
    flip(notes.live("vectors.faiss"))
    assert "damaged" not in ask_for(at, "When does the shuttle leave?")
    finish(slow_sums)
    at.run()
    assert "Answers come from gen-00000001" in shown(at)
    assert "vectors.faiss is damaged: its sum is not the one in the manifest. This came from that version" in shown(at)
    found = ask_for(at, "When does the canteen open?")
    assert found.count("This came from that version") == 1  # the first answer, not the second


# Deleted


def test_a_base_that_was_deleted_while_it_was_shown_is_a_sentence(at: AppTest, notes: Notes) -> None:
    shutil.rmtree(notes.indexes / "notes")
    found = ask_for(at, "When does the shuttle leave?")
    assert "There is no knowledge base 'notes'" in found
    assert "python -m ingest path/to/folder" in found


def test_a_question_to_a_base_that_was_deleted_is_not_asked_of_another(at: AppTest, notes: Notes) -> None:
    base = notes.indexes / "notes"
    shutil.copytree(base, notes.indexes / "others")
    at.run()
    shutil.rmtree(base)
    found = ask_for(at, "When does the shuttle leave?")
    assert "When does the shuttle leave?" in found
    assert "There is no knowledge base 'notes'" in found
    assert "leaves at eight" not in found
    assert "others: 2 documents" in found
    assert "leaves at eight" in ask_for(at, "When does the shuttle leave, others?")


def test_an_answer_under_way_ends_with_the_generation_it_began_with(
    monkeypatch: pytest.MonkeyPatch, at: AppTest, notes: Notes
) -> None:
    draw = turn.sources_html

    def delete_and_draw(*arguments: object) -> str:
        shutil.rmtree(notes.indexes / "notes", ignore_errors=True)
        return draw(*arguments)

    monkeypatch.setattr(turn, "sources_html", delete_and_draw)
    found = ask_for(at, "When does the shuttle leave?")
    assert "The shuttle leaves at eight." in found
    assert "There is no knowledge base 'notes'" in found


# What stays open


@needs_proc
def test_a_session_keeps_no_generation_open_but_the_one_it_shows(at: AppTest, notes: Notes) -> None:
    for hour in ("nine", "ten", "eleven"):
        ask_for(at, f"When does the shuttle leave, not at {hour}?")
        notes.write("b.txt", f"The shuttle leaves at {hour}.")
    gc.collect()  # what the builds in this process have left
    gc.disable()  # what the page closes is closed by the last reference, not some time later
    try:
        ask_for(at, "When does the shuttle leave?")
        assert open_generations(notes.indexes / "notes") == ["gen-00000005"]
    finally:
        gc.enable()
