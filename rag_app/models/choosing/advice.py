"""Which embedding model to choose: what fits the needs, best first, with the reasons; and what does not, with why not.

The ranking rule, in this order:

1. What a need excludes is left out, whatever its figures.
2. Where pictures are asked for, figures of text retrieval decide nothing. Else models rank by their mean standing in the
   wanted languages, each counting the same (`standings` says which benchmark speaks for a language, how places are counted).
3. Models without a figure for every wanted language come after all that have them.
4. Equals, and those without figures, rank by the rules of thumb: mainly Chinese, BGE before M3E; English, BGE; many languages,
   BGE-M3 before multilingual-e5; pictures, BGE-VL. Then the smaller one comes first, then the order of the catalogue.

No weights are chosen. That a model was trained on a benchmark is said, not corrected: by how much it helped nobody published.
This module knows nothing of files, of what is on this machine, or of a user's documents.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from rag_app.errors import UsageError
from rag_app.language import UNDETERMINED
from rag_app.models.catalogue import Catalogue, EmbedderRow, Runs
from rag_app.models.choosing.needs import (
    CHECKS,
    LIGHT_MILLIONS,
    LanguageAndScript,
    Needs,
    Objection,
    default_memory_gb,
    fitting_length,
    is_served,
    known_languages,
    objections,
)
from rag_app.models.choosing.standings import MULTILINGUAL, NOT_TRAINED, Standing, benchmarks_of, standing
from rag_app.sayings import Saying

_PICTURES = "pictures"
_RULES_OF_THUMB = {
    "zh": ("BAAI/bge-", "moka-ai/m3e-"),
    "en": ("BAAI/bge-",),
    MULTILINGUAL: ("BAAI/bge-m3", "intfloat/multilingual-e5-"),
    _PICTURES: ("BAAI/BGE-VL-",),
}


@dataclass(frozen=True)
class Recommendation:
    """A model that fits. `model` is what `--embed-model` takes, with the length to cut to; `dimension` is that length."""

    model: str
    row: EmbedderRow
    dimension: int
    standings: tuple[Standing, ...]
    reasons: tuple[Saying, ...]
    caveats: tuple[Saying, ...]


@dataclass(frozen=True)
class Rejected:
    """A model that does not fit."""

    row: EmbedderRow
    objections: tuple[Objection, ...]


@dataclass(frozen=True)
class Hindrance:
    """How many models a need excludes, and how many it alone excludes: those that would fit without it. `remedy` relaxes it."""

    need: str
    excludes: int
    alone: int
    remedy: str


@dataclass(frozen=True)
class Advice:
    """What fits, best first, what does not, in the order of the catalogue, and which benchmarks decided."""

    needs: Needs
    recommended: tuple[Recommendation, ...]
    rejected: tuple[Rejected, ...]
    benchmarks: tuple[str, ...]

    @property
    def hindrances(self) -> tuple[Hindrance, ...]:
        """The needs that exclude a model, those first that alone exclude the most."""
        failed = [{objection.need for objection in row.objections} for row in self.rejected]
        found = [
            Hindrance(
                check.need, sum(check.need in needs for needs in failed), failed.count({check.need}), check.remedy
            )
            for check in CHECKS
        ]
        return tuple(sorted((one for one in found if one.excludes), key=lambda one: (-one.alone, -one.excludes)))

    def nothing_fits(self) -> UsageError:
        """Return the error that says which needs exclude how many models, and what to relax."""
        hindrances = self.hindrances
        counts = ", ".join(f"{one.need} excludes {one.excludes}" for one in hindrances)
        helpful = [f"{one.remedy} ({one.alone} would fit)" for one in hindrances if one.alone]
        remedy = (
            f"Relax one: {'; '.join(helpful)}."
            if helpful
            else f"No single need decides it; relax several: {'; '.join(one.remedy for one in hindrances)}."
        )
        return UsageError(f"None of the {len(self.rejected)} embedding models fits all of that: {counts}.", remedy)


def advise(catalogue: Catalogue, needs: Needs) -> Advice:
    """Rank what fits the needs, by the rule at the head of this module.

    Raises:
        UsageError: a language code that is not known.
    """
    needs = replace(needs, languages=known_languages(needs.languages, catalogue))
    rejected: list[Rejected] = []
    fitting: list[EmbedderRow] = []
    for row in catalogue.embedders:
        if found := objections(row, needs):
            rejected.append(Rejected(row, found))
        else:
            fitting.append(row)
    recommended = sorted(
        (_recommendation(row, needs, catalogue) for row in fitting), key=lambda one: _order(one, needs)
    )
    benchmarks = dict.fromkeys(stand.benchmark for one in recommended for stand in one.standings)
    return Advice(needs, tuple(recommended), tuple(rejected), tuple(benchmarks))


def better_choice(
    catalogue: Catalogue, languages: Collection[LanguageAndScript], fits_tokens: int | None = None
) -> Recommendation | None:
    """Return what `rag-app models advise` puts first on this machine for texts of these languages; None where nothing fits.

    Args:
        catalogue: where to choose from.
        languages: of the texts, with the script they are written in.
        fits_tokens: how long a passage the model must read whole.
    """
    needs = Needs(
        languages=tuple(sorted({code for code, _ in languages if code != UNDETERMINED})),
        scripts=tuple(sorted({script for code, script in languages if code == UNDETERMINED and script})),
        memory_gb=default_memory_gb(),
        window_tokens=fits_tokens,
    )
    return next(iter(advise(catalogue, needs).recommended), None)


def _wanted(needs: Needs) -> tuple[str, ...]:
    """Return the languages whose benchmarks decide: where none is given, many."""
    return tuple(dict.fromkeys(needs.languages)) or (MULTILINGUAL,)


def _order(one: Recommendation, needs: Needs) -> tuple[float, int, float]:
    """Return what models are sorted by, see the head of this module; sorting keeps the catalogue's order of equals."""
    wanted = _wanted(needs)
    is_rated = not needs.pictures and len(one.standings) == len(wanted)
    place = mean(stand.share for stand in one.standings) if is_rated else -1.0
    kind = _PICTURES if needs.pictures else wanted[0] if len(wanted) == 1 else MULTILINGUAL
    rules = _RULES_OF_THUMB.get(kind, _RULES_OF_THUMB[MULTILINGUAL])
    rule = next((number for number, prefix in enumerate(rules) if one.row.id.startswith(prefix)), len(rules))
    return -place, rule, one.row.parameters_millions


def _recommendation(row: EmbedderRow, needs: Needs, catalogue: Catalogue) -> Recommendation:
    found = [standing(row, language, catalogue.embedders) for language in _wanted(needs)]
    standings = tuple(stand for stand in found if stand is not None)
    length = fitting_length(row, needs)
    assert length is not None  # else it would have been rejected
    return Recommendation(
        row.id if length == row.dimension else f"{row.id}@{length}",
        row,
        length,
        standings,
        tuple(_reasons(row, needs, standings)),
        tuple(_caveats(row, needs, standings, length)),
    )


def _say(key: str, **values: object) -> Saying:
    return Saying("rag_app.models.choosing", key, **values)


def _reasons(row: EmbedderRow, needs: Needs, standings: Sequence[Standing]) -> list[Saying]:
    reasons = [
        _say(
            "standing",
            language=stand.language,
            figure=stand.figure,
            benchmark=stand.benchmark,
            ahead_of=stand.ahead_of,
            others=stand.others,
        )
        for stand in standings
    ]
    if len(row.languages) == 1 and row.languages == needs.languages:
        reasons.append(_say("made_for", language=row.languages[0]))
    if row.images and needs.pictures:
        reasons.append(_say("pictures"))
    if standings and row.trained_on == NOT_TRAINED:
        reasons.append(_say("not_trained"))
    if row.parameters_millions <= LIGHT_MILLIONS:
        reasons.append(_say("light", millions=row.parameters_millions))
    if needs.window_tokens is not None:
        reasons.append(_say("reads_all") if row.is_static else _say("reads", tokens=row.max_tokens))
    if needs.commercial:
        reasons.append(_say("commercial", licence=row.licence))
    return reasons


def _caveats(row: EmbedderRow, needs: Needs, standings: Sequence[Standing], length: int) -> list[Saying]:
    rated = {stand.language for stand in standings}
    millions = row.parameters_millions
    caveats = [
        _say("no_figure", language=language, benchmark=first, other=second)
        for language in _wanted(needs)
        if language not in rated
        for first, second in (benchmarks_of(language),)
    ]
    caveats += [
        _say("stands_in", language=stand.language, wanted=stand.stands_in_for, benchmark=stand.benchmark)
        for stand in standings
        if stand.stands_in_for
    ]
    said = (
        (row.trained_on not in ("", NOT_TRAINED), _say("trained_on", tasks=row.trained_on.rstrip("."))),
        (needs.pictures, _say("text_side_only")),
        (needs.pictures, _say("figures_of_text")),
        (length != row.dimension, _say("cut", length=length, dimension=row.dimension)),
        (not row.commercial, _say("not_commercial", licence=row.licence)),
        (bool(row.notes), _say("note", note=row.notes.rstrip("."))),
        (row.gated, _say("gated")),
        (row.runs is Runs.REMOTE_CODE, _say("remote_code")),
        (row.is_static, _say("static")),
        (is_served(row), _say("served")),
        (not needs.gpu and millions > LIGHT_MILLIONS and not is_served(row), _say("slow", millions=millions)),
    )
    return caveats + [words for applies, words in said if applies]
