"""Names and places on disk: what may be a name, how a generation goes live, and what a failure leaves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import KnowledgeBaseBusy, KnowledgeBaseDamaged, KnowledgeBaseNameError, KnowledgeBaseNotFound
from rag_app.store import layout
from rag_app.store.layout import Manifest, Source
from tests.fakes import fake_fingerprint

Publish = Callable[[], Path]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "indexes" / "kb"


def manifest_of(base: Path, folder: Path) -> Manifest:
    return Manifest(
        format_version=layout.FORMAT_VERSION,
        generation=layout.next_generation(base),
        created_at="2026-01-01T00:00:00+00:00",
        app_version="0",
        sources=(Source("手册", "/docs/手册"),),
        parsing={"chunk_tokens": 200},
        counts={"documents": 1, "chunks": 2},
        languages={"zh-Hans": 1},
        models=(fake_fingerprint(),),
        files=layout.file_sums(folder),
    )


@pytest.fixture
def publish(base: Path) -> Publish:
    """Give a function that publishes a generation with two files and returns its folder."""

    def run() -> Path:
        with layout.writer_lock(base):
            folder = layout.new_build_folder(base)
            layout.write_text(folder / "data", "one")
            (folder / "deep").mkdir()
            layout.write_text(folder / "deep" / "more", "two")
            layout.publish(base, folder, manifest_of(base, folder))
        return layout.read_current(base)[0]

    return run


def generations(base: Path) -> list[str]:
    return sorted(path.name for path in base.glob("gen-*"))


# Names


@pytest.mark.parametrize("name", ["a", "handbook", "helpdesk-2025", "v1.2_b", "手册", "Ärger", "7", "x" * 64])
def test_plain_names_are_allowed(name: str) -> None:
    assert layout.checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "../../x",
        "/etc",
        "a/b",
        "a\\b",
        ".app",
        "-x",
        "_x",
        "a b",
        "a\n",
        "a\0b",
        "a.",
        "x" * 65,
        "😀",
    ],
    ids=repr,
)
def test_other_names_are_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(KnowledgeBaseNameError, match="expected up to 64 letters, digits") as caught:
        layout.checked_name(name)
    assert caught.value.exit_code == 2


def test_only_what_was_published_is_listed(base: Path, publish: Publish) -> None:
    publish()
    (base.parent / "unfinished" / "cache").mkdir(parents=True)
    (base.parent / ".app").mkdir()
    (base.parent / "README.md").write_text("x")
    assert layout.knowledge_base_names(base.parent) == ["kb"]
    assert layout.knowledge_base_names(base.parent / "nowhere") == []


def test_two_fingerprints_never_share_a_folder() -> None:
    one, other = fake_fingerprint("a/same-name"), fake_fingerprint("b/same-name")
    folders = {layout.vectors_folder(Path("gen"), fingerprint).name for fingerprint in (one, other)}
    assert folders == {f"same-name-{one.digest}", f"same-name-{other.digest}"}


@pytest.mark.parametrize("model", ["/models/../../evil", "..", "模型", "a/b c:d*e?", "x" * 300])
def test_a_model_name_becomes_a_plain_folder_name(model: str) -> None:
    name = layout.vectors_folder(Path("gen"), fake_fingerprint(model)).name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) <= 57


# Publishing


def test_a_published_generation_is_live_and_says_what_it_is(base: Path, publish: Publish) -> None:
    folder = publish()
    assert folder == base / "gen-00000001"
    manifest = layout.read_manifest(*layout.read_current(base))
    assert manifest.sources == (Source("手册", "/docs/手册"),)
    assert manifest.models == (fake_fingerprint(),)
    assert set(manifest.files) == {"data", "deep/more"}
    assert manifest.files["data"].bytes == 3
    assert not list(base.glob(".build-*"))


def test_generations_count_up_and_the_one_before_is_kept(base: Path, publish: Publish) -> None:
    names = [publish().name for _ in range(4)]
    assert names == ["gen-00000001", "gen-00000002", "gen-00000003", "gen-00000004"]
    assert generations(base) == names[-2:]


@pytest.mark.parametrize("step", ["rename", "replace"])
def test_a_failure_before_current_is_replaced_leaves_the_old_generation_live(
    step: str, base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = publish()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            publish()
    assert layout.read_current(base)[0] == live
    layout.read_manifest(*layout.read_current(base))


def test_a_generation_that_never_went_live_is_not_taken_for_the_one_before(
    base: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = publish()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            publish()
    assert generations(base) == ["gen-00000001", "gen-00000002"]
    assert publish().name == "gen-00000003"
    assert generations(base) == [live.name, "gen-00000003"]  # readers may still have it open


def test_what_a_killed_build_left_is_removed_by_the_next(base: Path, publish: Publish) -> None:
    publish()
    (base / ".build-999" / "deep").mkdir(parents=True)
    with layout.writer_lock(base):
        assert not (base / ".build-999").exists()


def test_the_folder_of_a_knowledge_base_is_its_owners_alone(base: Path, publish: Publish) -> None:
    publish()
    assert base.stat().st_mode & 0o077 == 0


# The writer's lock


def test_a_second_writer_is_refused_at_once(base: Path) -> None:
    refused: list[BaseException] = []

    def second() -> None:
        try:
            with layout.writer_lock(base):
                pass
        except KnowledgeBaseBusy as error:
            refused.append(error)

    with layout.writer_lock(base):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=5)
    assert [error.exit_code for error in refused] == [4]  # type: ignore[attr-defined]
    assert "Another build of the knowledge base 'kb' is running" in str(refused[0])


def test_the_lock_is_free_after_a_failure(base: Path) -> None:
    with pytest.raises(ValueError, match="x"), layout.writer_lock(base):
        raise ValueError("x")
    with layout.writer_lock(base):
        pass


# CURRENT and the manifest


def test_nothing_published_is_said_with_what_there_is(base: Path, publish: Publish) -> None:
    publish()
    with pytest.raises(KnowledgeBaseNotFound) as caught:
        layout.read_current(base.parent / "other")
    assert "There is no knowledge base 'other'" in caught.value.found
    assert "there are: kb" in caught.value.found
    assert caught.value.remedy == "Build it: python -m ingest FOLDER --kb other"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"gen-00000001", id="no sum"),
        pytest.param(b"../../x 0000", id="a path"),
        pytest.param(b"gen-00000009 0000", id="a generation that is not there"),
        pytest.param(b"gen-00000001/../../x 0", id="a path behind a generation"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_damaged_current_is_named_with_the_command_that_repairs_it(
    content: bytes, base: Path, publish: Publish
) -> None:
    publish()
    (base / ".." / ".." / "x").mkdir()
    (base / "CURRENT").write_bytes(content)
    with pytest.raises(KnowledgeBaseDamaged, match="CURRENT") as caught:
        layout.read_current(base)
    assert "python -m ingest SOURCE --kb kb --rebuild" in caught.value.remedy


def test_a_damaged_current_does_not_stop_the_next_build(base: Path, publish: Publish) -> None:
    publish()
    (base / "CURRENT").write_bytes(b"nonsense")
    assert publish().name == "gen-00000002"
    assert generations(base) == ["gen-00000001", "gen-00000002"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format_version": 2}', '{"format_version": 2, "sources": 5}'], ids=repr
)
def test_what_is_no_manifest_is_named(text: str) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match=r"manifest\.json is not a manifest.*--kb kb --rebuild"):
        Manifest.from_json(text, Path("indexes/kb/gen-00000001/manifest.json"))


def test_a_manifest_survives_its_own_json(base: Path, publish: Publish) -> None:
    manifest = layout.read_manifest(publish(), layout.read_current(base)[1])
    assert Manifest.from_json(manifest.to_json(), base) == manifest
    assert Manifest.from_json(replace(manifest, parsing={}).to_json(), base) != manifest
