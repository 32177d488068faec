"""Metadata filters on columns: what LlamaIndex's own function keeps, and errors where it says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from rag_app.errors import UsageError
from rag_app.retrieval.filters import FIELDS, Column, Numbers, Words, kept_places

O = FilterOperator  # noqa: E741 - one letter, as there are many of them below
TEXTS = ["", "a", "ab", "Ab", "密码", "密"]
PAGES: list[int | None] = [None, 0, 1, 2, 10]
LISTS = [[], ["a"], ["a", "ab"], ["密码"]]
DATES: list[str | None] = [None, "2023-12-31", "2024-01-01", "2024-05-31"]
FIELD_VALUES: dict[str, list[Any]] = {"title": TEXTS, "page": PAGES, "folders": LISTS, "date": DATES}

PLACES = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FIELD_VALUES.items()}),
    min_size=1,
    max_size=8,
)
WORD = st.sampled_from(TEXTS)
WORDS = st.lists(WORD, max_size=3)
NUMBER = st.sampled_from([-1, 0, 1, 1.5, 2, 10, 2**40])
WHOLE_NUMBERS = st.lists(st.sampled_from([-1, 0, 1, 2, 2**40]), max_size=3)
DAY = st.sampled_from(["1999-01-01", "2024-01-01", "2024-05-31", "2024-06-01"])
VALUES_BY_OPERATOR: dict[str, dict[FilterOperator, st.SearchStrategy[Any]]] = {
    "title": {
        **dict.fromkeys([O.EQ, O.NE, O.CONTAINS, O.TEXT_MATCH, O.TEXT_MATCH_INSENSITIVE], WORD),
        **dict.fromkeys([O.IN, O.NIN, O.ANY, O.ALL], WORDS),
        O.IS_EMPTY: st.none(),
    },
    "page": {
        **dict.fromkeys([O.EQ, O.NE, O.GT, O.GTE, O.LT, O.LTE], NUMBER),
        **dict.fromkeys([O.IN, O.NIN], WHOLE_NUMBERS),
        O.IS_EMPTY: st.none(),
    },
    "date": {
        **dict.fromkeys([O.EQ, O.NE, O.GT, O.GTE, O.LT, O.LTE], DAY),
        **dict.fromkeys([O.IN, O.NIN], st.lists(DAY, max_size=3)),
        O.IS_EMPTY: st.none(),
    },
    "folders": {
        O.CONTAINS: WORD,
        **dict.fromkeys([O.EQ, O.NE, O.ANY, O.ALL], WORDS),
        O.IS_EMPTY: st.none(),
    },
}
ONE_FILTER = st.one_of(
    [
        values.map(lambda value, key=key, operator=operator: MetadataFilter(key=key, operator=operator, value=value))
        for key, operators in VALUES_BY_OPERATOR.items()
        for operator, values in operators.items()
    ]
)
GROUP = st.recursive(
    st.builds(
        MetadataFilters, filters=st.lists(ONE_FILTER, max_size=3), condition=st.sampled_from([*FilterCondition, None])
    ),
    lambda inner: st.builds(
        MetadataFilters,
        filters=st.lists(ONE_FILTER | inner, min_size=1, max_size=3),
        condition=st.sampled_from(FilterCondition),
    ),
    max_leaves=4,
)


def column_of(places: list[dict[str, Any]], field: str) -> Column:
    values = [place[field] for place in places]
    if field == "page":
        return Numbers(np.array([-1 if value is None else value for value in values], np.int32))
    keys = [tuple(value) if isinstance(value, list) else value for value in values]
    distinct = list(dict.fromkeys(keys))
    return Words(distinct, np.array([distinct.index(key) for key in keys], np.int32))


def kept(places: list[dict[str, Any]], filters: MetadataFilters) -> list[bool]:
    return kept_places(filters, lambda field: column_of(places, field), len(places)).tolist()


def kept_by_llama_index(place: dict[str, Any], filters: MetadataFilters) -> bool:
    """Each filter by LlamaIndex's own function, and groups in groups, which it refuses, by the meaning of its words."""
    results = [
        kept_by_llama_index(place, one)
        if isinstance(one, MetadataFilters)
        else build_metadata_filter_fn(lambda _: place, MetadataFilters(filters=[one]))("")
        for one in filters.filters
    ]
    if not results:
        return True
    if filters.condition == FilterCondition.NOT:
        return not any(results)
    return any(results) if filters.condition == FilterCondition.OR else all(results)


@given(PLACES, GROUP)
def test_what_is_kept_is_what_llama_index_keeps(places: list[dict[str, Any]], filters: MetadataFilters) -> None:
    assert kept(places, filters) == [kept_by_llama_index(place, filters) for place in places]


def test_every_operator_of_llama_index_works_on_some_field() -> None:
    assert {operator for operators in VALUES_BY_OPERATOR.values() for operator in operators} == set(FilterOperator)


@pytest.mark.parametrize("key", ["langauge", "scores", "also_in", "text", "", "document_id", "x" * 500])
def test_a_field_that_is_not_there_is_refused_with_those_that_are(key: str) -> None:
    with pytest.raises(UsageError, match="There is no field") as caught:
        kept([], MetadataFilters(filters=[MetadataFilter(key=key, value="zh")]))
    assert len(caught.value.found) < 200
    for field in FIELDS:
        assert field in caught.value.remedy


@pytest.mark.parametrize(
    ("key", "operator", "value", "found"),
    [
        ("page", O.TEXT_MATCH, "2", "holds a number; the operator 'text_match' makes no sense"),
        ("page", O.CONTAINS, 2, "holds a number; the operator 'contains'"),
        ("page", O.ANY, [2], "holds a number; the operator 'any'"),
        ("title", O.GT, "a", "holds a text; the operator '>'"),
        ("title", O.LTE, "a", "holds a text; the operator '<='"),
        ("folders", O.IN, ["a"], "holds a list of texts; the operator 'in'"),
        ("folders", O.TEXT_MATCH, "a", "holds a list of texts; the operator 'text_match'"),
        ("page", O.EQ, "2", "was given '2'; expected a number"),
        ("page", O.IN, ["2"], r"was given \['2'\]; expected a list of numbers"),
        ("page", O.IN, 2, "was given 2; expected a list of numbers"),
        ("title", O.EQ, 2, "was given 2; expected a text"),
        ("title", O.EQ, ["a"], "expected a text"),
        ("title", O.IN, "abc", "was given 'abc'; expected a list of texts"),
        ("title", O.ANY, "abc", "expected a list of texts"),
        ("title", O.ALL, [1], "expected a list of texts"),
        ("folders", O.EQ, "a", "was given 'a'; expected a list of texts"),
        ("folders", O.CONTAINS, ["a"], "expected a text"),
        ("date", O.TEXT_MATCH, "2024", "holds a date; the operator 'text_match' makes no sense"),
        ("date", O.GTE, "2024", "was given '2024'; expected a date such as 2024-05-31"),
        ("date", O.LT, "2024-02-30", "was given '2024-02-30'; expected a date"),
        ("date", O.EQ, 20240531, "was given 20240531; expected a date"),
        ("date", O.IN, ["2024-05-31", "2024"], "expected a list of dates"),
        ("title", O.IS_EMPTY, "a", r"was given 'a'; expected no value \(None\)"),
        ("title", O.EQ, None, "was given None; expected a text"),
        ("page", O.NE, None, "was given None; expected a number"),
    ],
)
def test_what_makes_no_sense_is_refused(key: str, operator: FilterOperator, value: Any, found: str) -> None:
    inner = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
    with pytest.raises(UsageError, match=found) as caught:
        kept([], MetadataFilters(filters=[inner], condition=FilterCondition.OR))
    assert f"'{key}'" in caught.value.found
    assert caught.value.remedy


def test_what_does_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        kept([], MetadataFilters(filters=[MetadataFilter(key="page", operator=O.TEXT_MATCH, value="2")]))
    assert caught.value.remedy == "Those that do are: !=, <, <=, ==, >, >=, in, is_empty, nin."
    with pytest.raises(UsageError, match="found by the operator 'is_empty'"):
        kept([], MetadataFilters(filters=[MetadataFilter(key="page", value=None)]))
