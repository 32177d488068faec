"""A model's tokens: outputs against the written-out mean, components against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
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
