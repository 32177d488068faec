"""Which reranker is meant, and how it is run, before anything is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rag_app.errors import ConfigurationError, ModelLoadError, ModelNotAvailable, UsageError
from rag_app.models import reranker_spec
from rag_app.models.catalogue import Catalogue, RerankerRow, Runs, load_catalogue
from rag_app.models.reranker_spec import resolve_reranker
from tests.conftest import REPOSITORY
from tests.models.checkpoints.rerankers import RERANKERS, publish_reranker

QWEN3 = "Qwen/Qwen3-Reranker-0.6B"


def row_for(model_id: str, **changes: object) -> RerankerRow:
    values: dict[str, object] = {
        "id": model_id, "parameters_millions": 1.0, "download_gb": 0.1, "memory_gb": 0.2, "languages": ("en",),
        "licence": "MIT", "commercial": True, "max_tokens": 512,
    }  # fmt: skip
    return RerankerRow(**values | changes)  # type: ignore[arg-type]


def use(monkeypatch: pytest.MonkeyPatch, row: RerankerRow) -> None:
    monkeypatch.setattr(reranker_spec, "load_catalogue", lambda: Catalogue((), (row,), ()))


def test_a_copy_in_a_folder_is_run_by_its_row(tmp_path: Path) -> None:
    folder = publish_reranker(RERANKERS[QWEN3], tmp_path / "Qwen" / "Qwen3-Reranker-0___6B")
    said: list[str] = []
    spec = resolve_reranker(str(folder), offline=True, announce=said.append)
    assert spec.model_id == str(folder)
    assert spec.max_tokens == 8192
    assert spec.judge is not None
    assert spec.judge.yes == "yes"
    assert said == [f"{folder} is taken for a copy of {QWEN3}: its window and its prompt are used."]


def test_a_folder_off_the_catalogue_says_its_window_itself(tmp_path: Path) -> None:
    folder = publish_reranker(RERANKERS["BAAI/bge-reranker-base"], tmp_path / "mine")
    spec = resolve_reranker(str(folder), offline=True)
    assert (spec.model_id, spec.max_tokens, spec.judge) == (str(folder), 512, None)


def test_a_model_that_is_not_here_is_named_with_the_ways_on(no_network: list[object]) -> None:
    with pytest.raises(
        ModelNotAvailable, match=r"The reranker BAAI/bge-reranker-v2-m3 \(2.27 GB, Apache-2.0\)"
    ) as caught:
        resolve_reranker("BAAI/bge-reranker-v2-m3", offline=True)
    assert "--reranker /path/to/folder" in caught.value.remedy
    assert no_network == []


def test_code_of_a_reranker_is_never_run(monkeypatch: pytest.MonkeyPatch, no_network: list[object]) -> None:
    use(monkeypatch, row_for("my/own", runs=Runs.REMOTE_CODE))
    with pytest.raises(ModelLoadError, match="never run"):
        resolve_reranker("my/own", offline=False)
    assert no_network == []


@pytest.mark.parametrize(
    "prompt",
    [
        ("{question}",),
        ("{question} {passage} and more",),
        ("{question}", "{question}", "{passage}"),
        ("{question}", "{passage}", "{passage}"),
        ("{passage}",),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, no_network: list[object], prompt: tuple[str, ...]
) -> None:
    use(monkeypatch, row_for("my/own", prompt=prompt, yes="yes", no="no"))
    with pytest.raises(ConfigurationError, match="my/own cannot be used"):
        resolve_reranker("my/own", offline=False)
    assert no_network == []


def test_the_row_in_the_docs_is_understood(data_folder: Path, no_network: list[object]) -> None:
    page = (REPOSITORY / "docs" / "reranking.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    data_folder.mkdir(parents=True, exist_ok=True)
    (data_folder / "catalogue.toml").write_text(example, encoding="utf-8")
    with pytest.raises(ModelNotAvailable, match="my-company/judge"):  # after its prompt was found to be of use
        resolve_reranker("my-company/judge", offline=True)
    row = load_catalogue().reranker("my-company/judge")
    assert row is not None
    assert row.prompt[1] == "Question: {question}\nPassage: {passage}"
    assert no_network == []


def test_a_prompt_without_the_two_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, row_for("my/own", prompt=("{question} {passage}",)))
    with pytest.raises(ConfigurationError, match="`yes` and `no`"):
        resolve_reranker("my/own", offline=True)


def test_no_reranker_is_bundled_and_none_is_looked_for() -> None:
    with pytest.raises(UsageError, match="No reranker is bundled") as refused:
        resolve_reranker("bundled", offline=True)
    assert "models list --kind reranker" in refused.value.remedy
