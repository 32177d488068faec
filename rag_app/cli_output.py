"""What the commands print: an answer with its sources, the catalogue, knowledge bases; as text and as JSON.

Document text is printed with control characters shown instead of obeyed. This module knows nothing of flags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag_app.answering.query_engine import Answered, AnswerEvent, Retrieved, Written
from rag_app.datatypes import Answer, Passage
from rag_app.errors import KnowledgeBaseError
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.terminal import print_json
from rag_app.text import printable

_PREVIEW = 240


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """Return the object that `ask --json` prints."""
    return {
        "question": answer.question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "sentences": [
            {
                "text": sentence.text,
                "citations": [citation.n for citation in sentence.citations],
                "supported": sentence.supported,
                "computed": any(citation.computed for citation in sentence.citations),
            }
            for sentence in answer.sentences
        ],
        "passages": [
            {
                "n": passage.n,
                "document": passage.document,
                "page": passage.page,
                "last_page": passage.last_page,
                "start": passage.start,
                "end": passage.end,
                "heading_path": list(passage.heading_path),
                "table_header": passage.table_header,
                "also_in": [asdict(place) for place in passage.also_in],
                "text": passage.text,
                "scores": {name: round(value, 6) for name, value in passage.scores.items()},
            }
            for passage in answer.passages
        ],
        "models": {"embedder": answer.embedder, "reranker": None, "generator": answer.generator},
        "timings": dict(answer.timings),
    }


class AnswerPrinter:
    """Prints an answer as it comes, then the sources."""

    def __init__(self) -> None:
        """Nothing is printed yet."""
        self._is_writing = False
        self._passages: Sequence[Passage] = ()

    def show(self, event: AnswerEvent) -> None:
        """Print what an event brings."""
        match event:
            case Retrieved():
                self._passages = event.passages
            case Written():
                self._is_writing = True
                print(printable(event.text), end="", flush=True)
            case Answered():
                self._end_text()
                _print_remarks(event.answer)
                # Without an answer the passages are what was asked for.
                _print_sources(event.answer.passages, is_whole=event.answer.text is None)

    def stopped(self) -> None:
        """Print the sources after the generator failed."""
        self._end_text()
        _print_sources(self._passages)

    def _end_text(self) -> None:
        if self._is_writing:
            print("\n")


class JsonPrinter:
    """Prints one JSON object at the end, also where the generator failed: then without an answer."""

    def __init__(self, question: str) -> None:
        """Nothing is printed yet."""
        self._question = question
        self._passages: tuple[Passage, ...] = ()

    def show(self, event: AnswerEvent) -> None:
        """Print the object once the answer is whole."""
        match event:
            case Retrieved():
                self._passages = event.passages
            case Answered():
                self._print(event.answer)

    def stopped(self) -> None:
        """Print the object after the generator failed."""
        self._print(Answer(self._question, None, False, (), self._passages, None, None))

    def _print(self, answer: Answer) -> None:
        print_json(answer_as_json(answer))


def _print_remarks(answer: Answer) -> None:
    """Print what is to be said of an answer: computed citations, sentences without support, or why there is none."""
    if answer.abstained:
        print("No passage was found. Try other words, or --retriever hybrid.")
    elif answer.text == "":
        print("The generator wrote nothing; these are the passages it was given.\n")
    if answer.is_cited_by_computation:
        print("The generator cited nothing. Computed from the passages:")
        for sentence in answer.sentences:
            marks = "".join(f"[{citation.n}]" for citation in sentence.citations)
            print(f"  {marks or '[-]'} {printable(sentence.text, keep_line_breaks=False)}")
        print()
    unsupported = [sentence.text for sentence in answer.sentences if not sentence.supported]
    if unsupported:
        print("Not supported by a passage it cites:")
        for text in unsupported:
            print(f"  {printable(text, keep_line_breaks=False)}")
        print()


def _print_sources(passages: Sequence[Passage], *, is_whole: bool = False) -> None:
    if passages:
        print("Sources")
    for passage in passages:
        page = f", {passage.pages}" if passage.pages else ""
        scores = "  ".join(f"{name} {value:.3f}" for name, value in passage.scores.items())
        print(f"[{passage.n}] {printable(passage.document, keep_line_breaks=False)}{page}    {scores}")
        text = printable(" ".join(f"{passage.table_header} {passage.text}".split()), keep_line_breaks=False)
        print(f"    {text if is_whole or len(text) <= _PREVIEW else text[:_PREVIEW] + '…'}")
        if passage.also_in:
            print(f"    also in {printable(passage.also_in_words, keep_line_breaks=False)}")


def print_models(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the catalogue, two lines a model: an id is never cut, however narrow the terminal, so that it can be copied."""
    for row in rows:
        name = f"{row['id']} ({row['alias']})" if row["alias"] else row["id"]
        print(f"{row['kind']:<9}  {name}{'    on this machine' if row['on_this_machine'] else ''}")
        licence = row["licence"] + ("" if row["commercial"] else " (not commercial)")
        sizes = f"{row['download_gb']:g} GB to download, {row['memory_gb']:g} GB of memory"
        print(f"{'':11}{sizes}; {' '.join(row['languages'])}; {licence}. {row['notes']}")


def knowledge_base_summary(indexes: Path, name: str) -> dict[str, Any]:
    """Return a line of `kb list`; a damaged knowledge base is listed with what is wrong."""
    try:
        manifest = KnowledgeBase.open(indexes, name).manifest
    except KnowledgeBaseError as error:
        return {"name": name, "error": str(error)}
    return {
        "name": name,
        "generation": manifest.generation,
        "created_at": manifest.created_at,
        **manifest.counts,
        "models": [model.model for model in manifest.models],
    }


def print_knowledge_bases(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print the lines of `kb list`."""
    for summary in summaries:
        if "error" in summary:
            print(f"{summary['name']}: {summary['error']}")
        else:
            print(
                f"{summary['name']}: {summary['documents']} documents, {summary['chunks']} chunks, "
                f"{summary['generation']} of {summary['created_at']}, {', '.join(summary['models'])}"
            )


def knowledge_base_details(knowledge_base: KnowledgeBase) -> dict[str, Any]:
    """Return the object that `kb show --json` prints."""
    manifest = knowledge_base.manifest
    return {
        "name": knowledge_base.name,
        "folder": str(knowledge_base.folder),
        "generation": manifest.generation,
        "created_at": manifest.created_at,
        "app_version": manifest.app_version,
        "sources": [asdict(source) for source in manifest.sources],
        "parsing": manifest.parsing,
        "counts": manifest.counts,
        "languages": manifest.languages,
        "models": [asdict(model) | {"fingerprint": model.digest} for model in manifest.models],
        "documents": [
            {"path": path, "title": title, "language": language, "chunks": chunks}
            for path, title, language, chunks in knowledge_base.chunks.documents()
        ],
    }


def print_knowledge_base(details: Mapping[str, Any]) -> None:
    """Print `kb show`."""
    print(f"{details['name']}, {details['generation']} of {details['created_at']}, in {details['folder']}")
    for source in details["sources"]:
        print(f"  source  {printable(source['path'])}")
    for model in details["models"]:
        print(
            f"  model   {model['model']}  {model['fingerprint']}  {model['dimension']} numbers, {model['max_tokens']} tokens"
        )
    print(f"  cut     {details['parsing']['chunk_tokens']} units, {details['parsing']['overlap']} shared")
    languages = ", ".join(f"{count} {language}" for language, count in details["languages"].items())
    print(f"  in      {languages}")
    for document in details["documents"]:
        path = printable(document["path"], keep_line_breaks=False)
        print(f"  {document['chunks']:>5} chunks  {document['language']:>3}  {path}")
