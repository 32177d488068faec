"""The page of the evaluation in Streamlit's own test harness, in each of its states, with a tiny model."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.build import BuildRequest, build
from rag_app.config import load_settings
from rag_app.errors import BuildCancelled, ModelError
from rag_app.evaluation import compare as comparing
from rag_app.evaluation.comparison import Verdict
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.drafting.values import Stratum
from rag_app.evaluation.kept_comparisons import comparison_text
from rag_app.evaluation.reporting.headlines import headlines
from rag_app.evaluation.request import Request
from rag_app.evaluation.systems import usual_systems
from rag_app.store.records.comparison_runs import keep_run, runs
from rag_app.store.records.question_sets import keep_rows, question_sets
from rag_app.ui.evaluate import drafting, running
from rag_app.ui.evaluate.charts import _tooltip
from rag_app.ui.evaluate.drafting import edited_row, kept_rows
from rag_app.ui.evaluate.wording import cost_name, listed
from rag_app.ui.jobs import Jobs, JobState
from rag_app.ui.words import LANGUAGES
from tests.comparisons import made_comparison
from tests.hostile_comparison import PAYLOADS, hostile_comparison
from tests.test_cli_compare import QUESTIONS, SQUAD
from tests.ui.whole_app import html_of, opened_app, plain_of, press

SENTENCES = (
    "# Badges\n\nA badge is blocked for 20 minutes after 3 failed attempts.\n\n# Backups\n\n"
    "A backup is kept for 90 days on the second server."
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with one base."""
    from tests.conftest import TEXTS

    folder = tmp_path_factory.mktemp("evaluate")
    for name, text in (TEXTS | {"docs/badges.md": SENTENCES}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("small", (folder / "docs",), (str(tiny_embedder),)), settings, lambda _: None)
    return settings.indexes


@pytest.fixture
def indexes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that index root, and settings that point to it."""
    shutil.copytree(built, tmp_path / "indexes")
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "indexes"))
    monkeypatch.setenv("RAG_APP_OFFLINE", "1")
    return tmp_path / "indexes"


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The jobs of this test alone."""
    own = Jobs()
    for module in (running, drafting):
        monkeypatch.setattr(module, "all_jobs", lambda: own)
    return own


def ended(at: AppTest, jobs: Jobs, kind: str) -> AppTest:
    """Wait until the job of a kind ends, and draw the page anew."""
    deadline = time.monotonic() + 300
    while any(job.state is JobState.RUNNING for job in jobs.of_kind(kind)):
        assert time.monotonic() < deadline, "the job did not end"
        time.sleep(0.05)
    at.run()
    assert not at.exception
    return at


@pytest.fixture
def with_questions(indexes: Path) -> Path:
    """The index root with a set of questions."""
    keep_rows(indexes, "my questions", QUESTIONS)
    return indexes


def test_without_a_knowledge_base_the_page_says_so_and_still_takes_data_sets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "nothing"))
    at = opened_app("evaluate")
    assert not at.exception
    assert "There is no knowledge base yet." in plain_of(at)
    assert "There is no question set yet." in plain_of(at)
    assert "None yet. What you run is kept here." in plain_of(at)
    file = tmp_path / "squad.json"
    file.write_text(json.dumps(SQUAD), encoding="utf-8")
    at.segmented_control(key="evaluate_source").set_value("path").run()
    at.text_input(key="evaluate_path").set_value(str(file)).run()
    assert not at.exception
    assert "This data set brings its own passages" in plain_of(at)


def test_questions_are_drafted_kept_and_evaluated_to_verdicts(indexes: Path, jobs: Jobs) -> None:
    at = opened_app("evaluate")
    press(at, "Draft questions")
    ended(at, jobs, "draft")
    assert "Drafted from small. Keep, edit or drop each, then save." in plain_of(at)
    press(at, "Save the question set")
    assert [file.name for file in question_sets(indexes)] == ["small.jsonl"]
    assert at.selectbox(key="evaluate_set").value == "small.jsonl"
    assert "has one embedding model. It is compared with keyword search" in plain_of(at)
    assert "3 systems: keyword; " in plain_of(at)
    press(at, "Run the evaluation")
    ended(at, jobs, "evaluate")
    assert "The evaluation is done." in plain_of(at)
    (row,) = runs(indexes)
    assert (row.dataset, row.knowledge_base, row.systems) == ("small", "small", 3)
    press(at, "Read the verdicts")
    assert not at.exception
    assert at.query_params["run"] == row.id
    assert "By ndcg@10, " in html_of(at)
    assert "What it comes to" in plain_of(at)
    assert [button.label for button in at.get("download_button")] == [
        "Download the report (HTML)",
        "Download the figures (JSON)",
    ]
    press(at, "Back to the evaluations")
    assert "small · small · " in plain_of(at)
    press(at, "Open")
    assert "By ndcg@10, " in html_of(at)


def draft(key: str, question: str, answer: str, source: str = "a.md") -> dict[str, object]:
    return {"id": key, "question": question, "answer": answer, "source": source, "keep": True}


def test_drafts_are_kept_edited_or_dropped() -> None:
    rows = [draft(str(n), f"q{n}", "a") for n in range(4)]
    edited = [dict(row) for row in rows]
    edited[0]["question"], edited[0]["answer"] = " Which? ", None
    edited[1]["keep"] = False
    edited[2]["question"] = "  "
    assert kept_rows([*map(edited_row, rows, edited)]) == [draft("0", "Which?", ""), draft("3", "q3", "a")]


def test_a_draft_that_was_not_edited_keeps_what_cannot_be_shown() -> None:
    row = draft("0", "How is infor\u00admation kept?", "a")
    shown = {column: drafting._cell(column, row[column]) for column in ("keep", "question", "answer")}
    assert shown["question"] != row["question"]
    assert edited_row(row, shown) == row
    assert edited_row(row, {**shown, "answer": "b"}) == {**row, "answer": "b"}


def test_an_answer_to_what_no_document_answers_is_left_out_and_the_set_can_be_read(tmp_path: Path) -> None:
    kept = kept_rows([draft("0", "Who painted the roof?", "Ann", source=""), draft("1", "How long?", "5 days")])
    assert [row["answer"] for row in kept] == ["", "5 days"]
    (question, _) = read_questions(keep_rows(tmp_path, "mine", kept)).questions
    assert not question.is_answerable


def test_drafts_are_as_they_were_edited_when_the_page_is_opened_again(indexes: Path, jobs: Jobs) -> None:
    at = opened_app("evaluate")
    press(at, "Draft questions")
    ended(at, jobs, "draft")
    (job,) = jobs.of_kind("draft")
    rows = job.result.rows
    first, place = rows[0]["question"], len(rows)
    without = {"question": "Who painted it?", "answer": "", "source": "", "evidence": [], "stratum": "unanswerable"}
    rows.append({**rows[0], "id": "unanswerable-001", **without})
    at = opened_app("evaluate")
    edits = {0: {"question": "How long, please?"}, 1: {"keep": False}, place: {"answer": "Ann"}}
    at.session_state[f"evaluate_drafts {job.key} {job.began}"] = {
        "edited_rows": edits,
        "added_rows": [],
        "deleted_rows": [],
    }
    at.run()
    assert not at.exception
    assert "What was typed there is left out." in plain_of(at)
    at = opened_app("evaluate")
    table = next(one.value for one in at.dataframe if "keep" in one.value)
    assert (table["question"][0], table["keep"][1], table["answer"][place]) == ("How long, please?", False, "Ann")
    count = len(rows)
    press(at, "Save the question set")
    (file,) = question_sets(indexes)
    asked = [question.question for question in read_questions(file).questions]
    assert len(asked) == count - 1
    assert "How long, please?" in asked
    assert first not in asked


def test_a_base_without_a_sentence_to_ask_about_is_said(indexes: Path, jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "words.md").write_text("lorem ipsum dolor", encoding="utf-8")
    tiny = load_settings(indexes=indexes, offline=True)
    model = json.loads(next((indexes / "small").glob("gen-*/manifest.json")).read_text())["models"][0]
    name = model["model"] if isinstance(model, dict) else model
    build(BuildRequest("words", (tmp_path / "empty",), (name,)), tiny, lambda _: None)
    at = opened_app("evaluate")
    at.selectbox(key="evaluate_draft_base").set_value("words").run()
    press(at, "Draft questions")
    ended(at, jobs, "draft")
    assert "No question could be drafted from words." in plain_of(at)
    assert question_sets(indexes) == []


def test_an_evaluation_that_runs_is_followed_and_can_be_cancelled(
    with_questions: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    real = comparing.outcomes_of

    def slow(system, questions, bench, cache, on_progress):
        on_progress(system.spec.name, 1, len(questions))
        go_on.wait(300)
        return real(system, questions, bench, cache, on_progress)

    monkeypatch.setattr(comparing, "outcomes_of", slow)
    at = opened_app("evaluate")
    press(at, "Run the evaluation")
    deadline = time.monotonic() + 300
    while "keyword: 1 of 12 questions in all" not in plain_of(at):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        at.run()
    assert "You can close this page" in plain_of(at)
    assert "Run the evaluation" not in [button.label for button in at.button], "one runs at a time"
    other = opened_app("evaluate")
    assert "keyword: 1 of 12 questions in all" in plain_of(other), "another session follows it, too"
    press(at, "Cancel")
    go_on.set()
    ended(at, jobs, "evaluate")
    assert "The evaluation was cancelled." in plain_of(at)
    assert runs(with_questions) == []
    press(at, "Close this message")
    assert "The evaluation was cancelled." not in plain_of(at)
    assert "Run the evaluation" in [button.label for button in at.button]


def test_cancelling_ends_the_build_of_a_data_set(tmp_path: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    building = threading.Event()

    def build(name: str, *_: object, cancelling: threading.Event, **__: object) -> None:
        building.set()
        assert cancelling.wait(300)
        raise BuildCancelled(f"The build of '{name}' was cancelled.", "")

    monkeypatch.setattr(comparing, "run_build", build)
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD), encoding="utf-8")
    settings = load_settings(indexes=tmp_path / "indexes")
    running.start(Request(path, usual_systems(["a model"], None)), settings)
    job = jobs.get(running.job_key(settings))
    assert job is not None
    assert building.wait(300)
    job.cancel()
    deadline = time.monotonic() + 300
    while job.state is JobState.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (job.state, job.problem) == (JobState.CANCELLED, None)


def test_an_evaluation_that_fails_says_why(with_questions: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(spec, bench):
        raise ModelError("The model is not here.", "Install it.")

    monkeypatch.setattr(comparing, "make_system", broken)
    at = opened_app("evaluate")
    press(at, "Run the evaluation")
    ended(at, jobs, "evaluate")
    assert "The model is not here." in plain_of(at)
    assert "Install it." in plain_of(at)
    assert runs(with_questions) == []


def upload(at: AppTest, name: str, content: bytes) -> AppTest:
    at.segmented_control(key="evaluate_source").set_value("upload").run()
    at.file_uploader[0].upload(name, content, "text/plain").run()
    assert not at.exception
    return at


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.jsonl", b"not json\n", "q.jsonl, line 1, is not JSON"),
        ("q.jsonl", b"", "q.jsonl has no question."),
        ("q.csv", b"question,answer\na,b\n", "q.csv has no column 'source'"),
        ("<b>x.jsonl", b'{"answer": "a"}\n', "<b>x.jsonl, line 1 has no question."),
        ("q.jsonl", "问题".encode("gb18030"), "q.jsonl is not in UTF-8"),
    ],
    ids=["no json", "empty", "column", "no question", "encoding"],
)
def test_a_bad_file_of_questions_is_said_and_not_kept(indexes: Path, name: str, content: bytes, said: str) -> None:
    at = upload(opened_app("evaluate"), name, content)
    assert said in plain_of(at)
    assert "/tmp/" not in plain_of(at)
    assert question_sets(indexes) == []


def test_what_can_be_used_of_a_file_is_used_and_counted(indexes: Path, jobs: Jobs) -> None:
    rows = [*QUESTIONS, {"question": "Where?", "answer": "here", "source": "gone.md"}]
    at = upload(opened_app("evaluate"), "mine.jsonl", lines([*rows, {**QUESTIONS[0], "keep": False}]))
    assert [file.name for file in question_sets(indexes)] == ["mine.jsonl"]
    assert "5 questions. 4 with an answer, 1 that no document answers." in plain_of(at)
    assert '1 question was left out: it says "keep": false' in plain_of(at)
    press(at, "Run the evaluation")
    ended(at, jobs, "evaluate")
    press(at, "Read the verdicts")
    assert "left out: the document that is named is not in the knowledge base" in plain_of(at)
    assert "4 questions, " in plain_of(at)


def test_fewer_than_two_systems_cannot_be_run(with_questions: Path) -> None:
    at = opened_app("evaluate")
    at.pills(key="evaluate_retrievers").set_value(["keyword"]).run()
    assert "Choose at least two systems" in plain_of(at)
    assert not [button for button in at.button if button.label == "Run the evaluation"]


def test_a_path_that_is_not_there_and_a_set_that_is_removed(with_questions: Path) -> None:
    at = opened_app("evaluate")
    press(at, "Remove this set")
    assert question_sets(with_questions) == []
    assert "There is no question set yet." in plain_of(at)
    at.segmented_control(key="evaluate_source").set_value("path").run()
    at.text_input(key="evaluate_path").set_value("/no/such.csv").run()
    assert "There is nothing at /no/such.csv." in plain_of(at)


@pytest.mark.parametrize("path", ["~nosuch/docs", "x" * 300, "a\0b"])
def test_a_path_that_can_be_none_is_said_to_be_none(with_questions: Path, path: str) -> None:
    at = opened_app("evaluate")
    at.segmented_control(key="evaluate_source").set_value("path").run()
    at.text_input(key="evaluate_path").set_value(path).run()
    assert "There is nothing at " in plain_of(at)
    assert "unexpected" not in plain_of(at)


def test_a_path_that_may_not_be_read_is_said(with_questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if "private" in path.parts:
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)  # who runs the tests may read everything, perhaps
    at = opened_app("evaluate")
    at.segmented_control(key="evaluate_source").set_value("path").run()
    at.text_input(key="evaluate_path").set_value("/private/questions.csv").run()
    assert "/private/questions.csv cannot be read. Check its permissions." in plain_of(at)


def kept(indexes: Path, comparison: Callable[[], object] = lambda: made_comparison(60)) -> str:
    found = comparison()
    return keep_run(indexes, comparison_text(found), dataset="d", knowledge_base="b", questions=60, systems=4).id


def test_a_kept_evaluation_shows_verdicts_figures_and_each_question(indexes: Path) -> None:
    at = opened_app("evaluate", run=kept(indexes))
    assert not at.exception
    html = html_of(at)
    comparison = made_comparison(60)
    assert all(note in plain_of(at) for note in comparison.notes)
    assert any(words in html for words in ("is better than", "Cannot tell yet whether", "are equivalent by"))
    quality, pairs, costs = (frame.value for frame in at.dataframe)
    assert list(quality["System"]) == [f"{n} {one.name}" for n, one in enumerate(comparison.systems, 1)]
    assert set(pairs["Verdict"]) <= {"▲ better", "▼ worse", "≈ equivalent", "? cannot tell yet"}
    assert "milliseconds a question" in costs
    charts = at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")
    assert len(charts) == 2
    shown = next(box for box in at.selectbox if box.label == "Shown")
    assert shown.value == "differ"
    assert html.count('<details class="diff">') == 10
    shown.set_value("all").run()
    assert not at.exception


def test_an_evaluation_that_is_gone_or_cannot_be_read_is_said(indexes: Path) -> None:
    at = opened_app("evaluate", run="nosuch")
    assert "This evaluation is no longer there." in plain_of(at)
    row = keep_run(indexes, "{}", dataset="d", knowledge_base="b", questions=1, systems=2)
    at = opened_app("evaluate", run=row.id)
    assert not at.exception
    assert "was kept by another version of the app" in plain_of(at)
    at = opened_app("evaluate")
    press(at, "Remove")
    assert runs(indexes) == []


def test_nothing_that_was_compared_becomes_markup(indexes: Path) -> None:
    at = opened_app("evaluate", run=kept(indexes, hostile_comparison))
    assert not at.exception
    html = html_of(at)
    for part in ("<script", "<img", "<svg", "<iframe", "<a ", "<form", "<base", "<meta", "<object", "<video"):
        assert part not in html.lower()
    assert not [element for element in at.markdown if any(payload in element.value for payload in PAYLOADS)]


def test_in_chinese_verdicts_and_controls_are_chinese(indexes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_app.ui.words._preferred", lambda: "zh")  # the harness names options outside the session
    at = opened_app("evaluate", language="zh", run=kept(indexes))
    assert not at.exception
    html = html_of(at)
    assert "衡量" in html
    for english in ("is better than", "Cannot tell", "Known answer", "questions"):
        assert english not in html
    assert "结论" in plain_of(at)
    *_, costs = (frame.value for frame in at.dataframe)
    assert "每个问题的毫秒数" in costs
    assert "报告为英文。" in html


def test_the_figures_of_a_picture_are_named_in_the_chosen_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.to_dict()["title"] for one in _tooltip()] == ["System", "Mean", "From", "To"]
    monkeypatch.setattr("rag_app.ui.words.language", lambda: "zh")
    assert [one.to_dict()["title"] for one in _tooltip()] == ["系统", "均值", "下限", "上限"]


def test_a_single_verdict_is_not_corrected_and_a_small_p_is_said_in_words(
    indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_comparison(60)
    pair = replace(headlines(made)[0].verdicts[0][0], verdict=Verdict.BETTER, p_adjusted=0.0001)
    run = kept(indexes, lambda: replace(made, pairs=(pair,)))
    html = html_of(opened_app("evaluate", run=run))
    assert f"({pair.low:.3f} to {pair.high:.3f}), p &lt; 0.001." in html
    assert "after correcting" not in html
    monkeypatch.setattr("rag_app.ui.words._preferred", lambda: "zh")
    html = html_of(opened_app("evaluate", language="zh", run=run))
    assert f"（{pair.low:.3f} 至 {pair.high:.3f}），p 值小于 0.001。" in html


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_stratum_and_cost_has_its_words(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rag_app.ui.words", "rag_app.ui.evaluate.wording"):
        monkeypatch.setattr(f"{module}.language", lambda: code)
    strata = [drafting._cell("stratum", str(stratum)) for stratum in Stratum]
    costs = [cost_name(cost) for cost in made_comparison(8).systems[0].cost]
    assert (strata == list(Stratum)) is (code == "en")
    assert (costs == list(made_comparison(8).systems[0].cost)) is (code == "en")
    assert cost_name("watts") == "watts"
    assert listed(["a", "b"]) == {"en": "a; b", "zh": "a；b"}[code]


def test_a_damaged_base_is_named_and_earlier_evaluations_stay(with_questions: Path) -> None:
    kept(with_questions)
    chunks = next(with_questions.glob("small/gen-*/chunks.sqlite"))
    chunks.write_bytes(chunks.read_bytes()[:-100])
    at = opened_app("evaluate")
    assert not at.exception
    assert "chunks.sqlite is damaged" in plain_of(at)
    assert "d · b · 60 questions" in plain_of(at)
