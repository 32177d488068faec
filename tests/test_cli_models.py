"""`rag-app models`: what the filters leave, what advice prints and promises as JSON; and the commands in the docs parse."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from ingest.cli import app as ingest_app
from rag_app.cli import app
from rag_app.models.catalogue import load_catalogue
from tests.commands import Run
from tests.conftest import REPOSITORY, MakeBase, SmallBase

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("command", ["list", "show", "advise", "install"])
def test_every_command_has_help(run: Run, command: str) -> None:
    result = run("models", command, "--help")
    assert (result.code, result.err) == (0, "")
    assert "Usage:" in result.out


# models list, models show


def listed(run: Run, *options: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("models", "list", "--json", *options).json["models"]
    return rows


def test_the_list_has_all_three_kinds(run: Run) -> None:
    rows = listed(run)
    assert {row["kind"] for row in rows} == {"embedder", "reranker", "generator"}
    assert len(rows) == len(CATALOGUE.embedders) + len(CATALOGUE.rerankers) + len(CATALOGUE.generators)


def test_filters_of_the_list_leave_what_fits_all_of_them(run: Run) -> None:
    rows = listed(run, "--kind", "embedder", "--language", "zh", "--memory-gb", "1.2", "--commercial")
    expected = [row.id for row in CATALOGUE.embedders if row.covers("zh") and row.memory_gb <= 1.2 and row.commercial]
    assert [row["id"] for row in rows] == expected
    assert 0 < len(rows) < len(CATALOGUE.embedders)


def test_a_list_without_a_model_says_so(run: Run) -> None:
    result = run("models", "list", "--memory-gb", "0.01")
    assert (result.code, result.out) == (0, "No model of the catalogue is like that.\n")


def test_show_has_every_field_prompts_in_quotes_and_what_figures_are(run: Run) -> None:
    shown = run("models", "show", "intfloat/multilingual-e5-small").out
    (row,) = run("models", "show", "intfloat/multilingual-e5-small", "--json").json["models"]
    says = {name for name, value in row.items() if value not in ("", [], {}) or name.endswith("_prompt")}
    assert {line.split()[0] for line in shown.splitlines() if not line.startswith(" " * 30)} >= says
    assert not re.search(r"^ *package\b", shown, re.MULTILINE), "it has none"
    assert "query_prompt  'query: '" in shown
    assert "C-MTEB retrieval = 59.94: eight tasks of search in Chinese" in shown
    assert "figures = embeddings-benchmark/results" in shown
    assert row["kind"] == "embedder"


def test_show_knows_rerankers(run: Run) -> None:
    (row,) = run("models", "show", "BAAI/bge-reranker-v2-m3", "--json").json["models"]
    assert row["kind"] == "reranker"


def test_show_has_the_parts_of_a_judges_prompt_in_quotes(run: Run) -> None:
    shown = run("models", "show", "mixedbread-ai/mxbai-rerank-base-v2").out
    assert r"'query: {question}', '\n', 'document: {passage}', '\n', " in shown


# models advise


def advise(run: Run, *options: str | Path) -> dict[str, Any]:
    return run("models", "advise", "--json", *options).json


NEEDS = ("--language", "zh", "--language", "en", "--memory-gb", "8", "--commercial")


def test_advice_is_one_object_with_the_documented_keys(run: Run) -> None:
    result = run("models", "advise", "--json", *NEEDS)
    assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)
    found = result.json
    assert list(found) == ["needs", "benchmarks", "recommended", "rejected"]
    documented = (REPOSITORY / "docs" / "choosing.md").read_text(encoding="utf-8").partition("## The JSON of")[2]
    first = found["recommended"][0]
    keys = [*found, *found["needs"], *first, *first["standings"][0], *found["rejected"][0]]
    assert [key for key in keys if f"`{key}`" not in documented] == []
    assert found["needs"]["languages"] == ["zh", "en"]
    assert [one["rank"] for one in found["recommended"]] == list(range(1, len(found["recommended"]) + 1))
    assert {standing["benchmark"] for standing in first["standings"]} <= set(found["benchmarks"])


def test_every_flag_reaches_what_it_is_for(run: Run) -> None:
    options = (
        "--download-gb",
        "9",
        "--window",
        "300",
        "--dimension",
        "700",
        "--fast",
        "--gpu",
        "--remote-code",
        "--served",
    )
    needs = advise(run, "--memory-gb", "8", "--commercial", *options)["needs"]
    assert needs == {
        "languages": [],
        "scripts": [],
        "pictures": False,
        "memory_gb": 8.0,
        "download_gb": 9.0,
        "commercial": True,
        "window_tokens": 300,
        "max_dimension": 700,
        "fast": True,
        "gpu": True,
        "remote_code": True,
        "served": True,
    }
    assert advise(run, "--pictures", "--memory-gb", "8")["needs"]["pictures"] is True


def test_the_memory_of_the_machine_is_the_limit_where_none_is_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_app.models.choosing.needs.default_memory_gb", lambda: 1.0)
    found = advise(run, "--language", "en")
    assert found["needs"]["memory_gb"] == 1.0
    assert all(one["memory_gb"] <= 1.0 for one in found["recommended"])


def test_advice_is_printed_with_reasons_costs_and_the_command(run: Run) -> None:
    result = run("models", "advise", *NEEDS, "--top", "2")
    assert (result.code, result.err) == (0, "")
    found = advise(run, *NEEDS)
    head, first, second, *rest = result.out.split("\n\n")
    assert head.startswith("Asked for: an embedding model for zh, en, at most 8 GB of memory, commercial use.")
    for block, one in zip((first, second), found["recommended"], strict=False):
        assert block.startswith(f"{one['rank']}. {one['model']}")
        assert f"{one['download_gb']:g} GB to download, {one['memory_gb']:g} GB of memory" in block
        assert all(f"+ {reason}\n" in block for reason in one["reasons"])
        assert all(f"- {caveat}\n" in block for caveat in one["caveats"])
        assert block.endswith(f"python -m ingest FOLDER --kb NAME --embed-model {one['model']}")
    count = len(found["recommended"])
    assert rest[0].startswith(f"{count - 2} more fit: --top {count} shows them.\n{len(found['rejected'])} do not fit: ")


def test_what_is_on_this_machine_is_said(run: Run) -> None:
    bundled = "sentence-transformers/all-MiniLM-L6-v2"
    here = {
        one["model"]: one["on_this_machine"]
        for one in advise(run, "--language", "en", "--memory-gb", "0.8")["recommended"]
    }
    assert here[bundled] is True
    assert f". {bundled}    on this machine" in run("models", "advise", "--language", "en", "--memory-gb", "0.8").out


def test_why_not_says_it_of_each(run: Run) -> None:
    out = run("models", "advise", *NEEDS, "--why-not").out
    for one in advise(run, *NEEDS)["rejected"]:
        assert f"  {one['model']}: {'; '.join(found['why'] for found in one['objections'])}\n" in out


@pytest.mark.parametrize(
    ("option", "model", "setting"),
    [
        (
            "--remote-code",
            "nomic-ai/nomic-embed-text-v2-moe",
            "RAG_APP_MODELS__TRUSTED_CODE='[\"{}\"]' python -m ingest",
        ),
        ("--served", "nvidia/NV-Embed-v2", "RAG_APP_MODELS__SERVED_URL=http://127.0.0.1:8000/v1 python -m ingest"),
    ],
)
def test_a_model_that_is_refused_without_a_setting_comes_with_it(
    run: Run, option: str, model: str, setting: str
) -> None:
    found = {one["model"]: one for one in advise(run, "--language", "en", "--memory-gb", "8", option)["recommended"]}
    assert found[model]["command"].startswith(setting.format(model))
    without = advise(run, "--language", "en", "--memory-gb", "8")
    assert model in [one["model"] for one in without["rejected"]]


def test_where_nothing_fits_it_is_one_line_with_what_to_relax(run: Run) -> None:
    result = run("models", "advise", "--language", "zh", "--memory-gb", "0.1", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: None of the {len(CATALOGUE.embedders)} embedding models fits all of that")
    assert "Relax one: a larger --memory-gb" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["list", "advise"])
def test_an_unknown_language_exits_with_2_and_names_the_known(run: Run, command: str) -> None:
    result = run("models", command, "--language", "chinese")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: 'chinese' is not a known language code; known are: ")
    assert ", zh." in result.err


@pytest.mark.parametrize(
    "arguments",
    [("advise", "--memory-gb", "0"), ("advise", "--top", "0"), ("advise", "--window", "x"), ("list", "--kind", "car")],
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("models", *arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage:" in result.err


# models advise --kb


def test_a_knowledge_base_gives_its_languages_and_its_longest_passage(run: Run, small_base: SmallBase) -> None:
    found = advise(run, "--kb", small_base.name, "--indexes", small_base.indexes, "--memory-gb", "8")
    assert sorted(found["needs"]["languages"]) == ["en", "zh"]
    assert 10 < found["needs"]["window_tokens"] < 100
    assert found["recommended"][0]["command"].startswith(f"python -m ingest --kb {small_base.name} --embed-model ")


def test_a_longer_passage_needs_a_longer_window(run: Run, make_base: MakeBase) -> None:
    base = make_base({"docs/long.md": "# Long\n\n" + "An account is locked for thirty minutes. " * 12})
    needs = advise(run, "--kb", base.name, "--indexes", base.indexes, "--memory-gb", "8")["needs"]
    assert needs["window_tokens"] > 100
    given = advise(run, "--kb", base.name, "--indexes", base.indexes, "--memory-gb", "8", "--window", "50")["needs"]
    assert given["window_tokens"] == 50


def test_what_is_asked_for_is_added_to_what_the_knowledge_base_has(run: Run, small_base: SmallBase) -> None:
    found = advise(
        run, "--kb", small_base.name, "--indexes", small_base.indexes, "--language", "de", "--memory-gb", "8"
    )
    assert found["needs"]["languages"][0] == "de"
    assert len(found["needs"]["languages"]) == 3


def test_advice_for_an_unknown_knowledge_base(run: Run, small_base: SmallBase) -> None:
    result = run("models", "advise", "--kb", "none", "--indexes", small_base.indexes)
    assert (result.code, result.out) == (2, "")
    assert "'none'" in result.err


# models install


def test_install_asks_the_hub_that_is_named_and_knows_what_is_trusted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def install(model_id: str, *, announce: Any, **options: Any) -> None:
        asked.append((model_id, options))

    monkeypatch.setattr("rag_app.models.fetching.installation.install", install)
    monkeypatch.setenv("RAG_APP_MODELS__TRUSTED_CODE", '["me/mine"]')
    assert run("models", "install", "me/mine").code == 0
    assert run("models", "install", "BAAI/bge-m3", "--hub", "modelscope").code == 0
    assert asked == [
        ("me/mine", {"hub": "huggingface", "trusted_code": ("me/mine",)}),
        ("BAAI/bge-m3", {"hub": "modelscope", "trusted_code": ("me/mine",)}),
    ]
    assert run("models", "install", "me/mine", "--hub", "elsewhere").code == 2


# models distil


def test_distilling_what_is_nowhere_names_what_that_command_takes(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    result = run("models", "distil", "nobody/nothing", "--offline")
    assert (result.code, result.out) == (1, "")
    assert "'rag-app models distil /path/to/folder'" in result.err
    assert "--embed-model" not in result.err


# The commands in the docs


def commands_in(page: str) -> list[str]:
    """Return the lines of a page's shell blocks that run a command of ours, without their comments."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        line for block in blocks for line in block.splitlines() if line.startswith(("rag-app ", "python -m ingest "))
    ]


def parse(line: str) -> None:
    """Parse a command line down to its last flag; nothing is run."""
    words = shlex.split(line, comments=True)
    is_ours = words[0] == "rag-app"
    command: click.Command = typer.main.get_command(app if is_ours else ingest_app)
    arguments = words[1:] if is_ours else words[3:]
    while isinstance(command, click.Group):
        _, found, arguments = command.resolve_command(click.Context(command), arguments)
        assert found is not None
        command = found
    command.make_context("test", arguments)


@pytest.mark.parametrize("page", ["choosing.md", "choosing.zh.md"])
def test_the_commands_in_the_docs_parse_and_name_models_of_the_catalogue(page: str) -> None:
    lines = commands_in(page)
    assert len(lines) >= 6
    for line in lines:
        parse(line)
        for model in re.findall(r"--(?:embed|drop)-model (\S+)", line):
            name, _, cut = model.partition("@")
            row = CATALOGUE.embedder(name)
            assert row is not None, line
            assert not cut or int(cut) in row.matryoshka, line


def test_the_commands_on_rerankers_parse_and_name_rerankers_of_the_catalogue() -> None:
    lines = commands_in("reranking.md")
    assert len(lines) >= 3
    named = []
    for line in lines:
        parse(line)
        named += re.findall(r"(?:install|--reranker) (\S+)", line)
    assert named
    assert all(CATALOGUE.reranker(model) is not None for model in named)


@pytest.mark.parametrize("page", ["choosing.md", "choosing.zh.md"])
def test_the_docs_give_no_figure_that_is_not_in_the_catalogue(page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    known = {value for row in CATALOGUE.embedders for value in row.figures.values()}
    figures = [float(figure) for figure in re.findall(r"(?<![\d.])\d{1,2}\.\d{2}(?! GB| 亿|[\d.])", text)]
    assert len(figures) >= 5
    assert [figure for figure in figures if figure not in known] == []
