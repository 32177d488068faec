"""What labelled questions have shown of a base's scores: the files under `calibration/`, written and read.

    indexes/<name>/calibration/<fingerprint>-<retriever>-<question set>-<search>.json      and a picture of it, .svg

They are the only thing written beside a published generation, each replaced whole. They hold numbers: no text of a document,
and of the questions only the name of their file and its sum. One that cannot be used is passed over, and named.
This module knows nothing of how a calibration is made or applied.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.disk import sync
from rag_app.store import layout
from rag_app.store.files import storage_error, write_text

CALIBRATION_FORMAT = 1
_PENDING = ".pending-"


@dataclass(frozen=True)
class ProbabilityModel:
    """A logistic regression: `1 / (1 + exp(-(intercept + sum of weight * (feature - centre) / scale)))`.

    `features` names its inputs (`rag_app.retrieval.probability`); `centres`, `scales` and `weights` have one number for each.
    `least` is the smallest probability that it gives, `1 - least` the largest: it is no surer than its pairs allow.
    """

    features: tuple[str, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    least: float


@dataclass(frozen=True)
class ReliabilityBin:
    """The passages whose predicted probability lies in one tenth of the scale.

    `predicted` is the mean of what was predicted for them, `observed` the share of them that hold the answer, `low` to `high`
    its 95 % interval (Wilson), all 0 to 1; `count` is their number.
    """

    predicted: float
    observed: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Reliability:
    """How far predicted probabilities can be believed, measured on questions that the predictions were not fitted on.

    `error` is the expected calibration error over ten bins of equal width, `error_equal_count` that over ten bins of as many
    passages each; `error_by_chance` is what `error` would be on average if every prediction were right. `brier` is the mean
    squared error of the predictions, `brier_base_rate` that of always saying the share of passages that hold an answer. `bins`
    are those of equal width that are not empty, lowest first.
    """

    error: float
    error_equal_count: float
    error_by_chance: float
    brier: float
    brier_base_rate: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Calibration:
    """What turns the scores of retrieved passages into probabilities, where it holds, and how good it is.

    It holds for the embedding model with the digest `fingerprint`, the `retriever`, and `conditions` (whatever else decides
    scores and order); for the first `passages` of a question, where they have the scores that `scores` names. `generation` is
    the one whose passages were looked at, `questions` counts those asked, `answerable` those of them with an answer; `pairs`
    counts retrieved passages, `holding` those of them that hold the answer. `created_at` is in UTC, ISO 8601.
    """

    created_at: str
    generation: str
    fingerprint: str
    embedder: str
    retriever: str
    conditions: Mapping[str, Any]
    passages: int
    scores: tuple[str, ...]
    question_set: str
    questions_sha256: str
    questions: int
    answerable: int
    pairs: int
    holding: int
    model: ProbabilityModel
    reliability: Reliability

    @property
    def file_name(self) -> str:
        """The name of its file: a question set of other content has another, and so has a search with other settings."""
        slug = re.sub(r"\W+", "-", self.question_set).strip("-").lower()[:40] or "questions"
        search = hashlib.sha256(_json(self.conditions).encode()).hexdigest()[:8]
        return f"{self.fingerprint}-{self.retriever}-{slug}-{self.questions_sha256[:8]}-{search}.json"

    def to_json(self) -> str:
        """Return the text of its file: the fields, the version of the format, and a sum over them."""
        values = asdict(self) | {"format_version": CALIBRATION_FORMAT}
        return _json(values | {"sum": _sum(values)})

    @classmethod
    def from_json(cls, content: bytes) -> Calibration:
        """Read what `to_json` gave.

        Raises:
            ValueError: it is something else, or was changed.
        """
        try:
            values = json.loads(content)
            version = values.pop("format_version")
            if version != CALIBRATION_FORMAT:
                raise ValueError(f"its format is {version!r:.20}, this program reads {CALIBRATION_FORMAT}")
            values.pop("sum")
            model, reliability = values["model"], values["reliability"]
            bins = tuple(ReliabilityBin(**one) for one in reliability["bins"])
            lists = {name: tuple(model[name]) for name in ("features", "centres", "scales", "weights")}
            calibration = cls(
                **values
                | {
                    "scores": tuple(values["scores"]),
                    "model": ProbabilityModel(**model | lists),
                    "reliability": Reliability(**reliability | {"bins": bins}),
                }
            )
            _check_numbers(calibration.model)
            is_unchanged = calibration.to_json().encode() == content
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is not one ({error})") from error
        if not is_unchanged:
            raise ValueError("its sum is not that of its content")
        return calibration


def _check_numbers(model: ProbabilityModel) -> None:
    lists = (model.centres, model.scales, model.weights)
    if not all(len(numbers) == len(model.features) for numbers in lists):
        raise ValueError("its model has not a number for each feature")
    if not all(math.isfinite(number) for numbers in (*lists, (model.intercept, model.least)) for number in numbers):
        raise ValueError("its model has a number that is not finite")


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _sum(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(values).encode()).hexdigest()


@dataclass(frozen=True)
class Calibrations:
    """The calibrations of a base, newest first, and for each file that cannot be used a sentence that names it."""

    usable: tuple[Calibration, ...] = ()
    ignored: tuple[str, ...] = ()


def read_calibrations(base: Path) -> Calibrations:
    """Return what is under `calibration/`; a file that is damaged, foreign or of another format is named, never an error."""
    usable, ignored = [], []
    try:
        paths = sorted((base / layout.CALIBRATION).glob("*.json"))
    except OSError as error:
        return Calibrations(ignored=(f"{base / layout.CALIBRATION} cannot be read ({error.strerror}).",))
    for path in paths:
        try:
            usable.append(_read(path))
        except OSError as error:
            ignored.append(_ignored(path, f"it cannot be read: {error.strerror}"))
        except ValueError as error:
            ignored.append(_ignored(path, str(error)))
    return Calibrations(tuple(sorted(usable, key=lambda one: one.created_at, reverse=True)), tuple(ignored))


def _read(path: Path) -> Calibration:
    calibration = Calibration.from_json(path.read_bytes())
    if calibration.file_name != path.name:
        raise ValueError("it is that of another model, search or question set")
    return calibration


def _ignored(path: Path, reason: str) -> str:
    return (
        f"The calibration {path} is ignored: {reason:.200}. "
        f"Make it again: rag-app kb calibrate {path.parent.parent.name} --questions FILE"
    )


def write_calibration(base: Path, calibration: Calibration, picture: str) -> Path:
    """Write a calibration and its picture in place of those of the same model, search and question set.

    Args:
        base: the folder of the knowledge base.
        calibration: what is written.
        picture: the text of an SVG file.

    Returns:
        The calibration's file; the picture's has the same name with `.svg`.

    Raises:
        StorageError: the disk is full, or cannot be written.
    """
    folder = base / layout.CALIBRATION
    path = folder / calibration.file_name
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        for left in folder.glob(f"{_PENDING}*"):  # of a process that was killed
            left.unlink(missing_ok=True)
        _replace(path.with_suffix(".svg"), picture)
        _replace(path, calibration.to_json())
        sync(folder)
        sync(base)
    except OSError as error:
        raise storage_error(error, folder) from error
    return path


def _replace(path: Path, text: str) -> None:
    pending = path.with_name(f"{_PENDING}{os.getpid()}-{path.suffix[1:]}")
    write_text(pending, text)
    os.replace(pending, path)


def remove_calibrations(base: Path) -> int:
    """Remove what is under `calibration/`, usable or not, and return how many calibrations that were.

    Raises:
        StorageError: a file cannot be removed.
    """
    folder = base / layout.CALIBRATION
    paths = [path for pattern in ("*.json", "*.svg", f"{_PENDING}*") for path in sorted(folder.glob(pattern))]
    try:
        for path in paths:
            path.unlink()
        if paths:
            sync(folder)
    except OSError as error:
        raise storage_error(error, folder) from error
    return sum(path.suffix == ".json" for path in paths)
