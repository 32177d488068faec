"""Question and passages to scores: rerankers as a LlamaIndex node postprocessor.

LlamaIndex's own runs code that comes with a model unless told not to, cuts every pair at 512 tokens, and puts its score in
place of the others. This one reads as much as the model can, says what was cut, and adds its score to those of a passage.
This module knows nothing of knowledge bases.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
from torch.nn.utils.rnn import pad_sequence

from rag_app.datatypes import SCORES
from rag_app.errors import RerankingError, first_line
from rag_app.models.batches import run_each, token_batches
from rag_app.models.device import resolve_device
from rag_app.models.embedder import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from rag_app.models.model_folder import files_stamp
from rag_app.models.reranker_loading import load_cross_encoder
from rag_app.models.reranker_pairs import Judged, Pair, PairReader, TwoTexts
from rag_app.models.reranker_spec import UNSEEN, RerankerSpec
from rag_app.text import searchable

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Among a node's scores, its name for what it gives.
SCORE = "reranker"


@dataclass(frozen=True)
class Reranking:
    """The scores of passages for a question, and what the window cut; both of shape (passages,), in the order given.

    `scores` are raw: unbounded, higher is better, comparable for one question and one model. `unseen` is the share of each
    passage's tokens that was not read, 0 to 1.
    """

    scores: NDArray[np.float32]
    unseen: NDArray[np.float64]

    @property
    def truncated(self) -> int:
        """How many passages were not read to their end."""
        return int(np.count_nonzero(self.unseen))


class CatalogueReranker(BaseNodePostprocessor):
    """Orders passages by the score that a reranker gives question and passage together, and keeps the best `top_n`.

    Calls from several threads wait for one another.
    """

    top_n: int = Field(default=5, ge=1, description="How many passages are kept.")

    _spec: RerankerSpec = PrivateAttr()
    _files_stamp: str = PrivateAttr()
    _device: str = PrivateAttr()
    _model: Any = PrivateAttr()
    _reader: PairReader = PrivateAttr()
    _batch_tokens: int = PrivateAttr()
    _lock: threading.Lock = PrivateAttr()

    def __init__(
        self, spec: RerankerSpec, *, top_n: int = 5, device: str = "auto", batch_tokens: int | None = None
    ) -> None:
        """Load the model.

        Args:
            spec: from `resolve_reranker`.
            top_n: how many passages are kept.
            device: `auto`, `cpu`, `cuda` or `mps`.
            batch_tokens: of a forward pass, padding included; None: as for embedding models.

        Raises:
            ModelLoadError: the files cannot be loaded, or are no reranker.
        """
        super().__init__(callback_manager=CallbackManager([]), top_n=top_n)  # type: ignore[call-arg]
        device = resolve_device(device)
        self._spec = spec
        self._device = device
        self._files_stamp = files_stamp(spec.path)  # first: of files that change meanwhile the old ones are then named
        self._model = load_cross_encoder(spec, device)
        tokenizer = self._model.tokenizer
        self._reader = (
            TwoTexts(tokenizer, spec.max_tokens, spec.model_id)
            if spec.judge is None
            else Judged(tokenizer, spec.judge, spec.max_tokens, spec.model_id)
        )
        self._batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS)
        self._lock = threading.Lock()

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "CatalogueReranker"

    @property
    def model_id(self) -> str:
        """The model's name: that of the catalogue, or the path of its folder."""
        return self._spec.model_id

    @property
    def card(self) -> dict[str, Any]:
        """What it is: its name, its files as they were when it was loaded, and how it is run."""
        judge = None if self._spec.judge is None else asdict(self._spec.judge)
        return {
            "model": self.model_id,
            "revision": self._spec.revision,
            "files": self._files_stamp,
            "max_tokens": self._spec.max_tokens,
            "judge": judge,
        }

    def keeping(self, top_n: int) -> CatalogueReranker:
        """Return the same reranker, over the same model in memory, that keeps another number of passages."""
        return self.model_copy(update={"top_n": top_n})

    def rerank(self, question: str, passages: Sequence[str]) -> Reranking:
        """Return the scores of passages for a question.

        Raises:
            RerankingError: a score that is not finite, a question that leaves no room for a passage, or memory that does not
                suffice.
        """
        if not passages:
            return Reranking(np.empty(0, np.float32), np.empty(0))
        with self._lock:
            pairs = self._reader.read(question, passages)
            try:
                scores = self._scores(pairs)
            except (RuntimeError, MemoryError, IndexError) as error:
                raise RerankingError(
                    f"The reranker {self.model_id} cannot be run on these passages: {first_line(error)}.",
                    "Use another device (--device cpu), a smaller reranker, or none.",
                ) from error
        if not np.isfinite(scores).all():
            raise RerankingError(
                f"The reranker {self.model_id} gave a score that is not a finite number.",
                "Its files may be damaged. Fetch it again, or use another: rag-app models list --kind reranker",
            )
        return Reranking(scores, np.array([pair.unseen for pair in pairs]))

    def _scores(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        scores = np.empty(len(pairs), dtype=np.float32)
        batches = token_batches([pair.length for pair in pairs], self._batch_tokens)
        calls = [partial(self._batch_scores, [pairs[row] for row in batch]) for batch in batches]
        with closing(run_each(calls, together=self._device == "cpu", stop=threading.Event())) as ended:
            for number, found in ended:
                scores[batches[number]] = found
        return scores

    def _batch_scores(self, pairs: Sequence[Pair]) -> NDArray[np.float32]:
        features: dict[str, Any] = {
            name: tokens.to(self._model.device)
            for name, tokens in self._padded([pair.inputs for pair in pairs]).items()
        }
        if self._spec.judge is not None:
            features["logits_to_keep"] = 1
        with torch.inference_mode():
            output = self._model(features)
        found: NDArray[np.float32] = output["scores"][:, 0].float().cpu().numpy()
        return found

    def _padded(self, inputs: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, torch.Tensor]:
        """Return the inputs as tensors of shape (pairs, longest); a model that judges is padded before its text."""
        fill = {"input_ids": self._model.tokenizer.pad_token_id or 0}
        side = "right" if self._spec.judge is None else "left"
        return {
            name: pad_sequence(
                [torch.tensor(row[name]) for row in inputs],
                batch_first=True,
                padding_value=fill.get(name, 0),
                padding_side=side,
            )
            for name in inputs[0]
        }

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Return the best nodes, best first; equal ones stay as they were. The nodes given are left as they are."""
        if query_bundle is None:
            raise ValueError("a reranker needs the question: give query_bundle or query_str")
        found = self.rerank(query_bundle.query_str, [reranked_text(scored.node) for scored in nodes])
        order = np.argsort(-found.scores, kind="stable")[: self.top_n]
        return [_with_score(nodes[row].node, float(found.scores[row]), float(found.unseen[row])) for row in order]


def reranked_text(node: BaseNode) -> str:
    """Return what a reranker reads of a node, as embedding models do: heading path, table header, text, nothing invisible.

    Other metadata is read only where LlamaIndex would embed it too; that of our own nodes it would not.
    """
    headings = node.metadata.get("heading_path")
    header = " > ".join(headings) if isinstance(headings, list) else ""
    parts = (header, node.metadata.get("table_header") or "", node.get_content(metadata_mode=MetadataMode.EMBED))
    return searchable("\n".join(part for part in parts if part))


def _with_score(node: BaseNode, score: float, unseen: float) -> NodeWithScore:
    added: dict[str, Any] = {SCORES: {**node.metadata.get(SCORES, {}), SCORE: score}}
    if unseen:
        added[UNSEEN] = unseen
    kept_out = {
        name: list(dict.fromkeys((*getattr(node, name), *added)))
        for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    copy = node.model_copy(update={"metadata": node.metadata | added, **kept_out})
    return NodeWithScore(node=copy, score=score)


def load_reranker(spec: RerankerSpec, *, device: str = "auto") -> CatalogueReranker:
    """Load a reranker.

    Raises:
        ModelLoadError: the files cannot be loaded, or are no reranker.
    """
    return CatalogueReranker(spec, device=device)
