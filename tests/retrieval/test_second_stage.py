"""What the best passages say: sentences, words that stand in one sentence, words that stand together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.datatypes import Chunk
from rag_app.retrieval.second_stage import Evidence, evidence_of
from rag_app.store.keywords import KeywordIndex, write_keywords
from tests.fakes import hash_vector

TEXTS = {
    "locked": "Passwords expire yearly. An account is locked after five failed sign-ins. Call the helpdesk.",
    "apart": "The account team sits in Bristol. Doors are locked at night. Five people failed the test. Sign-ins are counted.",
    "chinese": "密码每年到期。连续输错五次后，账号会锁定三十分钟。请联系服务台。",
    "single": "Harbour Connect is the VPN client",
}


class Embedder:
    """Embeds by hash, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def reads(self, text: str) -> bool:
        """Whether the model was made for the language of a text."""
        return True

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.given.extend(texts)
        return np.stack([hash_vector(text) for text in texts])


@pytest.fixture
def index(tmp_path: Path) -> KeywordIndex:
    write_keywords(tmp_path / "keywords", TEXTS.values())
    return KeywordIndex(tmp_path / "keywords")


def chunks(**texts: str) -> list[Chunk]:
    return [Chunk(f"{name}.md", 0, 0, len(text), text, heading_path=(name.title(),)) for name, text in texts.items()]


def look(index: KeywordIndex, question: str, passages: Sequence[Chunk], embedder: Embedder | None = None) -> Evidence:
    return evidence_of(passages, index.read(question), hash_vector(question), embedder)


def best(evidence: Evidence, passages: Sequence[Chunk], place: int) -> str:
    start, end = evidence.best[place]
    return passages[place].text[start:end]


@pytest.mark.parametrize("embedder", [None, Embedder()])
@pytest.mark.parametrize(
    ("question", "place", "sentence"),
    [
        ("When is an account locked?", 0, "An account is locked after five failed sign-ins."),
        ("账号锁定多久？", 2, "连续输错五次后，账号会锁定三十分钟。"),
        ("Which VPN client?", 3, "Harbour Connect is the VPN client"),
    ],
)
def test_the_best_sentence_is_the_one_that_answers(
    index: KeywordIndex, embedder: Embedder | None, question: str, place: int, sentence: str
) -> None:
    passages = chunks(**TEXTS)
    assert best(look(index, question, passages, embedder), passages, place) == sentence


def test_words_in_one_sentence_are_more_than_the_same_words_in_several(index: KeywordIndex) -> None:
    evidence = look(index, "account locked after five failed sign-ins", chunks(**TEXTS))
    assert evidence.sentence_words[0] > 2 * evidence.sentence_words[1] > 0
    assert evidence.sentence_words[3] == 0


def test_neighbouring_words_are_more_than_the_same_words_apart(index: KeywordIndex) -> None:
    evidence = look(index, "five failed sign-ins", chunks(**TEXTS))
    assert evidence.word_pairs[0] > evidence.word_pairs[1] > 0
    assert look(index, "failed five", chunks(**TEXTS)).word_pairs.tolist() == [0, 0, 0, 0]


def test_a_word_that_no_passage_holds_weighs_nothing(index: KeywordIndex) -> None:
    plain, with_unknown = (look(index, question, chunks(**TEXTS)) for question in ("locked", "locked zymurgy"))
    np.testing.assert_array_equal(plain.sentence_words, with_unknown.sentence_words)


def test_a_sentence_is_embedded_under_its_headings(index: KeywordIndex) -> None:
    embedder = Embedder()
    evidence = look(index, "locked", chunks(locked=TEXTS["locked"]), embedder)
    assert embedder.given == [
        "Locked\nPasswords expire yearly.",
        "Locked\nAn account is locked after five failed sign-ins.",
        "Locked\nCall the helpdesk.",
    ]
    assert evidence.sentences is not None
    expected = max(float(hash_vector(text) @ hash_vector("locked")) for text in embedder.given)
    assert evidence.sentences[0] == pytest.approx(expected)


def test_without_an_embedder_there_are_no_cosines_of_sentences(index: KeywordIndex) -> None:
    assert look(index, "locked", chunks(**TEXTS)).sentences is None


def test_one_question_never_embeds_a_whole_library(index: KeywordIndex) -> None:
    long = "A sentence about nothing in particular. " * 150  # more than half of what may be embedded
    embedder = Embedder()
    passages = chunks(first=long, second=long, third="An account is locked.")
    evidence = look(index, "locked account", passages, embedder)
    assert len(embedder.given) == 150
    assert evidence.sentences is not None
    assert np.isnan(evidence.sentences).tolist() == [False, True, True]
    assert best(evidence, passages, 2) == "An account is locked."


@pytest.mark.parametrize("sentence", ["A sentence of many words. ", "一句很长的话，说了很多。"])
def test_of_a_passage_as_long_as_a_book_the_beginning_is_looked_at(index: KeywordIndex, sentence: str) -> None:
    embedder = Embedder()
    passages = chunks(first="An account is locked. " + sentence * 100_000)
    evidence = look(index, "account locked", passages, embedder)
    assert 0 < len(embedder.given) < 2000
    assert best(evidence, passages, 0) == "An account is locked."


@pytest.mark.parametrize("text", ["?!", "…", "12", "-"])
def test_a_passage_without_a_sentence_is_its_own(index: KeywordIndex, text: str) -> None:
    passages = chunks(odd=text)
    assert look(index, "locked", passages, Embedder()).best == ((0, len(text)),)
