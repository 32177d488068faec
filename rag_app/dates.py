"""Dates of documents: days as ISO 8601 writes them, `YYYY-MM-DD`, which sort as texts; what is none is an empty string.

This module knows nothing of where a date was found.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime

# Dates further off are slips of the pen, clocks that were never set, and values that stand for "unknown" (1601, 9999).
_YEARS = range(1900, 2101)
# What clocks and archives begin to count at (Unix, MS-DOS): files without a date of their own are given these.
_BEGINNINGS = frozenset({date(1970, 1, 1), date(1980, 1, 1)})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The year comes first: of other orders it cannot be told which number is the month. `D:` is how PDF begins one.
_STATED = re.compile(
    r"\s*(?:D:)?(?P<year>[0-9]{4})(?:(?P<month>[0-9]{2})(?P<day>[0-9]{2})"
    r"|\s*[-/.年]\s*(?P<month_>[0-9]{1,2})\s*[-/.月]\s*(?P<day_>[0-9]{1,2})(?![0-9]))"
)
_PERIOD = re.compile(r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{1,2})(?:-(?P<day>[0-9]{1,2}))?)?")


def day_of(year: int, month: int, day: int) -> str:
    """Return a day of the calendar between 1900 and 2100; an empty string for others, and for those at which clocks begin."""
    found = _in_calendar(year, month, day)
    return found.isoformat() if found and found not in _BEGINNINGS else ""


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar between 1900 and 2100, as all of this project writes them."""
    return bool(_DAY.fullmatch(text)) and _in_calendar(*map(int, text.split("-"))) is not None


def stated_day(text: str) -> str:
    """Return the day with which a text begins, as it was where the text was written; what follows it, a time, is passed over.

    `2024-05-01T09:30:00+08:00`, `2024/5/1`, `2024年5月1日`, `20240501` and PDF's `D:20240501093000` are read; a year or a
    month alone is no day.
    """
    match = _STATED.match(text)
    if match is None:
        return ""
    year, month, day = match["year"], match["month"] or match["month_"], match["day"] or match["day_"]
    return day_of(int(year), int(month), int(day))


def day_of_time(nanoseconds: int) -> str:
    """Return the day, in UTC, of a time in nanoseconds since 1970, as file systems have it."""
    try:
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return day_of(moment.year, moment.month, moment.day)


def period(text: str) -> tuple[str, str] | None:
    """Return the first and the last day of a year, a month or a day (`2024`, `2024-05`, `2024-05-01`); None for other texts."""
    match = _PERIOD.fullmatch(text)
    if match is None or int(match["year"]) not in _YEARS:
        return None
    year = int(match["year"])
    first_month, last_month = (int(match["month"]),) * 2 if match["month"] else (1, 12)
    if not 1 <= first_month <= 12:
        return None
    days = calendar.monthrange(year, last_month)[1]
    first_day, last_day = (int(match["day"]),) * 2 if match["day"] else (1, days)
    if not 1 <= first_day <= days:
        return None
    return f"{year}-{first_month:02}-{first_day:02}", f"{year}-{last_month:02}-{last_day:02}"


def _in_calendar(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in _YEARS else None
    except (ValueError, OverflowError):
        return None
