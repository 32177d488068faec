"""Every reranker of the catalogue runs as its authors meant.

On a tiny random checkpoint of its architecture, our raw scores are those of transformers code written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from torch import nn

from rag_app.models import reranker_spec
from rag_app.models.catalogue import Catalogue, packaged_catalogue
from rag_app.models.reranker import CatalogueReranker
from rag_app.models.reranker_spec import resolve_reranker
from tests.models.checkpoints.rerankers import RERANKERS, PublishedReranker, publish_reranker, scores_written_out

ROWS = {row.id: row for row in packaged_catalogue().rerankers}
QUESTIONS = ("How do I reset the password of a locked account?", "忘记密码怎么办？", "printer 打印机: 1.0?")
PASSAGES = (
    "Reset the password of the account.",
    "忘记密码 请重置账号。",
    "a",
    "The printer is locked, 然后重置打印机. Passwords > Locked accounts\nyes | no\n0 | 1",
)
_SENTENCES = "Reset the password of the account, 然后重置打印机. 忘记密码怎么办？ "
BEYOND_1024 = _SENTENCES * 60
BEYOND_8192 = _SENTENCES * 320
# In the chat template that sentence-transformers' own tests have for Qwen3-Reranker.
QWEN3_TEMPLATE = """\
<|im_start|>system
Judge whether the Document meets the requirements based on the Query and the Instruct provided. \
Note that the answer can only be "yes" or "no".<|im_end|>
<|im_start|>user
<Instruct>: Given a web search query, retrieve relevant passages that answer the query
<Query>: {{ messages | selectattr("role", "eq", "query") | map(attribute="content") | first }}
<Document>: {{ messages | selectattr("role", "eq", "document") | map(attribute="content") | first }}<|im_end|>
<|im_start|>assistant
<think>

</think>


"""


class Tiny:
    """Tiny checkpoints, each made once, run by their rows in the catalogue."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def folder(self, model: PublishedReranker) -> Path:
        folder = self._folder / model.id
        return folder if folder.exists() else publish_reranker(model, folder)

    def load(self, model: PublishedReranker, **changes: object) -> CatalogueReranker:
        row = replace(ROWS[model.id], folder=str(self.folder(model)), **changes)  # type: ignore[arg-type]
        self._monkeypatch.setattr(reranker_spec, "load_catalogue", lambda: Catalogue((), (row,), ()))
        return CatalogueReranker(resolve_reranker(model.id, offline=True), device="cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Tiny(tmp_path_factory.mktemp("rerankers"), monkeypatch)


def agree(found: object, expected: object) -> bool:
    return np.allclose(found, expected, rtol=1e-3, atol=1e-3)  # type: ignore[arg-type]


def test_every_row_of_the_catalogue_is_covered_with_its_window() -> None:
    assert {row.id: row.max_tokens for row in ROWS.values()} == {model.id: model.window for model in RERANKERS.values()}


@pytest.mark.parametrize("model_id", RERANKERS)
def test_scores_equal_those_of_transformers_code_written_out(tiny: Tiny, model_id: str) -> None:
    model = RERANKERS[model_id]
    reranker, reference = tiny.load(model), scores_written_out(model, tiny.folder(model))
    for question in QUESTIONS:
        found = reranker.rerank(question, PASSAGES)  # as batches: padding must not show
        expected = [reference(question, passage) for passage in PASSAGES]
        assert agree(found.scores, expected)
        assert found.truncated == 0
        assert np.ptp(expected) > 0.1, "the passages must be told apart, or nothing is tested"


@pytest.mark.parametrize("model_id", RERANKERS)
def test_a_passage_beyond_the_window_is_cut_where_the_reference_cuts_it(tiny: Tiny, model_id: str) -> None:
    """In a shorter window where the model's is long: attention over 8192 tokens, written out, takes its time."""
    check_cut(tiny, replace(RERANKERS[model_id], window=min(RERANKERS[model_id].window, 1024)), BEYOND_1024)


@pytest.mark.matrix
@pytest.mark.parametrize("model_id", [model_id for model_id, model in RERANKERS.items() if model.window > 1024])
def test_a_passage_beyond_a_long_window_is_cut_where_the_reference_cuts_it(tiny: Tiny, model_id: str) -> None:
    check_cut(tiny, RERANKERS[model_id], BEYOND_8192)


def check_cut(tiny: Tiny, model: PublishedReranker, passage: str) -> None:
    reranker, reference = tiny.load(model, max_tokens=model.window), scores_written_out(model, tiny.folder(model))
    (pair,) = reranker._reader.read(QUESTIONS[0], [passage])
    assert pair.length == model.window
    assert 0 < pair.unseen < 1
    found = reranker.rerank(QUESTIONS[0], [passage, PASSAGES[0]])
    assert agree(found.scores, [reference(QUESTIONS[0], text) for text in (passage, PASSAGES[0])])
    assert found.truncated == 1
    assert found.unseen[1] == 0


@pytest.mark.parametrize("model_id", [model.id for model in RERANKERS.values() if model.reference == "pair"])
def test_scores_equal_those_of_sentence_transformers_without_its_sigmoid(tiny: Tiny, model_id: str) -> None:
    model = RERANKERS[model_id]
    network = CrossEncoder(str(tiny.folder(model)), device="cpu", model_kwargs={"dtype": torch.float32})
    expected = network.predict([(QUESTIONS[0], passage) for passage in PASSAGES], activation_fn=nn.Identity())
    assert agree(tiny.load(model).rerank(QUESTIONS[0], PASSAGES).scores, expected)


def test_qwen3s_scores_equal_those_of_sentence_transformers_with_the_published_template(tiny: Tiny) -> None:
    model = RERANKERS["Qwen/Qwen3-Reranker-0.6B"]
    network = CrossEncoder(
        str(tiny.folder(model)),
        device="cpu",
        model_kwargs={"dtype": torch.float32},
        processor_kwargs={"chat_template": QWEN3_TEMPLATE},
    )
    expected = network.predict([(QUESTIONS[0], passage) for passage in PASSAGES], activation_fn=nn.Identity())
    assert agree(tiny.load(model).rerank(QUESTIONS[0], PASSAGES).scores, expected)


@pytest.mark.parametrize("model_id", [model.id for model in RERANKERS.values() if model.stored_dtype != "float32"])
def test_what_is_stored_in_half_precision_is_loaded_in_float32(tiny: Tiny, model_id: str) -> None:
    reranker = tiny.load(RERANKERS[model_id])
    assert {parameter.dtype for parameter in reranker._model.parameters()} == {torch.float32}


@pytest.mark.parametrize("model_id", ["Qwen/Qwen3-Reranker-0.6B", "mixedbread-ai/mxbai-rerank-base-v2"])
def test_a_prompt_that_is_not_the_published_one_shows(tiny: Tiny, model_id: str) -> None:
    model = RERANKERS[model_id]
    before = tiny.load(model).rerank(QUESTIONS[0], PASSAGES).scores
    prompt = ROWS[model_id].prompt
    changed = tiny.load(model, prompt=(*prompt[:-1], prompt[-1] + "\n")).rerank(QUESTIONS[0], PASSAGES).scores
    assert not np.isclose(before, changed, rtol=1e-3, atol=1e-3).any()
    swapped = tiny.load(model, yes=ROWS[model_id].no, no=ROWS[model_id].yes).rerank(QUESTIONS[0], PASSAGES).scores
    assert agree(swapped, -before)
