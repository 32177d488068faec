"""The commands, in process with models replaced, and as a program: what they print, where, and with which exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rag_app.datatypes import Fingerprint
from rag_app.errors import GenerationError, ModelNotAvailable
from tests.commands import Run
from tests.conftest import REPOSITORY, MakeBase, SmallBase
from tests.fakes import FakeReranker, HashEmbedding, ScriptedLLM, fake_fingerprint

QUESTION = "When is an account locked after failed sign-ins?"
PIECES = ("An account is locked for 30 minutes [", "1].", " The moon is cheese.")


class LoadedEmbedding(HashEmbedding):
    """Stands in for a loaded model: the vectors of `small_base`."""

    @property
    def fingerprint(self) -> Fingerprint:
        return fake_fingerprint()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replaces the two loaders; `llm` is the generator, or the error that loading it raises."""
    state = SimpleNamespace(llm=ScriptedLLM(*PIECES), embedder_error=None, generator_loads=0, embedder_loads=0)

    def resolve(model_id: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(fingerprint=fake_fingerprint(model_id), model_id=model_id)

    def embedder(spec: Any, *, device: str, models: Any) -> LoadedEmbedding:
        state.embedder_loads += 1
        if state.embedder_error is not None:
            raise state.embedder_error
        return LoadedEmbedding()

    def generator(model_id: str | None, **options: Any) -> ScriptedLLM:
        state.generator_loads += 1
        state.generator_asked_for = (model_id, options)
        if isinstance(state.llm, Exception):
            raise state.llm
        return state.llm

    monkeypatch.setattr("rag_app.answering.assembly.resolve_embedder", resolve)
    monkeypatch.setattr("rag_app.models.embedder.load_embedder", embedder)
    monkeypatch.setattr("rag_app.models.generating.generator.load_generator", generator)
    return state


def ask(base: SmallBase, question: str, *options: str) -> list[str | Path]:
    return ["ask", question, "--kb", base.name, "--indexes", base.indexes, *options]


COMMANDS = [
    (), ("ask",), ("models",), ("models", "list"), ("models", "show"), ("models", "install"),
    ("kb",), ("kb", "list"), ("kb", "show"), ("kb", "verify"), ("kb", "calibrate"), ("serve",),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "rag-app")
def test_every_command_has_help(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.code == 0
    assert "Usage:" in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    "command", [("ask",), ("ask", "x", "--retriever", "magic"), ("no-such",), ("serve", "--port", "0")]
)
def test_wrong_usage_exits_with_2_and_says_so_on_standard_error(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.code == 2
    assert result.out == ""
    assert "Usage:" in result.err


def test_an_answer_is_printed_with_sources_and_named_scores(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace
) -> None:
    result = run(*ask(small_base, QUESTION))
    assert (result.code, result.err) == (0, "")
    text, _, sources = result.out.partition("Sources")
    assert text.startswith("An account is locked for 30 minutes [1]. The moon is cheese.")
    assert "No passage supports:\n  The moon is cheese." in text
    assert "[1] docs/passwords.md" in sources
    assert "cosine 0." in sources
    assert "bm25 " in sources
    assert "fused " in sources
    assert loaded.generator_loads == 1


def test_a_chinese_question(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    loaded.llm = ScriptedLLM("账号会被锁定三十分钟【1】。")
    result = run(*ask(small_base, "连续输错五次密码，账号会怎样？"))
    assert result.code == 0
    assert result.out.startswith("账号会被锁定三十分钟[1]。")
    assert "[1] docs/密码.md" in result.out


def test_no_answer_loads_no_generator(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    result = run(*ask(small_base, QUESTION, "--no-answer"))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Sources\n[1] docs/passwords.md")
    assert loaded.generator_loads == 0


def test_flags_reach_what_they_are_for(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    options = (
        "--top-k",
        "1",
        "--retriever",
        "keyword",
        "--generator",
        "me/mine",
        "--device",
        "cpu",
        "--offline",
        "--json",
    )
    passages = run(*ask(small_base, QUESTION, *options)).json["passages"]
    assert len(passages) == 1
    assert "fused" not in passages[0]["scores"]
    model_id, given = loaded.generator_asked_for
    assert model_id == "me/mine"
    assert (given["device"], given["offline"]) == ("cpu", True)


@pytest.mark.usefixtures("loaded")
def test_json_is_one_object_of_the_promised_shape(run: Run, small_base: SmallBase) -> None:
    result = run(*ask(small_base, QUESTION, "--json"))
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    found = result.json
    names = [
        "question",
        "answer",
        "abstained",
        "abstention",
        "cut",
        "sentences",
        "passages",
        "models",
        "not_asked",
        "prompt",
        "timings",
        "wanted_percentile",
        "filters",
    ]
    assert list(found) == names
    assert found["question"] == QUESTION
    assert found["answer"] == "An account is locked for 30 minutes [1]. The moon is cheese."
    assert found["abstained"] is False
    assert [
        {name: sentence[name] for name in ("text", "citations", "supported")} for sentence in found["sentences"]
    ] == [
        {"text": "An account is locked for 30 minutes.", "citations": [1], "supported": True},
        {"text": "The moon is cheese.", "citations": [], "supported": False},
    ]
    assert [passage["n"] for passage in found["passages"]] == list(range(1, len(found["passages"]) + 1))
    for passage in found["passages"]:
        assert {"n", "document", "page", "start", "end", "text", "scores"} <= set(passage)
        assert {"cosine", "bm25", "fused"} <= set(passage["scores"])
        assert passage["end"] - passage["start"] == len(passage["text"])
    assert found["models"] == {"embedder": "fake/hash-embedding", "reranker": None, "generator": "fake/scripted"}
    assert {"retrieval", "generation"} <= set(found["timings"])


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("retriever", ["hybrid", "dense", "keyword"])
def test_filters_narrow_what_is_found_and_are_told_as_typed(run: Run, small_base: SmallBase, retriever: str) -> None:
    given = ["language=zh", "Document=密码.md"]
    options = [option for term in given for option in ("--filter", term)]
    found = run(*ask(small_base, f"{QUESTION} 密码", "--json", "--retriever", retriever, *options)).json
    assert found["filters"] == given
    assert {passage["document"] for passage in found["passages"]} == {"docs/密码.md"}


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("author=x", "There is no filter 'author'. The keys are: document, folder, source, type, language"),
        ("type=pdf", "No passage in the knowledge base 'small' matches the filter 'type=pdf'. There is: md."),
        ("date=soon", "The filter 'date=soon' is no date"),
    ],
)
def test_a_filter_that_matches_nothing_is_said_before_a_model_is_loaded(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace, term: str, said: str
) -> None:
    result = run(*ask(small_base, QUESTION, "--filter", term))
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert (loaded.embedder_loads, loaded.generator_loads) == (0, 0)


@pytest.mark.usefixtures("loaded")
def test_json_without_an_answer(run: Run, small_base: SmallBase) -> None:
    found = run(*ask(small_base, QUESTION, "--json", "--no-answer")).json
    assert (found["answer"], found["abstained"], found["sentences"]) == (None, False, [])
    assert found["models"]["generator"] is None
    assert found["passages"]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("retriever", ["hybrid", "dense", "keyword"])
def test_every_passage_has_a_cosine_also_what_keyword_search_found(
    run: Run, small_base: SmallBase, retriever: str
) -> None:
    found = run(*ask(small_base, QUESTION, "--json", "--no-answer", "--retriever", retriever)).json
    assert found["passages"]
    assert all({"cosine", "bm25"} <= set(passage["scores"]) for passage in found["passages"])


@pytest.fixture
def reranker(monkeypatch: pytest.MonkeyPatch, loaded: SimpleNamespace) -> SimpleNamespace:
    """Replaces the loader of rerankers."""
    state = SimpleNamespace(asked_for=[], model=FakeReranker(given=[]))

    def resolve(model_id: str, **options: Any) -> str:
        state.asked_for.append((model_id, options["offline"]))
        return model_id

    monkeypatch.setattr("rag_app.models.reranker_spec.resolve_reranker", resolve)
    monkeypatch.setattr("rag_app.models.reranker.load_reranker", lambda spec, **_: state.model)
    return state


def test_a_reranker_orders_the_passages_and_is_named(
    run: Run, small_base: SmallBase, reranker: SimpleNamespace
) -> None:
    result = run(*ask(small_base, QUESTION, "--json", "--no-answer", "--reranker", "me/mine", "--offline"))
    assert (result.code, result.err) == (0, "")
    assert reranker.asked_for == [("me/mine", True)]
    assert result.json["models"]["reranker"] == "fake/longest"
    assert "reranking" in result.json["timings"]
    passages = result.json["passages"]
    scores = [passage["scores"]["reranker"] for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert all({"cosine", "bm25", "fused"} <= set(passage["scores"]) for passage in passages)


@pytest.mark.usefixtures("loaded")
def test_so_many_passages_of_one_document(run: Run, make_base: MakeBase) -> None:
    sections = {name: [f"## {thing}\n\n" + f"The {thing} of the {name} is locked. " * 12 for thing in
                       ("door", "gate", "window", "drawer")] for name in ("house", "barn")}  # fmt: skip
    base = make_base({f"docs/{name}.md": "\n\n".join(parts) for name, parts in sections.items()})

    def documents(*options: str) -> list[str]:
        result = run(*ask(base, "Is the house locked?", "--no-answer", "--json", "--top-k", "4", *options)).json
        return [passage["document"] for passage in result["passages"]]

    assert documents().count("docs/house.md") > 2
    assert sorted(documents("--per-document", "2")) == ["docs/barn.md"] * 2 + ["docs/house.md"] * 2
    assert len(documents("--per-document", "1")) == 4, (
        "where no other document is left, the places are filled all the same"
    )
    assert run(*ask(base, QUESTION, "--per-document", "0")).code == 2


def test_a_reranker_may_be_set_in_the_environment(
    run: Run, small_base: SmallBase, reranker: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_APP_RERANKER", "me/mine")
    assert "reranker " in run(*ask(small_base, QUESTION, "--no-answer")).out
    assert reranker.asked_for == [("me/mine", False)]


def test_what_the_reranker_did_not_read_is_said(run: Run, small_base: SmallBase, reranker: SimpleNamespace) -> None:
    reranker.model = FakeReranker(given=[], unseen=0.25)
    result = run(*ask(small_base, QUESTION, "--no-answer", "--top-k", "2", "--reranker", "me/mine"))
    assert result.code == 0
    assert result.err == (
        "notice: The reranker read only the beginning of 2 of these passages: they are longer than its window.\n"
    )


def test_a_reranker_that_is_not_there_is_named_with_the_ways_on(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace
) -> None:
    result = run(*ask(small_base, QUESTION, "--offline", "--reranker", "BAAI/bge-reranker-base"))
    assert (result.code, result.out) == (1, "")
    assert "The reranker BAAI/bge-reranker-base (1.11 GB, MIT) is not on this machine" in result.err
    assert loaded.generator_loads == 0


def test_nothing_found_is_said_and_the_generator_not_asked(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace
) -> None:
    result = run(*ask(small_base, "zymurgy quokka", "--retriever", "keyword"))
    assert result.code == 0
    assert result.out.startswith("No passage was found.")
    assert loaded.llm.prompts == []
    found = run(*ask(small_base, "zymurgy quokka", "--retriever", "keyword", "--json")).json
    assert (found["abstained"], found["passages"], found["answer"]) == (True, [], None)


NOT_THERE = ModelNotAvailable("The generator me/mine is not on this machine.", "Run: rag-app models install me/mine")


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_without_the_generator_the_passages_are_printed_and_the_exit_code_is_1(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace, as_json: bool
) -> None:
    loaded.llm = NOT_THERE
    result = run(*ask(small_base, QUESTION, *(["--json"] if as_json else [])))
    assert result.code == 1
    assert result.err == f"error: {NOT_THERE}\n"
    if as_json:
        assert result.json["answer"] is None
        assert result.json["passages"][0]["document"] == "docs/passwords.md"
    else:
        assert "[1] docs/passwords.md" in result.out


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_generator_that_fails_half_way_leaves_the_passages(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace, as_json: bool
) -> None:
    loaded.llm = ScriptedLLM("An account ", error=GenerationError("It broke.", "The passages are still shown."))
    result = run(*ask(small_base, QUESTION, *(["--json"] if as_json else [])))
    assert result.code == 1
    assert result.err == "error: It broke. The passages are still shown.\n"
    if as_json:
        assert result.json["passages"]
    else:
        assert result.out.startswith("An account \n")
        assert "[1] docs/passwords.md" in result.out


def test_an_embedder_that_fails_is_one_line(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    loaded.embedder_error = ModelNotAvailable("The embedding model is gone.", "Fetch it.")
    result = run(*ask(small_base, QUESTION))
    assert (result.code, result.out, result.err) == (1, "", "error: The embedding model is gone. Fetch it.\n")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("", "There is no question."),
        ("？！", "There is no question."),
        ("x" * 100_000, "The question has 100,000 characters"),
    ],
    ids=["empty", "punctuation", "100,000 characters"],
)
def test_a_question_that_cannot_be_asked_is_one_line_and_loads_nothing(
    run: Run, small_base: SmallBase, loaded: SimpleNamespace, question: str, said: str
) -> None:
    result = run(*ask(small_base, question, "--json"))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {said}")
    assert result.err.count("\n") == 1
    assert len(result.err) < 300
    assert loaded.embedder_loads == loaded.generator_loads == 0


@pytest.mark.parametrize("name", ["../small", "a/b", "", ".", "x" * 300, "\x1b[31m"], ids=ascii)
@pytest.mark.parametrize("command", ["ask", "kb show"])
def test_a_bad_name_is_one_line(run: Run, small_base: SmallBase, name: str, command: str) -> None:
    arguments = ["ask", QUESTION, "--kb", name] if command == "ask" else ["kb", "show", name]
    result = run(*arguments, "--indexes", small_base.indexes)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err


@pytest.mark.parametrize(
    "arguments", [("ask", QUESTION, "--kb", "none"), ("kb", "show", "none")], ids=["ask", "kb show"]
)
def test_an_unknown_knowledge_base_is_one_line_with_what_to_run(
    run: Run, small_base: SmallBase, arguments: tuple[str, ...]
) -> None:
    result = run(*arguments, "--indexes", small_base.indexes)
    assert (result.code, result.out) == (2, "")
    assert "'none'" in result.err
    assert "python -m ingest" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.usefixtures("loaded")
def test_a_model_the_base_has_no_vectors_of(run: Run, small_base: SmallBase) -> None:
    result = run(*ask(small_base, QUESTION, "--embed-model", "other/model"))
    assert (result.code, result.out) == (1, "")
    assert "no vectors of other/model" in result.err
    assert f"python -m ingest --kb {small_base.name} --embed-model other/model" in result.err


def test_a_wrong_setting_is_one_line(run: Run, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_APP_RETRIEVAL__TOP_K", "many")
    result = run(*ask(small_base, QUESTION))
    assert (result.code, result.out) == (2, "")
    assert "retrieval.top_k" in result.err
    assert result.err.count("\n") == 1


def test_a_defect_is_one_line_without_a_traceback(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    loaded.embedder_error = ZeroDivisionError("never\nmind")
    result = run(*ask(small_base, QUESTION))
    assert result.code == 1
    assert result.err.startswith("error: unexpected ZeroDivisionError: never. Set RAG_APP_TRACEBACK=1")
    assert result.err.count("\n") == 1


def test_an_interruption_exits_with_130(run: Run, small_base: SmallBase, loaded: SimpleNamespace) -> None:
    loaded.embedder_error = KeyboardInterrupt()
    assert run(*ask(small_base, QUESTION)).code == 130


@pytest.mark.usefixtures("loaded")
def test_terminal_escapes_in_a_document_are_shown_not_obeyed(
    run: Run, make_base: MakeBase, loaded: SimpleNamespace
) -> None:
    base = make_base({"docs/\x1b[2Jevil.md": "The account \x1b]0;owned\x07 is \x1b[31mlocked\u202e for 30 minutes."})
    loaded.llm = ScriptedLLM("The account is \x1b[31mlocked for 30 minutes [1].")
    result = run(*ask(base, QUESTION))
    shown = run("kb", "show", base.name, "--indexes", base.indexes)
    for text in (result.out, shown.out):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert r"\x1b[2Jevil.md" in text
    assert r"\x1b]0;owned\x07 is \x1b[31mlocked\u202e" in result.out
    assert "is [31mlocked for" in result.out.partition("Sources")[0]


@pytest.mark.usefixtures("loaded")
def test_the_index_root_may_come_from_the_environment(
    run: Run, small_base: SmallBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_APP_INDEXES", str(small_base.indexes))
    assert run("ask", QUESTION, "--kb", small_base.name, "--no-answer").code == 0


def test_models_list_as_json_and_as_lines_with_whole_ids(run: Run) -> None:
    rows = {row["id"]: row for row in run("models", "list", "--json").json["models"]}
    bundled = rows["sentence-transformers/all-MiniLM-L6-v2"]
    assert (bundled["kind"], bundled["alias"], bundled["on_this_machine"]) == ("embedder", "bundled", True)
    assert rows["BAAI/bge-m3"]["dimension"] == 1024
    assert rows["Qwen/Qwen2.5-1.5B-Instruct"]["kind"] == "generator"
    table = run("models", "list")
    assert (table.code, table.err) == (0, "")
    lines = table.out.splitlines()
    assert [line.split()[:2] for line in lines[::2]] == [[row["kind"], row_id] for row_id, row in rows.items()]
    assert (
        "2.27 GB to download, 3.2 GB of memory; en zh multilingual; MIT."
        in lines[2 * list(rows).index("BAAI/bge-m3") + 1]
    )


def test_models_show(run: Run) -> None:
    (row,) = run("models", "show", "intfloat/multilingual-e5-small", "--json").json["models"]
    assert (row["query_prompt"], row["passage_prompt"]) == ("query: ", "passage: ")
    assert "'query: '" in run("models", "show", "intfloat/multilingual-e5-small").out, "a trailing space can be seen"
    kinds = [set(row) for row in run("models", "show", "bundled", "--json").json["models"]]
    assert len(kinds) == 2, "a bundled embedder and a bundled generator"


def test_models_show_of_an_unknown_model(run: Run) -> None:
    result = run("models", "show", "nobody/nothing", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: The catalogue has no model 'nobody/nothing'. See: rag-app models list\n"


def test_models_install_says_what_is_there_and_what_cannot_be_had(run: Run) -> None:
    there = run("models", "install", "sentence-transformers/all-MiniLM-L6-v2")
    assert (there.code, there.out) == (0, "")
    assert "is on this machine" in there.err
    missing = run("models", "install", "nobody/nothing")
    assert missing.code == 1
    assert missing.err.startswith("error: The model nobody/nothing is not on this machine")


HEAVY = ("torch", "transformers", "llama_index", "streamlit")
PROGRAM = (
    "import runpy, sys\n"
    "sys.argv = [sys.argv[1], '--help']\n"
    "try: runpy.run_module(sys.argv[0], run_name='__main__')\n"
    "except SystemExit: pass\n"
    "print('LOADED', sorted({name.partition('.')[0] for name in sys.modules}))\n"
)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


@pytest.mark.parametrize("module", ["rag_app", "ingest"])
def test_help_loads_nothing_heavy(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module], env=environment(), capture_output=True, text=True, check=True
    )
    usage, _, loaded = done.stdout.rpartition("LOADED")
    assert "Usage:" in usage
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []


@pytest.mark.parametrize("module", ["rag_app", "ingest"])
def test_help_answers_in_half_a_second(module: str) -> None:
    """CPU time, the best of three: other programs on this machine do not count."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"], env=environment(), capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "Usage:" in done.stdout
    assert min(spent) < 0.5, spent
