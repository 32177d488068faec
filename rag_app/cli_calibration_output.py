"""What `rag-app kb calibrate` prints: what was measured, and the reliability diagram as a table with bars.

This module knows nothing of flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag_app.store.calibrations import Calibration, ReliabilityBin
from rag_app.text import printable

_BAR = 30  # columns


def calibration_as_json(calibration: Calibration, path: Path) -> dict[str, Any]:
    """Return the object that `kb calibrate --json` prints."""
    return {"file": str(path), "diagram": str(path.with_suffix(".svg")), **asdict(calibration)}


def calibration_line(calibration: Mapping[str, Any]) -> str:
    """Return a calibration, as `kb show --json` has it, in a line."""
    found = calibration["reliability"]
    reranker = calibration["conditions"].get("reranker")
    return (
        f"{calibration['retriever']}, {calibration['embedder']}{f', {reranker}' if reranker else ''}: calibration error "
        f"{found['error']:.3f}, Brier score {found['brier']:.3f} (base rate {found['brier_base_rate']:.3f}); "
        f"{calibration['questions']:,} questions of {calibration['question_set']}, {calibration['generation']}, "
        f"{calibration['created_at'][:10]}"
    )


def print_calibration(calibration: Calibration, path: Path) -> None:
    """Print what was measured, and a line a bin."""
    found = calibration.reliability
    searched = f"{calibration.retriever}, {calibration.embedder}"
    facts = (
        f"{calibration.questions:,} questions of {calibration.question_set}, {calibration.answerable:,} with an answer",
        f"{calibration.pairs:,} passages found ({searched}), {calibration.holding:,} hold the answer",
        "Each document's questions were predicted from those on other documents:",
        f"calibration error  {found.error:.3f}  in ten bins of equal width; chance alone makes {found.error_by_chance:.3f}",
        f"                   {found.error_equal_count:.3f}  in ten bins of as many passages each",
        f"Brier score        {found.brier:.3f}  always saying the base rate: {found.brier_base_rate:.3f}",
    )
    for fact in facts:
        print(printable(fact, keep_line_breaks=False))
    print(f"\n predicted  observed   95 % interval  passages  0{' ' * (_BAR - 2)}1")
    for one in found.bins:
        interval = f"{one.low:.3f} - {one.high:.3f}"
        print(f"     {one.predicted:.3f}     {one.observed:.3f}   {interval}  {one.count:>8,}  {_bar(one)}")
    print(f"{'':41}= observed, - its interval, | predicted")
    if found.brier >= found.brier_base_rate:
        print("These scores tell nothing: the predictions are no better than always saying the base rate.")
    print(printable(f"\nWritten: {path}\n         {path.with_suffix('.svg')}"))


def _bar(one: ReliabilityBin) -> str:
    """Return a bar up to what was observed, the rest of its interval, and a mark where it should end."""
    columns = [" "] * _BAR
    for start, end, sign in ((0.0, one.observed, "="), (one.observed, one.high, "-")):
        for column in range(_column(start), _column(end)):
            columns[column] = sign
    columns[min(_column(one.predicted), _BAR - 1)] = "|"
    return "".join(columns).rstrip()


def _column(value: float) -> int:
    return round(value * _BAR)
