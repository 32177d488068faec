"""Quotes: the right sentence, word for word, with its span; no model of a generator's size anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag_app.answering.prompting.answer_text import MarkupFilter
from rag_app.answering.quoting import QuotingWriter
from rag_app.answering.writers import Draft, Written
from rag_app.datatypes import Passage
from tests.fakes import hash_vector

PASSWORDS = (
    "# Passwords\n\nPasswords are changed every 180 days. How long is an account locked? It is for 30 minutes, after 5 failed "
    "sign-ins.\n\nThe service desk opens at eight."
)
CHINESE = "连续输错五次密码后，账号会被锁定三十分钟。服务台八点开门。"


class Hashing:
    """Embeds by the words in a text."""

    def __init__(self, *, reads: bool = True) -> None:
        self._reads = reads
        self.embedded: list[str] = []

    def reads(self, text: str) -> bool:
        return self._reads

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += texts
        return np.stack([hash_vector(text) for text in texts])

    def embed_question(self, text: str) -> NDArray[np.float32]:
        return hash_vector(text)


def passage(n: int, text: str, start: int = 0, **changes: Any) -> Passage:
    return Passage(n, f"docs/{n}.md", None, start, start + len(text), text, ("Helpdesk",), {}, **changes)


def drafted(writer: QuotingWriter, question: str, *passages: Passage) -> tuple[Draft, list[str]]:
    writing = writer.write(question, passages)
    pieces = []
    while True:
        try:
            event = next(writing)
        except StopIteration as end:
            return end.value, pieces
        assert isinstance(event, Written)
        pieces.append(event.text)


@pytest.mark.parametrize("embedder", [None, Hashing(), Hashing(reads=False)], ids=["words", "vectors", "unread"])
def test_the_sentence_that_answers_is_quoted_with_its_span(embedder: Hashing | None) -> None:
    source = passage(1, PASSWORDS, start=70)
    draft, pieces = drafted(
        QuotingWriter(embedder), "How often are passwords changed?", source, passage(2, "Lunch is at noon.")
    )
    assert draft.sentences[0].text == "Passwords are changed every 180 days."
    (citation,) = draft.sentences[0].citations
    assert PASSWORDS[citation.start - 70 : citation.end - 70] == draft.sentences[0].text
    assert (citation.n, citation.document, citation.computed) == (1, "docs/1.md", False)
    assert draft.text.startswith("Passwords are changed every 180 days. [1]")
    assert "".join(pieces) == draft.text
    assert draft.sentences[0].supported


@pytest.mark.parametrize(
    ("texts", "question", "quoted"),
    [
        (
            ("Every full-time employee has 27 days of paid holiday a year.", "Managers have 30 days of holiday."),
            "How many days of paid holiday does a full-time employee get? And for managers?",
            "Managers have 30 days of holiday.",
        ),
        (
            ("全职员工每年享有12天带薪年假，工龄满十年者为15天。", "食堂在二号楼。", "婚假为13天。"),
            "工龄满十年的员工有多少天年假？那婚假呢？",
            "婚假为13天。",
        ),
    ],
)
def test_what_a_follow_up_adds_counts_more_than_what_was_answered_before(
    texts: tuple[str, ...], question: str, quoted: str
) -> None:
    draft, _ = drafted(QuotingWriter(None), question, *(passage(n, text) for n, text in enumerate(texts, 1)))
    assert draft.sentences[0].text == quoted
    first, *_ = question.partition("？" if "？" in question else "? ")
    draft, _ = drafted(QuotingWriter(None), first, *(passage(n, text) for n, text in enumerate(texts, 1)))
    assert draft.sentences[0].text == texts[0]


def test_a_question_in_a_document_is_no_answer_but_leads_to_the_sentence_after_it() -> None:
    draft, _ = drafted(QuotingWriter(None), "How long is an account locked?", passage(1, PASSWORDS))
    assert draft.sentences[0].text == "It is for 30 minutes, after 5 failed sign-ins."


def test_a_heading_is_never_quoted() -> None:
    draft, _ = drafted(QuotingWriter(None), "passwords", passage(1, PASSWORDS))
    assert all("#" not in sentence.text for sentence in draft.sentences)


@pytest.mark.parametrize(
    "text",
    [
        "# Helpdesk\n\n## Guest Wi-Fi\nThe password is swordfish.",
        "## 1. Guest Wi-Fi. Passwords\n  The password is swordfish.",
        "## Guest Wi-Fi password ##  \n# Passwords\nThe password is swordfish.\n# Next",
    ],
)
def test_what_stands_right_below_a_heading_is_quoted(text: str) -> None:
    source = passage(1, text, start=70)
    draft, _ = drafted(QuotingWriter(None), "What is the guest Wi-Fi password?", source)
    (sentence,) = draft.sentences
    (citation,) = sentence.citations
    assert sentence.text == text[citation.start - 70 : citation.end - 70] == "The password is swordfish."


def test_a_heading_that_asks_leads_to_the_sentence_right_below_it() -> None:
    text = "The desk opens at eight.\n## When is lunch?  \nAt noon."
    draft, _ = drafted(QuotingWriter(None), "When is lunch?", passage(1, text))
    assert draft.sentences[0].text == "At noon."


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("Resetting your password\n\nCall extension 4500.", "Resetting your password"),
        ("RESETTING\nyour  password\nCall extension 4500.", "Resetting your password"),
        ("重置\n密码\n\n请拨打分机4500。", "重置密码"),
    ],
    ids=["paragraph", "line", "Chinese, on two lines"],
)
def test_a_heading_without_a_mark_is_known_by_the_heading_path(text: str, heading: str) -> None:
    source = replace(passage(1, text), heading_path=("Helpdesk", heading))
    draft, _ = drafted(QuotingWriter(None), f"{heading}?", source)
    assert [sentence.text for sentence in draft.sentences] == [text.splitlines()[-1]]


def test_a_sentence_that_begins_like_a_heading_is_none() -> None:
    source = replace(passage(1, "Passwords are changed. C#."), heading_path=("Passwords", "", " "))
    draft, _ = drafted(QuotingWriter(None), "passwords", source)
    assert draft.sentences[0].text == "Passwords are changed."


def test_chinese_is_quoted_without_spaces() -> None:
    draft, _ = drafted(QuotingWriter(None), "输错密码后账号会锁定多久？", passage(1, CHINESE))
    assert draft.text == "连续输错五次密码后，账号会被锁定三十分钟。[1]"


def test_a_model_that_does_not_read_the_question_embeds_nothing() -> None:
    embedder = Hashing(reads=False)
    drafted(QuotingWriter(embedder), "多久？", passage(1, CHINESE))
    assert embedder.embedded == []


def test_a_sentence_is_embedded_under_its_headings() -> None:
    embedder = Hashing()
    drafted(QuotingWriter(embedder), "When does it open?", passage(1, "It opens at eight."))
    assert embedder.embedded == ["Helpdesk\nIt opens at eight."]


def test_at_most_two_sentences_and_the_second_only_where_it_is_nearly_as_good() -> None:
    alike = passage(1, "The desk opens at eight. The desk opens at nine. The desk opens at ten.")
    draft, _ = drafted(QuotingWriter(None), "When does the desk open?", alike)
    assert len(draft.sentences) == 2
    clear = passage(1, "The desk opens at eight. Bananas are yellow.")
    draft, _ = drafted(QuotingWriter(None), "When does the desk open?", clear)
    assert [sentence.text for sentence in draft.sentences] == ["The desk opens at eight."]


def test_what_has_no_full_stop_is_cut_at_a_word() -> None:
    text = "word " * 2000
    draft, _ = drafted(QuotingWriter(None), "word?", passage(1, text))
    (sentence,) = draft.sentences
    assert len(sentence.text) < 1000
    assert sentence.text.endswith("word …")
    assert text[sentence.citations[0].start : sentence.citations[0].end] == sentence.text.removesuffix(" …")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (
            f"The deposit of 1,000 euros is returned {'as described ' * 25}above, but never when it was damaged by a guest.",
            "above …",
        ),
        (f"{'押金会按照上述规定' * 12}全额退还，但是如有损坏则一律不予退还。", "全额退还…"),
    ],
    ids=["English", "Chinese"],
)
def test_a_long_sentence_is_cut_where_a_clause_ends_and_that_is_shown(text: str, end: str) -> None:
    draft, _ = drafted(QuotingWriter(None), text[:20], passage(1, text))
    (sentence,) = draft.sentences
    assert sentence.text.endswith(end)
    (citation,) = sentence.citations
    assert text[citation.start : citation.end] == sentence.text.removesuffix("…").rstrip()
    assert draft.text == f"{sentence.text}{' ' if text.isascii() else ''}[1]"


def test_where_there_is_nothing_to_quote_nothing_is_written() -> None:
    assert drafted(QuotingWriter(None), "What?") == (Draft("", ()), [])
    assert drafted(QuotingWriter(None), "What?", passage(1, "--- ***"))[0].text == ""


@given(st.lists(st.text(max_size=200), max_size=5), st.text(max_size=60))
def test_whatever_the_passages_a_quote_is_a_span_of_its_passage(texts: list[str], question: str) -> None:
    passages = [passage(number, text, start=number) for number, text in enumerate(texts, start=1)]
    draft, _ = drafted(QuotingWriter(Hashing()), question, *passages)
    for sentence in draft.sentences:
        (citation,) = sentence.citations
        text = texts[citation.n - 1][citation.start - citation.n : citation.end - citation.n]
        quoted = " ".join(text.split())
        assert sentence.text in map(MarkupFilter(passages).whole, (quoted, f"{quoted} …", f"{quoted}…"))
