"""Evaluations that are kept: listed, read, removed."""

from __future__ import annotations

from pathlib import Path

from rag_app.evaluation.kept_comparisons import comparison_text
from rag_app.store.records.comparison_runs import comparison_of, forget, forget_run, keep_run, runs
from tests.comparisons import made_comparison


def test_runs_are_listed_the_latest_first_and_read_whole(tmp_path: Path) -> None:
    assert runs(tmp_path) == []
    first = keep_run(tmp_path, '{"a": 1}', dataset="one", knowledge_base="kb", questions=3, systems=2)
    second = keep_run(tmp_path, "二", dataset="two", knowledge_base="kb", questions=4, systems=5)
    assert runs(tmp_path) == [second, first]
    assert (second.dataset, second.questions, second.systems) == ("two", 4, 5)
    assert comparison_of(tmp_path, first.id) == '{"a": 1}'
    assert comparison_of(tmp_path, second.id) == "二"
    forget_run(tmp_path, second.id)
    assert runs(tmp_path) == [first]
    assert comparison_of(tmp_path, second.id) is None


def test_a_purged_document_is_in_no_run_that_is_kept(tmp_path: Path) -> None:
    comparison = made_comparison(4)
    document = comparison.systems[0].outcomes[0].found[0].document
    text = comparison_text(comparison)
    for base in ("kb", "other"):
        keep_run(tmp_path, text, dataset="d", knowledge_base=base, questions=4, systems=2)
    forget(tmp_path / "nothing", "kb", document)
    forget(tmp_path, "kb", document[1:])
    assert len(runs(tmp_path)) == 2
    forget(tmp_path, "kb", document)
    assert [row.knowledge_base for row in runs(tmp_path)] == ["other"]
