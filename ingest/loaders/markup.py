"""Plain text, Markdown and HTML.

This module knows nothing of files: it is given bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.loaders.extract import Extract, decode, first_title, markdown_headings
from rag_app.errors import DocumentError
from rag_app.text import normalise

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)(?:---|\.\.\.)\n", re.DOTALL)
_FRONT_MATTER_TITLE = re.compile(r"^title:[ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE)


def load_text(data: bytes) -> Iterator[Extract]:
    """Yield a plain text file as it is."""
    yield Extract(decode(data))


def load_markdown(data: bytes) -> Iterator[Extract]:
    """Yield a Markdown file as it is, with its headings; the title is the front matter's or the first heading's."""
    text = decode(data)
    front_matter = _FRONT_MATTER.match(text)
    begin = front_matter.end() if front_matter else 0
    headings = tuple(heading for heading in markdown_headings(text) if heading.start >= begin)  # YAML comments are none
    stated = _FRONT_MATTER_TITLE.search(front_matter[1]) if front_matter else None
    yield Extract(text, title=stated[1] if stated and stated[1] else first_title(headings), headings=headings)


def load_html(data: bytes) -> Iterator[Extract]:
    """Yield the main text of a page as Markdown: without navigation, footers and scripts, with headings, lists and tables."""
    import trafilatura  # a second to import, and needed by this format alone

    tree = trafilatura.load_html(data)
    if tree is None:
        raise DocumentError("It is not readable HTML.")
    title = normalise(" ".join((tree.findtext(".//title") or "").split()))
    extracted = trafilatura.extract(
        tree,
        output_format="markdown",
        include_comments=False,
        include_tables=True,
        include_formatting=True,
        favor_recall=True,
    )
    text = normalise(extracted or "")
    headings = markdown_headings(text)
    yield Extract(text, title=title or first_title(headings), headings=headings)
