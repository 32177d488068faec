"""Exact match, F1 and containment, as the data sets count them."""

from __future__ import annotations

import pytest

from rag_app.evaluation.answer_metrics import contains, exact_match, f1


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("The Eiffel Tower!", ["Eiffel tower"], 1.0),
        ("an eiffel tower", ["Eiffel tower"], 1.0),
        ("Eiffel", ["Eiffel tower"], 0.0),
        ("1840年", ["1840 年"], 1.0),
        ("《红楼梦》。", ["红楼梦"], 1.0),
        ("red", [], 0.0),
        ("second", ["first", "second"], 1.0),
    ],
)
def test_exact_match(answer: str, references: list[str], expected: float) -> None:
    assert exact_match(answer, references) == expected


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("the cat sat on a mat", ["cat on mat"], 2 * 3 / (4 + 3)),
        ("cat cat", ["cat"], 2 / 3),
        ("nothing of it", ["cat"], 0.0),
        ("", ["cat"], 0.0),
        ("cat", ["dog", "a cat"], 1.0),
        ("他是王小明。", ["王小明"], 2 * 3 / (5 + 3)),
        ("王的小明", ["王小明"], 2 * 2 / (4 + 3)),  # the longest common substring, not a bag of characters
        ("使用 VPN 连接", ["VPN连接"], 2 * 3 / (5 + 3)),
    ],
)
def test_f1(answer: str, references: list[str], expected: float) -> None:
    assert f1(answer, references) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("It is locked for 30 minutes, at least.", ["30 minutes"], True),
        ("It is locked for 130 minutes.", ["30 minutes"], False),
        ("minutes: 30", ["30 minutes"], False),
        ("账号会被锁定 30 分钟。", ["30分钟"], True),
        ("账号会被锁定三十分钟。", ["30分钟"], False),
        ("anything", ["...", ""], False),
        ("the thing", ["other", "a thing"], True),
    ],
)
def test_contained(answer: str, references: list[str], expected: bool) -> None:
    assert contains(answer, references) is expected
