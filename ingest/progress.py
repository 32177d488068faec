"""Shows a build's events on standard error: a progress bar for a person, or a JSON line each for a program.

This module knows nothing of how a build works.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rag_app.build_events import Event, EventHandler, EventKind
from rag_app.terminal import say
from rag_app.text import printable


def json_lines(event: Event) -> None:
    """Print an event as one line of JSON."""
    print(event.to_json(), file=sys.stderr, flush=True)


@contextmanager
def progress_bar() -> Iterator[EventHandler]:
    """Give a handler that draws the stages of a build; messages are printed above the bar.

    Where standard error is no terminal, only messages are printed.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda event: say(event.subject) if event.kind is EventKind.MESSAGE else None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def on_event(event: Event) -> None:
            if event.kind is EventKind.MESSAGE:
                progress.console.print(escape(printable(event.subject)), highlight=False)
            elif event.kind in (EventKind.FILE, EventKind.EMBEDDING):
                is_file = event.kind is EventKind.FILE
                label = "Reading files" if is_file else f"Embedding with {escape(printable(event.subject))}"
                if label not in tasks:
                    tasks[label] = progress.add_task(label, total=event.total)
                progress.update(tasks[label], completed=event.done)

        yield on_event
