"""What is kept of the candidates: duplicates collapsed into the best, so many a document, and nothing lost silently."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from rag_app.config import RetrievalSettings
from rag_app.datatypes import Chunk, Place
from rag_app.retrieval.nodes import node_of, passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.retrieval.selection import PassageSelector, chosen, groups_of_duplicates
from rag_app.store.chunks import DocumentFacts
from tests.conftest import MakeBase
from tests.fakes import HashEmbedding

WORDS = (
    "Every laptop of the harbour office is backed up to the store in the cellar whenever it is on the office network, and what "
    "was changed since the backup before is copied first. Files that are open are copied when their program is closed. "
    "A reader who deleted a file by mistake asks the help desk, gives the name of the folder and the day, and gets a copy "
    "in the folder Restored, beside what is there, so that a newer version is never written over."
)
CHINESE = (
    "办公室的每台笔记本电脑连上内部网络时都会备份到地下室的存储设备，先复制上次备份之后修改过的文件。误删文件的同事请联系服务台。"
    * 2
)


def node(document: str, text: str, rank: int, **changes: Any) -> NodeWithScore:
    chunk = Chunk(document, 0, 100, 100 + len(text), text, **changes)
    facts = DocumentFacts(document, "text/markdown", "en", "Latn", document, "", document)
    return NodeWithScore(node=node_of(chunk, facts, {"cosine": 1 - rank / 100}), score=1 - rank / 100)


def groups(texts: list[str]) -> list[list[int]]:
    return groups_of_duplicates(texts, [""] * len(texts))


def select(nodes: list[NodeWithScore], **settings: Any) -> list[NodeWithScore]:
    return PassageSelector(**settings).postprocess_nodes(nodes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (WORDS, WORDS),
        (WORDS, WORDS.replace(" ", "\n")),
        (WORDS, f"{WORDS} Handbook, page."),
        (CHINESE, f" {CHINESE}\n"),
        ("——", "——"),
    ],
    ids=["equal", "other white space", "a footer", "Chinese", "no token"],
)
def test_what_says_the_same_is_one_group(one: str, other: str) -> None:
    assert groups([one, "Something else.", other]) == [[0, 2], [1]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{WORDS} It takes 30 minutes.", f"{WORDS} It takes 60 minutes."),
        (f"{WORDS} It takes ten minutes.", f"{WORDS} It takes five minutes."),
        (f"{CHINESE}需要三十分钟。", f"{CHINESE}需要四十分钟。"),
        (f"{WORDS} This holds at home.", f"{WORDS} This does not hold at home."),
        (f"{WORDS} It can be undone.", f"{WORDS} It can't be undone."),
        (f"{CHINESE}可以撤销。", f"{CHINESE}不可以撤销。"),
        (f"{WORDS} Version 6.2.", f"{WORDS} Version 6.3."),
        ("The VPN is needed.", "The VPN is admitted."),
        (f"{WORDS} Visitors are allowed.", f"{WORDS} Visitors are forbidden."),
        (f"{WORDS} The office in Paris.", f"{WORDS} The office in London."),
        (f"{CHINESE}接口开放。", f"{CHINESE}接口关闭。"),
        (WORDS, f"{WORDS} {WORDS.replace('a', 'o')}"),
        ("——", "……"),
    ],
    ids=[
        "number",
        "number in words",
        "Chinese number",
        "not",
        "n't",
        "Chinese negation",
        "version",
        "short",
        "opposite",
        "name",
        "Chinese opposite",
        "part",
        "no token",
    ],
)
def test_what_says_something_else_is_not(one: str, other: str) -> None:
    assert groups([one, other]) == [[0], [1]]


@given(st.lists(st.sampled_from([WORDS, WORDS.replace("mistake", "accident"), CHINESE, "short", "", "30", "40"])))
def test_every_text_is_in_one_group_behind_its_best(texts: list[str]) -> None:
    found = groups(texts)
    assert sorted(position for group in found for position in group) == list(range(len(texts)))
    assert all(group == sorted(group) for group in found)
    assert [group[0] for group in found] == sorted(group[0] for group in found)


def test_four_hundred_candidates_are_no_matter_of_seconds() -> None:
    """As many as the largest top_k asks for, all of them alike but for a number."""
    texts = [f"{WORDS} {number}" for number in range(400)]
    assert len(groups(texts)) == 400


@pytest.mark.parametrize(
    ("documents", "top_k", "per_document", "kept"),
    [
        ("AAABBC", 4, None, [0, 1, 2, 3]),
        ("AAABBC", 4, 2, [0, 1, 3, 4]),
        ("AAABBC", 3, 1, [0, 3, 5]),
        ("AAABAA", 4, 1, [0, 1, 2, 3]),
        ("AAAA", 2, 1, [0, 1]),
        ("AB", 5, 1, [0, 1]),
        ("", 5, 1, []),
    ],
)
def test_so_many_of_a_document_while_others_fill_the_rest(
    documents: str, top_k: int, per_document: int | None, kept: list[int]
) -> None:
    assert chosen(documents, top_k, per_document) == kept


@given(st.lists(st.sampled_from("ABC")), st.integers(1, 8), st.none() | st.integers(1, 4))
def test_a_limit_costs_no_passages_and_changes_no_order(
    documents: list[str], top_k: int, per_document: int | None
) -> None:
    kept = chosen(documents, top_k, per_document)
    assert len(kept) == min(top_k, len(documents))
    assert kept == sorted(set(kept))
    left_out = [position for position in range(len(documents)) if position not in kept]
    if per_document is not None and left_out:  # then whoever stands in too often does so for want of others
        counts = {document: sum(documents[position] == document for position in kept) for document in "ABC"}
        if any(count > per_document for count in counts.values()):
            assert all(counts[documents[position]] >= per_document for position in left_out)


def test_the_best_is_kept_and_says_where_the_others_stand() -> None:
    copy_of_third = Place("d.md", 2, 3, 5, 9)
    nodes = [
        node("a.md", WORDS, 1, heading_path=("Backup",), page=4, last_page=4),
        node("b.md", "Something else.", 2),
        node("c.md", f"{WORDS} Handbook, page.", 3, heading_path=("Help",), page=7, last_page=8),
    ]
    nodes[2].node.metadata["also_in"] = [{"document": "d.md", "page": 2, "last_page": 3, "start": 5, "end": 9}]
    before = [scored.model_dump_json() for scored in nodes]
    kept = select(nodes)
    best, other = passages_of(kept)
    assert (best.document, best.text, best.heading_path, best.scores) == ("a.md", WORDS, ("Backup",), {"cosine": 0.99})
    third = nodes[2].node.metadata
    assert best.also_in == (Place("c.md", 7, 8, third["start"], third["end"]), copy_of_third)
    assert (other.document, other.also_in) == ("b.md", ())
    assert [scored.score for scored in kept] == [0.99, 0.98]
    assert [scored.model_dump_json() for scored in nodes] == before, "the nodes given stay as they are"


def test_a_duplicate_beyond_what_is_kept_is_named_all_the_same() -> None:
    kept = select([node("a.md", WORDS, 1), node("b.md", "Else.", 2), node("c.md", WORDS, 3)], top_k=1)
    assert [place.document for place in passages_of(kept)[0].also_in] == ["c.md"]


def test_rows_of_two_tables_are_no_duplicates() -> None:
    nodes = [node("a.csv", WORDS, 1, table_header="Sold | In"), node("b.csv", WORDS, 2, table_header="Lent | To whom")]
    assert len(select(nodes)) == 2


def test_a_node_of_another_retriever_keeps_its_own_text() -> None:
    nodes = [
        NodeWithScore(node=TextNode(id_=name, text=WORDS), score=score) for name, score in (("n", 0.5), ("m", 0.4))
    ]
    (kept,) = select(nodes)
    assert kept.node.get_content(metadata_mode=MetadataMode.LLM) == WORDS, "where it also stands is not prompted"
    assert [place.document for place in passages_of([kept])[0].also_in] == ["m"]


def test_places_beyond_a_filter_are_not_named(make_base: MakeBase) -> None:
    texts = {f"docs/{folder}/{name}.md": f"# {name}\n\n{WORDS}" for folder in ("open", "secret") for name in "ab"}
    base = make_base(texts)
    opened = base.open()
    one = MetadataFilter(key="folder", operator=FilterOperator.EQ, value="docs/open")
    for filters, expected in (
        (None, set(texts)),
        (MetadataFilters(filters=[one]), {path for path in texts if "open" in path}),
    ):
        retriever = KnowledgeBaseRetriever(
            opened, opened.vectors(base.fingerprint), HashEmbedding(), RetrievalSettings(top_k=20), filters
        )
        (passage,) = passages_of(select(retriever.retrieve("Which files are copied?")))
        assert {passage.document, *(place.document for place in passage.also_in)} == expected
