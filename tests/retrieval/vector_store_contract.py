"""What any LlamaIndex vector store that we hand out must do: a class of tests to run a store through.

A subclass named `Test...` gives `make_store`; what a store is known to fail is named with its reason in `known_failures`, and
must fail. The nodes tell of three documents in folders, in two languages, with and without pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from llama_index.core.schema import NodeRelationship, ObjectType, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)

from tests.retrieval.bases import unit_vectors

DIMENSION = 8
PASSWORDS, CHINESE, NOTE = "handbook/en/passwords.md", "handbook/zh/密码.pdf", "notes/vpn.txt"
_TEXTS = [
    (PASSWORDS, None, "An account is locked for 30 minutes. "),
    (PASSWORDS, None, "Open the reset portal. "),
    (PASSWORDS, None, "Choose a new password."),
    (CHINESE, 1, "连续输错五次密码。"),
    (CHINESE, 2, "账号会被锁定三十分钟。"),
    (CHINESE, 5, "请打开重置页面。"),
    (NOTE, None, "The VPN needs Harbour Connect 6.2. "),
    (NOTE, None, "Private computers are not admitted."),
]

Filters = MetadataFilters | None
Predicate = Callable[[dict[str, Any]], bool]


def contract_nodes() -> list[TextNode]:
    """Return the nodes, each with an embedding; the last two have the same one."""
    vectors = unit_vectors(len(_TEXTS), DIMENSION)
    vectors[-1] = vectors[-2]
    nodes: list[TextNode] = []
    ends: dict[str, int] = {}
    for (document, page, text), vector in zip(_TEXTS, vectors, strict=True):
        start = ends.get(document, 0)
        ends[document] = start + len(text)
        nodes.append(_node(document, page, text, start, vector.tolist()))
    return nodes


def _node(document: str, page: int | None, text: str, start: int, embedding: list[float]) -> TextNode:
    folder, _, file_name = document.rpartition("/")
    source = folder.partition("/")[0]
    return TextNode(
        id_=f"{document}#{start}-{start + len(text)}",
        text=text,
        embedding=embedding,
        start_char_idx=start,
        end_char_idx=start + len(text),
        metadata={
            "document": document,
            "source": source,
            "folder": folder,
            "folders": [source, folder] if folder != source else [source],
            "file_name": file_name,
            "language": "zh" if document == CHINESE else "en",
            "page": page,
            "start": start,
        },
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document, node_type=ObjectType.DOCUMENT)},
    )


def where(key: str, operator: FilterOperator, value: Any) -> MetadataFilters:
    """Return a group of one filter."""
    return MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])


def group(condition: FilterCondition, *filters: MetadataFilters) -> MetadataFilters:
    """Return a group of groups."""
    return MetadataFilters(filters=list(filters), condition=condition)


_O = FilterOperator
EACH_OPERATOR: list[tuple[MetadataFilters, Predicate]] = [
    (where("language", _O.EQ, "zh"), lambda m: m["language"] == "zh"),
    (where("page", _O.EQ, 2), lambda m: m["page"] == 2),
    (where("language", _O.NE, "zh"), lambda m: m["language"] != "zh"),
    (where("page", _O.NE, 2), lambda m: m["page"] != 2),
    (where("page", _O.GT, 1), lambda m: m["page"] is not None and m["page"] > 1),
    (where("page", _O.GTE, 2), lambda m: m["page"] is not None and m["page"] >= 2),
    (where("page", _O.LT, 5), lambda m: m["page"] is not None and m["page"] < 5),
    (where("page", _O.LTE, 1.5), lambda m: m["page"] is not None and m["page"] <= 1.5),
    (where("document", _O.IN, [NOTE, CHINESE, "gone"]), lambda m: m["document"] in (NOTE, CHINESE)),
    (where("page", _O.IN, [1, 5, 99]), lambda m: m["page"] in (1, 5)),
    (where("document", _O.NIN, [NOTE]), lambda m: m["document"] != NOTE),
    (where("page", _O.NIN, [1, 5]), lambda m: m["page"] not in (1, 5)),
    (where("folders", _O.CONTAINS, "handbook"), lambda m: "handbook" in m["folders"]),
    (where("folders", _O.EQ, ["notes"]), lambda m: m["folders"] == ["notes"]),
    (where("folders", _O.ANY, ["handbook/en", "notes"]), lambda m: m["language"] == "en"),
    (where("folders", _O.ALL, ["handbook", "handbook/zh"]), lambda m: m["language"] == "zh"),
    (where("file_name", _O.TEXT_MATCH, "密码"), lambda m: "密码" in m["file_name"]),
    (where("file_name", _O.TEXT_MATCH_INSENSITIVE, "VPN"), lambda m: "vpn" in m["file_name"]),
    (where("page", _O.IS_EMPTY, None), lambda m: m["page"] is None),
]


class VectorStoreContract:
    """The tests. `refusal` is what the store raises for what it cannot answer."""

    refusal: ClassVar[type[Exception]] = Exception
    known_failures: ClassVar[dict[str, str]] = {}

    def make_store(self, nodes: Sequence[TextNode], folder: Path) -> BasePydanticVectorStore:
        """Return a store that holds the nodes; `folder` may be written to."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def what_is_known_to_fail(self, request: pytest.FixtureRequest) -> None:
        reason = self.known_failures.get(request.function.__name__)
        if reason:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    def nodes(self) -> list[TextNode]:
        return contract_nodes()

    @pytest.fixture
    def store(self, nodes: list[TextNode], tmp_path: Path) -> BasePydanticVectorStore:
        return self.make_store(nodes, tmp_path)

    @staticmethod
    def ask(
        store: BasePydanticVectorStore, question: Sequence[float], count: int, **given: Any
    ) -> VectorStoreQueryResult:
        query = VectorStoreQuery(query_embedding=list(question), similarity_top_k=count, **given)
        return store.query(query)

    def found(self, store: BasePydanticVectorStore, nodes: Sequence[TextNode], **given: Any) -> set[str]:
        """Return the ids of all that is found when as many are asked for as there are."""
        ids = self.ask(store, nodes[0].get_embedding(), len(nodes), **given).ids or []
        assert len(ids) == len(set(ids))
        return set(ids)

    # What is found, and in which order

    def test_the_nearest_come_first_and_similarities_are_cosines(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        question = unit_vectors(1, DIMENSION, seed=7)[0]
        cosines = {node.node_id: float(np.dot(node.get_embedding(), question)) for node in nodes}
        result = self.ask(store, question, 5)
        assert result.ids is not None
        assert [cosines[found] for found in result.ids] == sorted(cosines.values(), reverse=True)[:5]
        assert result.similarities == pytest.approx([cosines[found] for found in result.ids], abs=1e-6)

    @pytest.mark.parametrize("length", [0.01, 1, 300])
    def test_the_length_of_the_question_does_not_matter(
        self, store: BasePydanticVectorStore, nodes: list[TextNode], length: float
    ) -> None:
        result = self.ask(store, [length * number for number in nodes[2].get_embedding()], 1)
        assert result.ids == [nodes[2].node_id]
        assert result.similarities == pytest.approx([1.0], abs=1e-6)

    def test_nodes_come_whole(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        by_id = {node.node_id: node for node in nodes}
        result = self.ask(store, nodes[0].get_embedding(), len(nodes))
        assert result.ids is not None
        assert [node.node_id for node in result.nodes or ()] == result.ids
        for found in result.nodes or ():
            given = by_id[found.node_id]
            assert found.get_content() == given.text
            assert found.ref_doc_id == given.ref_doc_id
            assert given.metadata.items() <= found.metadata.items()

    @pytest.mark.parametrize("count", [8, 9, 1000])
    def test_more_than_there_are_gives_all_there_are_once(
        self, store: BasePydanticVectorStore, nodes: list[TextNode], count: int
    ) -> None:
        result = self.ask(store, nodes[0].get_embedding(), count)
        assert sorted(result.ids or ()) == sorted(node.node_id for node in nodes)
        assert len(result.similarities or ()) == len(nodes)

    def test_equals_come_in_the_same_order_every_time(self, nodes: list[TextNode], tmp_path: Path) -> None:
        results = [
            self.ask(self.make_store(nodes, tmp_path / str(number)), nodes[-1].get_embedding(), 2).ids
            for number in range(3)
        ]
        assert results == [results[0]] * 3
        assert set(results[0] or ()) == {nodes[-1].node_id, nodes[-2].node_id}

    def test_several_threads_get_what_one_gets(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        questions = [node.get_embedding() for node in nodes] * 5
        filters = [filters for filters, _ in EACH_OPERATOR[: len(nodes)]] * 5

        def ask(question: list[float], given: MetadataFilters) -> list[str]:
            return self.ask(store, question, 3, filters=given).ids or []

        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(ask, questions, filters))
        assert together == [ask(question, given) for question, given in zip(questions, filters, strict=True)]

    # Conditions

    @pytest.mark.parametrize(
        ("filters", "keeps"),
        [
            pytest.param(filters, keeps, id=f"{filters.filters[0].key} {filters.filters[0].operator.value}")  # type: ignore[union-attr]
            for filters, keeps in EACH_OPERATOR
        ],
    )
    def test_each_operator(
        self, store: BasePydanticVectorStore, nodes: list[TextNode], filters: MetadataFilters, keeps: Predicate
    ) -> None:
        expected = {node.node_id for node in nodes if keeps(node.metadata)}
        assert 0 < len(expected) < len(nodes)
        assert self.found(store, nodes, filters=filters) == expected

    @pytest.mark.parametrize(
        ("condition", "keeps"),
        [
            (FilterCondition.AND, lambda m: m["language"] == "zh" and (m["page"] or 0) > 1),
            (FilterCondition.OR, lambda m: m["language"] == "zh" or (m["page"] or 0) > 1),
            (FilterCondition.NOT, lambda m: not (m["language"] == "zh" or (m["page"] or 0) > 1)),
            (None, lambda m: m["language"] == "zh" and (m["page"] or 0) > 1),
        ],
    )
    def test_filters_in_a_group(
        self,
        store: BasePydanticVectorStore,
        nodes: list[TextNode],
        condition: FilterCondition | None,
        keeps: Predicate,
    ) -> None:
        filters = MetadataFilters(
            filters=[
                MetadataFilter(key="language", value="zh"),
                MetadataFilter(key="page", operator=FilterOperator.GT, value=1),
            ],
            condition=condition,
        )
        assert self.found(store, nodes, filters=filters) == {node.node_id for node in nodes if keeps(node.metadata)}

    def test_groups_in_groups(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        late = where("page", FilterOperator.GTE, 2)
        filters = group(
            FilterCondition.OR,
            group(FilterCondition.AND, where("language", FilterOperator.EQ, "zh"), group(FilterCondition.NOT, late)),
            where("document", FilterOperator.EQ, NOTE),
        )
        expected = {n.node_id for n in nodes if n.metadata["page"] == 1 or n.metadata["document"] == NOTE}
        assert self.found(store, nodes, filters=filters) == expected

    def test_a_group_without_filters_is_no_condition(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        assert len(self.found(store, nodes, filters=MetadataFilters(filters=[]))) == len(nodes)

    def test_as_many_are_found_as_match(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        for question in nodes:
            for count in range(1, 4):
                result = self.ask(
                    store, question.get_embedding(), count, filters=where("language", FilterOperator.EQ, "zh")
                )
                assert len(result.ids or ()) == count

    def test_only_the_documents_asked_for(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        found = self.found(store, nodes, doc_ids=[CHINESE, "gone"])
        assert found == {node.node_id for node in nodes if node.ref_doc_id == CHINESE}

    def test_only_the_nodes_asked_for(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        wanted = [nodes[5].node_id, nodes[1].node_id]
        assert self.found(store, nodes, node_ids=[*wanted, "gone"]) == set(wanted)

    def test_an_empty_list_of_documents_is_no_condition(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        assert len(self.found(store, nodes, doc_ids=[])) == len(nodes)

    def test_an_empty_list_of_nodes_is_no_condition(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        assert len(self.found(store, nodes, node_ids=[])) == len(nodes)

    def test_conditions_are_met_together(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        found = self.found(
            store,
            nodes,
            filters=where("language", FilterOperator.EQ, "en"),
            doc_ids=[PASSWORDS, CHINESE],
            node_ids=[nodes[1].node_id, nodes[4].node_id, nodes[6].node_id],
        )
        assert found == {nodes[1].node_id}

    def test_nothing_matches(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        result = self.ask(store, nodes[0].get_embedding(), 3, filters=where("language", FilterOperator.EQ, "fr"))
        assert (result.ids, result.similarities) == ([], [])

    # Nodes without a question

    def test_nodes_are_fetched_by_id(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        fetched = store.get_nodes([nodes[3].node_id, "gone", nodes[0].node_id])
        assert {node.node_id: node.get_content() for node in fetched} == {
            nodes[0].node_id: nodes[0].text,
            nodes[3].node_id: nodes[3].text,
        }

    def test_nodes_are_fetched_by_filter(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        chinese = where("language", FilterOperator.EQ, "zh")
        assert [node.node_id for node in store.get_nodes(filters=chinese)] == [node.node_id for node in nodes[3:6]]
        both = store.get_nodes([nodes[0].node_id, nodes[4].node_id], chinese)
        assert [node.node_id for node in both] == [nodes[4].node_id]

    # What cannot be answered as it was asked

    @pytest.mark.parametrize("length", [DIMENSION - 1, DIMENSION + 1, 1])
    def test_a_question_of_another_length_is_refused(self, store: BasePydanticVectorStore, length: int) -> None:
        with pytest.raises(self.refusal):
            self.ask(store, [0.5] * length, 1)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_a_question_that_is_not_finite_is_refused(self, store: BasePydanticVectorStore, number: float) -> None:
        with pytest.raises(self.refusal):
            self.ask(store, [0.5] * (DIMENSION - 1) + [number], 1)

    def test_a_question_without_a_direction_is_refused(self, store: BasePydanticVectorStore) -> None:
        with pytest.raises(self.refusal):
            self.ask(store, [0.0] * DIMENSION, 1)

    def test_a_question_without_an_embedding_is_refused(self, store: BasePydanticVectorStore) -> None:
        with pytest.raises(self.refusal):
            store.query(VectorStoreQuery(query_str="Which VPN?", similarity_top_k=1))

    def test_a_field_that_is_not_there_is_refused(self, store: BasePydanticVectorStore, nodes: list[TextNode]) -> None:
        with pytest.raises(self.refusal):
            self.found(store, nodes, filters=where("langauge", FilterOperator.EQ, "zh"))

    def test_an_operator_that_makes_no_sense_is_refused(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        with pytest.raises(self.refusal):
            self.found(store, nodes, filters=where("page", FilterOperator.TEXT_MATCH, "2"))

    def test_a_mode_that_it_does_not_have_is_refused(
        self, store: BasePydanticVectorStore, nodes: list[TextNode]
    ) -> None:
        with pytest.raises(self.refusal):
            self.ask(store, nodes[0].get_embedding(), 1, mode=VectorStoreQueryMode.HYBRID, query_str="VPN")
