"""docs/llamaindex.md: its code runs, and its tables are those of the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine.types import AgentChatResponse

from rag_app.answering import assembly
from rag_app.datatypes import Fingerprint
from rag_app.models import embedder, reranker_spec
from rag_app.models.reranker_spec import RerankerSpec
from rag_app.retrieval.filters import FIELDS, OPERATORS
from tests.conftest import REPOSITORY, MakeBase
from tests.fakes import HashEmbedding, ScriptedLLM, fake_fingerprint
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker

PAGE = (REPOSITORY / "docs" / "llamaindex.md").read_text(encoding="utf-8")


class _FakeCatalogueEmbedding(HashEmbedding):
    """Stands for the model that the base was built with."""

    def __init__(self, spec: object) -> None:
        super().__init__()

    @property
    def fingerprint(self) -> Fingerprint:
        return fake_fingerprint()


def test_the_code_runs_and_finds_what_it_asks_for(
    make_base: MakeBase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = make_base(name="sample")
    monkeypatch.chdir(base.indexes.parent)
    monkeypatch.setattr(assembly, "choose_embedder", lambda *_, **__: None)
    monkeypatch.setattr(embedder, "CatalogueEmbedding", _FakeCatalogueEmbedding)
    monkeypatch.setattr(embedder, "load_embedder", lambda spec, **_: _FakeCatalogueEmbedding(spec))
    model = RERANKERS["cross-encoder/mmarco-mMiniLMv2-L12-H384-v1"]
    folder = publish_reranker(model, tmp_path / model.id)
    monkeypatch.setattr(reranker_spec, "resolve_reranker", lambda _, offline: RerankerSpec(model.id, folder, "", 512))
    names: dict[str, Any] = {"llm": ScriptedLLM("30 minutes [1].")}
    found = []
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
        found.append((names.get("response"), names.get("nodes")))
    (cited, _), (chatted, _), (_, opened), _, (_, retrieved), (reranked, _), (selected, _), (answered, filtered) = found
    assert isinstance(chatted, AgentChatResponse)
    assert chatted.metadata is not None
    assert chatted.metadata["answer"].standalone == (
        "How long is an account locked? And how many sign-ins may fail before that?"
    )
    assert isinstance(reranked, Response)
    scores = [node.node.metadata["scores"] for node in reranked.source_nodes]
    assert all({"cosine", "fused", "reranker"} <= set(by_name) for by_name in scores)
    assert [node.score for node in reranked.source_nodes] == sorted((one["reranker"] for one in scores), reverse=True)
    for response in (cited, chatted, selected, answered):
        assert isinstance(response, Response | AgentChatResponse)
        assert "30 minutes" in str(response)
        assert response.source_nodes[0].node.metadata["document"] == "docs/passwords.md"
    for nodes in (opened, retrieved):
        assert nodes is not None
        assert "fused" in nodes[0].node.metadata["scores"]
    assert filtered is not None
    assert {node.node.metadata["language"] for node in filtered} == {"en"}


def test_every_field_and_every_operator_is_documented() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (text|list of texts|number|date) \|", PAGE, re.MULTILINE)
    documented = {name.strip("` "): f"a {kind}" for names, kind in rows for name in names.split(",")}
    assert documented == {name: kind.value for name, kind in FIELDS.items()}
    operators = re.findall(r"^\| (text|list of texts|number|date) \| (`.*`) \|$", PAGE, re.MULTILINE)
    assert {f"a {kind}": set(names.replace("`", "").split()) for kind, names in operators} == {
        kind.value: {operator.value for operator in possible} for kind, possible in OPERATORS.items()
    }
