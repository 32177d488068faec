"""Question-answering and retrieval data sets: SQuAD JSON and the corpus of a BEIR folder, one document a record.

Their questions are not documents; the comparison of models reads those.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, paragraphs
from rag_app.errors import DocumentError
from rag_app.text import normalise


def load_squad(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the paragraphs of a SQuAD 1.1 or 2.0 file; a record is named by article and paragraph: `Normans/3`.

    Raises:
        DocumentError: another kind of JSON.
    """
    decoded = decode(data)
    try:
        content: Any = json.loads(decoded.text)
        articles = [(article.get("title", ""), article["paragraphs"]) for article in content["data"]]
        contexts = [
            (_checked(title).replace("_", " "), f"{title or i}/{j}", _checked(paragraph["context"]))
            for i, (title, group) in enumerate(articles)
            for j, paragraph in enumerate(group)
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(
            "It is not a SQuAD file: expected JSON with data[].paragraphs[].context.", "Correct it, then run again."
        ) from error
    for title, record, context in contexts:
        yield Extract(context, title, record, blocks=paragraphs(context), encoding=decoded.encoding)


def load_beir_corpus(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the documents of a BEIR `corpus.jsonl`, named by their `_id`.

    Raises:
        DocumentError: a line that is not such a document, by its number.
    """
    decoded = decode(data)
    for number, line in enumerate(decoded.text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            record, title, text = _named(row["_id"]), _checked(row.get("title") or ""), _checked(row["text"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DocumentError(
                f"Line {number} is not a BEIR document: expected JSON with _id, title and text.",
                "Correct it, then run again.",
            ) from error
        yield Extract(text, title, record, blocks=paragraphs(text), encoding=decoded.encoding)


def _checked(value: str) -> str:
    r"""Return the normalised text of a JSON string; half a surrogate pair (`\ud800`) alone is no text (ValueError)."""
    value.encode()
    return normalise(value)


def _named(record: object) -> str:
    """Return a record's id; without one it could not be told from the file."""
    name = str(record)
    if not name.strip():
        raise ValueError("an empty _id")
    return name
