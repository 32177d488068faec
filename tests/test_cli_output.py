"""Sources as they are printed: the words of the question are bold on a terminal only, and an excerpt holds what is cited."""

from __future__ import annotations

import sys

import pytest

from rag_app.answering.query_engine import Answered
from rag_app.cli_output import AnswerPrinter, answer_as_json
from rag_app.datatypes import Answer, Citation, Passage, Sentence

QUESTION = "Which account is locked?"


def print_sources(text: str, answer: str | None = None) -> None:
    passage = Passage(1, "docs/a.md", None, 0, len(text), text, (), {"bm25": 1.0})
    AnswerPrinter(QUESTION).show(Answered(Answer(QUESTION, answer, False, (), (passage,), "e", None)))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    return capsys


def test_words_of_the_question_are_bold_on_a_terminal(terminal: pytest.CaptureFixture[str]) -> None:
    print_sources("The account\nis locked.")
    assert "    The \x1b[1maccount\x1b[22m is \x1b[1mlocked\x1b[22m.\n" in terminal.readouterr().out


def test_off_a_terminal_there_is_no_escape(capsys: pytest.CaptureFixture[str]) -> None:
    print_sources("The account is locked.")
    assert "    The account is locked.\n" in capsys.readouterr().out


def test_what_a_document_would_have_the_terminal_do_stays_text(terminal: pytest.CaptureFixture[str]) -> None:
    print_sources("An \x1b[7m account\x1b[0m is lo\u200bcked\u202e.")
    printed = terminal.readouterr().out
    assert "\\x1b[7m \x1b[1maccount\x1b[22m\\x1b[0m is \x1b[1mlo\\u200bcked\x1b[22m\\u202e." in printed


def test_a_preview_is_cut_before_it_is_marked(terminal: pytest.CaptureFixture[str]) -> None:
    print_sources("x" * 234 + " account and more", answer="Yes.")
    assert f"    {'x' * 234} accou…\n" in terminal.readouterr().out


def test_of_a_widened_passage_what_was_found_is_printed_and_json_has_both(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Before. The account is locked. Between. Ask the desk. After."
    found = ((108, 130), (140, 153))
    passage = Passage(1, "docs/a.md", None, 100, 100 + len(text), text, (), {"bm25": 1.0}, found=found)
    answer = Answer(QUESTION, "Yes.", False, (), (passage,), "e", "g")
    AnswerPrinter(QUESTION).show(Answered(answer))
    assert "    The account is locked. … Ask the desk.\n" in capsys.readouterr().out
    (as_json,) = answer_as_json(answer)["passages"]
    assert (as_json["start"], as_json["end"], as_json["text"]) == (100, 160, text)
    assert as_json["found"] == [[108, 130], [140, 153]]


def test_a_passage_as_it_was_found_is_found_whole() -> None:
    passage = Passage(1, "docs/a.md", None, 100, 105, "Found", (), {"bm25": 1.0})
    (as_json,) = answer_as_json(Answer(QUESTION, None, False, (), (passage,), "e", None))["passages"]
    assert as_json["found"] == [[100, 105]]


def test_the_preview_of_a_long_passage_begins_with_its_best_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Nothing of interest. " * 20 + "An account is locked after five failures. " + "More of the same. " * 20
    start = text.index("An account")
    passage = Passage(
        1, "a.md", None, 100, 100 + len(text), text, (), {}, best_sentence=(100 + start, 100 + start + 41)
    )
    AnswerPrinter(QUESTION).show(Answered(Answer(QUESTION, "Yes.", False, (), (passage,), "e", None)))
    assert "    … An account is locked after five failures. More of the same." in capsys.readouterr().out


def print_citing(passage: Passage, *starts: int) -> None:
    citations = tuple(Citation(1, "a.md", None, start, start + 10, computed=False) for start in starts)
    sentence = Sentence("27 days.", citations, supported=True)
    AnswerPrinter(QUESTION).show(Answered(Answer(QUESTION, "27 days. [1]", False, (sentence,), (passage,), "e", "g")))


def test_the_excerpt_of_a_cited_passage_begins_with_the_first_sentence_that_is_cited(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "Account rules. " * 30 + "Everybody has 27 days of paid holiday. " + "It is unrelated. " * 30 + "Sick days."
    start = 100 + text.index("Everybody")
    passage = Passage(1, "a.md", None, 100, 100 + len(text), text, (), {}, best_sentence=(115, 129))
    print_citing(passage, 100 + text.index("Sick"), start)
    assert "    … Everybody has 27 days of paid holiday. It is unrelated." in capsys.readouterr().out
    print_citing(passage)
    assert "    … Account rules. Account" in capsys.readouterr().out
    print_citing(passage, 100)
    assert "    Account rules. Account" in capsys.readouterr().out


def test_the_excerpt_holds_a_cited_sentence_that_stands_beside_what_was_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = "Everybody has 27 days. The account is locked. Ask the desk."
    found = ((123, 146),)
    passage = Passage(1, "a.md", None, 100, 100 + len(text), text, (), {}, found=found)
    print_citing(passage, 100)
    assert "    … Everybody has 27 days. The account is locked. Ask the desk.\n" in capsys.readouterr().out
    print_citing(passage, 123)
    assert "    The account is locked.\n" in capsys.readouterr().out
