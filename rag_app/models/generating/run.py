"""One run of a causal language model: tokens in, text out, stopped between two forward passes.

The prompt is read in pieces, so that no pass takes long. Drawing tokens uses random numbers of its own: what else this process
draws changes no answer. This module knows nothing of prompts, queues or LlamaIndex.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag_app.models.generating.text import GrowingText, RepetitionWatch

if TYPE_CHECKING:
    import torch

# Why an answer ended: by itself, at the limit of tokens (both as OpenAI's API calls it), or because the model repeated itself.
STOP, LENGTH, REPETITION = "stop", "length", "repetition"
# So many tokens of a prompt are read in one forward pass; between two of them the model can be stopped.
_PIECE_TOKENS = 256


@dataclass(frozen=True)
class Task:
    """What a model is to do. `temperature` 0: the likeliest token each time, else tokens are drawn, from `seed` on."""

    input_ids: torch.Tensor
    max_new_tokens: int
    temperature: float
    seed: int
    pad_token_id: int | None


class Stopped(Exception):
    """The run was told to stop."""


class _Repeats(Exception):
    """The model says the same again and again."""


def run(
    model: Any,
    decode: Callable[[Sequence[int]], str],
    task: Task,
    put: Callable[[str], None],
    stop: threading.Event,
) -> str:
    """Let a model write, and return why it ended. The model belongs to the caller until then.

    Args:
        model: a causal language model of transformers.
        decode: makes text of tokens, without special ones.
        task: what it is given.
        put: told each piece of text; the pieces join to what `decode` makes of all tokens at once.
        stop: looked at before each forward pass.

    Raises:
        Stopped: `stop` was set.
        Exception: whatever the model raises.
    """

    def check(*_: object) -> None:
        if stop.is_set():
            raise Stopped

    streamer = _Streamer(GrowingText(decode), put)
    hook = model.register_forward_pre_hook(check)
    try:
        model.generate(input_ids=task.input_ids, streamer=streamer, **_options(model, task))
    except _Repeats:
        return REPETITION
    finally:
        hook.remove()
        streamer.finish()
    ends = model.generation_config.eos_token_id
    is_whole = streamer.last in (ends if isinstance(ends, list) else [ends])
    return LENGTH if streamer.count >= task.max_new_tokens and not is_whole else STOP


def _options(model: Any, task: Task) -> dict[str, Any]:
    import torch

    from rag_app.models.generating.key_value_cache import cache_for

    options: dict[str, Any] = {
        "attention_mask": torch.ones_like(task.input_ids),
        "max_new_tokens": task.max_new_tokens,
        "pad_token_id": task.pad_token_id,
        # A checkpoint may ship settings for sampling, about which greedy decoding warns, or for several answers at once.
        "do_sample": False,
        "num_beams": 1,
        "temperature": None,
        "top_p": None,
        "top_k": None,
    }
    if task.temperature > 0:
        options["logits_processor"] = [_Draw(task.temperature, task.seed)]
    if "past_key_values" in inspect.signature(model.forward).parameters:
        cache = cache_for(model, task.input_ids.shape[1] + task.max_new_tokens)
        options |= {"use_cache": True, "past_key_values": cache, "prefill_chunk_size": _PIECE_TOKENS}
    return options


class _Streamer:
    """What transformers tells the tokens to, one by one; at first it tells the prompt."""

    def __init__(self, text: GrowingText, put: Callable[[str], None]) -> None:
        self._text = text
        self._put = put
        self._watch = RepetitionWatch()
        self._has_prompt = False
        self.count = 0
        self.last = -1

    def put(self, tokens: torch.Tensor) -> None:
        if not self._has_prompt:
            self._has_prompt = True
            return
        for token in tokens.tolist():
            self.count, self.last = self.count + 1, token
            self._show(self._watch.add(token))
            if self._watch.is_repeating:
                raise _Repeats

    def end(self) -> None:
        """Nothing: the end is where `run` ends, also after an error."""

    def finish(self) -> None:
        self._show(self._watch.finish())
        if rest := self._text.finish():
            self._put(rest)

    def _show(self, tokens: list[int]) -> None:
        for token in tokens:
            if piece := self._text.add(token):
                self._put(piece)


class _Draw:
    """A logits processor that makes the likeliest token a drawn one: to the logits it adds Gumbel noise of its own."""

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        self._seed = seed
        self._random: torch.Generator | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        if self._random is None:
            self._random = torch.Generator(device=scores.device).manual_seed(self._seed)
        noise = torch.empty_like(scores).exponential_(generator=self._random).log()
        return scores / self._temperature - noise
