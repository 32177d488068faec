"""What a difference comes to: Holm's adjustment, equivalence, what the sample could have shown, and words for it.

This module knows nothing of how an interval or a p comes about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm, t

from rag_app.evaluation.comparison import Pair, Verdict

ERROR = 0.05
POWER = 0.8
_MOST_QUESTIONS = 100_000  # nobody writes more


@dataclass(frozen=True)
class Spread:
    """How much the mean difference of a sample may move.

    `variance` is that of one question, design effect included; `questions` on `groups` documents. `added_questions` and
    `added_squares` are the number and the squared differences of the questions that are added before an interval is read off.
    """

    variance: float
    questions: int
    groups: int
    added_questions: float
    added_squares: float

    @property
    def standard_error(self) -> float:
        """Standard error of the mean difference."""
        return math.sqrt(self.variance * self.questions + self.added_squares) / (self.questions + self.added_questions)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted for being so many.

    The procedure is that of S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def verdict_of(difference: float, p_adjusted: float, equivalence: tuple[float, float], margin: float) -> Verdict:
    """Return what a difference of the first system minus the second comes to.

    A difference that is shown, and shown to be below the margin, is one that does not matter: equivalent.

    Args:
        difference: mean of the first minus mean of the second.
        p_adjusted: adjusted over all comparisons.
        equivalence: interval of 90 % of the difference.
        margin: differences below it do not matter.
    """
    if -margin < equivalence[0] and equivalence[1] < margin:
        return Verdict.EQUIVALENT
    if p_adjusted > ERROR:
        return Verdict.CANNOT_TELL
    return Verdict.BETTER if difference > 0 else Verdict.WORSE


def smallest_difference(spread: Spread, error: float) -> float:
    """Return the smallest difference that a sample like this shows four times in five; 1.0 where it could show none.

    Args:
        spread: of the sample.
        error: what p has to stay below: 0.05 over the number of comparisons, as for the first that Holm's adjustment lets pass.
    """
    if not _could_show(spread.groups, error):
        return 1.0
    freedom = spread.groups - 1
    return min(1.0, float(t.ppf(1 - error / 2, freedom) + t.ppf(POWER, freedom)) * spread.standard_error)


def more_questions(difference: float, spread: Spread, error: float, margin: float) -> int | None:
    """Return how many more questions give a verdict four times in five, if the difference and its spread are what they seem.

    They are questions like these, so many a document as now. Either verdict will do, so it is the lower number: that for which
    this difference is shown, or that for which it is shown to be within the margin.

    Args:
        difference: the one observed.
        spread: of the sample.
        error: what p has to stay below.
        margin: that of equivalence.

    Returns:
        At least 1; None with a single document, which says nothing of others, or above 100,000.
    """
    if spread.groups < 2:
        return None
    shown = abs(difference) / float(norm.isf(error / 2) + norm.ppf(POWER))
    # Both one-sided tests have to pass, so that half of the failures are left to each.
    within = (margin - abs(difference)) / float(norm.isf(ERROR) + norm.ppf((1 + POWER) / 2))
    fewest = _questions_for(max(shown, within), spread)
    fewest = max(fewest, _fewest_groups(error) * spread.questions / spread.groups)
    if fewest > spread.questions + _MOST_QUESTIONS:
        return None
    return max(1, math.ceil(fewest) - spread.questions)


def words(pair: Pair, *, comparisons: int, margin: float) -> str:
    """Return the verdict as a sentence.

    Args:
        pair: the comparison of two systems by a metric.
        comparisons: how many there are in all, over which p was adjusted.
        margin: that of equivalence.
    """
    p = "p < 0.001" if pair.p_adjusted < 0.001 else f"p {pair.p_adjusted:.3f}"
    corrected = f" after correcting for {comparisons} comparisons" if comparisons > 1 else ""
    figures = f"{pair.difference:+.3f} ({pair.low:.3f} to {pair.high:.3f}), {p}{corrected}"
    match pair.verdict:
        case Verdict.BETTER | Verdict.WORSE:
            return f"{pair.a} is {pair.verdict.value} than {pair.b} by {pair.metric}: {figures}."
        case Verdict.EQUIVALENT:
            return f"{pair.a} and {pair.b} are equivalent by {pair.metric}, within {margin:g}: {figures}."
        case Verdict.CANNOT_TELL:
            return (
                f"Cannot tell yet whether {pair.a} or {pair.b} is better by {pair.metric}: {figures}. "
                f"{_what_is_missing(pair)}"
            )


def _what_is_missing(pair: Pair) -> str:
    if pair.more_questions is None:
        return (
            f"{_MOST_QUESTIONS:,} more like these would not tell: ask about more documents, or choose another margin."
        )
    more = rounded_up(pair.more_questions)
    questions = "1 more question" if more == 1 else f"{more:,} more questions"
    shown = f"These could show a difference of {pair.smallest:.3f}" if pair.smallest < 1 else "These could show none"
    return f"Ask about {questions}. {shown}."


def rounded_up(number: int) -> int:
    """Return a forecast of questions with the two digits that it has at most."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step


def _questions_for(standard_error: float, spread: Spread) -> float:
    """Return how many questions have this standard error: the larger root of `Spread.standard_error`, solved for them."""
    if standard_error <= 0:
        return math.inf
    squared, added = standard_error**2, spread.added_questions
    half = added - spread.variance / squared / 2
    return -half + math.sqrt(max(0.0, half**2 - added**2 + spread.added_squares / squared))


def _could_show(groups: int, error: float) -> bool:
    return groups >= _fewest_groups(error)


def _fewest_groups(error: float) -> int:
    """Return of how many groups the signs can be tossed in so many ways that all being alike is rarer than the error."""
    return math.ceil(1 - math.log2(error))
