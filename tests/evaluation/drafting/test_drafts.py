"""Drafted questions: what the rules make of sentences, rows and headings, and what is taken into a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rag_app.errors import KnowledgeBaseEmpty
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.drafting.checks import HeldWords
from rag_app.evaluation.drafting.drafts import draft_questions
from rag_app.evaluation.drafting.spans import spans_of
from rag_app.evaluation.drafting.values import Drafts, Span, Stratum
from rag_app.store.knowledge_base import KnowledgeBase
from tests.conftest import MakeBase, SmallBase, document_of
from tests.evaluation.drafting.draftable import BASE
from tests.fakes import ScriptedLLM, SmallScriptedLLM


def test_spans_say_exactly_where_they_stand() -> None:
    text = (
        "# Bays\n\n- **Opening.** The bay opens at 07:00.\n\n| Code | What it means |\n| --- | --- |\n| B-1 | Full |\n"
    )
    document = document_of("bays.md", text)
    spans = list(spans_of(document))
    opening = next(one for one in spans if "opens" in one.text and not one.is_section)
    assert text[opening.start : opening.end] == "- **Opening.** The bay opens at 07:00."
    assert (opening.text, opening.headings) == ("The bay opens at 07:00.", ("Bays", "Opening"))
    row = next(one for one in spans if one.fields)
    assert text[row.start : row.end] == "| B-1 | Full |"
    assert row.fields == (("Code", "B-1"), ("What it means", "Full"))


def test_words_lead_to_one_document_or_the_question_is_dropped(make_base: MakeBase) -> None:
    base = make_base(
        {
            "a.md": "# Lockers\n\nA locker is lent for 5 days. The grey key opens a locker.",
            "b.md": "# Old lockers\n\nA locker is lent for 9 days.",
        }
    ).open()
    held = HeldWords(base)
    span = Span("a.md", "en", 0, 9, "A locker is lent for 5 days.", ("Lockers",))
    assert not held.leads_to("How long is a locker lent?", span)
    assert held.leads_to(
        "What opens the grey locker?", Span("a.md", "en", 0, 9, "The grey key opens a locker.", ("Lockers",))
    )
    assert not held.leads_to("What is grey?", Span("a.md", "en", 0, 9, "The grey key opens a locker.", ("Lockers",)))


@pytest.fixture
def base(make_base: MakeBase) -> KnowledgeBase:
    return make_base(BASE).open()


def _questions(drafts: Drafts) -> list[str]:
    return [one.question for one in drafts.questions]


def test_drafts_have_every_stratum_and_say_where_the_answer_stands(base: KnowledgeBase) -> None:
    drafts = draft_questions(base, 20)
    assert {stratum for stratum, count in drafts.counts.items() if count} >= {
        "lexical",
        "cross-lingual",
        "unanswerable",
    }
    assert len(set(_questions(drafts))) == len(drafts.questions) == sum(drafts.counts.values())
    for one in drafts.questions:
        row = one.as_row()
        assert (row["keep"], row["drafted_by"]) == (True, "rule")
        if one.stratum is Stratum.UNANSWERABLE:
            assert (row["answer"], row["source"], row["evidence"]) == ("", "", [])
            continue
        (place,) = row["evidence"]
        document = base.chunks.document(place["source"])
        assert document is not None
        assert document.text[place["start"] : place["end"]] == place["text"] != ""
    crossed = [one for one in drafts.questions if one.stratum is Stratum.CROSS_LINGUAL]
    assert crossed
    for one in crossed:
        assert one.span is not None
        assert {one.language, one.span.language} == {"en", "zh"}


def test_the_same_seed_gives_the_same_file_and_another_another(make_base: MakeBase) -> None:
    base = make_base(BASE).open()
    first, again, other = (draft_questions(base, 8, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert _questions(first) != _questions(other)
    assert _questions(first) != _questions(draft_questions(base, 4, seed=3))


def test_fewer_than_asked_for_are_counted_and_explained(base: KnowledgeBase) -> None:
    drafts = draft_questions(base, 100_000)
    assert 8 <= len(drafts.questions) < 100
    assert drafts.notes[0].startswith(f"{len(drafts.questions)} of 100,000 were drafted")
    assert len(draft_questions(base, 1).questions) == 1


def test_one_document_in_one_language_says_what_it_cannot_have(make_base: MakeBase) -> None:
    drafts = draft_questions(make_base({"a.md": "# Badges\n\nA badge is blocked for 20 minutes."}).open(), 10)
    assert [(one.question, one.answer) for one in drafts.questions] == [("How long is a badge blocked?", "20 minutes")]
    assert drafts.notes[0].startswith("1 of 10 was drafted: ")
    assert any(
        "No cross-lingual question was drafted: the documents are in one language" in note for note in drafts.notes
    )
    assert any("No unanswerable question was drafted" in note for note in drafts.notes)


def test_no_document_has_more_than_its_share(make_base: MakeBase) -> None:
    things = ["amber", "beige", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade", "khaki", "lemon"]
    long = "\n\n".join(f"The {thing} cabinet is locked for {number + 2} hours." for number, thing in enumerate(things))
    others = {
        f"{thing}.md": f"# {thing} ward\n\nThe {thing} ward keeps a radio for 5 days."
        for thing in ("north", "south", "west")
    }
    drafts = draft_questions(make_base({"long.md": f"# Cabinets\n\n{long}", **others}).open(), 8)
    counts = Counter(one.span.document for one in drafts.questions if one.span)
    assert counts["long.md"] == 4
    assert set(counts) == {"long.md", *others}


def test_a_base_without_a_passage_is_refused(base: KnowledgeBase) -> None:
    base.__dict__["chunk_count"] = 0  # as of a base whose files hold no text
    with pytest.raises(KnowledgeBaseEmpty, match="no passage to ask about"):
        draft_questions(base, 10)


def test_the_file_is_one_that_is_read(small_base: SmallBase, tmp_path: Path) -> None:
    drafts = draft_questions(small_base.open(), 10)
    path = tmp_path / "drafts.jsonl"
    path.write_text("".join(json.dumps(one.as_row()) + "\n" for one in drafts.questions), encoding="utf-8")
    read = read_questions(path).questions
    assert [one.question for one in read] == _questions(drafts)
    assert [one.is_answerable for one in read] == [one.span is not None for one in drafts.questions]
    assert all(one.spans for one in read if one.is_answerable)


def test_a_generator_says_questions_in_other_words(make_base: MakeBase) -> None:
    base = make_base({"bicycles.md": BASE["docs/bicycles.md"], "kettles.md": BASE["docs/kettles.md"]}).open()
    llm = ScriptedLLM("When do I have to give a borrowed one back at the latest?")
    drafts = draft_questions(base, 20, llm=llm)
    said = [one for one in drafts.questions if one.drafted_by == "fake/scripted"]
    assert [one.stratum for one in said] == [Stratum.PARAPHRASED]
    assert said[0].language == "en"
    assert "Use other words" in "".join(llm.prompts)


@pytest.mark.parametrize(
    "said", ["Of course! Here it is.", "What does X-99 mean?", "怎么回事？", "Is it so? Or not?", ""]
)
def test_what_a_generator_says_is_taken_only_where_it_can_be_checked(base: KnowledgeBase, said: str) -> None:
    drafts = draft_questions(base, 6, llm=ScriptedLLM(said))
    assert all(one.drafted_by == "rule" for one in drafts.questions if one.stratum is not Stratum.CROSS_LINGUAL)


def test_a_generator_that_fails_leaves_the_rules(base: KnowledgeBase) -> None:
    drafts = draft_questions(base, 20, llm=ScriptedLLM(error=RuntimeError("out of memory")))
    assert _questions(drafts) == _questions(draft_questions(base, 20))
    assert any("out of memory" in note for note in drafts.notes)


def test_whoever_follows_can_end_it_within_one_call_of_the_generator(base: KnowledgeBase) -> None:
    class Enough(Exception):
        pass

    llm = ScriptedLLM("Of course! Here it is.")  # which is never taken, so that it would be asked again and again

    def stop(_: int) -> None:
        if llm.prompts:
            raise Enough

    with pytest.raises(Enough):
        draft_questions(base, 100, llm=llm, on_progress=stop)
    assert len(llm.prompts) == 1


def test_progress_is_told_for_every_sentence_and_at_the_end(base: KnowledgeBase) -> None:
    told: list[int] = []
    drafts = draft_questions(base, 20, on_progress=told.append)
    assert told == sorted(told)
    assert set(told) == set(range(len(drafts.questions) + 1))


def test_a_generator_that_is_too_small_is_not_asked(base: KnowledgeBase) -> None:
    llm = SmallScriptedLLM("What is it?")
    draft_questions(base, 20, llm=llm)
    assert llm.prompts == []
