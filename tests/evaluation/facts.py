"""A small world with known answers: rooms of buildings, a document a building, and questions with and without answers."""

from __future__ import annotations

import json
from pathlib import Path

BUILDINGS = ("Ash", "Birch", "Cedar", "Damson", "Elm", "Fir", "Gorse", "Hazel")
ROOMS = ("kitchen", "library", "workshop", "archive", "studio")


def building_texts() -> dict[str, str]:
    """Return the documents by path; each room is a chapter of its own, so that it is a passage of its own."""
    return {
        f"docs/{building.lower()}.md": "\n\n".join(
            f"# {building} {room}\n\nThe {room} of {building} has {10 * number + place} chairs. "
            + f"It is cleaned every week and locked at night by the keeper of {building}. " * 12
            for place, room in enumerate(ROOMS)
        )
        for number, building in enumerate(BUILDINGS)
    }


def write_questions(path: Path) -> Path:
    """Write 40 questions with an answer, 8 without, as JSON lines."""
    rows: list[dict[str, str]] = [
        {
            "question": f"How many chairs has the {room} of {building}?",
            "answer": f"{10 * number + place} chairs",
            "source": f"{building.lower()}.md",
        }
        for number, building in enumerate(BUILDINGS)
        for place, room in enumerate(ROOMS)
    ]
    rows += [{"question": f"Who painted the roof of {building}?", "answer": ""} for building in BUILDINGS]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path
