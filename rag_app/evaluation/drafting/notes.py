"""What is said about drafted questions: which could not be drafted, and why.

This module knows nothing of how they are made.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rag_app.evaluation.drafting.values import DraftedQuestion, Stratum


def notes_of(
    questions: Sequence[DraftedQuestion],
    asked_for: int,
    of_a_document: int,
    *,
    languages: Collection[str],
    has_generator: bool,
    failure: str,
) -> tuple[str, ...]:
    """Return what a person has to know of the drafts.

    Args:
        questions: those that were drafted.
        asked_for: how many were asked for.
        of_a_document: how many one document may have.
        languages: those of English and Chinese that were found in the documents.
        has_generator: whether a generator took part.
        failure: what the generator failed with; else empty.
    """
    there = {one.stratum for one in questions}
    notes = []
    if len(questions) == 1 < asked_for:
        notes.append(
            f"1 of {asked_for:,} was drafted: the rules find no more sentences, table rows and headings in "
            f"English or Chinese whose question leads to one document, with at most {of_a_document:,} of a document."
        )
    elif len(questions) < asked_for:
        notes.append(
            f"{len(questions):,} of {asked_for:,} were drafted: the rules find no more sentences, table rows and headings in "
            f"English or Chinese whose question leads to one document, with at most {of_a_document:,} of a document."
        )
    if failure:
        notes.append(f"The generator failed ({failure:.200}); from there on the rules drafted alone.")
    if Stratum.PARAPHRASED in there and not has_generator:
        notes.append(
            "The paraphrased questions only have words exchanged for others: an able generator (--generator) rewrites them."
        )
    for stratum, why in _reasons(languages, has_generator).items():
        if stratum not in there:
            notes.append(f"No {stratum.value} question was drafted: {why}.")
    return tuple(notes)


def _reasons(languages: Collection[str], has_generator: bool) -> dict[Stratum, str]:
    one_language = (
        "the documents are in one language" if len(languages) < 2 else "no code is explained in one language alone"
    )
    return {
        Stratum.PARAPHRASED: "what the generator said could not be used"
        if has_generator
        else "no word of theirs is one that the rules exchange",
        Stratum.CROSS_LINGUAL: one_language,
        Stratum.UNANSWERABLE: "none asks about a code, a version or a place that could be exchanged for another",
    }
