"""The bundled generator is converted once: complete or absent, and then it answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rag_app.errors import ModelLoadError
from rag_app.models import conversion
from rag_app.models.catalogue import GeneratorRow, load_catalogue
from rag_app.models.conversion import converted_folder
from rag_app.models.generator import load_generator
from rag_app.models.hub import package_folder, quietly

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
    return asked


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
        (OSError(28, "No space left on device"), "No space left on device", "600 MB free"),
        (ValueError("not a GGUF file"), "not a GGUF file", "600 MB free"),
        (ImportError("gguf is not installed"), "gguf is not installed", 'pip install "rag-app[bundled]"'),
    ],
    ids=["full disk", "bad file", "missing package"],
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


@pytest.mark.slow
def test_the_bundled_generator_completes_a_sentence() -> None:
    row = load_catalogue().generator("bundled")
    assert row is not None
    assert package_folder(row) is not None, "run: rag-app models install bundled"
    generator = load_generator("bundled", device="cpu", offline=True, max_new_tokens=3)
    assert generator.metadata.model_name == row.id
    assert generator.complete("The capital of France is").text.startswith(" Paris")
