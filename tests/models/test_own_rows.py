"""A row is written into the user's own catalogue, and what stood there stays."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag_app.errors import ConfigurationError, UsageError
from rag_app.models.catalogue import load_catalogue
from rag_app.models.static.own_rows import add_embedder, own_catalogue
from tests.models.small_catalogue import row


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty user data folder."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    load_catalogue.cache_clear()
    yield tmp_path / "data"
    load_catalogue.cache_clear()


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
