"""LlamaIndex's metadata filters, evaluated on columns: which places of passages a filter keeps.

What an operator means is what LlamaIndex's own `build_metadata_filter_fn` makes of it; what that one answers with silence (an
unknown field) or cannot do (groups within groups) is an error here, or done.
This module knows nothing of where columns come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_app.dates import is_day
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = str | tuple[str, ...] | None


class FieldKind(StrEnum):
    """What the values of a field are."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    NUMBER = "a number"
    DATE = "a date"


@dataclass(frozen=True)
class Words:
    """A column of texts, dates or lists of texts: `values[codes[i]]` is the value at place i; None for a date not known."""

    values: Sequence[Value]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers from 0 up, by place; -1 where there is none."""

    values: NDArray[np.int32]


Column = Words | Numbers

DOCUMENT_FIELDS: Mapping[str, FieldKind] = {
    "document": FieldKind.TEXT,
    "source": FieldKind.TEXT,
    "folder": FieldKind.TEXT,
    "folders": FieldKind.TEXTS,
    "file_name": FieldKind.TEXT,
    "media_type": FieldKind.TEXT,
    "language": FieldKind.TEXT,
    "script": FieldKind.TEXT,
    "title": FieldKind.TEXT,
    "date": FieldKind.DATE,
}
FIELDS: Mapping[str, FieldKind] = {
    **DOCUMENT_FIELDS,
    "page": FieldKind.NUMBER,
    "last_page": FieldKind.NUMBER,
    "start": FieldKind.NUMBER,
    "end": FieldKind.NUMBER,
    "heading_path": FieldKind.TEXTS,
    "table_header": FieldKind.TEXT,
}

_OF_WORDS: dict[FilterOperator, Callable[[Any, Any], bool]] = {
    FilterOperator.EQ: lambda found, wanted: found == wanted,
    FilterOperator.NE: lambda found, wanted: found != wanted,
    FilterOperator.IN: lambda found, wanted: found in wanted,
    FilterOperator.NIN: lambda found, wanted: found not in wanted,
    FilterOperator.CONTAINS: lambda found, wanted: wanted in found,
    FilterOperator.ANY: lambda found, wanted: any(one in found for one in wanted),
    FilterOperator.ALL: lambda found, wanted: all(one in found for one in wanted),
    FilterOperator.TEXT_MATCH: lambda found, wanted: wanted in found,
    FilterOperator.TEXT_MATCH_INSENSITIVE: lambda found, wanted: wanted.lower() in found.lower(),
    FilterOperator.IS_EMPTY: lambda found, wanted: not found,
    FilterOperator.GT: lambda found, wanted: found > wanted,
    FilterOperator.GTE: lambda found, wanted: found >= wanted,
    FilterOperator.LT: lambda found, wanted: found < wanted,
    FilterOperator.LTE: lambda found, wanted: found <= wanted,
}
_OF_NUMBERS: dict[FilterOperator, Callable[[NDArray[np.int32], Any], NDArray[np.bool_]]] = {
    FilterOperator.EQ: np.equal,
    FilterOperator.NE: np.not_equal,
    FilterOperator.GT: np.greater,
    FilterOperator.GTE: np.greater_equal,
    FilterOperator.LT: np.less,
    FilterOperator.LTE: np.less_equal,
    FilterOperator.IN: np.isin,
    FilterOperator.NIN: lambda found, wanted: ~np.isin(found, wanted),
    FilterOperator.IS_EMPTY: lambda found, wanted: np.zeros(len(found), dtype=np.bool_),
}
_COMPARING = frozenset({FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE})
OPERATORS: dict[FieldKind, frozenset[FilterOperator]] = {
    FieldKind.TEXT: frozenset(_OF_WORDS) - _COMPARING,
    FieldKind.TEXTS: frozenset(_OF_WORDS)
    - _COMPARING
    - {FilterOperator.IN, FilterOperator.NIN, FilterOperator.TEXT_MATCH, FilterOperator.TEXT_MATCH_INSENSITIVE},
    FieldKind.NUMBER: frozenset(_OF_NUMBERS),
    FieldKind.DATE: frozenset(_OF_NUMBERS),
}
# The elements of values by the kind of field: one in words, several in words, and a test of one.
_ELEMENTS: dict[FieldKind, tuple[str, str, Callable[[object], bool]]] = {
    FieldKind.TEXT: ("a text", "a list of texts", lambda value: isinstance(value, str)),
    FieldKind.NUMBER: ("a number", "a list of numbers", lambda value: isinstance(value, int | float)),
    FieldKind.DATE: (
        "a date such as 2024-05-31",
        "a list of dates",
        lambda value: isinstance(value, str) and is_day(value),
    ),
}
_KEEPING_THE_UNKNOWN = frozenset({FilterOperator.NE, FilterOperator.NIN, FilterOperator.IS_EMPTY})
_LOOKING_UP = frozenset({FilterOperator.IN, FilterOperator.NIN})
_TAKING_A_LIST = _LOOKING_UP | {FilterOperator.ANY, FilterOperator.ALL}


def kept_places(filters: MetadataFilters, column: Callable[[str], Column], count: int) -> NDArray[np.bool_]:
    """Return which places a filter keeps, shape (count,). A group without filters keeps every place.

    Args:
        filters: one group; its filters may be groups.
        column: gives the values of a field of `FIELDS`.
        count: of places.

    Raises:
        UsageError: a field, an operator or a value that makes no sense, with those that do.
    """
    masks = [
        kept_places(one, column, count) if isinstance(one, MetadataFilters) else _kept_by_one(one, column)
        for one in filters.filters
    ]
    if not masks:
        return np.ones(count, dtype=np.bool_)
    kept: NDArray[np.bool_]
    if filters.condition is FilterCondition.OR:
        kept = np.logical_or.reduce(masks)
    elif filters.condition is FilterCondition.NOT:  # none of them, as LlamaIndex has it
        kept = ~np.logical_or.reduce(masks)
    else:
        kept = np.logical_and.reduce(masks)
    return kept


def _kept_by_one(one: MetadataFilter, column: Callable[[str], Column]) -> NDArray[np.bool_]:
    _check(one)
    values = column(one.key)
    if isinstance(values, Numbers):
        kept = _OF_NUMBERS[one.operator](values.values, one.value)
        kept[values.values < 0] = one.operator in _KEEPING_THE_UNKNOWN
        return kept
    wanted: Any = one.value
    if isinstance(wanted, list):  # lists are kept as tuples; and a value is looked for in thousands at once
        wanted = frozenset(wanted) if one.operator in _LOOKING_UP else tuple(wanted)
    is_kept = _OF_WORDS[one.operator]
    when_unknown = one.operator in _KEEPING_THE_UNKNOWN
    kept_values = (when_unknown if value is None else is_kept(value, wanted) for value in values.values)
    by_value = np.fromiter(kept_values, np.bool_, len(values.values))
    return by_value.take(values.codes)


def _check(one: MetadataFilter) -> None:
    """Refuse a filter that makes no sense rather than keep everything or nothing for it."""
    kind = FIELDS.get(one.key)
    if kind is None:
        raise UsageError(
            f"There is no field '{one.key:.80}' to filter by.", f"The fields are: {', '.join(sorted(FIELDS))}."
        )
    if one.operator not in OPERATORS[kind]:
        possible = ", ".join(sorted(operator.value for operator in OPERATORS[kind]))
        raise UsageError(
            f"The field '{one.key}' holds {kind.value}; the operator '{one.operator.value}' makes no sense for it.",
            f"Those that do are: {possible}.",
        )
    expected, fits = _expected(kind, one.operator)
    if not fits(one.value):
        raise UsageError(
            f"The operator '{one.operator.value}' on the field '{one.key}' was given {one.value!r:.80}; "
            f"expected {expected}.",
            "Correct the filter." if one.value is not None else "What is unknown is found by the operator 'is_empty'.",
        )


def _expected(kind: FieldKind, operator: FilterOperator) -> tuple[str, Callable[[object], bool]]:
    """Return what value an operator takes for a field of this kind, in words and as a test."""
    if operator is FilterOperator.IS_EMPTY:
        return "no value (None)", lambda value: value is None
    one, several, fits = _ELEMENTS.get(kind, _ELEMENTS[FieldKind.TEXT])
    is_whole_list = kind is FieldKind.TEXTS and operator in (FilterOperator.EQ, FilterOperator.NE)
    if operator in _TAKING_A_LIST or is_whole_list:
        return (
            several,
            lambda value: isinstance(value, list) and all(map(fits, value)),
        )
    return one, fits
