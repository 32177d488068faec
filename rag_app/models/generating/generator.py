"""Prompt to text: a causal language model in this process, as a LlamaIndex `LLM`.

The chat template is applied once and its text is not given special tokens a second time; decoding is greedy unless a
temperature is set; the format is float32 on a CPU. One answer is written at a time, in the order of asking. Text is streamed;
closing the stream returns at once, and the model is free for the next after the forward pass it is at.
This module knows nothing of passages or citations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.errors import GenerationError, ModelError
from rag_app.language import language_of
from rag_app.models.catalogue import GeneratorRow, load_catalogue
from rag_app.models.conversion import converted_folder, converted_gguf, gguf_file_of
from rag_app.models.device import resolve_device
from rag_app.models.embedder_spec import SERVED
from rag_app.models.generating.background import in_background
from rag_app.models.generating.failures import WAY_OUT, failed, with_way_out, wrote_nothing
from rag_app.models.generating.loading import load_weights, stated_context_tokens
from rag_app.models.generating.run import Stopped, Task, run
from rag_app.models.generating.served import ServedGenerator, load_served_generator
from rag_app.models.generating.waiting_line import GenerationQueue, QueuedAnswer
from rag_app.models.hub import Announce, Origin, locate, quietly
from rag_app.models.model_folder import files_stamp

# With fewer parameters a model is small: asked to put a question in other words it answers it instead, and given several
# passages it wanders from one to the next.
SMALL_MILLIONS = 1000


def load_generator(
    model_id: str | None,
    *,
    device: str,
    offline: bool,
    answering: AnsweringSettings,
    models: ModelSettings,
    announce: Announce = quietly,
) -> LocalGenerator | ServedGenerator:
    """Find and load a generator.

    Args:
        model_id: a Hugging Face id, a local folder, a GGUF file, `bundled`, `served:NAME` for one that the configured server
            runs, or None for the catalogue's default on this device.
        device: `auto`, `cpu`, `cuda` or `mps`.
        offline: never ask the hub.
        answering: the longest answer, how tokens are chosen, how long an answer may wait for others.
        models: which hub is asked; which server.
        announce: told what is about to be downloaded or converted.

    Raises:
        ModelNotAvailable: not on the machine, and not to be had; a server that does not answer.
        ModelLoadError: there, but it cannot be loaded.
        ConfigurationError: a device that is not there; no server configured.
    """
    try:
        if model_id is not None and model_id.startswith(SERVED):
            return load_served_generator(model_id.removeprefix(SERVED), answering, models)
        device = resolve_device(device)
        found = _find(model_id, device, offline=offline, models=models, announce=announce)
        return LocalGenerator(found.name, str(found.path), row=found.row, device=device, answering=answering)
    except ModelError as error:
        raise with_way_out(error) from error


@dataclass(frozen=True)
class _Found:
    name: str
    path: Path
    row: GeneratorRow | None


def _find(model_id: str | None, device: str, *, offline: bool, models: ModelSettings, announce: Announce) -> _Found:
    """Find the folder of a generator, fetching or converting it first where that is needed."""
    catalogue = load_catalogue()
    chosen = model_id or catalogue.default_generator(on_gpu=device == "cuda").id
    gguf_file = gguf_file_of(chosen)
    if gguf_file is not None:
        return _Found(str(gguf_file), converted_gguf(gguf_file, announce=announce), None)
    row = catalogue.generator(chosen)
    files = locate(chosen, row, kind="generator", offline=offline, announce=announce, hub=models.hub)
    path = files.path
    if row is not None and row.gguf_file and files.origin is Origin.BUNDLED:
        path = converted_folder(row, path, announce=announce)
    name = row.id if row is not None else (str(path) if files.origin is Origin.FOLDER else chosen)
    return _Found(name, path, row)


class LocalGenerator(CustomLLM):
    """A causal language model run by transformers in this process.

    Its streamed responses say in `additional_kwargs` how many answers are before this one (`waiting`) whenever that changes,
    and also, with an empty `delta`, whenever nothing new is written for a quarter of a second: then whoever reads can stop it.
    The last one says why it ended (`finish_reason`): `stop`, `length`, `repetition`.
    """

    _name: str = PrivateAttr()
    _files_stamp: str = PrivateAttr()
    _model: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _context_tokens: int = PrivateAttr()
    _is_small: bool = PrivateAttr()
    _row: GeneratorRow | None = PrivateAttr()
    _answering: AnsweringSettings = PrivateAttr()
    _queue: GenerationQueue = PrivateAttr()
    _tokenizing: threading.Lock = PrivateAttr()

    def __init__(
        self, name: str, path: str, *, row: GeneratorRow | None, device: str, answering: AnsweringSettings
    ) -> None:
        """Load tokenizer and weights from the folder `path`.

        Raises:
            ModelLoadError: the folder does not hold a causal language model with a chat template, or would run code.
        """
        super().__init__(callback_manager=CallbackManager([]))
        self._files_stamp = files_stamp(Path(path))  # first: of files that change meanwhile the old ones are then named
        self._tokenizer, self._model = load_weights(Path(path), device)
        self._name = name
        stated = stated_context_tokens(self._model)
        self._context_tokens = min(stated, row.context_tokens) if row else stated
        millions = row.parameters_millions if row else self._model.num_parameters() / 1e6
        self._is_small = millions < SMALL_MILLIONS
        self._row = row
        self._answering = answering
        self._queue = GenerationQueue()
        self._tokenizing = threading.Lock()
        self.messages_to_prompt = self._apply_chat_template

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex serialises the class under."""
        return "LocalGenerator"

    @property
    def metadata(self) -> LLMMetadata:
        """Name, window and longest answer, for LlamaIndex."""
        return LLMMetadata(
            context_window=self._context_tokens,
            num_output=self._answering.max_new_tokens,
            is_chat_model=True,
            model_name=self._name,
        )

    @property
    def files_stamp(self) -> str:
        """What tells its files, as they were when it was loaded, from others of the same name."""
        return self._files_stamp

    @property
    def is_small(self) -> bool:
        """Whether it has too few parameters to put a question in other words, or to choose among passages."""
        return self._is_small

    def is_made_for(self, text: str) -> bool:
        """Whether it was made for the language that a text is in, as far as the catalogue and the text say."""
        language = language_of(text)
        return self._row is None or self._row.covers(language.code, language.script)

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The texts that the tokenizer reads as one token with a meaning: ends of turns, roles, tools."""
        return tuple(str(token) for token in self._tokenizer.added_tokens_decoder.values() if token.special)

    def count_tokens(self, text: str) -> int:
        """Return how many of the model's tokens a text has, without special ones."""
        with self._tokenizing:
            return len(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        from jinja2 import TemplateError

        turns = [{"role": message.role.value, "content": message.content or ""} for message in messages]
        with self._tokenizing:
            try:
                try:
                    return self._rendered(turns)
                except TemplateError:  # some know no system message
                    return self._rendered(_system_in_question(turns))
            except TemplateError as error:
                raise failed(self._name, error) from error

    def _rendered(self, turns: Sequence[dict[str, str]]) -> str:
        # Templates without a thinking mode ignore the last argument.
        return str(
            self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
        )

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the whole completion; the arguments are those of `stream_complete`.

        Raises:
            GenerationError: as `stream_complete`.
        """
        *_, last = self._responses(prompt, formatted, **kwargs)
        return last

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Yield the completion piece by piece; closing the generator stops the model.

        Args:
            prompt: what is to be continued.
            formatted: the prompt has the template's special tokens already.
            **kwargs: `max_new_tokens`, where it is not that of the settings; others are for other LLMs.

        Raises:
            GenerationError: the prompt is too long, others were not done in time, or the model failed or wrote nothing.
        """
        return self._responses(prompt, formatted, **kwargs)

    def _responses(
        self, prompt: str, formatted: bool, max_new_tokens: int | None = None, **_: Any
    ) -> Generator[CompletionResponse]:
        task = self._task(prompt, formatted, max_new_tokens or self._answering.max_new_tokens)
        job = QueuedAnswer(self._queue, self._answering.wait_seconds, partial(self._write, task))
        text = ""
        with closing(in_background(job.work, job.interrupt)) as pieces:
            for piece in pieces:
                delta = piece if isinstance(piece, str) else ""
                text += delta
                told = {} if delta else {"waiting": job.place}
                yield CompletionResponse(text=text, delta=delta, additional_kwargs=told)
        if not text.strip():
            raise wrote_nothing(self._name)
        yield CompletionResponse(text=text, delta="", additional_kwargs={"finish_reason": job.finish_reason})

    def _write(self, task: Task, put: Callable[[str], None], stop: threading.Event) -> str:
        """Write in the thread of the job, and return why it ended."""
        try:
            return run(self._model, self._decode, task, put, stop)
        except Stopped:
            return ""
        except Exception as error:
            error.__traceback__ = None  # its frames hold the tensors of the failed answer, as long as anybody holds it
            raise failed(self._name, error) from error

    def _decode(self, tokens: Sequence[int]) -> str:
        with self._tokenizing:
            return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def _task(self, prompt: str, formatted: bool, max_new_tokens: int) -> Task:
        with self._tokenizing:
            encoded = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not formatted, verbose=False)
        input_ids = encoded["input_ids"].to(self._model.device)
        room = self._context_tokens - input_ids.shape[1]
        if room < 1:
            raise GenerationError(
                f"The prompt has {input_ids.shape[1]} tokens; {self._name} reads {self._context_tokens}.",
                f"Ask with a smaller --top-k, or use a model that reads more. {WAY_OUT}",
            )
        pad, end = self._tokenizer.pad_token_id, self._tokenizer.eos_token_id
        return Task(
            input_ids,
            max_new_tokens=min(max_new_tokens, room),
            temperature=self._answering.temperature,
            seed=self._answering.seed,
            pad_token_id=pad if pad is not None else end,
        )


def _system_in_question(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the turns with what the system says put before the first question."""
    system = [turn["content"] for turn in turns if turn["role"] == "system"]
    first, *rest = [turn for turn in turns if turn["role"] != "system"] or [{"role": "user", "content": ""}]
    return [{**first, "content": "\n\n".join([*system, first["content"]])}, *rest]
