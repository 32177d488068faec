"""Between our passages and LlamaIndex's nodes: a passage leaves retrieval as a node and can be read back.

The node's text is the passage's; everything else is metadata that is kept out of what is embedded or prompted. Scores by
name are in `metadata["scores"]`; `NodeWithScore.score` is the one that ranks. docs/llamaindex.md lists the metadata.
This module knows nothing of how passages are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from llama_index.core.schema import NodeRelationship, NodeWithScore, ObjectType, RelatedNodeInfo, TextNode

from rag_app.datatypes import SCORES, Chunk, Passage, Place
from rag_app.store.chunks import ChunkStore, DocumentFacts

BEST_SENTENCE = "best_sentence"
ALSO_IN = "also_in"
FOUND = "found"
_NODE_ID = re.compile(r"(?P<document>.+)#(?P<start>[0-9]+)-(?P<end>[0-9]+)", re.DOTALL)
_READ_AT_ONCE = 1000  # SQLite takes so many numbers in one query, and some tens of thousands at most


def document_metadata(facts: DocumentFacts) -> dict[str, str | list[str] | None]:
    """Return what a node says of its document.

    `folder` is the path of its file without the file's name, `folders` that and every folder above it, `source` the outermost.
    `date` is None where it is not known.
    """
    *parents, file_name = facts.file.split("/")
    folders = ["/".join(parents[:depth]) for depth in range(1, len(parents) + 1)]
    return {
        "document": facts.path,
        "source": parents[0] if parents else file_name,
        "folder": folders[-1] if folders else "",
        "folders": folders,
        "file_name": file_name,
        "media_type": facts.media_type,
        "language": facts.language,
        "script": facts.script,
        "title": facts.title,
        "date": facts.date or None,
    }


def node_of(chunk: Chunk, facts: DocumentFacts, scores: Mapping[str, float], also_in: Sequence[Place] = ()) -> TextNode:
    """Return a passage as a node.

    Args:
        chunk: the passage, at the place that is shown.
        facts: of the document of that place.
        scores: by name.
        also_in: the other places where it stands.
    """
    metadata = document_metadata(facts) | {
        "page": chunk.page,
        "last_page": chunk.last_page,
        "start": chunk.start,
        "end": chunk.end,
        "heading_path": list(chunk.heading_path),
        "table_header": chunk.table_header,
        ALSO_IN: [asdict(place) for place in also_in],
        SCORES: dict(scores),
    }
    return TextNode(
        id_=chunk.id,
        text=chunk.text,
        start_char_idx=chunk.start,
        end_char_idx=chunk.end,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=list(metadata),
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(node_id=chunk.document_path, node_type=ObjectType.DOCUMENT)
        },
    )


def span_of_node(node_id: str) -> tuple[str, int, int] | None:
    """Return the document and the span that the id of a node of ours names; None for any other id."""
    match = _NODE_ID.fullmatch(node_id)
    return (match["document"], int(match["start"]), int(match["end"])) if match else None


def read_nodes(
    store: ChunkStore,
    numbers: Sequence[int],
    scores: Sequence[Mapping[str, float]],
    shown: Sequence[Sequence[int]] | None = None,
) -> list[TextNode]:
    """Return passages as nodes, in the order given.

    Args:
        store: where they are.
        numbers: of the passages.
        scores: those of each, by name.
        shown: which places of each may be named, counted from 0: at the first it is shown, the others are `also_in`. None
            for all.

    Raises:
        KnowledgeBaseDamaged: a passage that is not there.
    """
    found = list(_passages(store, numbers))
    if shown is not None:
        found = [
            (chunk, tuple(places[rank] for rank in ranks)) for (chunk, places), ranks in zip(found, shown, strict=True)
        ]
    placed = [(_moved(chunk, places[0]), places[1:]) for chunk, places in found]
    facts = _facts(store, [chunk.document_path for chunk, _ in placed])
    return [
        node_of(chunk, facts[chunk.document_path], by_name, also_in)
        for (chunk, also_in), by_name in zip(placed, scores, strict=True)
    ]


def _passages(store: ChunkStore, numbers: Sequence[int]) -> Iterator[tuple[Chunk, tuple[Place, ...]]]:
    for start in range(0, len(numbers), _READ_AT_ONCE):
        batch = numbers[start : start + _READ_AT_ONCE]
        places = store.places(batch)
        for number, chunk in zip(batch, store.chunks(batch), strict=True):
            yield chunk, places[number]


def _facts(store: ChunkStore, paths: Sequence[str]) -> dict[str, DocumentFacts]:
    distinct = list(dict.fromkeys(paths))
    facts: dict[str, DocumentFacts] = {}
    for start in range(0, len(distinct), _READ_AT_ONCE):
        facts |= store.facts(distinct[start : start + _READ_AT_ONCE])
    return facts


def _moved(chunk: Chunk, place: Place) -> Chunk:
    return replace(
        chunk,
        document_path=place.document,
        start=place.start,
        end=place.end,
        page=place.page,
        last_page=place.last_page,
    )


def node_with(scored: NodeWithScore, added: Mapping[str, Any], **fields: Any) -> NodeWithScore:
    """Return a copy of a retrieved node with more metadata, kept out of what is embedded or prompted like the rest of it.

    Args:
        scored: stays as it is.
        added: to its metadata.
        fields: of the node, to be replaced.
    """
    kept_out = {
        name: list(dict.fromkeys((*getattr(scored.node, name), *added)))
        for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    node = scored.node.model_copy(update={"metadata": scored.node.metadata | dict(added), **kept_out, **fields})
    return NodeWithScore(node=node, score=scored.score)


def passages_of(nodes: Sequence[NodeWithScore]) -> tuple[Passage, ...]:
    """Return retrieved nodes as passages, numbered from 1 in the order given.

    A node of another retriever than ours is taken as well: what it does not know of itself stays empty.
    """
    return tuple(_passage(number, node) for number, node in enumerate(nodes, start=1))


def _passage(number: int, scored: NodeWithScore) -> Passage:
    node, metadata = scored.node, scored.node.metadata
    text = node.get_content()
    start = metadata.get("start", getattr(node, "start_char_idx", None) or 0)
    return Passage(
        n=number,
        document=metadata.get("document") or metadata.get("file_name") or node.node_id,
        page=metadata.get("page"),
        start=start,
        end=metadata.get("end", start + len(text)),
        text=text,
        heading_path=tuple(metadata.get("heading_path", ())),
        table_header=metadata.get("table_header", ""),
        last_page=metadata.get("last_page"),
        also_in=tuple(Place(**place) for place in metadata.get(ALSO_IN, ())),
        found=tuple((first, last) for first, last in metadata.get(FOUND, ())),
        scores=metadata.get(SCORES) or ({"score": scored.score} if scored.score is not None else {}),
        best_sentence=_span(metadata.get(BEST_SENTENCE)),
    )


def _span(ends: Sequence[int] | None) -> tuple[int, int] | None:
    return None if ends is None else (ends[0], ends[1])
