"""Real weights give the cosines that were published for them; a model whose weights are not on the machine is skipped.

The values are those of sentence-transformers' own tests (tests/sentence_transformer/test_pretrained.py, commit cad2119):
computed in bfloat16, hence the tolerance, with the prompts of the repositories alone: BGE, E5 and nomic have none there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rag_app.errors import ModelNotAvailable
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder

QUESTION = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
VALUES = {
    "sentence-transformers/all-MiniLM-L6-v2": [0.46371, 0.81205, 0.72828, 0.75051],
    "BAAI/bge-m3": [0.41025, 0.71249, 0.64761, 0.65188],
    "BAAI/bge-large-zh-v1.5": [0.4627, 0.7272, 0.68818, 0.67414],
    "Qwen/Qwen3-Embedding-0.6B": [0.4838, 0.69335, 0.58793, 0.6647],
    "intfloat/multilingual-e5-small": [0.81157, 0.90596, 0.87089, 0.85667],
    "mixedbread-ai/mxbai-embed-large-v1": [0.5803, 0.81596, 0.72407, 0.73394],
    "nomic-ai/nomic-embed-text-v1.5": [0.65182, 0.88804, 0.79979, 0.81292],
    "Snowflake/snowflake-arctic-embed-l-v2.0": [0.33766, 0.70938, 0.553, 0.59806],
    "google/embeddinggemma-300m": [0.30141, 0.63614, 0.4938, 0.48726],
}
# Repositories that have prompts, the same as those of the catalogue.
WITH_PROMPTS = {
    "Qwen/Qwen3-Embedding-0.6B",
    "mixedbread-ai/mxbai-embed-large-v1",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "google/embeddinggemma-300m",
}


def load(model_id: str, *, prompts: bool) -> CatalogueEmbedding:
    try:
        spec = resolve_embedder(model_id, offline=True)
    except ModelNotAvailable:
        pytest.skip(f"the weights of {model_id} are not on this machine")
    if not prompts:
        spec = replace(spec, fingerprint=replace(spec.fingerprint, query_prompt="", passage_prompt=""))
    return CatalogueEmbedding(spec, device="cpu")


def cosines(embedder: CatalogueEmbedding, questions: list[str], passages: list[str]) -> NDArray[np.float32]:
    asked = np.stack([embedder.embed_question(question) for question in questions])
    found: NDArray[np.float32] = asked @ embedder.embed_passages(passages).T
    return found


@pytest.mark.slow
@pytest.mark.parametrize("model_id", VALUES)
def test_the_published_cosines_are_found_again(model_id: str) -> None:
    embedder = load(model_id, prompts=model_id in WITH_PROMPTS)
    np.testing.assert_allclose(cosines(embedder, [QUESTION], DOCUMENTS)[0], VALUES[model_id], rtol=0.01)


@pytest.mark.slow
def test_the_values_of_bge_m3s_own_readme_are_found_again() -> None:
    """FlagEmbedding's README, "Usage", dense vectors; computed in float16."""
    questions = ["What is BGE M3?", "Defination of BM25"]
    passages = [
        "BGE M3 is an embedding model supporting dense retrieval, lexical matching and multi-vector interaction.",
        (
            "BM25 is a bag-of-words retrieval function that ranks a set of documents based on the query terms appearing in "
            "each document"
        ),
    ]
    found = cosines(load("BAAI/bge-m3", prompts=True), questions, passages)
    np.testing.assert_allclose(found, [[0.6265, 0.3477], [0.3499, 0.678]], atol=0.005)
