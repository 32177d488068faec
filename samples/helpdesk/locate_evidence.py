"""Find each quote of questions.jsonl in the text that the project extracts, and write its character span beside it.

Each evidence entry gets `start` and `end`, offsets into the extracted text of its document. White space is not compared:
the lines of a PDF are broken elsewhere than those of its source. A quote that is not there, or is there more than once, is
an error. ``--check`` writes nothing and exits with 1 if a span differs.

    python samples/helpdesk/locate_evidence.py
    python samples/helpdesk/locate_evidence.py --check
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path

from ingest.loaders.extract import LoadOptions
from ingest.loaders.registry import loader_for

HERE = Path(__file__).resolve().parent


@cache
def extracted_text(source: str) -> str:
    """Return the text of a document of the handbook as the project's loaders give it."""
    file = HERE / "handbook" / source
    loader = loader_for(file.name)
    if loader is None:
        raise SystemExit(f"{source}: no loader reads this format.")
    return next(loader.load(file.read_bytes(), LoadOptions())).text


def locate(source: str, quote: str) -> tuple[int, int]:
    """Return where the quote stands in the document, as offsets into its extracted text."""
    text = extracted_text(source)
    positions = [i for i, character in enumerate(text) if not character.isspace()]
    bare_text = "".join(text[i] for i in positions)
    bare_quote = "".join(quote.split())
    found = bare_text.count(bare_quote)
    if found != 1:
        raise SystemExit(f"{source}: expected the quote once, found it {found} times: {quote}")
    first = bare_text.index(bare_quote)
    return positions[first], positions[first + len(bare_quote) - 1] + 1


def main() -> None:
    """Write the spans, or compare them."""
    parser = argparse.ArgumentParser(description="Write the spans of the evidence quotes.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 if a span differs")
    check = parser.parse_args().check
    file = HERE / "questions.jsonl"
    before = file.read_text(encoding="utf-8")
    lines = []
    for line in before.splitlines():
        question = json.loads(line)
        for evidence in question["evidence"]:
            evidence["start"], evidence["end"] = locate(evidence["source"], evidence["text"])
        lines.append(json.dumps(question, ensure_ascii=False))
    after = "\n".join(lines) + "\n"
    if check:
        sys.exit(before != after)
    file.write_text(after, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
