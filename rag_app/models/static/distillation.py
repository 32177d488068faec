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

import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from rag_app.datatypes import NO_WINDOW
from rag_app.errors import ModelLoadError, UsageError
from rag_app.language import UNDETERMINED, language_of
from rag_app.models.catalogue import OWN, EmbedderRow, Family, load_catalogue, user_data_folder
from rag_app.models.device import resolve_device
from rag_app.models.embedder_spec import EmbedderSpec
from rag_app.models.model_folder import static_weights
from rag_app.models.static.own_rows import add_embedder, own_catalogue
from rag_app.models.static.token_vectors import (
    Progress,
    bare_tokenizer,
    counted,
    guessed,
    is_mean_of_tokens,
    outputs_of_tokens,
    whitened,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

DIMENSION = 256
# So many passages are read by the other model: on SciFact 5,000 were no better than 500.
READ_PASSAGES = 1000
# Smooth inverse frequency, a / (a + p): Arora, Liang and Ma, 2017, "A simple but tough-to-beat baseline for sentence
# embeddings". Theirs is 0.001 for counted frequencies; model2vec's 0.0001 for those guessed from ranks.
SMOOTHING_COUNTED, SMOOTHING_GUESSED = 1e-3, 1e-4

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_BUILDING = ".distilling-"


@dataclass(frozen=True)
class Distilled:
    """A static model that was made: where its files are, its row, and what went into it.

    `tokens` is the size of its vocabulary, `passages` how many the other model read.
    """

    folder: Path
    row: EmbedderRow
    tokens: int
    passages: int
    seconds: float


def quiet_progress(what: str, done: int, total: int) -> None:
    """Say nothing: for callers that have nobody to tell."""


def distil(
    spec: EmbedderSpec,
    *,
    name: str,
    passages: Sequence[str] = (),
    dimension: int = DIMENSION,
    device: str = "auto",
    on_progress: Progress = quiet_progress,
) -> Distilled:
    """Make a static model from another, and put it into the user's own catalogue as `own/NAME`.

    The same input on the same machine gives the same bytes. A kill leaves no part of a model.

    Args:
        spec: of the other model; not a static one, not a served one.
        name: letters, digits and `. _ -`.
        passages: texts of the kind that will be searched, as they are embedded; none: frequencies are guessed.
        dimension: length of the vectors, at most that of the other model's.
        device: where the other model runs: `auto`, `cpu`, `cuda` or `mps`.
        on_progress: told what is read, how much of it has been, and how much there is.

    Raises:
        UsageError: a name or a dimension that cannot be, or a model of which no static one can be made.
        ModelLoadError: the other model cannot be loaded, or the new one not be written.
    """
    from rag_app.models.embedder_loading import load_sentence_transformer

    started = time.monotonic()
    check_name(name)
    _check_model(spec, dimension)
    model = load_sentence_transformer(spec, resolve_device(device))
    tokenizer = bare_tokenizer(model, spec)
    sample = _sample(passages)
    read = sample if is_mean_of_tokens(model) else []
    outputs = outputs_of_tokens(
        model, tokenizer, [spec.fingerprint.passage_prompt + text for text in read], on_progress
    )
    frequencies = counted(tokenizer, passages, len(outputs)) if passages else guessed(tokenizer, len(outputs))
    smoothing = SMOOTHING_COUNTED if passages else SMOOTHING_GUESSED
    vectors = whitened(outputs, frequencies, dimension) * (smoothing / (smoothing + frequencies))[:, None]
    row = _row(name, spec, vectors.shape, sample, len(read))
    folder = _publish(vectors.astype(np.float32), tokenizer, row)
    return Distilled(folder, row, len(vectors), len(read), time.monotonic() - started)


def default_name(model_id: str, kb: str | None) -> str:
    """Return a name after the model and the knowledge base, with no character that a name cannot have."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{model_id.rstrip('/').rpartition('/')[2]}-{kb or 'static'}")
    return plain.strip("._-")[-64:].lstrip("._-") or "static"


def check_name(name: str) -> None:
    """Refuse a name that a new model cannot have, before anything is read for it.

    Raises:
        UsageError: it is no plain name, is taken, or is that of a model of the catalogue.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A model cannot be named '{name[:80]}': expected letters, digits and . _ - (64 at most), "
            "a letter or digit first and last.",
            "Choose another: --name NAME",
        )
    taken = load_catalogue().embedder(f"{OWN}{name}")
    if taken is not None or _target(name).exists():
        where = _target(name) if taken is None else Path(taken.folder)
        raise UsageError(
            f"There is a model {OWN}{name} already, in {where}.",
            f"Choose another name (--name NAME), or remove that folder and its row in {own_catalogue()}.",
        )
    for row in load_catalogue().embedders:
        # A folder of that name is taken for a copy of the catalogue's model, which needs to be the only one.
        if row.id.rpartition("/")[2].lower() == name.lower():
            raise UsageError(f"The catalogue has {row.id}, also named '{name}'.", "Choose another: --name NAME")


def _target(name: str) -> Path:
    return user_data_folder() / "models" / f"own--{name}"


def _check_model(spec: EmbedderSpec, dimension: int) -> None:
    if spec.path is None:
        raise UsageError(
            f"{spec.model_id} is run by a server, which does not give one vector a token.",
            "Use a model that runs here: rag-app models list",
        )
    if static_weights(spec.path) is not None:
        raise UsageError(
            f"{spec.model_id} is a static model already.", "Use one that is not, as in: rag-app models distil bundled"
        )
    if not 1 <= dimension <= spec.full_dimension:
        raise UsageError(
            f"Vectors of {dimension} numbers cannot be made from those of {spec.model_id}, which have {spec.full_dimension}.",
            f"Give --dimensions 1 to {spec.full_dimension}.",
        )


def _sample(passages: Sequence[str]) -> list[str]:
    """Return up to READ_PASSAGES of the passages, evenly spread."""
    count = min(len(passages), READ_PASSAGES)
    return [passages[number * len(passages) // count] for number in range(count)]


def _row(name: str, spec: EmbedderSpec, shape: tuple[int, ...], sample: Sequence[str], read: int) -> EmbedderRow:
    tokens, dimension = shape
    millions = tokens * dimension / 1e6
    known = spec.row
    found = {language_of(text).code for text in sample} - {UNDETERMINED}
    return EmbedderRow(
        id=f"{OWN}{name}",
        folder=str(_target(name)),
        family=Family.LIGHT,
        parameters_millions=round(millions, 1),
        download_gb=0.0,
        memory_gb=round(millions * 4 * 1.08 / 1000 + 0.7, 1),  # calculated as that of the catalogue's rows
        languages=known.languages if known else tuple(sorted(found)),
        licence=known.licence if known else f"that of {spec.model_id}",
        commercial=known.commercial if known else False,
        notes=f"Static, distilled from {spec.model_id}, which read {read} passages for it.",
        dimension=dimension,
        max_tokens=NO_WINDOW,
        pooling="mean",
        query_prompt="",
        passage_prompt="",
    )


def _publish(vectors: NDArray[np.float32], tokenizer: Tokenizer, row: EmbedderRow) -> Path:
    """Write the model beside its place, rename it there, then write its row; return its folder."""
    target = Path(row.folder)
    models = target.parent
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".distilling.lock"):
            for leftover in models.glob(f"{_BUILDING}*"):  # after a kill
                shutil.rmtree(leftover, ignore_errors=True)
            check_name(row.id.removeprefix(OWN))  # another may have taken it meanwhile
            _check_room(models, vectors.nbytes + len(tokenizer.to_str().encode()))
            building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=models))
            try:
                _save(vectors, tokenizer, building)
                os.replace(building, target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
            try:
                add_embedder(row)
            except BaseException:
                shutil.rmtree(target, ignore_errors=True)
                raise
    except OSError as error:
        raise ModelLoadError(
            f"The model could not be written into {target}: {error}.", "Check that the folder can be written."
        ) from error
    return target


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < 1.1 * needed:
        raise ModelLoadError(
            f"The model takes {needed / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free.",
            "Make room, or give fewer dimensions: --dimensions 128",
        )


def _save(vectors: NDArray[np.float32], tokenizer: Tokenizer, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    folder.chmod(0o755)  # mkdtemp's is for its owner alone
    static = StaticEmbedding(tokenizer, embedding_weights=vectors)
    SentenceTransformer(modules=[static, Normalize()], device="cpu").save(str(folder), create_model_card=False)
