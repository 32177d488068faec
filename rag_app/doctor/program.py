"""Looks at the program: Python, libraries and their bounds, how the app is served, what reads scanned pages, the device.

This module knows nothing of knowledge bases or of models.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from packaging.requirements import Requirement

from rag_app.config import Settings
from rag_app.doctor.findings import Finding, Section, State, found, found_error
from rag_app.errors import ConfigurationError
from rag_app.server import app_script

_PACKAGE = "rag-app"
_TESSERACT = "tesseract"
_TESSERACT_SECONDS = 10

# How the app must be served (references/reliability.md 3.2); other options are a matter of taste.
REQUIRED_OPTIONS: Mapping[str, object] = MappingProxyType(
    {
        "server.address": "127.0.0.1",
        "server.allowedHosts": ["localhost", "127.0.0.1"],
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "server.enableStaticServing": False,
        "server.enableAgentApi": False,
        "server.maxUploadSize": 25,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
    }
)


def check_program(_: Settings) -> Iterator[Finding]:
    """Say which versions run, and which libraries are not within the bounds they were tested in."""
    system = f"{platform.system()} {platform.machine()}"
    try:
        distribution = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        yield found(Section.PROGRAM, State.NOTE, "not_installed", python=platform.python_version(), system=system)
        return
    yield found(
        Section.PROGRAM,
        State.FINE,
        "program",
        version=distribution.version,
        python=platform.python_version(),
        system=system,
        folder=sys.prefix,
    )
    count = 0
    for requirement in map(Requirement, distribution.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            count += 1
            yield from _check_library(requirement)
    yield found(Section.PROGRAM, State.FINE, "libraries", count=count)


def _check_library(requirement: Requirement) -> Iterator[Finding]:
    command = f"pip install '{requirement.name}{requirement.specifier}'"
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        yield found(Section.PROGRAM, State.WRONG, "library_missing", command=command, name=requirement.name)
        return
    if not requirement.specifier.contains(version, prereleases=True):
        yield found(
            Section.PROGRAM,
            State.WRONG,
            "library_version",
            command=command,
            name=requirement.name,
            version=version,
            bounds=str(requirement.specifier),
        )


def check_device(settings: Settings) -> Iterator[Finding]:
    """Say where models run. This imports torch, which takes seconds."""
    import torch

    from rag_app.models.device import resolve_device

    try:
        device = resolve_device(settings.device)
    except ConfigurationError as error:
        yield found_error(Section.MODELS, State.WRONG, "device_unusable", error, device=settings.device)
        return
    threads = torch.get_num_threads()
    yield found(Section.MODELS, State.FINE, "device", device=device, torch=torch.__version__, threads=threads)


def options_in_force() -> dict[str, object]:
    """Return the options that the app would be served with: of the file beside its script, and the environment over it."""
    file = app_script().parent / ".streamlit" / "config.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    options: dict[str, object] = {}
    for name in REQUIRED_OPTIONS:
        section, _, option = name.partition(".")
        set_here = os.environ.get(_variable(name))
        options[name] = table.get(section, {}).get(option) if set_here is None else _of_environment(set_here)
    return options


def _variable(option: str) -> str:
    """Return the variable that Streamlit reads an option from: STREAMLIT_SERVER_ENABLE_CORS for server.enableCORS."""
    words = "".join(
        f"_{letter}" if letter.isupper() and not before.isupper() else letter
        for before, letter in zip(f" {option}", option, strict=False)
    )
    return f"STREAMLIT_{words.replace('.', '_').upper()}"


def _of_environment(text: str) -> object:
    try:
        value: object = json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text
    return value


def check_serving(options: Mapping[str, object]) -> Iterator[Finding]:
    """Say which options, of those in force, make the app less safe than it is shipped."""
    different = {name: options.get(name) for name in REQUIRED_OPTIONS if not _is_as_safe(name, options.get(name))}
    for name, value in different.items():
        yield found(
            Section.SERVER,
            State.WRONG,
            "option",
            command=f"unset {_variable(name)}" if _variable(name) in os.environ else "rag-app serve",
            name=name,
            value=json.dumps(value, ensure_ascii=False),
            wanted=json.dumps(REQUIRED_OPTIONS[name]),
        )
    if not different:
        yield found(Section.SERVER, State.FINE, "serving", address=options["server.address"])


def _is_as_safe(name: str, value: Any) -> bool:
    wanted = REQUIRED_OPTIONS[name]
    if isinstance(wanted, list):
        return isinstance(value, list | tuple) and bool(value) and set(value) <= set(wanted)
    if name == "server.maxUploadSize":
        return isinstance(value, int) and value <= REQUIRED_OPTIONS[name]  # type: ignore[operator]  # a number, see above
    return bool(value == wanted)


def check_reading(settings: Settings) -> Iterator[Finding]:
    """Say whether scanned pages can be read."""
    if not settings.reading.ocr:
        yield found(Section.READING, State.FINE, "ocr_off")
        return
    program, package = shutil.which(_TESSERACT), find_spec("pytesseract")
    if not program:
        yield found(Section.READING, State.NOTE, "tesseract_missing", command="apt-get install tesseract-ocr")
    if not package:
        yield found(Section.READING, State.NOTE, "pytesseract_missing", command='pip install "rag-app[ocr]"')
    if not program or not package:
        return
    wanted = settings.reading.ocr_languages.split("+")
    known = _tesseract_languages(program)
    missing = [language for language in wanted if language not in known]
    if missing:
        packages = " ".join(f"tesseract-ocr-{language.replace('_', '-')}" for language in missing)
        yield found(
            Section.READING,
            State.NOTE,
            "ocr_languages_missing",
            command=f"apt-get install {packages}",
            languages=", ".join(missing),
        )
    readable = [language for language in wanted if language in known]
    if readable:
        yield found(Section.READING, State.FINE, "ocr", languages=", ".join(readable))


def _tesseract_languages(program: str) -> set[str]:
    try:
        listed = subprocess.run(
            [program, "--list-langs"], capture_output=True, text=True, timeout=_TESSERACT_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return set()
    return {line.strip() for line in listed.splitlines()[1:]}
