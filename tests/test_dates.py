"""Dates of documents: days of the calendar from however they are written, and nothing from anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.dates import day_of, day_of_time, is_day, period, stated_day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-05-01", "2024-05-01"),
        ("2024-05-01T23:59:59-11:00", "2024-05-01"),  # as it was where it was written
        ("  2024-05-01 09:30", "2024-05-01"),
        ("2024/5/1", "2024-05-01"),
        ("2024.05.01", "2024-05-01"),
        ("2024年5月1日", "2024-05-01"),
        ("20240501T093000Z", "2024-05-01"),
        ("D:20240501093000+08'00'", "2024-05-01"),
        ("20240501093000", "2024-05-01"),
        ("2024-02-29", "2024-02-29"),
        ("2023-02-29", ""),
        ("2024-13-01", ""),
        ("2024-05-011", ""),
        ("2024-05", ""),
        ("2024", ""),
        ("1714521600", ""),  # seconds since 1970
        ("01/05/2024", ""),  # the fifth of January, or the first of May
        ("1899-12-31", ""),
        ("2101-01-01", ""),
        ("1970-01-01T00:00:00Z", ""),
        ("1980-01-01", ""),
        ("٢٠٢٤-٠٥-٠١", ""),
        ("May 1, 2024", ""),
        ("", ""),
    ],
)
def test_a_stated_day_is_read_where_it_is_unmistakable(text: str, day: str) -> None:
    assert stated_day(text) == day


@given(st.text() | st.text("0123456789-/.:TZD年月 ", max_size=30))
def test_whatever_is_stated_what_comes_out_is_a_day_or_nothing(text: str) -> None:
    day = stated_day(text)
    assert day == "" or is_day(day)


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-5-1", "2024-02-30", "20240501", "2024-05-01 ", "0001-01-01", "٢٠٢٤-05-01"]
)
def test_what_is_no_day_is_known_for_it(text: str) -> None:
    assert not is_day(text)


@given(st.dates())
def test_days_sort_as_texts(day: object) -> None:
    year, month, number = day.year, day.month, day.day  # type: ignore[attr-defined]
    found = day_of(year, month, number)
    assert found in ("", str(day))
    assert (found == "") == (not 1900 <= year <= 2100 or str(day) in ("1970-01-01", "1980-01-01"))


@pytest.mark.parametrize(
    ("nanoseconds", "day"),
    [
        (1_714_607_999_999_999_999, "2024-05-01"),
        (1_714_608_000_000_000_000, "2024-05-02"),
        (0, ""),
        (-1, "1969-12-31"),
        (-(2**62), ""),
        (2**63 * 1000, ""),
    ],
)
def test_the_day_of_a_time_is_that_in_utc(nanoseconds: int, day: str) -> None:
    assert day_of_time(nanoseconds) == day


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2024", ("2024-01-01", "2024-12-31")),
        ("2024-02", ("2024-02-01", "2024-02-29")),
        ("2024-2", ("2024-02-01", "2024-02-29")),
        ("2024-05-01", ("2024-05-01", "2024-05-01")),
        ("1900", ("1900-01-01", "1900-12-31")),
        ("2024-13", None),
        ("2023-02-29", None),
        ("2024-00", None),
        ("2024-05-00", None),
        ("1899", None),
        ("24", None),
        ("", None),
        ("2024-05-01T10:00", None),
        ("٢٠٢٤", None),
    ],
)
def test_a_period_is_a_year_a_month_or_a_day(text: str, days: tuple[str, str] | None) -> None:
    assert period(text) == days
