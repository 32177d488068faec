"""Loads an embedding model as a `SentenceTransformer`, made to run as its specification says, or refused.

What the published files alone do not say is set here: the text part of a model for pictures too, attention that looks both
ways, the token that every text must end in. What they say is compared with the specification: pooling, dimension.
This module knows nothing of batches or of LlamaIndex.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer
from tokenizers.processors import Sequence, TemplateProcessing

from rag_app.errors import ModelLoadError, first_line
from rag_app.models.catalogue import EmbedderRow, Runs
from rag_app.models.device import dtype_for
from rag_app.models.embedder_spec import EmbedderSpec
from rag_app.models.folder_safety import check_folder
from rag_app.models.model_folder import has_modules, has_towers, pooling_name
from rag_app.models.packed_linear import pack_linear_layers
from rag_app.models.text_part import ClipText, TextTokens

QUERY = "query"
PASSAGE = "text"  # the name by which HuggingFaceEmbedding asks for the prompt of a passage


def load_sentence_transformer(spec: EmbedderSpec, device: str) -> SentenceTransformer:
    """Load a model on a device, float32, with the prompts, window and pooling of its specification.

    Raises:
        ModelLoadError: the files cannot be loaded, would run code, or are not what the specification says.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    assert spec.path is not None, "a served model has no files"
    check_folder(spec.path, trusted=spec.trusted)
    try:
        model = _built(spec, spec.path, device)
        if device == "cpu":
            pack_linear_layers(model)
    except Exception as error:  # damaged files raise what they like: SafetensorError is an Exception and no more
        raise ModelLoadError(
            f"The embedding model in {spec.path} cannot be loaded: {first_line(error)}.",
            "Fetch it again, or choose another: rag-app models list",
        ) from error
    fingerprint = spec.fingerprint
    # The stock class cannot pass an empty prompt, and a repository's default prompt would be put before every text.
    model.prompts = {QUERY: fingerprint.query_prompt, PASSAGE: fingerprint.passage_prompt}
    model.default_prompt_name = None
    if not is_static(model):
        model.max_seq_length = fingerprint.max_tokens
    _check_dimension(model, spec)
    _check_pooling(model, spec)
    if spec.row is not None:
        _set_peculiarities(model, spec.row)
    return model.eval()


def is_static(model: SentenceTransformer) -> bool:
    """Whether a model has one vector for each token and no attention: its tokenizer is a bare one, it has no window."""
    return isinstance(model.tokenizer, Tokenizer)


def forward_parameters(model: SentenceTransformer) -> float:
    """Return about how many parameters each token goes through, the look-up of its vector aside; 0 of a static model.

    Twelve times the square of the width in each layer: four for attention, eight for the feed-forward part, as in BERT.
    Infinite where a model does not say how wide and deep it is.
    """
    if is_static(model):
        return 0
    configuration = getattr(getattr(model[0], "auto_model", None), "config", None)
    width, layers = getattr(configuration, "hidden_size", None), getattr(configuration, "num_hidden_layers", None)
    return 12 * width**2 * layers if width and layers else math.inf


def _built(spec: EmbedderSpec, path: Path, device: str) -> SentenceTransformer:
    dtype = dtype_for(device)
    row = spec.row
    if row is not None and row.runs is Runs.CLIP:
        return SentenceTransformer(modules=[ClipText(path, dtype), Normalize()], device=device)
    if row is not None and row.runs is Runs.NATIVE and has_towers(path):
        text = TextTokens(path, dtype)
        pooling = Pooling(text.get_embedding_dimension(), pooling_mode=row.pooling)
        return SentenceTransformer(modules=[text, pooling, Normalize()], device=device)
    loading: dict[str, Any] = {"local_files_only": True, "trust_remote_code": spec.trusted}
    if row is not None and not has_modules(path) and not row.has_modules:
        transformer = Transformer(str(path), model_kwargs={"dtype": dtype} | loading, config_kwargs=loading)
        pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode=row.pooling)
        return SentenceTransformer(modules=[transformer, pooling, Normalize()], device=device)
    return SentenceTransformer(str(path), device=device, model_kwargs={"dtype": dtype}, **loading)


def _check_dimension(model: SentenceTransformer, spec: EmbedderSpec) -> None:
    found = model.get_embedding_dimension()
    if found != spec.full_dimension:
        raise ModelLoadError(
            f"{spec.model_id} gives vectors of {found} numbers, expected {spec.full_dimension}.",
            "Correct the row in your catalogue.toml.",
        )


def _check_pooling(model: SentenceTransformer, spec: EmbedderSpec) -> None:
    pooling = next((pooling_name(module.pooling_mode) for module in model if hasattr(module, "pooling_mode")), "")
    if pooling and pooling != spec.fingerprint.pooling:  # without modules.json, sentence-transformers takes the mean
        assert spec.path is not None
        found = (
            f"The files of {spec.model_id} in {spec.path} give {pooling} pooling, expected {spec.fingerprint.pooling}."
        )
        lacking = "" if has_modules(spec.path) else "The file modules.json is missing."
        raise ModelLoadError(f"{found} {lacking}".strip(), "Fetch the model again, with all its files.")


def _set_peculiarities(model: SentenceTransformer, row: EmbedderRow) -> None:
    """Set what a row knows and the files do not say."""
    if row.bidirectional:
        # Read by transformers when it makes the attention mask, at each call.
        model.transformers_model.config.is_causal = False
    if row.end_of_sequence:
        _end_texts_with(model, row)


def _end_texts_with(model: SentenceTransformer, row: EmbedderRow) -> None:
    """Make the tokenizer end every text in a model's end-of-sequence token, also a text that is cut.

    The last token is the vector: without the right one another model is run. transformers 5 believes tokenizer.json and passes
    over `add_eos_token` in tokenizer_config.json, where some models have it.
    """
    tokenizer = model.tokenizer
    backend = tokenizer.backend_tokenizer
    wanted = backend.token_to_id(row.end_of_sequence)
    if wanted is None:
        raise ModelLoadError(
            f"The tokenizer of {row.id} does not know the token {row.end_of_sequence} that every text must end in.",
            "Fetch the model again, with all its files.",
        )
    if tokenizer("a").input_ids[-1:] == [wanted]:
        return
    ending = TemplateProcessing(
        single=f"$A {row.end_of_sequence}",
        pair=f"$A $B {row.end_of_sequence}",
        special_tokens=[(row.end_of_sequence, wanted)],
    )
    before = backend.post_processor
    backend.post_processor = ending if before is None else Sequence([before, ending])
