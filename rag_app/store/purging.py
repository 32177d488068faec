"""Removing documents from a knowledge base for good: from its cache, its uploads, its index and its older generations.

    report = purge(Path("indexes"), "handbook", ["docs/vpn.md"], announce=print)
    report.traces.found        0: every file was searched for their text

Whatever stays is taken over: no source is read and no model loaded. Each step can be done again, and the generation that is
live is whole throughout: a purge that was killed is completed by running it again.
This module knows nothing of models or of how a document was read.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rag_app.datatypes import PURGED, Chunk, Document, DocumentReport, IngestReport
from rag_app.errors import KnowledgeBaseDamaged, KnowledgeBaseError, UsageError
from rag_app.store import embedding_cache, layout, writer
from rag_app.store.calibrations import remove_calibrations
from rag_app.store.chunks import distinct_chunks
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Exclusion, Source
from rag_app.store.publishing import Draft, publish
from rag_app.store.records import comparison_runs, conversations, question_sets
from rag_app.store.taken_over import count_cached, report_taken_over, vectors_left_behind, vectors_taken_over
from rag_app.store.traces import Traces, search_traces
from rag_app.store.uploads import remove_unused_uploads, remove_uploaded_file
from rag_app.text import searchable

_NAMED = 3  # near documents in a message
_COMPARED = 50_000  # paths that are compared for which are near

Announce = Callable[[str], None]


@dataclass(frozen=True)
class PurgeReport:
    """What a purge did.

    `documents` were removed, `before` had been already: of those nothing is left to search for. `passages` and
    `cached_vectors` are how many were removed, `missing_vectors` how many the next build makes of passages that stay, because
    their file's name is embedded with them and the first of their files is gone. `sources` were dropped: nothing else came
    from them. `calibrations` were measured with the documents, and were removed. `generation` is live now.
    """

    kb: str
    generation: str
    documents: tuple[str, ...]
    before: tuple[str, ...]
    sources: tuple[str, ...] = ()
    passages: int = 0
    cached_vectors: int = 0
    missing_vectors: int = 0
    calibrations: int = 0
    traces: Traces = field(default_factory=Traces)

    def as_json(self) -> dict[str, Any]:
        """Return what `kb purge --json` prints."""
        return asdict(self)


def purge(indexes: Path, name: str, paths: Sequence[str], announce: Announce) -> PurgeReport:
    """Remove documents from everything that a knowledge base keeps, and search all of it for what is left of their text.

    Args:
        indexes: the index root.
        name: of the knowledge base.
        paths: of the documents, as the knowledge base names them.
        announce: told of a cache that was damaged.

    Raises:
        UsageError: there is no such document, or no other would be left.
        KnowledgeBaseError: it is not there, damaged, or being written, or the disk is full.
    """
    base = indexes / layout.checked_name(name)
    with suppress(KnowledgeBaseDamaged):  # the lock puts right what can be
        layout.read_current(base)  # and would create a folder that is not there
    with writer.writer_lock(base), ExitStack() as stack:
        live = KnowledgeBase.open(indexes, name)
        stack.callback(live.close)
        layout.check_sums(live.folder, live.manifest)
        versions = [live]
        for version in _older(live):
            stack.callback(version.close)
            versions.append(version)
        removed, before = _removed(versions, list(dict.fromkeys(paths)))
        if not removed:
            _forget(base, before)
            return PurgeReport(name, live.generation, (), before)
        return _Purge(base, versions, removed, before).run(announce)


def _forget(base: Path, paths: Sequence[str]) -> None:
    """Remove what the app keeps of documents: conversations, evaluations, drafted questions."""
    for path in paths:
        for kept in (conversations, comparison_runs, question_sets):
            kept.forget(base.parent, base.name, path)


def _older(live: KnowledgeBase) -> Iterator[KnowledgeBase]:
    """Yield the older generations that can be read; what a damaged one holds nobody can say, and it is removed like them."""
    for folder in layout.generations(live.folder.parent):
        if folder.name < live.generation:
            with suppress(KnowledgeBaseError):
                manifest = layout.read_manifest(folder)
                layout.check_sums(folder, manifest)
                yield KnowledgeBase(live.name, folder, manifest)


def _removed(versions: Sequence[KnowledgeBase], paths: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of the paths that a generation has, and those that were purged before.

    Raises:
        UsageError: one is neither, or nothing would be left.
    """
    live = versions[0]
    documents = {path: None for version in versions for path in version.chunks.document_sums()}
    purged = {report.path for report in live.report.documents if report.reason == PURGED}
    purged |= {exclusion.path for exclusion in live.manifest.excluded}
    for path in paths:
        if path not in documents and path not in purged:
            near = ", ".join(_nearest(path, list(documents)))
            raise UsageError(
                f"'{live.name}' has no document {path[:200]}. Near it: {near}."
                if near
                else f"'{live.name}' has no document {path[:200]}.",
                f"See them all: rag-app kb show {live.name}",
            )
    removed = tuple(path for path in paths if path in documents)
    if not set(live.chunks.document_sums()) - set(removed):
        raise UsageError(
            f"No document of '{live.name}' would be left.", f"Delete all of it: rag-app kb delete {live.name}"
        )
    return removed, tuple(path for path in paths if path not in documents)


def _nearest(path: str, known: Sequence[str]) -> list[str]:
    """Return a few documents that may be meant: with the folder forgotten, a record of the file, or misspelt."""
    of_it = [other for other in known if other.endswith(f"/{path}") or other.startswith(f"{path}#")]
    return of_it[:_NAMED] or difflib.get_close_matches(path, known[:_COMPARED], n=_NAMED)


class _Purge:
    """One purge, under the writer's lock. `versions` are the generations that can be read, the live one first."""

    def __init__(
        self, base: Path, versions: Sequence[KnowledgeBase], removed: tuple[str, ...], before: tuple[str, ...]
    ) -> None:
        self._base = base
        self._versions = versions
        self._live = versions[0]
        self._removed = removed
        self._before = before
        self._gone = [
            document for version in versions for path in removed if (document := version.chunks.document(path))
        ]
        paths = [facts.path for facts in self._live.chunks.all_facts()]
        self._staying = [path for path in paths if path not in removed]
        self._old_passages = list(self._live.chunks.all_chunks())
        self._documents: list[tuple[Document, Sequence[Chunk]]] | None = None  # those of the live generation
        self._passages = self._old_passages
        if len(self._staying) < len(paths):
            self._documents = list(self._staying_documents())
            self._passages = distinct_chunks(chunk for _, chunks in self._documents for chunk in chunks)
        self._texts = [searchable(passage.embedded_text) for passage in self._passages]

    def run(self, announce: Announce) -> PurgeReport:
        """Do it: first the cache and the uploads, which are told from the documents, then the documents, then the proof."""
        texts = set(self._texts)
        vectors_gone = vectors_left_behind(self._versions, texts)
        cached = count_cached(self._base, self._versions, texts, announce)
        embedding_cache.keep_only(self._base, self._texts, self._live.models, announce)
        for file in (self._base / layout.CACHE).glob(
            f"{layout.OUTCOMES}*"
        ):  # with its journal; it holds passages and answers
            file.unlink()
        self._remove_uploads()
        calibrations = remove_calibrations(self._base)
        draft = self._draft(announce)
        manifest = publish(self._base, draft)
        # After the commit: from then on nothing of them is kept anew. What a killed purge has left is forgotten as well.
        _forget(self._base, (*self._removed, *self._before))
        traces = search_traces(
            self._base,
            self._gone,
            vectors_gone,
            (document for document, _ in self._staying_documents()),
            [manifest.to_json(), (self._base / manifest.generation / layout.REPORT).read_text(encoding="utf-8")],
        )
        rows = [made for made in draft.vectors.values() if made is not None]
        return PurgeReport(
            kb=self._live.name,
            generation=manifest.generation,
            documents=self._removed,
            before=self._before,
            sources=tuple(source.path for source in self._live.manifest.sources if source not in manifest.sources),
            passages=len(self._old_passages) - len(self._passages),
            cached_vectors=cached,
            missing_vectors=sum(len(self._passages) - len(set(made.rows.tolist())) for made in rows),
            calibrations=calibrations,
            traces=traces,
        )

    def _staying_documents(self) -> Iterator[tuple[Document, Sequence[Chunk]]]:
        for path in self._staying:
            document = self._live.chunks.document(path)
            assert document is not None
            yield document, self._live.chunks.chunks_of(path)

    def _remove_uploads(self) -> None:
        """Remove the uploads that the documents were read from, but for files of records of which others stay."""
        paths = set(self._staying)
        staying = {report.file_path for report in self._live.report.documents if report.path in paths}
        for version in self._versions:
            for report in version.report.documents:
                if report.path in self._removed and report.file_path not in staying:
                    remove_uploaded_file(self._base, version.manifest, report.file_path)
        remove_unused_uploads(self._base)

    def _draft(self, announce: Announce) -> Draft:
        """Return the generation without the documents; where the live one has none of them, it differs in what it says."""
        live = self._live
        sources, excluded = _sources_after(self._versions, self._removed, self._staying)
        vectors = {
            fingerprint: None
            if self._documents is None
            else vectors_taken_over(live, fingerprint, self._old_passages, self._passages, announce)
            for fingerprint in live.models
        }
        reports = {report.fingerprint: report for report in live.report.models}
        report = IngestReport(
            kb=live.name,
            generation=writer.next_generation(self._base),
            seconds=0.0,
            chunks=len(self._passages),
            documents=_reports_after(live, self._removed),
            models=tuple(
                report_taken_over(self._base, fingerprint, reports[fingerprint.digest], self._texts, announce)
                for fingerprint in live.models
            ),
        )
        return Draft(
            report=report,
            sources=sources,
            parsing=live.manifest.parsing,
            documents=self._documents,
            vectors=vectors,
            previous=live,
            excluded=excluded,
            memory_gb=live.manifest.memory_gb,
            keeps_previous=False,
        )


def _sources_after(
    versions: Sequence[KnowledgeBase], removed: Collection[str], staying: Collection[str]
) -> tuple[tuple[Source, ...], tuple[Exclusion, ...]]:
    """Return the sources, and the documents that stay out.

    A file that is a source itself is none any more once nothing of it stays: named as a source again, it comes back.
    """
    manifest = versions[0].manifest

    def is_file_of(source: Source, path: str) -> bool:
        return path == source.name or path.startswith(f"{source.name}#")

    def is_done_with(source: Source) -> bool:
        return any(is_file_of(source, path) for path in removed) and not any(
            is_file_of(source, path) for path in staying
        )

    sources = tuple(source for source in manifest.sources if not is_done_with(source))
    found = (exclusion for path in removed if (exclusion := _exclusion(versions, path)) is not None)
    return sources, tuple(dict.fromkeys((*manifest.excluded, *found)))


def _exclusion(versions: Sequence[KnowledgeBase], path: str) -> Exclusion | None:
    """Return by what a document is kept out; None where no source that is known has its file."""
    for version in versions:
        folders = {source.name: source.path for source in version.manifest.sources}
        for report in version.report.documents:
            name, slash, rest = report.file_path.partition("/")
            if report.path == path and report.status.is_searchable and name in folders:
                record = path.removeprefix(f"{report.file}#") if report.file else ""
                return Exclusion(path, folders[name] + slash + rest, record)
    return None


def _reports_after(live: KnowledgeBase, removed: Collection[str]) -> tuple[DocumentReport, ...]:
    """Return what is said of every file, as the next build will say it again."""
    documents = live.chunks.document_sums()
    reports = []
    told = set()
    for report in live.report.documents:
        # Another record may have had the same name, and failed for it: that stays true.
        if report.path in removed and (report.status.is_searchable or report.path not in documents):
            told.add(report.path)
            sha256 = report.file_sha256 if report.file else ""  # of the file, which has other records
            complete = report.complete or not report.file
            reports.append(DocumentReport.purged(report.path, file=report.file, file_sha256=sha256, complete=complete))
        else:
            reports.append(report)
    return (*reports, *(DocumentReport.purged(path) for path in removed if path not in told))
