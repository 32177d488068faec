"""The edge between the commands and a terminal: errors become one line and an exit code, never a traceback.

Data goes to standard output, messages to standard error. This module knows nothing of what the commands do.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import sys
from collections.abc import Callable

from rag_app.errors import RagAppError
from rag_app.text import printable, whole_characters
from rag_app.waiting_threads import let_threads_sleep

INTERRUPTED = 130
# Python's own is 700. From 10,000 to 100,000, imports take the same.
_NEW_OBJECTS = 20_000


def say(message: str) -> None:
    """Print a message for a person to standard error, with control characters shown instead of obeyed."""
    print(printable(message), file=sys.stderr, flush=True)


def as_typed(text: str) -> str:
    """Return the text of an argument, which Python took apart byte by byte where the locale knows no Chinese (LC_ALL=C).

    What is not UTF-8, as from a terminal of another encoding, cannot be known: it becomes U+FFFD.
    """
    try:
        return text.encode(errors="surrogateescape").decode(errors="replace")
    except UnicodeEncodeError:  # half a pair that stands for no byte: Windows lets it through
        return whole_characters(text)


def print_json(value: object) -> None:
    """Print one JSON object to standard output, in ASCII where the output's encoding has no Chinese."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    print(json.dumps(value, ensure_ascii=not is_unicode))


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts: `1 passage`, `1,234 passages`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def run_command(command: Callable[[], object]) -> None:
    """Run a command line program and exit with its code.

    An error of ours is printed in one line. Any other is a defect: it is named in one line, and shown in full only where
    RAG_APP_TRACEBACK is set.
    """
    _collect_seldom()
    let_threads_sleep()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show Chinese must not end the command
    try:
        command()
    except RagAppError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer turns Ctrl-C into this, without a word
            say("Interrupted. What was there before is as it was.")
        raise
    except BrokenPipeError:  # the reader of a pipe (`| head`) has gone: nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # the edge: whatever it is, a person gets a sentence
        if os.environ.get("RAG_APP_TRACEBACK"):
            raise
        detail = str(error).strip().splitlines()
        say(
            f"error: unexpected {type(error).__name__}{': ' + detail[0][:200] if detail else ''}. "
            "Set RAG_APP_TRACEBACK=1 to see where, and please report it."
        )
        sys.exit(1)


def _collect_seldom() -> None:
    """Look for unreachable objects less often, and at the end not at all.

    The million objects that come with torch and its like stay. Python looks through them again and again while they are
    imported, and at its end takes them apart one by one: a second each.
    """
    gc.set_threshold(_NEW_OBJECTS)
    atexit.register(gc.freeze)
