"""Proves that a knowledge base is what it was when it was published, or names what is not.

    verification = verify(Path("indexes/sample"), find_model)
    verification.ok, verification.damaged

Names and sums come first: CURRENT, the manifests, then every byte of the live generation and of the one kept before. Then the
files that are as they were written are held against one another. Nothing is changed, and nothing is fetched.
This module knows nothing of how a model is run or of how a knowledge base is mended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rag_app.datatypes import Fingerprint
from rag_app.errors import (
    FormatVersionError,
    KnowledgeBaseBusy,
    KnowledgeBaseDamaged,
    KnowledgeBaseError,
    ModelNotAvailable,
)
from rag_app.store import cache_file, layout
from rag_app.store.checks import Check, CheckState, Discrepancy, FindModel, ModelAtHand, run_check
from rag_app.store.content_checks import check_contents
from rag_app.store.layout import Manifest

# A build may publish while its knowledge base is being verified.
_ATTEMPTS = 5
_NAMED = 5  # damaged files in a message


@dataclass(frozen=True)
class Verification:
    """What became of every check of a knowledge base. `generation` is the live one; empty where there is none."""

    name: str
    generation: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged; there may be what was not checked."""
        return all(check.state is not CheckState.DAMAGED for check in self.checks)

    @property
    def damaged(self) -> tuple[str, ...]:
        """The damaged files, by their paths in the folder of the knowledge base."""
        return tuple(dict.fromkeys(file for check in self.checks for file in check.damaged))

    @property
    def error(self) -> KnowledgeBaseDamaged | None:
        """What a person is told, with the commands that mend it; None where nothing is damaged."""
        if self.ok:
            return None
        failed = [check for check in self.checks if check.state is CheckState.DAMAGED]
        found = self.damaged or [check.name for check in failed]
        names, more = ", ".join(found[:_NAMED]), len(found) - _NAMED
        remedies = dict.fromkeys(check.remedy for check in failed if check.remedy)
        return KnowledgeBaseDamaged(
            f"The knowledge base '{self.name}' is not as it should be: {names} and {more} more."
            if more > 0
            else f"The knowledge base '{self.name}' is not as it should be: {names}.",
            " ".join(remedies),
        )


def no_model(_: Fingerprint) -> ModelAtHand:
    """Find no model: for whoever wants to know of the files alone."""
    raise ModelNotAvailable("No model was looked at.")


def verify(base: Path, find_model: FindModel = no_model) -> Verification:
    """Check a knowledge base, every byte of it, in the order in which one thing proves the next.

    Args:
        base: its folder.
        find_model: gives the embedding models as they are on this machine.

    Raises:
        KnowledgeBaseNotFound: nothing was ever published there.
        FormatVersionError: another version of the format, which this program cannot verify.
        KnowledgeBaseBusy: it was replaced again and again meanwhile.
    """
    for _ in range(_ATTEMPTS):
        before = _content(base / layout.CURRENT)
        verification = _verify(base, find_model)
        if verification.ok or _content(base / layout.CURRENT) == before:
            return verification  # else a file may only be missing because its generation was replaced
    raise KnowledgeBaseBusy(
        f"The knowledge base '{base.name}' was replaced {_ATTEMPTS} times while it was being verified.",
        "Run the command again when no build is running.",
    )


def _verify(base: Path, find_model: FindModel) -> Verification:
    current, live = _check_current(base)
    if live is None:
        return Verification(base.name, "", (current,))
    manifest = live.manifest
    older = [
        _read(folder)
        for folder in reversed(layout.generations(base))
        if folder.name < live.folder.name and (manifest is None or folder.name >= manifest.oldest_kept)
    ]
    looked_at = [_check_files(live, "")] + [_check_files(one, f"{one.folder.name} ") for one in older]
    checks = [current, *(check for files in looked_at for check in files.checks)]
    checks.append(_who_answers(current, looked_at))
    if manifest is not None:
        checks += check_contents(live.folder, manifest, looked_at[0].damaged, find_model)
    else:
        reason = "Without its manifest nothing says what the files should hold."
        checks.append(Check("contents", CheckState.NOT_CHECKED, reason))
    checks.append(_check_cache(base))
    return Verification(base.name, live.folder.name, tuple(checks))


@dataclass(frozen=True)
class _Generation:
    """A generation as its manifest describes it. Where that is not whole: `manifest` is None, and `error` says why."""

    folder: Path
    manifest: Manifest | None
    sha256: str
    error: Exception | None


def _read(folder: Path) -> _Generation:
    path = folder / layout.MANIFEST
    content = _content(path)
    if content is None:
        return _Generation(folder, None, "", Discrepancy(f"{path} is missing, or cannot be read."))
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        manifest = Manifest.from_json(content, path)
    except Exception as error:  # noqa: BLE001 - a manifest that was changed may hold anything
        return _Generation(folder, None, sha256, error)
    if manifest.generation != folder.name:
        return _Generation(folder, None, sha256, Discrepancy(f"{path} is that of {manifest.generation}."))
    return _Generation(folder, manifest, sha256, None)


def _content(path: Path) -> bytes | None:
    """Return what a file holds; None where it is not there, cannot be read, or is a pipe or a device, which never ends."""
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def _check_current(base: Path) -> tuple[Check, _Generation | None]:
    """Check CURRENT and return the live generation: where CURRENT is damaged, the newest that is there."""
    try:
        live = _follow_current(base)
    except KnowledgeBaseDamaged as error:
        newest = layout.generations(base)[-1:]
        remedy = f"The next build puts CURRENT right: python -m ingest --kb {base.name}"
        damaged = Check("CURRENT", CheckState.DAMAGED, error.found, (layout.CURRENT,), remedy)
        return damaged, _read(newest[0]) if newest else None
    return Check("CURRENT", CheckState.OK, f"it names {live.folder.name}"), live


def _follow_current(base: Path) -> _Generation:
    path = base / layout.CURRENT
    with suppress(PermissionError):  # it is read next, and that error says more
        if path.exists() and not path.is_file():
            raise KnowledgeBaseDamaged(f"{path} is not a file.")
    folder, manifest_sum = layout.read_current(base)
    live = _read(folder)
    if live.sha256 == manifest_sum and isinstance(live.error, FormatVersionError):
        raise live.error
    if live.manifest is not None and live.sha256 != manifest_sum:  # the manifest proves itself
        raise KnowledgeBaseDamaged(f"{path} is damaged: its sum is not that of {folder / layout.MANIFEST}.")
    return live


@dataclass(frozen=True)
class _Files:
    """What the files of a generation came to: the checks, and the names of those that are not as they were written."""

    generation: _Generation
    checks: tuple[Check, ...]
    damaged: tuple[str, ...]


def _check_files(generation: _Generation, prefix: str) -> _Files:
    """Check the manifest of a generation, every file that it lists, and that there are no others."""
    folder, manifest = generation.folder, generation.manifest
    remedy = layout.rebuild_command(folder.parent)
    name = f"{prefix}manifest"
    if manifest is None:
        found = generation.error.found if isinstance(generation.error, KnowledgeBaseError) else str(generation.error)
        blamed = (f"{folder.name}/{layout.MANIFEST}",)
        return _Files(generation, (Check(name, CheckState.DAMAGED, found, blamed, remedy),), (layout.MANIFEST,))
    problems = {file: problem for file in manifest.files if (problem := _problem(folder, manifest, file))}
    size = sum(entry.bytes for entry in manifest.files.values())
    checks = [
        Check(name, CheckState.OK, f"format {manifest.format_version}, sha256 {generation.sha256}"),
        _named(f"{prefix}files", folder, problems, f"{len(manifest.files)} files, {size:,} bytes, as written", remedy),
        _named(
            f"{prefix}unlisted files",
            folder,
            {file: f"{folder / file} is not in the manifest." for file in _unlisted(folder, manifest)},
            "there are no others",
            "Remove what was put there.",
        ),
    ]
    return _Files(generation, tuple(checks), tuple(problems))


def _problem(folder: Path, manifest: Manifest, file: str) -> str:
    if not (folder / file).is_file():  # also a pipe or a device, which would never be read to the end
        return f"{folder / file} is missing."
    return layout.file_problem(folder, manifest, file)


def _unlisted(folder: Path, manifest: Manifest) -> list[str]:
    there = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    names = {path.relative_to(folder).as_posix() for path in there}
    return sorted(names - manifest.files.keys() - {layout.MANIFEST})


def _named(name: str, folder: Path, problems: Mapping[str, str], otherwise: str, remedy: str) -> Check:
    """Return a check of files that names those with a problem."""
    if not problems:
        return Check(name, CheckState.OK, otherwise)
    detail = " ".join(problems.values())
    return Check(name, CheckState.DAMAGED, detail, tuple(f"{folder.name}/{file}" for file in problems), remedy)


def _who_answers(current: Check, looked_at: Sequence[_Files]) -> Check:
    """Say which generation questions are asked of: where files of the live one are damaged, an older one answers."""
    live = looked_at[0].generation.folder.name
    if current.state is CheckState.OK and not looked_at[0].damaged:
        return Check("answers", CheckState.OK, f"from {live}")
    whole = next((files.generation.folder.name for files in looked_at if not files.damaged), None)
    if whole is None:
        found = "No version is whole: the knowledge base cannot be asked."
    elif whole == live:
        found = f"{live} is whole, and answers with a notice that CURRENT is damaged."
    else:
        found = f"{live} is damaged: only the version before, {whole}, can be asked."
    return Check("answers", CheckState.DAMAGED, found)


def _check_cache(base: Path) -> Check:
    """Check the embedding cache. Nothing is answered from it, and what is damaged in it is embedded again."""
    path = base / cache_file.PATH

    def work() -> str:
        if path.exists() and not path.is_file():
            raise Discrepancy(f"{path} is not a file.")
        found = cache_file.check(base)
        if found.problem:
            raise Discrepancy(
                f"{found.damaged} of {found.rows} entries are damaged ({found.problem}). Answers do not depend on it; the "
                "next build that needs one of them embeds its text again."
            )
        if found.damaged:
            raise Discrepancy(
                f"{found.damaged} of {found.rows} entries are damaged. Answers do not depend on it; the next build that "
                "needs one of them embeds its text again."
            )
        return f"{found.rows} entries"

    remedy = f"The cache may be removed: {path.parent}"
    return run_check("embedding cache", work, [cache_file.PATH], remedy)
