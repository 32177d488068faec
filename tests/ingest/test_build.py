"""Builds that succeed: what is on the disk, what is reported, and what is not done again."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from rag_app.models import embedder
from rag_app.store.knowledge_base import KnowledgeBase
from tests.checkpoints import make_bert_embedder
from tests.ingest.conftest import Ingest, Outcome, contents


def no_model(*_: object, **__: object) -> None:
    raise AssertionError("a model was loaded")


# A new knowledge base


def test_a_new_base_has_every_document_and_one_vector_a_chunk(built: Outcome, indexes: Path, docs: Path) -> None:
    knowledge_base = KnowledgeBase.open(indexes, "kb")
    assert [path for path, *_ in knowledge_base.chunks.documents()] == ["docs/vpn.md", "docs/密码.md"]
    assert [(source.name, source.path) for source in knowledge_base.manifest.sources] == [("docs", str(docs))]
    vectors = knowledge_base.vectors(knowledge_base.models[0])
    assert vectors.rows.tolist() == list(range(knowledge_base.chunk_count))
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors(slice(None)), axis=1), 1, atol=1e-5)
    assert not list((indexes / "kb").glob(".build-*"))


def test_the_json_report_has_the_promised_shape(built: Outcome, indexes: Path, docs: Path, tiny_embedder: Path) -> None:
    report = built.report
    assert {"kb", "generation", "seconds", "chunks", "documents", "models"} <= set(report)
    assert (report["kb"], report["generation"], report["chunks"]) == ("kb", "gen-00000001", 2)
    assert report["documents"][1] == {
        "path": "docs/密码.md",
        "status": "indexed",
        "reason": "",
        "remedy": "",
        "chunks": 1,
        "pages": None,
        "language": "zh",
        "script": "Hans",
        "encoding": "utf-8",
        "intended": False,
        "complete": True,
        "file": "",
        "file_sha256": hashlib.sha256((docs / "密码.md").read_bytes()).hexdigest(),
    }
    (model,) = report["models"]
    assert (model["model"], model["dimension"]) == (str(tiny_embedder), 32)
    assert (model["embedded"], model["reused"], model["truncated"]) == (2, 0, 0)
    assert model["chunks_per_second"] > 0
    assert model["fingerprint"] == KnowledgeBase.open(indexes, "kb").models[0].digest


def test_the_languages_of_a_base_and_how_it_was_read_are_in_its_manifest(built: Outcome, indexes: Path) -> None:
    manifest = KnowledgeBase.open(indexes, "kb").manifest
    assert manifest.languages == {"en-Latn": 1, "zh-Hans": 1}
    assert manifest.parsing["normalisation"] == "NFC"


def test_what_was_not_read_of_a_document_is_said_again_where_it_is_unchanged(
    built: Outcome, ingest: Ingest, docs: Path
) -> None:
    (docs / "hidden.md").write_text("The pass\u200bword is new.")
    first = ingest("--kb", "kb", "--json").report["documents"][0]
    again = ingest("--kb", "kb", "--json").report["documents"][0]
    assert (first["status"], again["status"]) == ("indexed", "unchanged")
    assert first["reason"] == again["reason"] == "It has 1 invisible characters; search passes over them."


def test_the_report_is_kept_in_the_generation(built: Outcome, indexes: Path) -> None:
    kept = json.loads((indexes / "kb" / "gen-00000001" / "report.json").read_text())
    assert kept["documents"] == built.report["documents"]
    (model,) = kept["models"]
    assert set(built.report["models"][0]) - set(model) == {"embedded", "reused", "chunks_per_second"}


def test_a_person_is_told_what_was_done_and_what_comes_next(ingest: Ingest, docs: Path, tiny_embedder: Path) -> None:
    (docs / "tool.exe").write_bytes(b"MZ")
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder)
    assert re.search(r"skipped +1 +docs/tool.exe +Its format is not read\. +Formats that are read: PDF", outcome.out)
    assert "3 files (1 skipped, 2 indexed); 2 chunks" in outcome.out
    assert 'rag-app ask "..." --kb kb' in outcome.out
    assert "Loading" in outcome.err


def test_events_are_json_lines_on_standard_error(ingest: Ingest, docs: Path, tiny_embedder: Path) -> None:
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--events", "--json")
    events = [json.loads(line) for line in outcome.err.splitlines()]
    assert all(set(event) == {"event", "subject", "done", "total", "status", "reason"} for event in events)
    kinds = [event["event"] for event in events if event["event"] != "message"]
    assert kinds == ["file", "file", "chunked", "embedding", "publishing", "done"]
    assert events[0] == {
        "event": "file", "subject": "docs/vpn.md", "done": 1, "total": 2, "status": "indexed", "reason": ""
    }  # fmt: skip
    assert events[-1]["subject"] == outcome.report["generation"]


def test_a_chunk_longer_than_the_window_is_counted_and_the_size_that_fits_is_said(
    ingest: Ingest, docs: Path, tiny_embedder: Path
) -> None:
    (docs / "long.md").write_text("The account is locked after failed attempts. " * 20)
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    model = outcome.report["models"][0]
    assert model["truncated"] > 0
    assert 0 < model["unseen_share"] < 1
    assert f"--chunk-tokens {model['fitting_chunk_tokens']} would fit" in outcome.err


def test_the_same_files_give_the_same_chunks_and_vectors(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path, tiny_embedder: Path
) -> None:
    other = ingest(docs, "--kb", "other", "--embed-model", tiny_embedder, "--json")
    assert contents(indexes, "kb") == contents(indexes, "other")
    assert other.report["documents"] == built.report["documents"]


# A second build


def test_a_build_without_changes_reads_and_embeds_nothing_again(
    built: Outcome, ingest: Ingest, indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(indexes)
    monkeypatch.setattr(embedder, "CatalogueEmbedding", no_model)
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.statuses() == {"docs/vpn.md": "unchanged", "docs/密码.md": "unchanged"}
    assert (outcome.report["models"][0]["embedded"], outcome.report["models"][0]["reused"]) == (0, 2)
    assert outcome.report["generation"] == built.report["generation"] == "gen-00000001"
    assert contents(indexes) == before


def test_files_that_were_edited_added_and_removed(built: Outcome, ingest: Ingest, indexes: Path, docs: Path) -> None:
    (docs / "vpn.md").write_text("# VPN\n\nIt needs version 6.2 now.")
    (docs / "new.txt").write_text("A new file.")
    (docs / "密码.md").unlink()
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.statuses() == {"docs/new.txt": "indexed", "docs/vpn.md": "indexed", "docs/密码.md": "skipped"}
    assert outcome.report["documents"][-1]["reason"] == "It is gone from its source: removed."
    chunks = KnowledgeBase.open(indexes, "kb").chunks
    assert [chunk.text for chunk in chunks.all_chunks()] == ["A new file.", "# VPN\n\nIt needs version 6.2 now."]


def test_a_source_named_again_is_added_to_those_it_has(built: Outcome, ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("A note.")
    assert set(ingest(tmp_path / "note.md", "--kb", "kb", "--json").statuses()) == {
        "docs/vpn.md",
        "docs/密码.md",
        "note.md",
    }


def test_a_dropped_source_goes_with_its_documents_also_where_it_is_gone_and_one_that_is_none_is_refused(
    built: Outcome, ingest: Ingest, tmp_path: Path, docs: Path
) -> None:
    note = tmp_path / "note.md"
    note.write_text("A note.")
    assert ingest(note, "--kb", "kb").code == 0
    note.unlink()
    refused = ingest("--kb", "kb", "--drop-source", tmp_path / "other.md")
    assert refused.code == 2
    assert f"'kb' has no source {tmp_path / 'other.md'}." in refused.err
    outcome = ingest("--kb", "kb", "--drop-source", note, "--json")
    assert set(outcome.statuses()) >= {"docs/vpn.md", "docs/密码.md"}
    assert "warning: the source" not in outcome.err
    refused = ingest("--kb", "kb", "--drop-source", docs)
    assert refused.code == 2
    assert "No source of 'kb' would be left." in refused.err


def test_replaced_sources_leave_nothing_of_those_before(
    built: Outcome, ingest: Ingest, indexes: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.md").write_text("A note.")
    outcome = ingest(tmp_path / "note.md", "--kb", "kb", "--replace-sources", "--json")
    assert outcome.statuses() == {"note.md": "indexed", "docs/vpn.md": "skipped", "docs/密码.md": "skipped"}
    assert list(KnowledgeBase.open(indexes, "kb").chunks.document_sums()) == ["note.md"]


def test_another_chunk_size_cuts_every_file_again_and_stays(built: Outcome, ingest: Ingest, indexes: Path) -> None:
    assert set(ingest("--kb", "kb", "--chunk-tokens", 8, "--json").statuses().values()) == {"indexed"}
    outcome = ingest("--kb", "kb", "--json")
    assert set(outcome.statuses().values()) == {"unchanged"}
    assert KnowledgeBase.open(indexes, "kb").manifest.parsing["chunk_tokens"] == 8


def test_rebuild_reads_every_file_again(built: Outcome, ingest: Ingest) -> None:
    assert set(ingest("--kb", "kb", "--rebuild", "--json").statuses().values()) == {"indexed"}


@pytest.fixture(scope="session")
def second_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert_embedder(tmp_path_factory.mktemp("second"), seed=1)


def test_a_second_model_is_added_beside_the_first_and_either_can_be_dropped(
    built: Outcome, ingest: Ingest, indexes: Path, tiny_embedder: Path, second_embedder: Path, docs: Path
) -> None:
    first_vectors = contents(indexes)[1][0]
    report = ingest("--kb", "kb", "--embed-model", second_embedder, "--json").report
    assert [(model["embedded"], model["reused"]) for model in report["models"]] == [(0, 2), (2, 0)]
    assert contents(indexes)[1][0] == first_vectors
    assert [model.model for model in KnowledgeBase.open(indexes, "kb").models] == [
        str(tiny_embedder),
        str(second_embedder),
    ]
    assert ingest("--kb", "kb", "--drop-model", tiny_embedder).code == 0
    assert [model.model for model in KnowledgeBase.open(indexes, "kb").models] == [str(second_embedder)]


def test_a_model_folder_is_dropped_by_a_relative_path_too(
    built: Outcome, ingest: Ingest, tiny_embedder: Path, second_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_embedder.parent)
    outcome = ingest("--kb", "kb", "--embed-model", second_embedder, "--drop-model", tiny_embedder.name, "--json")
    assert [model["model"] for model in outcome.report["models"]] == [str(second_embedder)]


def test_the_only_model_cannot_be_dropped(built: Outcome, ingest: Ingest, tiny_embedder: Path) -> None:
    outcome = ingest("--kb", "kb", "--drop-model", tiny_embedder)
    assert outcome.code == 2
    assert "needs at least one embedding model" in outcome.err


def test_a_model_that_is_not_there_cannot_be_dropped(
    built: Outcome, ingest: Ingest, docs: Path, tiny_embedder: Path
) -> None:
    outcome = ingest("--kb", "kb", "--drop-model", "no/such")
    assert outcome.code == 2
    assert f"'kb' has no vectors of no/such; it has: {tiny_embedder}" in outcome.err
    new = ingest(docs, "--kb", "new", "--drop-model", "no/such")
    assert "'new' has no vectors of no/such, nor of any other model. Leave --drop-model out." in new.err
