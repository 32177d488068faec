"""`rag-app kb`: the list, the identity card, and verification, up to real models that have become others."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ingest.build import build
from ingest.planning import BuildRequest
from rag_app.config import load_settings
from rag_app.store.knowledge_base import KnowledgeBase
from tests.checkpoints import make_bert_embedder
from tests.commands import Run
from tests.conftest import MakeBase, SmallBase
from tests.end_to_end.commands import run as run_program


def kb(command: str, base: SmallBase, *options: str) -> tuple[str | Path, ...]:
    return ("kb", command, base.name, "--indexes", base.indexes, *options)


def test_kb_list(run: Run, small_base: SmallBase) -> None:
    found = run("kb", "list", "--indexes", small_base.indexes, "--json").json
    (summary,) = found["knowledge_bases"]
    assert (summary["name"], summary["generation"]) == ("small", "gen-00000001")
    assert (summary["documents"], summary["models"]) == (3, ["fake/hash-embedding"])
    assert run("kb", "list", "--indexes", small_base.indexes).out.startswith("small: 3 documents, ")


def test_kb_list_names_a_damaged_knowledge_base_and_still_lists_the_others(
    run: Run, make_base: MakeBase, small_base: SmallBase
) -> None:
    broken = make_base(name="broken")
    (broken.indexes / "broken" / "gen-00000001" / "manifest.json").write_text("{}")
    result = run("kb", "list", "--indexes", broken.indexes, "--json")
    assert result.code == 0
    by_name = {summary["name"]: summary for summary in result.json["knowledge_bases"]}
    assert "error" in by_name["broken"]
    assert by_name[small_base.name]["documents"] == 3


def test_one_document_and_one_chunk_are_said_as_one(run: Run, tmp_path: Path, tiny_embedder: Path) -> None:
    text = "---\ndate: 2024-03-05\n---\n\nAn account is locked for 30 minutes."
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    indexes = tmp_path / "indexes"
    options = ("--kb", "one", "--embed-model", str(tiny_embedder), "--offline")
    built = run_program("ingest", str(tmp_path / "a.md"), "--indexes", str(indexes), *options)
    assert built.code == 0, built.messages
    assert ": 1 chunk embedded, 0 known already" in built.output
    assert "1 file (1 indexed); 1 chunk; " in built.output
    assert run("kb", "list", "--indexes", indexes).out.startswith("one: 1 document, 1 chunk, ")
    shown = run("kb", "show", "one", "--indexes", indexes).out
    assert " 1 document, 1 passage\n" in shown
    assert "      1 chunk    en  2024-03-05  a.md\n" in shown


def test_a_base_that_is_not_there_is_answered_with_those_there_are(run: Run, small_base: SmallBase) -> None:
    shown = run("kb", "show", "smal", "--indexes", small_base.indexes)
    assert shown.code == 2
    assert "there are: small. Name one of those, or build it: " in shown.err
    deleted = run("kb", "delete", "smal", "--indexes", small_base.indexes)
    assert deleted.code == 2
    assert deleted.err.endswith("there are: small. Check the name.\n")


def test_kb_list_where_there_is_none(run: Run, tmp_path: Path) -> None:
    assert run("kb", "list", "--indexes", tmp_path / "none", "--json").json["knowledge_bases"] == []
    assert "Build one: python -m ingest FOLDER" in run("kb", "list", "--indexes", tmp_path / "none").out


# The identity card


def test_kb_show_gives_everything_the_manifest_says_of_what_the_base_is(run: Run, small_base: SmallBase) -> None:
    card = run(*kb("show", small_base, "--json")).json
    manifest = small_base.open().manifest
    for name in ("generation", "created_at", "app_version", "format_version", "libraries", "parsing", "counts"):
        assert card[name] == getattr(manifest, name)
    assert (card["languages"], card["memory_gb"]) == (manifest.languages, manifest.memory_gb)
    assert card["sources"] == [{"name": "docs", "path": manifest.sources[0].path}]
    assert card["purged"] == []
    (model,) = card["models"]
    assert asdict(small_base.fingerprint).items() <= model.items()
    assert model["fingerprint"] == small_base.fingerprint.digest
    assert model["index"] == {
        "kind": "exact",
        "code": "float32",
        "parameters": {},
        "recall": 1.0,
        "sample": 0,
        "libraries": ["fake 1.0"],
    }
    assert {document["path"]: document["language"] for document in card["documents"]} == {
        "docs/passwords.md": "en",
        "docs/vpn.md": "en",
        "docs/密码.md": "zh",
    }


def test_kb_show_gives_the_sum_of_the_manifest_and_the_size_on_the_disk(run: Run, make_base: MakeBase) -> None:
    make_base()
    base = make_base()
    folder = base.indexes / base.name
    card = run(*kb("show", base, "--json")).json
    live = folder / card["generation"]
    assert card["manifest_sha256"] == hashlib.sha256((live / "manifest.json").read_bytes()).hexdigest()
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert card["files"] == len([path for path in sizes if live in path.parents])
    assert card["bytes"] == sum(size for path, size in sizes.items() if live in path.parents)
    assert card["bytes_with_all_versions"] == sum(sizes.values())
    (folder / "gen-00000001" / "report.json").unlink()
    (folder / "gen-00000001" / "report.json").hardlink_to(live / "report.json")
    linked = run(*kb("show", base, "--json")).json["bytes_with_all_versions"]
    assert linked == sum(sizes.values()) - sizes[folder / "gen-00000001" / "report.json"]


def test_kb_show_prints_all_of_it_for_a_person(run: Run, small_base: SmallBase) -> None:
    result = run(*kb("show", small_base))
    assert (result.code, result.err) == (0, "")
    card = run(*kb("show", small_base, "--json")).json
    texts = [
        str(card[name]) for name in ("name", "folder", "generation", "created_at", "manifest_sha256", "app_version")
    ]
    texts += [f"{name} {version}" for name, version in card["libraries"].items()]
    texts += [str(value) for value in asdict(small_base.fingerprint).values() if not isinstance(value, bool)]
    texts += [small_base.fingerprint.digest, card["sources"][0]["path"], "docs/密码.md", "2 en, 1 zh"]
    texts += ["exact search over float32 numbers", "fake 1.0", "chunk tokens   200", "normalised     yes"]
    assert [text for text in texts if text not in result.out] == []


def test_kb_show_says_what_was_purged_and_how_good_an_index_is(
    run: Run, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rag_app import cli_kb_output

    card = cli_kb_output.identity_card(small_base.open())
    card["purged"] = ["docs/secret.md"]
    card["memory_gb"] = 0.5
    card["models"][0]["index"] |= {
        "kind": "ivf",
        "code": "8-bit",
        "parameters": {"lists": 4096, "probes": 64},
        "recall": 0.985,
        "sample": 1000,
    }
    monkeypatch.setattr(cli_kb_output, "identity_card", lambda _: card)
    out = run(*kb("show", small_base)).out
    assert "purged         docs/secret.md" in out
    assert "memory limit   0.5 GB a model" in out
    assert "ivf search over 8-bit numbers, lists 4096, probes 64; finds 0.9850 of the ten nearest" in out
    assert "measured on 1000 rows" in out


@pytest.mark.parametrize("command", ["show", "verify"])
def test_in_a_terminal_of_80_columns_no_line_is_longer(
    command: str, run: Run, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*kb(command, small_base)).out.splitlines()
    breakable = [line for line in lines if "/" not in line]
    assert len(breakable) > 10
    assert max(map(len, breakable)) <= 80


# Verification


def test_kb_verify_of_a_whole_base(run: Run, small_base: SmallBase) -> None:
    result = run(*kb("verify", small_base))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("small, gen-00000001: whole\n")
    assert "ok           documents: 3 documents with 3 passages" in result.out
    found = run(*kb("verify", small_base, "--json"))
    assert found.code == 0
    assert list(found.json) == ["name", "generation", "ok", "damaged", "checks"]
    assert (found.json["name"], found.json["generation"]) == ("small", "gen-00000001")
    assert (found.json["ok"], found.json["damaged"]) == (True, [])
    assert all(list(check) == ["name", "state", "detail"] for check in found.json["checks"])
    assert {check["state"] for check in found.json["checks"]} == {"ok", "not checked"}


def test_kb_verify_says_how_to_get_a_model_that_is_not_here(
    run: Run, small_base: SmallBase, no_network: list[object]
) -> None:
    checks = run(*kb("verify", small_base, "--json")).json["checks"]
    for name in ("model fake/hash-embedding", "sample of fake/hash-embedding"):
        (detail,) = [check["detail"] for check in checks if check["name"] == name]
        assert detail.startswith("fake/hash-embedding is not on this machine.")
        assert "rag-app models install fake/hash-embedding" in detail
    assert no_network == []


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_kb_verify_of_a_damaged_base_exits_with_1_and_says_what_mends_it(
    options: tuple[str, ...], run: Run, small_base: SmallBase
) -> None:
    file = small_base.open().folder / "chunks.sqlite"
    file.write_bytes(file.read_bytes()[:-1])
    result = run(*kb("verify", small_base, *options))
    assert result.code == 1
    assert result.err == (
        "error: The knowledge base 'small' is not as it should be: gen-00000001/chunks.sqlite. "
        "Rebuild the knowledge base: python -m ingest --kb small --rebuild\n"
    )
    if options:
        assert (result.json["ok"], result.json["damaged"]) == (False, ["gen-00000001/chunks.sqlite"])
    else:
        assert "small, gen-00000001: damaged" in result.out
        assert "damaged      files: " in result.out
        assert "not checked  spans: chunks.sqlite is damaged." in result.out


def test_kb_verify_of_what_is_not_there(run: Run, small_base: SmallBase) -> None:
    for name, said in (("none", "There is no knowledge base 'none'"), ("../small", "cannot name a knowledge base")):
        result = run("kb", "verify", name, "--indexes", small_base.indexes)
        assert (result.code, result.out) == (2, "")
        assert said in result.err


def test_kb_verify_shows_the_escapes_of_a_hostile_file_name_and_does_not_obey_them(
    run: Run, small_base: SmallBase
) -> None:
    (small_base.open().folder / "\x1b[2J\u202e").write_text("?")
    result = run(*kb("verify", small_base))
    assert result.code == 1
    for text in (result.out, result.err):
        assert r"\x1b[2J\u202e" in text
        assert not {"\x1b", "\u202e"} & set(text)


# Verification with real models


@pytest.fixture
def models(tmp_path: Path) -> Callable[[int], Path]:
    """Give a function that puts the model of a seed into always the same folder."""
    folder = tmp_path / "model"

    def put(seed: int) -> Path:
        made = make_bert_embedder(tmp_path / f"seed-{seed}", seed=seed)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        # As in the cache of the model hub: a large file is a link to one whose name is taken for its sum.
        (folder / "model.safetensors").rename(tmp_path / ("0" * 64))
        (folder / "model.safetensors").symlink_to(tmp_path / ("0" * 64))
        return folder

    return put


@pytest.fixture
def base(tmp_path: Path, models: Callable[[int], Path]) -> SmallBase:
    """A knowledge base built with the model of seed 0."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(20):
        (docs / f"{number}.md").write_text(f"# Room {number}\n\nThe key of room {number} is at desk {7 * number}.")
    indexes = tmp_path / "indexes"
    request = BuildRequest("small", sources=(docs,), embed_models=(str(models(0)),))
    build(request, load_settings(indexes=indexes, offline=True, device="cpu"), lambda event: None)
    return SmallBase(indexes, "small", KnowledgeBase.open(indexes, "small").models[0])


def details(result: Any) -> dict[str, tuple[str, str]]:
    """Return state and detail of the checks of models by the first word of their names."""
    return {check["name"].split()[0]: (check["state"], check["detail"]) for check in result.json["checks"]}


def test_a_base_whose_model_is_as_it_was_passes_with_it(run: Run, base: SmallBase) -> None:
    result = run(*kb("verify", base, "--json", "--device", "cpu"))
    assert result.code == 0, result.err
    assert {check["state"] for check in result.json["checks"]} == {"ok"}
    assert details(result)["sample"][1].startswith("16 passages embedded again, lowest cosine 1.0000")
    assert "Loading " in result.err


def test_no_model_is_loaded_where_none_is_wanted_but_its_fingerprint_is_compared(
    run: Run, base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_app.models.embedder.CatalogueEmbedding", None)
    result = run(*kb("verify", base, "--json", "--no-model"))
    assert (result.code, result.err) == (0, "")
    assert details(result)["model"][0] == "ok"
    assert details(result)["sample"] == ("not checked", "No model was loaded (--no-model).")


def test_b34_other_weights_under_the_same_name_and_the_same_sum_fail_the_comparison(
    run: Run, base: SmallBase, models: Callable[[int], Path]
) -> None:
    models(1)
    result = run(*kb("verify", base, "--json", "--device", "cpu"))
    assert result.code == 1
    assert details(result)["model"][0] == "ok"  # the fingerprint cannot tell
    state, detail = details(result)["sample"]
    assert state == "damaged"
    assert "expected more than 0.999" in detail
    assert "sample of " in result.err


def test_b34_another_model_of_the_same_dimension_in_the_same_folder_is_refused_with_both_named(
    run: Run, base: SmallBase, models: Callable[[int], Path]
) -> None:
    folder = models(1)
    weights = (folder / "model.safetensors").resolve()
    (folder / "model.safetensors").unlink()
    weights.rename(folder / "model.safetensors")
    result = run(*kb("verify", base, "--json", "--device", "cpu"))
    assert (result.code, result.json["damaged"]) == (1, [])
    state, detail = details(result)["model"]
    assert state == "damaged"
    assert "files_sha256 (" in detail
    assert base.fingerprint.files_sha256 in detail
    assert details(result)["sample"][0] == "damaged"
    assert "python -m ingest --kb small" in result.err
    asked = run("ask", "Where is the key?", "--kb", "small", "--no-answer", "--indexes", base.indexes)
    assert asked.code == 1
    assert base.fingerprint.digest in asked.err
    assert f"no vectors of {folder} (" in asked.err
    assert "other files, prompts or settings" in asked.err


def test_a_model_whose_files_are_damaged_is_not_checked_and_no_damage_of_the_base(
    run: Run, base: SmallBase, models: Callable[[int], Path]
) -> None:
    folder = models(0)
    (folder / "model.safetensors").write_bytes(b"cut")
    result = run(*kb("verify", base, "--json", "--device", "cpu"))
    assert (result.code, details(result)["sample"][0]) == (0, "not checked")
    assert "cannot be loaded" in details(result)["sample"][1]
    (folder / "config.json").write_bytes(b"\xff")
    result = run(*kb("verify", base, "--json"))
    assert (result.code, details(result)["model"][0]) == (0, "not checked")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("model.safetensors")
    assert run(*kb("verify", base, "--json")).code == 0


def test_a_device_that_is_not_there_is_wrong_usage_and_not_damage(
    run: Run, base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    result = run(*kb("verify", base, "--device", "mps"))
    assert (result.code, result.out) == (2, "")
    assert "The device 'mps' is not usable here" in result.err
