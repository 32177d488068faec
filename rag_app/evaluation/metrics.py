"""What a system's passages and answer for one question come to: metrics by name, each from 0 to 1 and higher for better.

Rankings are judged by ir-measures, which counts as trec_eval does: nDCG with linear gains. docs/question-sets.md says what
counts as right. This module knows nothing of how passages are found, answers written, or figures compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rag_app.datatypes import Answer, Citation, Passage
from rag_app.evaluation.answer_metrics import contains, exact_match, f1
from rag_app.evaluation.labels import holds_answer, judged_name, plain, right_things, things_to_find, touches_answer
from rag_app.evaluation.questions import LabelledQuestion

# Raised where a metric comes to mean something else: outcomes that are kept have its values.
METRICS_VERSION = 1
DEPTHS = (1, 5, 10)

MEANINGS: Mapping[str, str] = {
    "hit": "a right passage is among the first k",
    "recall": "share of what is right that is among the first k passages",
    "mrr": "1 by the rank of the first right passage, 0 where it is below k",
    "ndcg": "gains of the first k passages, discounted by rank, as a share of the most that could be had (trec_eval)",
    "contains": "a known answer stands, to the letter, in the first passage, whichever passage that is",
    "exact match": "the answer is a known one, as the data set normalises them",
    "f1": "words that the answer and a known one share (Chinese: the longest common run of characters)",
    "answer contained": "a known answer stands in the written one",
    "citation precision": "share of the citations that name a right passage",
    "citation spans": "share of the citations whose span has the answer",
    "citation recall": "share of what is right that is cited",
    "supported": "share of the answer's sentences that some passage supports",
    "answered": "a question that the documents answer is answered",
    "abstained": "a question that the documents do not answer is not answered",
}


@dataclass(frozen=True)
class RankedGains:
    """The gains of a ranking, best rank first, and those of everything that could have been found, in no order."""

    found: tuple[float, ...]
    total: tuple[float, ...]


def ranked_gains(passages: Sequence[Passage], question: LabelledQuestion) -> RankedGains:
    """Return what a ranking found.

    Everything right counts once, at the first passage that has it: a later passage with nothing else keeps its rank and has a
    gain of 0. Right things that stand in one passage count as one. Where documents are judged the ranking is one of documents:
    later passages of a document are left out of it.
    """
    things = things_to_find(question)
    left = dict(things)
    found = []
    documents = set()
    for passage in passages:
        if question.judgements:
            document = judged_name(passage.document, question) or passage.document
            if document in documents:
                continue
            documents.add(document)
        new = [left.pop(thing) for thing in right_things(passage, question) if thing in left]
        found.append(max(new, default=0.0))
    return RankedGains(tuple(found), (*(gain for gain in found if gain), *left.values()))


def ranking_metrics(
    gains: Sequence[float], total_gains: Sequence[float], ks: Sequence[int] = DEPTHS
) -> dict[str, float | None]:
    """Return hit@k for each depth but the deepest, and recall@k, mrr@k, ndcg@k for that; None where nothing could be found.

    Where one thing is right, as in SQuAD, recall is hit: both at one depth would be one metric counted twice.

    Args:
        gains: of a ranking, best rank first: whole numbers, 0 for what is not right.
        total_gains: of everything that could have been found, those above 0 in `gains` among them.
        ks: the depths.

    Raises:
        ValueError: a gain that is no whole number or negative, or one found that is not among the total.
    """
    *shallow, deepest = sorted(ks)
    names = [*(f"hit@{k}" for k in shallow), *(f"{name}@{deepest}" for name in ("recall", "mrr", "ndcg"))]
    to_find = [gain for gain in total_gains if gain]
    found = [gain for gain in gains if gain]
    if any(gain < 0 or not float(gain).is_integer() for gain in (*gains, *total_gains)):
        raise ValueError(f"gains are whole numbers from 0 up: {gains!r:.80}, {total_gains!r:.80}")
    missed = Counter(to_find) - Counter(found)
    if missed.total() != len(to_find) - len(found):
        raise ValueError(f"found {found!r:.80}, which is more than the {to_find!r:.80} that could be")
    if not to_find:
        return dict.fromkeys(names)
    return dict(zip(names, _measured(gains, list(missed.elements()), shallow, deepest), strict=True))


def _measured(gains: Sequence[float], missed: Sequence[float], shallow: Sequence[int], deepest: int) -> list[float]:
    """Return what `ranking_metrics` names, in its order, for gains found and gains that were not."""
    import ir_measures  # loads a C extension and scipy: `--help` must stay fast
    from ir_measures import RR, R, Success, nDCG

    measures = [*(Success @ k for k in shallow), R @ deepest, RR @ deepest, nDCG @ deepest]
    judged = [ir_measures.Qrel("q", f"found {rank}", int(gain)) for rank, gain in enumerate(gains) if gain]
    judged += [ir_measures.Qrel("q", f"missed {number}", int(gain)) for number, gain in enumerate(missed)]
    # Scores fall with the rank: of equal ones trec_eval would make an order of its own.
    run = [ir_measures.ScoredDoc("q", f"found {rank}", float(-rank)) for rank in range(len(gains))]
    values = {metric.measure: metric.value for metric in ir_measures.iter_calc(measures, judged, run)}
    return [float(values[measure]) for measure in measures]


def passage_contains(passage: Passage, question: LabelledQuestion) -> bool:
    """Whether a known answer stands in the text of a passage, whichever passage that is.

    It is a plain search for the characters, without regard to case and to how much white space there is: `5` stands in `15`.
    """
    text = plain(passage.text)
    return any(plain(answer) in text for answer in question.answers if answer.strip())


def question_values(
    question: LabelledQuestion,
    passages: Sequence[Passage],
    answer: Answer | None,
    *,
    is_generated: bool,
    ks: Sequence[int] = DEPTHS,
) -> dict[str, float | None]:
    """Return every metric of one question by its name, in a fixed order; None where it says nothing of this question.

    Args:
        question: with what is known of its answer.
        passages: as the system ranked them, best first; none where it failed.
        answer: what came of them; None where none was wanted, and where the system failed to give one.
        is_generated: whether an answer was wanted. A failure then counts 0 in each metric that says something of the question.
        ks: the depths of the ranking's metrics.
    """
    ranked = ranked_gains(passages, question)
    values = ranking_metrics(ranked.found, ranked.total, ks)
    values["contains@1"] = (
        float(bool(passages) and passage_contains(passages[0], question)) if question.answers else None
    )
    values |= _answer_values(question, answer) if is_generated else dict.fromkeys(_ANSWER_METRICS)
    return values


_OF_WORDS = ("exact match", "f1", "answer contained")
_OF_CITATIONS = ("citation precision", "citation spans", "citation recall")
_ANSWER_METRICS = (*_OF_WORDS, *_OF_CITATIONS, "supported", "answered", "abstained")


def _answer_values(question: LabelledQuestion, answer: Answer | None) -> dict[str, float | None]:
    is_refused = answer is None or answer.abstained or not answer.text
    values: dict[str, float | None] = dict.fromkeys(_ANSWER_METRICS)
    if question.is_answerable:
        values["answered"] = float(not is_refused)
    else:
        values["abstained"] = float(answer is not None and is_refused)
    if answer is None:
        values["supported"] = 0.0
    elif not is_refused and answer.sentences:
        values["supported"] = sum(sentence.supported for sentence in answer.sentences) / len(answer.sentences)
    if question.answers:
        values |= dict(zip(_OF_WORDS, _word_values(question, None if is_refused else answer), strict=True))
    if things_to_find(question):
        values |= dict(zip(_OF_CITATIONS, _citation_values(question, answer), strict=True))
    return values


def _word_values(question: LabelledQuestion, answer: Answer | None) -> tuple[float, float, float]:
    if answer is None:
        return 0.0, 0.0, 0.0
    text = " ".join(sentence.text for sentence in answer.sentences) or answer.text or ""  # sentences have no `[n]`
    known = question.answers
    return exact_match(text, known), f1(text, known), float(contains(text, known))


def _citation_values(
    question: LabelledQuestion, answer: Answer | None
) -> tuple[float | None, float | None, float | None]:
    """Return precision, precision of spans, and recall. Without a citation there is no precision, but for a failure 0."""
    if answer is None:
        return 0.0, _where_places_are_known(question, 0.0), 0.0
    cited = list(_cited(answer))
    things = things_to_find(question)
    covered = {thing for passage, _ in cited if passage is not None for thing in right_things(passage, question)}
    recall = sum(things[thing] for thing in covered) / sum(things.values())
    if not cited:
        return None, None, recall
    right = sum(passage is not None and holds_answer(passage, question) for passage, _ in cited)
    spans = sum(span is not None and touches_answer(span, question) for _, span in cited)
    return right / len(cited), _where_places_are_known(question, spans / len(cited)), recall


def _where_places_are_known(question: LabelledQuestion, value: float) -> float | None:
    """Return the value; None where documents or paragraphs are known as a whole, so that no span can be right or wrong."""
    return value if question.spans or (question.answers and not question.judgements) else None


def _cited(answer: Answer) -> Iterator[tuple[Passage | None, Passage | None]]:
    """Yield for each citation its passage, and its span as a passage; None for a number that is no passage's."""
    by_number = {passage.n: passage for passage in answer.passages}
    for sentence in answer.sentences:
        for citation in sentence.citations:
            passage = by_number.get(citation.n)
            yield passage, passage and _span_of(passage, citation)


def _span_of(passage: Passage, citation: Citation) -> Passage:
    text = passage.text[citation.start - passage.start : citation.end - passage.start]
    return replace(passage, start=citation.start, end=citation.end, text=text, also_in=())
