"""What stands between the two marks of a prompt, in either language."""

from __future__ import annotations

import re

_MARKS = re.compile(
    r"^(?:Passages|段落) \(([a-z]{8})\)[:：]$\n(.*)^(?:End of passages|段落结束) \(\1\)[.。]$", re.MULTILINE | re.DOTALL
)


def around(user: str) -> tuple[str, str, str]:
    """Return what comes before the passages, the passages, and what comes after them."""
    match = _MARKS.search(user)
    assert match is not None, user
    return user[: match.start()], match[2], user[match.end() :]
