"""What the files of one generation hold, each against the others: texts, spans, counts, report, vectors, models.

Each check stands alone: one that fails hides no other. None opens a file whose sum is wrong, since a damaged file may make
the library that reads it do anything, or nothing (FAISS takes most flipped bits for good).
This module knows nothing of CURRENT or of other generations, and nothing of how a model is run: whoever calls gives one.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.datatypes import Fingerprint, IngestReport
from rag_app.store import layout
from rag_app.store.checks import Check, CheckState, Discrepancy, FindModel, ModelAtHand, run_check
from rag_app.store.chunks import ChunkStore
from rag_app.store.keyword_tokens import passages_with_tokens
from rag_app.store.keywords import KeywordIndex
from rag_app.store.layout import Manifest
from rag_app.store.vector_files import FINGERPRINT_FILE, FLOATS_FILE, INDEX_FILE, ROWS_FILE
from rag_app.store.vectors import VectorIndex
from rag_app.text import searchable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a stored vector and the same text embedded now. The other texts of a batch change the seventh digit, a device the fifth.
MIN_COSINE = 0.999
_SAMPLE = 16
_NORM_TOLERANCE = 1e-3
_NUMBERS_AT_ONCE = 1 << 23  # 32 MB of vectors


def check_contents(
    folder: Path, manifest: Manifest, damaged: Collection[str], find_model: FindModel
) -> Iterator[Check]:
    """Check what the files of a generation hold.

    Args:
        folder: of the generation.
        manifest: its own.
        damaged: its files that are missing, or whose size or sum is wrong; they are not opened.
        find_model: gives the models, as they are on this machine.
    """
    checked = partial(_check_unless_damaged, folder, damaged)
    chunks, keywords, report = layout.CHUNKS, layout.KEYWORDS, layout.REPORT
    yield checked("documents", [chunks], partial(_look_at_documents, folder, manifest))
    yield checked("spans", [chunks], partial(_look_at_spans, folder))
    yield checked("keywords", [keywords], partial(_look_at_keywords, folder, manifest))
    yield checked("report", [report, chunks], partial(_look_at_report, folder, manifest), to_blame=[report])
    for fingerprint in manifest.models:
        yield from _check_model(folder, manifest, fingerprint, checked, cache(partial(find_model, fingerprint)))


def _check_model(
    folder: Path,
    manifest: Manifest,
    fingerprint: Fingerprint,
    checked: Callable[..., Check],
    find: Callable[[], ModelAtHand],
) -> Iterator[Check]:
    """Check the vectors of one model; `find` gives it as it is on this machine."""
    inside = layout.vectors_folder(folder, fingerprint).relative_to(folder).as_posix()
    rows, card = f"{inside}/{ROWS_FILE}", f"{inside}/{FINGERPRINT_FILE}"
    name = fingerprint.model
    of_rows = checked(f"rows of {name}", [rows], partial(_look_at_rows, folder / rows, manifest))
    of_vectors = _after(of_rows, f"vectors of {name}", partial(_check_vectors, folder, manifest, fingerprint, checked))
    yield from (of_rows, of_vectors)
    yield checked(f"fingerprint of {name}", [card], partial(_look_at_card, folder / card, fingerprint))
    another = f"Embed every passage with the model that is here: python -m ingest --kb {folder.parent.name}"
    yield run_check(f"model {name}", partial(_compare_model, fingerprint, find), (), another)
    compare_sample = partial(_compare_sample, folder, manifest, fingerprint, find)
    yield _after(
        of_vectors,
        f"sample of {name}",
        lambda sample: checked(sample, [layout.CHUNKS], compare_sample, to_blame=[]),
    )


def _check_vectors(
    folder: Path, manifest: Manifest, fingerprint: Fingerprint, checked: Callable[..., Check], name: str
) -> Check:
    """Check what is searched: several files, of which the one is to blame that the damage names, else the vectors."""
    inside = layout.vectors_folder(folder, fingerprint).relative_to(folder).as_posix()
    files = [file for file in manifest.files if file.startswith(f"{inside}/") and not file.endswith(FINGERPRINT_FILE)]
    check = checked(name, files, partial(_look_at_vectors, folder, manifest, fingerprint), to_blame=[])
    if check.state is not CheckState.DAMAGED:
        return check
    vectors = f"{inside}/{FLOATS_FILE if f'{inside}/{FLOATS_FILE}' in files else INDEX_FILE}"
    named = [file for file in files if str(folder / file) in check.detail] or [vectors]
    return replace(check, damaged=tuple(f"{folder.name}/{file}" for file in named))


def _after(before: Check, name: str, run: Callable[[str], Check]) -> Check:
    """Run a check that makes sense only where another one found no damage."""
    if before.state is CheckState.OK:
        return run(name)
    return Check(name, CheckState.NOT_CHECKED, f"It rests on {before.name}, which is not ok.")


def _check_unless_damaged(
    folder: Path,
    damaged: Collection[str],
    name: str,
    reads: Sequence[str],
    work: Callable[[], str],
    to_blame: Sequence[str] | None = None,
) -> Check:
    """Run a check if what it reads, files or folders of the generation, is as it was written."""
    unreadable = [file for file in damaged if any(file == read or file.startswith(f"{read}/") for read in reads)]
    if unreadable:
        return Check(name, CheckState.NOT_CHECKED, f"{unreadable[0]} is damaged.")
    files = [f"{folder.name}/{file}" for file in (reads if to_blame is None else to_blame)]
    return run_check(name, work, files, layout.rebuild_command(folder.parent))


def _connect(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(folder / layout.CHUNKS).absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Discrepancy(f"{what}: {found}; expected {expected}.")


def _look_at_documents(folder: Path, manifest: Manifest) -> str:
    with closing(_connect(folder)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        _expect("SQLite says of the file", verdict, "ok")
        if (row := connection.execute("PRAGMA foreign_key_check").fetchone()) is not None:
            raise Discrepancy(f"A row of {row[0]} refers to one of {row[2]} that is not there.")
        (documents,) = connection.execute("SELECT count(*) FROM documents").fetchone()
        chunks, lowest, highest = connection.execute("SELECT count(*), min(number), max(number) FROM chunks").fetchone()
        languages = Counter(
            f"{language}-{script}".strip("-")
            for language, script in connection.execute("SELECT language, script FROM documents")
        )
    _expect("Documents and passages", {"documents": documents, "chunks": chunks}, manifest.counts)
    _expect("Languages of the documents", dict(languages), manifest.languages)
    if chunks:
        _expect("Numbers of the first and the last passage", (lowest, highest), (0, chunks - 1))
    return f"{documents} documents with {chunks} passages, as the manifest says; SQLite finds nothing wrong"


def _look_at_spans(folder: Path) -> str:
    places = 0
    with closing(_connect(folder)) as connection:
        for number, path, text in connection.execute("SELECT number, path, text FROM documents ORDER BY number"):
            passages = connection.execute(
                "SELECT start, end, text FROM places JOIN chunks ON chunks.number = chunk WHERE places.document = ?",
                (number,),
            )
            for start, end, passage in passages:
                places += 1
                if not 0 <= start < end <= len(text) or text[start:end] != passage:
                    raise Discrepancy(f"The passage at {path}#{start}-{end} is not what stands there in its document.")
    return f"at {places} places the passage is what stands there in its document"


def _look_at_keywords(folder: Path, manifest: Manifest) -> str:
    count = KeywordIndex(folder / layout.KEYWORDS).count
    _expect("Passages in the keyword index", count, manifest.counts["chunks"])
    _expect("Passages with kept tokens", passages_with_tokens(folder / layout.KEYWORDS), count)
    return f"{count} passages"


def _look_at_report(folder: Path, manifest: Manifest) -> str:
    report = IngestReport.from_record(json.loads((folder / layout.REPORT).read_bytes()))
    _expect("Generation in the report", report.generation, manifest.generation)
    _expect("Passages in the report", report.chunks, manifest.counts["chunks"])
    digests = sorted(model.digest for model in manifest.models)
    _expect("Models in the report", sorted(model.fingerprint for model in report.models), digests)
    store = ChunkStore(folder / layout.CHUNKS)
    with closing(store):
        stored = {path: count for path, _, _, count in store.documents()}
    said = [(document.path, document.chunks) for document in report.documents if document.status.is_searchable]
    differing = set(said) ^ set(stored.items())
    if differing or len(said) != len(stored):
        path, _ = min(differing, default=("a document that it names twice", 0))
        raise Discrepancy(f"It does not account for the documents of the knowledge base, the first: {path}.")
    return f"it accounts for {len(stored)} documents; files that were not indexed: {len(report.documents) - len(said)}"


def _look_at_rows(file: Path, manifest: Manifest) -> str:
    rows = np.load(file, mmap_mode="r", allow_pickle=False)
    _expect("Type and dimensions of the rows", (str(rows.dtype), rows.ndim), ("int64", 1))
    chunks = manifest.counts["chunks"]
    outside = np.flatnonzero((rows < 0) | (rows >= chunks))
    if len(outside):
        raise Discrepancy(f"Row {outside[0]} is of passage {rows[outside[0]]}; there are {chunks}.")
    if without := chunks - len(np.unique(rows)):
        return f"{len(rows)} rows of {chunks} passages; passages without a row: {without}"
    return f"{len(rows)} rows of {chunks} passages"


def _open_vectors(folder: Path, manifest: Manifest, fingerprint: Fingerprint) -> VectorIndex:
    inside = layout.vectors_folder(folder, fingerprint)
    return VectorIndex(inside, fingerprint, manifest.vectors[fingerprint.digest])


def _look_at_vectors(folder: Path, manifest: Manifest, fingerprint: Fingerprint) -> str:
    """Look at every stored vector, a block at a time: memory does not grow with their number."""
    index = _open_vectors(folder, manifest, fingerprint)
    at_once = max(1, _NUMBERS_AT_ONCE // fingerprint.dimension)
    for start in range(0, index.count, at_once):
        norms = np.linalg.norm(index.vectors(slice(start, min(start + at_once, index.count))), axis=1)
        wrong = np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE))
        if len(wrong):
            raise Discrepancy(f"Vector {start + wrong[0]} has the length {norms[wrong[0]]:.4g}; expected 1.")
    for row in _spread_sample(index.count):
        _, cosines = index.search(index.vectors(np.array([row]))[0], 1)
        if not cosines.max(initial=-1) > MIN_COSINE:
            raise Discrepancy(f"A search for vector {row} does not find it.")
    return f"{index.count} vectors of {fingerprint.dimension} numbers, all finite and of length 1"


def _look_at_card(file: Path, fingerprint: Fingerprint) -> str:
    found, expected = json.loads(file.read_bytes()), asdict(fingerprint)
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        raise Discrepancy(f"It differs from that of the manifest in {', '.join(differing)}.")
    return fingerprint.digest


def _compare_model(fingerprint: Fingerprint, find: Callable[[], ModelAtHand]) -> str:
    here = find().fingerprint
    if differing := fingerprint.differences(here):
        values = (f"{name} ({getattr(here, name)!r}, not {getattr(fingerprint, name)!r})" for name in differing)
        raise Discrepancy(f"The model on this machine is another than the one of the vectors: {', '.join(values)}.")
    return "the model on this machine is the one of the vectors, in every field of the fingerprint"


def _compare_sample(folder: Path, manifest: Manifest, fingerprint: Fingerprint, find: Callable[[], ModelAtHand]) -> str:
    """Embed passages that are spread over the index, and compare: the same name may stand for other weights."""
    embed = find().embed
    index = _open_vectors(folder, manifest, fingerprint)
    numbers = np.unique(index.rows[_spread_sample(index.count)])
    with closing(ChunkStore(folder / layout.CHUNKS)) as store:
        passages = store.chunks(numbers.tolist())
    if not passages:
        return "there is no vector"
    embedded = embed([searchable(passage.embedded_text) for passage in passages])
    _expect("Numbers in a vector", embedded.shape[1], fingerprint.dimension)
    cosines = [float(index.cosines(vector, numbers[i : i + 1])[0]) for i, vector in enumerate(embedded)]
    lowest = int(np.argmin(cosines))
    found = f"{len(cosines)} passages embedded again, lowest cosine {cosines[lowest]:.6f} ({passages[lowest].id})"
    if not cosines[lowest] > MIN_COSINE:
        base = folder.parent
        raise Discrepancy(
            f"{found}; expected more than {MIN_COSINE}: the vectors are not this model's of these texts.",
            f"They would come from the cache again: remove {base / layout.CACHE}. {layout.rebuild_command(base)}",
        )
    return found


def _spread_sample(count: int) -> NDArray[np.int64]:
    """Return one row at random from each of some sixteen equal parts of the rows; always the same ones."""
    edges = np.linspace(0, count, min(count, _SAMPLE) + 1).astype(np.int64)
    return np.random.default_rng(0).integers(edges[:-1], edges[1:])
