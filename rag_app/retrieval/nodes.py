"""Between our chunks and LlamaIndex's nodes: a passage leaves retrieval as a `NodeWithScore` and can be read back.

The node's text is the chunk's; everything else is metadata that is kept out of what is embedded or prompted. Scores by
name are in `metadata["scores"]`; `.score` is the one that ranks.
This module knows nothing of how passages are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from llama_index.core.schema import NodeWithScore, TextNode

from rag_app.datatypes import Chunk, Passage, Place

SCORES = "scores"
_METADATA = ("document", "page", "last_page", "start", "end", "heading_path", "table_header", "also_in", SCORES)


def node_of(
    chunk: Chunk, scores: Mapping[str, float], ranking_score: float, also_in: Sequence[Place] = ()
) -> NodeWithScore:
    """Return a chunk as a scored node; `also_in` are the other places where it stands."""
    metadata = {
        "document": chunk.document_path,
        "page": chunk.page,
        "last_page": chunk.last_page,
        "start": chunk.start,
        "end": chunk.end,
        "heading_path": list(chunk.heading_path),
        "table_header": chunk.table_header,
        "also_in": [asdict(place) for place in also_in],
        SCORES: dict(scores),
    }
    node = TextNode(
        id_=chunk.id,
        text=chunk.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(_METADATA),
        excluded_llm_metadata_keys=list(_METADATA),
    )
    return NodeWithScore(node=node, score=ranking_score)


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
        also_in=tuple(Place(**place) for place in metadata.get("also_in", ())),
        scores=metadata.get(SCORES) or ({"score": scored.score} if scored.score is not None else {}),
    )
