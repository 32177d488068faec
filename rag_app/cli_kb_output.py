"""What `rag-app kb` prints: the list, the identity card, what a verification came to; as text and as JSON.

Names that came with documents are printed with control characters shown instead of obeyed. What goes to a terminal is
broken at its width, what goes elsewhere is not. This module knows nothing of flags.
"""

from __future__ import annotations

import hashlib
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag_app.cli_calibration_output import calibration_line
from rag_app.errors import KnowledgeBaseError
from rag_app.store.calibrations import read_calibrations
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import MANIFEST
from rag_app.store.summaries import bytes_below
from rag_app.store.verification import Verification
from rag_app.terminal import counted
from rag_app.text import printable

if TYPE_CHECKING:
    from rag_app.store.deletion import Deletion
    from rag_app.store.purging import PurgeReport

_LABEL = 15  # with it, a sha256 ends at column 80
_STATE = 13
_UNBROKEN = 1 << 20  # columns


def knowledge_base_summary(indexes: Path, name: str) -> dict[str, Any]:
    """Return a line of `kb list`; a damaged knowledge base is listed with what is wrong."""
    try:
        manifest = KnowledgeBase.open(indexes, name).manifest
    except KnowledgeBaseError as error:
        return {"name": name, "error": str(error)}
    return {
        "name": name,
        "generation": manifest.generation,
        "created_at": manifest.created_at,
        **manifest.counts,
        "models": [model.model for model in manifest.models],
    }


def print_knowledge_bases(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print the lines of `kb list`."""
    for summary in summaries:
        if "error" in summary:
            print(printable(f"{summary['name']}: {summary['error']}", keep_line_breaks=False))
        else:
            print(
                f"{summary['name']}: {counted(summary['documents'], 'document')}, {counted(summary['chunks'], 'chunk')}, "
                f"{summary['generation']} of {summary['created_at']}, {', '.join(summary['models'])}"
            )


def identity_card(knowledge_base: KnowledgeBase) -> dict[str, Any]:
    """Return the object that `kb show --json` prints: what the manifest says, sizes on the disk, and the documents."""
    manifest = knowledge_base.manifest
    manifest_file = knowledge_base.folder / MANIFEST
    calibrations = read_calibrations(knowledge_base.folder.parent)
    return {
        "name": knowledge_base.name,
        "folder": str(knowledge_base.folder),
        "generation": manifest.generation,
        "created_at": manifest.created_at,
        "manifest_sha256": hashlib.sha256(manifest.to_json().encode()).hexdigest(),
        "format_version": manifest.format_version,
        "app_version": manifest.app_version,
        "libraries": manifest.libraries,
        "sources": [asdict(source) for source in manifest.sources],
        "purged": [exclusion.path for exclusion in manifest.excluded],
        "parsing": manifest.parsing,
        "memory_gb": manifest.memory_gb,
        "counts": manifest.counts,
        "languages": manifest.languages,
        "models": [
            asdict(model)
            | {
                "fingerprint": model.digest,
                "licence": manifest.terms[model.digest],
                "index": asdict(manifest.vectors[model.digest]),
            }
            for model in manifest.models
        ],
        "calibrations": [asdict(calibration) for calibration in calibrations.usable],
        "calibrations_ignored": list(calibrations.ignored),
        "files": len(manifest.files) + 1,
        "bytes": sum(entry.bytes for entry in manifest.files.values()) + manifest_file.stat().st_size,
        "bytes_with_all_versions": bytes_below(knowledge_base.folder.parent),
        "documents": [
            {"path": path, "title": title, "language": language, "date": facts.date, "chunks": chunks}
            for (path, title, language, chunks), facts in zip(
                knowledge_base.chunks.documents(), knowledge_base.chunks.all_facts(), strict=True
            )
        ],
    }


def print_identity_card(card: Mapping[str, Any]) -> None:
    """Print `kb show`."""
    print(f"{card['name']}, {card['generation']} of {card['created_at']}")
    _print_field("folder", card["folder"])
    _print_field("manifest", card["manifest_sha256"])
    _print_field("made by", f"rag-app {card['app_version']}, format {card['format_version']}")
    _print_field("libraries", _pairs(card["libraries"]))
    size, all_versions = _size(card["bytes"]), _size(card["bytes_with_all_versions"])
    _print_field(
        "size", f"{size} in {counted(card['files'], 'file')}; {all_versions} with the cache and the version before"
    )
    for source in card["sources"]:
        _print_field("source", f"{source['name']}: {source['path']}")
    for path in card["purged"]:
        _print_field("purged", path)
    for name, value in card["parsing"].items():
        _print_field(_words(name), _shown(value))
    _print_field("memory limit", "none" if card["memory_gb"] is None else f"{card['memory_gb']:g} GB a model")
    counts = card["counts"]
    _print_field("holds", f"{counted(counts['documents'], 'document')}, {counted(counts['chunks'], 'passage')}")
    _print_field("languages", ", ".join(f"{count} {language}" for language, count in card["languages"].items()))
    for model in card["models"]:
        _print_model(model)
    if card["calibrations"] or card["calibrations_ignored"]:
        print("\nprobability")
    for line in (*map(calibration_line, card["calibrations"]), *card["calibrations_ignored"]):
        _print_field("calibration", line)
    print("\ndocuments")
    for document in card["documents"]:
        path = printable(document["path"], keep_line_breaks=False)
        noun = "chunk" if document["chunks"] == 1 else "chunks"
        print(f"  {document['chunks']:>5} {noun:<6}  {document['language']:>3}  {document['date']:<10}  {path}")


def _print_model(model: Mapping[str, Any]) -> None:
    """Print a model: every field of its fingerprint, and its index."""
    print(f"\nmodel {model['model']}")
    for name, value in model.items():
        if name not in ("model", "index"):
            shown = repr(value) if name.endswith("prompt") else _shown(value)
            _print_field(_words(name), shown if value or name != "licence" else "not known")
    index = model["index"]
    kind = f"{index['kind']} search over {index['code']} numbers"
    recall = f"; finds {index['recall']:.4f} of the ten nearest (measured on {index['sample']} rows)"
    parameters = f", {_pairs(index['parameters'])}" if index["parameters"] else ""
    _print_field("index", f"{kind}{parameters}{recall if index['sample'] else ''}")
    _print_field("made with", ", ".join(index["libraries"]))


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1_000_000 else f"{size / 1e3:.0f} kB"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _print_field(label: str, value: str) -> None:
    _print_hanging(f" {label:<{_LABEL}}", value or "-")


def _print_hanging(start: str, text: str) -> None:
    """Print a text after a label, broken at the width of the terminal; a word longer than that is never broken."""
    columns = shutil.get_terminal_size((_UNBROKEN, 0)).columns
    lines = textwrap.wrap(
        printable(text, keep_line_breaks=False),
        max(columns - len(start), 20),
        break_long_words=False,
        break_on_hyphens=False,
    )
    print(start + f"\n{' ' * len(start)}".join(lines))


def verification_as_json(verification: Verification) -> dict[str, Any]:
    """Return the object that `kb verify --json` prints."""
    return {
        "name": verification.name,
        "generation": verification.generation,
        "ok": verification.ok,
        "damaged": list(verification.damaged),
        "checks": [{"name": check.name, "state": check.state, "detail": check.detail} for check in verification.checks],
    }


def print_verification(verification: Verification) -> None:
    """Print `kb verify`, a check a line."""
    print(
        f"{verification.name}, {verification.generation or 'no version'}: {'whole' if verification.ok else 'damaged'}"
    )
    for check in verification.checks:
        _print_hanging(f"  {check.state:<{_STATE}}", f"{check.name}: {check.detail}")


def print_purge(report: PurgeReport) -> None:
    """Print `kb purge`."""
    for path in report.before:
        _print_hanging("", f"{path} was purged before: there is nothing left of it to remove, nor to search for.")
    if not report.documents:
        return
    for path in report.documents:
        _print_hanging("", f"{path} is removed; {report.generation} is live, and no older version is kept.")
    for source in report.sources:
        _print_hanging("", f"{source} is no source any more.")
    print(f"{counted(report.passages, 'passage')} and {counted(report.cached_vectors, 'cached vector')} were removed.")
    if report.calibrations:
        _print_hanging(
            "",
            f"{counted(report.calibrations, 'calibration')} measured with it {'was' if report.calibrations == 1 else 'were'} "
            f"removed: rag-app kb calibrate {report.kb} --questions FILE",
        )
    if report.missing_vectors:
        _print_hanging(
            "",
            f"{counted(report.missing_vectors, 'vector')} of passages that stay must be made again, since they began with the "
            f"name of the file: python -m ingest --kb {report.kb}",
        )
    traces = report.traces
    pieces = f"{traces.searched:,} of " if traces.searched < traces.pieces else ""
    _print_hanging(
        "",
        f"{counted(traces.files, 'file')} ({_size(traces.bytes)}) were searched for {pieces}"
        f"{counted(traces.pieces, 'piece')} of its text that no other document has, and for "
        f"{counted(traces.vectors, 'vector')}: {traces.found or 'none'} found.",
    )


def deletion_question(deletion: Deletion) -> str:
    """Return what is asked before a knowledge base is deleted."""
    return f"Delete '{deletion.kb}' ({_contents(deletion)}) in {deletion.folder}?"


def print_deletion(deletion: Deletion) -> None:
    """Print `kb delete`."""
    _print_hanging("", f"'{deletion.kb}' is deleted: {_contents(deletion)}. What it was built from is untouched.")


def _contents(deletion: Deletion) -> str:
    documents = "an unknown number of documents"
    if deletion.documents is not None:
        documents = counted(deletion.documents, "document")
    return f"{documents}, {counted(deletion.files, 'file')}, {_size(deletion.bytes)}"
