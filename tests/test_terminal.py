"""The edge of the commands: what Python does around one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rag_app.terminal import as_typed

PROGRAM = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1000))  # runs last
from rag_app.terminal import run_command
run_command(lambda: print(gc.get_threshold()[0] > 10_000))
print(gc.get_freeze_count() == 0)
"""


def test_a_command_does_not_look_through_what_stays_and_does_not_take_it_apart_at_its_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "True"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("密码".encode(), "密码", id="UTF-8"),
        pytest.param(b"abc \xff", "abc \ufffd", id="a byte that is not UTF-8"),
        pytest.param("密码 ".encode() + b"\xff", "密码 \ufffd", id="only that byte is lost"),
        pytest.param("密".encode("gb18030"), "\ufffd\ufffd", id="another encoding"),
        pytest.param(b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", id="half a pair in bytes"),
    ],
)
@pytest.mark.parametrize("locale", ["utf-8", "ascii"])
def test_what_was_typed_is_text_whatever_the_locale(given: bytes, expected: str, locale: str) -> None:
    assert as_typed(given.decode(locale, "surrogateescape")) == expected


def test_half_a_pair_that_windows_lets_through_is_no_character() -> None:
    assert as_typed("a\ud800b") == "a\ufffdb"
    assert as_typed("a\ud83d\ude00b") == "a😀b"
