"""What is said when a model cannot be loaded or fails while it writes: what happened, and the way on without a model.

This module knows nothing of how a model runs.
"""

from __future__ import annotations

from rag_app.errors import GenerationError, ModelError, first_line

WAY_OUT = "No model is needed by --generator quote: it answers with the passages' own sentences."

# torch has an error of its own for a GPU only; of a CPU's memory it says one of these.
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of the machine or of its GPU does not suffice."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def failed(name: str, error: BaseException) -> GenerationError:
    """Return the error for a model that failed while it wrote."""
    if is_out_of_memory(error):
        return GenerationError(
            f"{name} ran out of memory while writing: {first_line(error)}.",
            f"Use a smaller model (rag-app models list) or a smaller RAG_APP_ANSWERING__PASSAGE_TOKENS. {WAY_OUT}",
        )
    return GenerationError(f"{name} failed while writing: {first_line(error)}.", WAY_OUT)


def wrote_nothing(name: str) -> GenerationError:
    """Return the error for a model that ended its answer before the first word."""
    return GenerationError(f"{name} wrote nothing.", f"Ask in other words, or use another model. {WAY_OUT}")


def with_way_out(error: ModelError) -> ModelError:
    """Return the same error with the way to an answer without a model at the end of its remedy."""
    is_command = bool(error.remedy) and not error.remedy.endswith(".")
    # After a command it would be read, and copied, as a part of it.
    remedy = f"{WAY_OUT} {error.remedy}" if is_command else f"{error.remedy} {WAY_OUT}"
    return type(error)(error.found, remedy.strip())
