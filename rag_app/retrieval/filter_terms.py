"""What a person types to narrow a question, `KEY=VALUE`, made into metadata filters.

Of one key any of the values is meant, of different keys all. A term that matches no document is an error that names what there
is: an empty result would look like an answer.
This module knows nothing of where terms are typed or chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from typing import NoReturn

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_app.dates import period
from rag_app.errors import UsageError
from rag_app.retrieval.choices import RANGE, TYPE_NAMES, choices_of, with_those_above
from rag_app.retrieval.places import place_table
from rag_app.store.chunks import DocumentFacts
from rag_app.store.knowledge_base import KnowledgeBase

_TYPES_BY_NAME = {name: media_type for media_type, names in TYPE_NAMES.items() for name in names}
# Chinese is written in two scripts, and many a person names the country instead.
_SCRIPTS_OF_CHINESE = {"cn": "Hans", "sg": "Hans", "tw": "Hant", "hk": "Hant", "mo": "Hant"}
_SCRIPT_LETTERS = 4
_PAGE = re.compile(r"[0-9]{1,6}")
_NAMED_VALUES = 10  # of what there is, so many are named in a message

_DOCUMENT = "document"

_Group = MetadataFilter | MetadataFilters


def filters_of(terms: Sequence[str], knowledge_base: KnowledgeBase) -> MetadataFilters | None:
    """Return the filters that terms mean over the documents of a knowledge base; None for no terms.

    Args:
        terms: `KEY=VALUE` each, with a key of `KEYS`.
        knowledge_base: in which a passage must match each of them, and all of them together.

    Raises:
        UsageError: an unknown key, a value that makes no sense, or no passage that matches; with what there is.
    """
    groups: dict[str, list[_Group]] = {}
    for term in terms:
        key, value = _parted(term)
        is_document = key == _DOCUMENT
        meant = _whole_folder(value, knowledge_base) if key == "folder" else value
        one = _document(value, place_table(knowledge_base).facts) if is_document else _TERMS[key](meant)
        if not _keeps_any(one, knowledge_base):
            _refuse_unmatched(key, value, knowledge_base)
        groups.setdefault(key, []).append(one)
    if not groups:
        return None
    filters = MetadataFilters(
        filters=[
            alternatives[0]
            if len(alternatives) == 1
            else MetadataFilters(filters=alternatives, condition=FilterCondition.OR)
            for alternatives in groups.values()
        ]
    )
    if len(groups) > 1 and not _keeps_any(filters, knowledge_base):
        raise UsageError(
            f"No passage matches all of these filters together: {', '.join(f'{term:.120}' for term in terms)}.",
            "Each of them matches some: leave one out.",
        )
    return filters


def _parted(term: str) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in term.partition("="))
    key = key.lower()
    if not (key and equals and value):
        raise UsageError(f"'{term:.80}' is no filter; expected KEY=VALUE.", f"The keys are: {', '.join(KEYS)}.")
    if key not in KEYS:
        raise UsageError(f"There is no filter '{key:.80}'.", f"The keys are: {', '.join(KEYS)}.")
    return key, value


def _keeps_any(one: _Group, knowledge_base: KnowledgeBase) -> bool:
    filters = one if isinstance(one, MetadataFilters) else MetadataFilters(filters=[one])
    selection = place_table(knowledge_base).select(filters=filters)
    return selection is None or bool(len(selection.numbers))


def _refuse_unmatched(key: str, value: str, knowledge_base: KnowledgeBase) -> NoReturn:
    raise UsageError(
        f"No passage in the knowledge base '{knowledge_base.name}' matches the filter '{key}={value:.80}'.",
        _what_there_is(key, value, knowledge_base),
    )


def _what_there_is(key: str, value: str, knowledge_base: KnowledgeBase) -> str:
    values, choices = knowledge_base.document_values, choices_of(knowledge_base)
    if key == "date":
        if not choices.dates:
            return "No date is known."
        known = f"Dates go from {choices.dates[0]} to {choices.dates[1]}."
        return f"{known} {f'Without a date: {values.undated}.' if values.undated else ''}".strip()
    if key == "page":
        return "Leave it out, or name a page that is there; text files have none."
    names = sorted(_values(key, knowledge_base))
    near = [name for name in names if value.strip("*/").casefold() in name.casefold()]
    return _there_is(near or names)


def _values(key: str, knowledge_base: KnowledgeBase) -> Collection[str]:
    """Return what may stand after a key that is neither a date nor a page."""
    values, facts = knowledge_base.document_values, place_table(knowledge_base).facts
    by_key: dict[str, Callable[[], Collection[str]]] = {
        _DOCUMENT: lambda: [one.path for one in facts],
        "folder": lambda: with_those_above(values.folders),
        "source": lambda: {one.file.partition("/")[0] for one in facts},
        "type": lambda: choices_of(knowledge_base).types,
        "language": lambda: choices_of(knowledge_base).languages,
        "script": lambda: {script for _, script in values.languages if script},
        "title": lambda: {one.title for one in facts if one.title},
    }
    return by_key[key]()


def _there_is(names: Sequence[str]) -> str:
    shown, rest = ", ".join(f"{name:.120}" for name in names[:_NAMED_VALUES]), len(names) - _NAMED_VALUES
    if not names:
        return "There is none: leave it out."
    return f"There is: {shown} and {rest} more." if rest > 0 else f"There is: {shown}."


# A term of each key


def _document(value: str, facts: Sequence[DocumentFacts]) -> _Group:
    """A path, else the name of a file, else the file of records, else a pattern of either."""
    ways: tuple[Callable[[DocumentFacts], bool], ...] = (
        lambda one: one.path == value,
        lambda one: _without_folder(one) == value,
        lambda one: one.path.startswith(f"{value}#") or f"/{value}#" in one.path,
        lambda one: fnmatchcase(one.path, value) or fnmatchcase(_without_folder(one), value),
    )
    found: list[str] = []
    for is_meant in ways:
        found = [one.path for one in facts if is_meant(one)]
        if found:
            break
    return MetadataFilter(key="document", operator=FilterOperator.IN, value=found)


def _without_folder(facts: DocumentFacts) -> str:
    """Return the name of a document's file, of a record with its own."""
    return facts.path[facts.file.rfind("/") + 1 :]


def _whole_folder(value: str, knowledge_base: KnowledgeBase) -> str:
    """Return the path of a folder, of which the end is enough where one folder alone ends so."""
    value = value.rstrip("/")
    folders = with_those_above(knowledge_base.document_values.folders)
    ending_so = [folder for folder in folders if folder.endswith(f"/{value}")]
    return ending_so[0] if value not in folders and len(ending_so) == 1 else value


def _folder(value: str) -> _Group:
    return MetadataFilter(key="folders", operator=FilterOperator.CONTAINS, value=value)


def _type(value: str) -> _Group:
    return _equal("media_type", _TYPES_BY_NAME.get(value.lower().lstrip("."), value.lower()))


def _language(value: str) -> _Group:
    """A code, with a script or (for Chinese) a country after it, in either spelling: `zh`, `zh-Hant`, `zh_TW`."""
    language, _, script = value.replace("_", "-").lower().partition("-")
    if language == "zh":
        script = _SCRIPTS_OF_CHINESE.get(script, script)
    if len(script) != _SCRIPT_LETTERS:  # the country of another language: it says nothing of a text
        script = ""
    wanted: list[_Group] = [_equal("language", language)]
    return MetadataFilters(filters=[*wanted, _equal("script", script.title())]) if script else wanted[0]


def _date(value: str) -> _Group:
    first, last = _ends(value)
    begin, end = period(first) if first else None, period(last) if last else None
    if begin and end and begin[0] > end[1]:
        raise UsageError(
            f"The filter 'date={value:.80}' ends before it begins.",
            f"For instance the other way round: date={last}..{first}",
        )
    if (first and begin is None) or (last and end is None):
        raise UsageError(
            f"The filter 'date={value:.80}' is no date; expected a year, a month, a day or a range of them.",
            "For instance date=2024, date=2024-05, date=2024-05-31, date=2024-01..2024-06, date=2024..",
        )
    bounds: list[_Group] = []
    if begin:
        bounds.append(MetadataFilter(key="date", operator=FilterOperator.GTE, value=begin[0]))
    if end:
        bounds.append(MetadataFilter(key="date", operator=FilterOperator.LTE, value=end[1]))
    return MetadataFilters(filters=bounds)


def _page(value: str) -> _Group:
    """Passages that stand on any of these pages, also in part."""
    first, last = _ends(value)
    numbers = [int(part) for part in (first, last) if _PAGE.fullmatch(part)]
    if len(numbers) != len([part for part in (first, last) if part]) or (first and last and numbers[0] > numbers[1]):
        raise UsageError(
            f"The filter 'page={value:.80}' is no page; expected a number or a range.",
            "For instance page=3, page=3..5, page=3..",
        )
    bounds: list[_Group] = []
    if first:
        bounds.append(MetadataFilter(key="last_page", operator=FilterOperator.GTE, value=numbers[0]))
    if last:
        bounds.append(MetadataFilter(key="page", operator=FilterOperator.LTE, value=numbers[-1]))
    return MetadataFilters(filters=bounds)


def _ends(value: str) -> tuple[str, str]:
    """Return the two ends of a range, either of which may be open, or one value as both."""
    first, dots, last = (part.strip() for part in value.partition(RANGE))
    if not dots:
        return value, value
    return (first, last) if first or last else (value, value)


def _title(value: str) -> _Group:
    return MetadataFilter(key="title", operator=FilterOperator.TEXT_MATCH_INSENSITIVE, value=value)


def _equal(field: str, value: str) -> MetadataFilter:
    return MetadataFilter(key=field, operator=FilterOperator.EQ, value=value)


_TERMS: dict[str, Callable[[str], _Group]] = {
    "folder": _folder,
    "source": lambda value: _equal("source", value.rstrip("/")),
    "type": _type,
    "language": _language,
    "script": lambda value: _equal("script", value.title()),
    "date": _date,
    "title": _title,
    "page": _page,
}
KEYS = (_DOCUMENT, *_TERMS)
