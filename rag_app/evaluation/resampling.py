"""Random halves of the documents: how far a mean would move if other documents had been asked about.

A half takes each group (document), with all its questions, or leaves it, by the toss of a coin. Two things come from the same
halves, and so agree with each other:

- the randomisation test: a group that is taken keeps the sign of its differences, one that is left gets the other sign;
- the interval: all values that this test would not refuse. Those are the means of the halves between two quantiles
  (J. A. Hartigan, "Using subsample values as typical values", JASA 64, 1969). It is the wild bootstrap by cluster
  (Cameron, Gelbach, Miller, "Bootstrap-based improvements for inference with clustered errors", 2008), turned round.

This module knows nothing of systems or metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FLIPS = 10_000
_MOST_EXACT = 16  # columns: 65,536 halves are all that there are; with more columns they are drawn
_ROWS = 2_000  # at once, so that thousands of documents need no gigabytes
_TIE = 1e-9  # sums that differ by less, relative to the larger, are the same sum added in another order


@dataclass(frozen=True)
class GroupedSample:
    """Values by group: `sums` and `sizes` have one entry a group; `mean` and `variance` are those of all values."""

    sums: NDArray[np.float64]
    sizes: NDArray[np.float64]
    mean: float
    variance: float

    @property
    def questions(self) -> int:
        """How many values there are."""
        return int(self.sizes.sum())

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self.sizes)

    @property
    def design_effect(self) -> float:
        """How many questions weigh as much as one on a document of its own (L. Kish, "Survey Sampling", 1965).

        It is between 1 and the largest there can be. A single group, or values that are all the same, do not tell: 1.
        """
        if self.variance == 0 or self.groups == 1:
            return 1.0
        residuals = self.sums - self.mean * self.sizes
        between = float((residuals**2).sum()) * self.groups / (self.groups - 1) / self.questions
        return min(max(1.0, between / self.variance), self.largest_design_effect)

    @property
    def largest_design_effect(self) -> float:
        """What the design effect is if all values of a group are the same."""
        return float((self.sizes**2).sum() / self.sizes.sum())


def grouped(values: NDArray[np.float64], groups: Sequence[int]) -> GroupedSample:
    """Return values by group.

    Args:
        values: one a question; at least one.
        groups: the group of each.
    """
    _, index, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    sums: NDArray[np.float64] = np.bincount(index, values).astype(np.float64)
    variance = float(values.var(ddof=1)) if len(values) > 1 else 0.0
    return GroupedSample(sums, counts.astype(np.float64), float(values.mean()), variance)


class HalfSums:
    """Sums and sizes of the halves of a sample, with room for some groups that are added to it.

    Args:
        sample: what is halved.
        added: how many groups may be added. They are tossed for too.
        seed: of the tosses.
        flips: how many halves are drawn, where not all are taken.
    """

    def __init__(self, sample: GroupedSample, added: int, seed: int, flips: int = FLIPS) -> None:
        """Halve the sample."""
        self._halves = _halves(sample.groups + added, seed, flips)
        self._exact = sample.groups + added <= _MOST_EXACT
        self._columns = np.column_stack([sample.sums, sample.sizes])
        self._sums = _products(self._halves, self._columns)

    def p(self) -> float:
        """Return the two-sided p of the mean being 0: the share of halves whose signs give a sum as far from 0.

        Exact where all halves are taken; else with 1 added above and below, which keeps the test from promising too much
        (Phipson, Smyth, "Permutation p-values should never be zero", 2010).
        """
        total = abs(self._columns[:, 0].sum())
        flipped = np.abs(2 * self._sums[:, 0] - self._columns[:, 0].sum())
        scale = max(float(np.abs(self._columns[:, 0]).sum()), np.finfo(np.float64).tiny)
        count = int((flipped >= total - _TIE * scale).sum())
        return count / len(flipped) if self._exact else (count + 1) / (len(flipped) + 1)

    def interval(self, error: float, added: NDArray[np.float64] | None = None) -> tuple[float, float]:
        """Return the lowest and the highest mean that the test at this error does not refuse; infinite where it refuses none.

        Args:
            error: 0.05 for an interval of 95 %.
            added: groups that are added, as rows of sum and size; no more than there is room for.
        """
        columns, sums = self._columns, self._sums
        if added is not None:
            columns = np.concatenate([columns, added])
            sums = sums + self._halves[:, len(self._columns) : len(columns)].astype(np.float64) @ added
        rest = columns.sum(axis=0) - sums
        is_empty = np.minimum(sums[:, 1], rest[:, 1]) <= _TIE * columns[:, 1].sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            taken, left = sums[:, 0] / sums[:, 1], rest[:, 0] / rest[:, 1]
        highest = np.where(is_empty, np.inf, np.maximum(taken, left))
        lowest = np.where(is_empty, -np.inf, np.minimum(taken, left))
        # The fewest halves beyond a value with which the test does not refuse it: `p` above, solved for the count.
        fewest = int(error * len(sums)) + 1 if self._exact else max(int(error * (len(sums) + 1)), 1)
        return float(np.partition(lowest, fewest - 1)[fewest - 1]), float(
            -np.partition(-highest, fewest - 1)[fewest - 1]
        )


@lru_cache(maxsize=2)
def _halves(columns: int, seed: int, flips: int) -> NDArray[np.bool_]:
    """Return rows of tosses, one a half: all there are if they are few, else as many as asked for."""
    if columns <= _MOST_EXACT:
        return (np.arange(2**columns)[:, None] >> np.arange(columns) & 1).astype(np.bool_)
    tosses: NDArray[np.bool_] = np.random.default_rng(seed).integers(2, size=(flips, columns), dtype=np.bool_)
    return tosses


def _products(halves: NDArray[np.bool_], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each half, the sums of the columns over the groups it takes."""
    blocks = range(0, len(halves), _ROWS)
    return np.concatenate([halves[at : at + _ROWS, : len(columns)].astype(np.float64) @ columns for at in blocks])
