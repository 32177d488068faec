"""Files to readings: their bytes here, their text in child processes, several at once, in the order asked for.

This module knows nothing of the generation before, or of what is done with a reading.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ingest.loaders.registry import loader_for
from ingest.parsing_plan import ParsingPlan
from ingest.sources import FileContent, InputFile, read_input
from ingest.worker import Job, Reading, documents_of
from rag_app.datatypes import DocumentReport
from rag_app.errors import DocumentError
from rag_app.sandbox import SandboxPool

# Small text files go to a child together, since the trip there costs more than reading one.
_BATCH_FILES = 32
_BATCH_BYTES = 64_000


@dataclass(frozen=True)
class Unchanged:
    """The file is the one that the previous generation read."""


@dataclass(frozen=True)
class Read:
    """What was read of a file, or nothing of what is not read, and the sum of its bytes."""

    readings: Sequence[Reading] = ()
    sha256: str = ""


@dataclass(frozen=True)
class _File:
    """A file whose bytes were read, and the sum of them."""

    path: str
    content: FileContent
    sha256: str

    def documents_of(self, answer: Any) -> list[Reading]:
        """Return what a child made of it.

        Raises:
            DocumentError: the answer is not what it should be.
        """
        return documents_of(answer, self.path, self.sha256, self.content.date)


Entry = InputFile | DocumentReport
Result = Unchanged | DocumentError | Read


def in_order(
    executor: ThreadPoolExecutor,
    read: Callable[[Sequence[Entry]], list[Result]],
    entries: Iterable[Entry],
    ahead: int,
) -> Iterator[tuple[Entry, Result]]:
    """Yield each entry with what was read of it, while up to `ahead` batches of others are being read."""
    waiting: deque[tuple[Sequence[Entry], Future[list[Result]]]] = deque()
    for batch in _batches(entries):
        waiting.append((batch, executor.submit(read, batch)))
        if len(waiting) > ahead:
            done, future = waiting.popleft()
            yield from zip(done, future.result(), strict=True)
    for done, future in waiting:
        yield from zip(done, future.result(), strict=True)


def _batches(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    """Yield the entries in order, small text files and what is not read together, anything else alone."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        is_small = isinstance(entry, DocumentReport) or (entry.size < _BATCH_BYTES and _is_text(entry.path))
        more = entry.size if isinstance(entry, InputFile) else 0
        if batch and (not is_small or size + more > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        if is_small:
            batch.append(entry)
            size += more
        else:
            yield [entry]
    if batch:
        yield batch


def _is_text(path: str) -> bool:
    loader = loader_for(path)
    return loader is not None and not loader.signature


@dataclass(frozen=True)
class Reader:
    """Reads files: their bytes here, their text in a child."""

    pool: SandboxPool
    plan: ParsingPlan
    known: dict[str, str]

    def read(self, batch: Sequence[Entry]) -> list[Result]:
        """Return what became of each file of a batch; its errors are part of that. Of what is not read: nothing."""
        results: list[Result] = [Read() for _ in batch]
        files: dict[int, _File] = {}  # by place in the batch
        for number, entry in enumerate(batch):
            if isinstance(entry, InputFile):
                try:
                    content = read_input(entry)
                except DocumentError as error:
                    results[number] = error
                    continue
                sha256 = hashlib.sha256(content.data).hexdigest()
                if self.known.get(entry.path) == sha256:
                    results[number] = Unchanged()
                else:
                    files[number] = _File(entry.path, content, sha256)
        calls = [(self._job(file.path), file.content.data) for file in files.values()]
        answers = self.pool.call_each(calls) if calls else []
        for (number, file), answer in zip(files.items(), answers, strict=True):
            results[number] = self._result(file, answer)
        return results

    def _job(self, path: str, ocr_languages: str = "") -> list[Any]:
        chunking = self.plan.chunking
        options = replace(self.plan.options, ocr_languages=ocr_languages)
        return Job(path, options, chunking.chunk_tokens, chunking.overlap).as_json()

    def _result(self, file: _File, answer: Any) -> Result:
        if isinstance(answer, DocumentError):
            return answer
        try:
            readings = file.documents_of(answer)
        except DocumentError as error:
            return error
        scanned = sum(len(reading.scanned_pages) for reading in readings)
        if scanned and self.plan.ocr_languages:
            readings = self._recognised(file, readings, scanned)
        return Read(readings, file.sha256)

    def _recognised(self, file: _File, readings: list[Reading], scanned: int) -> list[Reading]:
        """Return the readings with the text of scanned pages.

        Only after the first reading is it known how many pages are pictures, and so how much time the file deserves.
        """
        seconds = self.plan.sandbox.seconds + self.plan.ocr_page_seconds * scanned
        try:
            job = self._job(file.path, self.plan.ocr_languages)
            return file.documents_of(self.pool.call(job, file.content.data, seconds=seconds))
        except DocumentError as error:  # what was read without OCR is still good
            note = f"OCR was given up: {error.found}"
            return [
                replace(reading, notes=(*reading.notes, note), remedy=error.remedy, is_complete=False)
                for reading in readings
            ]
