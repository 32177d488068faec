"""Names and places on disk, CURRENT, and the manifest: what a generation is and how it proves it.

    indexes/<name>/
      CURRENT                    name of the live generation, then the sha256 of its manifest; replaced, never edited
      .writer.lock               flock of the one build at a time; the kernel frees it, also on kill -9
      gen-00000007/              immutable once renamed into place
        manifest.json            written last; it has its own sum, and the size and sha256 of every other file
        chunks.sqlite            documents, chunks and all their places, boxes of PDF text
        keywords/                BM25
        vectors/<model>-<fingerprint>/   vectors.faiss, rows.npy, fingerprint.json, null.json (what scores are worth)
        report.json              every input file and what became of it
      sources/upload-<number>/   files that were uploaded
      calibration/               what labelled questions have shown of the scores; the only thing written beside a generation
      cache/embeddings.sqlite    vectors by fingerprint, prompt and text
      cache/outcomes.sqlite      what came of comparisons' questions, passages and answers included
      .build-*                   a build under way, or the rest of a killed one; never read

This module knows nothing of what is inside the files of a generation, and changes nothing on disk.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rag_app.datatypes import Fingerprint, IndexDescription, IndexKind, VectorCode
from rag_app.errors import (
    FormatVersionError,
    KnowledgeBaseDamaged,
    KnowledgeBaseError,
    KnowledgeBaseNameError,
    KnowledgeBaseNotFound,
    StorageError,
)
from rag_app.store.files import FileSum, file_sum

FORMAT_VERSION = 5
CURRENT = "CURRENT"
MANIFEST = "manifest.json"
CHUNKS = "chunks.sqlite"
KEYWORDS = "keywords"
VECTORS = "vectors"
NULL_SCORES = "null.json"
REPORT = "report.json"
SOURCES = "sources"
CALIBRATION = "calibration"
CACHE = "cache"
OUTCOMES = "outcomes.sqlite"
APPLICATION_FOLDER = ".app"  # what the app keeps beside the knowledge bases
WRITER_LOCK = ".writer.lock"
BUILD_PREFIX = ".build-"

# Letters of any script, digits, and - _ . inside: `手册`, `helpdesk-2025`. No separators, no leading dot.
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_GENERATION = re.compile(r"gen-(\d{8})")
_CURRENT = re.compile(r"(gen-\d{8})\n([0-9a-f]{64})\n")


@dataclass(frozen=True)
class Source:
    """A file or folder that documents come from: its name in document paths, and where it is."""

    name: str
    path: str


@dataclass(frozen=True)
class Exclusion:
    """A document that was purged, by its path: it stays out, under whatever name its file is found, until that is named.

    `file` is where its file lies, a name that is no Unicode written as in `path`; `record` is its name there, empty for a whole
    file.
    """

    path: str
    file: str
    record: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a generation is.

    `excluded` are the documents that were purged. `parsing` holds whatever decides how files become chunks; equal means nothing
    to redo. `memory_gb` is what the vectors of a model may take in memory, None for no limit. `languages` counts documents by
    language and script: `{"zh-Hans": 12, "en-Latn": 10}`. `vectors` describes the index of each model by the digest of its
    fingerprint, `terms` its licence likewise; `libraries` are those that wrote the files. Generations before `oldest_kept` are
    removed.
    """

    format_version: int
    generation: str
    oldest_kept: str
    created_at: str
    app_version: str
    libraries: dict[str, str]
    sources: tuple[Source, ...]
    excluded: tuple[Exclusion, ...]
    parsing: dict[str, Any]
    memory_gb: float | None
    counts: dict[str, int]
    languages: dict[str, int]
    models: tuple[Fingerprint, ...]
    vectors: dict[str, IndexDescription]
    terms: dict[str, str]
    files: dict[str, FileSum]

    def to_json(self) -> str:
        """Return the text of manifest.json: the fields, and a sum over them by which it proves itself."""
        values = asdict(self)
        return _json(values | {"sum": _sum(values)})

    @classmethod
    def from_json(cls, content: bytes, where: Path, *, may_be_older: bool = False) -> Manifest:
        """Read a manifest.json and check that it is as it was written.

        Args:
            content: of the file.
            where: its path.
            may_be_older: take one of an older format, too, where it has the fields of this one.

        Raises:
            FormatVersionError: another format version.
            KnowledgeBaseDamaged: not a manifest, or one that was changed.
        """
        remedy = rebuild_command(where.parent.parent)
        try:
            values = json.loads(content)
            version = values["format_version"]
            is_older = isinstance(version, int) and version < FORMAT_VERSION
            if version != FORMAT_VERSION and not (may_be_older and is_older):
                raise _other_version(where, version)
            values.pop("sum")
            manifest = cls(
                **values
                | {
                    "sources": tuple(Source(**source) for source in values["sources"]),
                    "excluded": tuple(Exclusion(**entry) for entry in values["excluded"]),
                    "models": tuple(Fingerprint(**model) for model in values["models"]),
                    "vectors": {digest: _description(entry) for digest, entry in values["vectors"].items()},
                    "files": {name: FileSum(**entry) for name, entry in values["files"].items()},
                }
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise KnowledgeBaseDamaged(f"{where} is not a manifest ({error}).", remedy) from error
        if manifest.to_json().encode() != content:
            raise KnowledgeBaseDamaged(f"{where} is damaged: its sum is not that of its content.", remedy)
        return manifest


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _sum(values: dict[str, Any]) -> str:
    return hashlib.sha256(_json(values).encode()).hexdigest()


def _description(values: dict[str, Any]) -> IndexDescription:
    kind, code, libraries = IndexKind(values["kind"]), VectorCode(values["code"]), tuple(values["libraries"])
    return IndexDescription(**values | {"kind": kind, "code": code, "libraries": libraries})


def _other_version(where: Path, version: object) -> FormatVersionError:
    if isinstance(version, int) and version > FORMAT_VERSION:
        return FormatVersionError(
            f"{where} was made by a newer version of rag-app: its format is {version}, this program reads {FORMAT_VERSION}.",
            "Use a newer version of rag-app.",
        )
    return FormatVersionError(
        f"{where} is in format version {version}; this program reads version {FORMAT_VERSION}.",
        "Use the version of rag-app that made it, or rebuild the knowledge base: "
        f"python -m ingest --kb {where.parent.parent.name} --rebuild",
    )


def rebuild_command(base: Path) -> str:
    """Return the sentence that says how a damaged knowledge base is repaired."""
    return f"Rebuild the knowledge base: python -m ingest --kb {base.name} --rebuild"


def build_command(base: Path) -> str:
    """Return the sentence that says how a damaged CURRENT is put right."""
    return f"The next build puts it right: python -m ingest --kb {base.name}"


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not name.endswith(".")


def checked_name(name: str) -> str:
    """Return the name of a knowledge base if it is a plain folder name.

    Raises:
        KnowledgeBaseNameError: it is not.
    """
    if not _is_name(name):
        raise KnowledgeBaseNameError(
            f"'{name[:80]}' cannot name a knowledge base: expected up to 64 letters, digits, '-', '_' or '.', "
            "beginning with a letter or digit.",
            "Choose a plain name: --kb handbook",
        )
    return name


def proposed_name(text: str, taken: Iterable[str]) -> str:
    """Return a name for a knowledge base made from that of a file or folder, one that is not taken yet."""
    words = re.sub(r"[^\w.-]+", "-", text).strip("-_.")[:48].rstrip("-_.")
    name = words if _is_name(words) else "documents"
    free, number, taken = name, 2, set(taken)
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def vectors_folder(generation: Path, fingerprint: Fingerprint) -> Path:
    """Return the folder of one model's vectors inside a generation."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", Path(fingerprint.model).name).strip("-").lower()[:40]
    return generation / VECTORS / f"{slug}-{fingerprint.digest}"


def knowledge_base_names(indexes: Path) -> list[str]:
    """Return the names of all knowledge bases below the index root, sorted; also of those whose CURRENT is gone."""
    if not indexes.is_dir():
        return []
    return sorted(path.name for path in indexes.iterdir() if _is_name(path.name) and _is_base(path))


def _is_base(path: Path) -> bool:
    try:
        return (path / CURRENT).is_file() or bool(generations(path))
    except (PermissionError, StorageError):  # that of another user, most likely: who opens it is told so
        return True


def is_of_a_base(base: Path) -> bool:
    """Whether a folder is that of a knowledge base, or what a first build that failed has left of one."""
    return _is_base(base) or any((base / name).exists() for name in (CURRENT, WRITER_LOCK))


def holds_something_else(base: Path) -> bool:
    """Whether a folder is not that of a knowledge base, and a build would write among things that are not its own.

    After a power cut the lock's file may be gone, and what was written beside it be there.
    """
    if not base.is_dir() or is_of_a_base(base):
        return False
    own = (CACHE, SOURCES)
    return any(path.name not in own and not path.name.startswith(BUILD_PREFIX) for path in base.iterdir())


def generations(base: Path) -> list[Path]:
    """Return the folders of the generations that are there, oldest first; none where the base is gone.

    Raises:
        StorageError: the base is not readable.
    """
    try:
        return sorted(path for path in base.iterdir() if _GENERATION.fullmatch(path.name) and path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise _unreadable(base, error, base) from error


def generation_name(number: int) -> str:
    """Return the name of a generation by its number."""
    return f"gen-{number:08d}"


def generation_number(name: str) -> int:
    """Return the number of a generation by its name."""
    return int(name.removeprefix("gen-"))


def current_text(manifest: Manifest) -> str:
    """Return what CURRENT says where this manifest's generation is the live one."""
    return f"{manifest.generation}\n{hashlib.sha256(manifest.to_json().encode()).hexdigest()}\n"


def read_current(base: Path) -> tuple[Path, str]:
    """Return the folder of the live generation and the sha256 its manifest must have.

    Raises:
        KnowledgeBaseNotFound: nothing was ever published there.
        KnowledgeBaseDamaged: CURRENT is gone or does not name a generation that is there.
        StorageError: the base is not readable.
    """
    path = base / CURRENT
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if generations(base):
            raise KnowledgeBaseDamaged(f"{path} is missing.", build_command(base)) from error
        raise _not_found(base) from error
    except OSError as error:
        raise _unreadable(path, error, base) from error
    found = _CURRENT.fullmatch(content.decode("ascii", "replace"))
    if found is None or not (base / found[1]).is_dir():
        raise KnowledgeBaseDamaged(f"{path} names no generation that is there.", build_command(base))
    return base / found[1], found[2]


def _unreadable(path: Path, error: OSError, base: Path) -> KnowledgeBaseError:
    """Return what is said of a file or folder of a base that cannot be read: it may be damaged, or only not be ours to read."""
    found = f"{path} cannot be read: {error.strerror}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return StorageError(
            found,
            f"Make it readable: chmod -R u+rX {base}; if it belongs to another user, ask that user, "
            "or choose another index root: --indexes FOLDER",
        )
    return KnowledgeBaseDamaged(found, rebuild_command(base))


def _not_found(base: Path) -> KnowledgeBaseNotFound:
    return KnowledgeBaseNotFound(
        said_of_missing(base),
        f"Name one of those, or build it: python -m ingest FOLDER --kb {base.name}"
        if knowledge_base_names(base.parent)
        else f"Build it: python -m ingest FOLDER --kb {base.name}",
    )


def said_of_missing(base: Path) -> str:
    """Return the sentence that says that there is no such knowledge base, and which there are."""
    if known := knowledge_base_names(base.parent):
        return f"There is no knowledge base '{base.name}' in {base.parent}; there are: {', '.join(known)}."
    return f"There is no knowledge base '{base.name}' in {base.parent}, nor any other."


def read_manifest(generation: Path, sha256: str | None = None) -> Manifest:
    """Return the manifest of a generation after checking its sums and the size of every file it lists.

    Args:
        generation: its folder.
        sha256: what CURRENT says of the manifest; None for a generation that is not the live one.

    Raises:
        KnowledgeBaseDamaged: a file is missing or differs, by name.
        FormatVersionError: another format version.
        StorageError: a file is not readable.
    """
    path = generation / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, generation.parent) from error
    manifest = Manifest.from_json(content, path)
    if manifest.generation != generation.name:
        raise KnowledgeBaseDamaged(f"{path} is that of {manifest.generation}.", rebuild_command(path.parent.parent))
    if (
        sha256 is not None and hashlib.sha256(content).hexdigest() != sha256
    ):  # the manifest proves itself: it is CURRENT
        current = path.parent.parent / CURRENT
        raise KnowledgeBaseDamaged(
            f"{current} is damaged: its sum is not that of {path}.", build_command(path.parent.parent)
        )
    check_sizes(generation, manifest)
    return manifest


def check_sizes(generation: Path, manifest: Manifest) -> None:
    """Check that every file of a generation is there and has the size it was written with.

    Raises:
        KnowledgeBaseDamaged: the first that has not, by name.
        StorageError: the first that is in a folder that is not readable.
    """
    for name, entry in manifest.files.items():
        file = generation / name
        try:
            found = file.stat().st_size if file.is_file() else None
        except OSError as error:
            raise _unreadable(file, error, generation.parent) from error
        if found is None:
            raise KnowledgeBaseDamaged(f"{file} is missing.", rebuild_command(generation.parent))
        if found != entry.bytes:
            raise KnowledgeBaseDamaged(
                f"{file} is damaged: {found} bytes instead of {entry.bytes}.", rebuild_command(generation.parent)
            )


def check_sums(generation: Path, manifest: Manifest) -> None:
    """Read every file of a generation and check that it is as it was written.

    Raises:
        KnowledgeBaseDamaged: the first that is not, by name.
    """
    for name in manifest.files:
        if problem := file_problem(generation, manifest, name):
            raise KnowledgeBaseDamaged(problem, rebuild_command(generation.parent))


def file_problem(generation: Path, manifest: Manifest, name: str) -> str:
    """Return what is wrong with one file of a generation, after reading all of it; an empty string for nothing."""
    file = generation / name
    try:
        found = file_sum(file)
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}."
    expected = manifest.files[name]
    if found.bytes != expected.bytes:
        return f"{file} is damaged: {found.bytes} bytes instead of {expected.bytes}."
    return "" if found == expected else f"{file} is damaged: its sum is not the one in the manifest."


def whole_manifest(base: Path, *, may_be_older: bool = False) -> Manifest | None:
    """Return the newest manifest that is whole itself, whatever has become of the files it lists; else None.

    Args:
        base: the folder of the knowledge base.
        may_be_older: take one of an older format as well: what a base was made of is told by it.

    Raises:
        StorageError: the base is not readable.
    """
    try:
        candidates = [read_current(base)[0]]
    except KnowledgeBaseError:
        candidates = []
    candidates += reversed(generations(base))
    for generation in candidates:
        try:
            path = generation / MANIFEST
            return Manifest.from_json(path.read_bytes(), path, may_be_older=may_be_older)
        except (KnowledgeBaseError, OSError):
            continue
    return None
