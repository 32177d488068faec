"""Which calibration holds for a search, and the LlamaIndex postprocessor that gives its passages their probability.

This module knows nothing of how a calibration is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app.config import RetrievalSettings
from rag_app.datatypes import SCORES, Fingerprint
from rag_app.retrieval.nodes import node_with
from rag_app.retrieval.probability import FEATURES, predict, question_features
from rag_app.store.calibrations import Calibration, ProbabilityModel, read_calibrations

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBABILITY = "probability"
FEWEST_PASSAGES = 2
_OF_THE_BEST = "sentence"


def conditions_of(settings: RetrievalSettings, reranker: str | None) -> dict[str, Any]:
    """Return what decides scores and order beside embedding model and retriever; a calibration holds where it is equal.

    How many passages are shown decides neither, nor whether there is an answer. With a reranker, how many it is given does.
    """
    conditions = settings.model_dump(mode="json", exclude={"retriever", "top_k", "rerank_depth"}) | {
        "reranker": reranker
    }
    if reranker is not None:
        conditions["rerank_depth"] = max(settings.rerank_depth, settings.top_k)
    return conditions


def find_calibration(
    base: Path,
    fingerprint: Fingerprint,
    settings: RetrievalSettings,
    reranker: str | None,
    announce: Callable[[str], None],
) -> Calibration | None:
    """Return the newest calibration that holds for a search; None where there is none.

    Args:
        base: the folder of the knowledge base.
        fingerprint: of the embedding model.
        settings: of the search.
        reranker: its id; None for none.
        announce: told of each file that cannot be used.
    """
    found = read_calibrations(base)
    for sentence in found.ignored:
        announce(sentence)
    wanted = fingerprint.digest, settings.retriever, conditions_of(settings, reranker)
    return next((one for one in found.usable if _holds_for(one) == wanted and _is_known(one.model)), None)


def _holds_for(calibration: Calibration) -> tuple[str, str, Mapping[str, Any]]:
    return calibration.fingerprint, calibration.retriever, calibration.conditions


def _is_known(model: ProbabilityModel) -> bool:
    return set(model.features) <= set(FEATURES)


class ProbabilityPostprocessor(BaseNodePostprocessor):
    """Adds `probability` to the scores of the passages that a calibration speaks of; their order stays as it is.

    It speaks of the first passages of a question, as many as it was made with, and of none where a single one was found (a
    passage is judged beside the others) or where they have other scores than those it was made with.
    """

    _model: ProbabilityModel = PrivateAttr()
    _passages: int = PrivateAttr()
    _scores: tuple[str, ...] = PrivateAttr()

    def __init__(self, calibration: Calibration) -> None:
        """Use a calibration; it must be one that holds for the search."""
        super().__init__(callback_manager=CallbackManager([]))
        self._model = calibration.model
        self._passages = calibration.passages
        self._scores = calibration.scores

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "ProbabilityPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Return the nodes with their probabilities. Those given are left as they are."""
        first = nodes[: self._passages]
        if len(first) < FEWEST_PASSAGES or score_names(first) != self._scores:
            return nodes
        probabilities = predict(self._model, features_of(first, self._model.features))
        told = [_with_probability(node, float(value)) for node, value in zip(first, probabilities, strict=True)]
        return told + nodes[len(told) :]


def score_names(nodes: Sequence[NodeWithScore]) -> tuple[str, ...] | None:
    """Return the names of the scores that the passages have, sorted; None where one has others than another.

    That some of them have no `sentence` does not count: only those of the best passages are embedded.
    """
    scores = [set(node.node.metadata.get(SCORES, {})) - {PROBABILITY} for node in nodes]
    if len({frozenset(names - {_OF_THE_BEST}) for names in scores}) != 1:
        return None
    return tuple(sorted(set.union(*scores)))


def features_of(nodes: Sequence[NodeWithScore], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the features of one question's passages, shape (passages, features); there must be two at least."""
    return question_features(names, np.array([node.score for node in nodes], dtype=np.float64))


def _with_probability(scored: NodeWithScore, probability: float) -> NodeWithScore:
    return node_with(scored, {SCORES: {**scored.node.metadata.get(SCORES, {}), PROBABILITY: probability}})
