"""Asks a server of the user's for vectors, by OpenAI's API: vLLM, llama.cpp, Ollama, text-embeddings-inference.

It speaks to no server but the one that was configured, and shows it no key but the one that was configured: environment
variables meant for other services are not read. This module knows nothing of prompts, of documents, or of LlamaIndex.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rag_app.errors import EmbeddingError, ModelError, ModelNotAvailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag_app.config import ModelSettings


class EmbeddingServer:
    """One model of a server."""

    def __init__(self, name: str, settings: ModelSettings) -> None:
        """Connect to nothing yet.

        Args:
            name: the model, as the server calls it.
            settings: which server, its key, how long it may take.
        """
        self._name = name
        self._url = settings.served_url.rstrip("/") + "/embeddings"
        self._key = settings.served_key.get_secret_value()
        self._seconds = settings.served_seconds

    def embed(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], int | None]:
        """Return vectors as the server gives them, shape (texts, dimension), and how many tokens it says it read.

        Raises:
            ModelNotAvailable: the server cannot be reached, or does not know the model.
            EmbeddingError: what it answers are no vectors of these texts.
        """
        import numpy as np

        answer = self._post({"model": self._name, "input": list(texts), "encoding_format": "float"})
        try:
            entries = sorted(answer["data"], key=lambda entry: entry["index"])
            vectors = np.asarray([entry["embedding"] for entry in entries], dtype=np.float32)
            tokens = (answer.get("usage") or {}).get("prompt_tokens")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._useless(f"no list of vectors ({type(error).__name__})") from error
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise self._useless(f"vectors of shape {vectors.shape} for {len(texts)} texts")
        return vectors, tokens if isinstance(tokens, int) else None

    def _post(self, body: dict[str, Any]) -> Any:
        import httpx2

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            # No proxy and no password of the environment's: the texts go to this server and to nothing between.
            with httpx2.Client(trust_env=False, timeout=self._seconds, follow_redirects=False) as client:
                response = client.post(self._url, json=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ModelNotAvailable(
                f"The server at {self._url} for '{self._name}' did not answer ({type(error).__name__}).",
                "Start it, or correct RAG_APP_MODELS__SERVED_URL; a slow one needs RAG_APP_MODELS__SERVED_SECONDS.",
            ) from error
        if response.status_code != 200:
            raise self._refused(response.status_code, response.text)
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise self._useless("no JSON") from error

    def _refused(self, status: int, text: str) -> ModelError:
        said = " ".join(text.split())[:200]
        if status in (401, 403):
            remedy = "Give it the key it wants: RAG_APP_MODELS__SERVED_KEY"
        elif status == 404:
            remedy = "Give the name the server knows the model by: --embed-model served:NAME; check that the URL ends in /v1."
        else:
            remedy = "Look at the server's own messages; smaller chunks (--chunk-tokens) help where a text is too long."
        kind = ModelNotAvailable if status in (401, 403, 404) else EmbeddingError
        return kind(f"The server at {self._url} refused '{self._name}' with status {status}: {said}", remedy)

    def _useless(self, found: str) -> EmbeddingError:
        return EmbeddingError(
            f"The server at {self._url} gave {found}, expected the vectors of '{self._name}'.",
            "Check that the model is an embedding model, and that the URL is that of an OpenAI-compatible API.",
        )


def served_dimension(name: str, settings: ModelSettings) -> int:
    """Return how long the vectors of a served model are, by asking for one.

    Raises:
        ModelNotAvailable: the server cannot be reached, or does not know the model.
        EmbeddingError: it gives no vector.
    """
    vectors, _ = EmbeddingServer(name, settings).embed(["dimension"])
    return int(vectors.shape[1])
