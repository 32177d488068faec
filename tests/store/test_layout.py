"""Names and places on disk, CURRENT and the manifest: what may be a name, and what proves itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import FormatVersionError, KnowledgeBaseDamaged, KnowledgeBaseNameError, KnowledgeBaseNotFound
from rag_app.store import layout
from rag_app.store.layout import Manifest
from tests.fakes import fake_fingerprint
from tests.store.conftest import Publish

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


# CURRENT and the manifest


def test_nothing_published_is_said_with_what_there_is(base: Path, publish: Publish) -> None:
    publish()
    with pytest.raises(KnowledgeBaseNotFound) as caught:
        layout.read_current(base.parent / "other")
    assert "There is no knowledge base 'other'" in caught.value.found
    assert "there are: kb" in caught.value.found
    assert caught.value.remedy == "Name one of those, or build it: python -m ingest FOLDER --kb other"


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
    assert caught.value.remedy == "The next build puts it right: python -m ingest --kb kb"


def test_a_lost_current_is_said_where_there_are_generations(base: Path, publish: Publish) -> None:
    publish()
    (base / "CURRENT").unlink()
    with pytest.raises(KnowledgeBaseDamaged, match=r"CURRENT is missing.*puts it right: python -m ingest --kb kb"):
        layout.read_current(base)
    assert layout.knowledge_base_names(base.parent) == ["kb"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda text: text.upper(), id="upper case"),
        pytest.param(lambda text: text.replace(b"\n", b"\x0b", 1), id="another line end"),
        pytest.param(lambda text: text + b"\n", id="a line more"),
        pytest.param(lambda text: text[:-1], id="no line end"),
    ],
)
def test_current_is_what_was_written_to_the_letter(content, base: Path, publish: Publish) -> None:
    publish()
    (base / "CURRENT").write_bytes(content((base / "CURRENT").read_bytes()))
    with pytest.raises(KnowledgeBaseDamaged, match="CURRENT"):
        layout.read_current(base)


VERSION = layout.FORMAT_VERSION


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "\xff",
        "nul",
        f'{{"format_version": {VERSION}}}',
        f'{{"format_version": {VERSION}, "sources": 5}}',
    ],
    ids=repr,
)
def test_what_is_no_manifest_is_named(text: str) -> None:
    with pytest.raises(KnowledgeBaseDamaged, match=r"manifest\.json is not a manifest.*--kb kb --rebuild"):
        Manifest.from_json(text.encode("latin-1"), Path("indexes/kb/gen-00000001/manifest.json"))


@pytest.mark.parametrize(
    ("version", "message", "remedy"),
    [
        pytest.param(VERSION + 1, "made by a newer version", "Use a newer version", id="newer"),
        pytest.param(VERSION - 1, f"in format version {VERSION - 1}; this program reads", "--rebuild", id="older"),
        pytest.param("x", "in format version x", "--rebuild", id="nonsense"),
    ],
)
def test_another_format_version_is_told_by_whether_it_is_newer(version: object, message: str, remedy: str) -> None:
    text = f'{{"format_version": {version if isinstance(version, int) else chr(34) + str(version) + chr(34)}}}'
    with pytest.raises(FormatVersionError, match=message) as caught:
        Manifest.from_json(text.encode(), Path("indexes/kb/gen-00000001/manifest.json"))
    assert remedy in caught.value.remedy


def test_a_manifest_survives_its_own_json(base: Path, publish: Publish) -> None:
    manifest = layout.read_manifest(publish(), layout.read_current(base)[1])
    assert Manifest.from_json(manifest.to_json().encode(), base) == manifest
    assert Manifest.from_json(replace(manifest, parsing={}).to_json().encode(), base) != manifest


def test_a_manifest_proves_itself_and_so_tells_a_damaged_current_from_its_own_damage(
    base: Path, publish: Publish
) -> None:
    folder = publish()
    file = folder / "manifest.json"
    content = file.read_bytes()
    with pytest.raises(KnowledgeBaseDamaged, match="CURRENT is damaged"):
        layout.read_manifest(folder, "0" * 64)
    for changed in (content.replace(b"2026", b"2027"), content.replace(b'"sum"', b'"sun"'), content + b" "):
        file.write_bytes(changed)
        with pytest.raises(KnowledgeBaseDamaged, match=r"manifest\.json is"):
            layout.read_manifest(*layout.read_current(base))


def test_a_manifest_in_the_folder_of_another_generation_is_damage(base: Path, publish: Publish) -> None:
    os.rename(publish(), base / "gen-00000005")
    with pytest.raises(KnowledgeBaseDamaged, match=r"manifest\.json is that of gen-00000001"):
        layout.read_manifest(base / "gen-00000005")


def test_a_changed_byte_is_named_by_reading_the_file(base: Path, publish: Publish) -> None:
    folder = publish()
    manifest = layout.read_manifest(folder)
    layout.check_sums(folder, manifest)
    (folder / "deep" / "more").write_text("owt")
    layout.check_sizes(folder, manifest)
    with pytest.raises(KnowledgeBaseDamaged, match=r"deep/more is damaged: its sum"):
        layout.check_sums(folder, manifest)


def test_the_newest_whole_manifest_is_found_whatever_became_of_current_or_the_files(
    base: Path, publish: Publish
) -> None:
    assert layout.whole_manifest(base) is None
    publish()
    folder = publish()
    (folder / "data").unlink()
    (base / "CURRENT").unlink()
    assert layout.whole_manifest(base).generation == "gen-00000002"  # type: ignore[union-attr]
    (folder / "manifest.json").write_text("{}")
    assert layout.whole_manifest(base).generation == "gen-00000001"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "taken", "name"),
    [
        ("Staff handbook (2025)", (), "Staff-handbook-2025"),
        ("手册", (), "手册"),
        ("手册", ("手册", "手册-2"), "手册-3"),
        ("../..", (), "documents"),
        ("", ("documents",), "documents-2"),
        ("_draft.", (), "draft"),
        ("x" * 200, (), "x" * 48),
    ],
)
def test_a_name_is_proposed_that_can_be_one_and_is_free(text: str, taken: tuple[str, ...], name: str) -> None:
    assert layout.proposed_name(text, taken) == name
    assert layout.checked_name(name) == name
