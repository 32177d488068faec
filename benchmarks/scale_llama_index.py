"""LlamaIndex's own vector store for `scale.py`: FaissVectorStore over an exact index, with SimpleDocumentStore."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from measuring import COUNT, Case, drop_from_cache, memory, taking_turns
from synthetic import VECTORS_SEED, documents_of, vectors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def build(case: Case) -> dict[str, Any]:
    """Build and save it; return seconds and megabytes."""
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.faiss import FaissVectorStore

    vectors = vectors_of(case.set, case.count, case.dimension, VECTORS_SEED)
    started = time.perf_counter()
    context = StorageContext.from_defaults(vector_store=FaissVectorStore(faiss.IndexFlatIP(case.dimension)))
    texts = (chunk.text for _, chunks in documents_of(case.count) for chunk in chunks)
    nodes = [
        TextNode(id_=str(number), text=text, embedding=vector.tolist())
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    ]
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=MockEmbedding(case.dimension))
    index.storage_context.persist(str(case.folder / "llama"))
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in (case.folder / "llama").iterdir())
    return {"seconds": seconds, "megabytes": size / 1e6}


def search(case: Case) -> dict[str, Any]:
    """Load it and ask it what `scale.py` asks ours; return seconds, megabytes and milliseconds."""
    from llama_index.core import StorageContext, load_index_from_storage
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.schema import QueryBundle
    from llama_index.vector_stores.faiss import FaissVectorStore

    drop_from_cache(list((case.folder / "llama").iterdir()))
    started = time.perf_counter()
    context = StorageContext.from_defaults(
        vector_store=FaissVectorStore.from_persist_dir(str(case.folder / "llama")),
        persist_dir=str(case.folder / "llama"),
    )
    retriever = load_index_from_storage(context, embed_model=MockEmbedding(case.dimension)).as_retriever(
        similarity_top_k=COUNT
    )
    opened = time.perf_counter() - started
    questions = np.load(case.folder / "questions.npy")
    bundles = {question.tobytes(): QueryBundle("", embedding=question.tolist()) for question in questions}

    def ask(question: NDArray[np.float32]) -> None:
        assert len(retriever.retrieve(bundles[question.tobytes()])) == COUNT

    ask(questions[0])
    ready = time.perf_counter() - started
    (times,) = taking_turns([ask], questions)
    return {"open": opened, "ready": ready, "resident": memory("VmRSS"), **times}
