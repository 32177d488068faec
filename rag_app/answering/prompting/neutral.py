"""Text of documents and questions made mere text: no markers of chat turns in it, and no characters that nothing is seen of.

This module knows nothing of prompts and answers, which both use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

# What chat templates write around turns: ChatML, Llama, Mistral, Gemma, DeepSeek and others. A generator's own special
# tokens are broken up as well.
_ROLE_MARKER = (
    r"<\|[^|<>\n]{1,40}[|]?>|<[^|<>\s]{1,40}\|>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|</?(?:think|tool_call|tool_response)>"
)
# Some tokenizers read these as the signs they look like; NFKC, which is asked as well, leaves them.
_LOOKS_LIKE = str.maketrans("‹〈⟨《›〉⟩》¦∣│ǀ", "<<<<>>>>||||")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Joiners hold emoji and Indic letters together; beside ASCII they only hide where a word ends.
_JOINER_BESIDE_ASCII = re.compile("(?<=[\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\x7f])")
_JOINERS = "\u200c\u200d"
# Signs of Arabic, Syriac and Kaithi numbers are format characters too, but a reader sees them.
_SEEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_VARIATION_SELECTORS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


def visible(text: str) -> str:
    """Return the text without control, direction, tag and zero-width characters and variation selectors.

    Nobody sees what they hide in a document, but a model reads it. Line breaks and tabs stay, other white space is a space.
    Each character is looked at alone, so a text may come in pieces.
    """
    if text.isascii():
        return _CONTROL.sub(lambda match: _seen(match[0]), text)
    return "".join(map(_seen, text))


@lru_cache(maxsize=10_000)
def _seen(character: str) -> str:
    if character in "\n\t" or character in _SEEN or character in _JOINERS:
        return character
    if character in _VARIATION_SELECTORS:
        return ""
    kind = unicodedata.category(character)
    if kind in {"Zl", "Zp"} or (kind == "Cc" and character.isspace()):
        return " "
    return "" if kind in {"Cc", "Cf", "Cs"} else character


def neutralised(text: str, special_tokens: Sequence[str] = ()) -> str:
    """Return the text with the markers of chat turns broken up, also full-width: `<|im_start|>` becomes `< |im_start| >`."""
    if not text.isascii():
        text = _JOINER_BESIDE_ASCII.sub("", text)
    pattern = _marker_pattern(tuple(special_tokens))
    folded = text if text.isascii() else "".join(map(_folded, text))
    parts, position = [], 0
    for match in pattern.finditer(folded):
        parts += [text[position : match.start()], _broken(text[match.start() : match.end()])]
        position = match.end()
    return "".join(parts) + text[position:]


@cache
def _marker_pattern(special_tokens: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted((token for token in special_tokens if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, longest_first), _ROLE_MARKER]))


@lru_cache(maxsize=10_000)
def _folded(character: str) -> str:
    """Return the character that this one may be read as; always one."""
    plain = unicodedata.normalize("NFKC", character)
    return (plain if len(plain) == 1 else character).translate(_LOOKS_LIKE)


def _broken(marker: str) -> str:
    return f"{marker[0]} {marker[1:-1]} {marker[-1]}" if len(marker) > 2 else f"{marker[0]} {marker[-1]}"
