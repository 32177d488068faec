"""Embedding: each text once, from the cache where it can be, in chunk order, with what did not fit counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.embedding import WINDOW, Embedded, embed_chunks
from ingest.events import Event, EventKind
from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbeddingError
from tests.fakes import FakePassageEmbedder, fake_fingerprint, hash_vector

Embed = Callable[..., tuple[Embedded, FakePassageEmbedder, list[Event]]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


@pytest.fixture
def embed(base: Path) -> Embed:
    """Give a function that embeds texts and returns the outcome, the model with what it was given, and the events."""

    def run(
        texts: Sequence[str], fingerprint: Fingerprint | None = None
    ) -> tuple[Embedded, FakePassageEmbedder, list[Event]]:
        embedder, events = FakePassageEmbedder(), list[Event]()
        outcome = embed_chunks(texts, fingerprint or fake_fingerprint(), lambda: embedder, base, events.append)
        return outcome, embedder, events

    return run


def not_needed() -> FakePassageEmbedder:
    raise AssertionError("the model was loaded although the cache has everything")


def test_vectors_are_in_the_order_of_the_chunks_not_of_their_lengths(embed: Embed) -> None:
    texts = ["a passage of several words about the VPN", "账号", "printers and paper", "the account"]
    outcome, _, _ = embed(texts)
    np.testing.assert_array_equal(outcome.vectors, np.stack([hash_vector(text) for text in texts]))


def test_a_text_that_stands_in_several_chunks_is_embedded_once(embed: Embed) -> None:
    outcome, embedder, _ = embed(["same", "other", "same", "same"])
    assert sorted(embedder.embedded) == ["other", "same"]
    assert outcome.vectors.shape == (4, 64)
    np.testing.assert_array_equal(outcome.vectors[0], outcome.vectors[3])
    assert (outcome.report.embedded, outcome.report.reused) == (2, 2)


def test_what_was_embedded_before_needs_no_model(embed: Embed, base: Path) -> None:
    first, _, _ = embed(["one", "two"])
    again = embed_chunks(["two", "one", "two"], fake_fingerprint(), not_needed, base, lambda _: None)
    np.testing.assert_array_equal(again.vectors, first.vectors[[1, 0, 1]])
    assert (again.report.embedded, again.report.reused, again.report.chunks_per_second) == (0, 3, 0.0)


def test_only_new_texts_are_embedded(embed: Embed) -> None:
    embed(["one", "two"])
    outcome, embedder, _ = embed(["one", "three", "two"])
    assert embedder.embedded == ["three"]
    assert (outcome.report.embedded, outcome.report.reused) == (1, 2)


@pytest.mark.parametrize(
    "changes", [{"files_sha256": "1" * 64}, {"passage_prompt": "passage: "}, {"model": "fake/other"}], ids=str
)
def test_another_fingerprint_takes_nothing_from_the_cache(embed: Embed, changes: dict[str, str]) -> None:
    embed(["one"])
    _, embedder, _ = embed(["one"], fake_fingerprint(**changes))
    assert embedder.embedded == ["one"]


def test_a_build_that_fails_later_keeps_what_was_embedded(base: Path) -> None:
    texts = [f"text number {number}" for number in range(WINDOW + 10)]

    class FailsInTheSecondWindow(FakePassageEmbedder):
        def embed_passages(self, given: Sequence[str]) -> NDArray[np.float32]:
            if len(self.embedded) >= WINDOW:
                raise EmbeddingError("The device is gone.")
            return super().embed_passages(given)

    with pytest.raises(EmbeddingError):
        embed_chunks(texts, fake_fingerprint(), FailsInTheSecondWindow, base, lambda _: None)
    second = FakePassageEmbedder()
    outcome = embed_chunks(texts, fake_fingerprint(), lambda: second, base, lambda _: None)
    assert sorted(second.embedded) == sorted(texts[WINDOW:])
    assert outcome.report.reused == WINDOW


def test_nothing_is_cut_where_everything_fits_the_window(embed: Embed) -> None:
    report = embed(["one two three"], fake_fingerprint(max_tokens=3))[0].report
    assert (report.truncated, report.unseen_share, report.fitting_chunk_tokens) == (0, 0.0, None)


def test_what_does_not_fit_the_window_is_counted_with_its_share_and_a_size_that_would_fit(embed: Embed) -> None:
    # The fake model counts words; here each is one unit of chunk size as well.
    texts = ["a b c d e f g h i j", "a b c d e f g h", "a b"]
    report = embed(texts, fake_fingerprint(max_tokens=6))[0].report
    assert report.truncated == 2
    assert report.unseen_share == pytest.approx((4 + 2) / (10 + 8), abs=1e-4)
    assert report.fitting_chunk_tokens == 6


def test_the_size_that_would_fit_is_that_of_the_text_with_most_tokens_a_unit(embed: Embed) -> None:
    # "!!" is two units and one word: half a token a unit; "a" is one: a token a unit.
    texts = [" ".join(["!!"] * 20), " ".join(["a"] * 12)]
    assert embed(texts, fake_fingerprint(max_tokens=10))[0].report.fitting_chunk_tokens == 10
    assert embed(texts[:1], fake_fingerprint(max_tokens=10))[0].report.fitting_chunk_tokens == 20


def test_the_share_of_a_repeated_text_counts_each_chunk_also_from_the_cache(embed: Embed) -> None:
    fingerprint = fake_fingerprint(max_tokens=2)
    first = embed(["a b c", "a b c"], fingerprint)[0].report
    again = embed(["a b c", "a b c"], fingerprint)[0].report
    assert first.truncated == again.truncated == 2
    assert first.unseen_share == again.unseen_share == pytest.approx(1 / 3, abs=1e-4)


def test_progress_is_told_up_to_the_number_of_texts_to_embed(embed: Embed) -> None:
    texts = [f"text {number}" for number in range(150)]
    _, _, events = embed([*texts, *texts])
    assert {(event.kind, event.subject, event.total) for event in events} == {
        (EventKind.EMBEDDING, "fake/hash-embedding", 150)
    }
    done = [event.done for event in events]
    assert done == sorted(done)
    assert done[-1] == 150


def test_without_anything_to_embed_there_is_no_progress(embed: Embed) -> None:
    embed(["one"])
    assert embed(["one"])[2] == []


def test_the_report_names_the_model(embed: Embed) -> None:
    report = embed(["one"])[0].report
    assert (report.model, report.fingerprint, report.dimension) == (
        "fake/hash-embedding",
        fake_fingerprint().digest,
        64,
    )
    assert report.chunks_per_second > 0
