"""A knowledge base as a LlamaIndex vector store: for whoever has LlamaIndex code, and wants our index under it.

    store = KnowledgeBaseVectorStore(knowledge_base, knowledge_base.vectors(embed_model.fingerprint))
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    engine = index.as_query_engine(llm=llm)

Name both models, always: what is left unset, LlamaIndex takes from OpenAI, and sends the question there. docs/llamaindex.md
has the fields of the metadata, and which operators filter them.
This module knows nothing of how vectors are searched or filters evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from rag_app.errors import KnowledgeBaseEmpty, ReadOnlyStore, UsageError
from rag_app.retrieval.nodes import read_nodes
from rag_app.retrieval.places import PlaceTable, place_table
from rag_app.retrieval.question_vector import question_vector
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import VectorIndex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class KnowledgeBaseVectorStore(BasePydanticVectorStore):
    """The vectors of one embedding model over one generation of a knowledge base. Safe to use from several threads.

    It is read, never written: a knowledge base is changed by `python -m ingest` and `rag-app kb`.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    _knowledge_base: KnowledgeBase = PrivateAttr()
    _vectors: VectorIndex = PrivateAttr()
    _places: PlaceTable = PrivateAttr()

    def __init__(self, knowledge_base: KnowledgeBase, vectors: VectorIndex) -> None:
        """Put the parts together.

        Args:
            knowledge_base: where passages come from.
            vectors: its own, of the model that questions will be embedded with.
        """
        super().__init__(stores_text=True)
        self._knowledge_base = knowledge_base
        self._vectors = vectors
        self._places = place_table(knowledge_base)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serialises it."""
        return "KnowledgeBaseVectorStore"

    @property
    def client(self) -> KnowledgeBase:
        """The knowledge base."""
        return self._knowledge_base

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the passages whose vectors are nearest to the query's, best first, with cosines as similarities.

        No passage comes twice; of equal ones the one that stands first in the knowledge base comes first. There are
        fewer than `similarity_top_k` only where fewer match. Of `filters`, `doc_ids` (paths of documents) and `node_ids`
        all that are given must be met by one place of the passage; an empty list is no condition, as LlamaIndex means it.

        Raises:
            UsageError: another mode than the default one, no embedding, or a filter that makes no sense.
            EmbedderMismatch: an embedding of another length than the vectors.
            EmbeddingError: an embedding that is not finite, or zero.
            KnowledgeBaseEmpty: there is no vector.
        """
        vector = self._checked(query, kwargs)
        selection = self._places.select(
            filters=query.filters, documents=query.doc_ids or None, node_ids=query.node_ids or None
        )
        allowed = None if selection is None else selection.numbers
        numbers, cosines = self._vectors.search(vector, query.similarity_top_k, allowed)
        similarities = [float(cosine) for cosine in cosines]
        nodes = read_nodes(
            self._knowledge_base.chunks,
            numbers.tolist(),
            [{"cosine": similarity} for similarity in similarities],
            None if selection is None else self._places.shown_at(selection, numbers),
        )
        return VectorStoreQueryResult(nodes=nodes, similarities=similarities, ids=[node.node_id for node in nodes])

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return passages in the order of the knowledge base, each once: those that both conditions hold for.

        Args:
            node_ids: the ids wanted; those that are not there are left out. None: any.
            filters: as in a query.

        Raises:
            UsageError: a filter that makes no sense.
        """
        selection = self._places.select(filters=filters, node_ids=node_ids)
        if selection is None:
            numbers, shown = list(range(self._knowledge_base.chunk_count)), None
        else:
            numbers, shown = selection.numbers.tolist(), self._places.shown_at(selection, selection.numbers)
        return [*read_nodes(self._knowledge_base.chunks, numbers, [{}] * len(numbers), shown)]

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Refuse.

        Raises:
            ReadOnlyStore: with the command that adds documents.
        """
        self._refuse("Add documents", f"python -m ingest FOLDER --kb {self._knowledge_base.name}")

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Refuse.

        Raises:
            ReadOnlyStore: with the command that removes the document.
        """
        self._refuse("Remove the document", f"rag-app kb purge {self._knowledge_base.name} --document '{ref_doc_id}'")

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Refuse.

        Raises:
            ReadOnlyStore: with the command that removes a document.
        """
        self._refuse("Remove their documents", f"rag-app kb purge {self._knowledge_base.name} --document PATH")

    def clear(self) -> None:
        """Refuse.

        Raises:
            ReadOnlyStore: with the command that deletes the knowledge base.
        """
        self._refuse("Delete it", f"rag-app kb delete {self._knowledge_base.name}")

    def _refuse(self, what: str, command: str) -> NoReturn:
        raise ReadOnlyStore(
            f"The knowledge base '{self._knowledge_base.name}' is not changed through LlamaIndex: what is published stays.",
            f"{what}: {command}",
        )

    def _checked(self, query: VectorStoreQuery, options: dict[str, Any]) -> NDArray[np.float32]:
        """Return the vector of a query that can be answered as it is meant, and refuse any other."""
        if query.mode != VectorStoreQueryMode.DEFAULT:
            raise UsageError(
                f"The query mode '{VectorStoreQueryMode(query.mode).value}' is not supported; 'default' is.",
                "For search by keyword and by both, use rag_app.retrieval.retrievers.KnowledgeBaseRetriever.",
            )
        if options:
            raise UsageError(
                f"Options of another vector store were given: {', '.join(sorted(options))}.", "Leave them out."
            )
        if query.query_embedding is None:
            raise UsageError(
                "The query has no embedding, and a vector store has no model to make one.",
                "Ask through VectorStoreIndex.from_vector_store(store, embed_model=...).",
            )
        if query.similarity_top_k < 1:
            raise UsageError(f"similarity_top_k is {query.similarity_top_k}; expected 1 or more.", "Raise it.")
        if not self._vectors.count:
            name = self._knowledge_base.name
            raise KnowledgeBaseEmpty(
                f"The knowledge base '{name}' has no vector of {self._vectors.fingerprint.model}: there is nothing to search.",
                f"Add documents with text: python -m ingest FOLDER --kb {name}",
            )
        return question_vector(query.query_embedding)
