"""The values that travel between the rooms: frozen, without behaviour beyond what derives from their fields.

Units and directions, once for all of them: character positions are offsets into the extracted text of a document,
`[start, end)`; every score is higher for a better match; times are seconds.
This module knows nothing of files, models or LlamaIndex.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class FileStatus(StrEnum):
    """What became of one input file or record."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    EMPTY = "empty"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def is_searchable(self) -> bool:
        """Whether the document's text is in the knowledge base."""
        return self in (FileStatus.INDEXED, FileStatus.UNCHANGED)


@dataclass(frozen=True)
class Heading:
    """A heading of a document: where its line starts and ends, its level (1 is the highest) and its words."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True)
class Document:
    """One source record: a file, or one record of a data set.

    `path` is what the user sees and cites: the name of the source, then the path inside it, `/` between the parts.
    `sha256` is that of the file's bytes (of the record's text, for a record). `page_starts[i]` is the offset at which
    page i + 1 begins; empty for what has no pages.
    """

    path: str
    sha256: str
    media_type: str
    language: str
    title: str
    text: str
    page_starts: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()

    def page_at(self, offset: int) -> int | None:
        """Return the number (from 1) of the page that holds the character at `offset`; None without pages."""
        if not self.page_starts:
            return None
        return max(sum(1 for start in self.page_starts if start <= offset), 1)


@dataclass(frozen=True)
class Chunk:
    """A passage of a document, as it is embedded and found: `document.text[start:end] == text`, always.

    `heading_path` holds the title and the headings above the passage; it is embedded with the text (see `embedded_text`)
    and shown apart from it.
    """

    document_path: str
    ordinal: int
    start: int
    end: int
    text: str
    page: int | None = None
    heading_path: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """A name that is stable across rebuilds as long as the passage stays where it is."""
        return f"{self.document_path}#{self.start}-{self.end}"

    @property
    def embedded_text(self) -> str:
        """What embedding models and the keyword index read: the heading path, then the text."""
        header = " > ".join(self.heading_path)
        return f"{header}\n{self.text}" if header else self.text


@dataclass(frozen=True)
class Fingerprint:
    """What an embedding is, exactly. Two vectors may be compared only if all of this is equal.

    `files_sha256` covers weights, tokenizer and configuration. `dimension` is the length of a vector, `max_tokens` the
    window in the model's own tokens, special ones included.
    """

    model: str
    revision: str
    files_sha256: str
    dimension: int
    pooling: str
    normalised: bool
    query_prompt: str
    passage_prompt: str
    max_tokens: int
    dtype: str

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for all fields."""
        canonical = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Passage:
    """A chunk retrieved for a question. `n` is its number in the answer, from 1; `scores` holds each score by name.

    Names of scores: `cosine` (of question and passage under the embedder, -1 to 1), `bm25` (0 and up), `fused` (sum of
    weighted standard scores, unbounded; it alone decides the order of a hybrid search).
    """

    n: int
    document: str
    page: int | None
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Citation:
    """A `[n]` of an answer, tied to passage `n` and to the characters `[start, end)` of its document that support it.

    `computed` is true where the program, not the generator, chose the passage.
    """

    n: int
    document: str
    page: int | None
    start: int
    end: int
    computed: bool


@dataclass(frozen=True)
class Sentence:
    """One sentence of an answer, its citations, and whether a cited passage supports its words."""

    text: str
    citations: tuple[Citation, ...]
    supported: bool


@dataclass(frozen=True)
class Answer:
    """Everything that came of a question. `text` is None where no generator was asked, and empty where it said nothing.

    `abstained` is true where there was nothing to answer from. `timings` are seconds by stage.
    """

    question: str
    text: str | None
    abstained: bool
    sentences: tuple[Sentence, ...]
    passages: tuple[Passage, ...]
    embedder: str | None
    generator: str | None
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_cited_by_computation(self) -> bool:
        """Whether the citations are the program's own, the generator having given none."""
        citations = [citation for sentence in self.sentences for citation in sentence.citations]
        return bool(citations) and all(citation.computed for citation in citations)


@dataclass(frozen=True)
class DocumentReport:
    """What became of one input file or record, and why. `path` is that of `Document`.

    `intended` is true where it was left out by design: hidden, gone from the disk, or the questions of a data set.
    """

    path: str
    status: FileStatus
    reason: str = ""
    chunks: int = 0
    pages: int | None = None
    language: str | None = None
    intended: bool = False


@dataclass(frozen=True)
class ModelReport:
    """What one embedding model did in a build: chunks embedded now, known already, cut at the window.

    `unseen_share` is the share of the truncated chunks' tokens that the model did not see, `fitting_chunk_tokens` the
    `--chunk-tokens` that would fit by their measure (None where none is cut).
    """

    model: str
    fingerprint: str
    dimension: int
    embedded: int
    reused: int
    truncated: int
    chunks_per_second: float
    unseen_share: float = 0.0
    fitting_chunk_tokens: int | None = None


@dataclass(frozen=True)
class IngestReport:
    """The outcome of a build."""

    kb: str
    generation: str
    seconds: float
    chunks: int
    documents: tuple[DocumentReport, ...]
    models: tuple[ModelReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `ingest --json` prints and report.json holds."""
        values = asdict(self)
        for document in values["documents"]:
            del document["intended"]  # of use to --strict alone; the reason says it
        return values

    @property
    def not_indexed(self) -> tuple[DocumentReport, ...]:
        """The documents that should be in the knowledge base and are not: what `--strict` asks about."""
        return tuple(
            document for document in self.documents if not document.status.is_searchable and not document.intended
        )
