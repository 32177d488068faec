"""Search under filters: exactly what ranking everything and then looking at every place gives, and no word of anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters

from rag_app.answering.query_engine import Answered, CitedQueryEngine
from rag_app.answering.writers import GeneratorWriter
from rag_app.cli_output import answer_as_json
from rag_app.config import AnsweringSettings, LimitSettings, RetrievalSettings
from rag_app.datatypes import Chunk, Document
from rag_app.errors import UsageError
from rag_app.retrieval.filter_terms import filters_of
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.vectors import VectorIndex
from tests.fakes import HashEmbedding, ScriptedLLM, hash_vector
from tests.retrieval.bases import publish_vectors

RETRIEVERS = ["hybrid", "dense", "keyword"]
QUESTION = "apple river stone 密码"
WORDS = ["apple", "river", "stone", "cloud", "lamp", "密码", "账号"]
FOLDERS = ["alpha", "alpha/inner", "beta"]
TYPES = {"md": "text/markdown", "pdf": "application/pdf", "txt": "text/plain"}
LANGUAGES = [("zh", "Hans"), ("zh", "Hant"), ("en", "Latn")]
DATES = ["", "2023-12-31", "2024-01-01", "2024-05-20", "2025-02-02"]


@dataclass(frozen=True)
class Own:
    """A knowledge base of documents that share passages, and what it was made of."""

    documents: list[tuple[Document, list[Chunk]]]
    opened: KnowledgeBase
    vectors: VectorIndex

    def retriever(
        self, retriever: str, filters: MetadataFilters | None = None, top_k: int = 100
    ) -> KnowledgeBaseRetriever:
        return KnowledgeBaseRetriever(
            self.opened,
            self.vectors,
            HashEmbedding(),
            RetrievalSettings(retriever=retriever, evidence_depth=200, top_k=top_k),
            filters,
        )


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    random = np.random.default_rng(7)
    pool = [" ".join(random.choice(WORDS, size=5)) for _ in range(25)]
    documents = []
    for number in range(14):
        ending = list(TYPES)[number % 3]
        path = f"{FOLDERS[number % len(FOLDERS)]}/named-{number:02}.{ending}"
        language, script = LANGUAGES[(number // 2) % len(LANGUAGES)]
        passages = list(random.choice(pool, size=int(random.integers(1, 7))))
        text, chunks = "", []
        for ordinal, passage in enumerate(passages):
            page = ordinal + 1 if ending == "pdf" else None
            chunks.append(Chunk(path, ordinal, len(text), len(text) + len(passage), passage, page, page))
            text += passage + "\n"
        document = Document(
            path, f"{number:064}", TYPES[ending], language, f"Title {number}", text, script=script,
            date=DATES[number % len(DATES)],
        )  # fmt: skip
        documents.append((document, chunks))
    found = distinct_chunks(chunk for _, chunks in documents for chunk in chunks)
    vectors = np.stack([hash_vector(chunk.embedded_text) for chunk in found])
    opened, index = publish_vectors(tmp_path_factory.mktemp("own"), documents, vectors)
    assert len(found) < sum(len(chunks) for _, chunks in documents), "no passage stands in two places"
    return Own(documents, opened, index)


TERMS = st.lists(
    st.one_of(
        st.sampled_from(FOLDERS).map("folder={}".format),
        st.sampled_from([*TYPES]).map("type={}".format),
        st.sampled_from(["zh", "en", "zh-Hant", "zh_CN"]).map("language={}".format),
        st.sampled_from(["2024", "2023..2024-01", "..2024-02", "2024-03..", "2024-05-20"]).map("date={}".format),
        st.integers(0, 13).map("document=named-{:02}.*".format),
        st.sampled_from(["2", "1..2", "3.."]).map("page={}".format),
        st.just("title=TITLE 1"),
    ),
    min_size=1,
    max_size=4,
)


SPANS = {
    "2024": ("2024-01-01", "2024-12-31"),
    "2023..2024-01": ("2023-01-01", "2024-01-31"),
    "..2024-02": ("1900-01-01", "2024-02-29"),
    "2024-03..": ("2024-03-01", "2100-12-31"),
    "2024-05-20": ("2024-05-20", "2024-05-20"),
}
PAGES = {"2": (2, 2), "1..2": (1, 2), "3..": (3, 99)}
MEANINGS: dict[str, Callable[[str, Document, Chunk], bool]] = {
    "folder": lambda value, document, _: document.path.startswith(f"{value}/"),
    "type": lambda value, document, _: document.media_type == TYPES[value],
    "language": lambda value, document, _: f"{document.language}-{document.script}".startswith(
        value.replace("_CN", "-Hans")
    ),
    "document": lambda value, document, _: value[:-1] in document.path,
    "title": lambda _, document, __: "Title 1" in document.title,
    "date": lambda value, document, _: SPANS[value][0] <= document.date <= SPANS[value][1],
    "page": lambda value, _, chunk: chunk.page is not None and PAGES[value][0] <= chunk.page <= PAGES[value][1],
}


def is_meant(term: str, document: Document, chunk: Chunk) -> bool:
    """What a term means, written out anew for the values that the terms above have."""
    key, value = term.split("=")
    return MEANINGS[key](value, document, chunk)


def matching(own: Own, terms: list[str]) -> dict[str, list[tuple[str, int]]]:
    """Return by text the places (document and start) that all terms mean: any value of a key, all keys."""
    places: dict[str, list[tuple[str, int]]] = {}
    keys = {term.split("=")[0] for term in terms}
    for document, chunks in own.documents:
        for chunk in chunks:
            if all(any(is_meant(t, document, chunk) for t in terms if t.startswith(f"{key}=")) for key in keys):
                places.setdefault(chunk.text, []).append((document.path, chunk.start))
    return places


@pytest.mark.parametrize("retriever", RETRIEVERS)
@settings(max_examples=60, deadline=None)
@given(terms=TERMS, top_k=st.sampled_from([1, 3, 100]))
def test_what_is_found_is_what_ranking_everything_and_looking_at_every_place_gives(
    own: Own, retriever: str, terms: list[str], top_k: int
) -> None:
    places = matching(own, terms)
    ranked = passages_of(own.retriever(retriever).retrieve(QUESTION))
    expected = [passage for passage in ranked if passage.text in places][:top_k]
    try:
        filters = filters_of(terms, own.opened)
    except UsageError:
        alone = [matching(own, [term]) for term in terms]
        assert not places or not all(alone)
        return
    assert places
    found = passages_of(own.retriever(retriever, filters, top_k).retrieve(QUESTION))
    assert [passage.text for passage in found] == [passage.text for passage in expected]
    for passage, unfiltered in zip(found, expected, strict=True):
        assert passage.scores == pytest.approx(unfiltered.scores)
        named = [(passage.document, passage.start), *((place.document, place.start) for place in passage.also_in)]
        assert named == places[passage.text]


@pytest.mark.parametrize("retriever", RETRIEVERS)
@pytest.mark.parametrize(
    "terms", [["folder=beta"], ["document=named-03.*", "document=named-08.*"], ["language=zh-Hant", "date=2024"]]
)
def test_neither_the_prompt_nor_the_json_names_a_document_outside(own: Own, retriever: str, terms: list[str]) -> None:
    inside = {path for group in matching(own, terms).values() for path, _ in group}
    outside = [document for document, _ in own.documents if document.path not in inside]
    assert inside
    assert outside
    llm = ScriptedLLM("An answer [1].")
    engine = CitedQueryEngine(
        own.retriever(retriever, filters_of(terms, own.opened)),
        GeneratorWriter(llm, AnsweringSettings()),
        answering=AnsweringSettings(),
        limits=LimitSettings(),
    )
    *_, last = engine.ask(QUESTION)
    assert isinstance(last, Answered)
    told = json.dumps(answer_as_json(last.answer)) + "".join(llm.prompts) + repr(last.answer)
    assert any(path in told for path in inside)
    for document in outside:
        assert document.path not in told
        assert Path(document.path).name not in told
        assert f'"{document.title}"' not in told


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_filters_that_keep_nothing_find_nothing(own: Own, retriever: str) -> None:
    nothing = MetadataFilters(filters=[MetadataFilter(key="folder", value="gone")])
    assert own.retriever(retriever, nothing).retrieve(QUESTION) == []


@pytest.mark.parametrize("filters", [None, MetadataFilters(filters=[])])
def test_without_a_filter_everything_is_found(own: Own, filters: MetadataFilters | None) -> None:
    passages: dict[str, Any] = {chunk.text: 0 for _, chunks in own.documents for chunk in chunks}
    assert len(own.retriever("dense", filters).retrieve(QUESTION)) == len(passages)


def test_a_filter_that_makes_no_sense_is_refused_before_a_question_is_asked(own: Own) -> None:
    with pytest.raises(UsageError, match="no field 'author'"):
        own.retriever("keyword", MetadataFilters(filters=[MetadataFilter(key="author", value="x")]))
