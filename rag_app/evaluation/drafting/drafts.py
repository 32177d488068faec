"""Questions where the user has none: drafted from the passages of a knowledge base, for a person to keep, edit or drop.

    drafts = draft_questions(knowledge_base, count=100, seed=0)

No embedding model takes part, so that none is favoured. Rules turn sentences, table rows and headings into questions; a
generator, where there is one, only says them in other words or in the other language. The same base, count, seed and generator
give the same questions. This module knows nothing of files or of what the questions are for.
"""

from __future__ import annotations

import calendar
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from rag_app.datatypes import Document
from rag_app.errors import KnowledgeBaseEmpty, first_line
from rag_app.evaluation.drafting.checks import HeldWords, gives_away
from rag_app.evaluation.drafting.chinese import chinese_wordings
from rag_app.evaluation.drafting.context import CODE, in_context
from rag_app.evaluation.drafting.english import english_wordings
from rag_app.evaluation.drafting.notes import notes_of
from rag_app.evaluation.drafting.records import record_wordings
from rag_app.evaluation.drafting.spans import spans_of
from rag_app.evaluation.drafting.values import DraftedQuestion, Drafts, Span, Stratum, Wording
from rag_app.evaluation.drafting.variants import as_keywords, in_other_words, without_answer
from rag_app.store.layout import rebuild_command

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag_app.store.knowledge_base import KnowledgeBase

LANGUAGES = ("en", "zh")
RULE = "rule"
# Of a hundred questions. What a stratum cannot fill, the lexical ones do.
SHARES = {
    Stratum.CROSS_LINGUAL: 0.1,
    Stratum.UNANSWERABLE: 0.2,
    Stratum.PARAPHRASED: 0.15,
    Stratum.KEYWORDS: 0.2,
    Stratum.LEXICAL: 0.35,
}
_POOL = 8  # candidates for each question asked for, after which no further document is read
_OF_A_DOCUMENT = 4  # questions at least, however many documents there are
_TIMES_MEAN = 2  # of the questions that a document has on average, at most so many times
_REPHRASED = 3  # candidates that a generator is shown for each question it is to say otherwise


@dataclass(frozen=True)
class _Candidate:
    """A span with the question that the rules make of it."""

    span: Span
    wording: Wording


@dataclass
class _Drawing:
    """What can be drafted, and what is drafted so far; `of_a_document` questions at most have the same document."""

    pool: list[_Candidate]
    of_a_document: int
    drafted: list[DraftedQuestion] = field(default_factory=list)
    taken: set[Span] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    by_document: Counter[str] = field(default_factory=Counter)

    @property
    def languages(self) -> set[str]:
        """The languages that can be asked in."""
        return {one.span.language for one in self.pool}


_CALENDAR = frozenset([*calendar.day_name, *calendar.month_name])
_Make = Callable[[_Candidate], "tuple[str, str] | None"]  # the question as the stratum asks it, and by what it was made
_Progress = Callable[[int], None]


class _GeneratorFailed(Exception):
    """What a generator failed with, in a line."""


def draft_questions(
    knowledge_base: KnowledgeBase,
    count: int = 100,
    *,
    seed: int = 0,
    llm: LLM | None = None,
    on_progress: _Progress = lambda _: None,
) -> Drafts:
    """Draft questions from the passages of a knowledge base.

    Args:
        knowledge_base: any; only its texts and its keyword index are looked at.
        count: how many at most, 1 or more.
        seed: draws which sentences are asked about.
        llm: says questions otherwise, unless its `is_small` says that it is not able to.
        on_progress: is told how many are drafted, before each sentence that is looked at; what it raises ends the drafting.

    Raises:
        KnowledgeBaseEmpty: it has no passage.
    """
    if not knowledge_base.chunk_count:
        raise KnowledgeBaseEmpty(
            f"The knowledge base '{knowledge_base.name}' has no passage to ask about.",
            rebuild_command(knowledge_base.folder.parent),
        )
    held = HeldWords(knowledge_base)
    pool = _candidates(knowledge_base, held, count, seed, on_progress)
    able = llm if llm is not None and not getattr(llm, "is_small", False) else None
    documents = len({one.span.document for one in pool})
    drawing = _Drawing(pool, max(_OF_A_DOCUMENT, -(-_TIMES_MEAN * count // max(documents, 1))))
    failure = _draw_all(drawing, held, count, seed, able, on_progress)
    questions = _in_order(drawing.drafted)
    notes = notes_of(
        questions,
        count,
        drawing.of_a_document,
        languages=drawing.languages,
        has_generator=able is not None,
        failure=failure,
    )
    counts = {stratum.value: sum(one.stratum is stratum for one in questions) for stratum in Stratum}
    return Drafts(questions, count, len({one.span.document for one in questions if one.span}), notes, counts)


def answerable_questions(knowledge_base: KnowledgeBase, count: int, *, seed: int = 0) -> Iterator[str]:
    """Yield questions that the passages answer, in the documents' own words: one of each document in turn.

    So many documents are looked at as give several for each of `count`. The base has a passage.
    """
    for one in _candidates(knowledge_base, HeldWords(knowledge_base), count, seed):
        yield one.wording.question


def _draw_all(
    drawing: _Drawing, held: HeldWords, count: int, seed: int, llm: LLM | None, on_progress: _Progress
) -> str:
    """Draft up to `count` questions, stratum by stratum, and return what the generator failed with; empty where it did not."""
    failure = ""
    for stratum, share in SHARES.items():
        wanted = round(share * min(count, len(drawing.pool)))
        if stratum is Stratum.LEXICAL:
            wanted = count - len(drawing.drafted)
        if llm is not None and stratum in (Stratum.PARAPHRASED, Stratum.CROSS_LINGUAL):
            say = _generated(stratum, llm, drawing.languages, _REPHRASED * wanted)
            try:
                _draw(drawing, stratum, say, wanted, on_progress)
            except _GeneratorFailed as error:
                failure, llm = str(error), None
        _draw(drawing, stratum, _by_rule(stratum, held, drawing.languages, seed), wanted, on_progress)
    on_progress(len(drawing.drafted))
    return failure


def _lot(seed: int, *parts: object) -> int:
    """Return a number drawn for these parts: the same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(repr((seed, *parts)).encode()).digest()[:8])


def _candidates(
    knowledge_base: KnowledgeBase, held: HeldWords, count: int, seed: int, on_progress: _Progress = lambda _: None
) -> list[_Candidate]:
    """Return what can be asked about, in the order in which it is to be drawn: one of each document in turn."""
    paths = [row[0] for row in knowledge_base.chunks.documents()]
    paths.sort(key=lambda path: _lot(seed, path))
    found: list[tuple[int, int, _Candidate]] = []
    for number, path in enumerate(paths):
        on_progress(0)
        document = knowledge_base.chunks.document(path)
        if document is None:
            continue
        of_this = islice(_of_document(document, held, seed), _POOL * count)
        for turn, one in enumerate(of_this):
            on_progress(0)
            found.append((turn, number, one))
        if len(found) >= _POOL * count:
            break
    return [one for _, _, one in sorted(found, key=lambda entry: entry[:2])]


def _of_document(document: Document, held: HeldWords, seed: int) -> Iterator[_Candidate]:
    is_name = cache(partial(_is_name, document.text))
    for span in sorted(spans_of(document), key=lambda one: _lot(seed, one.document, one.start)):
        if span.language not in LANGUAGES:
            continue
        if span.fields:
            wordings: Iterable[Wording] = sorted(record_wordings(span), key=lambda one: _lot(seed, one.question))
        elif span.language == "zh":
            wordings = chinese_wordings(span)
        else:
            wordings = english_wordings(span, is_name)
        found = (one for wording in wordings if not gives_away(wording) for one in in_context(wording, span))
        for wording in found:
            if held.leads_to(wording.question, span):
                yield _Candidate(span, wording)
                break


def _is_name(text: str, word: str) -> bool:
    """Whether a word is a name by how a text writes it: with a capital also where no sentence begins."""
    if word in _CALENDAR:
        return True
    return re.search(rf"[a-z,] {re.escape(word)}\b", text) is not None and not re.search(
        rf"\b{re.escape(word.lower())}\b", text
    )


def _by_rule(stratum: Stratum, held: HeldWords, languages: set[str], seed: int) -> _Make:
    """Return what makes the questions of a stratum without a generator."""

    def by_rule(one: _Candidate) -> tuple[str, str] | None:
        question, language = one.wording.question, one.span.language
        if stratum is Stratum.CROSS_LINGUAL:
            question = one.wording.crossed if len(languages) == len(LANGUAGES) else ""
            code = CODE.search(question)
            question = question if code and held.is_of_one_language(code[0], language) else ""
        elif stratum is Stratum.UNANSWERABLE:
            question = without_answer(question, language, held.is_held, _lot(seed, question))
        elif stratum is Stratum.PARAPHRASED:
            question = in_other_words(question, language)
        elif stratum is Stratum.KEYWORDS:
            question = "" if one.span.is_section and language == "zh" else as_keywords(question, language)
        return (question, RULE) if question else None

    return by_rule


def _generated(stratum: Stratum, llm: LLM, languages: set[str], tries: int) -> _Make:
    """Return what lets a generator say a question otherwise, at most so many times: each takes seconds.

    What is returned raises `_GeneratorFailed` for whatever an LLM raises: there are still the rules.
    """
    from rag_app.evaluation.drafting.generator import reworded, translated

    crosses = len(languages) == len(LANGUAGES)
    turns = iter(range(tries))

    def make(one: _Candidate) -> tuple[str, str] | None:
        is_wanted = not one.span.fields and (crosses or stratum is Stratum.PARAPHRASED)
        if not is_wanted or next(turns, None) is None:
            return None
        say = reworded if stratum is Stratum.PARAPHRASED else translated
        try:
            question = say(llm, one.wording, one.span)
            return (question, str(llm.metadata.model_name)) if question else None
        except Exception as error:
            raise _GeneratorFailed(first_line(error)) from error

    return make


def _draw(drawing: _Drawing, stratum: Stratum, make: _Make, wanted: int, on_progress: _Progress) -> None:
    """Draft up to `wanted` questions of a stratum, no span twice and no document too often."""
    already = sum(one.stratum is stratum for one in drawing.drafted)
    for one in drawing.pool:
        if already >= wanted:
            return
        if one.span in drawing.taken or drawing.by_document[one.span.document] >= drawing.of_a_document:
            continue
        on_progress(len(drawing.drafted))
        made = make(one)
        if made is None or made[0] in drawing.asked:
            continue
        drawing.drafted.append(_drafted(one, stratum, *made))
        drawing.taken.add(one.span)
        drawing.asked.add(made[0])
        drawing.by_document[one.span.document] += 1
        already += 1


def _drafted(one: _Candidate, stratum: Stratum, question: str, drafted_by: str) -> DraftedQuestion:
    language = one.span.language
    if stratum is Stratum.CROSS_LINGUAL:
        language = LANGUAGES[1 - LANGUAGES.index(language)]
    if stratum is Stratum.UNANSWERABLE:
        return DraftedQuestion("", question, "", stratum, language, drafted_by, None)
    return DraftedQuestion("", question, one.wording.answer, stratum, language, drafted_by, one.span)


def _in_order(drafted: list[DraftedQuestion]) -> tuple[DraftedQuestion, ...]:
    """Return the questions stratum by stratum, by document in each, numbered."""

    def place(one: DraftedQuestion) -> tuple[object, ...]:
        span = one.span
        return list(Stratum).index(one.stratum), span.document if span else "", span.start if span else 0, one.question

    numbers: Counter[Stratum] = Counter()
    ordered = []
    for one in sorted(drafted, key=place):
        numbers[one.stratum] += 1
        ordered.append(replace(one, key=f"{one.stratum.value}-{numbers[one.stratum]:03}"))
    return tuple(ordered)
