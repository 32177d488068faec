"""What a build says while it runs. With `--events` each is a JSON line on standard error (docs/events.md).

This module knows nothing of who listens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """The stages of a build, in order, and messages, which may come at any time."""

    FILE = "file"  # a file has been read
    CHUNKED = "chunked"  # all files are read; `total` chunks
    EMBEDDING = "embedding"  # a model has embedded `done` of `total` chunks
    PUBLISHING = "publishing"  # everything is computed; the generation is being written
    DONE = "done"  # the new generation is live
    MESSAGE = "message"  # a sentence for a person


@dataclass(frozen=True)
class Event:
    """One event. `subject` is a file's path, a model's id, a generation's name, or a message."""

    kind: EventKind
    subject: str
    done: int = 0
    total: int = 0

    @classmethod
    def from_json(cls, line: str) -> Event:
        """Read what `to_json` gave.

        Raises:
            LookupError, TypeError, ValueError: it is not an event.
        """
        values = json.loads(line)
        return cls(EventKind(values["event"]), str(values["subject"]), int(values["done"]), int(values["total"]))

    def to_json(self) -> str:
        """Return the event as one line of JSON."""
        values = asdict(self)
        return json.dumps({"event": values.pop("kind")} | values, ensure_ascii=False)


EventHandler = Callable[[Event], None]
