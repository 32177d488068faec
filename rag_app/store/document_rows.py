"""What became of every file of a knowledge base, with what is known of its documents: what should be looked at comes first.

This module knows nothing of how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag_app.datatypes import FileStatus
from rag_app.store.knowledge_base import KnowledgeBase


@dataclass(frozen=True)
class DocumentRow:
    """A file or record: what the report says of it, and its type and title where it is in the base."""

    path: str
    status: FileStatus
    reason: str
    remedy: str
    intended: bool
    chunks: int
    pages: int | None
    language: str
    media_type: str
    title: str

    @property
    def is_searchable(self) -> bool:
        """Whether it has passages."""
        return self.status.is_searchable


def document_rows(knowledge_base: KnowledgeBase) -> list[DocumentRow]:
    """Return them: failed ones first, what was left out or had no text, what is indexed, what was left out by design.

    Raises:
        KnowledgeBaseDamaged: the report or the documents cannot be read.
    """
    facts = {known.path: known for known in knowledge_base.chunks.all_facts()}
    rows = []
    for report in knowledge_base.report.documents:
        known = facts.get(report.path) if report.status.is_searchable else None
        rows.append(
            DocumentRow(
                report.path,
                # It was read by this build or by one before: both are indexed.
                FileStatus.INDEXED if report.status.is_searchable else report.status,
                report.reason,
                report.remedy,
                report.intended,
                report.chunks,
                report.pages,
                report.language or "",
                known.media_type if known else "",
                known.title if known else "",
            )
        )
    return sorted(rows, key=lambda row: (_place(row), row.path))


_ORDER = {FileStatus.FAILED: 0, FileStatus.SKIPPED: 1, FileStatus.EMPTY: 2, FileStatus.INDEXED: 3}


def _place(row: DocumentRow) -> int:
    return len(_ORDER) if row.intended else _ORDER[row.status]
