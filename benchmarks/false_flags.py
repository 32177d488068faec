"""How often a passage is flagged as speaking to the model: in texts that do not, and in hostile ones.

    python benchmarks/false_flags.py PATH/TO/fastapi PATH/TO/squad.json

Of a folder the sections of its Markdown files are looked at, of a SQuAD file its paragraphs, of articles with odd and with even
numbers apart. The hostile ones are those of tests/data/hostile/documents.toml, which the patterns were written with.
"""

from __future__ import annotations

import argparse
import json
import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from rag_app.answering.prompting.hostile_text import speaks_to_the_model

DOCUMENTS = Path(__file__).parent.parent / "tests" / "data" / "hostile" / "documents.toml"
_SECTION = re.compile(r"\n(?=#)")


def main() -> None:
    """Print a Markdown table with a row for each set of texts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=Path)
    arguments = parser.parse_args()
    print("| texts | number | flagged | milliseconds a text |\n| --- | --- | --- | --- |")
    for source in arguments.sources:
        for name, texts in _texts(source):
            _print_row(name, texts)
    hostile = tomllib.loads(DOCUMENTS.read_text(encoding="utf-8"))["document"]
    _print_row("hostile documents", [f"{row['file']}\n{row['text']}{row.get('hidden', '')}" for row in hostile])


def _texts(source: Path) -> Iterator[tuple[str, list[str]]]:
    if source.is_dir():
        files = sorted(source.rglob("*.md"))
        sections = [part for file in files for part in _SECTION.split(file.read_text(encoding="utf-8"))]
        yield source.name, [section for section in sections if section.strip()]
        return
    articles = json.loads(source.read_text(encoding="utf-8"))["data"]
    for name, first in (("odd", 0), ("even", 1)):
        paragraphs = [paragraph["context"] for article in articles[first::2] for paragraph in article["paragraphs"]]
        yield f"{source.name}, {name}", paragraphs


def _print_row(name: str, texts: Sequence[str]) -> None:
    started = time.perf_counter()
    flagged = sum(map(speaks_to_the_model, texts))
    milliseconds = 1000 * (time.perf_counter() - started) / max(len(texts), 1)
    print(f"| {name} | {len(texts)} | {flagged} | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()
