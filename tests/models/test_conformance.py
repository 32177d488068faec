"""Every embedding model of the catalogue runs as its authors meant.

On a tiny random checkpoint in the form in which the model is published, our vectors are those of the reference.

What is expected comes from tests/data/published.json, not from the catalogue: prompts, pooling, window, the last token.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from rag_app.errors import ModelLoadError
from rag_app.models.catalogue import Runs
from tests.models.checkpoints.published import CUT
from tests.models.checkpoints.reference import by_sentence_transformers, written_out
from tests.models.checkpoints.tiny import BEYOND_512, BEYOND_8192, MODELS, ROWS, SHORT, TEXTS, Tiny, agree, deviations

FILES = [model.id for model in MODELS.values() if model.runs_as_files]
# By code that comes with the files (test_embedder_loading.py), by a server (test_served_embedder.py).
ELSEWHERE = {"nomic-ai/nomic-embed-text-v2-moe": Runs.REMOTE_CODE, "nvidia/NV-Embed-v2": Runs.SERVED}
# Not from their published files alone: transformers hides from them what is to come, and drops their last token.
NOT_BY_FILES_ALONE = ("Alibaba-NLP/gte-Qwen2-1.5B-instruct",)
# Each other architecture with a long window once.
LONG = [
    "Qwen/Qwen3-Embedding-0.6B",
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
    "alibaba-nlp-community/gte-multilingual-base",
    "nomic-ai/nomic-embed-text-v1.5",
    "google/embeddinggemma-300m",
    "google/embeddinggemma-2",
    "ibm-granite/granite-embedding-97m-multilingual-r2",
    "microsoft/harrier-oss-v1-270m",
]


def is_run_by_sentence_transformers(model_id: str) -> bool:
    """Whether it runs a model from its files alone, as published, with what is installed here.

    CLIP's lack what it reads, of others it runs another model (test_embedder_loading.py), and one wants torchvision.
    """
    architecture = MODELS[model_id].architecture
    return architecture not in ("clip", "embedding_gemma2") and model_id not in NOT_BY_FILES_ALONE


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Tiny(tmp_path_factory.mktemp("checkpoints"), monkeypatch)


def test_every_row_of_the_catalogue_is_covered() -> None:
    assert set(ROWS) == set(FILES) | set(ELSEWHERE)
    assert {model_id: ROWS[model_id].runs for model_id in ELSEWHERE} == ELSEWHERE


@pytest.mark.parametrize("model_id", FILES)
def test_vectors_equal_those_of_transformers_code_written_out(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    assert deviations(model, tiny.load(model), written_out(model, tiny.folder(model))) == []


@pytest.mark.parametrize("model_id", [model_id for model_id in FILES if is_run_by_sentence_transformers(model_id)])
def test_vectors_equal_those_of_sentence_transformers_with_the_published_prompts(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    assert deviations(model, tiny.load(model), by_sentence_transformers(model, tiny.folder(model))) == []


@pytest.mark.parametrize("model_id", FILES)
def test_a_text_beyond_the_window_is_cut_where_the_reference_cuts_it(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    embedder = tiny.load(model)
    tokens = embedder._model.preprocess([BEYOND_8192])["input_ids"][0].tolist()
    assert len(tokens) == model.window
    assert embedder.count_tokens([BEYOND_8192])[0] > model.window
    short = embedder._model.preprocess(["a"])["input_ids"][0].tolist()
    if len(short) > 1:  # the token that ends a text also ends one that is cut
        assert tokens[-1] == short[-1]


@pytest.mark.parametrize(
    "model_id", ["BAAI/bge-m3", *(pytest.param(model_id, marks=pytest.mark.matrix) for model_id in LONG)]
)
def test_vectors_of_a_text_beyond_a_long_window_equal_the_reference(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    embedder, reference = tiny.load(model), written_out(model, tiny.folder(model))
    assert agree(embedder.embed_passages([BEYOND_8192])[0], reference(model.passage_prompt, BEYOND_8192))


@pytest.mark.parametrize("model_id", [model_id for model_id in FILES if MODELS[model_id].stored_dtype != "float32"])
def test_what_is_stored_in_half_precision_is_loaded_in_float32(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    stored = load_file(tiny.folder(model) / "model.safetensors")
    assert {str(tensor.dtype) for tensor in stored.values()} == {f"torch.{model.stored_dtype}"}
    assert {parameter.dtype for parameter in tiny.load(model)._model.parameters()} == {torch.float32}


@pytest.mark.parametrize("model_id", [model_id for model_id in FILES if MODELS[model_id].matryoshka])
def test_a_shorter_vector_is_made_by_the_authors_recipe(tiny: Tiny, model_id: str) -> None:
    """Nomic: layer normalisation, cut, length one. The others: cut, length one."""
    model = MODELS[model_id]
    cut, whole = tiny.load(model, cut=True), written_out(model, tiny.folder(model))
    assert cut.fingerprint.dimension == CUT
    for text in SHORT.values():
        vector = torch.from_numpy(whole(model.passage_prompt, text))
        if model.layer_norm_before_cut:
            vector = torch.nn.functional.layer_norm(vector, (len(vector),))
        expected = torch.nn.functional.normalize(vector[:CUT], dim=0).numpy()
        assert agree(cut.embed_passages([text])[0], expected)


def test_the_layer_normalisation_before_the_cut_shows(tiny: Tiny) -> None:
    model = MODELS["nomic-ai/nomic-embed-text-v1.5"]
    with_it = tiny.load(model, cut=True).embed_passages(list(SHORT.values()))
    without = tiny.load(model, cut=True, layer_norm_before_cut=False).embed_passages(list(SHORT.values()))
    assert not any(agree(one, other) for one, other in zip(with_it[:3], without[:3], strict=True))


SPACED = [(model.id, side) for model in MODELS.values() for side in ("query_prompt", "passage_prompt")]
SPACED = [(name, side) for name, side in SPACED if name in FILES and getattr(MODELS[name], side)[-1:].isspace()]


@pytest.mark.parametrize(("model_id", "side"), SPACED)
def test_a_prompt_that_loses_its_trailing_space_is_noticed(tiny: Tiny, model_id: str, side: str) -> None:
    model = MODELS[model_id]
    changed = tiny.load(model, **{side: getattr(model, side).rstrip()})
    found = deviations(model, changed, written_out(model, tiny.folder(model)), list(SHORT.values()))
    assert side.replace("_", " ") in found
    if model.tokenizer != "wordpiece":  # BERT's tokenizer drops spaces, so that no vector can show them
        assert len(found) > len(SHORT)


def test_a_space_too_many_after_qwens_prompt_is_noticed(tiny: Tiny) -> None:
    model = MODELS["Qwen/Qwen3-Embedding-0.6B"]
    changed = tiny.load(model, query_prompt=model.query_prompt + " ")
    found = deviations(model, changed, written_out(model, tiny.folder(model)), list(SHORT.values()))
    assert found == ["query prompt", *(f"question: {text[:20]}" for text in SHORT.values())]


@pytest.mark.parametrize("model_id", ["BAAI/bge-m3", "intfloat/multilingual-e5-base", "Qwen/Qwen3-Embedding-0.6B"])
def test_files_that_pool_otherwise_are_refused(tiny: Tiny, model_id: str) -> None:
    model = MODELS[model_id]
    other = "max"
    with pytest.raises(ModelLoadError, match=f"say {model.pooling} pooling, the catalogue says {other}"):
        tiny.load(model, pooling=other)


@pytest.mark.parametrize(
    ("model_id", "other"),
    [
        ("BAAI/bge-m3", "mean"),
        ("BAAI/bge-small-en-v1.5", "mean"),
        ("intfloat/multilingual-e5-base", "cls"),
        ("Qwen/Qwen3-Embedding-0.6B", "mean"),
        ("google/embeddinggemma-2", "lasttoken"),
    ],
)
def test_wrong_pooling_on_both_sides_shows_in_the_vectors(
    tiny: Tiny, tmp_path: Path, model_id: str, other: str
) -> None:
    model = MODELS[model_id]
    folder = Path(shutil.copytree(tiny.folder(model), tmp_path / "copy"))
    (folder / "1_Pooling" / "config.json").write_text(f'{{"embedding_dimension": 32, "pooling_mode": "{other}"}}')
    found = deviations(model, tiny.load(model, folder, pooling=other), written_out(model, folder))
    assert len(found) > len(TEXTS)


@pytest.mark.parametrize("model_id", [model_id for model_id in FILES if not ROWS[model_id].has_modules])
def test_a_repository_without_modules_is_run_by_its_row(tiny: Tiny, tmp_path: Path, model_id: str) -> None:
    model = MODELS[model_id]
    folder = Path(shutil.copytree(tiny.folder(model), tmp_path / "copy"))
    for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / name).unlink(missing_ok=True)
    assert deviations(model, tiny.load(model, folder), written_out(model, folder)) == []


def test_weights_that_are_published_as_a_pickle_alone_are_loaded(tiny: Tiny) -> None:
    """BGE-M3, with its sparse and multi-vector heads beside them."""
    model = MODELS["BAAI/bge-m3"]
    folder = tiny.folder(model)
    assert {path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".safetensors"}} == {
        "pytorch_model.bin",
        "sparse_linear.pt",
    }
    assert agree(tiny.load(model).embed_question("密码"), written_out(model, folder)("", "密码"))


def lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.linalg.norm(vectors, axis=1)


@pytest.mark.parametrize("model_id", [model_id for model_id in FILES if not MODELS[model_id].normalise_module])
def test_vectors_have_length_one_where_the_repository_does_not_see_to_it(tiny: Tiny, model_id: str) -> None:
    np.testing.assert_allclose(lengths(tiny.load(MODELS[model_id]).embed_passages([*TEXTS, BEYOND_512])), 1, atol=1e-5)
