"""Every error a user can meet, in one tree.

    RagAppError                       exit 1
    ├── UsageError                    exit 2   what was asked for cannot be done as asked
    │   ├── QuestionError             empty, or too long
    │   ├── SourceError               a document source that is missing, empty or unreadable
    │   ├── KnowledgeBaseNameError    a name that is not a plain folder name
    │   └── ConfigurationError        rag.toml, the environment or a flag holds what is not allowed
    ├── KnowledgeBaseError            something about an index on disk
    │   ├── KnowledgeBaseNotFound     exit 2
    │   ├── KnowledgeBaseDamaged      a file is missing, cut or not what the manifest says
    │   ├── FormatVersionError        written by another version of the format
    │   ├── KnowledgeBaseEmpty        no vector to search
    │   ├── EmbedderMismatch          no vectors of this embedding model
    │   ├── ReadOnlyStore             a generation is never changed in place
    │   ├── StorageError              the disk is full, or cannot be read or written
    │   └── KnowledgeBaseBusy         exit 4   another build holds the lock
    ├── BuildError                    a build that was started as a child failed
    │   └── BuildCancelled            it was ended on request; nothing has changed
    ├── ModelError                    something about a model
    │   ├── ModelNotAvailable         neither on the machine nor to be had
    │   ├── ModelLoadError            there, but it cannot be loaded
    │   ├── EmbeddingError            vectors that are not finite or not of the promised shape
    │   ├── RerankingError            scores that are not finite, or a question that leaves no room for a passage
    │   └── GenerationError           the generator failed while answering
    │       └── GeneratorBusy         its turn did not come in time
    ├── PagePictureError              a page of a document that cannot be shown as a picture
    └── DocumentError                 one file; caught by the build, which puts it in the report
        └── SandboxError              the process that read it was killed at a limit, or crashed

The message of each says what was found and what was expected; `remedy` says what to run or change.
This module knows nothing of the rest of the project.
"""

from __future__ import annotations


class RagAppError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        found: what happened or was found, and what was expected.
        remedy: what the user can do, with the command where there is one.
    """

    exit_code = 1

    def __init__(self, found: str, remedy: str = "") -> None:
        """Keep both halves apart, so that a page can show them in two places."""
        super().__init__(found, remedy)
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        """One line: what happened, then what to do."""
        return f"{self.found} {self.remedy}".strip()


class UsageError(RagAppError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class QuestionError(UsageError):
    """A question that is empty or too long to be embedded whole."""


class SourceError(UsageError):
    """A document source that is missing, empty or unreadable."""


class KnowledgeBaseNameError(UsageError):
    """A knowledge base name that is not a plain folder name."""


class ConfigurationError(UsageError):
    """A setting with an unknown name or a value that is not allowed."""


class KnowledgeBaseError(RagAppError):
    """Something about a knowledge base on disk."""


class KnowledgeBaseNotFound(KnowledgeBaseError):
    """No knowledge base of that name."""

    exit_code = 2


class KnowledgeBaseDamaged(KnowledgeBaseError):
    """A file is missing, cut short or differs from what the manifest says."""


class FormatVersionError(KnowledgeBaseError):
    """Written in a version of the on-disk format that this program does not read."""


class KnowledgeBaseEmpty(KnowledgeBaseError):
    """There is no vector to search."""


class ReadOnlyStore(KnowledgeBaseError):
    """A published generation was to be changed in place."""


class StorageError(KnowledgeBaseError):
    """The disk is full, or a file or folder cannot be read or written by this user."""


class EmbedderMismatch(KnowledgeBaseError):
    """The knowledge base has no vectors of the embedding model that was asked for."""


class KnowledgeBaseBusy(KnowledgeBaseError):
    """Another build holds the lock of this knowledge base."""

    exit_code = 4


class BuildError(RagAppError):
    """A build that was started as a child failed."""


class BuildCancelled(BuildError):
    """A build that was ended because someone asked for it; what was live before still is."""


class ModelError(RagAppError):
    """Something about a model."""


class ModelNotAvailable(ModelError):
    """A model that is not on the machine and could not be fetched."""


class ModelLoadError(ModelError):
    """A model whose files are there, but which cannot be loaded."""


class EmbeddingError(ModelError):
    """Vectors that are not finite, or not of the promised shape; `row` is that of the text among those given, if one failed."""

    def __init__(self, found: str, remedy: str = "", *, row: int | None = None) -> None:
        """Say what happened, and to which text."""
        super().__init__(found, remedy)
        self.row = row


class RerankingError(ModelError):
    """Scores of a reranker that are not finite, or a question that leaves no room for a passage in its window."""


class GenerationError(ModelError):
    """The generator failed while writing an answer."""


class GeneratorBusy(GenerationError):
    """The generator wrote for others so long that the turn of this answer did not come in time."""


class PagePictureError(RagAppError):
    """A page of a document that cannot be shown as a picture; `problem` says in a word why (`rag_app.page_pictures`)."""

    def __init__(self, found: str, remedy: str = "", *, problem: str = "") -> None:
        """Say what happened, and in a word, by which a page says it in another language."""
        super().__init__(found, remedy)
        self.problem = problem


class DocumentError(RagAppError):
    """One document that cannot be read; the build goes on and reports it."""


class SandboxError(DocumentError):
    """The child process that read the document was killed at a limit, or crashed."""


def first_line(error: BaseException) -> str:
    """Return the first line of what any error says, without the full stop at its end; of one that says nothing, its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(". ")
