"""What differs between two rankings of the same question: shared passages, moved ones, citations by rank."""

from __future__ import annotations

from dataclasses import replace

from rag_app.config import load_settings
from rag_app.datatypes import Answer, Citation, Passage, Place, Sentence
from rag_app.evaluation.side_by_side import Move, SideSystem, cited_by_rank, is_same_outcome, moves, overlap


def passage(document: str, start: int = 0, *also: str) -> Passage:
    places = tuple(Place(other, None, None, start, start + 10) for other in also)
    return Passage(1, document, None, start, start + 10, "0123456789", (), {}, also_in=places)


A, B, C, D = (passage(name) for name in "abcd")


def answer_citing(*citations: Citation, passages: tuple[Passage, ...] = ()) -> Answer:
    return Answer("q", "It is.", False, (Sentence("It is.", citations, True),), passages, "m", "g")


def test_overlap_counts_what_both_have_down_to_the_longer_ranking() -> None:
    found = overlap([A, B, C], [B, A, D, passage("e")])
    assert found is not None
    assert (found.shared, found.k, found.share, found.same_first) == (2, 4, 0.5, False)
    assert overlap([], []) is None
    one_empty = overlap([A], [])
    assert one_empty is not None
    assert (one_empty.shared, one_empty.k, one_empty.same_first) == (0, 1, False)


def test_a_passage_that_stands_in_two_places_is_the_same_in_both() -> None:
    found = overlap([passage("copy", 0, "a")], [A])
    assert found is not None
    assert (found.shared, found.same_first) == (1, True)
    elsewhere = overlap([passage("copy", 5, "a")], [A])
    assert elsewhere is not None
    assert elsewhere.shared == 0


def test_moves_are_against_the_first_ranking_and_say_what_is_alone() -> None:
    rankings = [[A, B, C], [B, A, D], [D, passage("e")]]
    assert moves(rankings, 1) == [Move(1, 2, False), Move(2, 1, False), Move(3, None, False)]
    assert moves(rankings, 2) == [Move(1, None, False), Move(2, None, True)]
    assert [move.is_alone for move in moves(rankings, 0)] == [False, False, True]


def test_citations_get_the_rank_of_the_passage_that_holds_them() -> None:
    joined = replace(passage("b"), n=1, start=0, end=100, found=((50, 60),))
    here = Citation(1, "b", None, 52, 55, computed=False)
    around = Citation(1, "b", None, 90, 95, computed=False)
    ranked = [A, passage("b", 50), C]
    told = cited_by_rank(answer_citing(here, around, passages=(joined,)), ranked)
    assert [citation.n for citation in told.sentences[0].citations] == [2, 2]
    assert told.passages == tuple(ranked)


def test_the_same_outcome_is_the_same_ranking_and_the_same_text() -> None:
    one, other = answer_citing(), replace(answer_citing(), text="It is not.")
    assert is_same_outcome([A, B], [A, B], [one, one])
    assert not is_same_outcome([A, B], [B, A], [one, one])
    assert not is_same_outcome([A, B], [A, B, C], [one, one])
    assert not is_same_outcome([A, B], [A, B], [one, other])


def test_a_system_has_its_retriever_and_leaves_the_rest_as_it_is() -> None:
    settings = load_settings(retrieval={"top_k": 7})
    own = SideSystem("m", "keyword", "quote").settings(settings)
    assert (own.retrieval.retriever, own.retrieval.top_k) == ("keyword", 7)
    assert settings.retrieval.retriever == "hybrid"
    assert SideSystem("m", "dense", "quote").full_name != SideSystem("m", "dense", "none").full_name
