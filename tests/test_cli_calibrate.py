"""`rag-app kb calibrate`, and what becomes of its result: in `ask`, `kb show`, `kb purge` and `kb delete`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from rag_app.datatypes import Fingerprint
from tests.commands import Result, Run
from tests.conftest import MakeBase, SmallBase
from tests.evaluation.facts import building_texts, write_questions
from tests.fakes import FakeReranker, HashEmbedding, fake_fingerprint

QUESTION = "How many chairs has the library of Cedar?"


class LoadedEmbedding(HashEmbedding):
    """Stands in for a loaded model: the vectors of the base."""

    is_quick: bool = False

    @property
    def fingerprint(self) -> Fingerprint:
        return fake_fingerprint()


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(model_id: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(fingerprint=fake_fingerprint(model_id), model_id=model_id)

    monkeypatch.setattr("rag_app.answering.assembly.resolve_embedder", resolve)
    monkeypatch.setattr("rag_app.models.embedder.load_embedder", lambda spec, **_: LoadedEmbedding())


@pytest.fixture
def base(make_base: MakeBase) -> SmallBase:
    return make_base(building_texts(), name="buildings")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "chairs.jsonl")


def calibrate(run: Run, base: SmallBase, questions: Path, *options: str) -> Result:
    return run("kb", "calibrate", base.name, "--questions", questions, "--indexes", base.indexes, *options)


def ask(run: Run, base: SmallBase, *options: str) -> Result:
    return run("ask", QUESTION, "--kb", base.name, "--no-answer", "--indexes", base.indexes, "--json", *options)


def probabilities(result: Result) -> list[float | None]:
    assert result.code == 0, result.err
    return [passage["scores"].get("probability") for passage in result.json["passages"]]


def test_without_labelled_questions_no_such_number_is_shown(run: Run, base: SmallBase) -> None:
    assert set(probabilities(ask(run, base))) == {None}
    assert "probability" not in run("kb", "show", base.name, "--indexes", base.indexes).out


def test_it_prints_what_was_measured_and_a_line_a_bin(run: Run, base: SmallBase, questions: Path) -> None:
    result = calibrate(run, base, questions)
    assert result.code == 0, result.err
    assert "Asking 48 questions" in result.err
    lines = result.out.splitlines()
    assert lines[0] == "48 questions of chairs, 40 with an answer"
    assert lines[1].startswith("240 passages found (hybrid, fake/hash-embedding), 40 hold the answer")
    assert re.match(r"calibration error  0\.\d{3}  in ten bins of equal width; chance alone makes 0\.\d{3}$", lines[3])
    assert re.match(r"Brier score        0\.\d{3}  always saying the base rate: 0\.\d{3}$", lines[5])
    bins = [line for line in lines if re.match(r" +0\.\d{3} +[01]\.\d{3}   [01]\.\d{3} - [01]\.\d{3} +\d+  ", line)]
    assert sum(int(line.split()[5]) for line in bins) == 240
    assert all("|" in line for line in bins)
    assert max(map(len, lines[:-2])) <= 80 + 10


def test_the_numbers_as_json_are_those_of_the_file(run: Run, base: SmallBase, questions: Path) -> None:
    found = calibrate(run, base, questions, "--json", "--retriever", "keyword").json
    path = Path(found.pop("file"))
    picture = Path(found.pop("diagram"))
    written = json.loads(path.read_text())
    assert path.parent == base.indexes / base.name / "calibration"
    assert {name: written[name] for name in found} == found
    assert found["retriever"] == "keyword"
    assert 0 < found["reliability"]["brier"] < found["reliability"]["brier_base_rate"]
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    texts = path.read_text() + picture.read_text()
    assert not [name for name in ("Cedar", "library", "How many") if name in texts]


def test_passages_have_a_probability_where_it_holds_and_only_there(run: Run, base: SmallBase, questions: Path) -> None:
    calibrate(run, base, questions)
    found = probabilities(ask(run, base))
    assert None not in found
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.5 > found[-1]
    assert [one is None for one in probabilities(ask(run, base, "--top-k", "7"))] == [False] * 5 + [True] * 2
    assert probabilities(ask(run, base, "--top-k", "3")) == found[:3]
    assert set(probabilities(ask(run, base, "--retriever", "keyword"))) == {None}
    assert set(probabilities(ask(run, base, "--filter", "document=cedar.md"))) == {None}
    calibrate(run, base, questions, "--retriever", "keyword")
    assert None not in probabilities(ask(run, base, "--retriever", "keyword"))


def test_it_is_printed_with_the_other_scores(run: Run, base: SmallBase, questions: Path) -> None:
    calibrate(run, base, questions)
    out = run("ask", QUESTION, "--kb", base.name, "--no-answer", "--indexes", base.indexes).out
    assert re.search(r"\[1\] docs/cedar\.md.* probability 0\.\d{3}", out)


def test_calibrating_again_replaces_it(run: Run, base: SmallBase, questions: Path) -> None:
    first = calibrate(run, base, questions, "--json").json
    second = calibrate(run, base, questions, "--json").json
    assert {**first, "created_at": ""} == {**second, "created_at": ""}
    assert len(list((base.indexes / base.name / "calibration").iterdir())) == 2


def test_each_kind_of_search_has_one_of_its_own(
    run: Run, base: SmallBase, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_app.models.reranker_spec.resolve_reranker", lambda model_id, **_: model_id)
    monkeypatch.setattr("rag_app.models.reranker.load_reranker", lambda spec, **_: FakeReranker(given=[]))
    searches = ([], ["--per-document", "1"], ["--reranker", "me/mine", "--top-k", "4"])
    found = [calibrate(run, base, questions, "--json", *search).json for search in searches]
    assert len({one["file"] for one in found}) == 3
    assert [one["conditions"]["reranker"] for one in found] == [None, None, "fake/longest"]
    assert [one["conditions"]["per_document"] for one in found] == [None, 1, None]
    assert [one["passages"] for one in found] == [5, 5, 4]
    for search in searches:
        assert None not in probabilities(ask(run, base, *search))


def test_show_names_it_with_its_error(run: Run, base: SmallBase, questions: Path) -> None:
    error = calibrate(run, base, questions, "--json").json["reliability"]["error"]
    out = run("kb", "show", base.name, "--indexes", base.indexes).out
    assert f"calibration    hybrid, fake/hash-embedding: calibration error {error:.3f}, Brier score" in out
    (shown,) = run("kb", "show", base.name, "--indexes", base.indexes, "--json").json["calibrations"]
    assert shown["questions"] == 48


def test_a_damaged_one_is_named_and_the_question_answered_without(run: Run, base: SmallBase, questions: Path) -> None:
    path = Path(calibrate(run, base, questions, "--json").json["file"])
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    result = ask(run, base)
    assert set(probabilities(result)) == {None}
    assert f"notice: The calibration {path} is ignored: its sum is not that of its content." in result.err
    assert str(path) in run("kb", "show", base.name, "--indexes", base.indexes).out
    assert calibrate(run, base, questions).code == 0
    assert None not in probabilities(ask(run, base))


def test_purging_a_document_removes_what_was_measured_with_it(run: Run, base: SmallBase, questions: Path) -> None:
    calibrate(run, base, questions)
    result = run("kb", "purge", base.name, "--document", "docs/cedar.md", "--indexes", base.indexes)
    assert result.code == 0, result.err
    assert "1 calibration measured with it was removed: rag-app kb calibrate buildings --questions FILE" in result.out
    assert list((base.indexes / base.name / "calibration").iterdir()) == []


def test_deleting_the_base_deletes_it(run: Run, base: SmallBase, questions: Path) -> None:
    calibrate(run, base, questions)
    assert run("kb", "delete", base.name, "--yes", "--indexes", base.indexes).code == 0
    assert not (base.indexes / base.name).exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": "a?"}', "has 1 questions; a calibration needs 30"),
        ("not json", "line 1, is not JSON"),
    ],
)
def test_a_file_that_will_not_do_is_wrong_usage_before_a_model_is_loaded(
    run: Run, base: SmallBase, tmp_path: Path, content: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    monkeypatch.setattr("rag_app.models.embedder.load_embedder", lambda spec, **_: loaded.append(spec))
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    result = calibrate(run, base, path)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not loaded
    assert not (base.indexes / base.name / "calibration").exists()


def test_a_base_that_is_not_there(run: Run, tmp_path: Path, questions: Path) -> None:
    result = run("kb", "calibrate", "none", "--questions", questions, "--indexes", tmp_path)
    assert result.code == 2
    assert "There is no knowledge base 'none'" in result.err
