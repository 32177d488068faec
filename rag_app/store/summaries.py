"""What is known of each knowledge base at a glance: what it holds, its models, its size, when it was built, what is wrong.

Nothing is read but manifests: a hundred bases are listed at once. This module knows nothing of how anything is shown.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from stat import S_ISREG

from rag_app.errors import FormatVersionError, KnowledgeBaseError, KnowledgeBaseNotFound, StorageError
from rag_app.store import layout
from rag_app.store.writer import is_being_written


class BaseState(StrEnum):
    """How a knowledge base is."""

    READY = "ready"
    BUSY = "busy"  # something writes it; what was live before still is
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"  # not ours to read; nothing says that it is damaged
    OTHER_VERSION = "other_version"


@dataclass(frozen=True)
class BaseSummary:
    """A knowledge base at a glance. Where it cannot be read, `problem` says why and the counts are None.

    `size` is that of everything below its folder, in bytes. `not_indexed` is not counted here: it takes reading a report.
    """

    name: str
    state: BaseState
    documents: int | None = None
    passages: int | None = None
    models: tuple[str, ...] = ()
    created_at: str = ""
    size: int = 0
    problem: KnowledgeBaseError | None = None


def summary_of(indexes: Path, name: str) -> BaseSummary:
    """Return a knowledge base at a glance.

    Raises:
        KnowledgeBaseNotFound: nothing of that name.
        KnowledgeBaseNameError: not a plain folder name.
    """
    base = indexes / layout.checked_name(name)
    size = bytes_below(base)
    try:
        manifest = layout.read_manifest(*layout.read_current(base))
    except KnowledgeBaseNotFound:
        raise
    except FormatVersionError as error:
        return BaseSummary(name, BaseState.OTHER_VERSION, size=size, problem=_afresh(error))
    except StorageError as error:
        return BaseSummary(name, BaseState.UNREADABLE, size=size, problem=_afresh(error))
    except KnowledgeBaseError as error:
        return BaseSummary(name, BaseState.DAMAGED, size=size, problem=_afresh(error))
    return BaseSummary(
        name,
        BaseState.BUSY if is_being_written(base) else BaseState.READY,
        manifest.counts["documents"],
        manifest.counts["chunks"],
        tuple(model.model for model in manifest.models),
        manifest.created_at,
        size,
    )


def summaries(indexes: Path) -> list[BaseSummary]:
    """Return all knowledge bases below an index root at a glance, sorted by name."""
    found = []
    for name in layout.knowledge_base_names(indexes):
        with suppress(KnowledgeBaseError):  # it was deleted meanwhile
            found.append(summary_of(indexes, name))
    return found


def bytes_below(folder: Path) -> int:
    """Return what the files below a folder take; one that stands in several generations is counted once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        with suppress(OSError):  # a build may remove it meanwhile
            state = path.lstat()
            if S_ISREG(state.st_mode):
                sizes[state.st_dev, state.st_ino] = state.st_size
    return sum(sizes.values())


def _afresh(error: KnowledgeBaseError) -> KnowledgeBaseError:
    return error.with_traceback(None)
