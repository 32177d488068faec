"""JSON, JSON lines and Jupyter notebooks: what they say, as text that a reader can follow.

An object in a list is a record: one paragraph, `key: value; key: value`, as a row of a table is. Other entries become lines
`key.path: value`. Nothing is computed: numbers stay as they are written, and of two equal keys both are kept.
This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ingest.loaders.encoding import decode
from ingest.loaders.extract import Extract, LoadOptions, TextBuilder, first_title, not_read, paragraphs
from ingest.loaders.markdown import markdown_blocks
from ingest.loaders.records import load_squad
from rag_app.datatypes import Block, BlockKind
from rag_app.errors import DocumentError
from rag_app.text import normalise

_MAX_DEPTH = 100
_SHORT = 60  # characters of a string that stands in one line with others of its list
_HALF = re.compile("[\ud800-\udfff]")
_TERMINAL_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NAME_OF_OBJECT = re.compile(r"<[^\n]*>")  # `<Figure size 640x480 with 1 Axes>`: what Python prints for a picture
_PICTURES = ("image/", "png", "jpeg", "svg")  # by media type, and as the third format of notebooks named them
_EXTRA_DATA = "Extra data"
_CORRECT = "Correct it, then run again."
_FLATTEN = "Save it with fewer levels, or what it says as a text file."
# What Python says most often of a text that is not JSON, as the end of a sentence.
_REASONS = {
    "Expecting value": "expected value",
    "Expecting ',' delimiter": "expected ',' delimiter",
    "Expecting ':' delimiter": "expected ':' delimiter",
    "Expecting property name enclosed in double quotes": "expected property name enclosed in double quotes",
    "Unterminated string starting at": "Unterminated string",
}


class _Object(list[tuple[str, Any]]):
    """The entries of a JSON object, in their order; a key may stand twice."""


def load_json(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the records of a SQuAD file, or the text of any other JSON, a paragraph for each entry at the top.

    Raises:
        DocumentError: not JSON (with the place), nested too deeply, or an encoding that cannot be told.
    """
    decoded = decode(data)
    value = _parsed(decoded.text) if decoded.text.strip() else None
    if _is_squad(value):
        yield from load_squad(data, options)
        return
    yield _document(_paragraphs(value), _title(value), decoded.encoding)


def load_json_lines(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield the text of a file in which each line is JSON of its own, a paragraph for each.

    Raises:
        DocumentError: a line that is not JSON, by its number, or an encoding that cannot be told.
    """
    decoded = decode(data)
    lines = enumerate(decoded.text.split("\n"), start=1)
    texts = (_sentence(_leaves("", _parsed(line, number))) for number, line in lines if line.strip())
    yield _document(texts, "", decoded.encoding)


def load_notebook(data: bytes, options: LoadOptions) -> Iterator[Extract]:
    """Yield a Jupyter notebook: its Markdown as it is, its code, and what the code printed.

    Raises:
        DocumentError: not a notebook, or an encoding that cannot be told.
    """
    decoded = decode(data)
    if not decoded.text.strip():
        yield Extract("")
        return
    counts = Counter[str]()
    try:
        notebook: Any = json.loads(decoded.text, strict=False)
        # The third format had sheets of cells.
        sheets = [notebook] if "cells" in notebook else notebook["worksheets"]
        parts = [part for sheet in sheets for cell in sheet["cells"] for part in _cell(cell, counts)]
        stated = notebook.get("metadata", {}).get("title")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError("It is not a Jupyter notebook: expected JSON with cells.") from error
    extract = _joined(parts)
    title = " ".join(stated.split()) if isinstance(stated, str) else ""
    notes, remedy = not_read(counts)
    title = normalise(title) or first_title(extract.blocks)
    yield replace(extract, title=title, notes=tuple(notes), remedy=remedy, encoding=decoded.encoding)


def _parsed(text: str, line: int | None = None) -> Any:
    """Return the JSON of a text (of a line of that number): objects as `_Object`, numbers as they are written.

    Raises:
        DocumentError: not JSON, or nested too deeply.
    """
    try:
        value = json.loads(
            text, strict=False, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=str
        )
    except json.JSONDecodeError as error:
        raise _no_json(error, line) from error
    except RecursionError as error:
        found = "It is nested too deeply." if line is None else f"Line {line} is nested too deeply."
        raise DocumentError(found, _FLATTEN) from error
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level if isinstance(parent, list) for child in _children(parent)]
    if level:
        if line is None:
            raise DocumentError(f"It is nested more than {_MAX_DEPTH} levels deep.", _FLATTEN)
        raise DocumentError(f"Line {line} is nested more than {_MAX_DEPTH} levels deep.", _FLATTEN)
    return value


def _no_json(error: json.JSONDecodeError, line: int | None) -> DocumentError:
    """Return the error of a text, or of a line of that number, that is not JSON."""
    reason = _REASONS.get(error.msg, error.msg)
    if line is not None:
        return DocumentError(f"Line {line} is not JSON: column {error.colno}: {reason}.", _CORRECT)
    remedy = "If each line is JSON of its own, name it .jsonl." if error.msg == _EXTRA_DATA else _CORRECT
    return DocumentError(f"It is not JSON: line {error.lineno}, column {error.colno}: {reason}.", remedy)


def _children(parent: list[Any]) -> Iterable[Any]:
    return (child for _, child in parent) if isinstance(parent, _Object) else parent


def _is_squad(value: Any) -> bool:
    """Whether it holds what the loader of SQuAD reads."""
    articles = _list_of_objects(value, "data") if isinstance(value, _Object) else []
    groups = [_list_of_objects(article, "paragraphs") for article in articles]
    return bool(groups) and all(
        group and all(isinstance(dict(paragraph).get("context"), str) for paragraph in group) for group in groups
    )


def _list_of_objects(parent: _Object, key: str) -> list[_Object]:
    """Return the objects in the list under a key; none where it is something else."""
    value = dict(parent).get(key)
    if type(value) is not list or not all(isinstance(child, _Object) for child in value):
        return []
    return value


def _title(value: Any) -> str:
    entries = dict(value) if isinstance(value, _Object) else {}
    titles = (entries.get(key) for key in ("title", "name"))
    return next((" ".join(title.split()) for title in titles if isinstance(title, str) and title.strip()), "")


def _paragraphs(value: Any) -> Iterator[str]:
    """Yield a text for each entry at the top."""
    if isinstance(value, _Object):
        for key, child in value:
            yield from _entry(key, child)
    elif isinstance(value, list) and any(isinstance(child, list) for child in value):
        for child in value:
            yield _sentence(_leaves("", child))
    else:
        yield from _written(_leaves("", value))


def _entry(key: str, value: Any) -> Iterator[str]:
    """Yield the lines of an entry as one text, and each record in a list below it as a text of its own."""
    lines: list[str] = []
    remaining = [(key, value)]
    while remaining:
        path, value = remaining.pop()
        if isinstance(value, _Object):
            remaining += [(_below(path, key), child) for key, child in reversed(value)]
        elif isinstance(value, list) and any(isinstance(child, _Object) for child in value):
            yield "\n".join(lines)
            lines = []
            for child in value:
                sentence = _sentence(_leaves("", child))
                yield f"{path}: {sentence}" if sentence else ""
        else:
            lines += _written(_leaves(path, value))
    yield "\n".join(lines)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield everything that is said below a value, each with the path to it."""
    remaining = [(path, value)]
    while remaining:
        path, value = remaining.pop()
        if isinstance(value, _Object):
            remaining += [(_below(path, key), child) for key, child in reversed(value)]
        elif not isinstance(value, list):
            if word := _word(value):
                yield path, word
        elif any(isinstance(child, list) for child in value):
            numbered = [(f"{path}[{i}]" if value[1:] else path, child) for i, child in enumerate(value)]
            remaining += reversed(numbered)
        else:
            words = [word for child in value if (word := _word(child))]
            are_short = all(len(word) <= _SHORT and "\n" not in word for word in words)
            yield from ((path, word) for word in ([", ".join(words)] if words and are_short else words))


def _below(path: str, key: str) -> str:
    return ".".join(name for name in (path, " ".join(key.split())) if name)


def _word(value: Any) -> str:
    """Return what a value that holds no others says: nothing for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else ""


def _written(leaves: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{path}: {word}" if path else word for path, word in leaves]


def _sentence(leaves: Iterable[tuple[str, str]]) -> str:
    """Return a record as one line; as several where what it says has lines itself."""
    parts = _written(leaves)
    return ("\n" if any("\n" in part for part in parts) else "; ").join(parts)


def _document(texts: Iterable[str], title: str, encoding: str) -> Extract:
    builder = TextBuilder()
    notes: tuple[str, ...] = ()
    for text in texts:
        builder.paragraph(text)
        if _HALF.search(text):
            notes = ("Characters that are half of a pair (\\ud800 and the like) were replaced by \ufffd.",)
    return builder.build(Extract("", title=normalise(title), notes=notes, encoding=encoding))


def _cell(cell: Any, counts: Counter[str]) -> Iterator[Extract]:
    """Yield the parts of a notebook's cell, and count what is not read."""
    source = normalise(_lines(cell["source"] if "source" in cell else cell["input"]))
    kind = cell["cell_type"]
    counts["picture"] += len(cell.get("attachments", ()))
    if kind == "code":
        yield _code(source)
        for output in cell.get("outputs", ()):
            yield from _output(output, counts)
    elif kind in ("markdown", "heading"):
        source = f"{'#' * int(cell['level'])} {source}" if kind == "heading" else source
        yield Extract(source, blocks=markdown_blocks(source))
    else:
        yield Extract(source, blocks=paragraphs(source))


def _output(output: Any, counts: Counter[str]) -> Iterator[Extract]:
    if output["output_type"] in ("error", "pyerr"):
        yield _code(_printed(f"{output.get('ename')}: {output.get('evalue')}"))
        return
    forms = output.get("data", output)  # in the third format they stand beside the type
    has_picture = any(form.startswith(_PICTURES) for form in forms)
    counts["picture"] += has_picture
    plain = _lines(forms.get("text/plain", output.get("text", "")))
    if "text/markdown" in forms:
        text = normalise(_lines(forms["text/markdown"]))
        yield Extract(text, blocks=markdown_blocks(text))
    elif plain and not _NAME_OF_OBJECT.fullmatch(plain.strip()):
        yield _code(_printed(plain))
    elif not has_picture:
        counts["output"] += 1


def _lines(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _printed(text: str) -> str:
    r"""Return what a terminal shows: without colours, and of a line that was written over (`\r`) the last state."""
    lines = _TERMINAL_CONTROL.sub("", text).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _code(text: str) -> Extract:
    text = normalise(text).strip("\n").rstrip()
    return Extract(text, blocks=(Block(BlockKind.CODE, 0, len(text)),) if text else ())


def _joined(parts: Iterable[Extract]) -> Extract:
    """Return the parts as one document, a blank line between them."""
    texts: list[str] = []
    blocks: list[Block] = []
    position = 0
    for part in parts:
        if part.blocks:
            blocks += [replace(block, start=block.start + position, end=block.end + position) for block in part.blocks]
            texts.append(part.text)
            position += len(part.text) + 2
    return Extract("\n\n".join(texts), blocks=tuple(blocks))
