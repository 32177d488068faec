"""Contents that do not fit one another although every sum is right: each check fails where it should, and only there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.datatypes import Fingerprint
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.store import content_checks, layout, vector_plan
from rag_app.store.checks import CheckState, ModelAtHand
from rag_app.store.keywords import write_keywords
from rag_app.store.vector_files import BOUNDS_FILE, CENTROIDS_FILE, FINGERPRINT_FILE, INDEX_FILE, ROWS_FILE
from rag_app.store.verification import verify
from tests.conftest import MakeBase, SmallBase
from tests.fakes import DIMENSION, fake_fingerprint, hash_vector
from tests.store.damage import (
    ROOMS,
    assert_damaged,
    at_hand,
    check_named,
    embed,
    flip_first_bit,
    live_folder,
    manifest_of,
    resign,
    states,
    vectors_of,
    write_index,
)


@pytest.fixture
def folder(small_base: SmallBase) -> Path:
    """The folder of a knowledge base."""
    return small_base.indexes / small_base.name


def change_chunks(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(live_folder(folder) / layout.CHUNKS)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    resign(folder)


CHUNKS = "gen-00000001/chunks.sqlite"
SPANS = [
    "UPDATE places SET start = start + 1 WHERE document = 2",
    "UPDATE places SET start = -5, end = -1 WHERE document = 0",
    "UPDATE places SET end = 100000 WHERE document = 1",
    "UPDATE chunks SET text = upper(text) WHERE number = 1",
    "UPDATE documents SET text = 'x' || text WHERE number = 0",
]


@pytest.mark.parametrize("statement", SPANS)
def test_a_passage_that_is_not_what_stands_in_its_document_is_found(statement: str, folder: Path) -> None:
    change_chunks(folder, statement)
    assert "docs/" in assert_damaged(verify(folder), "spans", CHUNKS)


def test_a_row_that_refers_to_nothing_is_found(folder: Path) -> None:
    change_chunks(folder, "UPDATE places SET document = 9 WHERE document = 1")
    detail = check_named(verify(folder), "documents").detail
    assert "refers to one of documents that is not there" in detail


def test_passages_that_are_not_numbered_as_the_indexes_count_them_are_found(folder: Path) -> None:
    change_chunks(
        folder, "UPDATE chunks SET number = 7 WHERE number = 2", "UPDATE places SET chunk = 7 WHERE chunk = 2"
    )
    detail = assert_damaged(verify(folder), "documents", CHUNKS)
    assert detail == "Numbers of the first and the last passage: (0, 7); expected (0, 2)."


def test_what_sqlite_itself_finds_is_said(folder: Path) -> None:
    file = live_folder(folder) / layout.CHUNKS
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'places_of_chunk'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size + 8 : page * size] = bytes(size - 8)
    file.write_bytes(content)
    resign(folder)
    verification = verify(folder)
    assert check_named(verification, "documents").state is CheckState.DAMAGED
    assert verification.damaged == (CHUNKS,)


@pytest.mark.parametrize(
    "changes",
    [{"counts": {"documents": 3, "chunks": 4}}, {"counts": {"documents": 2, "chunks": 3}}, {"languages": {"en": 3}}],
    ids=str,
)
def test_a_manifest_that_counts_otherwise_is_found(changes: dict[str, Any], folder: Path) -> None:
    resign(folder, **changes)
    assert "expected" in check_named(verify(folder), "documents").detail
    assert CHUNKS in verify(folder).damaged


def test_a_keyword_index_of_other_passages_is_found(folder: Path) -> None:
    keywords = live_folder(folder) / layout.KEYWORDS
    for file in keywords.iterdir():
        file.unlink()
    keywords.rmdir()
    write_keywords(keywords, ["one", "two"])
    resign(folder)
    detail = assert_damaged(verify(folder), "keywords", "gen-00000001/keywords")
    assert detail == "Passages in the keyword index: 2; expected 3."


def test_kept_tokens_that_do_not_fit_one_another_are_found(folder: Path) -> None:
    file = live_folder(folder) / layout.KEYWORDS / "token_numbers.bin"
    file.write_bytes(file.read_bytes()[:-4])
    resign(folder)
    assert "token_offsets.npy does not divide" in assert_damaged(verify(folder), "keywords", "gen-00000001/keywords")


def test_kept_tokens_of_fewer_passages_are_found(folder: Path, tmp_path: Path) -> None:
    write_keywords(tmp_path / "fewer", ["one", "two"])
    for file in (tmp_path / "fewer").glob("token*"):
        file.replace(live_folder(folder) / layout.KEYWORDS / file.name)
    resign(folder)
    detail = assert_damaged(verify(folder), "keywords", "gen-00000001/keywords")
    assert detail == "Passages with kept tokens: 2; expected 3."


def change_report(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = live_folder(folder) / layout.REPORT
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    resign(folder)


REPORTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a document is missing": lambda values: values["documents"].pop(),
    "a document is said twice": lambda values: values["documents"].append(values["documents"][0]),
    "a document is said to have failed": lambda values: values["documents"][0].update(status="failed"),
    "a document has other chunks": lambda values: values["documents"][1].update(chunks=7),
    "another generation": lambda values: values.update(generation="gen-00000007"),
    "another number of passages": lambda values: values.update(chunks=2),
    "another model": lambda values: values["models"][0].update(fingerprint="0" * 16),
    "a field is missing": lambda values: values.pop("models"),
}


@pytest.mark.parametrize("change", REPORTS.values(), ids=REPORTS)
def test_a_report_that_does_not_account_for_every_document_is_found(
    change: Callable[[dict[str, Any]], object], folder: Path
) -> None:
    change_report(folder, change)
    assert assert_damaged(verify(folder), "report", "gen-00000001/report.json")


def test_files_that_were_not_indexed_are_no_discrepancy(folder: Path) -> None:
    failed = {"path": "docs/bad.pdf", "status": "failed", "reason": "It is encrypted."}
    change_report(folder, lambda values: values["documents"].append(failed))
    assert check_named(verify(folder), "report").detail == "it accounts for 3 documents; files that were not indexed: 1"


# Vectors


def vectors_name(folder: Path, name: str) -> str:
    return (vectors_of(folder) / name).relative_to(folder).as_posix()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1.2, 0.998], ids=str)
def test_a_vector_that_is_not_finite_or_not_of_unit_length_is_found_by_its_row(
    value: float, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_checks, "_NUMBERS_AT_ONCE", 2 * DIMENSION)  # the last row is in the second block
    vectors = np.stack([hash_vector(text) for text in ("one", "two", "three")])
    vectors[2] *= np.float32(value)
    write_index(vectors_of(folder) / INDEX_FILE, vectors)
    resign(folder)
    assert "Vector 2 has the length" in assert_damaged(verify(folder), "vectors", vectors_name(folder, INDEX_FILE))


def test_an_index_with_another_number_of_vectors_than_rows_is_found(folder: Path) -> None:
    write_index(vectors_of(folder) / INDEX_FILE, embed(["one", "two"]))
    resign(folder)
    assert_damaged(verify(folder), "vectors", vectors_name(folder, INDEX_FILE))


@pytest.mark.parametrize("row", [3, -1])
def test_a_row_of_a_passage_that_is_not_there_is_found(row: int, folder: Path) -> None:
    file = vectors_of(folder) / ROWS_FILE
    np.save(file, np.array([0, row, 2]))
    resign(folder)
    detail = assert_damaged(verify(folder), "rows", vectors_name(folder, ROWS_FILE))
    assert detail == f"Row 1 is of passage {row}; there are 3."


@pytest.mark.parametrize("rows", [np.arange(3.0), np.arange(3, dtype=np.int32), np.arange(3).reshape(3, 1)], ids=str)
def test_rows_of_another_kind_are_found(rows: NDArray[Any], folder: Path) -> None:
    np.save(vectors_of(folder) / ROWS_FILE, rows)
    resign(folder)
    assert check_named(verify(folder), "rows").state is CheckState.DAMAGED
    assert vectors_name(folder, ROWS_FILE) in verify(folder).damaged


def test_rows_that_are_no_numbers_are_found_and_not_unpickled(folder: Path) -> None:
    np.save(vectors_of(folder) / ROWS_FILE, np.array([0, "x", print], dtype=object), allow_pickle=True)
    resign(folder)
    verification = verify(folder)
    assert check_named(verification, "rows").state is CheckState.DAMAGED
    assert verification.damaged == (vectors_name(folder, ROWS_FILE),)


def test_a_passage_without_a_vector_is_counted_and_is_no_damage(folder: Path) -> None:
    np.save(vectors_of(folder) / ROWS_FILE, np.array([0, 2, 2]))
    resign(folder)
    verification = verify(folder)
    assert verification.ok
    assert check_named(verification, "rows").detail == "3 rows of 3 passages; passages without a row: 1"


def test_a_fingerprint_file_that_differs_from_the_manifest_is_found_by_its_fields(folder: Path) -> None:
    card = vectors_of(folder) / FINGERPRINT_FILE
    values = asdict(fake_fingerprint(pooling="cls", query_prompt="q: "))
    del values["dtype"]
    card.write_text(json.dumps(values))
    resign(folder)
    detail = assert_damaged(verify(folder), "fingerprint", vectors_name(folder, FINGERPRINT_FILE))
    assert detail == "It differs from that of the manifest in dtype, pooling, query_prompt."


@pytest.fixture(params=[1e-9, 1e-3], ids=["8-bit codes", "lists"])
def large(request: pytest.FixtureRequest, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a knowledge base whose vectors are searched by inverted lists, with codes of them or without."""
    monkeypatch.setattr(vector_plan, "EXACT_NUMBERS", 0)
    base = make_base(ROOMS, memory_gb=request.param)
    (description,) = base.open().manifest.vectors.values()
    assert (description.kind, description.code) == ("ivf", "8-bit" if request.param == 1e-9 else "float32")
    return base.indexes / base.name


def test_an_index_of_inverted_lists_passes_every_check(large: Path) -> None:
    verification = verify(large, at_hand)
    assert set(states(verification).values()) == {CheckState.OK}
    assert check_named(verification, "vectors").detail.startswith("40 vectors of 64 numbers")


def test_no_file_of_inverted_lists_is_opened_that_is_damaged(large: Path) -> None:
    for file in vectors_of(large).iterdir():
        if file.name != FINGERPRINT_FILE:
            content = file.read_bytes()
            flip_first_bit(file)
            verification = verify(large, at_hand)
            assert verification.damaged == (file.relative_to(large).as_posix(),)
            assert check_named(verification, "vectors").state is CheckState.NOT_CHECKED
            file.write_bytes(content)


def test_lists_that_lead_a_search_astray_are_found(large: Path) -> None:
    """Centroids are turned round: every sum is made to agree, and no vector is other than it was."""
    file = vectors_of(large) / CENTROIDS_FILE
    np.save(file, -np.load(file))
    resign(large)
    description = manifest_of(large).vectors[fake_fingerprint().digest]
    resign(
        large,
        vectors={fake_fingerprint().digest: replace(description, parameters=description.parameters | {"probes": 1})},
    )
    detail = check_named(verify(large), "vectors").detail
    assert detail.startswith("A search for vector ")


def test_lists_that_do_not_cover_the_rows_are_found_by_their_file(large: Path) -> None:
    file = vectors_of(large) / BOUNDS_FILE
    np.save(file, np.load(file) + 1)
    resign(large)
    assert_damaged(verify(large), "vectors", file.relative_to(large).as_posix())


def test_a_model_whose_index_the_manifest_does_not_describe_is_found(folder: Path) -> None:
    resign(folder, vectors={})
    assert_damaged(verify(folder), "vectors", vectors_name(folder, INDEX_FILE))


# Models


def test_a_model_that_is_not_here_is_not_checked_and_the_command_that_gets_it_said(folder: Path) -> None:
    def find(fingerprint: Fingerprint) -> ModelAtHand:
        raise ModelNotAvailable(f"{fingerprint.model} is not on this machine.", "Run: rag-app models install it")

    verification = verify(folder, find)
    assert verification.ok
    for name in ("model fake/hash-embedding", "sample"):
        check = check_named(verification, name)
        assert check.state is CheckState.NOT_CHECKED
        assert check.detail == "fake/hash-embedding is not on this machine. Run: rag-app models install it"


def test_a_model_that_cannot_be_loaded_is_no_damage_of_the_base(folder: Path) -> None:
    def fail(_: Sequence[str]) -> NDArray[np.float32]:
        raise ModelLoadError("Its weights are cut.")

    verification = verify(folder, lambda fingerprint: ModelAtHand(fingerprint, fail))
    assert check_named(verification, "sample").detail == "Its weights are cut."
    assert check_named(verification, "model fake/hash-embedding").state is CheckState.OK
    assert verification.ok


def test_a_model_that_has_become_another_is_said_with_every_field_that_differs(folder: Path) -> None:
    here = replace(fake_fingerprint(), revision="v2", max_tokens=128)
    verification = verify(folder, lambda _: ModelAtHand(here, embed))
    detail = assert_damaged(verification, "model fake/hash-embedding")
    assert "revision ('v2', not '')" in detail
    assert "max_tokens (128, not 256)" in detail
    assert check_named(verification, "sample").state is CheckState.OK  # it embeds as before all the same
    assert verification.error is not None
    assert "model fake/hash-embedding" in verification.error.found
    assert verification.error.remedy.endswith("python -m ingest --kb small")


def test_a_model_that_gives_vectors_of_another_length_is_said_so(folder: Path) -> None:
    here = ModelAtHand(fake_fingerprint(dimension=8), lambda texts: np.eye(len(texts), 8, dtype=np.float32))
    detail = check_named(verify(folder, lambda _: here), "sample").detail
    assert detail == "Numbers in a vector: 8; expected 64."


def test_one_vector_of_another_passage_is_found_and_its_passage_named(folder: Path) -> None:
    chunks = manifest_of(folder).counts["chunks"]
    vectors = np.stack([hash_vector("something else")] * chunks)
    knowledge_base_vectors = faiss.read_index(str(vectors_of(folder) / INDEX_FILE)).reconstruct_n(0, chunks)
    vectors[:-1] = knowledge_base_vectors[:-1]
    write_index(vectors_of(folder) / INDEX_FILE, vectors)
    resign(folder)
    detail = assert_damaged(verify(folder, at_hand), "sample")
    assert "3 passages embedded again, lowest cosine 0." in detail
    assert "(docs/密码.md#" in detail
    assert "expected more than 0.999" in detail


def test_the_sample_is_sixteen_passages_spread_over_the_whole_index_and_always_the_same(make_base: MakeBase) -> None:
    base = make_base(ROOMS)
    embedded: list[list[str]] = []

    def remember(texts: Sequence[str]) -> NDArray[np.float32]:
        embedded.append(list(texts))
        return embed(texts)

    def find(fingerprint: Fingerprint) -> ModelAtHand:
        return ModelAtHand(fingerprint, remember)

    for _ in range(2):
        assert verify(base.indexes / base.name, find).ok
    assert embedded[0] == embedded[1]
    rooms = [int(text.split("room ")[1].split()[0]) for text in embedded[0]]
    assert len(set(rooms)) == 16
    assert max(np.diff(sorted(rooms))) <= 5
    assert min(rooms) < 3
    assert max(rooms) > 36


def test_a_model_is_looked_for_once_and_each_model_has_checks_of_its_own(make_base: MakeBase) -> None:
    one, two = fake_fingerprint(), fake_fingerprint("fake/two")
    base = make_base(fingerprints=(one, two))
    asked: list[Fingerprint] = []

    def find(fingerprint: Fingerprint) -> ModelAtHand:
        asked.append(fingerprint)
        roll = 1 if fingerprint == two else 0
        return ModelAtHand(fingerprint, lambda texts: np.roll(embed(texts), roll, axis=1))

    verification = verify(base.indexes / base.name, find)
    assert asked == [one, two]
    assert states(verification)["sample of fake/hash-embedding"] is CheckState.OK
    assert states(verification)["sample of fake/two"] is CheckState.DAMAGED
