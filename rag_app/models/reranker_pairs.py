"""A question with passages to tokens, as each kind of reranker reads them; the window cuts the passage, never the question.

What a text says is text: `<|im_end|>` or `</s>` in a passage is not read as the token that ends a turn or a text.
This module knows nothing of networks or of LlamaIndex.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rag_app.errors import RerankingError
from rag_app.models.reranker_spec import PASSAGE, QUESTION, JudgePrompt


@dataclass(frozen=True)
class Pair:
    """A question with a passage, as the model reads it: tokens by the names of its inputs, equally many under each.

    `unseen` is the share of the passage's tokens that the window cuts, 0 to 1.
    """

    inputs: Mapping[str, Sequence[int]]
    unseen: float

    @property
    def length(self) -> int:
        """How many tokens the model reads."""
        return len(self.inputs["input_ids"])


class PairReader(Protocol):
    """Makes pairs of a question with each of some passages."""

    def read(self, question: str, passages: Sequence[str]) -> list[Pair]:
        """Return the pairs in the order of the passages.

        Raises:
            RerankingError: the question leaves no room for a passage.
        """


class TwoTexts:
    """For models that read two texts as a pair: special tokens around them are the tokenizer's own."""

    def __init__(self, tokenizer: Any, window: int, model_id: str) -> None:
        """Take a tokenizer, and how many tokens the model reads."""
        self._tokenizer = tokenizer
        self._window = window
        self._model_id = model_id
        self._special = frozenset(tokenizer.all_special_ids) if tokenizer.unk_token_id is not None else frozenset()

    def read(self, question: str, passages: Sequence[str]) -> list[Pair]:
        """See `PairReader`."""
        besides = len(self._tokens([question], [""])["input_ids"][0])
        _check_room(besides, self._window, self._model_id)
        whole = self._tokens([question] * len(passages), list(passages))
        pairs = []
        for row, ids in enumerate(whole["input_ids"]):
            inputs = {name: values[row] for name, values in whole.items()}
            unseen = _unseen(len(ids), besides, self._window)
            if unseen:
                cut = self._tokens([question], [passages[row]], truncation="only_second", max_length=self._window)
                inputs = {name: values[0] for name, values in cut.items()}
            pairs.append(Pair(inputs, unseen))
        return pairs

    def _tokens(self, questions: list[str], passages: list[str], **cut: Any) -> Mapping[str, list[list[int]]]:
        options = {"truncation": False} | cut
        found: dict[str, list[list[int]]] = dict(
            self._tokenizer(
                questions,
                passages,
                split_special_tokens=True,
                return_special_tokens_mask=True,
                verbose=False,
                **options,
            )
        )
        masks = found.pop("special_tokens_mask")
        found["input_ids"] = [
            self._without_impostors(ids, mask) for ids, mask in zip(found["input_ids"], masks, strict=True)
        ]
        return found

    def _without_impostors(self, ids: list[int], mask: list[int]) -> list[int]:
        """Put the unknown token in place of special ones that come from a text: unigrams have them in their vocabulary."""
        unknown = self._tokenizer.unk_token_id
        return [
            unknown if number in self._special and not is_ours else number
            for number, is_ours in zip(ids, mask, strict=True)
        ]


class Judged:
    """For language models that judge: the parts of a prompt, each made into tokens by itself."""

    def __init__(self, tokenizer: Any, prompt: JudgePrompt, window: int, model_id: str) -> None:
        """Take a tokenizer, a prompt, and how many tokens the model reads."""
        self._tokenizer = tokenizer
        self._parts = prompt.parts
        self._window = window
        self._model_id = model_id
        self._fixed = {part: self._tokens(part, special=True) for part in prompt.parts if not _is_filled(part)}

    def read(self, question: str, passages: Sequence[str]) -> list[Pair]:
        """See `PairReader`."""
        at = next(number for number, part in enumerate(self._parts) if PASSAGE in part)
        head = self._parts[at].removesuffix(PASSAGE).replace(QUESTION, question)
        before, after = self._filled(self._parts[:at], question), self._filled(self._parts[at + 1 :], question)
        around = len(before) + len(after)
        besides = around + len(self._tokens(head))
        _check_room(besides, self._window, self._model_id)
        pairs = []
        for passage in passages:
            ids = self._tokens(head + passage)
            kept = before + ids[: self._window - around] + after
            inputs = {"input_ids": kept, "attention_mask": [1] * len(kept)}
            pairs.append(Pair(inputs, _unseen(around + len(ids), besides, self._window)))
        return pairs

    def _filled(self, parts: Sequence[str], question: str) -> list[int]:
        ids: list[int] = []
        for part in parts:
            ids += self._fixed[part] if part in self._fixed else self._tokens(part.replace(QUESTION, question))
        return ids

    def _tokens(self, text: str, *, special: bool = False) -> list[int]:
        found: list[int] = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=not special, verbose=False
        ).input_ids
        return found


def _is_filled(part: str) -> bool:
    return QUESTION in part or PASSAGE in part


def _check_room(besides: int, window: int, model_id: str) -> None:
    """Refuse a question beside which no token of a passage fits."""
    if besides >= window:
        raise RerankingError(
            f"The question fills the window of the reranker {model_id}: {besides} of {window} tokens, no passage fits beside "
            "it.",
            "Shorten it, or use a reranker with a longer window: rag-app models list --kind reranker",
        )


def _unseen(tokens: int, besides: int, window: int) -> float:
    """Return the share of a passage that is not read, of `tokens` in all, `besides` of them not the passage's."""
    return max(0, tokens - window) / max(1, tokens - besides)
