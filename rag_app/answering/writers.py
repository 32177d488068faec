"""What writes an answer from the passages that were found, piece by piece: here a generator, in `quoting.py` nobody.

A generator is any LlamaIndex `LLM`. What it writes is let through as plain text, without markers of passages that it was not
given; its citations are checked when it has ended. This module knows nothing of retrieval or screens.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from llama_index.core.llms import LLM

from rag_app.answering.citing.citations import cite, marked
from rag_app.answering.citing.claims import says_nothing_is_there
from rag_app.answering.citing.markers import MarkerFilter
from rag_app.answering.prompting.answer_text import MarkupFilter
from rag_app.answering.prompting.prompt import Budget, TokenCounter, build_prompt
from rag_app.config import AnsweringSettings
from rag_app.datatypes import Passage, Sentence
from rag_app.errors import GenerationError, RagAppError, first_line
from rag_app.text import sentence_spans, size_in_units

if TYPE_CHECKING:
    from rag_app.retrieval.second_stage import SentenceEmbedder

# Under these names a generator of ours says in a response how many answers are written before this one, and why it ended.
WAITING = "waiting"
FINISH_REASON = "finish_reason"
# As OpenAI's API calls the end at the limit of tokens, and as we call it where a model says the same again and again.
_CUT = ("length", "repetition")
# What a small generator is given, and how long it may go on: the prompt asks everyone for two sentences, and a small one goes
# on about whatever else it has read (docs/benchmarks.md, "Answers"). The tokens leave room for what stands around a passage.
_SMALL_PASSAGES = 1
_SMALL_PASSAGE_TOKENS = 400
_SMALL_SENTENCES = 2


@dataclass(frozen=True)
class Waiting:
    """Nothing new of the answer is written: the model reads, puts a follow-up in full words, or writes for others first.

    `place` answers are before this one. It comes several times a second, so that whoever follows can stop it at any
    time.
    """

    place: int


@dataclass(frozen=True)
class Written:
    """Some more text is written."""

    text: str


@dataclass(frozen=True)
class Draft:
    """What was written. `prompt` names the prompt it was asked with; `is_cut` is true where it did not end by itself.

    `by` is who wrote it where that is not the writer that was asked.
    """

    text: str
    sentences: tuple[Sentence, ...]
    prompt: str | None = None
    is_cut: bool = False
    by: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether it says that the passages do not answer the question, and nothing more; what is cited says more."""
        claims_nothing = all(sentence.supported and not sentence.citations for sentence in self.sentences)
        return claims_nothing and any(says_nothing_is_there(sentence.text) for sentence in self.sentences)


Writing = Generator[Waiting | Written, None, Draft]


class Writer(Protocol):
    """What writes answers."""

    @property
    def name(self) -> str:
        """The name that is recorded with the answer."""
        ...

    @property
    def llm(self) -> LLM | None:
        """The generator, where there is one."""
        ...

    def budget(self, question: str) -> Budget | None:
        """Return what it can be given for a question; None where passages are used as they were found."""
        ...

    def write(self, question: str, passages: Sequence[Passage]) -> Writing:
        """Yield the answer as it is written, and return it whole; closing stops it.

        Raises:
            GenerationError: it failed.
        """
        ...


class GeneratorWriter:
    """Writes with a generator."""

    def __init__(self, llm: LLM, answering: AnsweringSettings, embedder: SentenceEmbedder | None = None) -> None:
        """Take the generator, and what tells by vectors which sentence of a passage supports one of the answer."""
        self.llm: LLM = llm
        self._answering = answering
        self._embedder = embedder
        self._is_small: bool = getattr(llm, "is_small", False)

    @property
    def name(self) -> str:
        """The generator's name."""
        return str(self.llm.metadata.model_name)

    def budget(self, question: str) -> Budget:
        """Return what the generator can be given, in its own tokens."""
        window, passage_tokens = self.llm.metadata.context_window, self._answering.passage_tokens
        return Budget(
            _token_counter(self.llm),
            passage_tokens=min(passage_tokens, _SMALL_PASSAGE_TOKENS) if self._is_small else passage_tokens,
            window=window - min(self._answering.max_new_tokens, window // 2),
            special_tokens=getattr(self.llm, "special_tokens", ()),
        )

    def write(self, question: str, passages: Sequence[Passage]) -> Writing:
        """Yield the answer as the generator writes it; its citations are computed at the end.

        Raises:
            GenerationError: the generator failed, or no passage fits beside the question.
        """
        budget = self.budget(question)
        given = passages[:_SMALL_PASSAGES] if self._is_small else passages
        prompt = build_prompt(question, given, budget)
        plain = MarkupFilter(prompt.passages, prompt.delimiter, budget.special_tokens)
        shown = MarkerFilter(prompt.passages)
        text, reason = "", None
        stream = None
        try:
            stream = self.llm.stream_chat(prompt.messages)
            for response in stream:
                told = response.message.additional_kwargs
                reason = told.get(FINISH_REASON, reason)
                if WAITING in told:
                    yield Waiting(told[WAITING])
                if piece := plain.feed(shown.feed(response.delta or "")):
                    before, text = len(text), text + piece
                    end = _end_of_sentence(text, _SMALL_SENTENCES) if self._is_small else None
                    text = text[:end]
                    yield Written(text[before:])
                    if end is not None:
                        break
            else:
                if piece := plain.feed(shown.finish()) + plain.finish():
                    text += piece
                    yield Written(piece)
        except RagAppError:
            raise
        except Exception as error:  # any LlamaIndex LLM may be plugged in; its reader gets a sentence all the same
            raise GenerationError(
                f"{self.name} failed while writing: {first_line(error)}.", "The passages found are still shown."
            ) from error
        finally:
            if stream is not None:
                stream.close()
        text = text.strip()
        sentences = cite(text, prompt.passages, self._embedder, question)
        # Signs that stood apart may have come together where a marker was taken out, or put in.
        clean = tuple(replace(sentence, text=plain.whole(sentence.text)) for sentence in sentences)
        return Draft(plain.whole(marked(text, prompt.passages, sentences)), clean, prompt.name, is_cut=reason in _CUT)


def _end_of_sentence(text: str, count: int) -> int | None:
    """Return where a text's sentence of this number ends; None while none has begun after it."""
    ends = [end for _, end in islice(sentence_spans(text), count + 1)]
    return ends[count - 1] if len(ends) > count else None


def _token_counter(llm: LLM) -> TokenCounter:
    """Return the generator's own counter; for another LlamaIndex LLM the model-free unit, which counts high."""
    counter: TokenCounter = getattr(llm, "count_tokens", size_in_units)
    return counter
