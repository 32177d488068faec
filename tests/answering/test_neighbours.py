"""Neighbouring chunks for the answer: every passage is the document's own text, within the budget, and within the filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from ingest.chunking import chunk_document
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.prompting.prompt import Budget, build_prompt
from rag_app.datatypes import Chunk, Document, Passage, Place
from rag_app.models.reranker_spec import UNSEEN
from rag_app.retrieval.nodes import SCORES, node_of, passages_of, span_of_node
from rag_app.store.chunks import distinct_chunks
from rag_app.text import size_in_units
from tests.conftest import document_of
from tests.retrieval.bases import publish_vectors, unit_vectors

WITHOUT_END = 1_000_000
GUIDE = "docs/guide.md"
PLAIN = "docs/plain.md"
TABLE = "docs/table.md"
CHINESE = "docs/指南.md"
TEXTS = {
    GUIDE: "# Guide\n\n"
    + "\n\n \n".join(
        f"## Part {part}\n\n"
        + " ".join(f"Sentence {part}{number} says what part {part} says about thing {number}." for number in range(6))
        for part in range(5)
    ),
    PLAIN: "\n".join(f"Line {number} of the plain text is about subject {number}." for number in range(30)),
    TABLE: "Prices\n\n| Model | Price |\n| --- | --- |\n" + "\n".join(f"| LF-{row} | {row}.00 |" for row in range(40)),
    CHINESE: "# 指南\n\n" + "".join(f"第{number}句话说明第{number}件事情，请仔细阅读。" for number in range(30)),
    "docs/note.md": "A note of one chunk.",
}


class Base:
    """A knowledge base of small chunks, and its nodes by document and ordinal."""

    def __init__(self, indexes: Path) -> None:
        self.documents = {path: self._document(path, text) for path, text in TEXTS.items()}
        cut = [
            (document, chunk_document(document, chunk_tokens=60, overlap=15)) for document in self.documents.values()
        ]
        self.chunks = {document.path: chunks for document, chunks in cut}
        count = len(distinct_chunks(chunk for _, chunks in cut for chunk in chunks))
        self.opened, _ = publish_vectors(indexes, cut, unit_vectors(count, 8))

    def _document(self, path: str, text: str) -> Document:
        document = document_of(path, text)
        pages = (0, 400, 800, 1200) if path == GUIDE else ()
        return Document(path, document.sha256, "text/markdown", "en", document.title, text, pages, document.blocks)

    def nodes(self, *found: tuple[str, int], also_in: Sequence[Place] = ()) -> list[NodeWithScore]:
        """Return these chunks as they are retrieved, best first."""
        facts = self.opened.chunks.facts(list(self.documents))
        return [
            NodeWithScore(
                node=node_of(self.chunks[path][ordinal], facts[path], {"cosine": 1 - rank / 100}, also_in),
                score=1 - rank / 100,
            )
            for rank, (path, ordinal) in enumerate(found)
        ]

    def check(self, passages: Sequence[Passage]) -> None:
        """Every passage is the document's own text, and so is what was found of it."""
        for passage in passages:
            text = self.documents[passage.document].text
            assert passage.text == text[passage.start : passage.end]
            assert passage.found_text == " … ".join(text[start:end] for start, end in passage.found_spans)
            assert all(passage.start <= start < end <= passage.end for start, end in passage.found_spans)
            assert passage.page == self.documents[passage.document].page_at(passage.start)
            assert passage.last_page == self.documents[passage.document].page_at(passage.end - 1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return Base(tmp_path_factory.mktemp("indexes"))


def size_of(passage: Passage) -> int:
    return Budget(size_in_units, WITHOUT_END, WITHOUT_END).size(passage)


def joined(
    base: Base, nodes: list[NodeWithScore], room: int = WITHOUT_END, filters: MetadataFilters | None = None
) -> tuple[Passage, ...]:
    return passages_of(Neighbours(base.opened, filters).joined(nodes, size_of, room))


def whole(base: Base, nodes: list[NodeWithScore]) -> int:
    """Return the room that the nodes take as they are."""
    return sum(map(size_of, passages_of(nodes)))


def test_the_base_has_documents_of_several_chunks(base: Base) -> None:
    assert all(len(base.chunks[path]) >= 5 for path in (GUIDE, PLAIN, TABLE, CHINESE))
    assert any(two.start < one.end for one, two in pairwise(base.chunks[GUIDE])), "some overlap"
    assert any(two.start > one.end for one, two in pairwise(base.chunks[GUIDE])), "some have white space between them"


@pytest.mark.parametrize("path", [GUIDE, PLAIN, TABLE, CHINESE])
@pytest.mark.parametrize("ordinal", [1, 2])
def test_a_passage_gets_the_chunks_before_and_after(base: Base, path: str, ordinal: int) -> None:
    (passage,) = joined(base, base.nodes((path, ordinal)))
    base.check([passage])
    before, here, after = base.chunks[path][ordinal - 1 : ordinal + 2]
    assert (passage.start, passage.end) == (before.start, after.end)
    assert passage.found_spans == ((here.start, here.end),)
    assert (passage.heading_path, passage.table_header) == (here.heading_path, before.table_header)
    assert passage.scores == {"cosine": 1.0}


@pytest.mark.parametrize("ordinal", [0, -1])
def test_at_the_ends_of_a_document_there_is_one_neighbour(base: Base, ordinal: int) -> None:
    (passage,) = joined(base, base.nodes((PLAIN, ordinal)))
    base.check([passage])
    pair = base.chunks[PLAIN][:2] if ordinal == 0 else base.chunks[PLAIN][-2:]
    assert (passage.start, passage.end) == (pair[0].start, pair[1].end)


def test_found_chunks_side_by_side_become_one_with_rank_and_scores_of_the_best(base: Base) -> None:
    nodes = base.nodes((GUIDE, 4), ("docs/note.md", 0), (GUIDE, 3), (GUIDE, 5))
    first, second = passages = joined(base, nodes, whole(base, nodes))
    base.check(passages)
    chunks = base.chunks[GUIDE][3:6]
    assert first.found_spans == ((chunks[0].start, chunks[-1].end),)
    assert first.scores == {"cosine": 1.0}
    assert (first.n, second.n, second.document) == (1, 2, "docs/note.md")
    assert first.heading_path == ("Guide",), "they stand under different headings"


def test_passages_that_were_found_apart_stay_apart(base: Base) -> None:
    """Or a whole document would become one source as soon as a few of its chunks were found."""
    first, second = passages = joined(base, base.nodes((PLAIN, 1), (PLAIN, 3)))
    base.check(passages)
    chunks = base.chunks[PLAIN]
    assert (first.start, first.end) == (chunks[0].start, chunks[1].end), "the chunk between them is nobody's"
    assert (second.start, second.end) == (chunks[3].start, chunks[4].end)
    first, second = passages = joined(base, base.nodes((PLAIN, 0), (PLAIN, 3)))
    base.check(passages)
    assert first.end == chunks[1].end, "of the two between, the better takes the one after it"
    assert (second.start, second.end) == (chunks[3].start, chunks[4].end)


def test_the_best_is_widened_first_and_by_what_follows(base: Base) -> None:
    nodes = base.nodes((PLAIN, 2), (CHINESE, 2))
    after = base.chunks[PLAIN][3]
    first, second = passages = joined(base, nodes, whole(base, nodes) + size_in_units(after.text))
    base.check(passages)
    assert (first.start, first.end) == (base.chunks[PLAIN][2].start, after.end)
    assert second.found == ()


@pytest.mark.parametrize("path", [PLAIN, CHINESE])
def test_what_two_chunks_share_takes_room_once(base: Base, path: str) -> None:
    nodes = base.nodes((path, 2))
    (widened,) = joined(base, nodes)
    assert joined(base, nodes, size_of(widened)) == (widened,)
    assert joined(base, nodes, size_of(widened) - 1) != (widened,)


def test_nothing_is_widened_while_a_passage_does_not_fit_whole(base: Base) -> None:
    nodes = base.nodes((PLAIN, 2), (CHINESE, 2), (PLAIN, 3))
    passages = joined(base, nodes, whole(base, nodes) - 1)
    assert passages == passages_of(nodes)
    merged, last = joined(base, base.nodes((PLAIN, 2), (PLAIN, 3), (CHINESE, 2)), whole(base, nodes) - 1)
    assert (merged.start, merged.end) == (base.chunks[PLAIN][2].start, base.chunks[PLAIN][3].end)
    assert last.found == ()


def test_without_room_passages_stay_as_they_are(base: Base) -> None:
    nodes = base.nodes((PLAIN, 2), (PLAIN, 3))
    for room in (0, -5):
        assert joined(base, nodes, room) == passages_of(nodes)
    assert joined(base, []) == ()


def test_the_nodes_given_stay_as_they_are_and_those_returned_are_named_by_their_span(base: Base) -> None:
    nodes = base.nodes((GUIDE, 2), (GUIDE, 3))
    before = [node.model_dump_json() for node in nodes]
    (made,) = Neighbours(base.opened).joined(nodes, size_of, WITHOUT_END)
    assert [node.model_dump_json() for node in nodes] == before
    assert span_of_node(made.node.node_id) == (GUIDE, made.node.metadata["start"], made.node.metadata["end"])
    assert made.score == nodes[0].score
    assert isinstance(made.node, TextNode)
    assert (made.node.start_char_idx, made.node.end_char_idx) == (
        made.node.metadata["start"],
        made.node.metadata["end"],
    )
    assert set(made.node.metadata) <= set(made.node.excluded_llm_metadata_keys) & set(
        made.node.excluded_embed_metadata_keys
    )


def test_what_is_said_of_one_is_said_of_the_whole(base: Base) -> None:
    nodes = base.nodes((GUIDE, 2), (GUIDE, 3))
    nodes[1].node.metadata |= {UNSEEN: 0.5, SCORES: {"cosine": 0.1}}
    inside = base.chunks[GUIDE][2].place
    elsewhere = asdict(replace(inside, document="docs/copy.md"))
    nodes[1].node.metadata["also_in"] = [elsewhere, asdict(inside)]
    (made,) = Neighbours(base.opened).joined(nodes, size_of, WITHOUT_END)
    assert made.node.metadata[UNSEEN] == 0.5
    assert made.node.metadata[SCORES] == {"cosine": 1.0}
    assert made.node.metadata["also_in"] == [elsewhere], "the place within the passage is the passage's own"


def test_nodes_of_another_retriever_stay_as_they_are(base: Base) -> None:
    foreign = NodeWithScore(node=TextNode(id_="n", text="Something else."), score=0.5)
    first, second, third = joined(base, [foreign, *base.nodes((PLAIN, 2)), foreign])
    assert (first.text, third.text) == ("Something else.", "Something else.")
    assert second.found != ()


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("start", FilterOperator.GTE, lambda chunks: chunks[2].start),
        ("end", FilterOperator.LTE, lambda chunks: chunks[2].end),
        ("page", FilterOperator.EQ, lambda chunks: chunks[2].page),
        ("document", FilterOperator.EQ, lambda _: GUIDE),
        ("heading_path", FilterOperator.CONTAINS, lambda chunks: chunks[2].heading_path[-1]),
    ],
)
def test_a_neighbour_is_taken_only_where_the_filters_keep_it(
    base: Base, key: str, operator: FilterOperator, value: object
) -> None:
    chunks = base.chunks[GUIDE]
    wanted = value(chunks)  # type: ignore[operator]
    filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=wanted)])
    (passage,) = passages = joined(base, base.nodes((GUIDE, 2)), filters=filters)
    base.check(passages)

    def is_kept(chunk: Chunk) -> bool:
        return {
            "start": chunk.start >= chunks[2].start,
            "end": chunk.end <= chunks[2].end,
            "page": chunk.page == chunks[2].page,
            "document": True,
            "heading_path": chunks[2].heading_path[-1] in chunk.heading_path,
        }[key]

    first, last = chunks[1] if is_kept(chunks[1]) else chunks[2], chunks[3] if is_kept(chunks[3]) else chunks[2]
    assert (passage.start, passage.end) == (first.start, last.end)


@given(
    found=st.lists(
        st.sampled_from([(path, ordinal) for path in (GUIDE, PLAIN, TABLE, CHINESE) for ordinal in range(5)]),
        unique=True,
        max_size=8,
    ),
    room=st.integers(0, 1500),
)
def test_whatever_is_found_every_passage_is_a_true_span_within_the_budget(
    base: Base, found: list[tuple[str, int]], room: int
) -> None:
    nodes = base.nodes(*found)
    passages = joined(base, nodes, room)
    base.check(passages)
    for rank, (path, ordinal) in enumerate(found):
        chunk = base.chunks[path][ordinal]
        holding = [
            passage
            for passage in passages
            if passage.document == path
            and any(start <= chunk.start and chunk.end <= end for start, end in passage.found_spans)
        ]
        assert len(holding) == 1, "what was found is in just one passage"
        assert holding[0].scores["cosine"] >= 1 - rank / 100
    ranks = [passage.scores["cosine"] for passage in passages]
    assert ranks == sorted(ranks, reverse=True)
    prompt = build_prompt("What?", passages, Budget(size_in_units, max(room, 64), WITHOUT_END)).passages
    if whole(base, nodes) <= room:
        assert prompt == passages, "what fitted as it was found still fits, however much was added"
        spans = sorted((passage.document, passage.start, passage.end) for passage in passages)
        assert all(one[0] != two[0] or one[2] <= two[1] for one, two in pairwise(spans)), "no text is given twice"
    else:
        assert sum(map(size_of, passages)) <= whole(base, nodes), "none was widened"
