"""`rag-app similarity`: a table, a JSON object, and what is wrong with the question said in one line."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rag_app.models import embedder as embedder_module
from rag_app.models import embedder_spec
from rag_app.models.embedder_spec import EmbedderSpec
from tests.commands import Run
from tests.fakes import FakePassageEmbedder, fake_fingerprint, hash_vector
from tests.models.small_catalogue import row

TEXTS = ("忘记密码如何处理？", "用户账号被锁定", "密码重置流程")


class FakeEmbedder(FakePassageEmbedder):
    """A model that takes part in a count of those alive."""

    def __init__(self, spec: EmbedderSpec) -> None:
        super().__init__()
        self.fingerprint = spec.fingerprint

    def embed_question(self, text: str) -> Any:
        return hash_vector(f"question {text}")

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


@pytest.fixture
def alive_at_load(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Models are fakes; the list has how many were alive when each was loaded."""
    made: list[weakref.ref[FakeEmbedder]] = []
    alive: list[int] = []

    def resolve(model_id: str, **_: object) -> EmbedderSpec:
        languages = ("en",) if model_id == "english" else ("multilingual",)
        fingerprint = fake_fingerprint(model_id, max_tokens=5)
        return EmbedderSpec(None, fingerprint, row(model_id, *languages), fingerprint.dimension)

    def load(spec: EmbedderSpec, **_: object) -> FakeEmbedder:
        alive.append(sum(reference() is not None for reference in made))
        model = FakeEmbedder(spec)
        made.append(weakref.ref(model))
        return model

    monkeypatch.setattr(embedder_spec, "resolve_embedder", resolve)
    monkeypatch.setattr(embedder_module, "load_embedder", load)
    return alive


@pytest.mark.usefixtures("alive_at_load")
def test_the_object_has_the_documented_keys(run: Run) -> None:
    result = run("similarity", *TEXTS, "--embed-model", "english", "--embed-model", "all", "--json")
    assert result.code == 0
    found = result.json
    assert set(found) == {"texts", "first_is_question", "models"}
    assert (found["texts"], found["first_is_question"]) == (list(TEXTS), False)
    english, every = found["models"]
    assert set(english) == {"model", "fingerprint", "cosines", "truncated", "uncovered_languages"}
    assert (english["model"], every["model"]) == ("english", "all")
    assert english["fingerprint"] == fake_fingerprint("english", max_tokens=5).digest
    assert english["cosines"][0][2] == pytest.approx(float(hash_vector(TEXTS[0]) @ hash_vector(TEXTS[2])), abs=1e-6)
    assert english["truncated"] == [False, False, False]
    assert english["uncovered_languages"] == ["zh", "zh", "zh"]
    assert every["uncovered_languages"] == [None, None, None]


def test_one_model_is_held_at_a_time_and_each_is_used_once(run: Run, alive_at_load: list[int]) -> None:
    names = ["english", "all", "english", "third"]
    result = run("similarity", "a", "b", "--json", *(part for name in names for part in ("--embed-model", name)))
    assert [model["model"] for model in result.json["models"]] == ["english", "all", "third"]
    assert alive_at_load == [0, 0, 0]


@pytest.mark.usefixtures("alive_at_load")
def test_the_table_has_every_text_and_its_cosines_in_one_line(run: Run) -> None:
    result = run("similarity", *TEXTS, "--embed-model", "all")
    lines = result.out.splitlines()
    assert lines[0] == "all"
    assert lines[1].split() == ["1", "2", "3"]
    for number, text in enumerate(TEXTS):
        cosines = [f"{float(hash_vector(text) @ hash_vector(other)):.3f}" for other in TEXTS]
        assert lines[2 + number].split() == [str(number + 1), *cosines, text]
    assert lines[1].index("1") == lines[2].index("1.000") + 4, "a column's number stands over the end of its cosines"
    assert len(lines) == 5
    assert result.err == ""


@pytest.mark.usefixtures("alive_at_load")
def test_ten_texts_fit_a_terminal_of_eighty_columns_up_to_the_text(run: Run) -> None:
    result = run("similarity", *(f"text number {number}" for number in range(10)), "--embed-model", "all")
    assert result.out.splitlines()[2].index("text number") <= 80


@pytest.mark.usefixtures("alive_at_load")
def test_languages_and_cuts_are_warned_of_by_the_number_of_the_text(run: Run) -> None:
    result = run("similarity", "one two", TEXTS[0], "one two three four five six", "--embed-model", "english")
    assert "english was not made for the language of text 2 ('zh', Hans)" in result.err
    assert "--language zh" in result.err
    assert "english reads 5 tokens: only the beginning of text 3 was compared" in result.err
    assert "warning" not in result.out


@pytest.mark.usefixtures("alive_at_load")
def test_the_first_can_be_a_question(run: Run) -> None:
    options = ("a password", "the password", "--embed-model", "all", "--as-question")
    asked = run("similarity", *options, "--json").json
    assert asked["first_is_question"] is True
    expected = float(hash_vector("question a password") @ hash_vector("the password"))
    assert asked["models"][0]["cosines"][0][1] == pytest.approx(expected, abs=1e-6)
    assert "1?" in run("similarity", *options).out


@pytest.mark.usefixtures("alive_at_load")
def test_without_a_model_it_is_the_configured_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_EMBED_MODEL", "configured/one")
    assert [model["model"] for model in run("similarity", "a", "b", "--json").json["models"]] == ["configured/one"]


@pytest.mark.usefixtures("alive_at_load")
def test_what_would_act_on_a_terminal_is_shown_and_a_long_text_is_cut(run: Run) -> None:
    out = run("similarity", "red\x1b[31m\nline", "x" * 500, "--embed-model", "all").out
    assert "\x1b" not in out
    assert "red\\x1b[31m line" in out
    assert f"  {'x' * 60}…" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("alone",), "There is one text, expected two"),
        (("one", "  "), "Text 2 is empty"),
        (("\u200b", "b"), "Text 1 is empty"),
        (("", "b"), "Text 1 is empty"),
    ],
)
def test_wrong_usage_exits_with_2_before_a_model_is_loaded(
    run: Run, alive_at_load: list[int], texts: Sequence[str], message: str
) -> None:
    result = run("similarity", *texts, "--embed-model", "all")
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert alive_at_load == []


@pytest.mark.usefixtures("alive_at_load")
@pytest.mark.parametrize("text", ["👍", "?!", "…", "→"])
def test_emoji_and_punctuation_are_texts(run: Run, text: str) -> None:
    result = run("similarity", text, "good", "--embed-model", "all", "--json")
    assert result.code == 0
    assert result.json["texts"] == [text, "good"]


def test_bytes_that_are_not_utf8_are_embedded_as_what_cannot_be_known(run: Run, tiny_embedder: Path) -> None:
    """By a real tokenizer: it refuses a text that cannot be encoded."""
    broken, shown = b"abc \xff".decode(errors="surrogateescape"), "abc \ufffd"
    result = run("similarity", broken, shown, "def", "--embed-model", tiny_embedder, "--device", "cpu", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json["texts"] == [shown, shown, "def"]
    assert result.json["models"][0]["cosines"][0][1] == pytest.approx(1, abs=1e-6)


@pytest.mark.slow
def test_the_bundled_model_puts_what_means_the_same_nearer(run: Run) -> None:
    texts = ("I forgot my password", "My login credentials are lost", "The printer is out of paper")
    found = run("similarity", *texts, "--embed-model", "bundled", "--offline", "--json").json["models"][0]
    cosines = np.array(found["cosines"])
    assert found["model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert cosines[0, 1] > cosines[0, 2] + 0.2
    assert np.allclose(cosines, cosines.T)
