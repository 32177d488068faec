"""The reliability diagram: a picture that says what was measured, and does nothing else."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rag_app.evaluation.reliability_diagram import reliability_svg
from tests.calibrations import made_calibration

SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_a_picture_with_a_mark_and_an_interval_for_each_bin() -> None:
    calibration = made_calibration()
    root = ElementTree.fromstring(reliability_svg(calibration))
    marks = root.findall(f"{SVG}circle")
    assert len(marks) == len(calibration.reliability.bins) == 2
    assert [path.get("class") for path in root.findall(f"{SVG}path")].count("interval") == 2
    low, high = marks
    assert float(low.get("cx", "")) < float(high.get("cx", ""))
    assert float(low.get("cy", "")) > float(high.get("cy", ""))  # up is less
    texts = " ".join("".join(root.itertext()).split())
    for fact in ("calibration error 0.021", "Brier 0.050", "base rate 0.128", "hybrid, Mine <1>", "170", "passages"):
        assert fact in texts


def test_nothing_in_it_is_fetched_or_run_and_it_has_both_themes() -> None:
    text = reliability_svg(made_calibration(question_set='"><script>alert(1)</script><image href="http://x/"/>'))
    root = ElementTree.fromstring(text)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "path", "circle"}
    assert not re.search(r"(?:href|src|on\w+)=", re.sub(r"<(?:title|desc|text)[^>]*>[^<]*", "", text))
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize(("letter", "most"), [("a", 44), ("问", 22)])
def test_a_long_name_stays_in_the_picture(letter: str, most: int) -> None:
    root = ElementTree.fromstring(reliability_svg(made_calibration(question_set=letter * 200)))
    (title,) = [text for text in root.findall(f"{SVG}text") if text.get("class") == "title"]
    assert 8 < (title.text or "").count(letter) < most
