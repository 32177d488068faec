"""What is asked of an embedding model, and whether one fits: a table of checks, one for each need.

This module knows nothing of which of two models that fit is the better one.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from rag_app.datatypes import Chunk, DocumentReport, Fingerprint, ModelReport
from rag_app.errors import UsageError
from rag_app.language import FUNCTION_WORDS, SCRIPT_LANGUAGES, UNDETERMINED
from rag_app.models.catalogue import Catalogue, EmbedderRow, Runs
from rag_app.models.choosing.standings import MIRACL_LANGUAGES, MULTILINGUAL
from rag_app.text import searchable, size_in_units

LanguageAndScript = tuple[str, str]

# What the catalogue calls a light model.
LIGHT_MILLIONS = 150
# A transformer reads a token with two operations a parameter (Kaplan et al., 2020), a passage has about 200 tokens, and a
# laptop does about 100 billion operations a second: above this, a passage takes four seconds, a thousand of them an hour.
CPU_MILLIONS = 1000
# A language of at least this share of the documents, or of their passages, is one that a model has to know.
_NOTABLE_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is asked of a model. A need that is not given excludes nothing.

    `languages`: ISO 639-1, or `multilingual` for dozens more; `scripts`: of texts whose language is undetermined, ISO 15924.
    `memory_gb` in float32; `window_tokens`: of the longest passage; `max_dimension`: numbers a vector. `fast`: light models
    only. `gpu`: there is one. `remote_code`: code that comes with a model may be run. `served`: a server may run it.
    """

    languages: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    pictures: bool = False
    memory_gb: float | None = None
    download_gb: float | None = None
    commercial: bool = False
    window_tokens: int | None = None
    max_dimension: int | None = None
    fast: bool = False
    gpu: bool = False
    remote_code: bool = False
    served: bool = False


@dataclass(frozen=True)
class Objection:
    """Why a model does not fit: the need that it fails, in words, and what is wrong."""

    need: str
    why: str


def default_memory_gb() -> float | None:
    """Return half of this machine's memory in gigabytes: the rest is for the system and a generator. None where unknown."""
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2e9, 1)
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf, others not every name
        return None


def notable_languages(documents: Sequence[DocumentReport]) -> dict[LanguageAndScript, int]:
    """Return how many documents there are of each language and script that makes up a notable part, most frequent first."""
    counts: Counter[LanguageAndScript] = Counter()
    passages: Counter[LanguageAndScript] = Counter()
    for report in documents:
        if report.language is not None:
            counts[report.language, report.script or ""] += 1
            passages[report.language, report.script or ""] += report.chunks
    return {
        key: count
        for key, count in counts.most_common()
        if count >= _NOTABLE_SHARE * counts.total() or passages[key] >= _NOTABLE_SHARE * passages.total()
    }


def needed_window(
    passages: Iterable[Chunk], fingerprints: Sequence[Fingerprint], reports: Sequence[ModelReport]
) -> int | None:
    """Return how many tokens the longest passage has, about; None where there is none.

    A passage's size is known in units (`rag_app.text.size_in_units`) alone. A model that cut one says how many tokens a unit
    had at most: its window over the `--chunk-tokens` that would have fitted. Else a unit is taken for a token.

    Args:
        passages: all of a knowledge base.
        fingerprints: of the models that embedded them.
        reports: what these models said of it.
    """
    longest = max((size_in_units(searchable(passage.embedded_text)) for passage in passages), default=0)
    windows = {fingerprint.digest: fingerprint.max_tokens for fingerprint in fingerprints}
    densest = max(
        (
            windows[report.fingerprint] / max(report.fitting_chunk_tokens, 1)
            for report in reports
            if report.fitting_chunk_tokens is not None and report.fingerprint in windows
        ),
        default=1.0,
    )
    return math.ceil(longest * densest) or None


def with_those_of(
    needs: Needs,
    documents: Sequence[DocumentReport],
    passages: Iterable[Chunk],
    fingerprints: Sequence[Fingerprint],
    reports: Sequence[ModelReport],
) -> Needs:
    """Return the needs with the languages of a knowledge base added, and its longest passage where no window is given."""
    found = notable_languages(documents)
    languages = [code for code, _ in found if code != UNDETERMINED]
    return replace(
        needs,
        languages=tuple(dict.fromkeys((*needs.languages, *languages))),
        scripts=tuple(dict.fromkeys(script for code, script in found if code == UNDETERMINED and script)),
        window_tokens=needs.window_tokens or needed_window(passages, fingerprints, reports),
    )


def known_languages(languages: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Return the codes of languages that this program can tell, or that a model of the catalogue names: `zh` for `zh-CN`.

    Raises:
        UsageError: with those that are known.
    """
    rows = (*catalogue.embedders, *catalogue.rerankers, *catalogue.generators)
    known = MIRACL_LANGUAGES.union(FUNCTION_WORDS, *SCRIPT_LANGUAGES.values(), *(row.languages for row in rows))
    found = tuple(language.lower().replace("_", "-").partition("-")[0] for language in languages)
    unknown = next((typed for typed, code in zip(languages, found, strict=True) if code not in known), None)
    if unknown is not None:
        codes = ", ".join(sorted(known - {MULTILINGUAL}))
        raise UsageError(
            f"'{unknown}' is not a known language code; known are: {codes}.",
            f"Give one of these codes, as in --language zh, or {MULTILINGUAL} for any other language.",
        )
    return found


@dataclass(frozen=True)
class Check:
    """A need, the objection of a row that fails it (empty where it does not), and how it is relaxed."""

    need: str
    remedy: str
    objection: Callable[[EmbedderRow, Needs], str]


def _language_objection(row: EmbedderRow, needs: Needs) -> str:
    if not row.languages:
        return "which languages it was made for is not known" if needs.languages or needs.scripts else ""
    missing = [
        *(code for code in needs.languages if not row.covers(code)),
        *(script for script in needs.scripts if not row.covers(UNDETERMINED, script)),
    ]
    return f"it was made for {', '.join(row.languages)}, not for {', '.join(missing)}" if missing else ""


def _device_objection(row: EmbedderRow, needs: Needs) -> str:
    if needs.gpu or is_served(row) or row.parameters_millions <= CPU_MILLIONS:
        return ""
    return f"{row.parameters_millions:g} million parameters take seconds for every passage without a GPU"


def _limit(
    unit: str, found: Callable[[EmbedderRow], float], wanted: Callable[[Needs], float | None]
) -> Callable[..., str]:
    """Return a check that something is not above a limit; what a server runs costs this machine nothing."""

    def objection(row: EmbedderRow, needs: Needs) -> str:
        limit = wanted(needs)
        is_above = limit is not None and not is_served(row) and found(row) > limit
        return f"it needs {found(row):g} {unit}, the limit is {limit:g}" if is_above else ""

    return objection


def _dimension_objection(row: EmbedderRow, needs: Needs) -> str:
    if fitting_length(row, needs) is not None:
        return ""
    lengths = f", or {', '.join(map(str, row.matryoshka))} where cut" if row.matryoshka else " and cannot be cut"
    return f"its vectors have {row.dimension} numbers{lengths}; the limit is {needs.max_dimension}"


def _window_objection(row: EmbedderRow, needs: Needs) -> str:
    is_short = needs.window_tokens is not None and row.max_tokens < needs.window_tokens
    return f"it reads {row.max_tokens} tokens of a passage, not {needs.window_tokens}" if is_short else ""


# The factors: languages, task, licence, memory, window, dimension, speed; then what may run a model.
CHECKS = (
    Check("the languages", "fewer --language", _language_objection),
    Check(
        "pictures",
        "without --pictures",
        lambda row, needs: "it embeds text alone" if needs.pictures and not row.images else "",
    ),
    Check(
        "commercial use",
        "without --commercial",
        lambda row, needs: f"its licence is {row.terms}" if needs.commercial and not row.commercial else "",
    ),
    Check(
        "memory",
        "a larger --memory-gb",
        _limit("GB of memory", lambda row: row.memory_gb, lambda needs: needs.memory_gb),
    ),
    Check(
        "download",
        "a larger --download-gb",
        _limit("GB to be downloaded", lambda row: row.download_gb, lambda needs: needs.download_gb),
    ),
    Check("the window", "a smaller --window", _window_objection),
    Check("the dimension", "a larger --dimension", _dimension_objection),
    Check(
        "speed",
        "without --fast",
        _limit(
            "million parameters",
            lambda row: row.parameters_millions,
            lambda needs: LIGHT_MILLIONS if needs.fast else None,
        ),
    ),
    Check("no GPU", "--gpu on a machine that has one", _device_objection),
    Check(
        "no code of a model's own",
        "--remote-code",
        lambda row, needs: (
            "only Python code that comes with its files can run it"
            if row.runs is Runs.REMOTE_CODE and not needs.remote_code
            else ""
        ),
    ),
    Check(
        "no server",
        "--served",
        lambda row, needs: "only a server can run it" if is_served(row) and not needs.served else "",
    ),
)


def objections(row: EmbedderRow, needs: Needs) -> tuple[Objection, ...]:
    """Return why a model does not fit; empty where it does."""
    found = ((check.need, check.objection(row, needs)) for check in CHECKS)
    return tuple(Objection(need, why) for need, why in found if why)


def is_served(row: EmbedderRow) -> bool:
    """Whether only a server can run a model."""
    return row.runs is Runs.SERVED


def fitting_length(row: EmbedderRow, needs: Needs) -> int | None:
    """Return the longest vector within the limit that the model was trained to give; None where there is none."""
    limit = needs.max_dimension
    return max(
        (length for length in (row.dimension, *row.matryoshka) if limit is None or length <= limit), default=None
    )
