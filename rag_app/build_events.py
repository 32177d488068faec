"""What a build says while it runs. With `--events` each is a JSON line on standard error (docs/events.md).

This module knows nothing of who listens.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
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
    """One event. `subject` is a file's path, a model's id, a generation's name, or a message.

    Of a file, `status` says what became of it (`rag_app.datatypes.FileStatus`), and `reason` why, where there is one.
    """

    kind: EventKind
    subject: str
    done: int = 0
    total: int = 0
    status: str = ""
    reason: str = ""

    @classmethod
    def from_json(cls, line: str) -> Event:
        """Read what `to_json` gave.

        Raises:
            LookupError, TypeError, ValueError: it is not an event.
        """
        values = json.loads(line)
        return cls(
            EventKind(values["event"]),
            str(values["subject"]),
            int(values["done"]),
            int(values["total"]),
            str(values["status"]),
            str(values["reason"]),
        )

    def to_json(self) -> str:
        """Return the event as one line of JSON."""
        values = asdict(self)
        return json.dumps({"event": values.pop("kind")} | values, ensure_ascii=False)


EventHandler = Callable[[Event], None]

WARNING = "warning: "  # begins a message that someone should read

_LAST_FILES = 6
_LAST_MESSAGES = 50


@dataclass
class BuildLog:
    """What a build has said so far, for who looks at it from time to time. One thread writes it, others read.

    `last_files` are the events of the files that were read last, the latest last; `counts` how many files came to what.
    `warnings` are the messages that someone should read when it has ended. `generation` is empty until it is live.
    """

    last_files: deque[Event] = field(default_factory=lambda: deque(maxlen=_LAST_FILES))
    counts: Counter[str] = field(default_factory=Counter)
    message: str = ""
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_MESSAGES))
    generation: str = ""

    def note(self, event: Event) -> None:
        """Take an event in."""
        match event.kind:
            case EventKind.FILE:
                self.counts[event.status] += 1
                self.last_files.append(event)
            case EventKind.MESSAGE:
                self.message = event.subject
                if event.subject.startswith(WARNING):
                    self.warnings.append(event.subject)
            case EventKind.DONE:
                self.generation = event.subject
