"""The corruption matrix: whatever happens to a byte of a knowledge base, it is named and never answered from unnoticed.

B33 to B41 are the bad inputs of the project's list of failures that concern an index on disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from rag_app.errors import EmbedderMismatch, FormatVersionError, KnowledgeBaseDamaged, KnowledgeBaseError
from rag_app.store import layout
from rag_app.store.checks import CheckState, ModelAtHand
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vector_files import INDEX_FILE
from rag_app.store.verification import verify
from tests.conftest import TEXTS, MakeBase, SmallBase
from tests.store.damage import (
    Harm,
    at_hand,
    check_named,
    cuts,
    embed,
    files_of,
    flips,
    harmed,
    how_it_is_served,
    live_folder,
    manifest_of,
    resign,
    vectors_of,
    with_format_version,
)

# Where FAISS keeps them in the header of a flat index: after four letters and the dimension; after two more numbers and a flag.
NTOTAL_AT = 8
METRIC_AT = 33


@pytest.fixture
def coded(make_base: MakeBase) -> Path:
    """The folder of a knowledge base whose vectors are searched by codes: an index of as many files as there can be."""
    base = make_base(memory_gb=1e-9)
    assert len(list(vectors_of(base.indexes / base.name).iterdir())) == 6
    return base.indexes / base.name


@pytest.fixture
def folder(make_base: MakeBase) -> Path:
    """The folder of a knowledge base with two generations, whose numbers differ in one bit."""
    for _ in range(2):
        make_base(TEXTS | {"docs/printers.md": "# Printers\n\nThe printer on floor 3 is named Gutenberg."})
    base = make_base()
    assert [path.name for path in layout.generations(base.indexes / base.name)] == ["gen-00000002", "gen-00000003"]
    return base.indexes / base.name


def assert_detected(base: Path, harm: Harm, count: int) -> None:
    """Harm every file at so many places, one after the other: each is named, by its file alone, and not answered from."""
    live = live_folder(base)
    missed = []
    for file in files_of(base):
        name = file.relative_to(base).as_posix()
        for what, content in harm(file.read_bytes(), count, name):
            with harmed(file, content):
                if verify(base).damaged != (name,):
                    missed.append(f"{name}: {what} is not named")
                is_read = file == base / layout.CURRENT or live in file.parents
                if is_read and (served := how_it_is_served(base)) not in ("notice", "refused"):
                    missed.append(f"{name}: {what} is answered from: {served}")
    assert not missed, "\n".join(missed)
    assert verify(base).ok


def test_b36_a_flipped_bit_of_any_file_is_named_and_not_answered_from(folder: Path) -> None:
    assert_detected(folder, flips, 4)


def test_b35_a_cut_of_any_file_is_named_and_not_answered_from(folder: Path) -> None:
    assert_detected(folder, cuts, 3)


def test_b36_a_flipped_bit_of_any_file_of_an_index_of_codes_is_named(coded: Path) -> None:
    assert_detected(coded, flips, 4)


@pytest.mark.matrix
def test_b36_every_one_of_200_flipped_bits_a_file_of_an_index_of_codes_is_named(coded: Path) -> None:
    assert_detected(coded, flips, 200)


@pytest.mark.matrix
def test_b35_every_one_of_50_cuts_a_file_of_an_index_of_codes_is_named(coded: Path) -> None:
    assert_detected(coded, cuts, 50)


@pytest.mark.matrix
def test_b36_every_one_of_200_flipped_bits_a_file_is_named_and_not_answered_from(folder: Path) -> None:
    assert_detected(folder, flips, 200)


@pytest.mark.matrix
def test_b35_every_one_of_50_cuts_a_file_is_named_and_not_answered_from(folder: Path) -> None:
    assert_detected(folder, cuts, 50)


def test_a_flipped_bit_of_a_file_that_two_generations_share_is_named_in_both(folder: Path) -> None:
    """Unchanged files are linked into a new generation: then there is no version before to fall back to."""
    name = layout.CHUNKS
    older, newer = (generation / name for generation in layout.generations(folder))
    newer.unlink()
    newer.hardlink_to(older)
    resign(folder)
    ((_, content),) = flips(newer.read_bytes(), 1, "shared")
    with harmed(newer, content):
        assert set(verify(folder).damaged) == {f"gen-00000003/{name}", f"gen-00000002/{name}"}
        assert "No version is whole" in check_named(verify(folder), "answers").detail
        assert how_it_is_served(folder) == "refused"


def test_b36_one_bit_of_current_may_name_the_other_generation_that_is_there(folder: Path) -> None:
    current = folder / layout.CURRENT
    content = current.read_bytes().replace(b"gen-00000003", b"gen-00000002")
    with harmed(current, content):
        verification = verify(folder)
        assert (verification.damaged, verification.generation) == ((layout.CURRENT,), "gen-00000003")
        assert how_it_is_served(folder) == "notice"


# B33, B34: another model


def test_b33_an_index_of_another_dimension_is_refused_with_both_named(folder: Path) -> None:
    index = faiss.IndexFlatIP(48)
    index.add(np.eye(3, 48, dtype=np.float32))
    faiss.write_index(index, str(vectors_of(folder) / INDEX_FILE))
    resign(folder)  # as if it had been published so
    knowledge_base = KnowledgeBase.open(folder.parent, folder.name)
    with pytest.raises(KnowledgeBaseDamaged, match=r"48.*64") as caught:
        knowledge_base.vectors(knowledge_base.models[0])
    assert "--rebuild" in caught.value.remedy
    verification = verify(folder)
    assert verification.damaged == ((vectors_of(folder) / INDEX_FILE).relative_to(folder).as_posix(),)
    assert "48" in check_named(verification, "vectors").detail


ANOTHER = [
    {"revision": "f00"},
    {"files_sha256": "1" * 64},
    {"query_prompt": "query: "},
    {"passage_prompt": "passage: "},
    {"normalised": False},
]


@pytest.mark.parametrize("changes", ANOTHER, ids=lambda changes: next(iter(changes)))
def test_b34_a_model_that_differs_in_one_field_is_refused_with_both_named_and_fails_to_verify(
    changes: dict[str, Any], folder: Path
) -> None:
    knowledge_base = KnowledgeBase.open(folder.parent, folder.name)
    (own,) = knowledge_base.models
    other = replace(own, **changes)
    assert other.dimension == own.dimension
    with pytest.raises(EmbedderMismatch) as caught:
        knowledge_base.vectors(other)
    assert own.digest in caught.value.found
    assert other.digest in caught.value.found
    verification = verify(folder, lambda _: ModelAtHand(other, embed))
    check = check_named(verification, f"model {own.model}")
    (field,) = changes
    assert (check.state, verification.ok, verification.damaged) == (CheckState.DAMAGED, False, ())
    assert f"{field} ({changes[field]!r}, not {getattr(own, field)!r})" in check.detail


def test_b34_the_same_name_with_other_weights_fails_the_comparison_of_a_sample(folder: Path) -> None:
    other_weights = ModelAtHand(manifest_of(folder).models[0], lambda texts: np.roll(embed(texts), 1, axis=1))
    verification = verify(folder, lambda _: other_weights)
    check = check_named(verification, "sample")
    assert check.state is CheckState.DAMAGED
    assert "lowest cosine" in check.detail
    assert check_named(verification, f"model {manifest_of(folder).models[0].model}").state is CheckState.OK


# B35, B37, B38, B41: the vectors


@pytest.mark.parametrize("size", [-1, 0.5, 0], ids=["by one byte", "by half", "to nothing"])
def test_b35_a_cut_index_is_said_with_both_sizes(size: float, folder: Path) -> None:
    file = vectors_of(folder) / INDEX_FILE
    content = file.read_bytes()
    kept = len(content) - 1 if size < 0 else int(size * len(content))
    with harmed(file, content[:kept]):
        with pytest.raises(
            KnowledgeBaseDamaged, match=f"{INDEX_FILE} is damaged: {kept} bytes instead of {len(content)}"
        ):
            KnowledgeBase.open(folder.parent, folder.name)
        (check,) = [check for check in verify(folder).checks if check.state is CheckState.DAMAGED and check.damaged]
        assert f"{INDEX_FILE} is damaged: {kept} bytes instead of {len(content)}" in check.detail


def test_b37_the_metric_bit_that_faiss_takes_for_good_is_detected(folder: Path) -> None:
    file = vectors_of(folder) / INDEX_FILE
    content = bytearray(file.read_bytes())
    content[METRIC_AT] ^= 1
    with harmed(file, bytes(content)):
        assert faiss.read_index(str(file)).metric_type == faiss.METRIC_L2  # FAISS says nothing
        assert verify(folder).damaged == (file.relative_to(folder).as_posix(),)
        assert how_it_is_served(folder) == "notice"


def swap_vectors(folder: Path, make_base: MakeBase) -> Path:
    """Put the vectors of a build with the same number of chunks in the place of the live ones."""
    other = make_base({path: text[::-1] for path, text in TEXTS.items()}, name="other")
    index = vectors_of(other.indexes / "other") / INDEX_FILE
    assert manifest_of(other.indexes / "other").counts == manifest_of(folder).counts
    file = vectors_of(folder) / INDEX_FILE
    assert file.stat().st_size == index.stat().st_size
    file.write_bytes(index.read_bytes())
    return file


def test_b38_the_vectors_of_another_build_with_as_many_chunks_are_detected(folder: Path, make_base: MakeBase) -> None:
    file = swap_vectors(folder, make_base)
    assert verify(folder).damaged == (file.relative_to(folder).as_posix(),)
    assert how_it_is_served(folder) == "notice"


def test_b38_they_are_detected_also_where_every_sum_agrees(folder: Path, make_base: MakeBase) -> None:
    swap_vectors(folder, make_base)
    resign(folder)
    assert verify(folder).ok  # from the files alone it cannot be told
    verification = verify(folder, at_hand)
    assert check_named(verification, "sample").state is CheckState.DAMAGED
    assert not verification.ok


def test_b41_an_absurd_number_of_vectors_in_the_header_is_named_before_faiss_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = vectors_of(folder) / INDEX_FILE
    content = bytearray(file.read_bytes())
    assert int.from_bytes(content[NTOTAL_AT : NTOTAL_AT + 8], "little") == 3
    content[NTOTAL_AT : NTOTAL_AT + 8] = (1 << 60).to_bytes(8, "little")
    opened: list[str] = []
    monkeypatch.setattr(faiss, "read_index", lambda path, *_: opened.append(path))
    with harmed(file, bytes(content)):
        assert verify(folder).damaged == (file.relative_to(folder).as_posix(),)
        assert opened == []


# B39: the manifest


def without_manifest(manifest: Path) -> None:
    manifest.unlink()


def no_json(manifest: Path) -> None:
    manifest.write_text("{")


def nested_too_deep(manifest: Path) -> None:
    manifest.write_text("[" * 100_000)


def a_list(manifest: Path) -> None:
    manifest.write_text("[]")


def without_a_field(manifest: Path) -> None:
    values = json.loads(manifest.read_text())
    del values["counts"]
    manifest.write_text(json.dumps(values))


def with_an_extra_field(manifest: Path) -> None:
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"extra": 1}))


MANIFESTS = [without_manifest, no_json, nested_too_deep, a_list, without_a_field, with_an_extra_field]


@pytest.mark.parametrize("harm", MANIFESTS, ids=lambda harm: harm.__name__)
def test_b39_what_is_no_manifest_is_named_and_the_version_before_is_pointed_out(
    harm: Callable[[Path], None], folder: Path
) -> None:
    manifest = live_folder(folder) / layout.MANIFEST
    harm(manifest)
    with pytest.raises(KnowledgeBaseError, match=r"manifest\.json"):
        KnowledgeBase.open(folder.parent, folder.name)
    verification = verify(folder)
    assert verification.damaged == (f"{live_folder(folder).name}/{layout.MANIFEST}",)
    assert "only the version before, gen-00000002, can be asked" in check_named(verification, "answers").detail


def test_b39_a_newer_format_is_said_to_be_newer_not_damaged(folder: Path) -> None:
    resign(folder, format_version=layout.FORMAT_VERSION + 1)
    for look in (lambda: verify(folder), lambda: KnowledgeBase.open(folder.parent, folder.name)):
        with pytest.raises(FormatVersionError, match="made by a newer version of rag-app") as caught:
            look()
        assert caught.value.remedy == "Use a newer version of rag-app."


def test_b39_a_format_that_current_knows_nothing_of_is_damage(folder: Path) -> None:
    manifest = live_folder(folder) / layout.MANIFEST
    with harmed(manifest, with_format_version(manifest, layout.FORMAT_VERSION + 1)):
        assert verify(folder).damaged == (f"{live_folder(folder).name}/{layout.MANIFEST}",)


# B40, the file CURRENT

CURRENTS = [
    None,
    b"",
    b"gen-00000009\n" + b"0" * 64 + b"\n",
    b"../../x\n" + b"0" * 64 + b"\n",
    b"\xff\xfe\x00",
    b"gen-00000003\n",
]


@pytest.mark.parametrize("content", CURRENTS, ids=repr)
def test_b40_a_current_that_names_nothing_is_named_and_the_newest_generation_verified(
    content: bytes | None, folder: Path
) -> None:
    current = folder / layout.CURRENT
    current.unlink()
    if content is not None:
        current.write_bytes(content)
    with pytest.raises(KnowledgeBaseDamaged, match="CURRENT"):
        KnowledgeBase.open(folder.parent, folder.name)
    assert how_it_is_served(folder) == "notice"
    verification = verify(folder)
    assert verification.damaged == (layout.CURRENT,)
    assert verification.generation == "gen-00000003"
    assert check_named(verification, "documents").state is CheckState.OK
    assert "gen-00000003 is whole" in check_named(verification, "answers").detail
    assert verification.error is not None
    assert verification.error.remedy == "The next build puts CURRENT right: python -m ingest --kb small"


def test_b40_a_current_without_any_generation_is_named(small_base: SmallBase) -> None:
    base = small_base.indexes / small_base.name
    live_folder(base).rename(base.parent / "elsewhere")
    verification = verify(base)
    assert (verification.damaged, verification.generation, verification.ok) == ((layout.CURRENT,), "", False)
