"""Opening a knowledge base: one whole generation, or the damage by name; never another model's vectors."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_app.errors import (
    EmbedderMismatch,
    FormatVersionError,
    KnowledgeBaseDamaged,
    KnowledgeBaseError,
    KnowledgeBaseNameError,
    KnowledgeBaseNotFound,
)
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase
from tests.conftest import MakeBase, SmallBase
from tests.fakes import fake_fingerprint, hash_vector


def live(base: SmallBase) -> Path:
    return layout.read_current(base.indexes / base.name)[0]


def test_an_open_base_says_what_it_is(small_base: SmallBase) -> None:
    knowledge_base = small_base.open()
    assert (knowledge_base.name, knowledge_base.generation) == ("small", "gen-00000001")
    assert knowledge_base.models == (small_base.fingerprint,)
    assert knowledge_base.chunk_count == knowledge_base.manifest.counts["chunks"] == 3
    knowledge_base.close()


def test_chunks_keywords_and_vectors_are_numbered_alike(small_base: SmallBase) -> None:
    knowledge_base = small_base.open()
    vectors = knowledge_base.vectors(small_base.fingerprint)
    for number, chunk in enumerate(knowledge_base.chunks.all_chunks()):
        numbers, cosines = vectors.search(hash_vector(chunk.embedded_text), 1)
        assert (int(numbers[0]), round(float(cosines[0]), 5)) == (number, 1.0)
        assert int(knowledge_base.keywords.scores(chunk.text).argmax()) == number


def test_a_base_that_is_not_there_is_said_with_the_command_that_builds_it(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseNotFound, match=r"no knowledge base 'kb'.*python -m ingest FOLDER --kb kb"):
        KnowledgeBase.open(tmp_path / "indexes", "kb")
    assert not (tmp_path / "indexes").exists()


def test_a_name_that_is_a_path_is_refused_before_anything_is_read(small_base: SmallBase) -> None:
    with pytest.raises(KnowledgeBaseNameError):
        KnowledgeBase.open(small_base.indexes / "small", "../small")


# Damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [Path.unlink, cut], ids=["missing", "cut"])
def test_every_file_of_a_generation_that_is_missing_or_cut_is_named(
    harm: Callable[[Path], None], small_base: SmallBase
) -> None:
    files = [path for path in live(small_base).rglob("*") if path.is_file()]
    assert len(files) > 5
    for file in files:
        content = file.read_bytes()
        harm(file)
        with pytest.raises(KnowledgeBaseDamaged) as caught:
            small_base.open()
        assert str(file) in caught.value.found
        assert "python -m ingest --kb small --rebuild" in caught.value.remedy
        file.write_bytes(content)
    small_base.open()


def test_a_cut_file_is_said_with_both_sizes(small_base: SmallBase) -> None:
    file = live(small_base) / "chunks.sqlite"
    size = file.stat().st_size
    cut(file)
    with pytest.raises(KnowledgeBaseDamaged, match=f"damaged: {size - 1} bytes instead of {size}"):
        small_base.open()


def test_a_changed_manifest_is_named_also_at_equal_size(small_base: SmallBase) -> None:
    file = live(small_base) / "manifest.json"
    file.write_text(file.read_text().replace("2026", "2027"))
    with pytest.raises(KnowledgeBaseDamaged, match=r"manifest\.json is damaged: its sum is not that of its content"):
        small_base.open()


def test_a_file_that_became_a_folder_is_damage(small_base: SmallBase) -> None:
    file = live(small_base) / "chunks.sqlite"
    file.unlink()
    file.mkdir()
    with pytest.raises(KnowledgeBaseDamaged, match="is missing"):
        small_base.open()


def test_a_generation_that_is_gone_is_damage(small_base: SmallBase) -> None:
    live(small_base).rename(small_base.indexes / "elsewhere")
    with pytest.raises(KnowledgeBaseDamaged, match="names no generation that is there"):
        small_base.open()


def rewrite_manifest(base: SmallBase, **changes: Any) -> None:
    """Write the manifest anew with these values, and its sum into CURRENT."""
    file = live(base) / "manifest.json"
    text = json.dumps(json.loads(file.read_text()) | changes)
    file.write_text(text)
    current = f"{file.parent.name}\n{hashlib.sha256(text.encode()).hexdigest()}\n"
    (base.indexes / base.name / "CURRENT").write_text(current)


def test_a_newer_format_is_refused_with_both_versions(small_base: SmallBase) -> None:
    rewrite_manifest(small_base, format_version=layout.FORMAT_VERSION + 1, sources="a shape of the future")
    with pytest.raises(FormatVersionError, match="made by a newer version of rag-app") as caught:
        small_base.open()
    assert "Use a newer version" in caught.value.remedy


def test_damage_inside_a_file_of_equal_size_is_named_when_it_is_read(small_base: SmallBase) -> None:
    for name in ("chunks.sqlite", "keywords/params.index.json"):
        file = live(small_base) / name
        file.write_bytes(b"\xff" * file.stat().st_size)
    knowledge_base = small_base.open()
    with pytest.raises(KnowledgeBaseDamaged, match=r"chunks\.sqlite is damaged.*--kb small --rebuild"):
        _ = knowledge_base.chunk_count
    with pytest.raises(KnowledgeBaseDamaged, match=r"keyword index .* cannot be read.*--kb small --rebuild"):
        _ = knowledge_base.keywords


# Generations that change under a reader


def test_a_generation_removed_while_it_is_opened_is_followed_to_the_next(
    small_base: SmallBase, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = layout.read_manifest
    meanwhile = ["two publishes"]

    def slow(folder: Path, sha256: str | None = None) -> layout.Manifest:
        manifest = read(folder, sha256)
        if meanwhile.pop() if meanwhile else None:
            make_base({"a.md": "Two."})
            make_base({"a.md": "Three."})  # removes the generation whose manifest was just read
        return manifest

    monkeypatch.setattr(layout, "read_manifest", slow)
    assert [chunk.text for chunk in small_base.open().chunks.all_chunks()] == ["Three."]


def test_an_open_base_goes_on_answering_after_the_next_is_published(make_base: MakeBase) -> None:
    opened = make_base({"a.md": "The first text."}).open()
    second = make_base({"a.md": "The second text."})
    assert [chunk.text for chunk in opened.chunks.all_chunks()] == ["The first text."]
    assert opened.vectors(second.fingerprint).vectors(slice(None)).shape == (1, 64)
    assert opened.keywords.scores("first").max() > 0
    assert [chunk.text for chunk in second.open().chunks.all_chunks()] == ["The second text."]


def test_a_generation_that_is_replaced_while_it_is_opened_is_followed(
    small_base: SmallBase, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = layout.read_manifest, list[Path]()

    def published_meanwhile(folder: Path, sha256: str | None = None) -> layout.Manifest:
        calls.append(folder)
        if len(calls) == 1:
            make_base({"a.md": "Newer."})
            raise KnowledgeBaseDamaged("The folder was removed.")
        return read(folder, sha256)

    monkeypatch.setattr(layout, "read_manifest", published_meanwhile)
    assert small_base.open().generation == "gen-00000002"


def test_readers_in_threads_see_one_whole_generation_while_another_is_published(make_base: MakeBase) -> None:
    base = make_base({"a.md": "Text one."})
    seen: set[tuple[str, str]] = set()
    errors: list[KnowledgeBaseError] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                opened = base.open()
                (chunk,) = opened.chunks.all_chunks()
                seen.add((opened.generation, chunk.text))
                opened.close()
            except KnowledgeBaseError as error:
                errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    make_base({"a.md": "Text two."})
    stop.set()
    for thread in threads:
        thread.join(timeout=10)
    assert errors == []
    assert seen <= {("gen-00000001", "Text one."), ("gen-00000002", "Text two.")}


def test_one_base_answers_several_threads_alike(small_base: SmallBase) -> None:
    knowledge_base = small_base.open()
    question = hash_vector("account locked")
    results: list[tuple[list[float], list[float], list[str]]] = []

    def ask() -> None:
        for _ in range(20):
            cosines = knowledge_base.vectors(small_base.fingerprint).cosines(question, np.arange(3))
            keywords = knowledge_base.keywords.scores("account locked")
            texts = [chunk.text for chunk in knowledge_base.chunks.chunks([2, 0, 1])]
            results.append((cosines.tolist(), keywords.tolist(), texts))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(results) == 80
    assert all(result == results[0] for result in results)


# Embedders


def test_an_embedder_it_has_no_vectors_of_is_refused_also_at_equal_dimension(small_base: SmallBase) -> None:
    other = fake_fingerprint("fake/other")
    assert other.dimension == small_base.fingerprint.dimension
    with pytest.raises(EmbedderMismatch) as caught:
        small_base.open().vectors(other)
    assert f"no vectors of fake/other ({other.digest})" in caught.value.found
    assert f"fake/hash-embedding ({small_base.fingerprint.digest})" in caught.value.found
    assert caught.value.remedy == "Add them: python -m ingest --kb small --embed-model fake/other"


@pytest.mark.parametrize(
    "changes",
    [
        {"files_sha256": "1" * 64},
        {"query_prompt": "q: "},
        {"passage_prompt": "p: "},
        {"max_tokens": 128},
        {"pooling": "cls"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_model_of_the_same_name_with_anything_else_changed_is_refused(
    changes: dict[str, Any], small_base: SmallBase
) -> None:
    with pytest.raises(EmbedderMismatch, match="which has other files, prompts or settings"):
        small_base.open().vectors(fake_fingerprint(**changes))


def test_each_model_has_vectors_of_its_own(make_base: MakeBase) -> None:
    first, second = fake_fingerprint(), fake_fingerprint("fake/other")
    knowledge_base = make_base(fingerprints=(first, second)).open()
    assert knowledge_base.models == (first, second)
    one, other = (knowledge_base.vectors(fingerprint) for fingerprint in (first, second))
    np.testing.assert_array_equal(one.vectors(slice(None)), other.vectors(slice(None)))
    assert knowledge_base.vectors(second).fingerprint == second


def test_a_model_can_be_refused_by_its_name_before_anything_of_it_is_loaded(small_base: SmallBase) -> None:
    knowledge_base = small_base.open()
    knowledge_base.check_has_model("fake/hash-embedding")
    with pytest.raises(
        EmbedderMismatch, match=r"no vectors of no/such; it has: fake/hash-embedding .*--embed-model no/such"
    ):
        knowledge_base.check_has_model("no/such")
