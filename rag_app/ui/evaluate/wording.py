"""What several parts of the page say in the same way: the names of costs, and lists.

This module knows nothing of what is listed.
"""

from __future__ import annotations

from collections.abc import Iterable

from rag_app.ui.words import language, say

# As an evaluation names its costs, and the texts of the page.
_COSTS = {
    "milliseconds a question": "milliseconds",
    "passages a second": "passages",
    "index megabytes": "index",
    "model megabytes": "model",
    "memory megabytes": "memory",
    "licence": "licence",
}
_BETWEEN = {"en": "; ", "zh": "；"}


def cost_name(cost: str) -> str:
    """Return the name of a cost in the chosen language; one that is not known, as of an older evaluation, as it is."""
    return say(f"evaluate.cost_name.{_COSTS[cost]}") if cost in _COSTS else cost


def listed(texts: Iterable[str]) -> str:
    """Return texts that may have commas of their own, one after another, as the chosen language parts them."""
    return _BETWEEN[language()].join(texts)
