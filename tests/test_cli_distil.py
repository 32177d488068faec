"""`rag-app models distil`: what it reads, says and promises as JSON; and how a model that was made stands in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rag_app.cli_models_output import distilling
from rag_app.datatypes import NO_WINDOW
from rag_app.models import embedder_spec
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.static import distillation
from rag_app.text import searchable
from tests.checkpoints import make_bert_embedder
from tests.commands import Result, Run
from tests.conftest import MakeBase, SmallBase
from tests.test_cli_models import commands_in, parse

DIMENSIONS = 16


pytestmark = pytest.mark.usefixtures("data_folder")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vectors are the means of its tokens' outputs."""
    return make_bert_embedder(tmp_path_factory.mktemp("mean"), pooling="mean")


def distil(run: Run, model: Path, *options: str | Path) -> Result:
    return run("models", "distil", model, "--dimensions", str(DIMENSIONS), "--device", "cpu", *options)


def rows_of(run: Run, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("models", *arguments, "--json").json["models"]
    return rows


def test_it_has_help(run: Run) -> None:
    result = run("models", "distil", "--help")
    assert (result.code, result.err) == (0, "")
    assert "--dimensions" in result.out


def test_the_object_has_the_documented_keys(run: Run, model: Path, data_folder: Path) -> None:
    result = distil(run, model, "--name", "mine", "--json")
    assert result.code == 0
    found = result.json
    assert set(found) == {
        *("model", "folder", "megabytes", "tokens", "dimension", "counted", "passages", "seconds", "command")
    }
    assert found["model"] == "own/mine"
    assert Path(found["folder"]) == data_folder / "models" / "own--mine"
    size = sum(path.stat().st_size for path in Path(found["folder"]).rglob("*") if path.is_file())
    assert found["megabytes"] == round(size / 1e6, 1)
    assert (found["tokens"], found["dimension"], found["counted"], found["passages"]) == (153, DIMENSIONS, 0, 0)
    assert isinstance(found["seconds"], float)
    assert found["command"] == "python -m ingest FOLDER --kb NAME --embed-model own/mine"
    parse(found["command"])


def test_the_text_says_the_same(run: Run, model: Path, small_base: SmallBase, data_folder: Path) -> None:
    result = distil(run, model, "--kb", small_base.name, "--indexes", small_base.indexes)
    assert result.code == 0
    name = f"own/{model.name}-small"
    where, made, build = result.out.splitlines()
    assert where == f"{name} is on this machine: {data_folder / 'models' / f'own--{model.name}-small'}"
    assert f"153 tokens of {DIMENSIONS} numbers; 3 of 3 passages were read; " in made
    assert build == f"Build with it: python -m ingest --kb small --embed-model {name}"
    assert result.err.splitlines()[-1] == f"Distilling {model} ..."


def test_of_a_model_that_does_not_pool_by_mean_it_is_said_why_nothing_was_read(
    run: Run, tmp_path: Path, small_base: SmallBase
) -> None:
    model = make_bert_embedder(tmp_path / "first", pooling="cls")
    base = ("--kb", small_base.name, "--indexes", small_base.indexes)
    said = distil(run, model, *base).out
    assert "3 passages were counted, none read: only those of a model that takes the mean of its tokens can be" in said
    assert "not measured (docs/static-models.md)" in said
    found = distil(run, model, *base, "--replace", "--json").json
    assert (found["counted"], found["passages"]) == (3, 0)


def test_nothing_is_said_of_passages_where_none_were_given(run: Run, model: Path) -> None:
    assert "numbers; no passages were read; " in distil(run, model).out


def test_without_dimensions_a_small_model_gives_what_it_has(run: Run, model: Path) -> None:
    assert run("models", "distil", model, "--device", "cpu", "--json").json["dimension"] == 31


def test_one_is_replaced_whole(run: Run, model: Path, small_base: SmallBase, data_folder: Path) -> None:
    assert distil(run, model, "--name", "mine").code == 0
    before = resolve_embedder("own/mine", offline=True).fingerprint
    base = ("--kb", small_base.name, "--indexes", small_base.indexes)
    made = run("models", "distil", model, "--name", "mine", "--dimensions", "8", *base, "--replace", "--json").json
    after = resolve_embedder("own/mine", offline=True).fingerprint
    assert (made["model"], made["dimension"], after.dimension) == ("own/mine", 8, 8)
    assert before.differences(after)
    assert [path for path in (data_folder / "models").iterdir() if path.is_dir()] == [Path(made["folder"])]
    (row,) = [row for row in rows_of(run, "list", "--kind", "embedder") if row["id"] == "own/mine"]
    assert (row["dimension"], row["folder"], row["on_this_machine"]) == (8, made["folder"], True)


def test_the_passages_are_read_as_they_are_embedded(
    run: Run, model: Path, make_base: MakeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With headings before them, and without what nothing is seen of."""
    base = make_base({"docs/a.md": "# Passwords\n\n## Reset\n\nOpen the re\u00adset portal.\n\n## Lock\n\nWait."})
    read: list[str] = []
    sample = distillation._sample
    monkeypatch.setattr(distillation, "_sample", lambda texts: read.extend(texts) or sample(texts))
    assert distil(run, model, "--kb", base.name, "--indexes", base.indexes, "--json").json["passages"] == len(read)
    assert read == [searchable(chunk.embedded_text) for chunk in base.open().chunks.all_chunks()]
    assert any("Passwords" in text and "reset portal" in text for text in read)


def test_what_it_reads_changes_what_it_makes(run: Run, model: Path, small_base: SmallBase) -> None:
    texts = ["the account is locked", "open the portal"]
    vectors = []
    for name, options in (("plain", ()), ("read", ("--kb", small_base.name, "--indexes", small_base.indexes))):
        assert distil(run, model, "--name", name, *options).code == 0
        embedder = CatalogueEmbedding(resolve_embedder(f"own/{name}", offline=True), device="cpu")
        vectors.append(embedder.embed_passages(texts))
    assert not np.allclose(vectors[0], vectors[1], atol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "a/b"), "A model cannot be named 'a/b'"),
        (("--name", "bge-m3"), "The catalogue has BAAI/bge-m3"),
        (("--kb", "none"), "'none'"),
        (("--dimensions", "0"), "--dimensions"),
    ],
)
def test_wrong_usage_exits_with_2_before_a_model_is_looked_for(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(embedder_spec, "resolve_embedder", lambda model, **_: asked.append(model))
    result = run("models", "distil", "bundled", "--indexes", tmp_path / "indexes", *options)
    assert (result.code, result.out, asked) == (2, "", [])
    assert message in result.err


def test_a_second_of_the_same_name_is_refused_at_once(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    assert distil(run, model, "--name", "mine").code == 0
    monkeypatch.setattr(embedder_spec, "resolve_embedder", lambda *_, **__: pytest.fail("looked for a model"))
    result = distil(run, model, "--name", "mine")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: There is a model own/mine already, in ")
    assert "--name NAME" in result.err
    assert "--replace" in result.err
    assert str(data_folder / "catalogue.toml") in result.err


def test_a_model_that_is_not_here_is_not_fetched_with_offline(run: Run, no_network: list[object]) -> None:
    result = run("models", "distil", "someone/no-such-model", "--offline")
    assert (result.code, result.out) == (1, "")
    assert "someone/no-such-model" in result.err
    assert no_network == []


def test_one_that_is_gone_is_never_asked_of_a_hub(run: Run, no_network: list[object]) -> None:
    result = run("similarity", "a", "b", "--embed-model", "own/gone")
    assert (result.code, result.out) == (1, "")
    assert "own/gone is not on this machine: there is no such embedding model" in result.err
    assert "rag-app models distil bundled --name gone" in result.err
    assert no_network == []


def test_progress_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("rich.console.Console", lambda **options: Console(**options, force_terminal=True))
    with distilling("some/model") as on_progress:
        on_progress("tokens", 512, 30522)
        on_progress("tokens", 30522, 30522)
        on_progress("passages", 16, 1000)
    drawn = capsys.readouterr()
    assert drawn.out == ""
    assert "Reading tokens" in drawn.err
    assert "16/1000" in drawn.err


def test_the_commands_in_the_docs_parse() -> None:
    lines = commands_in("static-models.md")
    assert len(lines) >= 3
    for line in lines:
        parse(line)


# The row in the catalogue


@pytest.fixture
def made(run: Run, model: Path, small_base: SmallBase) -> str:
    """The id of a model that was made."""
    options = ("--name", "mine", "--kb", small_base.name, "--indexes", small_base.indexes, "--json")
    return str(distil(run, model, *options).json["model"])


def test_it_is_listed_as_on_this_machine(run: Run, made: str) -> None:
    (row,) = [row for row in rows_of(run, "list", "--kind", "embedder") if row["id"] == made]
    assert (row["on_this_machine"], row["family"], row["figures"], row["download_gb"]) == (True, "light", {}, 0)
    assert f"embedder   {made}    on this machine" in run("models", "list").out


def test_show_says_that_it_has_no_window(run: Run, made: str) -> None:
    assert f"max_tokens  {NO_WINDOW}: no window\n" in run("models", "show", made).out
    assert "no window" not in run("models", "show", "bundled").out
    assert rows_of(run, "show", made)[0]["max_tokens"] == NO_WINDOW


def test_advice_puts_it_behind_what_has_figures_and_says_what_it_is(run: Run, made: str) -> None:
    needs = ("--memory-gb", "8", "--window", "5000")
    found = run("models", "advise", *needs, "--json").json["recommended"]
    names = [one["model"] for one in found]
    own = found[names.index(made)]
    assert all(one["standings"] for one in found[: names.index(made)])
    assert own["rank"] > 1
    assert own["on_this_machine"] is True
    assert "static, it does not see the order of words: docs/static-models.md" in own["caveats"]
    assert "reads all of a passage" in own["reasons"]
    shown = run("models", "advise", *needs, "--top", "99").out
    assert "16 numbers a vector, reads all of a text" in shown
    assert str(NO_WINDOW) not in shown


def test_for_a_language_it_is_not_advised_where_nobody_knows_its_languages(run: Run, made: str) -> None:
    found = run("models", "advise", "--language", "en", "--json").json
    assert made not in [one["model"] for one in found["recommended"]]
    (own,) = [one for one in found["rejected"] if one["model"] == made]
    assert [one["why"] for one in own["objections"]] == ["which languages it was made for is not known"]
    assert "; languages not known; " in run("models", "list").out
