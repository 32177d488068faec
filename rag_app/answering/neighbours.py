"""A small chunk is found; the answer gets its neighbours too.

Found chunks that stand side by side become one passage; passages are widened by the chunk after and before them while the
generator's budget lasts. What a passage says of itself stays true: its text is `[start, end)` of the document, and `found` says
which part of it was found. Nothing is taken from another document, or from a place that the filters do not keep.
This module knows nothing of prompts, generators or questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any

from rag_app.datatypes import Chunk, Passage, Place
from rag_app.retrieval.nodes import ALSO_IN, FOUND, node_with, passages_of
from rag_app.retrieval.places import Selection, place_table

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore
    from llama_index.core.vector_stores.types import MetadataFilters

    from rag_app.store.knowledge_base import KnowledgeBase

# Gives the size of a passage, in the unit of the budget.
Sizer = Callable[[Passage], int]


@dataclass(frozen=True)
class _Run:
    """`chunks` of one document, one after another, of which `found` were found, by the nodes at these `ranks` (from 0).

    A node that is no chunk of the knowledge base is a run without chunks.
    """

    ranks: tuple[int, ...]
    found: tuple[Chunk, ...] = ()
    chunks: tuple[Chunk, ...] = ()

    @property
    def is_one_node(self) -> bool:
        """Whether it is just what one node holds."""
        return len(self.ranks) == 1 and self.chunks == self.found

    def and_chunk(self, chunk: Chunk) -> _Run:
        """Return the run with a chunk that stands beside it, or is in it already."""
        return replace(self, chunks=_in_order((*self.chunks, chunk)))

    def and_run(self, other: _Run) -> _Run:
        """Return two runs that touch as one."""
        ranks = tuple(sorted(self.ranks + other.ranks))
        return _Run(ranks, _in_order(self.found + other.found), _in_order(self.chunks + other.chunks))

    def is_followed_by(self, other: _Run) -> bool:
        """Return whether a run that begins no earlier goes on where this one ends, or before."""
        if not self.chunks or not other.chunks:
            return False
        last, first = self.chunks[-1], other.chunks[0]
        return last.document_path == first.document_path and first.ordinal <= last.ordinal + 1

    def as_passage(self, passage: Passage, text: str) -> Passage:
        """Return the passage that it comes to.

        Args:
            passage: that of its best node.
            text: of its chunks.
        """
        if self.is_one_node:
            return passage
        first, last = self.chunks[0], self.chunks[-1]
        return replace(
            passage,
            page=first.page,
            last_page=last.last_page,
            start=first.start,
            end=last.end,
            text=text,
            heading_path=_common([chunk.heading_path for chunk in self.found]),
            table_header=first.table_header,
            found=((self.found[0].start, self.found[-1].end),),
        )


class Neighbours:
    """Gives passages their neighbours in one generation of a knowledge base. Safe to use from several threads."""

    def __init__(self, knowledge_base: KnowledgeBase, filters: MetadataFilters | None = None) -> None:
        """Read nothing yet.

        Args:
            knowledge_base: where the passages are from.
            filters: those under which they are found.
        """
        self._chunks = knowledge_base.chunks
        self._places = place_table(knowledge_base)
        self._filters = filters

    def joined(self, nodes: Sequence[NodeWithScore], size: Sizer, room: int) -> list[NodeWithScore]:
        """Return the passages for an answer, best first: those side by side as one, each widened as far as there is room.

        Only what the generator is given takes part: the passages from the first on that fit whole. Where not all do, none is
        widened. A passage that several became has rank and scores of the best.

        Args:
            nodes: best first; they stay as they are. One that is no chunk of the knowledge base is returned as it is.
            size: of a passage.
            room: for all passages together.

        Raises:
            KnowledgeBaseDamaged: the text is not where it should be.
        """
        passages = passages_of(nodes)
        given = sum(total <= room for total in accumulate(map(size, passages)))
        around = [self._around(passage) for passage in passages[:given]]
        runs = _merged(_Run((rank,), chunks[:1], chunks[:1]) for rank, chunks in enumerate(around))
        if given == len(passages):
            runs = _widened(runs, around, _Fitting(passages, size, room))
        texts = self._texts([run for run in runs if not run.is_one_node])
        return [*(_node(run, nodes, passages, texts) for run in runs), *nodes[given:]]

    @cached_property
    def _selection(self) -> Selection | None:
        return self._places.select(filters=self._filters)

    def _around(self, passage: Passage) -> tuple[Chunk, ...]:
        """Return the chunk that a passage is, then the one after it and the one before it, as far as the filters keep them."""
        near = self._chunks.chunks_around(passage.document, passage.start, passage.end)
        here = next((chunk for chunk in near if chunk.start == passage.start and chunk.end == passage.end), None)
        if here is None:
            return ()
        beside = [chunk for chunk in reversed(near) if chunk is not here and self._is_kept(chunk)]
        return (here, *beside)

    def _is_kept(self, chunk: Chunk) -> bool:
        return self._selection is None or self._places.is_selected(self._selection, chunk.document_path, chunk.ordinal)

    def _texts(self, runs: Sequence[_Run]) -> dict[_Run, str]:
        """Return the documents' own text for each run, reading each document once."""
        by_document: dict[str, list[_Run]] = {}
        for run in runs:
            by_document.setdefault(run.chunks[0].document_path, []).append(run)
        texts: dict[_Run, str] = {}
        for document, group in by_document.items():
            spans = [(run.chunks[0].start, run.chunks[-1].end) for run in group]
            texts |= zip(group, self._chunks.slices(document, spans), strict=True)
        return texts


class _Fitting:
    """Whether runs fit into the room together; what was measured once is not measured again."""

    def __init__(self, passages: Sequence[Passage], size: Sizer, room: int) -> None:
        self._passages = passages
        self._size = size
        self._room = room
        self._sizes: dict[_Run, int] = {}

    def __call__(self, runs: Iterable[_Run]) -> bool:
        return sum(map(self._size_of, runs)) <= self._room

    def _size_of(self, run: _Run) -> int:
        if run not in self._sizes:
            passage = self._passages[run.ranks[0]]
            self._sizes[run] = self._size(run.as_passage(passage, _joined_text(run.chunks)))
        return self._sizes[run]


def _merged(runs: Iterable[_Run]) -> list[_Run]:
    """Return the runs with those that touch as one, in the order of their best ranks."""
    merged: list[_Run] = []
    for run in sorted(
        runs, key=lambda run: (run.chunks[0].document_path, run.chunks[0].ordinal) if run.chunks else ("", 0)
    ):
        if merged and merged[-1].is_followed_by(run):
            merged[-1] = merged[-1].and_run(run)
        else:
            merged.append(run)
    return sorted(merged, key=lambda run: run.ranks)


def _widened(runs: list[_Run], around: Sequence[Sequence[Chunk]], fits: Callable[[Iterable[_Run]], bool]) -> list[_Run]:
    """Return the runs with the neighbours of what was found, as far as all fit and stay apart: those of the best first.

    Args:
        runs: in the order of their best ranks.
        around: by rank, what was found and its neighbours.
        fits: whether runs fit.
    """
    for rank, chunks in enumerate(around):
        for neighbour in chunks[1:]:
            proposed = _merged(run.and_chunk(neighbour) if rank in run.ranks else run for run in runs)
            # A neighbour between two passages would make one of them, and soon a whole document one source.
            if len(proposed) == len(runs) and fits(proposed):
                runs = proposed
    return runs


def _node(
    run: _Run, nodes: Sequence[NodeWithScore], passages: Sequence[Passage], texts: dict[_Run, str]
) -> NodeWithScore:
    best = nodes[run.ranks[0]]
    if run.is_one_node:
        return best
    passage = run.as_passage(passages[run.ranks[0]], texts[run])
    said: dict[str, Any] = {}
    for rank in reversed(run.ranks):  # what is said of any of them is said of the whole; the best has the last word
        said |= nodes[rank].node.metadata
    said |= {
        "page": passage.page,
        "last_page": passage.last_page,
        "start": passage.start,
        "end": passage.end,
        "heading_path": list(passage.heading_path),
        "table_header": passage.table_header,
        ALSO_IN: [asdict(place) for place in _places([passages[rank] for rank in run.ranks], passage)],
        FOUND: [list(span) for span in passage.found],
    }
    span = {"start_char_idx": passage.start, "end_char_idx": passage.end}
    name = f"{passage.document}#{passage.start}-{passage.end}"
    return node_with(best, said, id_=name, text=passage.text, **span)


def _places(passages: Iterable[Passage], whole: Passage) -> list[Place]:
    """Return where else the passages stand, without what lies in the whole that they became."""
    places = dict.fromkeys(place for passage in passages for place in passage.also_in)
    return [
        place
        for place in places
        if place.document != whole.document or place.start < whole.start or whole.end < place.end
    ]


def _in_order(chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
    return tuple(sorted(dict.fromkeys(chunks), key=lambda chunk: chunk.ordinal))


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the headings that all paths begin with."""
    levels = zip(*paths, strict=False)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _joined_text(chunks: Sequence[Chunk]) -> str:
    """Return the text of chunks in order but for white space: all that a document has between two that do not overlap."""
    text = ""
    end = 0
    for chunk in chunks:
        shared = max(end - chunk.start, 0)
        text += (" " if text and chunk.start > end else "") + chunk.text[shared:]
        end = chunk.end
    return text
