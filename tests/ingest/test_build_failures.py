"""Builds that fail in part or as a whole: what is said, with which exit code, and what is left on the disk."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from ingest import build as building
from ingest import planning
from rag_app.errors import EmbeddingError, KnowledgeBaseBusy
from rag_app.store import layout, publishing, writer
from rag_app.store.knowledge_base import KnowledgeBase
from tests.commands import Run
from tests.ingest.conftest import Ingest, Outcome, contents

# Files that cannot be indexed


@pytest.fixture
def mixed(docs: Path) -> Path:
    """Two good files among damaged, empty and unknown ones."""
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (docs / "empty.md").write_text(" \n")
    (docs / "tool.exe").write_bytes(b"MZ")
    (docs / "set.json").write_text('{"data": [{"title": "T", "paragraphs": [{"context": "A."}]}')
    return docs


def test_a_file_that_cannot_be_read_does_not_stop_the_others(ingest: Ingest, mixed: Path, tiny_embedder: Path) -> None:
    outcome = ingest(mixed, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    assert outcome.code == 0
    assert outcome.statuses() == {
        "docs/broken.pdf": "failed",
        "docs/empty.md": "empty",
        "docs/set.json": "failed",
        "docs/tool.exe": "skipped",
        "docs/vpn.md": "indexed",
        "docs/密码.md": "indexed",
    }
    assert all(document["reason"] for document in outcome.report["documents"][:4])
    assert [document["remedy"] for document in outcome.report["documents"][:3]] == [
        "Open it and save or export it anew; if it is damaged there too, get another copy.",
        "Nothing, if no text is meant to be in it; else save it again with its text.",
        "Correct it, then run again.",
    ]
    assert outcome.report["documents"][0]["reason"] == (
        "It is not a readable PDF: Failed to load document (PDFium: Data format error)."
    )


def test_without_a_folder_for_temporary_files_the_build_ends_and_says_what_to_do(
    ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(docs.parent / "gone"))
        outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder)
    assert outcome.code == 1
    assert "No folder for temporary files can be made" in outcome.err
    assert "TMPDIR" in outcome.err
    assert layout.knowledge_base_names(indexes) == []


def test_of_what_has_no_text_alone_no_base_is_made_and_a_folder_with_documents_is_asked_for(
    ingest: Ingest, docs: Path, tiny_embedder: Path
) -> None:
    empty = docs.parent / "empty.md"
    empty.write_text(" \n")
    outcome = ingest(empty, "--kb", "kb", "--embed-model", tiny_embedder)
    assert outcome.code == 2
    assert "Nothing was changed. Name a folder with documents: " in outcome.err


def test_strict_builds_all_the_same_and_exits_with_3(
    ingest: Ingest, mixed: Path, indexes: Path, tiny_embedder: Path
) -> None:
    outcome = ingest(mixed, "--kb", "kb", "--embed-model", tiny_embedder, "--strict")
    assert outcome.code == 3
    assert "4 files were not indexed (--strict)" in outcome.err
    assert KnowledgeBase.open(indexes, "kb").chunk_count == 2


def test_strict_with_nothing_wrong_exits_with_0(ingest: Ingest, docs: Path, tiny_embedder: Path) -> None:
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--strict").code == 0


def test_records_of_the_same_name_are_indexed_once_and_the_other_reported(
    ingest: Ingest, tmp_path: Path, tiny_embedder: Path
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "text": "First."}\n{"_id": "1", "text": "Second."}\n')
    outcome = ingest(tmp_path / "corpus.jsonl", "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    assert outcome.code == 0
    assert [(document["path"], document["status"]) for document in outcome.report["documents"]] == [
        ("corpus.jsonl#1", "indexed"),
        ("corpus.jsonl#1", "failed"),
    ]
    assert outcome.report["documents"][1]["remedy"] == "Give each record a name of its own."


# Nothing is changed


def test_a_dry_run_writes_nothing(ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path) -> None:
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--dry-run", "--json")
    assert outcome.code == 0
    assert (outcome.report["generation"], outcome.report["chunks"]) == ("", 2)
    assert set(outcome.statuses().values()) == {"indexed"}
    assert not indexes.exists()


def test_a_dry_run_of_an_existing_base_leaves_its_generation(built: Outcome, ingest: Ingest, indexes: Path) -> None:
    outcome = ingest("--kb", "kb", "--dry-run")
    assert "Nothing was written (--dry-run)." in outcome.out
    assert KnowledgeBase.open(indexes, "kb").generation == "gen-00000001"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["empty", "--kb", "kb"], 2, "Nothing to index in .*no files.*Name a folder", id="empty folder"),
        pytest.param(["missing", "--kb", "kb"], 2, "There is no file or folder missing", id="missing path"),
        pytest.param(["--kb", "kb"], 2, "A new knowledge base needs documents.*FOLDER --kb kb", id="no source"),
        pytest.param(["docs", "--kb", "../../x"], 2, "'../../x' cannot name a knowledge base", id="a path as name"),
        pytest.param(["docs", "--kb", ""], 2, "'' cannot name a knowledge base", id="no name"),
        pytest.param(["docs", "--kb", "kb", "--chunk-tokens", "-1"], 2, "--chunk-tokens", id="negative size"),
        pytest.param(["docs", "--kb", "kb", "--chunk-tokens", "99999"], 2, "--chunk-tokens", id="a size too large"),
        pytest.param(["docs", "--kb", "kb", "--device", "tpu"], 2, "'device' cannot be used", id="unknown device"),
    ],
)
def test_wrong_usage_is_said_in_a_line_and_leaves_nothing_on_the_disk(
    arguments: list[str],
    code: int,
    message: str,
    ingest: Ingest,
    docs: Path,
    indexes: Path,
    tiny_embedder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (docs.parent / "empty").mkdir()
    monkeypatch.chdir(docs.parent)
    files = sorted(docs.parent.rglob("*"))
    outcome = ingest(*arguments, "--embed-model", tiny_embedder)
    assert outcome.code == code
    assert re.search(message, outcome.err)
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert [path for path in sorted(docs.parent.rglob("*")) if path not in files and path != indexes] == []


def test_a_name_that_may_be_mistyped_is_answered_with_those_there_are(built: Outcome, ingest: Ingest) -> None:
    outcome = ingest("--kb", "bk")
    assert outcome.code == 2
    assert "There is no knowledge base 'bk' in " in outcome.err
    assert "; there are: kb. A new knowledge base needs documents." in outcome.err


def test_a_dry_run_and_a_build_without_documents_look_for_no_model(
    ingest: Ingest, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_for(*_: object, **__: object) -> None:
        pytest.fail("a model was looked for")

    monkeypatch.setattr(planning, "resolve_embedder", looked_for)
    assert ingest(docs, "--kb", "kb", "--dry-run").code == 0
    (tmp_path / "empty").mkdir()
    outcome = ingest(tmp_path / "empty", "--kb", "kb")
    assert outcome.code == 2
    assert "Nothing to index" in outcome.err
    for name, content in (("a.exe", b"MZ"), ("b.exe", b"MZ"), ("c.txt", b"\0" * 50)):
        (tmp_path / "empty" / name).write_bytes(content)
    outcome = ingest(tmp_path / "empty", "--kb", "kb", "--dry-run")
    assert "2 files were skipped: Its format is not read. 1 file could not be read: It holds binary data" in outcome.err


def test_a_file_name_that_is_not_unicode_ends_no_build(ingest: Ingest, docs: Path, tiny_embedder: Path) -> None:
    try:
        (docs / os.fsdecode(b"bad\xff.txt")).write_text("The canteen opens at noon.")
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.statuses()["docs/bad\\xff.txt"] == "indexed"


def test_a_source_that_is_gone_is_said_aloud(
    built: Outcome, ingest: Ingest, tmp_path: Path, tiny_embedder: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.txt").write_text("The shuttle leaves at eight.")
    assert ingest(other, "--kb", "kb").code == 0
    other.rename(tmp_path / "moved")
    outcome = ingest("--kb", "kb")
    assert outcome.code == 0
    assert f"warning: the source {other} is gone from the disk" in outcome.err
    assert "other/a.txt" in outcome.out


def test_strict_does_not_mind_what_was_left_out_by_design(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path
) -> None:
    (docs / "vpn.md").unlink()
    (docs / ".DS_Store").write_text("x")
    outcome = ingest("--kb", "kb", "--strict", "--json")
    assert outcome.code == 0
    assert outcome.statuses()["docs/vpn.md"] == "skipped"
    assert outcome.statuses()["docs/.DS_Store"] == "skipped"


def test_an_unknown_model_is_refused_with_the_ways_on_and_nothing_is_left(
    ingest: Ingest, docs: Path, indexes: Path
) -> None:
    outcome = ingest(docs, "--kb", "kb", "--embed-model", "no/such-model")
    assert outcome.code == 1
    assert "no/such-model is not on this machine" in outcome.err
    assert "--embed-model /path/to/folder" in outcome.err
    assert not (indexes / "kb").exists()


def test_a_second_build_at_the_same_time_is_refused_and_harms_nothing(
    built: Outcome, ingest: Ingest, indexes: Path
) -> None:
    with writer.writer_lock(indexes / "kb"):
        outcome = ingest("--kb", "kb")
    assert outcome.code == 4
    assert "Another build of the knowledge base 'kb' is running" in outcome.err
    assert KnowledgeBase.open(indexes, "kb").generation == "gen-00000001"


def test_a_refused_build_does_not_remove_the_new_base_of_the_other(
    ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_was_first(base: Path) -> None:
        base.mkdir(parents=True)
        (base / ".build-1").mkdir()
        raise KnowledgeBaseBusy("Another build is running.")

    monkeypatch.setattr(writer, "writer_lock", other_was_first)
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder).code == 4
    assert (indexes / "kb" / ".build-1").exists()


@pytest.mark.parametrize(
    ("module", "stage"),
    [(building, "_embed"), (publishing, "_sums")],
    ids=["while embedding", "while writing"],
)
def test_a_build_that_fails_leaves_the_old_generation_live_and_the_next_one_mends_it(
    module: ModuleType,
    stage: str,
    built: Outcome,
    ingest: Ingest,
    indexes: Path,
    docs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = contents(indexes)
    (docs / "new.txt").write_text("A new file.")

    def fail(*_: object) -> None:
        raise EmbeddingError("The model gave NaN.", "Use another.")

    with monkeypatch.context() as patch:
        patch.setattr(module, stage, fail)
        outcome = ingest("--kb", "kb")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "error: The model gave NaN. Use another.")
    assert contents(indexes) == before
    assert ingest("--kb", "kb", "--json").statuses()["docs/new.txt"] == "indexed"
    assert not list((indexes / "kb").glob(".build-*"))


def test_an_interrupted_build_exits_with_130_and_changes_nothing(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    (docs / "new.txt").write_text("A new file.")
    monkeypatch.setattr(building, "publish", interrupt)
    outcome = ingest("--kb", "kb")
    assert outcome.code == 130
    assert "Interrupted. What was there before is as it was." in outcome.err
    assert KnowledgeBase.open(indexes, "kb").generation == "gen-00000001"


# Repair


def test_a_base_whose_manifest_is_damaged_is_refused_with_the_command_that_repairs_it(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path, tiny_embedder: Path
) -> None:
    (indexes / "kb" / "gen-00000001" / "manifest.json").write_text("{}")
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert "python -m ingest --kb kb --rebuild" in outcome.err
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--rebuild").code == 0
    assert KnowledgeBase.open(indexes, "kb").chunk_count == 2


def test_damage_inside_the_chunks_is_repaired_with_the_models_it_had(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path
) -> None:
    before = contents(indexes)
    file = indexes / "kb" / "gen-00000001" / "chunks.sqlite"
    file.write_bytes(b"\xff" * file.stat().st_size)
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert "chunks.sqlite is damaged" in outcome.err
    assert "python -m ingest --kb kb --rebuild" in outcome.err
    assert ingest(docs, "--kb", "kb", "--rebuild").code == 0
    assert contents(indexes) == before


def test_a_damaged_base_is_repaired_with_the_sources_models_and_sizes_it_had(
    ingest: Ingest, indexes: Path, docs: Path, tiny_embedder: Path
) -> None:
    flags = ("--embed-model", tiny_embedder, "--chunk-tokens", 64, "--overlap", 5)
    assert ingest(docs, "--kb", "kb", *flags).code == 0
    before = KnowledgeBase.open(indexes, "kb").manifest
    (vectors,) = (indexes / "kb" / "gen-00000001" / "vectors").glob("*/vectors.faiss")
    vectors.write_bytes(vectors.read_bytes()[:-4])
    assert ingest("--kb", "kb").code == 1
    repaired = ingest("--kb", "kb", "--rebuild")
    assert repaired.code == 0, repaired.err
    after = KnowledgeBase.open(indexes, "kb").manifest
    assert (after.sources, after.models, after.parsing) == (before.sources, before.models, before.parsing)


def test_another_format_version_is_replaced_by_a_rebuild(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = layout.FORMAT_VERSION
    monkeypatch.setattr(layout, "FORMAT_VERSION", layout.FORMAT_VERSION + 1)
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert f"is in format version {version}; this program reads version {version + 1}" in outcome.err
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--rebuild").code == 0
    assert KnowledgeBase.open(indexes, "kb").manifest.format_version == version + 1


def test_a_base_of_an_older_format_is_rebuilt_as_it_was_without_what_was_purged(
    built: Outcome, ingest: Ingest, run: Run, docs: Path, indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("kb", "purge", "kb", "--document", "docs/vpn.md", "--indexes", indexes)
    before = KnowledgeBase.open(indexes, "kb").manifest
    monkeypatch.setattr(layout, "FORMAT_VERSION", layout.FORMAT_VERSION + 1)
    outcome = ingest("--kb", "kb", "--rebuild")
    assert outcome.code == 0, outcome.err
    assert "warning" not in outcome.err
    base = KnowledgeBase.open(indexes, "kb")
    assert (base.manifest.sources, base.manifest.excluded) == (before.sources, before.excluded)
    assert (base.models, list(base.chunks.document_sums())) == (before.models, ["docs/密码.md"])


def test_a_base_of_which_only_an_older_manifest_is_whole_is_rebuilt_as_that_was_and_this_is_said(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path, tmp_path: Path
) -> None:
    (tmp_path / "later.md").write_text("Added later.")
    assert ingest(tmp_path / "later.md", "--kb", "kb").code == 0
    (indexes / "kb" / "gen-00000002" / "manifest.json").write_text("{}")
    outcome = ingest("--kb", "kb", "--rebuild")
    assert outcome.code == 0
    assert (
        f"what gen-00000002 was made of cannot be read. Rebuilding what gen-00000001 was made of: {docs}" in outcome.err
    )
    assert "Name anything that was added since" in outcome.err


# Names that stand in one another's way


def test_a_file_and_a_record_of_the_same_path_do_not_end_the_build(
    ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path
) -> None:
    (docs / "corpus.jsonl").write_text('{"_id": "a.md", "text": "A record."}\n')
    (docs / "corpus.jsonl#a.md").write_text("A file.")
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    assert outcome.code == 0, outcome.err
    same = [one for one in outcome.report["documents"] if one["path"] == "docs/corpus.jsonl#a.md"]
    assert [one["status"] for one in same] == ["indexed", "failed"]
    assert (same[1]["reason"], same[1]["remedy"]) == ("Another document has the same path.", "Rename one of the two.")
    (docs / "corpus.jsonl").unlink()
    assert ingest("--kb", "kb", "--json").statuses()["docs/corpus.jsonl#a.md"] == "indexed"


@pytest.mark.parametrize("where", [".", "kb", "kb/gen-00000001"])
def test_a_source_inside_the_index_root_is_refused(where: str, built: Outcome, ingest: Ingest, indexes: Path) -> None:
    outcome = ingest(indexes / where, "--kb", "kb")
    assert outcome.code == 2
    assert "is the index root" in outcome.err
    assert "Choose another index root" in outcome.err
    assert KnowledgeBase.open(indexes, "kb").generation == "gen-00000001"


def test_a_failed_build_removes_no_folder_that_it_did_not_make(ingest: Ingest, docs: Path, indexes: Path) -> None:
    mine = indexes / "kb"
    mine.mkdir(parents=True)
    (mine / "thesis.md").write_text("Mine.")
    outcome = ingest(docs, "--kb", "kb", "--embed-model", "no/such-model")
    assert outcome.code == 2
    assert "holds something else than a knowledge base" in outcome.err
    assert (mine / "thesis.md").read_text() == "Mine."


def test_a_base_without_a_whole_manifest_says_what_is_lost_with_it(
    built: Outcome, ingest: Ingest, indexes: Path, docs: Path, tiny_embedder: Path
) -> None:
    manifest = indexes / "kb" / "gen-00000001" / "manifest.json"
    for content in ("{}", f'{{"format_version": {layout.FORMAT_VERSION - 1}, "sources": []}}'):
        manifest.write_text(content)
        outcome = ingest("--kb", "kb", "--rebuild")
        assert outcome.code == 2
        assert "What 'kb' was made of is not known." in outcome.err
        assert "python -m ingest FOLDER --kb kb --rebuild" in outcome.err
    outcome = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--rebuild")
    assert outcome.code == 0
    assert "being damaged or of another format" in outcome.err
    assert "what was purged and is still there comes back" in outcome.err
