"""What the published files alone do not say to transformers 5, and what comes of it if nobody says it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoTokenizer, dynamic_module_utils
from transformers.utils import is_torchvision_available

from rag_app.config import ModelSettings
from rag_app.errors import ModelLoadError
from rag_app.models import embedder_spec
from rag_app.models.catalogue import Catalogue
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from tests.models.checkpoints import vocabularies
from tests.models.checkpoints.architectures import clip
from tests.models.checkpoints.published import Published, change_json, write_json, write_network
from tests.models.checkpoints.reference import by_sentence_transformers, written_out
from tests.models.checkpoints.tiny import BEYOND_512, MODELS, SHORT, TEXTS, Tiny, agree, deviations, tiny_row

GTE_QWEN2 = MODELS["Alibaba-NLP/gte-Qwen2-1.5B-instruct"]
QWEN3 = MODELS["Qwen/Qwen3-Embedding-0.6B"]
HARRIER = MODELS["microsoft/harrier-oss-v1-0.6b"]
GEMMA = MODELS["google/embeddinggemma-300m"]
GEMMA_2 = MODELS["google/embeddinggemma-2"]
NOMIC_MOE = MODELS["nomic-ai/nomic-embed-text-v2-moe"]
BGE_VL = MODELS["BAAI/BGE-VL-base"]
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Tiny(tmp_path_factory.mktemp("checkpoints"), monkeypatch)


@pytest.fixture
def copy_of(tiny: Tiny, tmp_path: Path) -> Callable[[Published], Path]:
    return lambda model: Path(shutil.copytree(tiny.folder(model), tmp_path / "copy"))


def last_tokens(embedder: CatalogueEmbedding, text: str, count: int = 1) -> list[str]:
    ids = embedder._model.preprocess([text])["input_ids"][0, -count:].tolist()
    tokens: list[str] = embedder._model.tokenizer.convert_ids_to_tokens(ids)
    return tokens


def test_the_last_token_vanishes_where_only_the_tokenizers_configuration_names_it(tiny: Tiny) -> None:
    """Why the row names it: transformers 5 believes tokenizer.json, and gte-Qwen2 says `add_eos_token` elsewhere."""
    folder = tiny.folder(GTE_QWEN2)
    assert json.loads((folder / "tokenizer_config.json").read_text())["add_eos_token"] is True
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_ids_to_tokens(tokenizer("ab").input_ids) == ["a", "b"]
    embedder = tiny.load(GTE_QWEN2)
    assert last_tokens(embedder, "ab", 3) == ["a", "b", END]
    embedder._model.max_seq_length = 512
    assert last_tokens(embedder, BEYOND_512) == [END]
    assert len(embedder._model.preprocess([BEYOND_512])["input_ids"][0]) == 512
    assert embedder.count_tokens(["ab"]) == [3]


def test_a_missing_last_token_shows_in_the_vectors(tiny: Tiny) -> None:
    changed = tiny.load(GTE_QWEN2, end_of_sequence="")
    found = deviations(GTE_QWEN2, changed, written_out(GTE_QWEN2, tiny.folder(GTE_QWEN2)))
    assert len(found) == 2 * len(TEXTS)


def test_a_tokenizer_that_ends_texts_itself_is_left_alone(tiny: Tiny) -> None:
    embedder = tiny.load(QWEN3)
    assert last_tokens(embedder, "ab", 3) == ["a", "b", END]
    published = AutoTokenizer.from_pretrained(tiny.folder(QWEN3)).backend_tokenizer.post_processor
    assert embedder._model.tokenizer.backend_tokenizer.post_processor.__getstate__() == published.__getstate__()


def test_a_tokenizer_without_the_last_token_is_refused(tiny: Tiny) -> None:
    with pytest.raises(ModelLoadError, match=r"does not know the token <end> that every text must end in"):
        tiny.load(GTE_QWEN2, end_of_sequence="<end>")


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_attention_looks_both_ways_however_it_is_computed_and_padded(tiny: Tiny, attention: str, side: str) -> None:
    embedder, reference = tiny.load(GTE_QWEN2), written_out(GTE_QWEN2, tiny.folder(GTE_QWEN2))
    network = embedder._model.transformers_model
    network.set_attn_implementation(attention)
    embedder._model.tokenizer.padding_side = side
    assert network.config._attn_implementation == attention
    assert deviations(GTE_QWEN2, embedder, reference) == []


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_that_looks_back_only_shows_in_the_vectors(tiny: Tiny, attention: str) -> None:
    changed, reference = tiny.load(GTE_QWEN2, bidirectional=False), written_out(GTE_QWEN2, tiny.folder(GTE_QWEN2))
    changed._model.transformers_model.set_attn_implementation(attention)
    assert len(deviations(GTE_QWEN2, changed, reference)) >= 2 * (len(TEXTS) - 1)  # one letter has nothing to look at


def test_the_first_tokens_see_the_last_in_each_text_of_a_batch(tiny: Tiny) -> None:
    """By the network alone: a change at the end reaches the first token's output, and padding does not."""
    network = tiny.load(GTE_QWEN2)._model.transformers_model
    ids = torch.tensor([[70, 71, 72, 73, 74]])
    changed = torch.tensor([[70, 71, 72, 73, 99]])
    padded = torch.tensor([[70, 71, 72, 73, 74, 5, 6]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        first, other = network(input_ids=ids), network(input_ids=changed)
        beside_padding = network(input_ids=padded, attention_mask=mask)
    assert not torch.allclose(first.last_hidden_state[0, 0], other.last_hidden_state[0, 0], atol=1e-3)
    assert torch.allclose(first.last_hidden_state[0], beside_padding.last_hidden_state[0, :5], atol=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_leaves_the_last_token_last(tiny: Tiny, side: str) -> None:
    embedder = tiny.load(QWEN3)
    embedder._model.tokenizer.padding_side = side
    together = embedder.embed_passages(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert agree(vector, embedder.embed_passages([text])[0])


def test_a_default_prompt_of_the_repository_is_put_before_no_passage(
    tiny: Tiny, copy_of: Callable[[Published], Path]
) -> None:
    folder = copy_of(HARRIER)
    change_json(folder / "config_sentence_transformers.json", default_prompt_name="web_search_query")
    stock = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    reference = written_out(HARRIER, folder)
    assert agree(stock.encode("password"), reference(HARRIER.query_prompt, "password")), "it would be, by itself"
    assert deviations(HARRIER, tiny.load(HARRIER, folder), reference) == []


def test_the_layers_after_the_pooling_are_used(tiny: Tiny, copy_of: Callable[[Published], Path]) -> None:
    """EmbeddingGemma has two; without them the vectors are others of the same length."""
    folder = copy_of(GEMMA)
    modules = json.loads((folder / "modules.json").read_text())
    write_json(folder / "modules.json", [module for module in modules if not module["type"].endswith(".Dense")])
    found = deviations(GEMMA, tiny.load(GEMMA, folder), written_out(GEMMA, folder))
    assert len(modules) == 5
    assert len(found) == 2 * len(TEXTS)


@pytest.mark.parametrize("end_of_text", [2, 513], ids=["as OpenAI's configurations say", "as it is"])
def test_the_vector_of_clip_is_that_of_the_end_of_the_text(tiny: Tiny, tmp_path: Path, end_of_text: int) -> None:
    """The end also pads: the first of several is meant."""
    tokenizer = vocabularies.pairs_of_clip()
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == 513
    torch.manual_seed(0)
    write_network(clip(tokenizer, end_of_text=end_of_text), tmp_path, "float16", pickled=False)
    tokenizer.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).text_config.eos_token_id == end_of_text
    assert deviations(BGE_VL, tiny.load(BGE_VL, tmp_path), written_out(BGE_VL, tmp_path)) == []


def test_of_clip_the_picture_tower_is_not_loaded(tiny: Tiny) -> None:
    names = [name for name, _ in tiny.load(BGE_VL)._model.named_modules()]
    assert any("text_projection" in name for name in names)
    assert not any("vision" in name or "visual" in name for name in names)


def test_of_embeddinggemma_2_the_towers_are_not_loaded_and_torchvision_is_not_needed(tiny: Tiny) -> None:
    folder = tiny.folder(GEMMA_2)
    names = [name for name, _ in tiny.load(GEMMA_2)._model.named_parameters()]
    assert any("language_model" in name for name in names)
    assert not any("tower" in name or "embed_vision" in name or "embed_audio" in name for name in names)
    if not is_torchvision_available():
        with pytest.raises(ImportError, match="Torchvision"):
            SentenceTransformer(str(folder), device="cpu")


# As nomic-ai publishes it: names of GPT-2, of which transformers' class reads none.
NOMIC_CONFIGURATION = {
    "model_type": "nomic_bert",
    "activation_function": "swiglu",
    "n_embd": 768,
    "n_head": 12,
    "n_inner": 3072,
    "n_layer": 12,
    "n_positions": 8192,
    "layer_norm_epsilon": 1e-12,
    "rotary_emb_base": 1000,
    "type_vocab_size": 2,
    "vocab_size": 30528,
}


def test_the_configuration_nomic_publishes_means_the_same_to_transformers(tmp_path: Path) -> None:
    """Its keys are passed over; the class's own values happen to be the model's, but for the window, which the row has."""
    write_json(tmp_path / "config.json", NOMIC_CONFIGURATION)
    found = AutoConfig.from_pretrained(tmp_path, trust_remote_code=False)
    sizes = (found.hidden_size, found.num_attention_heads, found.intermediate_size, found.num_hidden_layers)
    assert sizes == (768, 12, 3072, 12)
    assert (found.vocab_size, found.type_vocab_size, found.layer_norm_eps) == (30528, 2, 1e-12)
    assert (found.hidden_act, found.rope_parameters["rope_theta"]) == ("silu", 1000)
    assert found.max_position_embeddings < MODELS["nomic-ai/nomic-embed-text-v1.5"].window


REMOTE_CODE = """
import torch
from transformers import BertConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class TinyConfig(BertConfig):
    model_type = "nomic_bert"


class TinyMixture(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(config.hidden_size, config.hidden_size) for _ in range(2))
        self.router = torch.nn.Linear(config.hidden_size, 2)
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        hidden = self.words(input_ids)
        shares = self.router(hidden).softmax(-1)
        hidden = sum(shares[..., i : i + 1] * expert(hidden) for i, expert in enumerate(self.experts))
        return BaseModelOutput(last_hidden_state=hidden)
"""


@pytest.fixture
def mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only its own code can run, as nomic-embed-text-v2-moe, and a catalogue that knows it."""
    from safetensors.torch import save_file

    from tests.models.checkpoints.published import write_modules

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "mixture"
    tokenizer = vocabularies.unigrams()
    tokenizer.save_pretrained(folder)
    names = {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModel": "modeling_tiny.TinyMixture"}
    sizes = {"hidden_size": 32, "vocab_size": len(tokenizer), "max_position_embeddings": 512, "pad_token_id": 1}
    write_json(folder / "config.json", {"model_type": "nomic_bert", "auto_map": names} | sizes)
    (folder / "modeling_tiny.py").write_text(REMOTE_CODE)
    torch.manual_seed(0)
    weights = {"words.weight": torch.randn(len(tokenizer), 32), "router.weight": torch.randn(2, 32)}
    weights |= {f"experts.{i}.weight": torch.randn(32, 32) for i in range(2)}
    weights |= {"router.bias": torch.randn(2)} | {f"experts.{i}.bias": torch.randn(32) for i in range(2)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_modules(folder, pooling="mean", dense_modules=[], normalise=False, window=512, prompts={})
    row = tiny_row(NOMIC_MOE, folder)
    monkeypatch.setattr(embedder_spec, "load_catalogue", lambda: Catalogue((replace(row, dimension=32),), (), ()))
    return folder


def test_a_model_that_only_its_own_code_can_run_is_refused_unless_it_is_trusted(mixture: Path) -> None:
    (mixture / "modeling_tiny.py").write_text("raise RuntimeError('run')")
    with pytest.raises(ModelLoadError, match="none is run unless you trust it") as caught:
        resolve_embedder(str(mixture), offline=True)
    assert "RAG_APP_MODELS__TRUSTED_CODE" in caught.value.remedy
    with pytest.raises(ModelLoadError, match="none is run unless you trust it"):
        resolve_embedder(str(mixture), offline=True, models=ModelSettings(trusted_code=("another/model",)))


def test_a_trusted_model_is_run_by_its_own_code(mixture: Path) -> None:
    trusting = ModelSettings(trusted_code=(str(mixture),))
    embedder = CatalogueEmbedding(resolve_embedder(str(mixture), offline=True, models=trusting), device="cpu")
    stock = SentenceTransformer(str(mixture), device="cpu", trust_remote_code=True)
    stock.max_seq_length = NOMIC_MOE.window

    def reference(prompt: str, text: str) -> np.ndarray:
        return stock.encode(text, prompt=prompt, normalize_embeddings=True)

    assert type(embedder._model.transformers_model).__name__ == "TinyMixture"
    assert deviations(NOMIC_MOE, embedder, reference) == []


def test_code_that_a_folder_names_is_not_run_where_transformers_knows_the_model(
    tiny: Tiny, copy_of: Callable[[Published], Path], tmp_path: Path
) -> None:
    """gte-Qwen2, nomic and BGE-VL are published with code of their own."""
    folder = copy_of(GTE_QWEN2)
    assert "modeling_qwen" in (folder / "config.json").read_text()
    (folder / "modeling_qwen.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    assert agree(
        tiny.load(GTE_QWEN2, folder).embed_question("a"), written_out(GTE_QWEN2, folder)(GTE_QWEN2.query_prompt, "a")
    )
    assert not (tmp_path / "canary").exists()


def test_sentence_transformers_alone_runs_another_model_from_gte_qwen2s_files(tiny: Tiny) -> None:
    """Why it is not the reference there."""
    folder = tiny.folder(GTE_QWEN2)
    alone, reference = by_sentence_transformers(GTE_QWEN2, folder), written_out(GTE_QWEN2, folder)
    assert not any(agree(alone("", text), reference("", text)) for text in SHORT.values())
