"""Embedding models: what is read from their files, and vectors that equal sentence-transformers' own."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from rag_app.errors import EmbeddingError, ModelLoadError
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.model_folder import DEFAULT_MAX_TOKENS
from tests.checkpoints import make_bert_embedder
from tests.models.rows import row_for, use_row

PROMPTS = {"query": "query: ", "document": "passage: "}
TEXTS = {
    "short English": "How do I reset a password?",
    "short Chinese": "忘记密码怎么办？",
    "mixed": "忘记 VPN 密码 then open the portal.",
    "long English": "An account is locked for 30 minutes after five failed sign-ins. " * 8,
    "long Chinese": "账号锁定，请重置密码。打印机设备休假。" * 12,
}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose own files give a prompt for questions and one for passages."""
    return make_bert_embedder(tmp_path_factory.mktemp("prompted"), prompts=PROMPTS)


@pytest.fixture(scope="module")
def embedding(prompted: Path) -> CatalogueEmbedding:
    return load(prompted)


@pytest.fixture
def copy_of(prompted: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name="copy": Path(shutil.copytree(prompted, tmp_path / name))


def load(folder: Path) -> CatalogueEmbedding:
    return CatalogueEmbedding(resolve_embedder(str(folder), offline=True), device="cpu")


def digest(folder: Path) -> str:
    return resolve_embedder(str(folder), offline=True).fingerprint.digest


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def cosine(a: NDArray[np.float32] | list[float], b: NDArray[np.float32] | list[float]) -> float:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_the_specification_is_read_from_the_files(pooling: str, tmp_path: Path) -> None:
    folder = make_bert_embedder(tmp_path, pooling=pooling, window=48, prompts=PROMPTS)
    spec = resolve_embedder(str(folder), offline=True)
    fingerprint = spec.fingerprint
    assert (spec.path, spec.row) == (folder, None)
    assert spec.model_id == str(folder)
    assert (fingerprint.pooling, fingerprint.dimension, fingerprint.max_tokens) == (pooling, 32, 48)
    assert (fingerprint.query_prompt, fingerprint.passage_prompt) == ("query: ", "passage: ")
    assert (fingerprint.normalised, fingerprint.dtype, fingerprint.revision) == (True, "float32", "")
    assert CatalogueEmbedding(spec, device="cpu").fingerprint == fingerprint


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"query": "q: ", "corpus": "c: "}}, ("q: ", "c: ")),
        ({"prompts": {"query": "q: "}}, ("q: ", "")),
        ({"prompts": {"all": "x: "}, "default_prompt_name": "all"}, ("x: ", "x: ")),
        ({"prompts": {}}, ("", "")),
        ({"prompts": None, "default_prompt_name": None}, ("", "")),
    ],
)
def test_prompts_by_the_names_that_models_use(
    copy_of: Callable[[], Path], configuration: dict[str, object], expected: tuple[str, str]
) -> None:
    folder = copy_of()
    (folder / "config_sentence_transformers.json").write_text(json.dumps(configuration))
    fingerprint = resolve_embedder(str(folder), offline=True).fingerprint
    assert (fingerprint.query_prompt, fingerprint.passage_prompt) == expected


def test_old_pooling_flags_are_understood(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    flags = {"word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(flags))
    assert load(folder).fingerprint.pooling == "mean"


def test_the_window_is_the_smallest_stated_and_never_huge(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    change_json(folder / "tokenizer_config.json", model_max_length=20)
    assert resolve_embedder(str(folder), offline=True).fingerprint.max_tokens == 20
    change_json(folder / "tokenizer_config.json", model_max_length=10**30)
    change_json(folder / "sentence_bert_config.json", max_seq_length=None)
    change_json(folder / "config.json", max_position_embeddings=131072)
    assert resolve_embedder(str(folder), offline=True).fingerprint.max_tokens == DEFAULT_MAX_TOKENS


def test_two_positions_of_roberta_are_never_used(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    change_json(folder / "tokenizer_config.json", model_max_length=10**30)
    change_json(folder / "sentence_bert_config.json", max_seq_length=514)
    change_json(folder / "config.json", max_position_embeddings=514, model_type="xlm-roberta")
    assert resolve_embedder(str(folder), offline=True).fingerprint.max_tokens == 512


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_vectors_equal_those_of_sentence_transformers(embedding: CatalogueEmbedding, prompted: Path, text: str) -> None:
    reference = SentenceTransformer(str(prompted), device="cpu")
    passage = reference.encode(text, prompt="passage: ", normalize_embeddings=True)
    question = reference.encode(text, prompt="query: ", normalize_embeddings=True)
    assert cosine(embedding.embed_passages([text])[0], passage) >= 0.9999
    assert cosine(embedding.embed_question(text), question) >= 0.9999
    assert cosine(embedding.get_text_embedding(text), passage) >= 0.9999
    assert cosine(embedding.get_query_embedding(text), question) >= 0.9999


def test_the_models_own_prompts_are_used_on_both_sides(embedding: CatalogueEmbedding, prompted: Path) -> None:
    """The stock class drops them, so that question, passage and bare text would all have one vector."""
    text = "reset a password"
    bare = SentenceTransformer(str(prompted), device="cpu").encode(text, prompt="", normalize_embeddings=True)
    question, passage = embedding.embed_question(text), embedding.embed_passages([text])[0]
    assert cosine(question, passage) < 0.999
    assert cosine(question, bare) < 0.999
    assert cosine(passage, bare) < 0.999


def test_a_default_prompt_is_not_put_before_a_text_twice(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    configuration = {"prompts": {"query": "query: ", "passage": ""}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(configuration))
    reference = SentenceTransformer(str(folder), device="cpu")
    expected = reference.encode("重置密码", prompt="", normalize_embeddings=True)
    assert cosine(load(folder).embed_passages(["重置密码"])[0], expected) >= 0.9999


def test_passages_come_back_in_order_and_at_unit_length(embedding: CatalogueEmbedding) -> None:
    texts = [text[:length] for text in TEXTS.values() for length in (400, 5, 60)]
    together = embedding.embed_passages(texts)
    assert together.shape == (len(texts), 32)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, vector in zip(texts, together, strict=True):
        assert cosine(vector, embedding.embed_passages([text])[0]) > 0.9999


def test_batches_are_small_or_large_with_the_same_vectors_and_counts(prompted: Path) -> None:
    """Of 40 tokens, where the longest texts are batches of their own, and all in one."""
    spec = resolve_embedder(str(prompted), offline=True)
    small, large = (CatalogueEmbedding(spec, device="cpu", batch_tokens=tokens) for tokens in (40, 100_000))
    texts = [text[:length] for text in TEXTS.values() for length in (400, 5, 60)]
    vectors, counts = small.embed_and_count(texts)
    assert counts == small.count_tokens(texts)
    assert max(counts) > 40
    np.testing.assert_allclose(vectors, large.embed_passages(texts), atol=1e-5)


def test_batches_that_run_together_give_the_same_bytes_on_any_number_of_cores(embedding: CatalogueEmbedding) -> None:
    texts = [f"{number} {text[: 5 * number]}" for number in range(60) for text in TEXTS.values()]
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (2, 3, 4):
            torch.set_num_threads(threads)
            found.append(embedding.embed_passages(texts).tobytes())
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_progress_counts_texts_to_the_last(embedding: CatalogueEmbedding) -> None:
    told: list[int] = []
    texts = [text[:length] for text in TEXTS.values() for length in range(5, 300, 5)]
    embedding.embed_and_count(texts, told.append)
    assert told == sorted(told)
    assert told[-1] == len(texts)
    assert len(told) > 1


@pytest.mark.skipif(torch.get_num_threads() < 2, reason="one core: there is one batch at a time")
def test_what_breaks_off_does_not_wait_for_batches_that_are_running(prompted: Path) -> None:
    """As Ctrl-C does, which is raised where the batches are waited for: here, out of the first report of progress.

    The first batch ends; others wait in their first layer until they are told to stop, and never come to their second.
    """
    spec = resolve_embedder(str(prompted), offline=True)
    embedding = CatalogueEmbedding(spec, device="cpu", batch_tokens=64)
    first, second = embedding._model.transformers_model.encoder.layer
    batches, in_the_second = itertools.count(), []

    def in_the_first(*_: object) -> None:
        if next(batches) > 0:
            embedding._stop.wait(60)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    hooks = [
        first.register_forward_pre_hook(in_the_first),
        second.register_forward_pre_hook(lambda *_: in_the_second.append(1)),
    ]
    texts = [f"{number} {text[:200]}" for number in range(20) for text in TEXTS.values()]
    with pytest.raises(KeyboardInterrupt):
        embedding.embed_and_count(texts, interrupt)
    assert len(in_the_second) == 1
    for hook in hooks:
        hook.remove()
    assert embedding.embed_passages(texts).shape == (len(texts), 32), "the next call is not stopped"


def out_of_memory_above(tokens: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have a GPU's memory used up by batches of more tokens; return the sizes that were tried."""
    run, sizes = CatalogueEmbedding._forward, []

    def forward(self: CatalogueEmbedding, features: dict[str, torch.Tensor]) -> NDArray[np.float32]:
        sizes.append(features["input_ids"].numel())
        if sizes[-1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return run(self, features)

    monkeypatch.setattr(CatalogueEmbedding, "_forward", forward)
    return sizes


def test_batches_that_a_gpu_cannot_hold_are_halved_and_stay_so(prompted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = CatalogueEmbedding(resolve_embedder(str(prompted), offline=True), device="cpu", batch_tokens=4096)
    texts = [f"{number} {text[:200]}" for number in range(20) for text in TEXTS.values()]
    expected = embedder.embed_passages(texts)
    sizes = out_of_memory_above(1500, monkeypatch)
    np.testing.assert_allclose(embedder.embed_passages(texts), expected, atol=1e-5)
    assert max(sizes) > 1500
    sizes.clear()
    embedder.embed_passages(texts)
    assert max(sizes) <= 1024


def test_memory_that_holds_no_batch_is_an_error_with_what_to_do(
    prompted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = CatalogueEmbedding(resolve_embedder(str(prompted), offline=True), device="cpu")
    out_of_memory_above(0, monkeypatch)
    with pytest.raises(EmbeddingError, match=r"cannot embed these texts: CUDA out of memory") as caught:
        embedder.embed_passages(["密码"])
    assert "smaller chunks" in caught.value.remedy


def test_in_another_process_it_gives_the_same_vectors(prompted: Path) -> None:
    """LlamaIndex hands its embeddings to workers."""
    embedder = CatalogueEmbedding(resolve_embedder(str(prompted), offline=True), device="cpu", batch_tokens=64)
    again = pickle.loads(pickle.dumps(embedder))
    texts = list(TEXTS.values())
    assert again.embed_passages(texts).tobytes() == embedder.embed_passages(texts).tobytes()


def test_a_picture_is_not_embedded_as_the_text_of_its_path(embedding: CatalogueEmbedding) -> None:
    for ask in (embedding.get_image_embedding, lambda path: embedding.get_image_embedding_batch([path])):
        with pytest.raises(EmbeddingError, match="vector of a picture"):
            ask("cat.png")


def test_a_token_that_the_network_does_not_know_is_an_error_of_ours(prompted: Path) -> None:
    """As of a model that was trained further, whose tokenizer has grown and whose weights have not."""
    embedder = load(prompted)
    table = embedder._model.transformers_model.embeddings
    table.word_embeddings = torch.nn.Embedding(5, table.word_embeddings.embedding_dim)
    with pytest.raises(EmbeddingError, match="cannot embed these texts: index out of range") as caught:
        embedder.embed_passages(["密码"])
    assert "may not belong together" in caught.value.remedy


def test_no_passages_give_no_vectors(embedding: CatalogueEmbedding) -> None:
    assert embedding.embed_passages([]).shape == (0, 32)


def test_count_tokens_sees_prompt_special_tokens_and_what_the_window_cuts(embedding: CatalogueEmbedding) -> None:
    # "passage: " is seven letters and a colon, each a token here; [CLS] and [SEP] are two more
    empty, short, long = embedding.count_tokens(["", "密码", "密 " * 100])
    assert (empty, short, long) == (10, 12, 110)
    embedding.embed_passages(["密 " * 100])
    assert embedding.count_tokens(["密 " * 100]) == [110], "embedding leaves no truncation behind"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: change_json(folder / "config.json", layer_norm_eps=0.1), id="configuration"),
        pytest.param(
            lambda folder: change_json(folder / "config_sentence_transformers.json", prompts={"query": "Q: "}),
            id="prompts",
        ),
        pytest.param(
            lambda folder: change_json(folder / "sentence_bert_config.json", max_seq_length=32), id="window"
        ),
        pytest.param(
            lambda folder: (folder / "model.safetensors").write_bytes(b"\1" * 2000), id="weights"
        ),
        pytest.param(lambda folder: (folder / "vocab.txt").write_text("more"), id="another tokenizer file"),
    ],
)  # fmt: skip
def test_the_fingerprint_changes_with_what_decides_the_vectors(
    copy_of: Callable[[], Path], change: Callable[[Path], object]
) -> None:
    folder = copy_of()
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_the_fingerprint_does_not_change_with_times_and_notes(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    before = digest(folder)
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (1, 1))
    (folder / "README.md").write_text("a note")
    assert digest(folder) == before


def test_the_catalogue_decides_prompts_and_window(copy_of: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_of()
    use_row(monkeypatch, row_for(folder, query_prompt="问：", passage_prompt="", max_tokens=24))
    embedder = load(folder)
    reference = SentenceTransformer(str(folder), device="cpu")
    reference.max_seq_length = 24
    text = TEXTS["long Chinese"]
    expected = reference.encode(text, prompt="问：", normalize_embeddings=True)
    assert cosine(embedder.embed_question(text), expected) >= 0.9999
    expected = reference.encode(text, prompt="", normalize_embeddings=True)
    assert cosine(embedder.embed_passages([text])[0], expected) >= 0.9999


def test_pooling_that_contradicts_the_catalogue_is_refused(prompted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_row(monkeypatch, row_for(prompted, pooling="mean"))
    with pytest.raises(ModelLoadError, match="say cls pooling, the catalogue says mean") as caught:
        resolve_embedder(str(prompted), offline=True)
    assert "catalogue.toml" in caught.value.remedy


def test_a_dimension_that_contradicts_the_catalogue_is_refused(prompted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_row(monkeypatch, row_for(prompted, dimension=64))
    with pytest.raises(ModelLoadError, match="gives vectors of 32 numbers, expected 64"):
        load(prompted)


def test_a_folder_without_its_modules_is_not_silently_pooled_otherwise(
    copy_of: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """sentence-transformers takes the mean where modules.json is missing: wrong for every CLS model."""
    folder = copy_of()
    (folder / "modules.json").unlink()
    use_row(monkeypatch, row_for(folder, pooling="cls"))
    with pytest.raises(ModelLoadError, match=r"mean pooling, expected cls\. The file modules\.json is missing"):
        load(folder)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "weights cut": lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:9000]),
    "weights empty": lambda f: (f / "model.safetensors").write_bytes(b""),
    "weights missing": lambda f: (f / "model.safetensors").unlink(),
    "tokenizer cut": lambda f: (f / "tokenizer.json").write_bytes((f / "tokenizer.json").read_bytes()[:300]),
    "tokenizer missing": lambda f: (f / "tokenizer.json").unlink(),
    "configuration cut": lambda f: (f / "config.json").write_bytes((f / "config.json").read_bytes()[:50]),
    "configuration a list": lambda f: (f / "config.json").write_text("[]"),
    "configuration empty": lambda f: (f / "config.json").write_text("{}"),
    "unknown architecture": lambda f: change_json(f / "config.json", model_type="no-such-model"),
    "module without a path": lambda f: (f / "modules.json").write_text('[{"type": "x.Pooling"}]'),
    "modules no list": lambda f: (f / "modules.json").write_text('{"a": 1}'),
    "prompts no table": lambda f: (f / "config_sentence_transformers.json").write_text("[1]"),
    "not UTF-8": lambda f: (f / "config_sentence_transformers.json").write_bytes(b'{"prompts": "\xff"}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_is_named_at_once(copy_of: Callable[[], Path], damage: Callable[[Path], object]) -> None:
    folder = copy_of()
    damage(folder)
    start = time.perf_counter()
    with pytest.raises(ModelLoadError) as caught:
        load(folder)
    assert time.perf_counter() - start < 3, "a failing call is not repeated"
    assert str(folder) in caught.value.found
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_vectors_that_are_not_finite_are_refused(prompted: Path) -> None:
    embedder = load(prompted)
    with torch.no_grad():
        next(embedder._model.parameters()).fill_(float("nan"))
    with pytest.raises(EmbeddingError, match=r"1 vectors that cannot be searched.*'密码'") as caught:
        embedder.embed_passages(["密码"])
    assert "--device cpu" in caught.value.remedy
    start = time.perf_counter()
    with pytest.raises(EmbeddingError):
        embedder.get_query_embedding("password")
    assert time.perf_counter() - start < 3, "the stock class repeats a failing call for eight seconds"


def test_eight_threads_get_the_vectors_of_one(embedding: CatalogueEmbedding) -> None:
    texts = [text[: 10 + 7 * i] for i in range(3) for text in TEXTS.values()]
    alone = [embedding.embed_question(text) for text in texts]
    tokens = embedding.count_tokens(texts)
    with ThreadPoolExecutor(8) as pool:
        counted = [pool.submit(embedding.count_tokens, texts) for _ in range(8)]
        together = list(pool.map(embedding.embed_question, texts))
        assert all(count.result() == tokens for count in counted)
    np.testing.assert_allclose(np.stack(together), np.stack(alone), atol=1e-6)
