"""Numbers by value and unit, in English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_app.answering.citing.quantities import is_offered, offered_quantities, plain, stated_quantities


def is_all_offered(stated: str, offered: str) -> bool:
    found = stated_quantities(plain(stated))
    assert found, "the test is of numbers"
    return all(is_offered(one, offered_quantities(plain(offered))) for one in found)


@pytest.mark.parametrize(
    ("stated", "offered"),
    [
        ("30 minutes", "thirty minutes"),
        ("30 minutes", "三十分钟"),
        ("30分钟", "30 minutes"),
        ("30-minute", "half an hour"),
        ("半小时", "30 min"),
        ("90 minutes", "1.5 hours"),
        ("1 day", "24小时"),
        ("1,000", "1000"),
        ("1000", "一千"),
        ("1,000", "one thousand"),
        ("two hundred and five", "205"),
        ("twenty-one", "21"),
        ("4.5 million", "4,500,000"),
        ("450万", "4.5 million"),
        ("1.2亿", "120,000,000"),
        ("5%", "five percent"),
        ("百分之五", "5 per cent"),
        ("５０％", "50%"),
        ("$900", "900 dollars"),
        ("900 EUR", "€900"),
        ("1,200元", "1200 yuan"),
        ("8GB", "8 GB"),
        ("三点五公里", "3500 m"),
        ("6.2", "version 6.2"),
        ("10.0.2", "10.0.2"),
        ("09:30", "9:30"),
        ("5 May 2024", "2024-05-05"),
        ("on May 5, 2024", "2024年5月5日"),
        ("2024年5月5日", "5 May 2024"),
        ("二〇二四年", "2024"),
        ("第三层", "the third floor"),
        ("the 10th century", "十世纪"),
        ("3 days", "3 working days"),
        ("the age of 30", "30 years"),
        ("五次", "5 failed sign-ins"),
    ],
)
def test_the_same_number_in_other_words(stated: str, offered: str) -> None:
    assert is_all_offered(stated, offered)


@pytest.mark.parametrize(
    ("stated", "offered"),
    [
        ("30 minutes", "30 seconds"),
        ("30 minutes", "30 hours"),
        ("30 minutes", "30 failed sign-ins"),
        ("30分钟", "三十次"),
        ("30 people", "30 minutes"),
        ("5%", "5 days"),
        ("5%", "50%"),
        ("$900", "900 EUR"),
        ("1,000", "1"),
        ("10.0.2", "10.0.3"),
        ("6.2", "6.20.1"),
        ("09:30", "9:45"),
        ("in June 2024", "in May 2024"),
        ("三十", "十三"),
        ("15", "50"),
        ("230", "LF-DK-230"),
    ],
)
def test_another_number(stated: str, offered: str) -> None:
    assert not is_all_offered(stated, offered)


@pytest.mark.parametrize(
    "text",
    [
        "one of them",
        "一个密码",
        "一定",
        "十分重要",
        "千万不要",
        "LF-DK-230",
        "H2O",
        "You may march.",
        "the second time",
    ],
)
def test_what_is_no_number_is_not_stated(text: str) -> None:
    assert stated_quantities(text) == []


def test_a_number_knows_where_it_stands() -> None:
    text = "locked for 30 minutes after five tries"
    assert [text[one.start : one.end] for one in stated_quantities(text)] == ["30 minutes", "five"]
    assert [one.text for one in stated_quantities(text)] == ["30 minutes", "five"]


@given(st.text(alphabet="0123456789.,:-/ 一二十百千万亿点第半年月日分秒%$MayonehundrdiltsH", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    offered = offered_quantities(text)
    for one in stated_quantities(text):
        assert text[one.start : one.end].strip() == one.text
        assert is_offered(one, offered)


@pytest.mark.parametrize(
    "text", ["1" * 10_000, "一" * 10_000, "1,2." * 5_000, "one " * 5_000, "May " * 5_000, "亿" * 9_000]
)
def test_no_text_is_too_long(text: str) -> None:
    assert offered_quantities(text)
