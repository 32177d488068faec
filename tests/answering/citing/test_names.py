"""What counts as a name."""

from __future__ import annotations

import pytest

from rag_app.answering.citing.names import names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The VPN needs Harbour Connect 6.2.", ["VPN", "Harbour", "Connect"]),
        ("Accounts are locked. Sign-ins are counted.", []),
        ("It is set by max_length or maxLength in LF-DK-230.", ["max_length", "maxLength", "LF-DK-230"]),
        ("- Call Miller in Bristol", ["Miller", "Bristol"]),
        ("How To Reset Your Password", []),
        ("It is written in C++ and Go.", ["C++", "Go"]),
        ("请安装 Harbour Connect，再连接VPN。", ["Harbour", "Connect", "VPN"]),
        ("请打开重置页面。", []),
        ("He said: It is I.", []),
        ("", []),
    ],
)
def test_names_of_a_text(text: str, names: list[str]) -> None:
    found = names_in(text)
    assert [name.text for name in found] == names
    assert all(text[name.start : name.end] == name.text for name in found)


def test_a_known_name_counts_at_the_beginning_too() -> None:
    assert [name.text for name in names_in("Rollo signed it.", frozenset({"Rollo"}))] == ["Rollo"]
