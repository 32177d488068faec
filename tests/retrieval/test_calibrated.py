"""Which calibration holds for a search, and what it adds to the passages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from rag_app.config import RetrievalSettings
from rag_app.retrieval.calibrated import ProbabilityPostprocessor, conditions_of, find_calibration
from rag_app.retrieval.probability import predict, question_features
from rag_app.store.calibrations import ProbabilityModel, write_calibration
from tests.calibrations import made_calibration
from tests.fakes import fake_fingerprint

SETTINGS = RetrievalSettings()


def nodes_of(*scores: float, **more: float) -> list[NodeWithScore]:
    named = [{"cosine": 0.5, "bm25": 2.0, "fused": score} | more for score in scores]
    return [
        NodeWithScore(node=TextNode(text="text", metadata={"scores": one}), score=score)
        for one, score in zip(named, scores, strict=True)
    ]


def probabilities(nodes: list[NodeWithScore]) -> list[float | None]:
    return [node.node.metadata["scores"].get("probability") for node in nodes]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path


def test_the_newest_that_holds_is_found(base: Path) -> None:
    for month, sha256 in ((1, "1"), (3, "3"), (2, "2")):
        one = made_calibration(created_at=f"2026-0{month}-01", questions_sha256=sha256 * 64)
        write_calibration(base, one, "")
    found = find_calibration(base, fake_fingerprint(), SETTINGS, None, pytest.fail)
    assert found is not None
    assert found.created_at == "2026-03-01"


@pytest.mark.parametrize("top_k", [1, 3, 50])
def test_how_many_passages_are_shown_does_not_matter(base: Path, top_k: int) -> None:
    write_calibration(base, made_calibration(), "")
    settings = RetrievalSettings(top_k=top_k)
    assert find_calibration(base, fake_fingerprint(), settings, None, pytest.fail) is not None


def test_none_holds_for_another_model_retriever_setting_or_reranker(base: Path) -> None:
    write_calibration(base, made_calibration(), "")
    other = fake_fingerprint(files_sha256="1" * 64)
    assert find_calibration(base, other, SETTINGS, None, pytest.fail) is None
    for settings, reranker in (
        (RetrievalSettings(retriever="dense"), None),
        (RetrievalSettings(per_document=1), None),
        (SETTINGS, "some/reranker"),
    ):
        assert find_calibration(base, fake_fingerprint(), settings, reranker, pytest.fail) is None


def test_how_many_are_reranked_matters_where_there_is_a_reranker() -> None:
    deeper = RetrievalSettings(rerank_depth=99)
    assert conditions_of(SETTINGS, None) == conditions_of(deeper, None)
    assert conditions_of(SETTINGS, "r") != conditions_of(deeper, "r")


def test_one_with_a_feature_that_is_not_known_does_not_hold(base: Path) -> None:
    model = ProbabilityModel(("score", "weather"), (0, 0), (1, 1), (1, 1), 0, 0.01)
    write_calibration(base, made_calibration(model=model), "")
    assert find_calibration(base, fake_fingerprint(), SETTINGS, None, pytest.fail) is None


def test_a_file_that_cannot_be_used_is_told(base: Path) -> None:
    path = write_calibration(base, made_calibration(), "")
    path.write_text("{")
    told: list[str] = []
    assert find_calibration(base, fake_fingerprint(), SETTINGS, None, told.append) is None
    assert str(path) in told[0]


def test_passages_get_their_probability_and_keep_their_order_and_scores() -> None:
    calibration = made_calibration()
    nodes = nodes_of(9.0, 4.0, 3.5)
    found = ProbabilityPostprocessor(calibration).postprocess_nodes(nodes, query_str="a question")
    features = question_features(calibration.model.features, np.array([9.0, 4.0, 3.5]))
    assert probabilities(found) == predict(calibration.model, features).tolist()
    assert probabilities(found) == sorted(probabilities(found), reverse=True)
    assert [node.score for node in found] == [9.0, 4.0, 3.5]
    assert found[0].node.metadata["scores"].items() >= {"cosine": 0.5, "bm25": 2.0, "fused": 9.0}.items()
    assert probabilities(nodes) == [None] * 3  # those given are left as they are


def test_beyond_the_passages_it_was_made_with_it_says_nothing() -> None:
    postprocessor = ProbabilityPostprocessor(made_calibration(passages=2))
    found = postprocessor.postprocess_nodes(nodes_of(9.0, 4.0, 3.0))
    assert [one is None for one in probabilities(found)] == [False, False, True]
    assert probabilities(found)[:2] == probabilities(postprocessor.postprocess_nodes(nodes_of(9.0, 4.0)))


@pytest.mark.parametrize("nodes", [[], nodes_of(9.0), nodes_of(9.0, 8.0, sentence=0.5)])
def test_of_a_single_passage_or_of_other_scores_it_says_nothing(nodes: list[NodeWithScore]) -> None:
    found = ProbabilityPostprocessor(made_calibration()).postprocess_nodes(nodes)
    assert probabilities(found) == [None] * len(nodes)


def test_where_only_some_passages_have_a_score_it_says_nothing() -> None:
    nodes = nodes_of(9.0) + nodes_of(8.0, sentence=0.5)
    found = ProbabilityPostprocessor(made_calibration()).postprocess_nodes(nodes)
    assert probabilities(found) == [None, None]


def test_a_second_pass_gives_the_same_numbers() -> None:
    postprocessor = ProbabilityPostprocessor(made_calibration())
    once = postprocessor.postprocess_nodes(nodes_of(9.0, 4.0))
    assert probabilities(postprocessor.postprocess_nodes(once)) == probabilities(once)
