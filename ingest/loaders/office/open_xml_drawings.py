"""What is drawn in Word, PowerPoint and Excel files and holds words: charts, diagrams (SmartArt), descriptions of pictures.

This module knows nothing of where drawings stand.
"""

from __future__ import annotations

import re
from itertools import groupby

from ingest.loaders.extract import TextBuilder
from ingest.loaders.office.open_xml import Element
from ingest.loaders.office.open_xml_text import read_inline

_DRAWING_PARAGRAPH = "{http://schemas.openxmlformats.org/drawingml/2006/main}p"
# Descriptions that are none: names of files and web addresses, and the names that programs give (`Picture 3`, `图片 3`).
_NO_DESCRIPTION = re.compile(
    r".*\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg|webp|heic)|https?:\S+"
    r"|(?:picture|image|img|photo|graphics?|grafik|bild|chart|diagram|logo|图片|圖片|图像|图表)?[\s_-]*\d*",
    re.IGNORECASE | re.DOTALL,
)
_MADE_BY_PROGRAM = re.compile(
    r"\s*(?:description automatically generated.*|ai-generated content may be incorrect\.?|描述已自动生成.*)",
    re.IGNORECASE | re.DOTALL,
)


def description(text: str) -> str:
    """Return the alternative text of a picture if somebody wrote one, else an empty string."""
    words = _MADE_BY_PROGRAM.sub("", " ".join(text.split()))
    return "" if _NO_DESCRIPTION.fullmatch(words) else words


def drawing_lines(root: Element) -> list[str]:
    """Return the text of the paragraphs anywhere in a drawing."""
    lines = (read_inline(paragraph).text for paragraph in root.iter(_DRAWING_PARAGRAPH))
    return [line for line in lines if line]


def add_diagram(builder: TextBuilder, root: Element) -> None:
    """Add the words of a diagram's shapes as a list; `root` is that of its data part."""
    for line in drawing_lines(root):
        builder.list_item(line)


def add_chart(builder: TextBuilder, root: Element) -> None:
    """Add the titles of a chart as a paragraph, and what it shows as tables: a row for a category, a column for a series.

    The values are those that the file keeps beside the drawing. Series with categories of their own (as in a scatter
    chart) get a table of their own.
    """
    titles = [words for title in root.iter("{*}title") if (words := _words(title))]
    if titles:
        builder.paragraph(f"Chart: {'; '.join(titles)}")
    series = [
        (_name(element), _points(element, "cat", "xVal"), _points(element, "val", "yVal", "bubbleSize"))
        for element in root.iter("{*}ser")
    ]
    for categories, group in groupby(series, key=lambda each: each[1]):
        members = list(group)
        rows = [["", *(name for name, _, _ in members)]]
        indices = sorted(set(categories).union(*(values for _, _, values in members)))
        rows += [[categories.get(index, ""), *(values.get(index, "") for _, _, values in members)] for index in indices]
        builder.table(rows)
    if not series:  # the newer kinds (waterfall, treemap) have other elements
        points = [" ".join(element.text.split()) for element in root.iter("{*}v", "{*}pt") if element.text]
        builder.paragraph("; ".join(point for point in points if point))


def _words(title: Element) -> str:
    """Return the words of a title, typed or taken from a cell."""
    return " ".join(drawing_lines(title)) or " ".join(value.text or "" for value in title.iter("{*}v")).strip()


def _name(series: Element) -> str:
    stated = series.find("{*}tx")
    return "" if stated is None else _words(stated)


def _points(series: Element, *names: str) -> dict[int, str]:
    """Return the kept values under the first-level elements of these names, by their index."""
    points: dict[int, str] = {}
    for name in names:
        for point in series.iterfind(f"{{*}}{name}//{{*}}pt"):
            index, value = int(point.get("idx", "0")), (point.findtext("{*}v") or "").strip()
            # Categories of several levels, and the size of a bubble, stand together.
            points[index] = f"{points[index]} {value}" if index in points else value
    return points
