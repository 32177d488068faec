"""The values that travel between the rooms: frozen, without behaviour beyond what derives from their fields.

Units and directions, once for all of them: character positions are offsets into the extracted text of a document,
`[start, end)`; every score is higher for a better match; times are seconds.
This module knows nothing of files, models or LlamaIndex.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

# Of the other places where a passage stands, so many are named.
_NAMED_PLACES = 3
PURGED = "It was purged, and stays out."


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


class BlockKind(StrEnum):
    """What a part of a document is, as far as chunking minds."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list item"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a document's structure: the characters `[start, end)` of its text.

    `level` is that of a heading (1 is the highest), else 0. `label` holds the words of a heading without its marks, and the
    header row of a table, which is embedded with every group of its rows; else it is empty.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    label: str = ""

    def as_row(self) -> tuple[str, int, int, int, str]:
        """Return its fields in order; there may be one for each line of a document, and dataclasses.astuple is slow."""
        return self.kind.value, self.start, self.end, self.level, self.label


@dataclass(frozen=True, slots=True)
class Box:
    """Where the characters `[start, end)` of a document's text stand on a page.

    `page` counts from 1; `left`, `bottom`, `right`, `top` are in points (1/72 inch) from the lower left corner of the page.
    """

    start: int
    end: int
    page: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True)
class Document:
    """One source record: a file, or one record of a data set.

    `path` is what the user sees and cites: the name of the source, then the path inside it, `/` between the parts.
    `sha256` is that of the file's bytes (of the record's text, for a record). `language` is an ISO 639-1 code or `und`,
    `script` an ISO 15924 code or empty. `encoding` is how bytes became text, empty where the format says it itself.
    `title` is the document's own, else empty; then `name`, made from the file's name, stands for it (empty for a record).
    `date` is the day it states of itself, else that of its file, as `YYYY-MM-DD`; empty where neither is known.
    `page_starts[i]` is the offset at which page i + 1 begins; empty for what has no pages. `blocks` are in order and do not
    overlap. `boxes` are packed (`rag_app.store.boxes`); empty for what has no page pictures.
    """

    path: str
    sha256: str
    media_type: str
    language: str
    title: str
    text: str
    page_starts: tuple[int, ...] = ()
    blocks: tuple[Block, ...] = ()
    name: str = ""
    script: str = ""
    encoding: str = ""
    boxes: bytes = b""
    date: str = ""

    def page_at(self, offset: int) -> int | None:
        """Return the number (from 1) of the page that holds the character at `offset`; None without pages."""
        if not self.page_starts:
            return None
        return max(bisect_right(self.page_starts, offset), 1)


@dataclass(frozen=True)
class Place:
    """Where a passage stands: a document, the page on which it begins and ends (None without pages), and its span."""

    document: str
    page: int | None
    last_page: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """A passage of a document, as it is embedded and found: `document.text[start:end] == text`, always.

    `heading_path` holds the document's own title and the headings above the passage, `name` the document's name where it has
    no title, `table_header` the header row of the table that the passage continues. They are embedded with the text (see
    `embedded_text`) and shown apart from it. `page` and `last_page` are where it begins and ends.
    """

    document_path: str
    ordinal: int
    start: int
    end: int
    text: str
    page: int | None = None
    last_page: int | None = None
    heading_path: tuple[str, ...] = ()
    table_header: str = ""
    name: str = ""

    @property
    def id(self) -> str:
        """A name that is stable across rebuilds as long as the passage stays where it is."""
        return f"{self.document_path}#{self.start}-{self.end}"

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.document_path, self.page, self.last_page, self.start, self.end)

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two passages duplicates of one another: equal but for where they stand and what their file is called."""
        return self.heading_path, self.table_header, self.text

    @property
    def embedded_text(self) -> str:
        """What embedding models and the keyword index read: name or heading path, table header, then the text."""
        header = " > ".join(part for part in (self.name, *self.heading_path) if part)
        return "\n".join(part for part in (header, self.table_header, self.text) if part)


# The window of a static model, which looks at one token at a time: it reads everything.
NO_WINDOW = 2**31 - 1


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

    def differences(self, other: Fingerprint) -> list[str]:
        """Return the names of the fields in which two fingerprints differ."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


class IndexKind(StrEnum):
    """How nearest vectors are found: by looking at all, or at the inverted lists of the nearest centroids."""

    EXACT = "exact"
    IVF = "ivf"


class VectorCode(StrEnum):
    """How a vector is stored where it is searched: as it is, or scaled to one byte a number."""

    FLOAT32 = "float32"
    BYTE = "8-bit"


@dataclass(frozen=True)
class IndexDescription:
    """What a vector index is, and how much it finds.

    `parameters` are those of the kind (for IVF `lists` and `probes`). `recall` is the share of the ten nearest vectors that a
    search finds, measured against exact search on `sample` rows of the index; 1.0 and 0 where search is exact. `libraries`
    are those that made the vectors, by version: several where it was built up with several.
    """

    kind: IndexKind
    code: VectorCode
    parameters: Mapping[str, int]
    recall: float
    sample: int
    libraries: tuple[str, ...] = ()


# Under this name the scores of a passage, by their names, travel in a LlamaIndex node's metadata.
SCORES = "scores"


@dataclass(frozen=True)
class Passage:
    """A chunk retrieved for a question. `n` is its number in the answer, from 1; `scores` holds each score by name.

    Names of scores: `cosine` (of question and passage under the embedder, -1 to 1), `bm25` (0 and up), `sentence` (the cosine
    of its best sentence), `fused` (evidence in nats, unbounded; it alone decides the order of a hybrid search), `percentile`
    (share of the questions that the base cannot answer whose best passage scores lower, 0 to 1), `reranker` (unbounded),
    `probability` (that it holds the answer, where labelled questions calibrated it). Higher is always better (docs/scores.md).
    `best_sentence` is the span of the sentence nearest to the question, in the document; None where nobody looked.
    `page` and `last_page` are where it begins and ends, `also_in` the other places where what was found stands, to the letter
    or nearly so. `found` are the spans `[start, end)` of the document that were found, where the passage was widened by what
    stands around them, or is of several that were found side by side; empty where it is the one that was found.
    `heading_path` is that of what was found, `table_header` that of the table which the passage continues.
    """

    n: int
    document: str
    page: int | None
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...]
    scores: Mapping[str, float]
    table_header: str = ""
    last_page: int | None = None
    also_in: tuple[Place, ...] = ()
    found: tuple[tuple[int, int], ...] = ()
    best_sentence: tuple[int, int] | None = None

    @property
    def found_spans(self) -> tuple[tuple[int, int], ...]:
        """The spans of the document that were found, in order: all of the passage where it was not widened."""
        return self.found or ((self.start, self.end),)

    @property
    def found_text(self) -> str:
        """What was found of the text; an ellipsis stands for what lies between two parts."""
        return " … ".join(self.text[start - self.start : end - self.start] for start, end in self.found_spans)

    @property
    def pages(self) -> str:
        """Where it stands in a document with pages, `page 3` or `pages 3-4`; else an empty string."""
        if self.page is None:
            return ""
        if self.last_page in (None, self.page):
            return f"page {self.page}"
        return f"pages {self.page}-{self.last_page}"

    @property
    def also_in_words(self) -> str:
        """The other documents where the passage stands, the first three by name; empty where there are none."""
        others = list(dict.fromkeys(place.document for place in self.also_in))
        rest = f" and {len(others) - _NAMED_PLACES} more" if len(others) > _NAMED_PLACES else ""
        return f"{', '.join(others[:_NAMED_PLACES])}{rest}"


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
    """One sentence of an answer and its citations.

    `supported` is false where it claims something that no passage supports, true without citations where it claims nothing.
    `missing` are numbers and names of the sentence that stand in no passage it could be cited to.
    """

    text: str
    citations: tuple[Citation, ...]
    supported: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """Everything that came of a question. `text` is None where no generator was asked, and empty where it said nothing.

    `standalone` is what was searched for: the question, or what a follow-up was understood to ask.
    `abstained` is true where nothing was found to answer from: no passage, or none with the `wanted_percentile`. The passages
    are then the closest ones. It is true as well where the generator says that the passages do not answer. `abstention` says
    why and what to try, in the question's language.
    `prompt` names the prompt that the generator was asked with; `is_cut` is true where its answer was ended at the limit of
    tokens, or because it repeated itself.
    `not_asked` is the generator that would have written, had it been made for the question's language; `generator` is who did.
    `timings` are seconds by stage.
    """

    question: str
    text: str | None
    abstained: bool
    sentences: tuple[Sentence, ...]
    passages: tuple[Passage, ...]
    embedder: str | None
    generator: str | None
    timings: Mapping[str, float] = field(default_factory=dict)
    reranker: str | None = None
    wanted_percentile: float = 0.0
    prompt: str | None = None
    is_cut: bool = False
    standalone: str = ""
    abstention: str = ""
    not_asked: str = ""

    @property
    def is_cited_by_computation(self) -> bool:
        """Whether the citations are the program's own, the generator having given none, or wrong ones."""
        citations = [citation for sentence in self.sentences for citation in sentence.citations]
        return bool(citations) and all(citation.computed for citation in citations)


@dataclass(frozen=True)
class DocumentReport:
    """What became of one input file or record, why, and what can be done about it. `path` is that of `Document`.

    `reason` also says what could not be read of a document that was indexed. `intended` is true where it was left out by
    design: hidden, purged, gone from the disk, or the questions of a data set. `complete` is false where reading it was given
    up on the way, so that it is read again by the next build. `file` is the path of the file in which a record lies, empty for
    a whole file; `file_sha256` is the sum of the bytes that were read, empty where none were.
    """

    path: str
    status: FileStatus
    reason: str = ""
    remedy: str = ""
    chunks: int = 0
    pages: int | None = None
    language: str | None = None
    script: str | None = None
    encoding: str | None = None
    intended: bool = False
    complete: bool = True
    file: str = ""
    file_sha256: str = ""

    @property
    def file_path(self) -> str:
        """The path of the file that was read: its own, or that of the file of records."""
        return self.file or self.path

    @classmethod
    def purged(cls, path: str, *, file: str = "", file_sha256: str = "", complete: bool = True) -> DocumentReport:
        """Return what is said of a document that was purged: it stays out although its source still has it."""
        return cls(
            path,
            FileStatus.SKIPPED,
            PURGED,
            remedy="To have it back, name the file itself as a source.",
            intended=True,
            complete=complete,
            file=file,
            file_sha256=file_sha256,
        )


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
    """The outcome of a build. `chunks` counts passages: one that stands in several places is one."""

    kb: str
    generation: str
    seconds: float
    chunks: int
    documents: tuple[DocumentReport, ...]
    models: tuple[ModelReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `ingest --json` prints."""
        return asdict(self)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> IngestReport:
        """Read what `as_record` gave: the report of a build that had nothing to embed.

        Raises:
            LookupError, TypeError, ValueError: it is not a report.
        """
        nothing_embedded = {"embedded": 0, "reused": values["chunks"], "chunks_per_second": 0.0}
        documents = (
            DocumentReport(**document | {"status": FileStatus(document["status"])}) for document in values["documents"]
        )
        return cls(
            kb=values["kb"],
            generation=values["generation"],
            seconds=0.0,
            chunks=values["chunks"],
            documents=tuple(documents),
            models=tuple(ModelReport(**model | nothing_embedded) for model in values["models"]),
        )

    def as_record(self) -> dict[str, Any]:
        """Return what report.json holds: nothing that two builds of the same generation would differ in."""
        values = self.as_json()
        del values["seconds"]
        for model in values["models"]:
            for name in ("embedded", "reused", "chunks_per_second"):
                del model[name]
        return values

    @property
    def not_indexed(self) -> tuple[DocumentReport, ...]:
        """The documents that should be in the knowledge base and are not: what `--strict` asks about."""
        return tuple(
            document for document in self.documents if not document.status.is_searchable and not document.intended
        )
