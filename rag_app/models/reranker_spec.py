"""What a reranker is, read from its catalogue row and its files, before anything heavy is loaded.

`resolve_reranker` finds the files and settles window and prompt. An id is a Hugging Face id or a local folder; a folder that is
a copy of a model of the catalogue by its name is run by that model's row.
This module knows nothing of torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rag_app.config import ModelSettings
from rag_app.errors import ConfigurationError, ModelLoadError, UsageError
from rag_app.models.catalogue import BUNDLED, RerankerRow, Runs, load_catalogue
from rag_app.models.hub import Announce, ModelFiles, Origin, locate, quietly
from rag_app.models.model_folder import row_of_a_copy, stated_max_tokens

QUESTION, PASSAGE = "{question}", "{passage}"
# The metadata of a node that says which share of the passage the reranker did not read; absent where it read all.
UNSEEN = "reranker_unseen"


@dataclass(frozen=True)
class JudgePrompt:
    """What a language model that judges is given, and the two tokens that its next one is compared with.

    `parts` are made into tokens each by itself; one of them holds the question, one ends in the passage.
    """

    parts: tuple[str, ...]
    yes: str
    no: str


@dataclass(frozen=True)
class RerankerSpec:
    """A reranker that can be loaded.

    `model_id` is that of the catalogue, or the whole path of a folder. `max_tokens` counts question, passage, special tokens
    and prompt. `judge` is None for a model that reads the two texts as a pair.
    """

    model_id: str
    path: Path
    revision: str
    max_tokens: int
    judge: JudgePrompt | None = None


def resolve_reranker(
    model_id: str, *, offline: bool, announce: Announce = quietly, models: ModelSettings | None = None
) -> RerankerSpec:
    """Find a reranker and settle how it is run; nothing is loaded.

    Args:
        model_id: see the head of this module.
        offline: never ask the hub.
        announce: told what is about to be downloaded, and what was assumed.
        models: which hub. Code that comes with a reranker is never run, whatever is trusted there.

    Raises:
        UsageError: `bundled`: there is none.
        ModelNotAvailable: the model is not on the machine and cannot be fetched.
        ModelLoadError: it can be run only by code that comes with it, or a part of its files is missing.
        ConfigurationError: a row whose prompt cannot be used.
    """
    if model_id == BUNDLED:
        raise UsageError("No reranker is bundled.", "Choose one: rag-app models list --kind reranker")
    models = models or ModelSettings()
    row = load_catalogue().reranker(model_id)
    if row is not None and row.runs is not Runs.NATIVE:
        raise ModelLoadError(
            f"The reranker {row.id} is not run by what is installed here ({row.runs}), and code that comes with a reranker "
            "is never run.",
            "Choose another: rag-app models list --kind reranker",
        )
    judge = None if row is None else _judge(row)  # before gigabytes are fetched for it
    files = locate(model_id, row, kind="reranker", offline=offline, announce=announce, hub=models.hub)
    name = row.id if row is not None else _name(model_id, files)
    if row is None and files.origin is Origin.FOLDER:
        row = row_of_a_copy(files.path, load_catalogue().rerankers)
        if row is not None:
            announce(f"{name} is taken for a copy of {row.id}: its window and its prompt are used.")
            judge = _judge(row)
    max_tokens = row.max_tokens if row is not None else stated_max_tokens(files.path)
    return RerankerSpec(name, files.path, files.revision, max_tokens, judge)


def _name(model_id: str, files: ModelFiles) -> str:
    return str(files.path) if files.origin is Origin.FOLDER else model_id


def _judge(row: RerankerRow) -> JudgePrompt | None:
    if not row.prompt:
        return None
    text = "".join(row.prompt)
    ends_in_passage = any(part.endswith(PASSAGE) for part in row.prompt)
    if (text.count(QUESTION), text.count(PASSAGE)) != (1, 1) or not ends_in_passage or not (row.yes and row.no):
        raise ConfigurationError(
            f"The prompt of the reranker {row.id} cannot be used: expected {QUESTION} once, {PASSAGE} once at the end of a "
            "part, and the tokens `yes` and `no`.",
            "Correct the row in your catalogue.toml.",
        )
    return JudgePrompt(row.prompt, row.yes, row.no)
