"""The builds that are killed: what is there before, what is asked for, and what must be there after.

This module knows nothing of how a build is killed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tests.crash.builds import Content, Outcome, Request, Stage, served
from tests.crash.disk import Disk
from tests.crash.shim import Kind, Mode, Step, read_journal
from tests.crash.stand_ins import write_model


@dataclass(frozen=True)
class Scenario:
    """One build, uninterrupted: its steps lead from `old` to `new`, and the same build once more leads to `again`.

    `gone` is a word that must be nowhere then, where it is a purge. `template` is a folder with what is there before,
    `finished` one with what is there after; `steps` are those that did something, out of `count`.
    """

    name: str
    stage: Stage
    request: Request
    gone: str
    template: Path
    finished: Path
    old: Content | None
    new: Content
    again: Content
    count: int
    steps: tuple[Step, ...]
    _disk: Disk

    def disk(self) -> Disk:
        """Return the disk as it is before the first step."""
        return deepcopy(self._disk)

    def build(self, place: Path, mode: Mode = Mode.WATCH, step: int = 0) -> Outcome:
        """Run the build at a place; at the given step what the mode says happens."""
        return self.stage.build(place, self.request, mode, step)

    @property
    def placing(self) -> int:
        """The index in `steps` of the one that puts the new generation in its place; CURRENT has yet to name it."""
        (index,) = (
            index for index, step in enumerate(self.steps) if step.kind is Kind.RENAME and "/gen-" in step.other
        )
        return index

    def copy_template(self, place: Path) -> None:
        """Put what is there before at another place."""
        _copy(self.template, place)


# It stands in one document as it does in the keyword index.
_PURGED = "toner"


def _copy(folder: Path, place: Path) -> None:
    subprocess.run(["cp", "-a", folder, place], check=True)  # keeps hard links


def _write(docs: Path, name: str, *parts: str) -> None:
    sections = "".join(f"## Part {number}\n\n{part}\n\n" for number, part in enumerate(parts))
    (docs / name).write_text(f"# {name}\n\n{sections}", encoding="utf-8")


def _write_documents(docs: Path, more: int) -> None:
    docs.mkdir()
    for number in range(more):
        _write(
            docs, f"minutes-{number}.md", *(f"Item {item} of meeting {number} was put off. " * 9 for item in range(8))
        )
    _write(docs, "passwords.md", "An account is locked for half an hour. " * 8, "Open the reset portal. " * 12)
    _write(docs, "vpn.md", "The VPN needs Harbour Connect. " * 12, "Private computers are not admitted. " * 12)
    _write(docs, "printing.md", "Badges release print jobs. " * 12, "The toner is in the store room. " * 12)
    _write(docs, "密码.md", "请打开重置页面设置新密码。" * 12)
    (docs / "empty.md").write_text("")


def _edit(docs: Path, number: int) -> None:
    """Change a file, remove one and add one."""
    _write(docs, "vpn.md", "The VPN needs Harbour Connect. " * 12, f"Version {number} is out. " * 12)
    for path in docs.glob("news-*.md"):
        path.unlink()
    _write(docs, f"news-{number}.md", f"The canteen has moved to floor {number}. " * 10, "Parking is full. " * 12)


def _build(stage: Stage, place: Path, request: Request, journal: Path | None = None) -> Outcome:
    outcome = stage.build(place, request, journal=journal)
    assert outcome.error == "", outcome.message
    return outcome


def _first(stage: Stage, template: Path, docs: Path) -> Request:
    return Request((str(docs),), (str(write_model(docs.parent / "models" / "one")),))


def _edited(stage: Stage, template: Path, docs: Path) -> Request:
    _build(stage, template, _first(stage, template, docs))
    for number in range(3):  # until there is a generation to be removed and one to be kept
        _edit(docs, number)
        if number < 2:
            _build(stage, template, Request())
    return Request()


def _second_model(stage: Stage, template: Path, docs: Path) -> Request:
    _build(stage, template, _first(stage, template, docs))
    return Request(embed_models=(str(write_model(docs.parent / "models" / "two")),))


def _purged(stage: Stage, template: Path, docs: Path) -> Request:
    _build(stage, template, _first(stage, template, docs))
    _edit(docs, 0)
    _build(stage, template, Request())
    return Request(purged=(f"{docs.name}/printing.md",))  # of what it says, `_PURGED` stands in no other document


BUILDS = ("first", "edit", "second model")
PREPARATIONS: dict[str, Callable[[Stage, Path, Path], Request]] = {
    "first": _first,
    "edit": _edited,
    "second model": _second_model,
    "purge": _purged,
}


def make_scenario(name: str, stage: Stage, folder: Path, more: int = 0) -> Scenario:
    """Prepare a scenario below a folder and run its build to the end, twice; `more` documents make it take longer."""
    docs, template, finished, journal = (folder / part for part in ("docs", "before", "after", "journal"))
    _write_documents(docs, more)
    template.mkdir()
    request = PREPARATIONS[name](stage, template, docs)
    old = served(template)
    _copy(template, finished)
    disk = Disk(finished)
    outcome = _build(stage, finished, request, journal)
    new = served(finished)
    assert new is not None
    assert new != old
    once_more = folder / "again"
    _copy(finished, once_more)
    _build(stage, once_more, request)
    again = served(once_more)
    assert again is not None
    gone = _PURGED if request.purged else ""
    steps = tuple(read_journal(journal))
    return Scenario(name, stage, request, gone, template, finished, old, new, again, outcome.steps, steps, disk)
