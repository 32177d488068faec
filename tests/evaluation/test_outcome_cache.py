"""Outcomes are found again where everything is the same, and nowhere else; a damaged file loses them and nothing more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from rag_app.datatypes import Answer, Citation, Passage, Place, Sentence
from rag_app.evaluation.comparison import Found, Outcome
from rag_app.evaluation.outcome_cache import OutcomeCache, outcome_key
from rag_app.store.layout import OUTCOMES

PASSAGE = Passage(1, "a.md", 3, 0, 4, "text", ("Title",), {"cosine": 0.5}, also_in=(Place("b.md", None, None, 2, 6),))
ANSWER = Answer(
    question="q",
    text="Yes [1].",
    abstained=False,
    sentences=(Sentence("Yes.", (Citation(1, "a.md", 3, 0, 4, computed=True),), True, ("45",)),),
    passages=(PASSAGE,),
    embedder="e",
    generator="g",
    timings={"retrieval": 0.1},
)
OUTCOME = Outcome((Found("a.md", 0, 4, "text", {"bm25": 1.5}, 1.0),), ANSWER, {"hit@1": 1.0, "mrr@10": None}, 0.25)


def test_what_was_put_comes_back_the_same_also_after_it_was_closed(tmp_path: Path) -> None:
    cache = OutcomeCache(tmp_path)
    cache.put("key", OUTCOME)
    cache.close()
    again = OutcomeCache(tmp_path)
    assert again.get("key") == OUTCOME
    assert again.get("another") is None


def test_a_key_is_of_all_that_it_is_made_of() -> None:
    one = outcome_key(base="b", question="q", card={"k1": 0.9, "b": 0.4})
    assert one == outcome_key(card={"b": 0.4, "k1": 0.9}, question="q", base="b")
    assert one != outcome_key(base="b", question="q", card={"k1": 0.9, "b": 0.5})


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / OUTCOMES).write_bytes(b"no database" * 1000)
    cache = OutcomeCache(tmp_path)
    assert cache.get("key") is None
    cache.put("key", OUTCOME)
    assert cache.get("key") == OUTCOME


def test_a_file_that_another_program_holds_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OutcomeCache(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / OUTCOMES, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")  # as before the first switch: where a lock shuts readers out, too
        other.execute("INSERT INTO outcomes VALUES ('of the other', '{}')")
        other.execute("BEGIN EXCLUSIVE")
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
            cache = OutcomeCache(tmp_path)
        cache.put("key", OUTCOME)
        assert cache.get("key") == OUTCOME, "it lasts as long as the process"
        cache.close()
        other.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / OUTCOMES)) as again:
        assert again.execute("SELECT key FROM outcomes").fetchall() == [("of the other",)]


def test_a_damaged_outcome_is_not_known(tmp_path: Path) -> None:
    cache = OutcomeCache(tmp_path)
    cache.put("key", OUTCOME)
    cache._connection.execute("UPDATE outcomes SET outcome = '{}'")
    assert cache.get("key") is None


def test_where_nothing_can_be_written_it_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    cache = OutcomeCache(tmp_path / "file" / "below")
    cache.put("key", OUTCOME)
    assert cache.get("key") == OUTCOME
