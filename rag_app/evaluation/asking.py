"""Has systems answer questions, one system after the other, and keeps what came of each.

At most one embedding model of its own is in memory at a time. An outcome that is known is not computed again, unless a server
wrote the answer; a question that fails is an outcome too. This module knows nothing of statistics or reports.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from llama_index.core.retrievers import BaseRetriever

from rag_app.answering.assembly import choose_embedder
from rag_app.answering.neighbours import Neighbours
from rag_app.answering.query_engine import Answered, CitedQueryEngine, Retrieved
from rag_app.answering.writer_by_language import writer_of
from rag_app.answering.writers import Writer
from rag_app.config import RetrievalSettings, Settings
from rag_app.datatypes import Answer, Passage
from rag_app.errors import RagAppError
from rag_app.evaluation.comparison import Found, Outcome
from rag_app.evaluation.labels import gain_of
from rag_app.evaluation.metrics import METRICS_VERSION, question_values
from rag_app.evaluation.outcome_cache import OutcomeCache, outcome_key
from rag_app.evaluation.questions import LabelledQuestion
from rag_app.evaluation.systems import NO_GENERATOR, SystemSpec
from rag_app.evaluation.variants import KeywordVariant, VariantRetriever
from rag_app.models.catalogue import QUOTE
from rag_app.models.held_embedders import HeldEmbedders
from rag_app.models.hub import Announce
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase

if TYPE_CHECKING:
    from llama_index.core.llms import LLM
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from rag_app.models.embedder import Embedder
    from rag_app.models.reranker import CatalogueReranker

RANKED = 10  # passages that a ranking is judged by
# What outcomes depend on beside base, system and question; the versions of these packages are in a system's card.
_PACKAGES = ("torch", "transformers", "faiss-cpu", "bm25s", "llama-index-core")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SharedModels:
    """Models that an app holds for its sessions: an evaluation beside them loads none a second time.

    `embedders` by digest and device, as `HeldEmbedders` has them; `generator` returns one by its id.
    """

    embedders: HeldEmbedders
    generator: Callable[[str], LLM]


@dataclass
class Workbench:
    """What systems are made of: the base, the settings, and the models that are in memory just now."""

    knowledge_base: KnowledgeBase
    settings: Settings
    announce: Announce
    shared: SharedModels | None = None
    _embedders: HeldEmbedders = field(default_factory=lambda: HeldEmbedders(1), init=False)
    _generator: tuple[str, LLM] | None = field(default=None, init=False)
    _reranker: tuple[str, CatalogueReranker] | None = field(default=None, init=False)

    def embedder(self, model: str) -> Embedder:
        """Return an embedding model of the base; the one before is let go, unless others hold it.

        Raises:
            EmbedderMismatch: the base has no vectors of exactly this model.
            ModelError: it is not at hand, or cannot be loaded.
        """
        from rag_app.models.embedder import load_embedder

        settings = self.settings
        spec = choose_embedder(
            self.knowledge_base, model, offline=settings.offline, announce=self.announce, models=settings.models
        )
        held = self._embedders if self.shared is None else self.shared.embedders
        return held.get(
            f"{spec.fingerprint.digest} {settings.device}",
            lambda: load_embedder(spec, device=settings.device, models=settings.models),
        )

    def writer(self, generator: str | None, embedder: Embedder | None) -> Writer | None:
        """Return what writes the answers of a system; None for none.

        Raises:
            ModelError: it is not at hand, or cannot be loaded.
        """
        if generator is None or generator == NO_GENERATOR:
            return None
        quick = embedder if embedder is not None and embedder.is_quick else None
        if generator == QUOTE:
            return writer_of(QUOTE, self.settings.answering, quick)
        llm = self._llm(generator) if self.shared is None else self.shared.generator(generator)
        return writer_of(llm, self.settings.answering, quick)

    def _llm(self, generator: str) -> LLM:
        from rag_app.models.generating.generator import load_generator

        if self._generator is None or self._generator[0] != generator:
            settings = self.settings
            self._generator = None
            llm = load_generator(
                generator,
                device=settings.device,
                offline=settings.offline,
                answering=settings.answering,
                models=settings.models,
                announce=self.announce,
            )
            self._generator = (generator, llm)
        return self._generator[1]

    def reranker(self, model: str) -> CatalogueReranker:
        """Return a reranker; the one before is let go.

        Raises:
            ModelError: it is not at hand, or cannot be loaded.
        """
        from rag_app.models.reranker import load_reranker
        from rag_app.models.reranker_spec import resolve_reranker

        if self._reranker is None or self._reranker[0] != model:
            self._reranker = None
            spec = resolve_reranker(
                model, offline=self.settings.offline, announce=self.announce, models=self.settings.models
            )
            self._reranker = (model, load_reranker(spec, device=self.settings.device))
        return self._reranker[1]


@dataclass(frozen=True)
class System:
    """A system ready to be asked. `card` says exactly what it is.

    `is_identified` is false where it cannot: a server may run another generator under the same name.
    """

    spec: SystemSpec
    engine: CitedQueryEngine
    writes: bool
    card: dict[str, Any]
    is_identified: bool


def make_system(spec: SystemSpec, bench: Workbench) -> System:
    """Put a system together.

    It differs from the app's `assemble_engine` in what is kept: always the ten best passages, whatever `top_k` says, because
    the metrics at 10 need ten; passages that say the same are not collapsed, and `per_document` does not hold, because what is
    judged is the ranking itself. There is no `probability`. So an answer is written from up to ten passages.

    Raises:
        EmbedderMismatch: the base has no vectors of its embedding model.
        ModelError: a model is not at hand, or cannot be loaded.
    """
    settings = bench.settings
    embedder = None if spec.embed_model is None else bench.embedder(spec.embed_model)
    reranker = None if spec.reranker is None else bench.reranker(spec.reranker)
    depth = RANKED if reranker is None else max(settings.retrieval.rerank_depth, RANKED)
    writer = bench.writer(spec.generator, embedder)
    postprocessors: list[BaseNodePostprocessor] = [] if reranker is None else [reranker.keeping(RANKED)]
    engine = CitedQueryEngine(
        _retriever(spec, bench.knowledge_base, embedder, settings.retrieval.model_copy(update={"top_k": depth})),
        writer,
        answering=settings.answering,
        limits=settings.limits,
        embedder_name=None if embedder is None else embedder.fingerprint.model,
        reranker_name=None if reranker is None else reranker.model_id,
        node_postprocessors=postprocessors,
        neighbours=Neighbours(bench.knowledge_base, None),
    )
    card = _card(spec, bench, embedder, reranker, writer)
    is_identified = writer is None or writer.llm is None or bool(_files_of(writer))
    return System(spec, engine, writer is not None, card, is_identified)


def _retriever(
    spec: SystemSpec, knowledge_base: KnowledgeBase, embedder: Embedder | None, retrieval: RetrievalSettings
) -> BaseRetriever:
    """Return the app's own retriever where the system is what the app does."""
    is_own_fusion = spec.retriever != "hybrid" or spec.fusion == "evidence"
    if spec.keywords is None and is_own_fusion:
        vectors = None if embedder is None else knowledge_base.vectors(embedder.fingerprint)
        return KnowledgeBaseRetriever(
            knowledge_base,
            vectors,
            embedder,
            retrieval.model_copy(update={"retriever": spec.retriever}),
            None,
            embedder if embedder is not None and embedder.is_quick else None,
        )
    keywords = None if spec.keywords is None else KeywordVariant(knowledge_base, spec.keywords)
    return VariantRetriever(knowledge_base, embedder, spec, keywords, retrieval.top_k)


def _card(
    spec: SystemSpec,
    bench: Workbench,
    embedder: Embedder | None,
    reranker: CatalogueReranker | None,
    writer: Writer | None,
) -> dict[str, Any]:
    """Return what a system is: its specification, its models, the settings and versions that its outcomes depend on."""
    settings = bench.settings
    return {
        "system": spec.model_dump(exclude_none=True),
        "embedder": None if embedder is None else asdict(embedder.fingerprint),
        "reranker": None if reranker is None else reranker.card,
        "generator": None if writer is None else {"model": writer.name, "files": _files_of(writer)},
        "retrieval": settings.retrieval.model_dump(),
        "answering": settings.answering.model_dump() if writer is not None else None,
        "ranked": RANKED,
        "versions": {package: _version(package) for package in ("rag-app", *_PACKAGES)},
    }


def _files_of(writer: Writer) -> str | None:
    """Return what tells the generator's files from others of the same name; None where it has none, or a server has them."""
    stamp: str | None = getattr(writer.llm, "files_stamp", None)
    return stamp


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its source, without having been installed
        return "unknown"


def outcomes_of(
    system: System,
    questions: Sequence[LabelledQuestion],
    bench: Workbench,
    cache: OutcomeCache,
    on_progress: Progress,
) -> tuple[Outcome, ...]:
    """Ask a system all questions, in their order.

    Args:
        system: whom.
        questions: what.
        bench: the base.
        cache: of outcomes over this base.
        on_progress: told the system's name, how many are done, of how many.
    """
    found = []
    base = hashlib.sha256(bench.knowledge_base.manifest.to_json().encode()).hexdigest()
    for number, question in enumerate(questions, start=1):
        key = outcome_key(base=base, card=system.card, question=question, metrics=METRICS_VERSION)
        outcome = cache.get(key)
        if outcome is None:
            outcome = _outcome(system, question)
            if system.is_identified and not outcome.failure:  # what failed may go well the next time
                cache.put(key, outcome)
        found.append(outcome)
        on_progress(system.spec.name, number, len(questions))
    return tuple(found)


def _outcome(system: System, question: LabelledQuestion) -> Outcome:
    started = time.perf_counter()
    try:
        passages, answer = _asked(system, question.question)
        seconds = time.perf_counter() - started
    except RagAppError as error:
        values = question_values(question, (), None, is_generated=system.writes)
        return Outcome((), None, values, time.perf_counter() - started, str(error))
    ranked = tuple(_found(passage, question) for passage in passages)
    return Outcome(ranked, answer, question_values(question, passages, answer, is_generated=system.writes), seconds)


def _asked(system: System, question: str) -> tuple[tuple[Passage, ...], Answer | None]:
    """Return the passages as they were ranked, and the answer where the system writes one."""
    ranked: tuple[Passage, ...] = ()
    answer: Answer | None = None
    for event in system.engine.ask(question):
        if isinstance(event, Retrieved):
            ranked = event.ranked
        elif isinstance(event, Answered):
            answer = event.answer
    return ranked, answer if system.writes else None


def _found(passage: Passage, question: LabelledQuestion) -> Found:
    return Found(
        passage.document, passage.start, passage.end, passage.text, dict(passage.scores), gain_of(passage, question)
    )
