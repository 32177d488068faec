"""What a build asks to learn what its scores are worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ingest.calibrating import DRAWN, draw_questions, embed_calibration_questions
from rag_app.datatypes import Chunk
from rag_app.retrieval.null_scores import NullScores, QuestionSize
from rag_app.store.keywords import KeywordIndex, write_keywords
from rag_app.store.vectors import VectorIndex, write_vectors
from tests.fakes import FakePassageEmbedder, fake_fingerprint, hash_vector


@pytest.fixture(autouse=True)
def few_foreign_questions() -> None:
    """All of them are asked here."""


ENGLISH = "The fee for permit number {0} is paid at counter {1} before the {2} bell of the day."
CHINESE = "编号{0}的许可费用须在第{2}次钟声之前到{1}号窗口缴纳，逾期不予办理。"


def passages(count: int, text: str = ENGLISH, per_document: int = 4) -> list[Chunk]:
    made = []
    for number in range(count):
        content = text.format(f"{number:04}x", f"{number * 7 % 1000}y", f"{number * 13 % 1000}z")
        made.append(Chunk(f"docs/{number // per_document}.md", number % per_document, 0, len(content), content))
    return made


def test_half_a_sentence_is_drawn_from_a_passage() -> None:
    for text, unit in ((ENGLISH, str.split), (CHINESE, list)):
        chunks = passages(40, text)
        drawn = draw_questions(chunks)
        assert len(drawn) == 40
        for one in drawn:
            assert one.text in chunks[one.passage].text
            share = len(unit(one.text)) / len(unit(chunks[one.passage].text))
            assert 0.4 < share < 0.6
    assert len({one.passage for one in drawn}) == 40


def test_no_more_are_drawn_than_are_needed() -> None:
    assert len(draw_questions(passages(DRAWN + 50))) == DRAWN


def test_what_is_drawn_of_a_passage_depends_on_it_alone() -> None:
    few, more = passages(60), passages(90)
    drawn = {one.text for one in draw_questions(few)}
    assert drawn <= {one.text for one in draw_questions(more)}
    assert drawn == {one.text for one in draw_questions(few[::-1])}


@pytest.mark.parametrize("text", ["Short.", "是。", "", "...", "12"])
def test_nothing_is_drawn_of_what_is_too_short(text: str) -> None:
    assert draw_questions([Chunk("a.md", 0, 0, len(text), text)]) == []


def measured(folder: Path, chunks: list[Chunk]) -> NullScores:
    folder.mkdir(exist_ok=True)
    fingerprint = fake_fingerprint()
    questions = embed_calibration_questions(chunks, fingerprint, FakePassageEmbedder, folder, lambda event: None)
    write_keywords(folder / "keywords", (chunk.embedded_text for chunk in chunks))
    vectors = np.stack([hash_vector(chunk.embedded_text) for chunk in chunks])
    description = write_vectors(folder / "vectors", vectors, np.arange(len(chunks)), fingerprint)
    index = VectorIndex(folder / "vectors", fingerprint, description)
    values = questions.measure(index, KeywordIndex(folder / "keywords"))
    return NullScores.from_json(json.loads(json.dumps(values)))


def test_all_retrievers_are_measured_for_both_kinds_of_script(tmp_path: Path) -> None:
    found = measured(tmp_path, [*passages(30), *passages(30, CHINESE)])
    assert {kind: set(null.excesses) for kind, null in found.nulls.items()} == {
        kind: {"dense", "keyword", "hybrid"} for kind in ("cjk", "other")
    }
    assert found.nats_per_cosine > 0
    sure = {"cosine": np.array([0.1], np.float32), "evidence": np.array([1000], np.float32)}
    assert found.percentiles("hybrid", sure, QuestionSize(6, 6, False)).tolist() == [1.0]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_base_of_few_passages_is_measured_as_well(tmp_path: Path, count: int) -> None:
    found = measured(tmp_path, passages(count, per_document=1))
    assert np.isfinite(found.nats_per_cosine)
    assert len(found.nulls["other"].excesses["hybrid"]) >= 400


def test_the_document_that_a_question_was_drawn_from_is_left_out(tmp_path: Path) -> None:
    alone = passages(40, per_document=40)  # one document: nothing is left to ask a drawn question of
    apart = passages(40, per_document=1)
    counts = [
        len(measured(tmp_path / name, chunks).nulls["other"].excesses["keyword"])
        for name, chunks in (("alone", alone), ("apart", apart))
    ]
    assert counts[1] - counts[0] == 40


def test_questions_that_were_embedded_before_are_not_embedded_again(tmp_path: Path) -> None:
    loaded: list[FakePassageEmbedder] = []

    def load() -> FakePassageEmbedder:
        loaded.append(FakePassageEmbedder())
        return loaded[-1]

    for _ in range(2):
        embed_calibration_questions(passages(20), fake_fingerprint(), load, tmp_path, lambda event: None)
    assert len(loaded) == 1


def test_the_same_passages_give_the_same_measure(tmp_path: Path) -> None:
    chunks = passages(50)
    assert measured(tmp_path / "one", chunks) == measured(tmp_path / "two", chunks)
