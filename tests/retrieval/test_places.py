"""Which passages may be found: by place, where a passage stands in several, and as sorted numbers."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from rag_app.datatypes import Chunk, Document
from rag_app.errors import UsageError
from rag_app.retrieval.places import PlaceTable, Selection, place_table
from rag_app.store.chunks import ChunkStore, write_chunks
from tests.conftest import SmallBase


def _document(path: str, language: str, passages: list[tuple[str, int | None, tuple[str, ...]]]) -> Any:
    text, chunks = "", []
    for ordinal, (passage, page, headings) in enumerate(passages):
        chunks.append(Chunk(path, ordinal, len(text), len(text) + len(passage), passage, page, page, headings))
        text += passage
    return Document(path, f"{len(path):064}", "text/plain", language, "", text, name=path), chunks


# Passages by number: 0 "only a", 1 "both", 2 "late", 3 "only b", 4 "with header".
DOCUMENTS = [
    _document("x/a.pdf", "en", [("only a", 1, ("Top",)), ("both", 2, ()), ("late", 9, ("Top", "VPN"))]),
    _document("x/y/b.pdf", "zh", [("only b", 1, ()), ("both", 5, ()), ("both", 7, ())]),
    _document("c.txt", "en", [("both", None, ())]),
    _document("empty.txt", "en", []),
    (
        Document("x/y/t.csv", "9" * 64, "text/csv", "en", "Prices", "1"),
        [Chunk("x/y/t.csv", 0, 0, 1, "1", table_header="Model | Price")],
    ),
]


@pytest.fixture
def table(tmp_path: Path) -> PlaceTable:
    write_chunks(tmp_path / "chunks.sqlite", DOCUMENTS)
    return PlaceTable(ChunkStore(tmp_path / "chunks.sqlite"))


def where(
    *filters: tuple[str, FilterOperator, Any], condition: FilterCondition = FilterCondition.AND
) -> MetadataFilters:
    return MetadataFilters(
        filters=[MetadataFilter(key=key, operator=operator, value=value) for key, operator, value in filters],
        condition=condition,
    )


def selected(table: PlaceTable, selection: Selection | None) -> dict[int, list[int]]:
    """Return the places of each selected passage that were selected, by its number; it is shown at the first."""
    assert selection is not None
    assert selection.numbers.dtype == "int64"
    assert selection.numbers.tolist() == sorted(set(selection.numbers.tolist()))
    return dict(zip(selection.numbers.tolist(), table.shown_at(selection, selection.numbers), strict=True))


O = FilterOperator  # noqa: E741 - one letter, as there are many of them below


def test_without_a_condition_nothing_is_selected_and_nothing_read(tmp_path: Path) -> None:
    write_chunks(tmp_path / "chunks.sqlite", DOCUMENTS)
    store = ChunkStore(tmp_path / "chunks.sqlite")
    table = PlaceTable(store)
    store.close()
    assert table.select() is None
    assert table.select(filters=MetadataFilters(filters=[])) is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param(where(("document", O.EQ, "x/a.pdf")), {0: [0], 1: [0], 2: [0]}, id="a document"),
        pytest.param(where(("document", O.EQ, "x/y/b.pdf")), {1: [1, 2], 3: [0]}, id="another: shown there"),
        pytest.param(where(("document", O.EQ, "c.txt")), {1: [3]}, id="the last place"),
        pytest.param(where(("document", O.EQ, "empty.txt")), {}, id="a document without passages"),
        pytest.param(where(("document", O.NE, "x/a.pdf")), {1: [1, 2, 3], 3: [0], 4: [0]}, id="not a document"),
        pytest.param(
            where(("folders", O.CONTAINS, "x")), {0: [0], 1: [0, 1, 2], 2: [0], 3: [0], 4: [0]}, id="below a folder"
        ),
        pytest.param(where(("folder", O.EQ, "x/y")), {1: [1, 2], 3: [0], 4: [0]}, id="in a folder"),
        pytest.param(where(("language", O.EQ, "zh")), {1: [1, 2], 3: [0]}, id="language"),
        pytest.param(where(("media_type", O.EQ, "text/csv")), {4: [0]}, id="media type"),
        pytest.param(where(("title", O.IN, ["Prices", "c.txt"])), {1: [3], 4: [0]}, id="title, or the name for it"),
        pytest.param(where(("heading_path", O.CONTAINS, "VPN")), {2: [0]}, id="heading"),
        pytest.param(where(("table_header", O.TEXT_MATCH, "Price")), {4: [0]}, id="header of a table"),
        pytest.param(where(("page", O.GTE, 7)), {1: [2], 2: [0]}, id="page, the second place in a document"),
        pytest.param(where(("page", O.IS_EMPTY, None)), {1: [3], 4: [0]}, id="no page"),
        pytest.param(where(("start", O.GT, 0), ("end", O.LTE, 10)), {1: [0, 1]}, id="a span"),
        pytest.param(where(("language", O.EQ, "zh"), ("page", O.EQ, 2)), {}, id="both at one place"),
        pytest.param(
            where(("language", O.EQ, "zh"), ("page", O.EQ, 9), condition=FilterCondition.OR),
            {1: [1, 2], 2: [0], 3: [0]},
            id="either",
        ),
        pytest.param(
            where(("language", O.EQ, "zh"), ("page", O.LT, 9), condition=FilterCondition.NOT),
            {1: [3], 2: [0], 4: [0]},
            id="neither",
        ),
    ],
)
def test_a_passage_is_selected_where_one_of_its_places_matches(
    table: PlaceTable, filters: MetadataFilters, expected: dict[int, list[int]]
) -> None:
    assert selected(table, table.select(filters=filters)) == expected


@pytest.mark.parametrize(
    "filters", [where(("language", O.EQ, "zh")), where(("page", O.GTE, 7)), where(("page", O.EQ, 99))]
)
def test_a_place_by_document_and_ordinal(table: PlaceTable, filters: MetadataFilters) -> None:
    selection = table.select(filters=filters)
    assert selection is not None
    kept = {("x/y/b.pdf", 0), ("x/y/b.pdf", 1), ("x/y/b.pdf", 2)}
    if filters.filters[0].value == 7:  # type: ignore[union-attr]
        kept = {("x/a.pdf", 2), ("x/y/b.pdf", 2)}
    if filters.filters[0].value == 99:  # type: ignore[union-attr]
        kept = set()
    asked = [
        (path, ordinal) for path in ("x/a.pdf", "x/y/b.pdf", "c.txt", "empty.txt", "gone") for ordinal in range(-1, 5)
    ]
    assert {one for one in asked if table.is_selected(selection, *one)} == kept


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param({"documents": ["c.txt", "x/y/b.pdf", "gone"]}, {1: [1, 2, 3], 3: [0]}, id="documents"),
        pytest.param({"documents": []}, {}, id="none of the documents"),
        pytest.param({"node_ids": ["x/y/b.pdf#0-6", "x/y/b.pdf#10-14"]}, {1: [2], 3: [0]}, id="nodes"),
        pytest.param({"node_ids": ["x/a.pdf#6-10", "c.txt#0-4"]}, {1: [0, 3]}, id="one passage by two ids"),
        pytest.param({"node_ids": []}, {}, id="none of the nodes"),
        pytest.param(
            {"node_ids": ["x/a.pdf#0-7", "gone#0-6", "x/a.pdf", "empty.txt#0-0", "c.txt#0-99999999999"]},
            {},
            id="ids that name nothing",
        ),
        pytest.param({"documents": ["c.txt"], "node_ids": ["x/a.pdf#6-10"]}, {}, id="not at the same place"),
        pytest.param(
            {"documents": ["x/a.pdf"], "node_ids": ["x/a.pdf#6-10"], "filters": where(("page", O.EQ, 2))},
            {1: [0]},
            id="all at one place",
        ),
    ],
)
def test_documents_and_nodes_are_conditions_as_well(
    table: PlaceTable, conditions: dict[str, Any], expected: dict[int, list[int]]
) -> None:
    assert selected(table, table.select(**conditions)) == expected


def test_the_place_to_show_is_told_for_any_of_the_selected(table: PlaceTable) -> None:
    selection = table.select(filters=where(("language", O.EQ, "zh")))
    assert selection is not None
    assert table.shown_at(selection, selection.numbers[::-1]) == [[0], [1, 2]]
    assert table.shown_at(selection, selection.numbers[:0]) == []


def test_a_filter_that_makes_no_sense_is_refused(table: PlaceTable) -> None:
    with pytest.raises(UsageError, match="no field 'author'"):
        table.select(filters=where(("author", O.EQ, "x")))


def test_a_base_without_passages(tmp_path: Path) -> None:
    write_chunks(tmp_path / "chunks.sqlite", [])
    table = PlaceTable(ChunkStore(tmp_path / "chunks.sqlite"))
    assert selected(table, table.select(filters=where(("heading_path", O.IS_EMPTY, None)))) == {}
    assert selected(table, table.select(node_ids=["a#0-1"])) == {}


def test_columns_are_read_once(table: PlaceTable) -> None:
    filters = where(("language", O.EQ, "zh"), ("page", O.GT, 0), ("heading_path", O.IS_EMPTY, None))
    before = selected(table, table.select(filters=filters))
    table._store.close()
    assert selected(table, table.select(filters=filters)) == before


def test_one_table_is_used_by_several_threads(table: PlaceTable) -> None:
    results: list[dict[int, list[int]]] = []
    start = threading.Barrier(4)

    def select() -> None:
        start.wait()
        results.append(selected(table, table.select(filters=where(("language", O.EQ, "zh"), ("page", O.GT, 0)))))

    threads = [threading.Thread(target=select) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert results == [{1: [1, 2], 3: [0]}] * 4


def test_all_who_search_a_generation_share_one_table_that_goes_with_it(small_base: SmallBase) -> None:
    one, other = small_base.open(), small_base.open()
    assert place_table(one) is place_table(one)
    assert place_table(one) is not place_table(other)
    table = weakref.ref(place_table(one))
    del one
    gc.collect()
    assert table() is None
