"""Which passages a search may find: filters, documents and node ids, as sorted passage numbers.

All is decided by place: a passage that stands in several matches where any of its places does, with all conditions met at
that one place, and is shown there; of its other places only those are named that match as well. A generation never changes,
so what was read of it once is kept.
This module knows nothing of vectors or scores.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import numpy as np
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from rag_app.retrieval.filters import DOCUMENT_FIELDS, FIELDS, Column, FieldKind, Numbers, Value, Words, kept_places
from rag_app.retrieval.nodes import document_metadata, span_of_node
from rag_app.store.chunks import ChunkColumn, ChunkStore, DocumentFacts, PlaceColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag_app.store.knowledge_base import KnowledgeBase

_LOCK = threading.Lock()
_TABLES: WeakKeyDictionary[KnowledgeBase, PlaceTable] = WeakKeyDictionary()


@dataclass(frozen=True)
class Selection:
    """Passages that may be found: their `numbers`, sorted, and the `places` that were selected.

    Those of the passage `numbers[i]` are `places[starts[i] : starts[i + 1]]`, in order.
    """

    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]
    places: NDArray[np.int64]


def place_table(knowledge_base: KnowledgeBase) -> PlaceTable:
    """Return the places of a generation: one table for all who search it, gone with it."""
    with _LOCK:
        return _TABLES.setdefault(knowledge_base, PlaceTable(knowledge_base.chunks))


class PlaceTable:
    """The places of all passages of one generation, a column at a time. Safe to use from several threads.

    A place is a row, in the order of documents and of passages in them. Columns are read when first needed, and take four
    bytes a place.
    """

    def __init__(self, store: ChunkStore) -> None:
        """Read nothing yet."""
        self._store = store
        self._columns: dict[str, Column] = {}

    def select(
        self,
        *,
        filters: MetadataFilters | None = None,
        documents: Sequence[str] | None = None,
        node_ids: Sequence[str] | None = None,
    ) -> Selection | None:
        """Return the passages with a place that meets all conditions; None where there is no condition.

        Args:
            filters: on the fields of `filters.FIELDS`; without a filter in it, no condition.
            documents: paths; a passage stands in any of them. One that is not there holds no passage.
            node_ids: of nodes of ours. One that is not there names no passage.

        Raises:
            UsageError: a filter that makes no sense.
        """
        masks = []
        if filters is not None and filters.filters:
            masks.append(kept_places(filters, self._column, len(self._passages)))
        if documents is not None:
            one = MetadataFilter(key="document", operator=FilterOperator.IN, value=list(documents))
            masks.append(kept_places(MetadataFilters(filters=[one]), self._column, len(self._passages)))
        if node_ids is not None:
            masks.append(self._named(node_ids))
        if not masks:
            return None
        kept = np.flatnonzero(np.logical_and.reduce(masks))
        kept = kept[np.argsort(self._passages[kept], kind="stable")]
        numbers, starts = np.unique(self._passages[kept], return_index=True)
        return Selection(numbers.astype(np.int64), np.append(starts, len(kept)), kept)

    def shown_at(self, selection: Selection, numbers: NDArray[np.int64]) -> list[list[int]]:
        """Return at which of its places, counted from 0, each of these passages was selected; at the first it is shown."""
        found = np.searchsorted(selection.numbers, numbers)
        return [
            self._ranks[selection.places[start:end]].tolist()
            for start, end in zip(selection.starts[found], selection.starts[found + 1], strict=True)
        ]

    def is_selected(self, selection: Selection, document: str, ordinal: int) -> bool:
        """Return whether the place of a document's passage, counted from 0 in it, was selected."""
        number = self._document_numbers.get(document)
        if number is None or not 0 <= ordinal < self._starts[number + 1] - self._starts[number]:
            return False
        place = self._starts[number] + ordinal
        found = int(np.searchsorted(selection.numbers, self._passages[place]))
        if found == len(selection.numbers):
            return False
        return bool(place in selection.places[selection.starts[found] : selection.starts[found + 1]])

    @cached_property
    def facts(self) -> list[DocumentFacts]:
        """What is known of every document, in order."""
        return self._store.all_facts()

    @cached_property
    def _document_numbers(self) -> dict[str, int]:
        return {facts.path: number for number, facts in enumerate(self.facts)}

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first place of every document, and then the number of places."""
        return np.concatenate([[0], np.cumsum(self._store.place_counts())])

    @cached_property
    def _passages(self) -> NDArray[np.int32]:
        return self._store.place_column("chunk")

    @cached_property
    def _ranks(self) -> NDArray[np.int32]:
        """Of each place, how many earlier ones its passage has."""
        order = np.argsort(self._passages, kind="stable")
        ordered = self._passages[order]
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        return ranks

    def _column(self, field: str) -> Column:
        if field not in self._columns:
            self._columns[field] = self._read(field)
        return self._columns[field]

    def _read(self, field: str) -> Column:
        if FIELDS[field] is FieldKind.NUMBER:
            return Numbers(self._store.place_column(cast("PlaceColumn", field)))
        if field not in DOCUMENT_FIELDS:
            values, codes = self._store.chunk_column(cast("ChunkColumn", field))
            return Words(values, codes.take(self._passages))
        distinct: dict[Value, int] = {}
        of_documents = np.empty(len(self.facts), dtype=np.int32)
        for number, facts in enumerate(self.facts):
            value = document_metadata(facts)[field]
            hashable = tuple(value) if isinstance(value, list) else value
            of_documents[number] = distinct.setdefault(hashable, len(distinct))
        return Words(list(distinct), np.repeat(of_documents, np.diff(self._starts)))

    def _named(self, node_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return which places the nodes' ids name."""
        named = np.zeros(len(self._passages), dtype=np.bool_)
        for node_id in node_ids:
            document, start, end = span_of_node(node_id) or ("", -1, -1)
            number = self._document_numbers.get(document)
            if number is not None:
                places = slice(self._starts[number], self._starts[number + 1])
                named[places] |= (self._numbers("start")[places] == start) & (self._numbers("end")[places] == end)
        return named

    def _numbers(self, field: str) -> NDArray[np.int32]:
        column = self._column(field)
        assert isinstance(column, Numbers)
        return column.values
