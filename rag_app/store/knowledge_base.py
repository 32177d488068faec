"""A knowledge base as a reader sees it: one immutable generation, opened and checked.

    knowledge_base = KnowledgeBase.open(Path("indexes"), "sample")

Everything that answers one question comes from one object of this class, so that passages, scores and citations can
never be of two generations. This module knows nothing of models or of how a generation is made.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from rag_app.datatypes import Fingerprint, IngestReport
from rag_app.errors import EmbedderMismatch, KnowledgeBaseDamaged
from rag_app.store import layout
from rag_app.store.chunks import ChunkStore, DocumentValues
from rag_app.store.keywords import KeywordIndex
from rag_app.store.layout import Manifest
from rag_app.store.vectors import VectorIndex

# A build may publish, and remove the generation before the last, while CURRENT is being followed.
_OPEN_ATTEMPTS = 5


class KnowledgeBase:
    """One generation of a knowledge base, read-only. Safe to use from several threads."""

    def __init__(self, name: str, folder: Path, manifest: Manifest) -> None:
        """Use `open`."""
        self.name = name
        self.folder = folder
        self.manifest = manifest
        self.chunks = ChunkStore(folder / layout.CHUNKS)
        self._vectors: dict[str, VectorIndex] = {}
        self._null_scores: dict[str, dict[str, Any] | None] = {}

    @classmethod
    def open(cls, indexes: Path, name: str) -> KnowledgeBase:
        """Open the live generation after checking the manifest's sum and the size of every file.

        The sums of the files are not read: whoever answers from it opens it through `rag_app.store.live`.

        Raises:
            KnowledgeBaseNameError: not a plain folder name.
            KnowledgeBaseNotFound: nothing of that name.
            KnowledgeBaseDamaged: a file is missing or differs, by name.
            FormatVersionError: made by another version.
            StorageError: it is not readable.
        """
        base = indexes / layout.checked_name(name)
        for _ in range(_OPEN_ATTEMPTS):
            folder, manifest_sum = layout.read_current(base)
            try:
                return cls(name, folder, layout.read_manifest(folder, manifest_sum))
            except KnowledgeBaseDamaged:
                # If CURRENT has moved on, the generation was replaced under us; if not, the damage is real.
                if layout.read_current(base)[0] == folder:
                    raise
        raise KnowledgeBaseDamaged(
            f"The knowledge base '{name}' was replaced {_OPEN_ATTEMPTS} times while it was being opened.", "Try again."
        )

    @property
    def generation(self) -> str:
        """The name of the generation."""
        return self.manifest.generation

    @property
    def models(self) -> tuple[Fingerprint, ...]:
        """The embedding models it has vectors of; the first is the default."""
        return self.manifest.models

    @cached_property
    def chunk_count(self) -> int:
        """The number of chunks."""
        return self.chunks.count()

    @cached_property
    def document_values(self) -> DocumentValues:
        """Which folders, types, languages and dates its documents have."""
        return self.chunks.document_values()

    @cached_property
    def keywords(self) -> KeywordIndex:
        """The keyword index, opened when first used."""
        return KeywordIndex(self.folder / layout.KEYWORDS)

    @cached_property
    def report(self) -> IngestReport:
        """What became of every file, and how the models fit: the report of the build, without what it cost.

        Raises:
            KnowledgeBaseDamaged: it cannot be read.
        """
        path = self.folder / layout.REPORT
        try:
            return IngestReport.from_record(self._read_json(path))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise KnowledgeBaseDamaged(
                f"{path} cannot be read: {error}.", layout.rebuild_command(self.folder.parent)
            ) from error

    def vectors(self, fingerprint: Fingerprint) -> VectorIndex:
        """Return the vectors that an embedder with this fingerprint made.

        Raises:
            EmbedderMismatch: there are none, even if those of another model have the same dimension.
        """
        if fingerprint not in self.models:
            raise self._mismatch(fingerprint.model, fingerprint.digest)
        if fingerprint.digest not in self._vectors:
            folder = layout.vectors_folder(self.folder, fingerprint)
            description = self.manifest.vectors[fingerprint.digest]
            self._vectors[fingerprint.digest] = VectorIndex(folder, fingerprint, description)
        return self._vectors[fingerprint.digest]

    def null_scores(self, fingerprint: Fingerprint) -> dict[str, Any] | None:
        """Return what was measured of the scores under a model when it was built; None where nothing was.

        Raises:
            EmbedderMismatch: no vectors of this model.
            KnowledgeBaseDamaged: it cannot be read.
        """
        self.vectors(fingerprint)
        if fingerprint.digest not in self._null_scores:
            path = layout.vectors_folder(self.folder, fingerprint) / layout.NULL_SCORES
            is_there = path.relative_to(self.folder).as_posix() in self.manifest.files
            self._null_scores[fingerprint.digest] = self._read_json(path) if is_there else None
        return self._null_scores[fingerprint.digest]

    def _read_json(self, path: Path) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise KnowledgeBaseDamaged(
                f"{path} cannot be read: {error}.", layout.rebuild_command(self.folder.parent)
            ) from error
        return values

    def check_has_model(self, name: str) -> None:
        """Refuse a model that no vectors are of, by its name alone; `vectors` looks at the whole fingerprint.

        Raises:
            EmbedderMismatch: no vectors of a model with this name.
        """
        if name not in [model.model for model in self.models]:
            raise self._mismatch(name)

    def _mismatch(self, name: str, digest: str = "") -> EmbedderMismatch:
        there = ", ".join(f"{model.model} ({model.digest})" for model in self.models)
        shown = f"{name} ({digest})" if digest else name
        found = f"The knowledge base '{self.name}' has no vectors of {shown}; it has: {there}."
        if not there:
            found = f"The knowledge base '{self.name}' has no vectors of {shown}, nor of any other model."
        elif digest and any(model.model == name for model in self.models):
            found = (
                f"The knowledge base '{self.name}' has no vectors of {shown}, which has other files, prompts or settings "
                f"than the model it was built with; it has: {there}."
            )
        return EmbedderMismatch(found, f"Add them: python -m ingest --kb {self.name} --embed-model {name}")

    def close(self) -> None:
        """Close the files."""
        self.chunks.close()
