"""A static model is made from another: it loads as any model does, is the same each time, and is whole or absent."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import ConfigurationError, EmbeddingError, ModelLoadError, UsageError
from rag_app.models.catalogue import load_catalogue
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import EmbedderSpec, resolve_embedder
from rag_app.models.static import distillation, publishing
from rag_app.models.static.distillation import READ_PASSAGES, Distilled, distil
from rag_app.models.static.own_rows import own_catalogue
from rag_app.models.static.publishing import check_name, default_name
from tests.checkpoints import make_bert_embedder

PASSAGES = [
    "the account is locked after five failed sign-ins",
    "open the reset portal to choose a new password",
    "the printer is out of paper",
    "忘记密码，账号锁定",
]


pytestmark = pytest.mark.usefixtures("data_folder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vectors are the means of its tokens' outputs."""
    return make_bert_embedder(tmp_path_factory.mktemp("mean"), pooling="mean")


@pytest.fixture
def spec(folder: Path) -> EmbedderSpec:
    return resolve_embedder(str(folder), offline=True)


def load(model: str) -> CatalogueEmbedding:
    return CatalogueEmbedding(resolve_embedder(model, offline=True), device="cpu")


def computed(*_: object) -> None:
    """Where progress is told, the other model has been run."""
    pytest.fail("the other model was run")


def sums(made: Distilled) -> dict[str, str]:
    return {
        path.relative_to(made.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made.folder.rglob("*")
        if path.is_file()
    }


def test_it_loads_by_its_id_as_any_model_does(spec: EmbedderSpec) -> None:
    made = distil(spec, name="mine", passages=PASSAGES, dimension=8, device="cpu")
    embedder = load("own/mine")
    vectors = embedder.embed_passages(PASSAGES)
    assert vectors.shape == (4, 8)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    fingerprint = embedder.fingerprint
    assert (fingerprint.model, fingerprint.dimension, fingerprint.max_tokens) == ("own/mine", 8, NO_WINDOW)
    assert (fingerprint.query_prompt, fingerprint.passage_prompt) == ("", "")
    assert (made.tokens, made.passages) == (153, 4)


def test_a_text_is_the_mean_of_its_tokens_so_that_their_order_does_not_matter(spec: EmbedderSpec) -> None:
    distil(spec, name="mine", dimension=8, device="cpu")
    one, other, third = load("own/mine").embed_passages(["a b c", "c a b", "c a d"])
    assert np.allclose(one, other, atol=1e-6)
    assert not np.allclose(one, third, atol=1e-2)


def test_same_input_same_bytes(spec: EmbedderSpec) -> None:
    made = [distil(spec, name=name, passages=PASSAGES, dimension=8, device="cpu") for name in ("one", "two")]
    assert sums(made[0]) == sums(made[1])
    assert len(sums(made[0])) >= 4
    assert sums(made[0]) != sums(distil(spec, name="three", passages=PASSAGES[:2], dimension=8, device="cpu"))


def test_a_token_that_the_passages_repeat_weighs_less(spec: EmbedderSpec) -> None:
    """By the vectors themselves: "a b" leans to b where the passages are full of a, and to a where they are full of b."""
    leaning = []
    for number, frequent in enumerate("ab"):
        passages = [f"{frequent} " * 40 + text for text in PASSAGES]
        distil(spec, name=f"mine-{number}", passages=passages, dimension=8, device="cpu")
        both, a, b = load(f"own/mine-{number}").embed_passages(["a b", "a", "b"])
        leaning.append(both @ a - both @ b)
    assert leaning[0] < 0 < leaning[1]


def test_without_passages_the_first_of_the_vocabulary_weighs_least(spec: EmbedderSpec) -> None:
    distil(spec, name="mine", dimension=8, device="cpu")
    both, a, last = load("own/mine").embed_passages(["a 备", "a", "备"])
    assert both @ last > both @ a


def test_of_a_model_that_pools_one_token_only_tokens_alone_are_read(tmp_path: Path) -> None:
    """Only a mean is made of its tokens' outputs."""
    cls = resolve_embedder(str(make_bert_embedder(tmp_path / "cls", pooling="cls")), offline=True)
    read: list[str] = []
    made = distil(
        cls, name="mine", passages=PASSAGES, dimension=8, device="cpu", on_progress=lambda what, *_: read.append(what)
    )
    assert set(read) == {"tokens"}
    assert made.passages == 0
    assert made.counted == 4
    assert made.row.notes.endswith("; the tokens of 4 passages were counted for it.")
    assert load("own/mine").embed_passages(PASSAGES).shape == (4, 8)


def test_progress_ends_at_the_whole_of_both(spec: EmbedderSpec) -> None:
    said: dict[str, tuple[int, int]] = {}
    distil(
        spec,
        name="mine",
        passages=PASSAGES,
        dimension=8,
        device="cpu",
        on_progress=lambda what, done, total: said.update({what: (done, total)}),
    )
    assert said == {"tokens": (153, 153), "passages": (4, 4)}


def test_of_many_passages_some_are_read_evenly_spread() -> None:
    texts = [str(number) for number in range(3 * READ_PASSAGES)]
    sample = distillation._sample(texts)
    assert len(sample) == READ_PASSAGES
    assert sample == texts[::3]
    assert distillation._sample(texts[:5]) == texts[:5]
    assert distillation._sample([]) == []


def test_the_row_says_what_it_is_and_no_language_for_having_read_it(spec: EmbedderSpec) -> None:
    made = distil(
        spec,
        name="mine",
        passages=["how to reset the password of an account", "忘记密码，账号锁定了怎么办"],
        dimension=8,
        device="cpu",
    )
    row = load_catalogue().embedder("own/mine")
    assert row == made.row
    assert row.languages == ()
    assert (row.licence, row.commercial) == (f"that of {spec.model_id}", False)
    assert "2 passages" in row.notes


def test_languages_and_licence_are_those_of_the_models_row_where_it_has_one(spec: EmbedderSpec) -> None:
    bundled = load_catalogue().embedder("bundled")
    made = distil(replace(spec, row=bundled), name="mine", passages=PASSAGES, dimension=8, device="cpu")
    assert (made.row.languages, made.row.licence, made.row.commercial) == (("en",), "Apache-2.0", True)


@pytest.mark.parametrize(
    ("model", "kb", "name"),
    [
        ("BAAI/bge-m3", None, "bge-m3-static"),
        ("BAAI/bge-m3", "docs", "bge-m3-docs"),
        ("BAAI/bge-m3", "知识库", "bge-m3-static"),
        ("/models/e5 small/", "知识库 2", "e5-small-2"),
        ("/models/模型/", "知识库", "static"),
        ("x" * 80, "docs", "x" * 59 + "-docs"),
    ],
)
def test_a_name_is_made_of_the_model_and_the_knowledge_base(model: str, kb: str | None, name: str) -> None:
    assert default_name(model, kb) == name
    check_name(name)


@pytest.mark.parametrize("name", ["", "a/b", "..", "-a", "a@64", "名", "a b", "a" * 65, "a."])
def test_an_odd_name_is_refused(spec: EmbedderSpec, name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be named"):
        distil(spec, name=name, dimension=8, device="cpu")


def test_a_name_that_is_taken_is_refused_with_how_to_remove_it(spec: EmbedderSpec) -> None:
    made = distil(spec, name="mine", dimension=8, device="cpu")
    before = sums(made)
    with pytest.raises(
        UsageError, match=r"own/mine already, in .*own--mine\. .*remove that folder and its row in .*toml"
    ):
        distil(spec, name="mine", dimension=4, device="cpu")
    assert sums(made) == before


def test_the_name_of_a_catalogue_model_is_refused(spec: EmbedderSpec) -> None:
    """A folder of that name, a copy of the catalogue's model, would be taken for neither."""
    with pytest.raises(UsageError, match=r"catalogue has BAAI/bge-m3"):
        distil(spec, name="BGE-m3", dimension=8, device="cpu")


@pytest.mark.parametrize("dimension", [0, 33])
def test_a_dimension_that_the_model_does_not_have_is_refused(spec: EmbedderSpec, dimension: int) -> None:
    with pytest.raises(UsageError, match=r"--dimensions 1 to 32"):
        distil(spec, name="mine", dimension=dimension, device="cpu")


def test_without_a_dimension_as_many_are_taken_as_there_are(spec: EmbedderSpec) -> None:
    made = distil(spec, name="mine", device="cpu")
    assert (made.row.dimension, load("own/mine").embed_passages(["a"]).shape) == (31, (1, 31))


def test_more_dimensions_than_the_outputs_vary_in_are_refused(spec: EmbedderSpec, data_folder: Path) -> None:
    """The network's last step takes the mean from every output: one direction of the 32 is empty."""
    with pytest.raises(UsageError, match=r"varies in 31 directions"):
        distil(spec, name="mine", dimension=32, device="cpu")
    assert not data_folder.exists()


def test_a_static_model_is_no_teacher(spec: EmbedderSpec) -> None:
    distil(spec, name="mine", dimension=8, device="cpu")
    static = resolve_embedder("own/mine", offline=True)
    with pytest.raises(UsageError, match=r"own/mine is a static model already"):
        distil(static, name="other", dimension=4, device="cpu")


def test_a_served_model_is_no_teacher(spec: EmbedderSpec) -> None:
    with pytest.raises(UsageError, match=r"run by a server"):
        distil(replace(spec, path=None), name="mine", dimension=8, device="cpu")


def test_a_model_whose_vectors_are_cut_is_no_teacher(spec: EmbedderSpec) -> None:
    cut = replace(spec, fingerprint=replace(spec.fingerprint, model="some/model@16", dimension=16))
    with pytest.raises(UsageError, match=r"some/model@16 is some/model with .*distil some/model --dimensions 16"):
        distil(cut, name="mine", device="cpu")


def test_too_little_room_is_said_before_anything_is_computed_or_written(
    spec: EmbedderSpec, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ModelLoadError, match=r"0 MB are free"):
        distil(spec, name="mine", dimension=8, device="cpu", on_progress=computed)
    assert not data_folder.exists()


def test_a_catalogue_that_cannot_take_the_row_is_said_before_anything_is_computed(
    spec: EmbedderSpec, data_folder: Path
) -> None:
    data_folder.mkdir()
    content = 'embedder = [{ id = "BAAI/bge-m3", notes = "mine" }]\n'
    own_catalogue().write_text(content)
    with pytest.raises(ConfigurationError, match=r"No row can be added"):
        distil(spec, name="mine", dimension=8, device="cpu", on_progress=computed)
    assert own_catalogue().read_text() == content
    assert [path.name for path in data_folder.iterdir()] == ["catalogue.toml"]


def test_an_output_that_is_no_number_is_an_error_of_embedding(tmp_path: Path, data_folder: Path) -> None:
    folder = make_bert_embedder(tmp_path, pooling="mean")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][7] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(EmbeddingError, match=r"infinite or no number"):
        distil(resolve_embedder(str(folder), offline=True), name="mine", device="cpu")
    assert not data_folder.exists()


@pytest.mark.parametrize("step", ["_save", "sync_tree", "add_embedder"])
def test_what_breaks_off_leaves_neither_folder_nor_row(
    spec: EmbedderSpec, data_folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, step, breaks)
        with pytest.raises(KeyboardInterrupt):
            distil(spec, name="mine", dimension=8, device="cpu")
    assert [path.name for path in (data_folder / "models").iterdir()] == [".distilling.lock"]
    assert not own_catalogue().exists()
    distil(spec, name="mine", dimension=8, device="cpu")


def test_what_a_kill_left_behind_goes_with_the_next(spec: EmbedderSpec, data_folder: Path) -> None:
    leftover = data_folder / "models" / ".distilling-abc"
    leftover.mkdir(parents=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    distil(spec, name="mine", dimension=8, device="cpu")
    assert not leftover.exists()
