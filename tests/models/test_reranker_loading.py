"""What is refused as a reranker, and what is loaded of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder
from torch import nn

from rag_app.errors import ModelLoadError
from rag_app.models.catalogue import packaged_catalogue
from rag_app.models.reranker_loading import load_cross_encoder
from rag_app.models.reranker_spec import JudgePrompt, RerankerSpec, resolve_reranker
from tests.models.checkpoints.architectures import draw
from tests.models.checkpoints.published import change_json
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker

BASE = RERANKERS["BAAI/bge-reranker-base"]
QWEN3 = RERANKERS["Qwen/Qwen3-Reranker-0.6B"]


def load(folder: Path) -> CrossEncoder:
    return load_cross_encoder(resolve_reranker(str(folder), offline=True), "cpu")


def test_the_activation_that_the_files_name_is_not_used(tmp_path: Path) -> None:
    folder = publish_reranker(BASE, tmp_path / "mine")
    change_json(folder / "config.json", sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid"})
    assert isinstance(load(folder).activation_fn, nn.Identity)


def test_a_judge_without_its_prompt_is_refused(tmp_path: Path) -> None:
    folder = publish_reranker(QWEN3, tmp_path / "mine")
    with pytest.raises(ModelLoadError, match="language model that judges") as caught:
        load(folder)
    assert "`prompt`, `yes` and `no`" in caught.value.remedy


def test_a_word_that_is_several_tokens_is_refused(tmp_path: Path) -> None:
    folder = publish_reranker(QWEN3, tmp_path / "mine")
    spec = RerankerSpec("mine", folder, "", 512, JudgePrompt(("{question} {passage}",), "certainly", "no"))
    with pytest.raises(ModelLoadError, match="makes 9 tokens of 'certainly'"):
        load_cross_encoder(spec, "cpu")


def test_a_classifier_with_several_labels_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    tokenizer = BASE.vocabulary()
    config = draw(BASE.architecture, tokenizer).config
    config.num_labels = 3
    from transformers import XLMRobertaForSequenceClassification

    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelLoadError, match="gives 3 numbers for a pair of texts, expected one score"):
        load(folder)


def test_an_embedding_model_has_no_head_for_scores(tiny_embedder: Path) -> None:
    """Its weights would be drawn at random, and its scores mean nothing."""
    with pytest.raises(ModelLoadError, match="is no reranker: its weights are of BertModel, expected"):
        load(tiny_embedder)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = publish_reranker(BASE, tmp_path / "mine")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load(folder)


def test_a_folder_that_names_code_is_refused(tmp_path: Path) -> None:
    folder = publish_reranker(BASE, tmp_path / "mine")
    change_json(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.OwnConfig"})
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelLoadError, match="would have code run"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_the_two_tokens_of_a_judge_are_those_of_its_row(tmp_path: Path) -> None:
    folder = publish_reranker(QWEN3, tmp_path / "Qwen3-Reranker-0.6B")
    row = next(row for row in packaged_catalogue().rerankers if row.id == QWEN3.id)
    spec = resolve_reranker(str(folder), offline=True)
    assert spec.judge == JudgePrompt(row.prompt, "yes", "no")
    tokenizer = QWEN3.vocabulary()
    table = draw(QWEN3.architecture, tokenizer).to(torch.bfloat16).float().get_input_embeddings().weight
    expected = torch.stack([table[tokenizer.convert_tokens_to_ids(word)] for word in ("yes", "no")])
    swapped = replace(spec, judge=replace(spec.judge, yes="no", no="yes"))
    for one, rows in ((spec, expected), (swapped, expected.flip(0))):
        head = load_cross_encoder(one, "cpu").transformers_model.get_output_embeddings()
        torch.testing.assert_close(head.weight, rows)
