"""A static model becomes known whole: after a kill at any moment the one before is known, or the new one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from tokenizers import Tokenizer

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import ModelLoadError, UsageError
from rag_app.models.catalogue import EmbedderRow, load_catalogue
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.static import own_rows, publishing
from rag_app.models.static.own_rows import add_embedder, own_catalogue
from rag_app.models.static.publishing import check_name, check_place, publish
from tests.checkpoints import make_bert_embedder
from tests.children import as_nobody, in_a_child
from tests.models.small_catalogue import row

KILLED = 9
TOKENS = 153
Publish = Callable[..., EmbedderRow]


pytestmark = pytest.mark.usefixtures("data_folder")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = make_bert_embedder(tmp_path_factory.mktemp("tokens"))
    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture
def made(tokenizer: Tokenizer) -> Publish:
    """Publish `own/mine` with vectors of so many numbers."""

    def make(dimension: int, *, replace: bool = False) -> EmbedderRow:
        vectors = np.random.default_rng(dimension).normal(size=(TOKENS, dimension)).astype(np.float32)
        changes = {"dimension": dimension, "notes": f"{dimension} numbers", "max_tokens": NO_WINDOW}
        return publish(vectors, tokenizer, row("own/mine", **changes), replace=replace)

    return make


def folders(data_folder: Path) -> list[str]:
    return sorted(path.name for path in (data_folder / "models").iterdir() if path.name != ".distilling.lock")


def loads(dimension: int) -> None:
    """Check that the model which is known has a row and files that fit one another."""
    found = load_catalogue().embedder("own/mine")
    assert found is not None
    assert (found.dimension, found.notes) == (dimension, f"{dimension} numbers")
    embedder = CatalogueEmbedding(resolve_embedder("own/mine", offline=True), device="cpu")
    assert embedder.embed_passages(["a b"]).shape == (1, dimension)


def killed(module: object, step: str, work: Callable[[], object], *, call: int = 1) -> None:
    """Do it in a process that ends, without a word more, where a step would begin for the first or a later time."""
    real, calls = getattr(module, step), count(1)

    def ends(*arguments: object, **options: object) -> object:
        if next(calls) == call:
            os._exit(KILLED)
        return real(*arguments, **options)

    with patch.object(module, step, ends):
        assert in_a_child(work) == KILLED


@pytest.mark.parametrize(
    ("module", "step"), [(publishing, "sync_tree"), (publishing, "add_embedder"), (own_rows, "_write")]
)
def test_a_kill_before_the_row_is_written_leaves_nothing_in_the_way(
    made: Publish, data_folder: Path, module: object, step: str
) -> None:
    killed(module, step, lambda: made(4))
    assert len(folders(data_folder)) == 1, "it was killed after it had begun to write"
    assert load_catalogue().embedder("own/mine") is None
    check_name("mine")
    made(8)
    assert folders(data_folder) == ["own--mine"]
    loads(8)


@pytest.mark.parametrize("step", ["sync_tree", "add_embedder"])
def test_a_kill_while_one_is_replaced_leaves_the_one_before(made: Publish, data_folder: Path, step: str) -> None:
    made(4)
    killed(publishing, step, lambda: made(8, replace=True))
    assert len(folders(data_folder)) == 2
    loads(4)
    made(16, replace=True)
    assert len(folders(data_folder)) == 1
    loads(16)


def test_a_kill_after_the_row_is_written_leaves_the_new_one(made: Publish, data_folder: Path) -> None:
    made(4)
    killed(own_rows, "sync", lambda: made(8, replace=True), call=2)  # the first is of the file, before it is renamed
    assert len(folders(data_folder)) == 2
    loads(8)
    made(16, replace=True)
    assert len(folders(data_folder)) == 1
    loads(16)


def test_everything_is_synced_before_and_after_it_is_renamed(
    made: Publish, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files and their folder, the folder's name, the rows, and their file's name: in this order."""
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        assert {str(path) for path in (old, *old.rglob("*"))} <= set(done)
        done.append(f"renamed {new.name}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    made(4)
    order = ["renamed own--mine", str(data_folder / "models"), "renamed catalogue.toml", str(data_folder)]
    assert [step for step in done if step in order] == order


def test_one_is_replaced_whole_folder_and_row(made: Publish, data_folder: Path) -> None:
    made(4)
    first = own_catalogue().read_text()
    with pytest.raises(UsageError, match=r"own/mine already"):
        made(8)
    assert own_catalogue().read_text() == first
    loads(4)
    for dimension in (8, 16, 32):
        published = made(dimension, replace=True)
        assert folders(data_folder) == [Path(published.folder).name]
        loads(dimension)
    assert own_catalogue().read_text().count("[[embedder]]") == 1


def test_a_replacement_that_fails_leaves_the_one_before(made: Publish, data_folder: Path) -> None:
    made(4)
    with patch.object(publishing, "add_embedder", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        made(8, replace=True)
    assert len(folders(data_folder)) == 1
    loads(4)


def test_a_folder_elsewhere_that_a_row_of_the_users_names_stays(made: Publish, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    add_embedder(row("own/mine", folder=str(tmp_path / "elsewhere")))
    made(8, replace=True)
    assert (tmp_path / "elsewhere").is_dir()
    loads(8)


def test_folders_of_other_models_stay_also_without_a_row(made: Publish, data_folder: Path) -> None:
    """A row may be lost with a catalogue.toml that was moved away; the hour it took to make the model is not lost with it."""
    others = ["own--mine-too", "own--other", "own--other+2"]
    for name in others:
        (data_folder / "models" / name).mkdir(parents=True)
    made(4)
    assert folders(data_folder) == sorted([*others, "own--mine"])


def test_a_row_that_names_the_folder_by_a_link_keeps_it(made: Publish, data_folder: Path, tmp_path: Path) -> None:
    """No model of this name is known by its id, but its folder is another's."""
    made(4)
    (tmp_path / "link").symlink_to(data_folder)
    own_catalogue().unlink()
    add_embedder(row("me/other", folder=str(tmp_path / "link" / "models" / "own--mine")))
    assert Path(made(8).folder).name == "own--mine+2"
    assert folders(data_folder) == ["own--mine", "own--mine+2"]


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        Path(temporary).chmod(0o755)
        monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: f"{temporary}/data")

        def work() -> None:
            with pytest.raises(ModelLoadError, match=r"cannot be written"):
                check_place(row("own/mine"), 1000)

        assert in_a_child(as_nobody(work)) == 0
        check_place(row("own/mine"), 1000)
