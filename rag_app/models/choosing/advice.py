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
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]


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


def _reasons(row: EmbedderRow, needs: Needs, standings: Sequence[Standing]) -> list[str]:
    reasons = [
        f"{stand.language}: {stand.figure:g} on {stand.benchmark}, ahead of {stand.ahead_of} of {stand.others} others"
        for stand in standings
    ]
    if len(row.languages) == 1 and row.languages == needs.languages:
        reasons.append(f"made for {row.languages[0]} alone")
    if row.images and needs.pictures:
        reasons.append("embeds pictures and text alike")
    if standings and row.trained_on == NOT_TRAINED:
        reasons.append("trained on none of these benchmarks")
    if row.parameters_millions <= LIGHT_MILLIONS:
        reasons.append(f"light: {row.parameters_millions:g} million parameters")
    if needs.window_tokens is not None:
        reasons.append(f"reads {row.reads} of a passage")
    if needs.commercial:
        reasons.append(f"commercial use is allowed: {row.licence}")
    return reasons


def _caveats(row: EmbedderRow, needs: Needs, standings: Sequence[Standing], length: int) -> list[str]:
    rated = {stand.language for stand in standings}
    caveats = [
        f"{language}: no figure of {' or '.join(benchmarks_of(language))} is known"
        for language in _wanted(needs)
        if language not in rated
    ]
    caveats += [
        f"{stand.language}: no figure of {stand.stands_in_for} is known, {stand.benchmark} stands in"
        for stand in standings
        if stand.stands_in_for
    ]
    said = (
        (row.trained_on not in ("", NOT_TRAINED), f"trained on: {row.trained_on.rstrip('.')}"),
        (needs.pictures, "here only its text side is used: no picture is embedded"),
        (needs.pictures, "figures of text retrieval say nothing of pictures: the rules of thumb rank here"),
        (length != row.dimension, f"cut to {length} of its {row.dimension} numbers; the figures are of all of them"),
        (not row.commercial, f"licence: {row.terms}"),
        (bool(row.notes), f"note: {row.notes.rstrip('.')}"),
        (row.gated, "its terms have to be accepted on the hub before it is given out"),
        (row.runs is Runs.REMOTE_CODE, "runs only on Python code that comes with its files: read it first"),
        (row.is_static, "static, it does not see the order of words: docs/static-models.md"),
        (is_served(row), "runs only on a server of yours: docs/served-models.md"),
        (
            not needs.gpu and row.parameters_millions > LIGHT_MILLIONS and not is_served(row),
            f"{row.parameters_millions:g} million parameters are slow without a GPU: try a part of your documents first",
        ),
    )
    return caveats + [words for applies, words in said if applies]
