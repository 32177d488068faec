"""A model's tokens: outputs against the written-out mean, components against their definition."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.static import token_vectors
from rag_app.models.static.token_vectors import bare_tokenizer, counted, guessed, outputs_of_tokens, whitened
from tests.checkpoints import make_bert_embedder


def test_tokens_have_variance_one_in_every_direction_before_they_are_weighted() -> None:
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(500, 6)) * [9, 5, 3, 1, 0.5, 0.1] + 4).astype(np.float32)
    shares = random.random(500)
    shares /= shares.sum()
    found = whitened(vectors, shares, 4)
    assert np.allclose(shares @ found, 0, atol=1e-5)
    assert np.allclose((found * shares[:, None]).T @ found, np.eye(4), atol=1e-4)


def test_a_token_is_averaged_over_where_it_stands(tmp_path: Path) -> None:
    """Against the written-out mean: alone it counts as two places, and each of the passages' outputs as one."""
    spec = resolve_embedder(str(make_bert_embedder(tmp_path, pooling="mean")), offline=True)
    embedder = CatalogueEmbedding(spec, device="cpu")
    model = embedder._model
    tokenizer = bare_tokenizer(model, spec)
    found = outputs_of_tokens(model, tokenizer, ["b a", "a a c"], lambda *_: None)
    token = tokenizer.token_to_id("a")
    network = model.transformers_model
    with torch.no_grad():
        alone = network(input_ids=torch.tensor([[2, token, 3]])).last_hidden_state[0].mean(dim=0)
        places = []
        for text in ("b a", "a a c"):
            ids = torch.tensor([tokenizer.encode(text).ids])
            places.extend(network(input_ids=ids).last_hidden_state[0][ids[0] == token])
    assert len(places) == 3
    expected = (2 * alone + sum(places)) / 5
    assert np.allclose(found[token], expected.numpy(), atol=1e-4)


def test_shares_sum_to_one_counted_or_guessed_and_what_is_no_text_has_none_guessed(tmp_path: Path) -> None:
    spec = resolve_embedder(str(make_bert_embedder(tmp_path, pooling="mean")), offline=True)
    tokenizer = bare_tokenizer(CatalogueEmbedding(spec, device="cpu")._model, spec)
    size = tokenizer.get_vocab_size()
    zipf, seen = guessed(tokenizer, size), counted(tokenizer, ["a a b"], size)
    a, b = (tokenizer.token_to_id(letter) for letter in "ab")
    assert np.allclose([zipf.sum(), seen.sum()], 1)
    assert [zipf[tokenizer.token_to_id(token)] for token in ("[CLS]", "[SEP]")] == [0, 0]
    assert zipf[a] > zipf[b] > 0
    assert np.allclose([seen[a], seen[b], seen[0]], np.array([3, 2, 1]) / (size + 3))


def test_components_by_blocks_are_those_of_all_at_once_and_take_little_more_than_they_are() -> None:
    random = np.random.default_rng(1)
    vectors = (random.normal(size=(40_000, 64)) * np.linspace(5, 1, 64) + 3).astype(np.float32)
    shares = random.random(len(vectors))
    shares /= shares.sum()
    before = vectors.copy()
    tracemalloc.start()
    found = whitened(vectors, shares, 64)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(vectors, before)
    # Vectors in float64, twice as large as what is returned, are never whole: two blocks of 4096 rows are, and the sums.
    assert most < found.nbytes + 3 * 4096 * 64 * 8
    centred = vectors.astype(np.float64) - shares @ vectors.astype(np.float64)
    variances, directions = np.linalg.eigh((centred * shares[:, None]).T @ centred)
    expected = centred @ (directions / np.sqrt(variances))[:, ::-1]
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)


def test_without_a_number_there_are_256_components_or_as_many_as_there_are_directions() -> None:
    random = np.random.default_rng(2)
    shares = np.full(400, 1 / 400)
    flat = random.normal(size=(400, 10)) @ random.normal(size=(10, 300))
    assert whitened(flat.astype(np.float32), shares, None).shape == (400, 10)
    assert whitened(random.normal(size=(400, 300)).astype(np.float32), shares, None).shape == (400, 256)


def test_passages_are_read_in_batches_bounded_by_their_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding counts; the longest goes alone. What comes out does not depend on it, but for rounding."""
    spec = resolve_embedder(str(make_bert_embedder(tmp_path, pooling="mean")), offline=True)
    model = CatalogueEmbedding(spec, device="cpu")._model
    tokenizer = bare_tokenizer(model, spec)
    passages = ["a b c", "b " * 50, *["c a"] * 9, "d " * 20]
    sizes: list[int] = []
    preprocess = model.preprocess

    def counting(texts: list[str], **options: Any) -> Any:
        features = preprocess(texts, **options)
        sizes.append(features["input_ids"].numel())
        return features

    monkeypatch.setattr(model, "preprocess", counting)
    said: list[tuple[str, int, int]] = []
    whole = outputs_of_tokens(model, tokenizer, passages, lambda *what: said.append(what))
    assert len(sizes) == 1
    assert said[-1] == ("passages", 12, 12)
    sizes.clear()
    monkeypatch.setattr(token_vectors, "_BATCH_TOKENS", 30)
    assert np.allclose(outputs_of_tokens(model, tokenizer, passages, lambda *_: None), whole, atol=1e-5)
    assert sizes[0] == 52
    assert max(sizes[1:]) <= 30
    assert len(sizes) >= 4
