"""A knowledge base as a LlamaIndex vector store: in LlamaIndex's own hands, and what it refuses.

What any store must do is in vector_store_contract.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Settings as GlobalSettings
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.indices.vector_store.retrievers import VectorIndexRetriever
from llama_index.core.llms.mock import MockLLM
from llama_index.core.schema import Document as LlamaIndexDocument
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.vector_stores.types import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
)

from rag_app.answering.query_engine import CitedQueryEngine
from rag_app.answering.writers import GeneratorWriter
from rag_app.config import AnsweringSettings, LimitSettings
from rag_app.datatypes import Chunk, Document
from rag_app.errors import EmbedderMismatch, EmbeddingError, KnowledgeBaseEmpty, ReadOnlyStore, UsageError
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.vector_store import KnowledgeBaseVectorStore
from tests.conftest import MakeBase, SmallBase
from tests.fakes import DIMENSION, HashEmbedding, ScriptedLLM, hash_vector
from tests.retrieval.bases import publish_vectors, unit_vectors

QUESTION = "When is an account locked after failed sign-ins?"
PASSWORDS, VPN, CHINESE = "docs/passwords.md", "docs/vpn.md", "docs/密码.md"


def store_over(base: SmallBase) -> KnowledgeBaseVectorStore:
    opened = base.open()
    return KnowledgeBaseVectorStore(opened, opened.vectors(base.fingerprint))


def index_over(base: SmallBase) -> VectorStoreIndex:
    return VectorStoreIndex.from_vector_store(store_over(base), embed_model=HashEmbedding())


def documents(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.metadata["document"] for node in nodes]


def equal(key: str, value: Any) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value)])


# In LlamaIndex's hands


@pytest.mark.parametrize(
    ("question", "document"),
    [(QUESTION, PASSWORDS), ("Which Harbour Connect does the VPN need?", VPN), ("账号锁定多少分钟", CHINESE)],
)
def test_a_retriever_of_llama_index_finds_the_document_that_answers(
    small_base: SmallBase, question: str, document: str
) -> None:
    nodes = index_over(small_base).as_retriever(similarity_top_k=2).retrieve(question)
    assert len(nodes) == 2
    assert documents(nodes)[0] == document
    assert [node.score for node in nodes] == [node.node.metadata["scores"]["cosine"] for node in nodes]
    assert nodes[0].score == pytest.approx(
        max(float(hash_vector(chunk.embedded_text) @ hash_vector(question)) for chunk in small_base.open().chunks.all_chunks()),
        abs=1e-6,
    )  # fmt: skip


def test_its_conditions_reach_the_store(small_base: SmallBase) -> None:
    index = index_over(small_base)
    chinese = index.as_retriever(similarity_top_k=9, filters=equal("language", "zh")).retrieve(QUESTION)
    assert set(documents(chinese)) == {CHINESE}
    of_vpn = index.as_retriever(similarity_top_k=9, doc_ids=[VPN]).retrieve(QUESTION)
    assert set(documents(of_vpn)) == {VPN}
    wanted = of_vpn[0].node.node_id
    by_id = VectorIndexRetriever(index, similarity_top_k=9, node_ids=[wanted]).retrieve(QUESTION)
    assert [node.node.node_id for node in by_id] == [wanted]
    assert len(index.as_retriever(similarity_top_k=9).retrieve(QUESTION)) == small_base.open().chunk_count


def test_a_query_engine_of_llama_index_answers_from_it(small_base: SmallBase) -> None:
    llm = ScriptedLLM("30 minutes.")
    response = index_over(small_base).as_query_engine(llm=llm, similarity_top_k=1).query(QUESTION)
    assert str(response) == "30 minutes."
    (source,) = response.source_nodes
    assert source.node.ref_doc_id == PASSWORDS
    (prompt,) = llm.prompts
    assert "locked for 30 minutes after 5 failed sign-ins" in prompt
    assert PASSWORDS not in prompt, "metadata is not prompted"


def test_it_answers_without_blocking_the_caller_as_well(small_base: SmallBase) -> None:
    index = index_over(small_base)
    found = asyncio.run(index.as_retriever(similarity_top_k=3).aretrieve(QUESTION))
    assert [(node.node.node_id, node.score) for node in found] == [
        (node.node.node_id, node.score) for node in index.as_retriever(similarity_top_k=3).retrieve(QUESTION)
    ]


def test_our_engine_takes_its_retriever_and_cites_its_passages(small_base: SmallBase) -> None:
    engine = CitedQueryEngine(
        index_over(small_base).as_retriever(similarity_top_k=2),
        GeneratorWriter(ScriptedLLM("An account is locked for 30 minutes [1]."), AnsweringSettings()),
        answering=AnsweringSettings(),
        limits=LimitSettings(),
    )
    answer = engine.query(QUESTION).metadata["answer"]
    assert answer.passages[0].document == PASSWORDS
    assert answer.sentences[0].supported


def test_no_model_that_was_named_becomes_a_remote_one_and_nothing_leaves_the_machine(
    small_base: SmallBase, monkeypatch: pytest.MonkeyPatch, no_network: list[object]
) -> None:
    openai_llms = pytest.importorskip("llama_index.llms.openai")
    openai_embeddings = pytest.importorskip("llama_index.embeddings.openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("IS_TESTING", "1")
    constructed: list[str] = []
    for kind in (openai_llms.OpenAI, openai_embeddings.OpenAIEmbedding, MockLLM, MockEmbedding):

        def refuse(self: object, *_: Any, **__: Any) -> None:
            constructed.append(type(self).__name__)
            raise AssertionError(f"{type(self).__name__} was constructed")

        monkeypatch.setattr(kind, "__init__", refuse)
    index = index_over(small_base)
    index.as_retriever(similarity_top_k=2, filters=equal("language", "en"), doc_ids=[PASSWORDS]).retrieve(QUESTION)
    index.as_query_engine(llm=ScriptedLLM("30 minutes.")).query(QUESTION)
    index.vector_store.get_nodes()
    assert constructed == []
    assert (GlobalSettings._llm, GlobalSettings._embed_model) == (None, None)
    assert no_network == []


# Passages that stand in several places, vectors that are several of one passage


def test_a_passage_that_stands_in_many_documents_is_found_once_and_shown_where_it_was_asked_for(
    make_base: MakeBase,
) -> None:
    copies = {f"docs/copy-{number}.md": "# VPN\n\nThe VPN needs Harbour Connect." for number in range(20)}
    store = store_over(make_base(copies | {"docs/other.md": "# Printers\n\nThe printer is on the second floor."}))
    question = hash_vector("Which VPN client?").tolist()
    everywhere = store.query(VectorStoreQuery(query_embedding=question, similarity_top_k=50))
    assert len(everywhere.nodes or ()) == 2
    (there,) = store.query(
        VectorStoreQuery(query_embedding=question, similarity_top_k=50, doc_ids=["docs/copy-7.md"])
    ).nodes or ()  # fmt: skip
    assert (there.ref_doc_id, there.metadata["document"]) == ("docs/copy-7.md", "docs/copy-7.md")
    (passage,) = passages_of([NodeWithScore(node=there)])
    assert passage.also_in == ()  # no other place was asked for
    two = store.query(
        VectorStoreQuery(query_embedding=question, similarity_top_k=50, doc_ids=["docs/copy-9.md", "docs/copy-7.md"])
    ).nodes
    (passage,) = passages_of([NodeWithScore(node=node) for node in two or ()])
    assert (passage.document, [place.document for place in passage.also_in]) == ("docs/copy-7.md", ["docs/copy-9.md"])
    assert store.get_nodes([there.node_id])[0].node_id == there.node_id


def own_store(folder: Path, vectors: Any, rows: Any = None, passages: int = 0) -> KnowledgeBaseVectorStore:
    texts = [f"{number:04}" for number in range(passages or len(vectors))]
    chunks = [Chunk("a.txt", number, number * 4, number * 4 + 4, text) for number, text in enumerate(texts)]
    document = Document("a.txt", "0" * 64, "text/plain", "en", "", "".join(texts))
    return KnowledgeBaseVectorStore(*publish_vectors(folder, [(document, chunks)], vectors, rows))


def test_a_passage_with_several_vectors_comes_once_with_the_best_of_its_cosines(tmp_path: Path) -> None:
    vectors = unit_vectors(12, 8)
    store = own_store(tmp_path, vectors, rows=np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]), passages=4)
    result = store.query(VectorStoreQuery(query_embedding=vectors[4].tolist(), similarity_top_k=4))
    assert sorted(node.text for node in result.nodes or () if isinstance(node, TextNode)) == [
        "0000",
        "0001",
        "0002",
        "0003",
    ]
    best = (vectors @ vectors[4]).reshape(4, 3).max(axis=1)
    assert result.similarities == pytest.approx(sorted(best.tolist(), reverse=True), abs=1e-6)
    assert (result.ids or [])[0] == "a.txt#4-8"


def test_of_equal_passages_the_one_that_stands_first_comes_first(tmp_path: Path) -> None:
    vectors = np.repeat(unit_vectors(2, 8), 5, axis=0)
    result = own_store(tmp_path, vectors).query(
        VectorStoreQuery(query_embedding=vectors[7].tolist(), similarity_top_k=7)
    )
    assert [node.metadata["start"] // 4 for node in result.nodes or ()] == [5, 6, 7, 8, 9, 0, 1]


def test_all_passages_are_given_in_order_where_nothing_else_is_asked_for(small_base: SmallBase) -> None:
    expected = [chunk.id for chunk in small_base.open().chunks.all_chunks()]
    assert [node.node_id for node in store_over(small_base).get_nodes()] == expected
    assert store_over(small_base).get_nodes([]) == []


# What it refuses


@pytest.mark.parametrize("mode", [mode for mode in VectorStoreQueryMode if mode != VectorStoreQueryMode.DEFAULT])
def test_another_mode_is_refused_with_the_one_that_there_is(small_base: SmallBase, mode: VectorStoreQueryMode) -> None:
    query = VectorStoreQuery(query_embedding=[1.0] * DIMENSION, query_str="VPN", mode=mode)
    with pytest.raises(UsageError, match=f"'{mode.value}' is not supported; 'default' is"):
        store_over(small_base).query(query)


def test_an_option_of_another_store_is_refused(small_base: SmallBase) -> None:
    query = VectorStoreQuery(query_embedding=[1.0] * DIMENSION)
    with pytest.raises(UsageError, match="of another vector store were given: mmr_threshold, probes"):
        store_over(small_base).query(query, probes=3, mmr_threshold=0.5)


def test_a_question_of_another_model_is_refused_with_both_lengths(small_base: SmallBase) -> None:
    with pytest.raises(EmbedderMismatch, match=r"has 3 numbers; the index of fake/hash-embedding has 64\."):
        store_over(small_base).query(VectorStoreQuery(query_embedding=[1.0, 0.0, 0.0]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 0.0])
def test_a_vector_that_cannot_be_searched_is_refused(small_base: SmallBase, number: float) -> None:
    with pytest.raises(EmbeddingError):
        store_over(small_base).query(VectorStoreQuery(query_embedding=[number] * DIMENSION))


def test_a_query_without_an_embedding_is_refused_with_the_way_to_ask(small_base: SmallBase) -> None:
    with pytest.raises(UsageError, match="no embedding") as caught:
        store_over(small_base).query(VectorStoreQuery(query_str="VPN"))
    assert "embed_model" in caught.value.remedy


@pytest.mark.parametrize("count", [0, -1])
def test_no_passages_cannot_be_asked_for(small_base: SmallBase, count: int) -> None:
    with pytest.raises(UsageError, match=f"similarity_top_k is {count}"):
        store_over(small_base).query(VectorStoreQuery(query_embedding=[1.0] * DIMENSION, similarity_top_k=count))


def test_a_base_without_vectors_says_so_and_how_to_add_some(tmp_path: Path) -> None:
    store = own_store(tmp_path, np.empty((0, 8), np.float32), passages=1)
    with pytest.raises(KnowledgeBaseEmpty, match="no vector of fake/hash-embedding: there is nothing to") as caught:
        store.query(VectorStoreQuery(query_embedding=[1.0] * 8))
    assert caught.value.remedy == "Add documents with text: python -m ingest FOLDER --kb own"
    assert len(store.get_nodes()) == 1


@pytest.mark.parametrize(
    ("change", "command"),
    [
        (lambda store: store.add([TextNode(text="new")]), "python -m ingest FOLDER --kb small"),
        (lambda store: store.delete("docs/{vpn}.md"), "rag-app kb purge small --document 'docs/{vpn}.md'"),
        (lambda store: store.delete_nodes(["docs/vpn.md#0-4"]), "rag-app kb purge small --document PATH"),
        (lambda store: store.clear(), "rag-app kb delete small"),
        (lambda store: asyncio.run(store.async_add([])), "python -m ingest FOLDER --kb small"),
        (lambda store: asyncio.run(store.adelete("x")), "rag-app kb purge small --document 'x'"),
        (lambda store: asyncio.run(store.adelete_nodes()), "rag-app kb purge small --document PATH"),
        (lambda store: asyncio.run(store.aclear()), "rag-app kb delete small"),
    ],
)
def test_it_is_not_changed_and_the_command_that_does_is_named(
    small_base: SmallBase, change: Callable[[KnowledgeBaseVectorStore], object], command: str
) -> None:
    store = store_over(small_base)
    with pytest.raises(ReadOnlyStore, match="'small' is not changed through LlamaIndex") as caught:
        change(store)
    assert caught.value.remedy.endswith(command)
    assert len(store.get_nodes()) == small_base.open().chunk_count


def test_an_index_over_it_is_not_changed_either(small_base: SmallBase) -> None:
    index = index_over(small_base)
    with pytest.raises(ReadOnlyStore):
        index.insert(LlamaIndexDocument(text="A new document."))
    with pytest.raises(ReadOnlyStore):
        index.delete_ref_doc(VPN)


def test_a_filter_by_a_field_that_is_not_there_is_refused_through_llama_index_as_well(small_base: SmallBase) -> None:
    with pytest.raises(UsageError, match="no field 'author'"):
        index_over(small_base).as_retriever(filters=equal("author", "x")).retrieve(QUESTION)


def test_an_operator_on_the_wrong_kind_of_field_is_refused_in_get_nodes(small_base: SmallBase) -> None:
    wrong = MetadataFilters(filters=[MetadataFilter(key="language", operator=FilterOperator.GT, value=1)])
    with pytest.raises(UsageError, match="makes no sense"):
        store_over(small_base).get_nodes(filters=wrong)
