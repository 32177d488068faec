"""Embedding: each text once, from the cache where it can be, in chunk order, with what did not fit counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest import embedding
from ingest.embedding import WINDOW, Embedded, embed_chunks
from rag_app.build_events import Event, EventKind
from rag_app.datatypes import Fingerprint
from rag_app.errors import EmbeddingError, StorageError
from rag_app.store.cache_file import PATH
from tests.fakes import FakePassageEmbedder, fake_fingerprint, hash_vector
from tests.ingest.embedded import embed_with

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
        outcome = embed_with(embedder, texts, base, fingerprint, events)
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
    documents = ["2.txt", "1.txt", "2.txt"]
    again = embed_chunks(["two", "one", "two"], documents, fake_fingerprint(), not_needed, base, lambda _: None)
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


# Libraries


def test_the_libraries_that_make_a_vector_are_named_with_their_versions(embed: Embed) -> None:
    (libraries,) = embed(["one"])[0].libraries
    assert libraries == ", ".join(
        f"{name} {version(name)}" for name in ("sentence-transformers", "tokenizers", "torch", "transformers")
    )


def test_the_libraries_are_those_of_all_vectors_also_from_earlier_builds(
    embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, text in enumerate(["one", "two", "three"]):
        monkeypatch.setattr(embedding, "library_versions", lambda number=number: f"torch {number}")
        embed([text])
    assert embed(["three", "one"])[0].libraries == ("torch 0", "torch 2")
    assert embed(["two", "four"])[0].libraries == ("torch 1", "torch 2")


# Vectors that cannot be searched


class Spoilt(FakePassageEmbedder):
    """Gives what `spoil` makes of its vectors, in the batch that holds the text `bad`."""

    def __init__(self, spoil: Callable[[NDArray[np.float32], int], NDArray[np.float32]]) -> None:
        super().__init__()
        self.spoil = spoil

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = super().embed_passages(texts)
        return self.spoil(vectors, texts.index("bad")) if "bad" in texts else vectors


def with_value(value: float) -> Callable[[NDArray[np.float32], int], NDArray[np.float32]]:
    def spoil(vectors: NDArray[np.float32], row: int) -> NDArray[np.float32]:
        vectors[row] = value
        return vectors

    return spoil


def with_one_nan(vectors: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    vectors[row, 3] = np.nan
    return vectors


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_one_nan, r"gave 1 vectors that cannot be searched \(length nan, expected 1\).*'bad'"),
        (with_value(np.inf), r"length inf, expected 1\).*'bad'"),
        (with_value(0), r"length 0, expected 1\).*'bad'"),
        (with_value(1), r"length 8, expected 1\).*'bad'"),
        (lambda vectors, row: vectors[:, :32], r"shape \(3, 32\), expected \(3, 64\).*'bad'"),
        (lambda vectors, row: vectors[1:], r"shape \(2, 64\), expected \(3, 64\).*'bad'"),
        (lambda vectors, row: vectors[0], r"shape \(64,\), expected \(3, 64\).*'bad'"),
    ],
    ids=["not a number", "infinite", "zero", "not a unit", "short", "too few", "one for all"],
)
def test_a_vector_that_cannot_be_searched_ends_the_build_with_its_text_and_document_and_is_not_kept(
    spoil: Callable[[NDArray[np.float32], int], NDArray[np.float32]], message: str, base: Path
) -> None:
    texts = ["a good one", "bad", "another good one"]
    with pytest.raises(EmbeddingError, match=message) as caught:
        embed_with(Spoilt(spoil), texts, base)
    assert caught.value.found.endswith("It stands in 1.txt.")
    again = FakePassageEmbedder()
    embed_with(again, texts, base)
    assert sorted(again.embedded) == sorted(texts)


def test_an_embedder_that_finds_it_itself_is_quoted_with_the_document(base: Path) -> None:
    class Checking(FakePassageEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise EmbeddingError("The second is not a number.", "Use a GPU.", row=1)

    with pytest.raises(EmbeddingError) as caught:
        embed_with(Checking(), ["a longer one", "bad", "short"], base)
    assert str(caught.value) == "The second is not a number. It stands in 2.txt. Use a GPU."


def test_an_embedder_that_fails_on_no_text_of_its_own_is_quoted_as_it_is(base: Path) -> None:
    class Broken(FakePassageEmbedder):
        def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise EmbeddingError("The device is gone.")

    with pytest.raises(EmbeddingError, match=r"^The device is gone\.$"):
        embed_with(Broken(), ["one"], base)


def test_texts_are_embedded_in_windows_sorted_by_length_that_are_cut_in_document_order(base: Path) -> None:
    assert WINDOW == 1024
    texts = [f"{'w ' * (number * 7 % 13)}{number:04}" for number in range(1500)]
    embedder = FakePassageEmbedder()
    embed_with(embedder, texts, base)
    assert embedder.embedded == sorted(texts[:1024], key=len) + sorted(texts[1024:], key=len)


# A cache that is damaged, or cannot be written


def test_a_damaged_cache_is_said_and_what_is_missing_embedded_again(embed: Embed, base: Path) -> None:
    embed(["one", "two"])
    (base / PATH).write_bytes(b"no database at all " * 100)
    outcome, embedder, events = embed(["one", "two"])
    assert sorted(embedder.embedded) == ["one", "two"]
    np.testing.assert_array_equal(outcome.vectors, np.stack([hash_vector("one"), hash_vector("two")]))
    assert [event.kind for event in events] == [EventKind.MESSAGE, EventKind.EMBEDDING]
    assert events[0].subject.startswith("warning: the embedding cache was damaged (file is not a database): 0 of its")
    assert embed(["one", "two"])[2] == []


def test_a_cache_that_cannot_be_written_ends_the_build_with_a_typed_error(embed: Embed, base: Path) -> None:
    (base / "cache").write_text("no folder")
    with pytest.raises(StorageError, match="cache cannot be written"):
        embed(["one"])
