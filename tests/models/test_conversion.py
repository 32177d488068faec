"""A generator in a GGUF file is converted once: complete or absent, and then it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models import conversion
from rag_app.models.catalogue import GeneratorRow, load_catalogue
from rag_app.models.conversion import converted_folder, converted_gguf, gguf_file_of
from rag_app.models.generating.failures import WAY_OUT
from rag_app.models.generating.generator import LocalGenerator, load_generator
from rag_app.models.hub import package_folder, quietly
from tests.models.gguf_file import write_gguf

FOLDER = "HuggingFaceTB--SmolLM2-135M-Instruct"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for converted models, inside an empty user data folder."""
    monkeypatch.setattr(conversion, "user_data_folder", lambda: tmp_path / "data")
    return tmp_path / "data" / "models"


@pytest.fixture
def row() -> GeneratorRow:
    found = load_catalogue().generator("bundled")
    assert found is not None
    return found


def converting_with(monkeypatch: pytest.MonkeyPatch, convert: Callable[[Path], object]) -> list[str]:
    """Replace what reads the GGUF file, and return the list of files it was asked for."""
    asked: list[str] = []

    def stand_in(package: Path, gguf_file: str, target: Path) -> None:
        asked.append(str(package / gguf_file))
        convert(target)

    monkeypatch.setattr(conversion, "_convert", stand_in)
    monkeypatch.setattr(conversion, "weights_in", lambda file: 1000)
    return asked


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_model(target: Path) -> None:
    (target / "config.json").write_text("{}")
    (target / "model.safetensors").write_text("weights")


def test_the_first_time_is_announced_and_converted(
    models: Path, row: GeneratorRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = converting_with(monkeypatch, write_model)
    said: list[str] = []
    folder = converted_folder(row, Path("/package"), announce=said.append)
    assert folder == models / FOLDER
    assert (folder / "model.safetensors").read_text() == "weights"
    assert asked == [f"/package/{row.gguf_file}"]
    assert len(said) == 1
    assert row.id in said[0]
    assert "half a minute" in said[0]
    assert str(folder) in said[0]


def test_the_folder_appears_at_once_and_whole(models: Path, row: GeneratorRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is renamed into place, not copied: a killed conversion leaves nothing that is taken for a model."""
    written: list[int] = []

    def write(target: Path) -> None:
        write_model(target)
        written.append((target / "model.safetensors").stat().st_ino)
        assert not (models / FOLDER).exists()

    converting_with(monkeypatch, write)
    folder = converted_folder(row, Path("/package"), announce=quietly)
    assert written == [(folder / "model.safetensors").stat().st_ino]


@pytest.mark.usefixtures("models")
def test_the_second_time_it_is_reused_without_a_word(row: GeneratorRow, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = converting_with(monkeypatch, write_model)
    first = converted_folder(row, Path("/package"), announce=quietly)
    said: list[str] = []
    assert converted_folder(row, Path("/package"), announce=said.append) == first
    assert said == []
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (OSError(28, "No space left on device"), "No space left on device", "0.0 GB are needed"),
        (
            ValueError("cannot reshape"),
            "is damaged, or no GGUF file: ValueError: cannot reshape",
            "Fetch the file again",
        ),
        (MemoryError(), "The memory does not suffice to convert", "smaller model"),
        (ImportError("gguf is not installed"), "gguf is not installed", 'pip install "rag-app[bundled]"'),
    ],
    ids=["full disk", "bad file", "no memory", "missing package"],
)
def test_a_failing_conversion_leaves_no_folder(
    models: Path,
    row: GeneratorRow,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    found: str,
    remedy: str,
) -> None:
    def half_way(target: Path) -> None:
        write_model(target)
        raise error

    converting_with(monkeypatch, half_way)
    with pytest.raises(ModelLoadError) as caught:
        converted_folder(row, Path("/package"), announce=quietly)
    assert found in caught.value.found
    assert remedy in caught.value.remedy
    assert [path.name for path in models.iterdir() if path.is_dir()] == []
    converting_with(monkeypatch, write_model)
    assert (converted_folder(row, Path("/package"), announce=quietly) / "config.json").is_file(), (
        "it can be tried again"
    )


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, row: GeneratorRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(conversion, "user_data_folder", lambda: tmp_path / "file")
    with pytest.raises(ModelLoadError, match="could not be converted") as caught:
        converted_folder(row, Path("/package"), announce=quietly)
    assert str(tmp_path / "file") in caught.value.found


def test_a_real_file_that_is_no_gguf_is_refused(models: Path, row: GeneratorRow, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / row.gguf_file).write_bytes(b"not a model at all")
    with pytest.raises(ModelLoadError):
        converted_folder(row, package, announce=quietly)
    assert [path.name for path in models.iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("models")
def test_of_two_at_once_one_converts_and_the_other_waits(row: GeneratorRow, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = converting_with(monkeypatch, write_model)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: converted_folder(row, Path("/package"), announce=quietly), range(4)))
    assert len(set(folders)) == 1
    assert len(asked) == 1


def load(model_id: str) -> LocalGenerator:
    generator = load_generator(
        model_id, device="cpu", offline=True, answering=AnsweringSettings(max_new_tokens=8), models=ModelSettings()
    )
    assert isinstance(generator, LocalGenerator)
    return generator


@pytest.mark.parametrize("by_folder", [False, True], ids=["the file", "its folder"])
def test_a_gguf_file_is_a_generator(models: Path, tmp_path: Path, by_folder: bool) -> None:
    file = tmp_path / "mine" / "tiny.GGUF"
    file.parent.mkdir()
    model = write_gguf(file)
    generator = load(str(file.parent if by_folder else file))
    assert generator.metadata.model_name == str(file)
    assert generator.metadata.context_window == 512
    assert [folder.name for folder in models.iterdir() if folder.is_dir()] == [f"gguf-{sha256(file)}"]
    prompt = "<|im_start|>he 密码"
    inputs = generator._tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    assert torch.equal(generator._model(**inputs).logits, model(**inputs).logits)
    assert generator._tokenizer.decode(inputs["input_ids"][0]) == prompt
    assert generator.chat([ChatMessage(role=MessageRole.USER, content="hello")]).message.content


def test_the_same_file_elsewhere_is_not_converted_again_and_a_changed_one_is(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = converting_with(monkeypatch, write_model)
    first, second = tmp_path / "first.gguf", tmp_path / "second.gguf"
    first.write_bytes(b"GGUF one")
    second.write_bytes(b"GGUF one")
    said: list[str] = []
    assert converted_gguf(first, announce=said.append) == converted_gguf(second, announce=said.append)
    assert len(said) == 1
    assert str(first) in said[0]
    second.write_bytes(b"GGUF two")
    assert converted_gguf(second, announce=quietly) != converted_gguf(first, announce=quietly)
    assert asked == [str(first), str(second)]


@pytest.mark.parametrize("left", [0, 3, 1000, 60_000, -40], ids=["empty", "magic", "header", "half", "almost whole"])
def test_a_cut_gguf_file_is_called_damaged(models: Path, tmp_path: Path, left: int) -> None:
    file = tmp_path / "cut.gguf"
    write_gguf(file)
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(ModelLoadError, match=r"cut\.gguf is damaged, or no GGUF file") as caught:
        load(str(file))
    assert "Fetch the file again." in caught.value.remedy
    assert caught.value.remedy.endswith(WAY_OUT)
    assert "\n" not in str(caught.value)
    assert [path.name for path in models.iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("models")
def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    file = tmp_path / "holed.gguf"
    write_gguf(file, left_out="blk.1.ffn_up.weight")
    with pytest.raises(
        ModelLoadError, match=r"1 weights are missing, the first is model\.layers\.1\.mlp\.up_proj\.weight"
    ):
        load(str(file))


@pytest.mark.usefixtures("models")
def test_an_architecture_that_transformers_cannot_read_is_named_with_the_way_on(tmp_path: Path) -> None:
    file = tmp_path / "new.gguf"
    write_gguf(file, architecture="rwkv7")
    with pytest.raises(ModelLoadError, match=r"of a kind that transformers cannot read: .*rwkv7") as caught:
        load(str(file))
    assert "--generator served:NAME" in caught.value.remedy


@pytest.mark.usefixtures("models")
def test_no_room_on_the_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = converting_with(monkeypatch, write_model)
    monkeypatch.setattr(conversion, "weights_in", lambda file: 7_000_000_000)
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000_000))
    file = tmp_path / "large.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelLoadError, match=r"needs 28\.0 GB in .*; 5\.0 GB are free") as caught:
        converted_gguf(file, announce=quietly)
    assert "XDG_DATA_HOME" in caught.value.remedy
    assert asked == []


def test_what_names_a_gguf_file(tmp_path: Path) -> None:
    assert gguf_file_of("Qwen/Qwen2.5-1.5B-Instruct") is None
    assert gguf_file_of("bundled") is None
    with pytest.raises(ModelNotAvailable, match=r"There is no file .*gone\.gguf"):
        gguf_file_of(str(tmp_path / "gone.gguf"))
    assert gguf_file_of(str(tmp_path)) is None
    (tmp_path / "a.gguf").touch()
    assert gguf_file_of(str(tmp_path)) == tmp_path / "a.gguf"
    (tmp_path / "b.gguf").touch()
    with pytest.raises(ModelLoadError, match=r"holds 2 GGUF files: a\.gguf, b\.gguf") as caught:
        gguf_file_of(str(tmp_path))
    assert f"--generator {tmp_path / 'a.gguf'}" in caught.value.remedy
    (tmp_path / "config.json").touch()
    assert gguf_file_of(str(tmp_path)) is None, "a folder with a model of its own"


@pytest.mark.slow
def test_the_bundled_generator_completes_a_sentence() -> None:
    row = load_catalogue().generator("bundled")
    assert row is not None
    assert package_folder(row) is not None, "run: rag-app models install bundled"
    generator = load("bundled")
    assert generator.metadata.model_name == row.id
    assert generator.complete("The capital of France is").text.startswith(" Paris")


@pytest.mark.slow
def test_the_bundled_generator_gives_the_text_of_transformers_for_a_long_prompt() -> None:
    generator = load("bundled")
    question = ChatMessage(role=MessageRole.USER, content="The office opens at nine. " * 45 + "When does it open?")
    prompt = generator.messages_to_prompt([question])
    inputs = generator._tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    length = inputs["input_ids"].shape[1]
    assert length > 256
    ids = generator._model.generate(**inputs, max_new_tokens=8, do_sample=False)
    expected = generator._tokenizer.decode(ids[0, length:], skip_special_tokens=True)
    assert generator.chat([question]).message.content == expected
