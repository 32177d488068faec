"""The name under which an index knows a model; what a model is, is tested in test_embedder.py, with tiny models."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_app.models.embedder_spec import embedder_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("bundled", "sentence-transformers/all-MiniLM-L6-v2"),
        ("BAAI/bge-m3", "BAAI/bge-m3"),
        ("nobody/nothing", "nobody/nothing"),
        ("~nosuchuser/model", "~nosuchuser/model"),
        ("x" * 5000, "x" * 5000),
    ],
    ids=["alias", "listed", "not listed", "unknown user", "too long for a file"],
)
def test_an_index_names_a_model_by_its_id(given: str, name: str) -> None:
    assert embedder_name(given) == name


def test_a_folder_is_named_whole_however_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert embedder_name("model") == embedder_name("./model") == str((tmp_path / "model").resolve())
