"""What is looked at after a build was cut short, however that was done. This module knows nothing of how."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from rag_app.errors import RagAppError
from tests.crash.builds import Content, Outcome, files_with, leftovers, served

Trial = TypeVar("Trial")


class Cut(Protocol):
    """A build that can be cut short: what was there before, what it leads to, and what the same build leads to then.

    `gone` is a word that must be nowhere once it has ended.
    """

    gone: str
    old: Content | None
    new: Content
    again: Content

    def build(self, place: Path) -> Outcome:
        """Run the build to its end at a place."""


def fault(place: Path, cut: Cut) -> str:
    """Return what is wrong at a place where a build was cut short, and after the next build; nothing if nothing is."""
    try:
        found = served(place)
    except RagAppError as error:
        return f"nothing is served: {error}"
    if found not in (cut.old, cut.new):
        return "neither the old nor the new generation is served"
    outcome = cut.build(place)
    if outcome.error or outcome.signal:
        return f"the next build fails: {outcome}"
    if served(place) != (cut.again if found == cut.new else cut.new):
        return "the next build does not end like one that was not cut short"
    left = leftovers(place) + files_with(place, cut.gone)
    return f"left over: {left}" if left else ""


def faults(
    trials: Iterable[Trial], cut_short: Callable[[Trial, Path], str], cut: Cut, folder: Path
) -> dict[Trial, str]:
    """Return what is wrong after each trial, where something is.

    Args:
        trials: whatever `cut_short` takes.
        cut_short: makes the place and cuts a build short there; returns what is wrong already, or nothing.
        cut: the build.
        folder: for the places.
    """
    found = {}
    place = folder.resolve() / "place"
    for trial in trials:
        if what := cut_short(trial, place) or fault(place, cut):
            found[trial] = what
        shutil.rmtree(place)
    return found
