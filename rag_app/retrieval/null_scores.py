"""What scores are worth in one knowledge base: measured when it is built, without labels, and read when it is asked.

Two things are measured for each embedding model:

- how much a cosine tells, in nats: the halves of sentences that are drawn from the passages are asked for, and the logistic
  model is fitted that finds their own passages (`fit_nats_per_cosine`);
- how high the best passage scores where there is nothing to find (`fit_null`): for the bundled foreign questions, and for the
  drawn ones with their own document left out. Against that a `percentile` is read: the share of questions that this base
  cannot answer whose best passage scores lower. It is one scale for all models and retrievers.

A question with more words has a higher best score by chance: the null is a regression on the numbers of words, fitted for
texts in Chinese, Japanese or Korean characters and for others apart.
This module knows nothing of models, files or nodes; `ingest/calibrating.py` asks the questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_app.config import RetrieverName
from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.keywords import QuestionWords
from rag_app.text import CJK_CHARACTER

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A spread is never taken for less than this share of the mean residual: few questions have extreme lengths.
_LEAST_SPREAD = 0.3
_TERMS = 3
_PRIOR_DEVIATION = 0.5  # of the logarithm of nats a unit
_MOST_NATS = 1000.0
_DIGITS = 6  # that are kept of an excess
# The scores by which each retriever tells a passage that answers: the one that exceeds its level most decides. A hybrid
# search looks at cosines by themselves too, which find what is asked in quite other words.
COMPARED: Mapping[RetrieverName, tuple[str, ...]] = {
    "dense": ("cosine",),
    "keyword": ("bm25",),
    "hybrid": ("cosine", "evidence"),
}


@dataclass(frozen=True)
class QuestionSize:
    """How long a question is: its search tokens, those of them that some passage holds, and whether most are CJK characters."""

    tokens: int
    known: int
    cjk: bool


def size_of(words: QuestionWords) -> QuestionSize:
    """Return the size of a question."""
    cjk = sum(bool(CJK_CHARACTER.match(token)) for token in words.tokens)
    return QuestionSize(len(words.tokens), words.known, 2 * cjk > len(words.tokens))


@dataclass(frozen=True)
class Level:
    """How high the best passage of a question that cannot be answered scores, and how much that spreads.

    Both are linear in a constant and the logarithms of one plus the numbers of tokens and of known ones.
    """

    level: tuple[float, ...]
    spread: tuple[float, ...]
    least_spread: float

    def excess(self, scores: NDArray[np.float32], size: QuestionSize) -> NDArray[np.float64]:
        """Return by how many spreads each score exceeds the level of a question of this size; shape (scores,)."""
        terms = _terms([size])[0]
        spread = max(float(terms @ np.array(self.spread)), self.least_spread)
        excess: NDArray[np.float64] = (scores.astype(np.float64) - float(terms @ np.array(self.level))) / spread
        return excess


@dataclass(frozen=True)
class Null:
    """Questions of one kind of script that cannot be answered, asked under one embedding model.

    `levels` by the name of a score; `excesses` by retriever: the highest one of each question among the scores that are
    compared, sorted.
    """

    levels: Mapping[str, Level]
    excesses: Mapping[str, tuple[float, ...]]

    def percentiles(
        self, retriever: RetrieverName, scores: Mapping[str, NDArray[np.float32]], size: QuestionSize
    ) -> NDArray[np.float64]:
        """Return for each passage the share of the questions whose best passage scores lower; see `NullScores`."""
        excess = np.maximum.reduce([self.levels[name].excess(scores[name], size) for name in COMPARED[retriever]])
        known = self.excesses[retriever]
        lower = np.asarray(np.searchsorted(known, excess, side="left"), dtype=np.float64)
        return lower / len(known)


@dataclass(frozen=True)
class NullScores:
    """What scores are worth under one embedding model.

    `nulls` by kind of script (`cjk`, `other`).
    """

    nats_per_cosine: float
    nulls: Mapping[str, Null]

    def percentiles(
        self, retriever: RetrieverName, scores: Mapping[str, NDArray[np.float32]], size: QuestionSize
    ) -> NDArray[np.float64]:
        """Return the percentile of each passage of one question under a retriever, 0 to 1; shape (passages,).

        Args:
            retriever: which ranks.
            scores: those that it compares (`COMPARED`) by name, shape (passages,) each.
            size: of the question.
        """
        return self.nulls[_kind(size)].percentiles(retriever, scores, size)

    def as_json(self) -> dict[str, Any]:
        """Return what null.json holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> NullScores:
        """Read what `as_json` gave.

        Raises:
            KnowledgeBaseDamaged: it is something else.
        """
        try:
            nulls = {
                kind: Null(
                    {name: _level(level) for name, level in null["levels"].items()},
                    {retriever: tuple(map(float, known)) for retriever, known in null["excesses"].items()},
                )
                for kind, null in values["nulls"].items()
            }
            read = cls(float(values["nats_per_cosine"]), nulls)
            read._check()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise KnowledgeBaseDamaged(
                f"The statistics of the scores cannot be read: {error!r}.",
                "Rebuild the knowledge base: python -m ingest --kb NAME --rebuild",
            ) from error
        return read

    def _check(self) -> None:
        """Raise a ValueError or a LookupError where a question could not be judged by what was read."""
        numbers = [self.nats_per_cosine]
        for null in (self.nulls["cjk"], self.nulls["other"]):
            for retriever, names in COMPARED.items():
                numbers += null.excesses[retriever]
                levels = [null.levels[name] for name in names]
                if not null.excesses[retriever] or any(
                    len(one.level) != _TERMS or len(one.spread) != _TERMS for one in levels
                ):
                    raise ValueError(f"what was measured for {retriever} is not whole")
                for one in levels:
                    numbers += (*one.level, *one.spread, one.least_spread)
        if not np.isfinite(numbers).all() or self.nats_per_cosine <= 0:
            raise ValueError("a number is not finite, or not above zero")


def _level(values: Mapping[str, Any]) -> Level:
    return Level(tuple(map(float, values["level"])), tuple(map(float, values["spread"])), float(values["least_spread"]))


def _kind(size: QuestionSize) -> str:
    return "cjk" if size.cjk else "other"


def _terms(sizes: Sequence[QuestionSize]) -> NDArray[np.float64]:
    return np.array([[1.0, np.log1p(size.tokens), np.log1p(size.known)] for size in sizes])


@dataclass(frozen=True)
class Unanswerable:
    """A question that cannot be answered: its size, its best score of each name, whether it was drawn from the passages."""

    size: QuestionSize
    best: Mapping[str, float]
    drawn: bool


def fit_nulls(asked: Sequence[Unanswerable]) -> dict[str, Null]:
    """Return the null of each kind of script; of one that no foreign question is in, it is that of all questions."""
    nulls = {}
    for kind in ("cjk", "other"):
        of_kind = [question for question in asked if _kind(question.size) == kind]
        nulls[kind] = _fit_null(asked if all(question.drawn for question in of_kind) else of_kind)
    return nulls


def _fit_null(asked: Sequence[Unanswerable]) -> Null:
    levels, excesses = {}, {}
    for name in asked[0].best:
        levels[name], excesses[name] = _fit_level(asked, name)
    highest = {
        retriever: np.sort(np.maximum.reduce([excesses[name] for name in names]))
        for retriever, names in COMPARED.items()
    }
    return Null(
        levels, {name: tuple(round(value, _DIGITS) for value in known.tolist()) for name, known in highest.items()}
    )


def _fit_level(asked: Sequence[Unanswerable], name: str) -> tuple[Level, NDArray[np.float64]]:
    """Fit level and spread of a score by least squares, and return the excess of each question too.

    Both are those of the foreign questions, which look like what people ask. Drawn ones, halves of sentences, have a level of
    their own: they tell how far scores spread in these documents.
    """
    best = np.array([question.best[name] for question in asked])
    drawn = np.array([question.drawn for question in asked], np.bool_)
    foreign = ~drawn if not drawn.all() else drawn
    terms = _terms([question.size for question in asked])
    level = np.linalg.lstsq(terms[foreign], best[foreign], rcond=None)[0]
    residuals = best - terms @ level
    if drawn.any():
        residuals[drawn] -= residuals[drawn].mean()
    spread = np.linalg.lstsq(terms[foreign], np.abs(residuals[foreign]), rcond=None)[0]
    least = max(_LEAST_SPREAD * float(np.abs(residuals[foreign]).mean()), 1e-6)
    excess: NDArray[np.float64] = residuals / np.maximum(terms @ spread, least)
    return Level(tuple(level.tolist()), tuple(spread.tolist()), least), excess


def fit_nats_per_cosine(own: NDArray[np.float64], others: Sequence[NDArray[np.float64]], prior: float) -> float:
    """Return how many nats one unit of cosine tells, fitted on questions whose own passage is known.

    The likeliest factor of the softmax over passages, under a log-normal prior that counts where there are few questions, or
    passages that are all found whatever the factor.

    Args:
        own: the cosine of each question with its own passage, shape (questions,).
        others: those with other passages, one array a question; the nearest ones suffice.
        prior: what is expected beforehand, above 0.
    """
    from scipy.optimize import minimize_scalar  # half a second to import, and only for a build

    def loss(log_nats: float) -> float:
        nats = np.exp(log_nats)
        total = sum(np.logaddexp.reduce(nats * (other - mine)) for mine, other in _with_own(own, others))
        return float(total + (log_nats - np.log(prior)) ** 2 / (2 * _PRIOR_DEVIATION**2))

    found = minimize_scalar(
        loss, bounds=(np.log(prior) - 5, min(np.log(prior) + 5, np.log(_MOST_NATS))), method="bounded"
    )
    return float(np.exp(found.x))


def _with_own(
    own: NDArray[np.float64], others: Sequence[NDArray[np.float64]]
) -> Sequence[tuple[float, NDArray[np.float64]]]:
    return [(float(mine), np.append(other, mine)) for mine, other in zip(own, others, strict=True)]
