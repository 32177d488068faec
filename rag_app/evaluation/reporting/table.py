"""A comparison as a terminal shows it: verdicts in words, quality with intervals, costs, notes.

Tables are cut by columns where they are wider than the terminal, never by rows. This module knows nothing of flags.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rag_app.evaluation.comparison import Comparison
from rag_app.evaluation.reporting.headlines import estimate_of, headlines, metric_names, verdict_counts
from rag_app.evaluation.reporting.markup import UNKNOWN, figure
from rag_app.evaluation.reporting.questions import counted_questions
from rag_app.text import printable

# Where standard output is no terminal, as wide as this, as the report of a build is.
WIDTH = 160
_NAME = 44  # columns, at most, for a system's name

_GAP = 2  # columns

# A title, and a cell for each system.
_Column = tuple[str, list[str]]


def comparison_table(comparison: Comparison, width: int = WIDTH) -> str:
    """Return the comparison as text without colours, `width` columns wide."""
    output = io.StringIO()
    console = Console(file=output, width=width, highlight=False, markup=False, color_system=None, emoji=False)
    systems = "1 system" if len(comparison.systems) == 1 else f"{len(comparison.systems)} systems"
    _say(console, f"{comparison.dataset}: {counted_questions(comparison.questions)}, {systems}, 95 % intervals")
    for table in _tables(comparison, width):
        console.print()
        console.print(table)
    for headline in headlines(comparison):
        console.print()
        _say(console, headline.lead)
        for _, said in headline.verdicts:
            _say(console, said, indent=2)
    if comparison.pairs:
        console.print()
        _say(
            console,
            f"All pairs by all metrics: {len(comparison.pairs):,} comparisons, of which {verdict_counts(comparison.pairs)}.",
        )
    for note in comparison.notes:
        _say(console, f"Note: {note}")
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def _say(console: Console, text: str, indent: int = 0) -> None:
    console.print(Padding(Text(_plain(text)), (0, 0, 0, indent)))


def _tables(comparison: Comparison, width: int) -> list[Table]:
    """Return tables with a row a system, each with as many columns as fit."""
    name_width = min(_NAME, width // 2)
    groups: list[list[_Column]] = []
    room = 0
    for title, cells in _columns(comparison):
        lines = (line for text in (_title(title), *cells) for line in text.split("\n"))
        needed = _GAP + max(cell_len(line) for line in lines)
        if not groups or needed > room:
            groups.append([])
            room = width - name_width
        room -= needed
        groups[-1].append((title, cells))
    names = [
        f"{number} {printable(one.name, keep_line_breaks=False)}" for number, one in enumerate(comparison.systems, 1)
    ]
    return [_table(names, columns, name_width) for columns in groups]


def _columns(comparison: Comparison) -> list[_Column]:
    systems = comparison.systems
    costs = dict.fromkeys(name for one in systems for name in one.cost)
    return [
        *((name, [_quality(comparison, one.name, name) for one in systems]) for name in metric_names(comparison)),
        *((name, [_plain(figure(one.cost.get(name))) for one in systems]) for name in costs),
        ("questions failed", [f"{one.failures:,}" for one in systems]),
        ("passages not read whole", [f"{one.truncated:,}" for one in systems]),
    ]


def _quality(comparison: Comparison, system: str, metric: str) -> str:
    found = estimate_of(comparison, system, metric)
    return UNKNOWN if found is None else f"{found.mean:.3f}\n{found.low:.3f}-{found.high:.3f}"


def _table(names: Sequence[str], columns: Sequence[_Column], name_width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    table.add_column("system", overflow="fold", max_width=name_width - _GAP)
    for title, _ in columns:
        table.add_column(Text(_title(title)), justify="right", no_wrap=True)
    for number, name in enumerate(names):
        table.add_row(Text(name), *(Text(cells[number]) for _, cells in columns))
    return table


def _title(name: str) -> str:
    """Return a name in two lines of about the same length, so that its column is no wider than it has to be."""
    words = _plain(name).split(" ")
    cut = min(range(len(words) + 1), key=lambda place: max(len(" ".join(words[:place])), len(" ".join(words[place:]))))
    return "\n".join(part for part in (" ".join(words[:cut]), " ".join(words[cut:])) if part)


def _plain(text: str) -> str:
    return printable(text, keep_line_breaks=False)
