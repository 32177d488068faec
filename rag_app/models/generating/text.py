"""Tokens to text, as they come: whole characters only, and nothing of what a model says over and over.

This module knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# A model repeats itself where this many tokens in a row, and at least two full rounds, are those that were said before them.
_REPEATED_TOKENS = 24
# Longer rounds are not looked for: a long sentence has about so many tokens.
_LONGEST_ROUND = 100
_UNFINISHED = "\ufffd"


class GrowingText:
    """The text of a growing list of tokens. Its pieces join to what the tokenizer makes of all of them at once."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        """Take what makes text of tokens. It is given a few at a time, with those before them: spaces depend on these."""
        self._decode = decode
        self._tokens: list[int] = []  # those whose text is `_known`, and those after them
        self._known_tokens = 0
        self._known = ""

    def add(self, token: int) -> str:
        """Return what is new: nothing while a character lacks bytes."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith(_UNFINISHED) or len(text) <= len(self._known):
            return ""
        new = text[len(self._known) :]
        self._tokens = self._tokens[self._known_tokens :]
        self._known_tokens = len(self._tokens)
        self._known = self._decode(self._tokens)
        return new

    def finish(self) -> str:
        """Return what is left, with a sign for a character that never became whole."""
        return self._decode(self._tokens)[len(self._known) :]


class RepetitionWatch:
    """Holds tokens back as long as they repeat the ones right before them, and says when that is no accident any more.

    A token comes out as soon as one follows that repeats nothing, most often at once; so what repeats itself is never shown.
    """

    def __init__(self) -> None:
        """Begin with no token."""
        self._tokens: list[int] = []
        self._runs = [0] * (_LONGEST_ROUND + 1)  # by length of a round: how many of the last tokens repeat that round
        self._shown = 0

    def add(self, token: int) -> list[int]:
        """Take a token, and return those that may be shown now."""
        for length in range(1, min(len(self._tokens), _LONGEST_ROUND) + 1):
            self._runs[length] = self._runs[length] + 1 if self._tokens[-length] == token else 0
        self._tokens.append(token)
        return self._up_to(len(self._tokens) - max(self._runs))

    @property
    def is_repeating(self) -> bool:
        """Whether the model does nothing but repeat itself."""
        return self._repeated() > 0

    def finish(self) -> list[int]:
        """Return the tokens that were held back, without those that only repeat."""
        return self._up_to(len(self._tokens) - self._repeated())

    def _repeated(self) -> int:
        runs = enumerate(self._runs)
        return max((run for length, run in runs if run >= max(2 * length, _REPEATED_TOKENS)), default=0)

    def _up_to(self, end: int) -> list[int]:
        new = self._tokens[self._shown : end]
        self._shown = max(self._shown, end)
        return new
