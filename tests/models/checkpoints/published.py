"""A tiny checkpoint of every published model, in the form of its repository: which files, which keys, which names of prompts.

What a model is to do is read from tests/data/published.json. What its repository looks like besides (the names of its prompts,
which code its configuration points at, in which format its weights are) stands here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tests.models.checkpoints import vocabularies
from tests.models.checkpoints.architectures import WIDTH, draw

PUBLISHED = Path(__file__).parents[2] / "data" / "published.json"
# What a vector of a tiny checkpoint is cut to where the published model's can be cut.
CUT = 16

_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_GEMMA_PROMPTS = {
    "query": "task: search result | query: ",
    "document": "title: none | text: ",
    "BitextMining": "task: search result | query: ",
    "Clustering": "task: clustering | query: ",
    "STS": "task: sentence similarity | query: ",
}
_HARRIER_PROMPTS = {
    "web_search_query": f"Instruct: {_SEARCH}\nQuery: ",
    "sts_query": "Instruct: Retrieve semantically similar text\nQuery: ",
    "bitext_query": "Instruct: Retrieve parallel sentences\nQuery: ",
}
_SENTENCE = "Represent this sentence for searching relevant passages: "
# Prompts by the repositories' own names; a repository that is not here has none.
_PROMPTS = {
    "Qwen/Qwen3-Embedding": {"query": f"Instruct: {_SEARCH}\nQuery:", "document": ""},
    "Alibaba-NLP/gte-Qwen2": {"query": f"Instruct: {_SEARCH}\nQuery: "},
    "google/embeddinggemma": _GEMMA_PROMPTS,
    "microsoft/harrier": _HARRIER_PROMPTS,
    "mixedbread-ai/mxbai": {"query": _SENTENCE, "passage": ""},
    "Snowflake/snowflake-arctic-embed-m": {"query": _SENTENCE},
    "Snowflake/snowflake-arctic-embed-l": {"query": "query: "},
}
# Windows that repositories state where they are not those of published.json; None: no sentence_bert_config.json.
_STATED_WINDOWS = {
    "Qwen/Qwen3-Embedding": 32768,
    "Alibaba-NLP/gte-Qwen2": 32768,
    "microsoft/harrier": None,
    "google/embeddinggemma-2": None,
    "ibm-granite/granite-embedding": 32768,
}
_AUTO_MAPS = {
    "Alibaba-NLP/gte-Qwen2": {
        "AutoModel": "modeling_qwen.Qwen2Model",
        "AutoModelForCausalLM": "modeling_qwen.Qwen2ForCausalLM",
    },
    "nomic-ai/nomic-embed-text-v1.5": {
        "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
    },
    "BAAI/BGE-VL": {"AutoModel": "modeling_MMRet_CLIP.CLIPModel"},
}
# Repositories whose weights are only in PyTorch's own format.
_PICKLED = ("BAAI/bge-m3", "BAAI/bge-large-zh-v1.5", "BAAI/bge-base-zh-v1.5")

# EmbeddingGemma 2's way to pictures, video and sound, which wants torchvision.
_PROCESSOR = {
    "processor_class": "EmbeddingGemma2Processor",
    "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
    "image_processor": {"image_processor_type": "Gemma4ImageProcessor"},
    "video_processor": {"video_processor_type": "EmbeddingGemma2VideoProcessor"},
}

_VOCABULARIES: dict[tuple[str, str], Callable[[], PreTrainedTokenizerFast]] = {
    ("bert", "wordpiece"): vocabularies.word_pieces,
    ("bert", "sentencepiece-unigram"): vocabularies.unigrams,
    ("ernie", "wordpiece"): vocabularies.word_pieces,
    ("xlm-roberta", "sentencepiece-unigram"): vocabularies.unigrams,
    ("gte", "sentencepiece-unigram"): vocabularies.unigrams,
    ("nomic_bert", "wordpiece"): vocabularies.word_pieces,
    ("modernbert", "byte-level-bpe"): vocabularies.bytes_of_modernbert,
    ("modernbert", "sentencepiece-bpe"): vocabularies.pairs_of_gemma,
    ("qwen2", "byte-level-bpe"): vocabularies.bytes_of_qwen,
    ("qwen3", "byte-level-bpe"): vocabularies.bytes_of_qwen_with_end,
    ("gemma3_text", "sentencepiece-bpe"): vocabularies.pairs_of_gemma,
    ("embedding_gemma2", "sentencepiece-bpe"): vocabularies.pairs_of_gemma,
    ("clip", "clip-bpe"): vocabularies.pairs_of_clip,
}


@dataclass(frozen=True)
class Published:
    """One entry of published.json; its fields are explained there."""

    id: str
    query_prompt: str
    passage_prompt: str
    pooling: str
    window: int
    dimension: int
    architecture: str
    tokenizer: str
    normalise_module: bool
    dense_modules: list[list[int]]
    end_of_sequence: str
    bidirectional: bool
    stored_dtype: str
    matryoshka: list[int]
    layer_norm_before_cut: bool
    source: str

    @property
    def runs_as_files(self) -> bool:
        """Whether it is a repository that can be run from its files without code of its own."""
        return (self.architecture, self.tokenizer) in _VOCABULARIES

    @property
    def tiny_dimension(self) -> int:
        """The dimension of its tiny checkpoint."""
        return WIDTH // 2 if self.architecture == "clip" else WIDTH


def published() -> dict[str, Published]:
    """Return the published models by id."""
    entries = json.loads(PUBLISHED.read_text(encoding="utf-8"))["models"]
    return {entry["id"]: Published(**entry) for entry in entries}


def publish(model: Published, folder: Path) -> Path:
    """Write the tiny checkpoint of a published model into a folder, and return the folder."""
    tokenizer = _VOCABULARIES[model.architecture, model.tokenizer]()
    network = draw(_variant(model), tokenizer)
    write_network(network, folder, model.stored_dtype, pickled=model.id.startswith(_PICKLED))
    tokenizer.save_pretrained(folder)
    change_json(folder / "config.json", **_of(model, _AUTO_MAPS, name="auto_map"))
    if model.end_of_sequence:
        change_json(folder / "tokenizer_config.json", add_eos_token=True, unk_token=None)
    if model.architecture == "embedding_gemma2":
        write_json(folder / "processor_config.json", _PROCESSOR)
    if model.architecture != "clip":
        write_modules(
            folder,
            pooling=model.pooling,
            dense_modules=[[WIDTH, 3 * WIDTH], [3 * WIDTH, WIDTH]] if model.dense_modules else [],
            normalise=model.normalise_module,
            window=_of(model, _STATED_WINDOWS, name="window").get("window", model.window),
            prompts=_of(model, _PROMPTS, name="prompts").get("prompts", {}),
        )
    return folder


def write_network(network: PreTrainedModel, folder: Path, dtype: str, *, pickled: bool) -> None:
    """Write weights and configuration in a number format, as safetensors or as pytorch_model.bin."""
    network = network.to(getattr(torch, dtype))
    network.save_pretrained(folder)
    if pickled:
        torch.save(network.state_dict(), folder / "pytorch_model.bin")
        torch.save({"weight": torch.ones(1, WIDTH)}, folder / "sparse_linear.pt")
        (folder / "model.safetensors").unlink()


def write_modules(
    folder: Path,
    *,
    pooling: str,
    dense_modules: list[list[int]],
    normalise: bool,
    window: int | None,
    prompts: Mapping[str, str],
) -> None:
    """Write what sentence-transformers reads, as its older versions wrote it: most repositories are of their time."""
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling")]
    kinds += [("Dense", f"{2 + number}_Dense") for number in range(len(dense_modules))]
    kinds += [("Normalize", f"{len(kinds)}_Normalize")] if normalise else []
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)
    flags = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "lasttoken": "lasttoken"}
    modes = {f"pooling_mode_{flag}": name == pooling for name, flag in flags.items()}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": WIDTH, **modes})
    torch.manual_seed(1)
    for number, (narrow, wide) in enumerate(dense_modules):
        configuration = {"in_features": narrow, "out_features": wide, "bias": False}
        activation = {"activation_function": "torch.nn.modules.linear.Identity"}
        write_json(folder / f"{2 + number}_Dense" / "config.json", configuration | activation)
        save_file({"linear.weight": torch.randn(wide, narrow)}, folder / f"{2 + number}_Dense" / "model.safetensors")
    if window is not None:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": window, "do_lower_case": False})
    versions = {"sentence_transformers": "2.2.2", "transformers": "4.28.1", "pytorch": "1.13.0+cu117"}
    write_json(
        folder / "config_sentence_transformers.json",
        {"__version__": versions} | ({"prompts": dict(prompts), "default_prompt_name": None} if prompts else {}),
    )


def write_json(path: Path, content: object) -> None:
    """Write a JSON file and the folder it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def change_json(path: Path, **values: object) -> None:
    """Set keys of a JSON file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


def _variant(model: Published) -> str:
    """Return which of several shapes of one architecture the model has."""
    if model.architecture == "xlm-roberta" and model.window > 512:
        return "xlm-roberta-8192"
    if model.architecture == "gemma3_text" and model.bidirectional:
        return "gemma3_text-bidirectional"
    return model.architecture


def _of(model: Published, table: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return {name: value} for the beginning of the model's id in a table, {} where it has none."""
    return next(({name: value} for beginning, value in table.items() if model.id.startswith(beginning)), {})
