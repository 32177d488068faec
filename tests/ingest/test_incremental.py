"""Builds after the first: what has not changed is not read, not embedded and not written again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest import parsing, parsing_plan
from rag_app.models import embedder
from rag_app.sandbox import SandboxPool
from rag_app.store.knowledge_base import KnowledgeBase
from tests.checkpoints import make_bert_embedder
from tests.conftest import REPOSITORY
from tests.ingest.conftest import Ingest, Outcome, contents


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files that were given to a child process."""
    given: list[str] = []
    call_each = SandboxPool.call_each

    def recorded(pool: SandboxPool, calls: Any, **options: Any) -> Any:
        given.extend(arguments[0] for arguments, _ in calls)
        return call_each(pool, calls, **options)

    monkeypatch.setattr(parsing.SandboxPool, "call_each", recorded)
    return given


@pytest.fixture
def models_loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were loaded."""
    loaded: list[str] = []
    original = embedder.CatalogueEmbedding

    def load(spec: Any, **options: Any) -> Any:
        loaded.append(spec.model_id)
        return original(spec, **options)

    monkeypatch.setattr(embedder, "CatalogueEmbedding", load)
    return loaded


def live(indexes: Path) -> KnowledgeBase:
    return KnowledgeBase.open(indexes, "kb")


def inodes(generation: Path) -> dict[str, int]:
    return {
        path.relative_to(generation).as_posix(): path.stat().st_ino for path in generation.rglob("*") if path.is_file()
    }


# Nothing has changed


def test_a_build_with_nothing_to_do_writes_nothing_and_says_so(
    built: Outcome, ingest: Ingest, indexes: Path, calls: list[str], models_loaded: list[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (indexes / "kb").rglob("*") if path.is_file()}
    outcome = ingest("--kb", "kb")
    assert outcome.code == 0
    assert "Nothing has changed: gen-00000001 stays." in outcome.err
    after = {path: path.stat().st_mtime_ns for path in (indexes / "kb").rglob("*") if path.is_file()}
    del before[indexes / "kb" / ".writer.lock"], after[indexes / "kb" / ".writer.lock"]
    assert after == before
    assert (calls, models_loaded) == ([], [])


def test_a_build_with_nothing_to_do_imports_no_torch(built: Outcome, indexes: Path) -> None:
    code = (
        "import sys; from ingest import cli\n"
        f"sys.argv = ['ingest', '--kb', 'kb', '--json', '--offline', '--indexes', {str(indexes)!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'llama_index'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["generation"] == "gen-00000001"


def test_the_report_of_a_build_with_nothing_to_do_knows_what_was_truncated(
    ingest: Ingest, docs: Path, tiny_embedder: Path
) -> None:
    (docs / "long.md").write_text("The account is locked after failed attempts. " * 20)
    first = ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder, "--json")
    again = ingest("--kb", "kb", "--json")
    (before,), (after,) = first.report["models"], again.report["models"]
    assert before["truncated"] == after["truncated"] > 0
    assert (after["embedded"], after["reused"]) == (0, first.report["chunks"])
    assert f"--chunk-tokens {before['fitting_chunk_tokens']} would fit" in first.err
    assert "warning" not in again.err, "it was said when the passages were embedded"


def test_a_new_file_that_cannot_be_read_is_a_change_and_costs_no_model(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path, models_loaded: list[str]
) -> None:
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    assert ingest("--kb", "kb", "--json").report["generation"] == "gen-00000002"
    assert ingest("--kb", "kb", "--json").report["generation"] == "gen-00000002"
    assert models_loaded == []
    old, new = (inodes(indexes / "kb" / f"gen-0000000{number}") for number in (1, 2))
    assert {name for name in new if new[name] == old.get(name)} == set(old) - {"manifest.json", "report.json"}


def test_a_file_that_was_removed_is_said_once(built: Outcome, ingest: Ingest, docs: Path) -> None:
    (docs / "vpn.md").unlink()
    assert ingest("--kb", "kb", "--json").statuses() == {"docs/密码.md": "unchanged", "docs/vpn.md": "skipped"}
    again = ingest("--kb", "kb", "--json")
    assert again.statuses() == {"docs/密码.md": "unchanged"}
    assert again.report["generation"] == "gen-00000002"


def test_the_records_of_an_unchanged_file_are_not_read_again(
    ingest: Ingest, tmp_path: Path, tiny_embedder: Path, calls: list[str]
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(
        '{"_id": "1", "text": "First."}\n{"_id": "2", "text": " "}\n{"_id": "1", "text": "Again."}\n'
        '{"_id": "3", "text": "Third."}\n'
    )
    assert ingest(corpus, "--kb", "kb", "--embed-model", tiny_embedder).code == 0
    calls.clear()
    outcome = ingest("--kb", "kb", "--json")
    assert calls == []
    assert [(document["path"], document["status"]) for document in outcome.report["documents"]] == [
        ("corpus.jsonl#1", "unchanged"),
        ("corpus.jsonl#2", "empty"),
        ("corpus.jsonl#1", "failed"),
        ("corpus.jsonl#3", "unchanged"),
    ]
    assert outcome.report["generation"] == "gen-00000001"
    corpus.write_text(corpus.read_text().replace("Third", "Last"))
    outcome = ingest("--kb", "kb", "--json")
    assert calls == ["corpus.jsonl"]
    assert outcome.report["models"][0]["embedded"] == 1


def test_a_file_that_failed_is_tried_again(built: Outcome, ingest: Ingest, docs: Path, calls: list[str]) -> None:
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    ingest("--kb", "kb")
    calls.clear()
    ingest("--kb", "kb")
    assert calls == ["docs/broken.pdf"]


def test_a_document_that_is_given_up_again_and_comes_out_the_same_changes_nothing(
    ingest: Ingest, docs: Path, tiny_embedder: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = parsing._report
    monkeypatch.setattr(parsing, "_report", lambda *given: replace(report(*given), complete=False))
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder).code == 0
    calls.clear()
    outcome = ingest("--kb", "kb", "--json")
    assert calls == ["docs/vpn.md", "docs/密码.md"]
    assert outcome.report["generation"] == "gen-00000001"


def test_another_way_of_searching_text_makes_the_indexes_anew(
    built: Outcome, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing_plan, "SEARCH_TEXT_VERSION", 99)
    assert ingest("--kb", "kb", "--json").report["generation"] == "gen-00000002"


# Something has changed


def test_one_edited_file_is_read_and_its_new_passages_embedded(
    built: Outcome, ingest: Ingest, docs: Path, calls: list[str]
) -> None:
    calls.clear()
    (docs / "vpn.md").write_text("# VPN\n\nIt needs version 6.2 now.")
    outcome = ingest("--kb", "kb", "--json")
    assert calls == ["docs/vpn.md"]
    assert outcome.statuses() == {"docs/vpn.md": "indexed", "docs/密码.md": "unchanged"}
    assert (outcome.report["models"][0]["embedded"], outcome.report["models"][0]["reused"]) == (1, 1)


def test_the_content_decides_and_not_the_clock(built: Outcome, ingest: Ingest, docs: Path) -> None:
    """B46: the time of a file says nothing, whether it stays, goes back or lies in another century."""
    file = docs / "vpn.md"
    status = file.stat()
    file.write_text(file.read_text().replace("Harbour", "Seaport"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ingest("--kb", "kb", "--json").statuses()["docs/vpn.md"] == "indexed"
    for year in (0, 4_102_444_800):
        os.utime(file, (year, year))
        assert ingest("--kb", "kb", "--json").statuses()["docs/vpn.md"] == "unchanged"


def test_touching_a_file_does_not_change_its_date(
    ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path
) -> None:
    vpn, other = docs / "vpn.md", docs / "密码.md"
    for file in (vpn, other):
        os.utime(file, (1_714_600_000, 1_714_600_000))
    other.write_text(f"---\ndate: 2021-03-04\n---\n{other.read_text()}")
    assert ingest(docs, "--kb", "kb", "--embed-model", tiny_embedder).code == 0

    def dates() -> list[str]:
        return [facts.date for facts in live(indexes).chunks.all_facts()]

    assert dates() == ["2024-05-01", "2021-03-04"]
    os.utime(vpn, (1_600_000_000, 1_600_000_000))
    assert ingest("--kb", "kb", "--json").report["generation"] == "gen-00000001"
    (docs / "new.md").write_text("Something new.")  # a new generation takes the date over
    assert ingest("--kb", "kb").code == 0
    assert dates()[1:] == ["2024-05-01", "2021-03-04"]
    vpn.write_text(f"{vpn.read_text()} And more.")
    os.utime(vpn, (1_600_000_000, 1_600_000_000))
    assert ingest("--kb", "kb").code == 0
    assert dates()[1:] == ["2020-09-13", "2021-03-04"]


def test_a_renamed_file_is_read_again_and_embeds_nothing_where_its_title_stayed(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path, models_loaded: list[str]
) -> None:
    (docs / "vpn.md").rename(docs / "remote.md")
    models_loaded.clear()
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.statuses() == {
        "docs/remote.md": "indexed",
        "docs/密码.md": "unchanged",
        "docs/vpn.md": "skipped",
    }
    assert models_loaded == []
    assert [path for path, *_ in live(indexes).chunks.documents()] == ["docs/remote.md", "docs/密码.md"]


def test_after_edits_vectors_are_those_of_a_fresh_build(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path, tiny_embedder: Path
) -> None:
    for number in range(40):
        (docs / f"{number:02}.md").write_text(
            f"# Note {number}\n\n" + f"Sentence {number} of a note. " * (number % 9 + 1)
        )
    assert ingest("--kb", "kb").code == 0
    (docs / "07.md").write_text("# Note 7\n\nIt says something else now, and rather more than it did.")
    (docs / "11.md").unlink()
    (docs / "05.md").rename(docs / "50.md")
    assert ingest("--kb", "kb").code == 0
    assert ingest(docs, "--kb", "fresh", "--embed-model", tiny_embedder).code == 0
    (rows, (vectors,)), (fresh_rows, (fresh_vectors,)) = contents(indexes), contents(indexes, "fresh")
    assert rows == fresh_rows
    cosines = np.sum(np.asarray(vectors) * np.asarray(fresh_vectors), axis=1)
    assert cosines.min() >= 0.999999


# Models


@pytest.fixture(scope="session")
def second_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert_embedder(tmp_path_factory.mktemp("second"), seed=1)


def test_a_second_model_reads_no_file_and_writes_only_its_own_vectors(
    built: Outcome, ingest: Ingest, indexes: Path, second_embedder: Path, calls: list[str], models_loaded: list[str]
) -> None:
    calls.clear()
    models_loaded.clear()
    assert ingest("--kb", "kb", "--embed-model", second_embedder).code == 0
    assert (calls, models_loaded) == ([], [str(second_embedder)])
    old, new = (inodes(indexes / "kb" / f"gen-0000000{number}") for number in (1, 2))
    written = {name for name in new if new[name] != old.get(name)} - {"manifest.json", "report.json"}
    assert {name.split("/")[0] for name in written} == {"vectors"}
    assert len({name.split("/")[1] for name in written}) == 1


@pytest.fixture
def own_embedder(tiny_embedder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny embedding model that a test may harm."""
    return Path(shutil.copytree(tiny_embedder, tmp_path / "own"))


def test_a_model_that_is_gone_is_missed_only_where_something_must_be_embedded(
    ingest: Ingest, docs: Path, own_embedder: Path, second_embedder: Path
) -> None:
    assert ingest(docs, "--kb", "kb", "--embed-model", own_embedder).code == 0
    own_embedder.rename(own_embedder.with_name("moved"))
    assert ingest("--kb", "kb").code == 0
    (docs / "密码.md").unlink()
    assert ingest("--kb", "kb").code == 0
    assert ingest("--kb", "kb", "--embed-model", second_embedder).code == 0
    (docs / "new.md").write_text("Something new.")
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert str(own_embedder) in outcome.err
    assert ingest("--kb", "kb", "--drop-model", own_embedder).code == 0


def test_a_model_whose_files_changed_is_said_and_embeds_everything_again(
    ingest: Ingest, docs: Path, indexes: Path, own_embedder: Path, tmp_path: Path
) -> None:
    assert ingest(docs, "--kb", "kb", "--embed-model", own_embedder).code == 0
    before = live(indexes).models[0]
    other = make_bert_embedder(tmp_path / "other", seed=5)
    shutil.copy(other / "model.safetensors", own_embedder / "model.safetensors")
    outcome = ingest("--kb", "kb", "--json")
    assert f"warning: {own_embedder} is not what it was (files_sha256): every passage is embedded again" in outcome.err
    assert outcome.report["models"][0]["embedded"] == outcome.report["chunks"] == 2
    (after,) = live(indexes).models
    assert (after.model, after.digest != before.digest) == (before.model, True)


def test_the_memory_for_vectors_is_kept_and_changing_it_writes_them_anew(
    built: Outcome, ingest: Ingest, indexes: Path, models_loaded: list[str]
) -> None:
    models_loaded.clear()
    assert ingest("--kb", "kb", "--memory-gb", 2, "--json").report["generation"] == "gen-00000002"
    assert ingest("--kb", "kb", "--json").report["generation"] == "gen-00000002"
    assert live(indexes).manifest.memory_gb == 2
    assert models_loaded == []


# Damage is not carried on


@pytest.mark.parametrize(
    "name", ["chunks.sqlite", "report.json", "vectors/*/vectors.faiss", "keywords/params.index.json"]
)
def test_a_build_takes_nothing_over_from_a_damaged_generation(
    name: str, built: Outcome, ingest: Ingest, docs: Path, indexes: Path
) -> None:
    (file,) = (indexes / "kb" / "gen-00000001").glob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    (docs / "new.md").write_text("Something new.")
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert f"{file} is damaged: its sum is not the one in the manifest." in outcome.err
    assert "--rebuild" in outcome.err
    assert ingest("--kb", "kb", "--rebuild").code == 0
    assert live(indexes).generation == "gen-00000002"


def test_a_lost_current_is_put_right_by_the_next_build(built: Outcome, ingest: Ingest, indexes: Path) -> None:
    (indexes / "kb" / "CURRENT").unlink()
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.report["generation"] == "gen-00000001"
    assert live(indexes).generation == "gen-00000001"


# Room


def test_a_build_for_which_there_is_no_room_ends_before_a_model_is_loaded(
    built: Outcome, ingest: Ingest, docs: Path, indexes: Path, models_loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "new.md").write_text("Something new.")
    models_loaded.clear()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 500_000, 500_000))
    outcome = ingest("--kb", "kb")
    assert outcome.code == 1
    assert "has 0.5 MB free; the build needs about 1.0 MB" in outcome.err
    assert models_loaded == []
    assert live(indexes).generation == "gen-00000001"
