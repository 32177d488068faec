"""`rag-app similarity`: how near texts are to one another by one embedding model or several, as a table or as JSON.

This module knows nothing of how anything is computed. What is slow to import is imported inside the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rag_app.cli_options import AsJson, Device, Hub, Offline
from rag_app.language import UNDETERMINED
from rag_app.terminal import as_typed, print_json, say
from rag_app.text import printable, searchable

if TYPE_CHECKING:
    from rag_app.config import Settings
    from rag_app.models.choosing.similarity import Similarity
    from rag_app.models.embedder_spec import EmbedderSpec

_SHOWN = 60  # characters of a text


def similarity(
    texts: Annotated[list[str], typer.Argument(help="Two texts or more.", show_default=False)],
    embed_model: Annotated[
        list[str] | None, typer.Option(help="An embedding model; may be given more than once. Else the configured one.")
    ] = None,
    as_question: Annotated[
        bool, typer.Option("--as-question", help="The first text is a question, asked of the others.")
    ] = False,
    offline: Offline = False,
    hub: Hub = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Show how near texts are to one another: the cosine of each pair, by each model."""
    from rag_app.config import load_settings
    from rag_app.models.embedder_spec import embedder_name, resolve_embedder

    typed = _checked([as_typed(text) for text in texts])
    settings = load_settings(offline=offline or None, device=device, models={"hub": hub})
    names = dict.fromkeys(embedder_name(name) for name in embed_model or [settings.embed_model])
    specs = [
        resolve_embedder(name, offline=settings.offline, announce=say, models=settings.models) for name in names
    ]  # all of them before the first is loaded
    found = [_compare(spec, typed, settings, as_question=as_question) for spec in specs]
    if as_json:
        print_json({"texts": typed, "first_is_question": as_question, "models": [_model_as_json(one) for one in found]})
        return
    for number, one in enumerate(found):
        if number:
            print()
        _print(one, typed, as_question=as_question)


def _checked(texts: list[str]) -> list[str]:
    from rag_app.errors import UsageError

    if len(texts) < 2:
        raise UsageError("There is one text, expected two at least.", 'As in: rag-app similarity "TEXT A" "TEXT B"')
    for number, text in enumerate(texts, start=1):
        if not searchable(text).strip():
            raise UsageError(f"Text {number} is empty.", "Give texts that say something.")
    return texts


def _compare(spec: EmbedderSpec, texts: Sequence[str], settings: Settings, *, as_question: bool) -> Similarity:
    """Compare by one model, which is let go before the next is loaded."""
    from rag_app.models.choosing.similarity import compare
    from rag_app.models.embedder import load_embedder
    from rag_app.models.held_embedders import HeldEmbedders

    held = HeldEmbedders(1)
    try:
        embedder = held.get("", lambda: load_embedder(spec, device=settings.device, models=settings.models))
        found = compare(embedder, spec.row, texts, first_is_question=as_question)
        del embedder
    finally:
        held.clear()
    return found


def _model_as_json(found: Similarity) -> dict[str, Any]:
    return {
        "model": found.fingerprint.model,
        "fingerprint": found.fingerprint.digest,
        "cosines": [[round(value, 6) for value in line] for line in found.cosines.tolist()],
        "truncated": list(found.truncated),
        "uncovered_languages": [language.code if language else None for language in found.uncovered],
    }


def _print(found: Similarity, texts: Sequence[str], *, as_question: bool) -> None:
    """Print a line and a column a text, numbered. The text stands last: however wide its letters are, columns stay columns."""
    numbers = [f"{number}?" if as_question and number == 1 else str(number) for number in range(1, len(texts) + 1)]
    print(found.fingerprint.model)
    print("   " + "".join(f"{number:>7}" for number in numbers))
    for number, text, line in zip(numbers, texts, found.cosines.tolist(), strict=True):
        shown = _shown(text)
        print(f"{number:>3}" + "".join(f"{value:7.3f}" for value in line) + f"  {shown}")
    for warning in _warnings(found):
        say(f"warning: {warning}")


def _shown(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _warnings(found: Similarity) -> list[str]:
    warnings = []
    model = found.fingerprint.model
    uncovered = {language: _numbers([one == language for one in found.uncovered]) for language in found.uncovered}
    for language, numbers in uncovered.items():
        if language is not None:
            known = language.code != UNDETERMINED
            made_for_it = f" --language {language.code}" if known else ""
            warnings.append(
                f"{model} was not made for the language of {numbers} ('{language.code}', {language.script}): "
                f"those cosines say little. Others: rag-app models list --kind embedder{made_for_it}"
            )
    if any(found.truncated):
        warnings.append(
            f"{model} reads {found.fingerprint.max_tokens} tokens: "
            f"only the beginning of {_numbers(found.truncated)} was compared."
        )
    return warnings


def _numbers(chosen: Sequence[bool]) -> str:
    numbers = [str(number) for number, is_chosen in enumerate(chosen, start=1) if is_chosen]
    return f"text{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
