"""docs/models.md is what the catalogue says, prompts to the last space, and its example of a row works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.models import catalogue
from rag_app.models.catalogue import Catalogue, EmbedderRow, packaged_catalogue
from rag_app.models.catalogue_page import BENCHMARKS, catalogue_page
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from tests.conftest import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "models.md"
PACKAGED = packaged_catalogue()
PAGE = catalogue_page(PACKAGED)
COMMAND = "python -m rag_app.models.catalogue_page > docs/models.md"


def page_of(row: EmbedderRow) -> str:
    return catalogue_page(Catalogue((row,), (), ()))


def notes_of(page: str, model_id: str) -> str:
    return page.split(f"#### {model_id}\n")[1].split("\n#", maxsplit=1)[0]


def test_the_page_in_docs_is_the_one_that_the_catalogue_makes() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == PAGE, f"make it anew: {COMMAND}"


def test_the_command_at_the_head_of_the_page_writes_the_page() -> None:
    module = re.search(r"python -m (\S+) >", PAGE)
    assert module
    written = subprocess.run([sys.executable, "-m", module[1]], capture_output=True, check=True, cwd=REPOSITORY)
    assert written.stdout.decode() == PAGE


def test_rows_of_the_users_own_stay_out_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalogue.toml").write_text('[[embedder]]\nid = "BAAI/bge-m3"\nmax_tokens = 1024\n')
    monkeypatch.setattr(catalogue, "user_data_folder", lambda: tmp_path)
    assert catalogue_page(packaged_catalogue()) == PAGE


def test_every_model_stands_in_a_table_with_a_link_to_the_hub() -> None:
    for row in (*PACKAGED.embedders, *PACKAGED.rerankers, *PACKAGED.generators):
        assert PAGE.count(f"\n| [{row.id}](https://huggingface.co/{row.id})") == 1


@pytest.mark.parametrize("row", PACKAGED.embedders, ids=lambda row: row.id)
def test_the_prompts_can_be_read_back_from_the_page_to_the_last_space(row: EmbedderRow) -> None:
    line = re.search(r"- Before a question: (.*)\. Before a passage: (.*)\.\n", notes_of(PAGE, row.id))
    assert line
    shown = [json.loads(cell.strip("`")) if cell != "nothing" else "" for cell in line.groups()]
    assert shown == [row.query_prompt, row.passage_prompt]


@pytest.mark.parametrize("side", ["query_prompt", "passage_prompt"])
def test_a_space_or_a_line_break_at_the_end_of_a_prompt_changes_the_page(side: str) -> None:
    row = PACKAGED.embedders[1]
    pages = {page_of(replace(row, **{side: f"x:{end}"})) for end in ("", " ", "\n", "  ")}
    assert len(pages) == 4


def test_every_table_has_as_many_cells_in_each_line_also_with_a_bar_in_one() -> None:
    for row in (PACKAGED.embedders[1], replace(PACKAGED.embedders[1], licence="one | another")):
        tables = [block for block in page_of(row).split("\n\n") if block.startswith("| Model |")]
        assert len(tables) == 4
        for table in tables:
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}) == 1


def test_every_figure_has_a_column_and_every_column_is_explained() -> None:
    assert {name for row in PACKAGED.embedders for name in row.figures} == set(BENCHMARKS)
    for name, meaning in BENCHMARKS.items():
        assert f"  - {name}: {meaning}." in PAGE
    line = next(line for line in PAGE.splitlines() if line.startswith("| nvidia/NV-Embed-v2 |"))
    assert line == (
        "| nvidia/NV-Embed-v2 | 62.8 | - | 59.5 | 55.5 | 52.1 | MIRACL, ArguAna, FEVER, FiQA2018, HotpotQA |"
    )


def test_a_licence_that_forbids_commercial_use_or_must_be_accepted_is_marked() -> None:
    lines = {row.id: line for row in PACKAGED.embedders for line in PAGE.splitlines() if f"| [{row.id}](" in line}
    for row in PACKAGED.embedders:
        assert ("*not commercial*" in lines[row.id]) is not row.commercial
        assert ("to be accepted first" in lines[row.id]) is row.gated


def test_a_page_that_a_link_leads_to_is_there() -> None:
    for target in set(re.findall(r"\]\((?!https:)([^)]+)\)", PAGE)):
        name, _, anchor = target.partition("#")
        linked = DOCUMENT.parent / name
        assert linked.is_file(), target
        headings = re.findall(r"^#+ (.*)", linked.read_text(encoding="utf-8"), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


@pytest.fixture
def own_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example of the page as the user's own catalogue, and a home folder."""
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    data = tmp_path / "data"
    data.mkdir()
    # The tiny model that lies in the folder has shorter vectors and a shorter window
    written = example[1].replace("dimension = 768", "dimension = 32").replace("max_tokens = 512", "max_tokens = 64")
    (data / "catalogue.toml").write_text(written, encoding="utf-8")
    monkeypatch.setattr(catalogue, "user_data_folder", lambda: data)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_example_of_a_row_embeds_with_a_model_in_its_folder(own_row: Path, tiny_embedder: Path) -> None:
    (own_row / "models").mkdir()
    (own_row / "models" / "support-model").symlink_to(tiny_embedder, target_is_directory=True)
    spec = resolve_embedder("my-company/support-model", offline=True)
    assert spec.fingerprint.query_prompt == "为这个句子生成表示以用于检索相关文章："
    assert (spec.fingerprint.dimension, spec.fingerprint.max_tokens) == (32, 64)
    assert CatalogueEmbedding(spec, device="cpu").embed_question("密码").shape == (32,)
