"""Fetches a model from the Hugging Face hub, or a mirror of it (HF_ENDPOINT), into the Hugging Face cache (HF_HOME).

huggingface_hub 2 writes each file to a new temporary name and deletes it when it fails, so that an interrupted gigabyte is
fetched again from its first byte; and it compares the size of what arrived, not its sum. Large files are therefore fetched
here into a name that stays, from the byte where the last attempt ended, and enter the cache only with the sum that the hub
states. All else is left to huggingface_hub. This module knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.errors import ModelNotAvailable
from rag_app.models.fetching.download_progress import DownloadProgress
from rag_app.models.fetching.needed_files import files_to_download
from rag_app.models.fetching.wanted import Wanted
from rag_app.models.folder_safety import check_code_elsewhere

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

_ANSWER_SECONDS = 20


@dataclass(frozen=True)
class _RemoteFile:
    """A file of a repository: `sha256` of a large one, else `git_sha1`, the sum that git names it by."""

    name: str
    size: int
    sha256: str
    git_sha1: str


@dataclass(frozen=True)
class _Repository:
    """A model's part of the Hugging Face cache, as huggingface_hub lays it out."""

    cache: Path
    name: str

    def blob(self, sha256: str) -> Path:
        return self.cache / self.name / "blobs" / sha256

    def partial(self, sha256: str) -> Path:
        return self.cache / self.name / "blobs" / f"{sha256}.partial"

    def lock(self, sha256: str) -> Path:
        return self.cache / ".locks" / self.name / f"{sha256}.lock"  # the one that huggingface_hub takes

    def present(self, file: _RemoteFile) -> int:
        """Return how many bytes of a file are here."""
        if not file.sha256:
            return 0
        if self.blob(file.sha256).is_file():
            return file.size
        partial = self.partial(file.sha256)
        return min(file.size, partial.stat().st_size) if partial.is_file() else 0


def repository_folder(model_id: str) -> Path:
    """Return where the Hugging Face cache keeps a model, whether it is there or not."""
    repository = _repository(model_id)
    return repository.cache / repository.name


def _repository(model_id: str) -> _Repository:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return _Repository(Path(constants.HF_HUB_CACHE), repo_folder_name(repo_id=model_id, repo_type="model"))


def fetch_from_hugging_face(wanted: Wanted) -> tuple[Path, str]:
    """Fetch a model's files and return their folder and the commit they are of.

    Size and licence are announced before anything is fetched. What an interrupted attempt left is used.

    Raises:
        ModelNotAvailable: it cannot be had: why, and the ways on.
        ModelLoadError: it is trusted, and has code in a repository that is not; nothing large is fetched.
    """
    with _errors(wanted):
        folder, revision = _fetch(wanted)
        if wanted.with_code:
            _fetch_code_from_elsewhere(wanted, folder)
        return folder, revision


def _fetch(wanted: Wanted) -> tuple[Path, str]:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    revision = wanted.row.revision if wanted.row else ""
    information = HfApi().model_info(wanted.id, revision=revision or None, files_metadata=True, timeout=_ANSWER_SECONDS)
    commit = str(information.sha)
    files = _remote_files(information, with_code=wanted.with_code)
    repository = _repository(wanted.id)
    size, present = sum(file.size for file in files), sum(repository.present(file) for file in files)
    wanted.announce_download(
        constants.ENDPOINT, size, present, _stated_licence(information), gated=bool(information.gated)
    )
    wanted.check_space(repository.cache, size - present, "HF_HOME")
    if wanted.with_code:
        _check_code_elsewhere(wanted, files, commit)
    with DownloadProgress(wanted.id, size, present, wanted.announce, wanted.on_bytes) as progress:
        for file in files:
            if file.sha256 and file.size <= constants.MAX_HTTP_DOWNLOAD_SIZE:
                _fetch_large(wanted, repository, file, commit, progress)
        with disable_progress_bars():
            names = [file.name for file in files]
            folder = Path(snapshot_download(wanted.id, revision=commit, allow_patterns=names))
    for file in files:
        _check_small(wanted, file, folder / file.name)
    return folder, commit


def _remote_files(information: ModelInfo, *, with_code: bool) -> list[_RemoteFile]:
    siblings = {sibling.rfilename: sibling for sibling in information.siblings or []}
    return [
        _RemoteFile(
            name,
            siblings[name].size or 0,
            lfs.sha256 if (lfs := siblings[name].lfs) else "",
            siblings[name].blob_id or "",
        )
        for name in files_to_download(siblings, with_code=with_code)
    ]


def _stated_licence(information: ModelInfo) -> str:
    return str(information.card_data.get("license") or "unknown") if information.card_data else "unknown"


def _fetch_large(
    wanted: Wanted, repository: _Repository, file: _RemoteFile, commit: str, progress: DownloadProgress
) -> None:
    """Bring a large file into the cache, from where an earlier attempt ended."""
    blob, partial = repository.blob(file.sha256), repository.partial(file.sha256)
    blob.parent.mkdir(parents=True, exist_ok=True)
    with _locked(wanted, repository.lock(file.sha256)):
        if blob.is_file():
            return
        _fetch_rest(wanted, file, commit, partial, progress)
        with partial.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != file.sha256:
            partial.unlink()
            raise _damaged(wanted, file.name, "sha256", found, file.sha256)
        partial.replace(blob)


def _fetch_rest(wanted: Wanted, file: _RemoteFile, commit: str, partial: Path, progress: DownloadProgress) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    if partial.is_file() and partial.stat().st_size > file.size:
        partial.unlink()
    partial.touch()
    with partial.open("r+b") as target:
        start = target.seek(0, 2)
        http_get(
            hf_hub_url(wanted.id, file.name, revision=commit),
            target,
            resume_size=start,
            headers=build_hf_headers(),
            expected_size=file.size,
            displayed_filename=file.name,
            tqdm_class=progress.of_one_file,  # type: ignore[arg-type]
        )


@contextmanager
def _locked(wanted: Wanted, path: Path) -> Iterator[None]:
    """Hold the lock of a file: two processes that append to it would spoil it."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        wanted.announce(f"{wanted.id} is being fetched by another process: waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_small(wanted: Wanted, file: _RemoteFile, path: Path) -> None:
    """Compare a small file with the sum that git names it by; that of a large one was compared before it entered the cache."""
    if file.sha256 or not file.git_sha1:
        return
    content = path.read_bytes()
    found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if found != file.git_sha1:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise _damaged(wanted, file.name, "git sum", found, file.git_sha1)


def _damaged(wanted: Wanted, name: str, sum_name: str, found: str, stated: str) -> ModelNotAvailable:
    return ModelNotAvailable(
        f"The file {name} of {wanted.id} arrived damaged and was removed: its {sum_name} is {found[:16]}…, "
        f"the hub states {stated[:16]}….",
        f"Fetch it again: {wanted.install_command}. If it comes damaged once more, the mirror or proxy in between changes it.",
    )


def _check_code_elsewhere(wanted: Wanted, files: list[_RemoteFile], commit: str) -> None:
    """Refuse code in a repository that is not trusted before gigabytes are fetched: the configurations come first."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    configurations = [file for file in files if file.name.endswith(".json") and not file.sha256]
    with disable_progress_bars():
        names = [file.name for file in configurations]
        folder = Path(snapshot_download(wanted.id, revision=commit, allow_patterns=names))
    for file in configurations:
        _check_small(wanted, file, folder / file.name)
    check_code_elsewhere(folder, (*wanted.trusted_code, wanted.id))


def _fetch_code_from_elsewhere(wanted: Wanted, folder: Path) -> None:
    """Fetch the Python code that a model has in other repositories, each of them trusted by its name."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    for repository in check_code_elsewhere(folder, (*wanted.trusted_code, wanted.id)):
        wanted.announce(f"Downloading the code of {wanted.id}, which is in {repository}.")
        with _errors(replace(wanted, model_id=repository, row=None)), disable_progress_bars():
            snapshot_download(repository, allow_patterns=["*.py"])


@contextmanager
def _errors(wanted: Wanted) -> Iterator[None]:
    """Turn what huggingface_hub raises into one message each."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    try:
        yield
    except GatedRepoError as error:
        raise ModelNotAvailable(
            f"'{wanted.id}' is given only to those who have accepted its terms.",
            f"Accept them at https://huggingface.co/{wanted.id}, then run: hf auth login",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelNotAvailable(
            f"'{wanted.id}' is neither a folder with a config.json nor a model of the Hugging Face hub.",
            "Check the spelling, or run: rag-app models list",
        ) from error
    except (OSError, HfHubHTTPError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS):
            raise ModelNotAvailable(
                f"{wanted.id} could not be written to this machine: {error.strerror}.",
                "Make room, or set HF_HOME to another folder.",
            ) from error
        reason = f"the hub could not be reached ({constants.ENDPOINT}: {type(error).__name__})"
        raise wanted.not_available(constants.HF_HUB_CACHE, reason) from error
