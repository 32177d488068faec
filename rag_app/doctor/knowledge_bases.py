"""Looks at the index root and at each knowledge base in it: whether it opens, and what killed builds have left.

Opening compares the manifest's sum and the size of every file; sums of files are for `rag-app kb verify`.
This module knows nothing of models.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote

from rag_app.config import Settings
from rag_app.doctor.findings import Finding, Section, State, found, found_error, with_root
from rag_app.errors import KnowledgeBaseError, StorageError
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase

# A build of a few thousand documents takes about so much; below the lower one nothing can be built.
_LITTLE_SPACE, _NO_SPACE = 1_000_000_000, 100_000_000


def check_index_root(settings: Settings) -> Iterator[Finding]:
    """Say where knowledge bases lie, whether they can be read and written there, and how much room is left."""
    root = settings.indexes.absolute()
    values = {"folder": str(root)}
    if os.path.lexists(root) and not root.is_dir():
        yield found(
            Section.KNOWLEDGE_BASES,
            State.WRONG,
            "root_is_no_folder",
            command=f"mv {quote(str(root))} {quote(f'{root}.old')}",
            **values,
        )
        return
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    if not os.access(existing, os.R_OK | os.X_OK):
        command = f"chmod u+rx {quote(str(existing))}"
        yield found(Section.KNOWLEDGE_BASES, State.WRONG, "root_unreadable", command=command, folder=str(existing))
        return
    if not os.access(existing, os.W_OK):
        command = f"chmod u+w {quote(str(existing))}"
        yield found(Section.KNOWLEDGE_BASES, State.WRONG, "root_unwritable", command=command, folder=str(existing))
    free = shutil.disk_usage(existing).free
    size = {"gigabytes": f"{free / 1e9:.1f}"} | values
    if free < _LITTLE_SPACE:
        state = State.WRONG if free < _NO_SPACE else State.NOTE
        yield found(Section.KNOWLEDGE_BASES, state, "little_space", **size)
    elif root.is_dir():
        yield found(Section.KNOWLEDGE_BASES, State.FINE, "root", **size)
    else:
        yield found(Section.KNOWLEDGE_BASES, State.FINE, "root_to_come", **size)


def check_knowledge_bases(settings: Settings) -> Iterator[Finding]:
    """Say of each knowledge base what is in it, or what is wrong with it."""
    try:
        names = layout.knowledge_base_names(settings.indexes)
    except OSError:
        return  # the check of the index root says it
    if not names:
        command = with_root("python -m ingest FOLDER --embed-model bundled", settings.indexes)
        yield found(Section.KNOWLEDGE_BASES, State.NOTE, "no_base", command=command)
    for name in names:
        yield from _check_base(name, settings)
        yield from _check_leftovers(settings.indexes / name, settings.indexes)


def _check_base(name: str, settings: Settings) -> Iterator[Finding]:
    try:
        base = KnowledgeBase.open(settings.indexes, name)
    except StorageError as error:
        command = f"chmod -R u+rX {quote(str(settings.indexes / name))}"
        detail = error.found
        yield found(Section.KNOWLEDGE_BASES, State.WRONG, "base_unreadable", command=command, detail=detail, name=name)
        return
    except KnowledgeBaseError as error:
        yield _rooted(found_error(Section.KNOWLEDGE_BASES, State.WRONG, "base_damaged", error, name=name), settings)
        return
    with suppress(KnowledgeBaseError):
        base.close()
    counts = base.manifest.counts
    yield found(
        Section.KNOWLEDGE_BASES,
        State.FINE,
        "base",
        name=name,
        generation=base.generation,
        documents=counts["documents"],
        chunks=counts["chunks"],
        models=", ".join(model.model for model in base.models),
    )
    if not counts["chunks"]:
        command = with_root(f"python -m ingest FOLDER --kb {name}", settings.indexes)
        yield found(Section.KNOWLEDGE_BASES, State.NOTE, "base_empty", command=command, name=name)


def _rooted(finding: Finding, settings: Settings) -> Finding:
    return replace(finding, command=with_root(finding.command, settings.indexes)) if finding.command else finding


def _check_leftovers(base: Path, indexes: Path) -> Iterator[Finding]:
    """Name what builds that were killed have left; a build that is running has some as well."""
    with suppress(OSError):
        left = [path for path in base.iterdir() if path.name.startswith(layout.BUILD_PREFIX)]
        if left:
            size = sum(_bytes_of(path) for path in left)
            yield found(
                Section.KNOWLEDGE_BASES,
                State.NOTE,
                "leftovers",
                command=with_root(f"python -m ingest --kb {base.name}", indexes),
                name=base.name,
                count=len(left),
                megabytes=f"{size / 1e6:.1f}",
            )


def _bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())
