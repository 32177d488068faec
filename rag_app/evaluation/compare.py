"""READ FIRST: how systems are compared. questions -> a base they can be judged against -> each system asked -> statistics.

A data set that brings its own passages (SQuAD JSON, a BEIR folder) gets a knowledge base of its own, one passage a record;
other questions are asked of a base of the user's. All systems are asked the same questions over the same passages.
This module knows nothing of commands or of how a comparison is shown.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rag_app.answering.assembly import choose_embedder
from rag_app.answering.question import checked_question
from rag_app.build_events import EventHandler
from rag_app.builds import run_build
from rag_app.config import Settings
from rag_app.errors import UsageError
from rag_app.evaluation.asking import Progress, SharedModels, Workbench, make_system, outcomes_of
from rag_app.evaluation.comparison import AskedQuestion, Comparison, SystemResult
from rag_app.evaluation.costs import costs_of
from rag_app.evaluation.datasets import read_questions
from rag_app.evaluation.labels import document_groups
from rag_app.evaluation.outcome_cache import OutcomeCache
from rag_app.evaluation.question_check import check_against, without_answers
from rag_app.evaluation.questions import QuestionSet
from rag_app.evaluation.request import Request, brings_passages
from rag_app.evaluation.statistics import estimates_of, note_on_groups, pairs_of
from rag_app.evaluation.systems import SystemSpec
from rag_app.models.embedder_spec import embedder_name
from rag_app.models.hub import Announce, quietly
from rag_app.store import layout
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.live import LiveKnowledgeBase

# Bases of data sets lie here, beside the user's own, and are not listed with them.
BASES = Path(layout.APPLICATION_FOLDER) / "bases"


def compare(
    request: Request,
    settings: Settings,
    *,
    shared: SharedModels | None = None,
    announce: Announce = quietly,
    on_progress: Progress = lambda name, done, total: None,
    on_build: EventHandler = lambda _: None,
    cancelling: threading.Event | None = None,
) -> Comparison:
    """Compare systems.

    Args:
        request: what is to be compared.
        settings: how.
        shared: models that are held already; without them its own are loaded, one after another.
        announce: told what takes its time.
        on_progress: told a system's name, how many questions it was asked, of how many; what it raises ends the comparison.
        on_build: told how the base of a data set is built; what it raises ends the comparison.
        cancelling: ends the build of that base when it is set.

    Raises:
        UsageError: questions that cannot be read or judged, fewer than two systems, no base to ask.
        BuildError: the base of a data set cannot be built.
        BuildCancelled: its build was ended by `cancelling`.
        KnowledgeBaseError: the base cannot be opened, or has no vectors of a model.
        ModelError: a model is not at hand, or cannot be loaded.
    """
    if len(request.systems) < 2:
        raise UsageError(
            "There is one system.", "Name an embedding model to compare with keyword search: --embed-model ID"
        )
    question_set = _chosen(read_questions(request.questions), request)
    if brings_passages(question_set):
        knowledge_base = _data_set_base(request, settings, announce, on_build, cancelling)
    else:
        knowledge_base = _users_base(request, settings, announce)
    question_set = check_against(
        question_set,
        [path for path, *_ in knowledge_base.chunks.documents()],
        lambda path: _text(knowledge_base, path),
    )
    question_set = _askable(question_set, settings)
    bench = Workbench(knowledge_base, settings, announce, shared)
    cache = OutcomeCache(knowledge_base.folder.parent / layout.CACHE)
    try:
        results = {
            spec.name: _result(spec, question_set, bench, cache, on_progress) for spec in _by_model(request.systems)
        }
    finally:
        cache.close()
    return _comparison(request, question_set, [results[spec.name] for spec in request.systems], knowledge_base)


def _chosen(question_set: QuestionSet, request: Request) -> QuestionSet:
    questions = question_set.questions
    if request.answerable_only:
        questions = tuple(question for question in questions if question.is_answerable)
    if request.limit is not None:
        questions = questions[: request.limit]
    if request.sample is not None and request.sample < len(questions):
        drawn = random.Random(request.seed).sample(range(len(questions)), request.sample)  # noqa: S311 - no secret
        questions = tuple(questions[number] for number in sorted(drawn))
    if not questions:  # a file without any is not read, and a limit or a sample is of one at least
        raise without_answers(question_set.name)
    return replace(question_set, questions=questions)


def _askable(question_set: QuestionSet, settings: Settings) -> QuestionSet:
    """Leave out what the app would not take as a question, and say so."""
    kept, refused = [], 0
    for question in question_set.questions:
        try:
            text = checked_question(question.question, settings.limits)
        except UsageError:
            refused += 1
        else:
            kept.append(replace(question, question=text))
    if not kept:
        raise UsageError(f"No question of {question_set.name} can be asked.", "They are empty or too long.")
    notes = question_set.notes
    if refused == 1:
        notes = (*notes, "1 question is empty or too long, and was left out.")
    elif refused:
        notes = (*notes, f"{refused:,} questions are empty or too long, and were left out.")
    return replace(question_set, questions=tuple(kept), notes=notes)


def _embed_models(request: Request) -> list[str]:
    return list(dict.fromkeys(spec.embed_model for spec in request.systems if spec.embed_model is not None))


def _users_base(request: Request, settings: Settings, announce: Announce) -> KnowledgeBase:
    """Open the base that is to be asked; it has vectors of all models, exactly as they are on this machine."""
    if request.knowledge_base is None:
        raise UsageError(
            f"{request.questions} brings no passages of its own.", "Name the knowledge base to ask: --kb NAME"
        )
    knowledge_base = LiveKnowledgeBase(settings.indexes, request.knowledge_base).verified().knowledge_base
    models = _embed_models(request)
    for model in models:  # before any is fetched
        knowledge_base.check_has_model(embedder_name(model))
    for model in models:  # before a question is asked of any other
        choose_embedder(knowledge_base, model, offline=settings.offline, announce=announce, models=settings.models)
    return knowledge_base


def _data_set_base(
    request: Request,
    settings: Settings,
    announce: Announce,
    on_build: EventHandler,
    cancelling: threading.Event | None,
) -> KnowledgeBase:
    """Bring the base of a data set's own passages up to date, and open it."""
    models = _embed_models(request)
    source = request.questions.resolve()
    plain = layout.proposed_name(source.stem.replace(".", "-")[:40], ())
    name = f"{plain}-{hashlib.sha256(str(source).encode()).hexdigest()[:8]}"
    announce(f"Building the passages of {request.questions.name} with {', '.join(models) or 'keywords alone'} ...")
    indexes = settings.indexes / BASES
    if not models:
        raise UsageError("No system has an embedding model.", "Name one: --embed-model ID")
    run_build(
        name,
        [source],
        indexes,
        models=models,
        chunk_tokens=0,
        offline=settings.offline,
        device=settings.device,
        on_event=on_build,
        cancelling=cancelling,
    )
    return LiveKnowledgeBase(indexes, name).verified().knowledge_base


def _text(knowledge_base: KnowledgeBase, path: str) -> str:
    document = knowledge_base.chunks.document(path)
    return "" if document is None else document.text


def _by_model(systems: Sequence[SystemSpec]) -> list[SystemSpec]:
    """Return the systems so that each model is loaded once."""
    return sorted(systems, key=lambda spec: (spec.embed_model or "", spec.generator or "", spec.reranker or ""))


def _result(
    spec: SystemSpec, question_set: QuestionSet, bench: Workbench, cache: OutcomeCache, on_progress: Progress
) -> SystemResult:
    system = make_system(spec, bench)
    outcomes = outcomes_of(system, question_set.questions, bench, cache, on_progress)
    embedder = None if spec.embed_model is None else bench.embedder(spec.embed_model)
    report = {model.fingerprint: model for model in bench.knowledge_base.report.models}
    truncated = 0
    if embedder is not None and embedder.fingerprint.digest in report:
        truncated = report[embedder.fingerprint.digest].truncated
    costs = costs_of(bench.knowledge_base, embedder, outcomes)
    return SystemResult(spec.name, system.card, outcomes, costs, truncated)


def _comparison(
    request: Request, question_set: QuestionSet, results: Sequence[SystemResult], knowledge_base: KnowledgeBase
) -> Comparison:
    questions = question_set.questions
    groups = document_groups(questions)
    # A question that no document answers is a group by itself, and of no document.
    documents = [group for question, group in zip(questions, groups, strict=True) if question.is_answerable]
    values = {
        result.name: {
            metric: [outcome.values[metric] for outcome in result.outcomes] for metric in result.outcomes[0].values
        }
        for result in results
    }
    return Comparison(
        dataset=question_set.name,
        questions=tuple(
            AskedQuestion(question.key, question.question, question.answers, question.is_answerable, group)
            for question, group in zip(questions, groups, strict=True)
        ),
        systems=tuple(results),
        metrics=estimates_of(values, groups, request.seed),
        pairs=pairs_of(values, groups, request.margin, request.seed),
        seed=request.seed,
        margin=request.margin,
        groups=len(set(documents)),
        notes=_notes(question_set, documents, results),
        made={
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "questions sha256": question_set.sha256,
            "knowledge base": knowledge_base.name,
            "generation": knowledge_base.generation,
        },
    )


def _notes(question_set: QuestionSet, documents: Sequence[int], results: Sequence[SystemResult]) -> tuple[str, ...]:
    """Return what has to be known of a comparison before it is read; `documents` has that of each answerable question."""
    notes = [*question_set.notes, note_on_groups(documents)]
    for result in results:
        if result.failures == 1:
            notes.append(f"1 question failed with {result.name}, and counts 0.")
        elif result.failures:
            notes.append(f"{result.failures:,} questions failed with {result.name}, and count 0.")
    cut = {result.card["embedder"]["model"]: result.truncated for result in results if result.truncated}
    for model, count in cut.items():
        if count == 1:
            notes.append(f"1 passage is longer than the window of {model}, which did not read its end.")
        else:
            notes.append(f"{count:,} passages are longer than the window of {model}, which did not read their ends.")
    return tuple(note for note in notes if note)
