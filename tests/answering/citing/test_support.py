"""Which span supports a claim: words, numbers, names, negation, what stands above, and what a model finds near."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.answering.citing.support import align
from rag_app.datatypes import Passage

LEAVE = (
    "Ms Lindqvist leads the helpdesk. She answers within two hours. The office in Bristol opened in 2016. "
    "Its archive was moved in 2019. Laptops are lent for 12 weeks. Cameras are lent for 3 days."
)


def passage(
    text: str, n: int = 1, *, headings: tuple[str, ...] = (), header: str = "", document: str = "a.md"
) -> Passage:
    return Passage(n, document, None, 0, len(text), text, headings, {}, table_header=header)


def supported_by(claim: str, *passages: Passage) -> list[str | None]:
    (alignment,) = align([claim], passages)
    return [
        None if span is None else one.text[span.start : span.end]
        for one, span in zip(passages, alignment.spans, strict=True)
    ]


def missing(claim: str, *passages: Passage) -> tuple[str, ...]:
    return align([claim], passages)[0].missing


@pytest.mark.parametrize(
    ("claim", "span"),
    [
        ("Laptops are lent for twelve weeks.", "Laptops are lent for 12 weeks."),
        ("The office in Bristol opened in 2016.", "The office in Bristol opened in 2016."),
        ("Ms Lindqvist answers within two hours.", "Ms Lindqvist leads the helpdesk. She answers within two hours."),
        ("A camera is lent for 72 hours.", "Cameras are lent for 3 days."),
    ],
)
def test_the_shortest_span_that_holds_it(claim: str, span: str) -> None:
    assert supported_by(claim, passage(LEAVE)) == [span]


@pytest.mark.parametrize(
    "claim",
    [
        "The article BK-210 has a price of 29.90 and a stock of 480.",
        "article: BK-210; name: Insulating brick; price_eur: 29.90; stock: 480",
    ],
)
def test_the_numbers_of_another_row_are_missed_and_not_the_row_that_is_named(claim: str) -> None:
    rows = passage(
        "article: BK-110; name: Fire brick; price_eur: 2.10; stock: 12000\n\n"
        "article: BK-210; name: Insulating brick; price_eur: 4.60; stock: 8800\n\n"
        "article: BK-310; name: Arch brick; price_eur: 29.90; stock: 480"
    )
    assert supported_by(claim, rows) == [None]
    assert missing(claim, rows) == ("29.90", "480")
    assert supported_by("The article BK-210 has a price of 4.60.", rows) != [None]


def test_an_identifier_is_one_word_in_common_not_as_many_as_it_has_parts() -> None:
    codes = passage(
        "E-4071 | The fuser is too hot | Switch it off.", headings=("Printers",), header="Code | Meaning | What to do"
    )
    assert supported_by("E-4071 means that the printer broke.", codes) == [None]
    assert supported_by("The code E-4071 means that the fuser is too hot.", codes) != [None]


@pytest.mark.parametrize(
    ("claim", "lacking"),
    [
        ("The office in Bristol opened in 2019.", ("2019",)),
        ("Laptops are lent for 3 days.", ("3 days",)),
        ("Cameras are lent for 12 weeks.", ("12 weeks",)),
        ("The office in Leeds opened in 2016.", ("Leeds",)),
    ],
)
def test_a_fact_of_another_sentence_is_not_that_of_this_one(claim: str, lacking: tuple[str, ...]) -> None:
    assert supported_by(claim, passage(LEAVE)) == [None]
    assert missing(claim, passage(LEAVE)) == lacking


def test_what_stands_above_counts() -> None:
    under = passage(
        "Guests may stay for two nights.", headings=("Harbour House", "Rules 2024"), document="docs/Bristol.md"
    )
    claim = "Guests may stay at Harbour House in Bristol for two nights in 2024."
    assert supported_by(claim, under) == ["Guests may stay for two nights."]
    assert supported_by(claim, passage("Guests may stay for two nights.")) == [None]
    assert supported_by("Harbour House has rules.", under) == [None], "headings alone carry nothing"


def test_a_row_of_a_table_is_a_span() -> None:
    table = passage("L14 | 900 EUR\nL15 | 1,200 EUR\nL16 | 30 EUR", header="Model | Price")
    assert supported_by("The price of the model L15 is 1200 EUR.", table) == ["L15 | 1,200 EUR"]
    assert supported_by("The price of the model L14 is 1200 EUR.", table) == [None]


def test_a_row_is_read_under_the_first_row_of_its_table() -> None:
    table = passage(
        "| Model | Price |\n|---|---|\n| L14 | 900 EUR |\n| L15 | 1,200 EUR |\n| L16 | 30 EUR |\n\nPrices hold."
    )
    assert supported_by("The price of the model L16 is 30 EUR.", table) == ["| L16 | 30 EUR |"]
    assert supported_by("The price of the model L16 is 900 EUR.", table) == [None]
    headless = passage("L14 | black | 900 EUR\nL16 | white | 30 EUR")
    assert supported_by("The L16 in black costs 30 EUR.", headless) == [None], "its first row is no header"


def test_each_passage_is_asked() -> None:
    first, second, third = (
        passage(text, n) for n, text in enumerate(["Doors close at 18:30.", LEAVE, "Doors close at 18:30 daily."], 1)
    )
    assert supported_by("Doors close at 18:30.", first, second, third) == [first.text, None, third.text]


def test_negation_on_one_side_only_is_no_support() -> None:
    source = passage("Private computers are not admitted to the VPN.")
    assert supported_by("Private computers are admitted to the VPN.", source) == [None]
    assert supported_by("Private computers are not admitted to the VPN.", source) == [source.text]


def test_long_text_without_ends_of_sentences_is_cited_in_pieces() -> None:
    text = f"{'word ' * 2_000}the boiler room is locked at night {'word ' * 2_000}"
    (span,) = supported_by("The boiler room is locked at night.", passage(text))
    assert span
    assert "boiler" in span
    assert len(span) < 2_000


class Near:
    """Finds near what `pairs` names; everything else is as near as any two sentences are."""

    def __init__(self, near: tuple[str, ...], *, reads: bool = True) -> None:
        self._near, self._reads = near, reads
        self.given: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.given += texts
        return np.array([self._vector(text) for text in texts], np.float32)

    def _vector(self, text: str) -> list[float]:
        return [0.95, 0.0, 0.312] if text in self._near else [0.0, 0.95, 0.312]

    def reads(self, text: str) -> bool:
        return self._reads


OPEN = "Broken keyboards are replaced on Monday morning by staff."
CLAIM = "Staff repair or replace defective keyboards quickly."


def test_an_embedding_model_decides_what_words_leave_open() -> None:
    source = passage(f"{LEAVE} {OPEN}")
    near = Near((CLAIM, OPEN))
    assert align([CLAIM], [source])[0].spans == (None,)
    (found,) = align([CLAIM], [source], near)[0].spans
    assert found is not None
    assert source.text[found.start : found.end] == OPEN
    assert align([CLAIM], [source], Near((CLAIM,)))[0].spans == (None,)
    assert align([CLAIM], [source], Near((CLAIM, OPEN), reads=False))[0].spans == (None,)


def test_no_model_is_asked_where_words_decide() -> None:
    near = Near(())
    claims = [
        "Laptops are lent for 12 weeks.",
        "The moon is made of cheese.",
        "Laptops are lent for 13 weeks.",
        "",
        "[]",
    ]
    align(claims, [passage(LEAVE)], near)
    assert near.given == []


def test_a_model_does_not_overrule_numbers() -> None:
    claim = "Staff replace 7 defective keyboards quickly."
    source = passage(f"{LEAVE} {OPEN}")
    assert align([claim], [source], Near((claim, OPEN)))[0].spans == (None,)


@given(st.text(max_size=80), st.text(max_size=200), st.booleans())
def test_every_span_lies_in_its_passage(claim: str, text: str, repeated: bool) -> None:
    source = passage(f"{text} {claim}" if repeated else text)
    (alignment,) = align([claim], [source], Near(()))
    for span in alignment.spans:
        if span is not None:
            assert 0 <= span.start < span.end <= len(source.text)
            assert source.text[span.start : span.end].strip()
