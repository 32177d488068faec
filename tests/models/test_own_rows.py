"""A row is written into the user's own catalogue, and what stood there stays."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import ConfigurationError, UsageError
from rag_app.models.catalogue import load_catalogue
from rag_app.models.static.own_rows import add_embedder, check_embedder, own_catalogue
from tests.models.small_catalogue import row


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user data folder."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    return tmp_path / "data"


def test_a_row_comes_back_as_it_was_whatever_its_strings_hold(data_folder: Path) -> None:
    written = row(
        "own/odd",
        "en",
        "zh",
        folder='C:\\models\\"密码" \x7f\t😀',
        query_prompt="line\nbreak: ",
        figures={"MTEB English v2 retrieval": 42.5},
        matryoshka=(64, 128),
        normalises=False,
    )
    add_embedder(written)
    assert load_catalogue().embedder("own/odd") == written
    assert own_catalogue().parent == data_folder


def test_a_row_is_known_at_once_to_who_had_read_the_catalogue_before() -> None:
    assert load_catalogue().embedder("own/new") is None
    add_embedder(row("own/new"))
    assert load_catalogue().embedder("own/new") is not None


@pytest.mark.parametrize("ending", ["", "\n"])
def test_what_stood_there_stays_to_the_byte(data_folder: Path, ending: str) -> None:
    before = f'# mine, 我的\r\n[[embedder]]\nid = "BAAI/bge-m3"\nnotes = "mine" # keep{ending}'.encode()
    data_folder.mkdir()
    own_catalogue().write_bytes(before)
    add_embedder(row("own/a"))
    add_embedder(row("own/b"))
    assert own_catalogue().read_bytes().startswith(before)
    found = [one["id"] for one in tomllib.loads(own_catalogue().read_text())["embedder"]]
    assert found == ["BAAI/bge-m3", "own/a", "own/b"]
    changed = load_catalogue().embedder("BAAI/bge-m3")
    assert changed is not None
    assert changed.notes == "mine"


def test_an_id_that_has_a_row_is_refused() -> None:
    add_embedder(row("own/a"))
    before = own_catalogue().read_bytes()
    with pytest.raises(UsageError, match=r"has a row of own/a already"):
        add_embedder(replace(row("own/a"), notes="another"))
    assert own_catalogue().read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"[[embedder\n", b'embedder = [{ id = "own/x" }]\n', b"# \xff\n"], ids=["broken", "inline", "bytes"]
)
def test_a_file_that_cannot_take_a_row_is_named_and_left_as_it_is(data_folder: Path, content: bytes) -> None:
    data_folder.mkdir()
    own_catalogue().write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"No row can be added to .*catalogue\.toml"):
        add_embedder(row("own/a"))
    assert own_catalogue().read_bytes() == content
    assert sorted(path.name for path in data_folder.iterdir()) == [".catalogue.lock", "catalogue.toml"]


BEFORE = """# mine
[[embedder]]
id = "BAAI/bge-m3"
notes = "before" # gone with it
# about b

[[embedder]]  # kept
id = "moka-ai/m3e-base"
figures = { "MIRACL" = 4 }
"""


@pytest.mark.parametrize(
    ("replaced", "kept"), [("BAAI/bge-m3", "moka-ai/m3e-base"), ("moka-ai/m3e-base", "BAAI/bge-m3")]
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_row_is_replaced_where_it_stands_and_the_rest_stays(
    data_folder: Path, replaced: str, kept: str, ending: str
) -> None:
    data_folder.mkdir()
    own_catalogue().write_bytes(BEFORE.replace("\n", ending).encode())
    before = {one["id"]: one for one in tomllib.loads(own_catalogue().read_text())["embedder"]}
    add_embedder(row(replaced, notes="after"), replace=True)
    after = tomllib.loads(own_catalogue().read_text())["embedder"]
    assert [one["id"] for one in after] == ["BAAI/bge-m3", "moka-ai/m3e-base"]
    assert {one["id"]: one for one in after}[kept] == before[kept]
    changed = load_catalogue().embedder(replaced)
    assert changed is not None
    assert changed.notes == "after"
    content = own_catalogue().read_bytes().decode()
    assert [line for line in ("# mine", "# about b") if line + ending in content] == ["# mine", "# about b"]
    assert ("# gone with it" in content, "# kept" in content) == (kept == "BAAI/bge-m3", kept == "moka-ai/m3e-base")


def test_to_replace_what_is_not_there_adds_it() -> None:
    add_embedder(row("own/a"), replace=True)
    add_embedder(row("own/b"), replace=True)
    assert [one["id"] for one in tomllib.loads(own_catalogue().read_text())["embedder"]] == ["own/a", "own/b"]


@pytest.mark.parametrize(
    "content",
    [
        'embedder = [{ id = "own/a" }]\n',
        '[[embedder]]\nid = "own/a"\n\n[embedder.figures]\nMIRACL = 4\n',
        '[[embedder]]\nid = "own/a"\n\n[[embedder]]\nid = "own/a"\nnotes = "twice"\n',
    ],
    ids=["inline", "tables inside", "twice"],
)
def test_a_row_that_is_no_plain_table_is_not_replaced(data_folder: Path, content: str) -> None:
    data_folder.mkdir()
    own_catalogue().write_text(content)
    with pytest.raises(ConfigurationError, match=r"one plain table each"):
        check_embedder(row("own/a"), replace=True)
    with pytest.raises(ConfigurationError, match=r"one plain table each"):
        add_embedder(row("own/a"), replace=True)
    assert own_catalogue().read_text() == content


def test_a_link_stays_one_and_the_file_keeps_its_mode(data_folder: Path, tmp_path: Path) -> None:
    data_folder.mkdir()
    real = tmp_path / "synced" / "rows.toml"
    real.parent.mkdir()
    real.write_text("# mine\n")
    real.chmod(0o640)
    own_catalogue().symlink_to(real)
    add_embedder(row("own/a"))
    assert own_catalogue().is_symlink()
    assert real.read_text().startswith("# mine\n")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert load_catalogue().embedder("own/a") is not None
    assert sorted(path.name for path in real.parent.iterdir()) == ["rows.toml"]


def test_a_folder_whose_name_is_no_utf8_is_what_the_error_is_about(data_folder: Path) -> None:
    written = row("own/a", folder=os.fsdecode(b"/data/\xff/own--a"))
    with pytest.raises(ConfigurationError, match=r"row of own/a .*'/data/\\udcff/own--a', its folder") as caught:
        add_embedder(written)
    assert str(caught.value).isascii()
    assert not own_catalogue().exists()


def test_to_check_writes_nothing(data_folder: Path) -> None:
    check_embedder(row("own/a"))
    assert not data_folder.exists()
    add_embedder(row("own/a"))
    before = own_catalogue().read_bytes()
    check_embedder(row("own/b"))
    check_embedder(row("own/a", notes="another"), replace=True)
    with pytest.raises(UsageError, match=r"has a row of own/a already"):
        check_embedder(row("own/a"))
    assert own_catalogue().read_bytes() == before
