"""Prompt to text: a causal language model in this process, as a LlamaIndex `LLM`.

The chat template is applied once and its text is not given special tokens a second time; decoding is greedy; the format
is float32 on a CPU. Text is streamed, and closing the stream stops the model after the token it is at.
This module knows nothing of passages or citations.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, CompletionResponseGen, LLMMetadata
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback

from rag_app.config import HubName
from rag_app.errors import GenerationError, ModelLoadError
from rag_app.models.catalogue import GeneratorRow, load_catalogue
from rag_app.models.conversion import converted_folder
from rag_app.models.device import dtype_for, resolve_device
from rag_app.models.folder_safety import check_folder
from rag_app.models.hub import Announce, Origin, locate, quietly

if TYPE_CHECKING:
    import torch

# A model without a catalogue row and without a stated window gets this many tokens.
DEFAULT_CONTEXT_TOKENS = 4096


def load_generator(
    model_id: str | None,
    *,
    device: str,
    offline: bool,
    max_new_tokens: int,
    announce: Announce = quietly,
    hub: HubName = "huggingface",
) -> LocalGenerator:
    """Find and load a generator.

    Args:
        model_id: a Hugging Face id, a local folder, `bundled`, or None for the catalogue's default on this device.
        device: `auto`, `cpu`, `cuda` or `mps`.
        offline: never ask the hub.
        max_new_tokens: the longest answer, in the model's tokens.
        announce: told what is about to be downloaded or converted.
        hub: which one is asked.

    Raises:
        ModelNotAvailable: not on the machine, and not to be had.
        ModelLoadError: there, but it cannot be loaded.
    """
    device = resolve_device(device)
    catalogue = load_catalogue()
    chosen = model_id or catalogue.default_generator(on_gpu=device == "cuda").id
    row = catalogue.generator(chosen)
    files = locate(chosen, row, kind="generator", offline=offline, announce=announce, hub=hub)
    path = files.path
    if row is not None and row.gguf_file and files.origin is Origin.BUNDLED:
        path = converted_folder(row, path, announce=announce)
    name = row.id if row is not None else (str(path) if files.origin is Origin.FOLDER else chosen)
    return LocalGenerator(name, str(path), row=row, device=device, max_new_tokens=max_new_tokens)


class LocalGenerator(CustomLLM):
    """A causal language model run by transformers in this process. One answer at a time; others wait."""

    _name: str = PrivateAttr()
    _model: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _context_tokens: int = PrivateAttr()
    _max_new_tokens: int = PrivateAttr()
    _generating: threading.Lock = PrivateAttr()
    _tokenizing: threading.Lock = PrivateAttr()

    def __init__(self, name: str, path: str, *, row: GeneratorRow | None, device: str, max_new_tokens: int) -> None:
        """Load tokenizer and weights from the folder `path`.

        Raises:
            ModelLoadError: the folder does not hold a causal language model with a chat template, or would run code.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        super().__init__(callback_manager=CallbackManager([]))
        logging.disable_progress_bar()
        check_folder(Path(path), trusted=False)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            model = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, trust_remote_code=False, dtype=dtype_for(device, generating=True)
            )
        except Exception as error:  # damaged files raise what they like: SafetensorError is an Exception and no more
            raise ModelLoadError(
                f"The generator in {path} cannot be loaded: {_first_line(error)}",
                "Fetch it again, or choose another: rag-app models list",
            ) from error
        if not self._tokenizer.chat_template:
            raise ModelLoadError(
                f"The generator in {path} has no chat template: it was not trained to follow instructions.",
                "Use an instruction-tuned model, such as Qwen/Qwen2.5-1.5B-Instruct.",
            )
        self._model = model.to(device).eval()
        self._name = name
        stated = getattr(model.config, "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS
        self._context_tokens = min(stated, row.context_tokens) if row else stated
        self._max_new_tokens = max_new_tokens
        self._generating = threading.Lock()
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
            num_output=self._max_new_tokens,
            is_chat_model=True,
            model_name=self._name,
        )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """The texts that the tokenizer reads as one token with a meaning: ends of turns, roles, tools."""
        return tuple(str(token) for token in self._tokenizer.added_tokens_decoder.values() if token.special)

    def count_tokens(self, text: str) -> int:
        """Return how many of the model's tokens a text has, without special ones."""
        with self._tokenizing:
            return len(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        turns = [{"role": message.role.value, "content": message.content or ""} for message in messages]
        with self._tokenizing:
            # Templates without a thinking mode ignore the argument.
            return str(
                self._tokenizer.apply_chat_template(
                    turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
                )
            )

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Return the whole completion. `formatted`: the prompt has the template's special tokens already."""
        return CompletionResponse(text="".join(self._stream(prompt, formatted)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Yield the completion piece by piece; closing the generator stops the model."""
        pieces = self._stream(prompt, formatted)

        def responses() -> CompletionResponseGen:
            text = ""
            try:
                for piece in pieces:
                    text += piece
                    yield CompletionResponse(text=text, delta=piece)
            finally:
                pieces.close()

        return responses()

    def _stream(self, prompt: str, formatted: bool) -> Generator[str]:
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        with self._tokenizing:
            inputs = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not formatted, verbose=False).to(
                self._model.device
            )
        room = self._context_tokens - inputs["input_ids"].shape[1]
        if room < 1:
            raise GenerationError(
                f"The prompt has {inputs['input_ids'].shape[1]} tokens; {self._name} reads {self._context_tokens}.",
                "Ask with a smaller --top-k.",
            )
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        stop = threading.Event()
        failures: list[Exception] = []

        def run() -> None:
            try:
                self._model.generate(
                    **inputs,
                    streamer=streamer,
                    max_new_tokens=min(self._max_new_tokens, room),
                    do_sample=False,
                    temperature=None,  # a checkpoint may ship sampling settings; greedy decoding warns about them
                    top_p=None,
                    top_k=None,
                    pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                    stopping_criteria=StoppingCriteriaList([_StopWhenSet(stop)]),
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, the reader must not wait for ever: it is raised there
                failures.append(error)
            finally:
                streamer.end()

        with self._generating:
            worker = threading.Thread(target=run, name="generator", daemon=True)
            worker.start()
            try:
                yield from streamer
            finally:
                stop.set()
                worker.join()
        if failures:
            raise GenerationError(
                f"{self._name} failed while writing: {_first_line(failures[0])}.", "The passages found are still shown."
            ) from failures[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


class _StopWhenSet:
    """A transformers stopping criterion that looks at an event after every token."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        import torch

        return torch.full((input_ids.shape[0],), self._event.is_set(), device=input_ids.device)
