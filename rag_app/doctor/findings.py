"""What the doctor says: findings, each with its state and, where something is to be done, the command that does it.

This module knows nothing of what is looked at.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rag_app.config import SettingInForce
from rag_app.errors import RagAppError
from rag_app.sayings import Saying

_PACKAGE = "rag_app.doctor"
# The command in a remedy: what errors write is a sentence, and it stands at the sentence's end or in quotes.
_COMMAND = re.compile(r"(?:python -m ingest|rag-app|pip install) (?:[^;'.]|\.(?!\s|$))+")


class State(StrEnum):
    """How a finding is: something does not work; something may be better; all is well."""

    WRONG = "wrong"
    NOTE = "note"
    FINE = "fine"


class Section(StrEnum):
    """What a finding is about."""

    PROGRAM = "program"
    SETTINGS = "settings"
    SERVER = "server"
    KNOWLEDGE_BASES = "knowledge_bases"
    MODELS = "models"
    READING = "reading"


@dataclass(frozen=True)
class Finding:
    """What was found. `command` mends it, empty where none does; `detail` is an error in its own words, in English."""

    section: Section
    state: State
    saying: Saying
    command: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """Return what `rag-app doctor --json` prints of it."""
        return {
            "section": self.section,
            "state": self.state,
            "about": self.saying.key,
            "found": str(self.saying),
            "command": self.command,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were looked for, and the settings in force."""

    findings: tuple[Finding, ...]
    settings: tuple[SettingInForce, ...]

    def of(self, state: State) -> tuple[Finding, ...]:
        """Return the findings of a state."""
        return tuple(finding for finding in self.findings if finding.state is state)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; there may be notes."""
        return not self.of(State.WRONG)

    def as_json(self) -> dict[str, Any]:
        """Return what `rag-app doctor --json` prints; docs/doctor.md documents its keys."""
        return {
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "settings": [
                {"name": setting.name, "value": setting.value, "set_by": setting.origin} for setting in self.settings
            ],
        }


def found(
    section: Section, state: State, key: str, /, *, command: str = "", detail: str = "", **values: object
) -> Finding:
    """Return a finding that says `key` of the doctor's sayings."""
    return Finding(section, state, Saying(_PACKAGE, key, **values), command, detail)


def found_error(section: Section, state: State, key: str, error: RagAppError, /, **values: object) -> Finding:
    """Return a finding of an error: its own words are the detail, and the command in its remedy mends it."""
    match = _COMMAND.search(error.remedy)
    return found(section, state, key, command=match.group().strip() if match else "", detail=str(error), **values)


def with_root(command: str, indexes: Path) -> str:
    """Return a command with the index root where that is not the one it would take by itself."""
    return command if indexes == Path("indexes") else f"{command} --indexes {shlex.quote(str(indexes))}"


def as_text(diagnosis: Diagnosis, language: str = "en") -> str:
    """Return a diagnosis as lines: what is wrong first, then what may be better, then the facts and the settings."""
    lines = []
    for state in State:
        for finding in diagnosis.of(state):
            head = Saying(_PACKAGE, f"state_{state}").in_language(language)
            lines.append(f"{head}  {finding.saying.in_language(language)}")
            if finding.command:
                lines.append(f"    {finding.command}")
            if finding.detail and state is not State.FINE:
                lines.append(f"    ({finding.detail})")
    settings = (
        f"  {setting.name} = {setting.value}  ({Saying(_PACKAGE, f'origin_{setting.origin}').in_language(language)})"
        for setting in diagnosis.settings
    )
    return "\n".join([*lines, Saying(_PACKAGE, "settings").in_language(language), *settings])
