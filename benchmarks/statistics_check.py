"""Do the statistics of a comparison keep what they promise? Simulated comparisons, with known truth, through the shipped code.

    python benchmarks/statistics_check.py [--comparisons 10000] [--each 2000]

First, comparisons as they may be in practice: 35 documents or more, and drawn at random how many, how many questions on each,
how often the systems differ, and how much questions on a document resemble each other. Then the same scenarios over and over,
hard ones too: uneven documents, means near 0 and 1, rare differences; how often a difference as large as the margin is called
equivalent; and how often `smallest_difference` is shown. Fails where the first table is outside of what is promised.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice, product, repeat
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rag_app.evaluation.intervals import compare_pair
from rag_app.evaluation.request import DEFAULT_MARGIN
from rag_app.evaluation.verdicts import ERROR, smallest_difference
from tests.evaluation.simulated_comparisons import SEED, WITHIN, Scenario, covers, in_practice, measured


def main() -> None:
    """Print Markdown tables; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=10_000)
    parser.add_argument("--each", type=int, default=2_000, help="comparisons of each scenario of the other tables")
    arguments = parser.parse_args()
    is_kept = _practice(arguments.comparisons)
    _scenarios(arguments.each)
    _means(arguments.each)
    _equivalence(arguments.each)
    _power(arguments.each)
    sys.exit(not is_kept)


def _practice(count: int) -> bool:
    rng = np.random.default_rng(SEED)
    same = measured(islice(in_practice(rng, differs=False), count), rng)
    different = measured(islice(in_practice(rng, differs=True), count), rng)
    scenarios = islice(in_practice(rng, differs=False), count)
    covered = [covers(rng.uniform(0.1, 0.9), scenario, rng) for scenario in scenarios]
    print(f"{count:,} comparisons of each kind, as in practice\n")
    print("| | false positives | coverage |\n| --- | --- | --- |")
    print(f"| no difference | {same[0]:.4f} | {same[1]:.4f} |")
    print(f"| a difference | | {different[1]:.4f} |")
    print(f"| means from 0.1 to 0.9 | | {np.mean(covered):.4f} |", flush=True)
    coverages = (same[1], different[1], float(np.mean(covered)))
    return abs(same[0] - 0.05) <= WITHIN and all(abs(coverage - 0.95) <= WITHIN for coverage in coverages)


def _scenarios(count: int) -> None:
    print(f"\n{count:,} comparisons a row\n")
    print(
        "| documents | questions on each | differ | of them for a | correlation | graded | p up to 0.05 | coverage | width |"
    )
    print("| --- " * 9 + "|")
    rng = np.random.default_rng(SEED)
    for documents, each, (differ, for_a), correlation, graded in (
        *(
            (35, each, kind, 0.0, False)
            for each in (1, 10, 0)
            for kind in ((0.04, 0.5), (0.2, 0.5), (0.3, 0.7), (0.04, 1.0))
        ),
        *(
            (35, each, kind, 0.3, False)
            for each in (10, 0)
            for kind in ((0.04, 0.5), (0.2, 0.5), (0.3, 0.7), (0.04, 1.0))
        ),
        *((35, each, kind, 0.1, True) for each in (1, 10, 0) for kind in ((0.3, 0.5), (0.3, 0.7))),
        *((150, each, kind, 0.3, False) for each in (1, 10, 0) for kind in ((0.2, 0.5), (0.3, 0.7))),
    ):
        scenario = Scenario(documents, each, differ, for_a, correlation, graded)
        shown, covered, width = measured(repeat(scenario, count), rng)
        print(
            f"| {documents} | {each or 'uneven'} | {differ:.2f} | {for_a:.2f} | {correlation:.1f} "
            f"| {'yes' if graded else 'no'} "
            f"| {shown:.3f}{' (false)' if scenario.difference == 0 else ''} | {covered:.3f} | {width:.3f} |",
            flush=True,
        )


def _means(count: int) -> None:
    print(f"\n{count:,} means a row; the truth is drawn anew for each, between the two\n")
    print("| documents | questions on each | mean | correlation | coverage | by percentiles |\n" + "| --- " * 6 + "|")
    rng = np.random.default_rng(SEED)
    for documents, each, (low, high), correlation in product(
        (35, 100), (1, 10, 0), ((0.02, 0.06), (0.3, 0.7), (0.9, 0.98)), (0.0, 0.1, 0.3)
    ):
        if each == 1 and correlation:
            continue  # questions alone on their document resemble none
        scenario = Scenario(documents, each, 0.2, 0.5, correlation, graded=False)
        covered = [covers(rng.uniform(low, high), scenario, rng) for _ in range(count)]
        percentiles = [_percentiles_cover(rng.uniform(low, high), scenario, rng) for _ in range(count)]
        print(
            f"| {documents} | {each or 'uneven'} | {low} to {high} | {correlation} "
            f"| {np.mean(covered):.3f} | {np.mean(percentiles):.3f} |",
            flush=True,
        )


def _percentiles_cover(mean: float, scenario: Scenario, rng: np.random.Generator) -> bool:
    """Return whether the plain bootstrap by document holds the truth: percentiles of 1,000 means."""
    values, groups = scenario.draw_right(mean, rng)
    drawn = rng.multinomial(scenario.documents, np.full(scenario.documents, 1 / scenario.documents), 1_000)
    means = (drawn @ np.bincount(groups, values)) / (drawn @ np.bincount(groups))
    low, high = np.quantile(means, [0.025, 0.975])
    return bool(low <= mean <= high)


def _equivalence(count: int) -> None:
    print(f"\n{count:,} comparisons a row: called equivalent within {DEFAULT_MARGIN}\n")
    print("| documents | questions on each | differ | correlation | true difference | equivalent |")
    print("| --- " * 6 + "|")
    rng = np.random.default_rng(SEED)
    for documents, each in ((150, 1), (200, 1), (500, 1), (60, 10), (100, 10), (100, 0), (200, 10)):
        for differ, difference in ((0.02, 0.02), (0.04, 0.02), (0.04, 0.0)):
            correlation = 0.0 if each == 1 else 0.1
            scenario = Scenario(documents, each, differ, (1 + difference / differ) / 2, correlation, graded=False)
            tests = [compare_pair(*scenario.draw(rng), SEED).equivalence for _ in range(count)]
            called = np.mean([low > -DEFAULT_MARGIN and high < DEFAULT_MARGIN for low, high in tests])
            print(
                f"| {documents} | {each or 'uneven'} | {differ} | {correlation} | {difference} "
                f"| {called:.3f}{' (false)' if difference else ''} |",
                flush=True,
            )


def _power(count: int) -> None:
    print("\nHow often the smallest difference that a sample is said to show is shown (0.8 is promised)\n")
    print("| documents | questions on each | differ | correlation | comparisons | smallest | shown |")
    print("| --- " * 7 + "|")
    rng = np.random.default_rng(SEED)
    for documents, each, correlation in ((35, 10, 0.0), (35, 10, 0.1), (100, 1, 0.0), (100, 0, 0.1), (300, 1, 0.0)):
        for comparisons in (1, 12):
            error = ERROR / comparisons
            same = Scenario(documents, each, 0.3, 0.5, correlation, graded=False)
            said = np.median(
                [smallest_difference(compare_pair(*same.draw(rng), SEED).spread, error) for _ in range(100)]
            )
            different = Scenario(documents, each, 0.3, (1 + float(said) / 0.3) / 2, correlation, graded=False)
            shown = np.mean([compare_pair(*different.draw(rng), SEED).p <= error for _ in range(count)])
            print(
                f"| {documents} | {each or 'uneven'} | 0.3 | {correlation} | {comparisons} | {said:.3f} | {shown:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
