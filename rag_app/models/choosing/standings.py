"""Where a model stands by the published figures: which benchmark speaks for a language, and how many models one is ahead of.

Figures of two benchmarks cannot be compared with each other, and a model has been through some of them only. So a figure
counts as a place: the share of the models made for the language, and measured there, that it is ahead of. For each language
one benchmark speaks; a second one stands in for models that the first was never run on.
This module knows nothing of what anybody needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rag_app.models.catalogue import EmbedderRow

# Stands for many languages, in a catalogue row and in a wish alike.
MULTILINGUAL = "multilingual"
# What a catalogue row says where it is recorded that a model was trained on no task of the benchmarks.
NOT_TRAINED = "none of these"

_ENGLISH = "MTEB English v2 retrieval"
_CHINESE = "C-MTEB retrieval"
_MANY = "MTEB multilingual v2 retrieval"
_MIRACL = "MIRACL"
_MIRACL_CHINESE = "MIRACL Chinese"

# What a figure is the mean of: nDCG@10 times 100, where more is better. Those of two benchmarks cannot be compared.
BENCHMARKS: Mapping[str, str] = MappingProxyType(
    {
        _ENGLISH: "ten tasks of search in English",
        _CHINESE: "eight tasks of search in Chinese",
        _MANY: "18 tasks of search in many languages, some far from questions and answers",
        _MIRACL: "questions to Wikipedia in 18 languages, with passages beside the point among them",
        _MIRACL_CHINESE: "the Chinese part of MIRACL",
    }
)

# The languages in which MIRACL asks questions of Wikipedia (Zhang et al., 2023, https://aclanthology.org/2023.tacl-1.63).
MIRACL_LANGUAGES = frozenset("ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh".split())  # noqa: SIM905 - a line is read at once

# The benchmark that speaks for a language, then the one that stands in for it.
_BENCHMARKS = {"en": (_ENGLISH, _MANY), "zh": (_CHINESE, _MIRACL_CHINESE)}
# MIRACL asks questions of passages, as is done here; the multilingual mean also holds reasoning and the matching of texts.
_BENCHMARKS_OF_MANY = (_MIRACL, _MANY)
_BENCHMARKS_OF_OTHERS = (_MANY, _MIRACL)


@dataclass(frozen=True)
class Standing:
    """Where a model stands in a language.

    `figure` is nDCG@10 times 100 on `benchmark`, better than that of `ahead_of` among `others` that were made for the language
    and have a figure there. `stands_in_for` is the benchmark that would speak for the language, where the model has no figure
    of it, else empty.
    """

    language: str
    benchmark: str
    figure: float
    ahead_of: int
    others: int
    stands_in_for: str

    @property
    def share(self) -> float:
        """The place as a share between 0 and 1: the midpoint of the model's step, (places below + 1/2) / places."""
        return (self.ahead_of + 0.5) / (self.others + 1)


def benchmarks_of(language: str) -> tuple[str, str]:
    """Return the benchmark that speaks for a language (ISO 639-1, or `multilingual`), and the one that stands in for it."""
    is_of_many = language == MULTILINGUAL or language in MIRACL_LANGUAGES
    return _BENCHMARKS.get(language, _BENCHMARKS_OF_MANY if is_of_many else _BENCHMARKS_OF_OTHERS)


def standing(row: EmbedderRow, language: str, rows: Sequence[EmbedderRow]) -> Standing | None:
    """Return where a model stands among `rows` in a language; None where no figure says it."""
    first, second = benchmarks_of(language)
    benchmark = next((name for name in (first, second) if name in row.figures), None)
    if benchmark is None:
        return None
    figure = row.figures[benchmark]
    others = [
        other.figures[benchmark]
        for other in rows
        if other.id != row.id and benchmark in other.figures and other.covers(language)
    ]
    return Standing(
        language,
        benchmark,
        figure,
        ahead_of=sum(other < figure for other in others),
        others=len(others),
        stands_in_for=first if benchmark == second else "",
    )
