"""Looks at everything, and says what is wrong and how it is mended. Nothing is changed, nothing fetched, no model loaded.

    diagnosis = examine(load_settings())
    diagnosis.ok, diagnosis.of(State.WRONG)

The command `rag-app doctor` and the page Doctor show what this returns. This module knows nothing of how.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from rag_app.config import Settings, settings_in_force
from rag_app.doctor.findings import Diagnosis, Finding, Section, State, found, found_error
from rag_app.doctor.knowledge_bases import check_index_root, check_knowledge_bases
from rag_app.doctor.models import (
    check_bundled,
    check_default_embedder,
    check_generator,
    check_models_of_bases,
    check_reranker,
)
from rag_app.doctor.program import check_device, check_program, check_reading, check_serving, options_in_force
from rag_app.errors import RagAppError

_log = logging.getLogger(__name__)

Check = Callable[[Settings], Iterable[Finding]]

CHECKS: tuple[tuple[Section, Check], ...] = (
    (Section.PROGRAM, check_program),
    (Section.KNOWLEDGE_BASES, check_index_root),
    (Section.KNOWLEDGE_BASES, check_knowledge_bases),
    (Section.MODELS, check_models_of_bases),
    (Section.MODELS, check_generator),
    (Section.MODELS, check_reranker),
    (Section.MODELS, check_default_embedder),
    (Section.MODELS, check_bundled),
    (Section.READING, check_reading),
    (Section.MODELS, check_device),
)


def examine(settings: Settings, options: Mapping[str, object] | None = None) -> Diagnosis:
    """Look at everything.

    Args:
        settings: those in force.
        options: those that the running app is served with; None: those that it would be served with.
    """
    findings = [finding for section, check in CHECKS for finding in _looked_at(section, check, settings)]
    findings += check_serving(options_in_force() if options is None else options)
    return Diagnosis(tuple(findings), settings_in_force(settings))


def _looked_at(section: Section, check: Check, settings: Settings) -> Iterator[Finding]:
    """Give what a check finds; where it fails itself, that is a finding, and the others go on."""
    try:
        yield from check(settings)
    except RagAppError as error:
        yield found_error(section, State.WRONG, "check_failed", error, check=check.__name__)
    except Exception as error:  # noqa: BLE001 - the edge: what is looked at may be broken in any way
        _log.exception("the check %s failed", check.__name__)
        detail = f"{type(error).__name__}: {error}"
        yield found(section, State.WRONG, "check_failed", detail=detail, check=check.__name__)
