"""The report of a comparison: complete, the same twice, fetching nothing, and proof against whatever was compared."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.comparison import Comparison, Found
from rag_app.evaluation.reporting.markup import signed
from rag_app.evaluation.reporting.questions import LONGEST, questions_json
from rag_app.evaluation.reporting.report import report_html, write_report
from rag_app.evaluation.reporting.table import comparison_table
from rag_app.text import printable
from tests.comparisons import made_comparison
from tests.hostile_comparison import PAYLOADS, hostile_comparison

VOID = {"meta", "link", "br", "input", "path", "circle", "rect"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.text += data

    def attributes(self, name: str) -> Iterator[str | None]:
        return (values[name] for _, values in self.elements if name in values)

    @property
    def data(self):
        return json.loads(self.raw["script"][0])


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return made_comparison()


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> Page:
    return Page(report_html(comparison))


def test_it_says_what_was_compared_and_what_came_of_it(comparison: Comparison, page: Page) -> None:
    text = " ".join(page.text.split())
    assert page.open == []
    for wanted in (
        "Comparison: handbook 手册",
        "4 systems, 60 questions, 15 of them unanswerable, from 15 documents.",
        "margin of equivalence is 0.02, the seed 20260",
        *(system.name for system in comparison.systems),
        *comparison.notes,
        "milliseconds a question",
        "passages not read whole",
        "Apache-2.0",
        "5f2c" * 16,
        "faiss-cpu",
        "0123456789abcdef",
        "calibration error",
    ):
        assert wanted in text, wanted
    assert text.index("Before you read on") < text.index("What it comes to") < text.index("Quality")
    best = comparison.metrics[comparison.systems[3].name]["ndcg@10"]
    assert f"{best.mean:.3f} ({best.low:.3f} to {best.high:.3f}) over 45 questions" in text
    for pair in comparison.pairs:
        assert f"{signed(pair.low)} to {signed(pair.high)}" in text


def test_nothing_is_fetched_and_only_its_own_script_and_style_are_allowed(page: Page) -> None:
    assert not list(page.attributes("src"))
    assert set(page.attributes("href")) - {"data:,"} == {
        f"#{values['id']}" for tag, values in page.elements if tag == "section"
    }
    assert not any(name.startswith("on") or name == "style" for _, values in page.elements for name in values)
    assert not re.search(r"url\(|@import|https?:", page.raw["style"][0])
    (policy,) = (values["content"] or "" for _, values in page.elements if "http-equiv" in values)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind, text in (("style", page.raw["style"][0]), ("script", page.raw["script"][1])):
        total = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{total}';" in policy


def test_the_same_comparison_makes_the_same_bytes(comparison: Comparison, tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        write_report(made_comparison(), tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert (tmp_path / "one.html").read_text(encoding="utf-8") == report_html(comparison)


def test_a_file_that_cannot_be_written_is_named(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.report\.html.*--report"):
        write_report(comparison, tmp_path / "nowhere" / "report.html")


def test_no_text_becomes_an_element(page: Page) -> None:
    html = report_html(hostile_comparison())
    hostile = Page(html)
    assert hostile.open == []
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in page.elements} | {"strong"}
    assert {name for _, values in hostile.elements for name in values} <= {
        name for _, values in page.elements for name in values
    }
    count = Counter(tag for tag, _ in hostile.elements)
    assert (count["script"], count["style"], count["title"] > 1, count["h1"]) == (2, 1, True, 1)
    text = " ".join(hostile.text.split())
    for payload in PAYLOADS:
        assert " ".join(printable(payload, keep_line_breaks=False).split()) in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800]", html)


def test_data_cannot_end_its_script_and_comes_out_as_it_was() -> None:
    comparison = hostile_comparison()
    text = questions_json(comparison)
    assert not set("<>&") & set(text)
    data = json.loads(text)
    assert [one["text"] for one in data["questions"]] == [printable(one.text) for one in comparison.questions]
    assert {printable(payload) for payload in PAYLOADS} >= {one["text"] for one in data["passages"]}
    assert [one["name"] for one in data["systems"]] == [printable(one.name) for one in comparison.systems]


def test_questions_are_data_with_every_outcome(comparison: Comparison, page: Page) -> None:
    data = page.data
    assert [one["key"] for one in data["questions"]] == [one.key for one in comparison.questions]
    for system, shown in zip(comparison.systems, data["systems"], strict=True):
        for outcome, one in zip(system.outcomes, shown["outcomes"], strict=True):
            named = dict(zip(data["metrics"], one["values"], strict=True))
            assert {name: value for name, value in named.items() if value is not None} == {
                name: pytest.approx(value, abs=1e-4) for name, value in outcome.values.items() if value is not None
            }
            assert [(data["passages"][number]["text"], gain) for number, gain, *_ in one["found"]] == [
                (printable(passage.text), passage.gain) for passage in outcome.found
            ]
            assert one.get("failure", "") == outcome.failure
    failed = data["systems"][1]["outcomes"][11]
    assert failed["failure"] == "The model was killed: out of memory."
    assert "answer" not in failed
    chosen = data["chosen"]
    pair = next(pair for pair in comparison.pairs if pair.metric == data["metrics"][chosen["metric"]] == "f1")
    assert [comparison.systems[chosen[which]].name for which in "ab"] == [pair.a, pair.b]


def test_sentences_keep_their_support_and_cite_by_rank(comparison: Comparison, page: Page) -> None:
    answers = [one["answer"] for one in page.data["systems"][1]["outcomes"] if "answer" in one]
    sentences = [sentence for answer in answers for sentence in answer["sentences"]]
    assert ["It has been so since 1999.", False, []] in sentences
    assert ["It is decided by the manager.", True, ["1"]] in sentences
    assert any(answer.get("cut") for answer in answers)
    assert any(answer.get("abstained") and answer["abstention"] for answer in answers)
    first = comparison.systems[1].outcomes[0]
    assert first.answer is not None
    elsewhere = replace(first.answer.sentences[0].citations[0], document="else.md")
    moved = replace(first.answer, sentences=(replace(first.answer.sentences[0], citations=(elsewhere,)),))
    system = replace(
        comparison.systems[1], outcomes=(replace(first, answer=moved), *comparison.systems[1].outcomes[1:])
    )
    data = json.loads(questions_json(replace(comparison, systems=(system,), pairs=())))
    assert data["systems"][0]["outcomes"][0]["answer"]["sentences"][0][2] == ["else.md"]


def test_a_score_that_is_no_number_leaves_the_data_readable(comparison: Comparison) -> None:
    first = comparison.systems[0].outcomes[0]
    scores = {"cosine": float("nan"), "fused": float("-inf"), "bm25": 1.23456}
    outcome = replace(first, found=(replace(first.found[0], scores=scores),))
    system = replace(comparison.systems[0], outcomes=(outcome, *comparison.systems[0].outcomes[1:]))
    text = questions_json(replace(comparison, systems=(system, *comparison.systems[1:])))
    shown = json.loads(text, parse_constant=pytest.fail)["systems"][0]
    values = shown["outcomes"][0]["found"][0][2:]
    assert {name: value for name, value in zip(shown["scores"], values, strict=True) if value is not None} == {
        "bm25": 1.2346
    }


def test_a_passage_is_kept_once_and_cut_around_the_answer(comparison: Comparison) -> None:
    question = replace(comparison.questions[0], answers=("Form F-7",))
    text = "x " * 900 + "It is form F-7. " + "y " * 900
    passage = Found("a.md", 0, len(text), text, {"cosine": 0.5}, 1.0)
    systems = tuple(
        replace(system, outcomes=(replace(system.outcomes[0], found=(passage, passage)),))
        for system in comparison.systems
    )
    one = replace(comparison, questions=(question,), systems=systems)
    (kept,) = json.loads(questions_json(one))["passages"]
    assert "form F-7" in kept["text"]
    assert kept["text"].startswith("… ")
    assert kept["text"].endswith(" …")
    assert len(kept["text"]) == LONGEST + 4
    assert f"cut at {LONGEST} characters (…): 1 passage is longer." in report_html(one)


def test_one_system_one_question_and_nothing_at_all_are_shown(comparison: Comparison) -> None:
    system = replace(comparison.systems[0], outcomes=comparison.systems[0].outcomes[:1], cost={})
    few = replace(comparison, systems=(system,), questions=comparison.questions[:1], pairs=(), notes=(), groups=1)
    none = replace(few, questions=(), systems=(replace(system, outcomes=()),), metrics={system.name: {}}, groups=0)
    nobody = replace(none, systems=(), metrics={})
    for one in (few, none, nobody):
        page = Page(report_html(one))
        assert page.open == []
        assert "There is one system" in page.text
        assert "Before you read on" not in page.text
        assert comparison_table(one)
    assert "1 system, 1 question, from 1 document." in Page(report_html(few)).text
    assert "Nothing was measured" in Page(report_html(none)).text
