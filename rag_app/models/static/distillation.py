"""A static embedding model made from another: one vector a token, no attention; a text is the mean of its tokens.

The method is that of model2vec (https://github.com/MinishLab/model2vec, MIT): the other model's output for each token of its
vocabulary alone, fewer dimensions by principal components, weights by how frequent a token is. Four things differ. For the
components a token counts by its frequency. They are brought to the same variance. Where passages are given, a token's output is
averaged over places where it stands in them too, and frequencies are counted, not guessed from a token's rank. What each is
worth: docs/static-models.md.

No words are added to the vocabulary: measured, they gained nothing. There are no prompts: in a mean, a prompt would move all
texts the same way. This module knows nothing of knowledge bases, or of where the passages come from.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import UsageError
from rag_app.models.catalogue import OWN, EmbedderRow, Family
from rag_app.models.device import resolve_device
from rag_app.models.embedder_spec import EmbedderSpec
from rag_app.models.model_folder import static_weights
from rag_app.models.static.publishing import check_name, check_place, place, publish
from rag_app.models.static.token_vectors import (
    DIMENSION,
    Progress,
    bare_tokenizer,
    counted,
    guessed,
    is_mean_of_tokens,
    outputs_of_tokens,
    vocabulary_size,
    whitened,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

# So many passages are read by the other model: on SciFact 5,000 were no better than 500.
READ_PASSAGES = 1000
# Smooth inverse frequency, a / (a + p): Arora, Liang and Ma, 2017, "A simple but tough-to-beat baseline for sentence
# embeddings". Theirs is 0.001 for counted frequencies; model2vec's 0.0001 for those guessed from ranks.
SMOOTHING_COUNTED, SMOOTHING_GUESSED = 1e-3, 1e-4


@dataclass(frozen=True)
class Distilled:
    """A static model that was made: where its files are, its row, and what went into it.

    `tokens` is the size of its vocabulary; `counted` says in how many passages its tokens were counted, `passages` how many of
    these the other model read.
    """

    folder: Path
    row: EmbedderRow
    tokens: int
    counted: int
    passages: int
    seconds: float


def quiet_progress(what: str, done: int, total: int) -> None:
    """Say nothing: for callers that have nobody to tell."""


def distil(
    spec: EmbedderSpec,
    *,
    name: str,
    passages: Sequence[str] = (),
    dimension: int | None = None,
    replace: bool = False,
    device: str = "auto",
    on_progress: Progress = quiet_progress,
) -> Distilled:
    """Make a static model from another, and put it into the user's own catalogue as `own/NAME`.

    The same input on the same machine gives the same bytes. A kill leaves no part of a model.

    Args:
        spec: of the other model; not a static one, not a served one, not one whose vectors are cut.
        name: letters, digits and `. _ -`.
        passages: texts of the kind that will be searched, as they are embedded; none: frequencies are guessed.
        dimension: length of the vectors, at most that of the other model's; None: 256, or as many as can be had.
        replace: it takes the place of a model of that name, where there is one: as a whole, at its end.
        device: where the other model runs: `auto`, `cpu`, `cuda` or `mps`.
        on_progress: told what is read, how much of it has been, and how much there is.

    Raises:
        UsageError: a name or a dimension that cannot be, a model of which no static one can be made, or a catalogue of the
            user's that cannot take its row.
        ModelLoadError: the other model cannot be loaded, or the new one not be written.
        EmbeddingError: an output of the other model that is not finite.
    """
    from rag_app.models.embedder_loading import load_sentence_transformer

    started = time.monotonic()
    check_name(name, replace=replace)
    _check_model(spec, dimension)
    model = load_sentence_transformer(spec, resolve_device(device))
    tokenizer = bare_tokenizer(model, spec)
    read = _sample(passages) if is_mean_of_tokens(model) else []
    # What can be refused is refused now: what comes next takes an hour for a large vocabulary.
    most = (vocabulary_size(tokenizer), dimension or min(DIMENSION, spec.full_dimension))
    size = 4 * most[0] * most[1] + len(tokenizer.to_str().encode())
    check_place(_row(name, spec, most, len(passages), len(read)), size, replace=replace)
    prompted = [spec.fingerprint.passage_prompt + text for text in read]
    vectors = _vectors(model, tokenizer, passages, prompted, dimension, on_progress)
    row = publish(vectors, tokenizer, _row(name, spec, vectors.shape, len(passages), len(read)), replace=replace)
    return Distilled(Path(row.folder), row, len(vectors), len(passages), len(read), time.monotonic() - started)


def _vectors(
    model: SentenceTransformer,
    tokenizer: Tokenizer,
    passages: Sequence[str],
    read: Sequence[str],
    dimension: int | None,
    on_progress: Progress,
) -> NDArray[np.float32]:
    """Return one weighted vector a token; the outputs, several times as large, are gone on return."""
    outputs = outputs_of_tokens(model, tokenizer, read, on_progress)
    frequencies = counted(tokenizer, passages, len(outputs)) if passages else guessed(tokenizer, len(outputs))
    smoothing = SMOOTHING_COUNTED if passages else SMOOTHING_GUESSED
    vectors = whitened(outputs, frequencies, dimension)
    vectors *= (smoothing / (smoothing + frequencies))[:, None]
    return vectors


def _check_model(spec: EmbedderSpec, dimension: int | None) -> None:
    if spec.path is None:
        raise UsageError(
            f"{spec.model_id} is run by a server, which does not give one vector a token.",
            "Use a model that runs here: rag-app models list",
        )
    if static_weights(spec.path) is not None:
        raise UsageError(
            f"{spec.model_id} is a static model already.", "Use one that is not, as in: rag-app models distil bundled"
        )
    if spec.fingerprint.dimension != spec.full_dimension:
        whole = spec.model_id.rpartition("@")[0]
        raise UsageError(
            f"{spec.model_id} is {whole} with its vectors cut, and a static model is made from whole ones.",
            f"Give its dimensions apart: rag-app models distil {whole} --dimensions {spec.fingerprint.dimension}",
        )
    if dimension is not None and not 1 <= dimension <= spec.full_dimension:
        raise UsageError(
            f"Vectors of {dimension} numbers cannot be made from those of {spec.model_id}, which have {spec.full_dimension}.",
            f"Give --dimensions 1 to {spec.full_dimension}.",
        )


def _sample(passages: Sequence[str]) -> list[str]:
    """Return up to READ_PASSAGES of the passages, evenly spread."""
    count = min(len(passages), READ_PASSAGES)
    return [passages[number * len(passages) // count] for number in range(count)]


def _row(name: str, spec: EmbedderSpec, shape: tuple[int, ...], counted_passages: int, read: int) -> EmbedderRow:
    tokens, dimension = shape
    millions = tokens * dimension / 1e6
    known = spec.row
    went_in = f", which read {read} passages for it" if read else ""
    if counted_passages and not read:
        went_in = f"; the tokens of {counted_passages} passages were counted for it"
    return EmbedderRow(
        id=f"{OWN}{name}",
        folder=str(place(name)),
        family=Family.LIGHT,
        parameters_millions=round(millions, 1),
        download_gb=0.0,
        memory_gb=round(millions * 4 * 1.08 / 1000 + 0.7, 1),  # calculated as that of the catalogue's rows
        languages=known.languages if known else (),  # not known: what it was made for does not show in what it read
        licence=known.licence if known else f"that of {spec.model_id}",
        commercial=known.commercial if known else False,
        notes=f"Static, distilled from {spec.model_id}{went_in}.",
        dimension=dimension,
        max_tokens=NO_WINDOW,
        pooling="mean",
        query_prompt="",
        passage_prompt="",
    )
