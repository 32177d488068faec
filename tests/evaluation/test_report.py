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
from rag_app.evaluation.comparison import Comparison, Estimate, Found, Verdict
from rag_app.evaluation.report import report_html, write_report
from rag_app.evaluation.report_headlines import headlines, turned
from rag_app.evaluation.report_markup import figure, signed
from rag_app.evaluation.report_plots import Point, quality_cost_svg, reliability_svg, unbeaten
from rag_app.evaluation.report_questions import LONGEST, questions_json
from rag_app.evaluation.report_reliability import percentile_reliability, probability_reliability
from rag_app.evaluation.report_table import comparison_table
from rag_app.store.calibrations import ReliabilityBin
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


def test_the_leader_is_named_first_and_compared_with_each_other(comparison: Comparison) -> None:
    of_passages, of_answers = headlines(comparison)
    assert (of_passages.metric, of_answers.metric) == ("ndcg@10", "f1")
    leader = comparison.systems[3].name
    assert of_passages.lead.startswith(f"By ndcg@10, {leader} has the highest mean: 0.")
    assert [(pair.a, pair.b) for pair, _ in of_passages.verdicts] == [
        (leader, system.name) for system in comparison.systems[:3]
    ]
    for pair, said in of_passages.verdicts:
        assert pair.difference >= 0
        assert f"after correcting for {len(comparison.pairs)} comparisons" in said
        assert pair.a in said
        assert pair.b in said


def test_systems_with_the_same_mean_share_the_lead(comparison: Comparison) -> None:
    same = {name: {"hit@1": Estimate(0.5, 0.4, 0.6, 10)} for name in comparison.metrics}
    (headline,) = headlines(replace(comparison, metrics=same))
    assert " and ".join(comparison.metrics) + " have the same mean: 0.500" in headline.lead


def test_a_pair_turned_says_the_same(comparison: Comparison) -> None:
    for pair in comparison.pairs:
        other = turned(pair)
        assert (other.a, other.b, other.difference) == (pair.b, pair.a, -pair.difference)
        assert other.low <= other.difference <= other.high
        assert turned(other) == pair
    assert {turned(pair).verdict for pair in comparison.pairs if pair.verdict is Verdict.WORSE} == {Verdict.BETTER}


def _point(number: int, cost: float, quality: float) -> Point:
    return Point(number, f"system {number}", cost, Estimate(quality, quality - 0.1, quality + 0.1, 50))


def test_the_plot_names_every_point_and_puts_numbers_apart() -> None:
    points = [_point(number, 10.0 + number / 10, 0.5) for number in range(1, 7)] + [_point(7, 900.0, 0.8)]
    svg = quality_cost_svg(points, "milliseconds a question", "hit@1")
    for point in points:
        assert f"<title>{point.number} system {point.number}: {point.quality.mean:.3f}" in svg
    assert "milliseconds a question (logarithmic)</text>" in svg
    assert ">hit@1</text>" in svg
    places = [(float(x), float(y)) for x, y in re.findall(r'class="number" x="([\d.]+)" y="([\d.]+)"', svg)]
    assert len(places) == 7
    assert all(
        abs(x - right) >= 11 or abs(y - low) >= 11
        for number, (x, y) in enumerate(places)
        for right, low in places[number + 1 :]
    )


def test_an_axis_is_logarithmic_only_where_costs_differ_tenfold() -> None:
    for costs, logarithmic in (((10.0, 99.0), False), ((10.0, 101.0), True), ((0.0, 500.0), False)):
        svg = quality_cost_svg([_point(1, costs[0], 0.5), _point(2, costs[1], 0.6)], "memory megabytes", "f1")
        assert ("(logarithmic)" in svg) is logarithmic
        xs = [float(x) for x in re.findall(r'<circle class="\w+" cx="([\d.]+)"', svg)]
        assert 58 <= xs[0] < xs[1] <= 424


def test_what_is_as_good_and_cheaper_beats() -> None:
    points = [_point(1, 1.0, 0.5), _point(2, 2.0, 0.5), _point(3, 3.0, 0.9), _point(4, 3.0, 0.8), _point(5, 1.0, 0.5)]
    assert [point.number for point in unbeaten(points)] == [1, 3, 5]
    assert quality_cost_svg(points, "c", "m").count('class="hollow"') == 2


def test_reliability_is_drawn_with_intervals() -> None:
    svg = reliability_svg(
        (ReliabilityBin(0.2, 0.1, 0.05, 0.2, 40), ReliabilityBin(0.9, 0.8, 0.7, 0.9, 12)), "said", "seen"
    )
    assert svg.count('class="mark"') == svg.count('class="interval"') == 2
    assert "<title>0.900: 0.800 (0.700 to 0.900), 12 in number</title>" in svg
    assert 'aria-label="seen against said: 0.20: 0.10; 0.90: 0.80"' in svg


def test_probabilities_and_percentiles_are_held_against_what_came_of_them(comparison: Comparison) -> None:
    system = comparison.systems[0]
    found = probability_reliability(system)
    assert found is not None
    assert sum(one.count for one in found.bins) == sum(len(outcome.found) for outcome in system.outcomes)
    shares = percentile_reliability(comparison.questions, system)
    assert [round(one.predicted, 1) for one in shares] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [one.observed for one in shares] == sorted(one.observed for one in shares)
    assert {one.count for one in shares} == {15}
    best = [
        max(passage.scores["percentile"] for passage in outcome.found)
        for question, outcome in zip(comparison.questions, system.outcomes, strict=True)
        if not question.is_answerable
    ]
    assert shares[4].observed == pytest.approx(sum(value < 0.5 for value in best) / 15)


def test_without_such_scores_or_questions_calibration_says_so(comparison: Comparison) -> None:
    bare = tuple(
        replace(
            system,
            outcomes=tuple(
                replace(outcome, found=tuple(replace(one, scores={"bm25": 3.0}) for one in outcome.found))
                for outcome in system.outcomes
            ),
        )
        for system in comparison.systems
    )
    assert probability_reliability(bare[0]) is None
    assert percentile_reliability(comparison.questions, bare[0]) == ()
    answerable = tuple(replace(one, is_answerable=True) for one in comparison.questions)
    assert percentile_reliability(answerable, comparison.systems[0]) == ()
    assert "Nothing to show: no passage has a probability" in report_html(replace(comparison, systems=bare))


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


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_fits_the_terminal_and_loses_nothing(comparison: Comparison, width: int) -> None:
    text = comparison_table(comparison, width)
    assert all(len(line) <= width for line in text.splitlines())
    plain = " ".join(text.split())
    for system in comparison.systems:
        for estimate in comparison.metrics[system.name].values():
            assert f"{estimate.mean:.3f}" in plain
            assert f"{estimate.low:.3f}-{estimate.high:.3f}" in plain
    assert "By ndcg@10, hybrid all-MiniLM-L6-v2 + rerank" in plain
    assert "24 comparisons, of which" in plain
    for note in comparison.notes:
        assert note in plain


def test_the_table_obeys_no_control_character() -> None:
    text = comparison_table(hostile_comparison(), 100)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("MIT", "MIT"),
        ("", "–"),
        (0, "0"),
        (0.01234, "0.0123"),
        (3.1, "3.1"),
        (41.04, "41.0"),
        (2310.4, "2,310"),
    ],
)
def test_figures_have_three_digits_that_count(value: float | str | None, shown: str) -> None:
    assert figure(value) == shown


def test_differences_have_a_sign() -> None:
    assert [signed(value) for value in (0.0123, -0.0123, -0.0001, 0.0)] == ["+0.012", "−0.012", "+0.000", "+0.000"]
