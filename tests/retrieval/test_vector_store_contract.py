"""The contract of a vector store: ours keeps all of it, and LlamaIndex's own shows that the tests can tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from rag_app.datatypes import Chunk, Document
from rag_app.errors import RagAppError
from rag_app.retrieval.vector_store import KnowledgeBaseVectorStore
from tests.retrieval.bases import publish_vectors
from tests.retrieval.vector_store_contract import VectorStoreContract


def _document(path: str, nodes: Sequence[TextNode]) -> tuple[Document, list[Chunk]]:
    chunks = [
        Chunk(
            document_path=path,
            ordinal=ordinal,
            start=node.start_char_idx or 0,
            end=node.end_char_idx or 0,
            text=node.text,
            page=node.metadata["page"],
            last_page=node.metadata["page"],
        )
        for ordinal, node in enumerate(nodes)
    ]
    text = "".join(chunk.text for chunk in chunks)
    return Document(path, f"{len(path):064}", "text/plain", nodes[0].metadata["language"], "", text), chunks


class TestKnowledgeBaseVectorStore(VectorStoreContract):
    """Ours: everything."""

    refusal: ClassVar[type[Exception]] = RagAppError

    def make_store(self, nodes: Sequence[TextNode], folder: Path) -> BasePydanticVectorStore:
        documents = [_document(str(path), list(group)) for path, group in groupby(nodes, lambda node: node.ref_doc_id)]
        vectors = np.array([node.get_embedding() for node in nodes], np.float32)
        return KnowledgeBaseVectorStore(*publish_vectors(folder / "indexes", documents, vectors))


class TestSimpleVectorStore(VectorStoreContract):
    """LlamaIndex's default: what it does not do must be seen by the tests."""

    known_failures: ClassVar[dict[str, str]] = {
        "test_nodes_come_whole": "keeps no text: a docstore must be searched beside it",
        "test_nodes_are_fetched_by_id": "keeps no nodes",
        "test_nodes_are_fetched_by_filter": "keeps no nodes",
        "test_groups_in_groups": "ValueError: Nested MetadataFilters are not supported",
        "test_only_the_documents_asked_for": "doc_ids are ignored",
        "test_conditions_are_met_together": "doc_ids are ignored",
        "test_an_empty_list_of_nodes_is_no_condition": "finds nothing, though VectorStoreIndex always sends one",
        "test_a_question_that_is_not_finite_is_refused": "answers with similarities that are no numbers",
        "test_a_question_without_a_direction_is_refused": "answers with similarities that are no numbers",
        "test_a_field_that_is_not_there_is_refused": "finds nothing, without a word",
    }

    def make_store(self, nodes: Sequence[TextNode], folder: Path) -> BasePydanticVectorStore:
        store = SimpleVectorStore()
        store.add(list(nodes))
        return store
