"""One check of a knowledge base and what it came to; whatever goes wrong in it is a result, and hides no other check.

This module knows nothing of what is checked, and nothing of how a model is run: whoever verifies gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rag_app.datatypes import Fingerprint
from rag_app.errors import KnowledgeBaseBusy, ModelError, RagAppError, StorageError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class CheckState(StrEnum):
    """What a check came to."""

    OK = "ok"
    DAMAGED = "damaged"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    `detail` says what was found; of what was not checked, why, and what to run. `damaged` are the files that are to blame, by
    their paths in the folder of the knowledge base: none where it cannot be told. `remedy` is what mends it.
    """

    name: str
    state: CheckState
    detail: str
    damaged: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class ModelAtHand:
    """An embedding model as it is on this machine now.

    `embed` gives the vectors of passages, shape (texts, dimension), and loads the model when it is first called; it raises
    `ModelError` where the model cannot be loaded, or is not to be.
    """

    fingerprint: Fingerprint
    embed: Callable[[Sequence[str]], NDArray[np.float32]]


# Gives the model with the name of a fingerprint. Raises ModelError where it is not on this machine; fetches nothing.
FindModel = Callable[[Fingerprint], ModelAtHand]


class Discrepancy(Exception):
    """Two things that must agree do not; the message says which, and how. `remedy` where it is another than the check's own."""

    def __init__(self, found: str, remedy: str = "") -> None:
        super().__init__(found)
        self.remedy = remedy


def run_check(name: str, work: Callable[[], str], to_blame: Sequence[str], remedy: str) -> Check:
    """Do the work of a check.

    Args:
        name: of the check.
        work: returns what was found to be in order. Raises `Discrepancy`, or whatever a library makes of a damaged file:
            then there is damage. Raises `ModelError` where a model is not to be had: that says nothing of the files.
        to_blame: the files that are damaged then.
        remedy: what mends them.

    Raises:
        UsageError: what was asked for cannot be done as asked.
    """
    try:
        return Check(name, CheckState.OK, work())
    except (ModelError, StorageError, KnowledgeBaseBusy) as error:
        return Check(name, CheckState.NOT_CHECKED, str(error))
    except UsageError:  # a device that is not there is no damage
        raise
    except Discrepancy as error:
        found, remedy = str(error), error.remedy or remedy
    except RagAppError as error:
        found = error.found
    except Exception as error:  # noqa: BLE001 - there is nothing that a damaged file could not make a library raise
        found = f"{type(error).__name__}: {error}"
    return Check(name, CheckState.DAMAGED, found, tuple(to_blame), remedy)
