"""What a generator writes made plain text as it comes: no control characters, role markers, links, pictures, HTML or delimiter.

The app and the terminal show an answer as text anyhow. A library's user may render it as Markdown, where a picture is fetched
as soon as it is seen, and its address can carry words of the passages away. So what CommonMark, or GitHub's extension of it,
reads as a link, a picture or HTML is broken up with a space; nothing else of the text changes. An address that a passage holds
stays whole. This module knows nothing of generators or citations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag_app.answering.prompting.neutral import neutralised, visible
from rag_app.datatypes import Passage

_LONGEST_WORD = 2000  # characters; what is longer is no address, and is broken there
# A word may be an address, a marker or the delimiter, so it is held back until it has ended. Other letters than ASCII go on at
# once: they are in none of these, and languages without spaces would wait for ever.
_WORD = re.compile(rf"<?[!-;=-~]{{1,{_LONGEST_WORD}}}|<")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]{0,20}://|www\.)[!-;=-~]*", re.IGNORECASE)
_AFTER_ADDRESS = ".,:;!?*_~'\")]}|`>"
_INSIDE_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www\.)(?=[!-~])", re.IGNORECASE)
# A link, the definition of one, HTML, or the marker of a turn needs the two signs side by side.
_PAIR = re.compile(r"(?<=\])(?=[(\[:])|(?<=[<＜])(?=\S)")
_DELIMITER_SHOWN = "..."


class MarkupFilter:
    """Lets the text of an answer through as it is written, as plain text; the same however it comes in pieces."""

    def __init__(self, passages: Sequence[Passage], delimiter: str = "", special_tokens: Sequence[str] = ()) -> None:
        """Take the passages that the answer is from, the mark around them in the prompt, and a tokenizer's special tokens."""
        self._known = {_bare(address[0]) for passage in passages for address in _ADDRESS.finditer(passage.text)}
        self._delimiter = re.compile(re.escape(delimiter) or "(?!)", re.IGNORECASE)
        self._special_tokens = special_tokens
        self._held = ""
        self._last = ""  # the last character that was let through
        self._must_part = False  # whether white space has to come next

    def feed(self, piece: str) -> str:
        """Return what can be shown after the next piece of the answer."""
        text = self._held + visible(piece)
        cut = len(text)
        for match in _WORD.finditer(text):
            if match.end() == len(text) and len(match[0]) < _LONGEST_WORD:
                cut = match.start()
        self._held = text[cut:]
        return self._plain(text[:cut])

    def finish(self) -> str:
        """Return what is left when the answer has ended; the next one may begin."""
        rest = self._plain(self._held)
        self._held, self._last, self._must_part = "", "", False
        return rest

    def whole(self, text: str) -> str:
        """Return a whole text as plain text, whatever was fed before. What was plain already stays as it is."""
        self.finish()
        return self.feed(text) + self.finish()

    def _plain(self, text: str) -> str:
        parts, position = [], 0
        for match in _WORD.finditer(text):
            word = self._plain_word(match[0])
            parts += [self._joined(text[position : match.start()]), self._joined(word)]
            # A Markdown reader takes what follows an address without a space as a part of it.
            self._must_part = len(match[0]) == _LONGEST_WORD or _ADDRESS.search(word) is not None
            position = match.end()
        return "".join(parts) + self._joined(text[position:])

    def _plain_word(self, word: str) -> str:
        text = neutralised(self._delimiter.sub(_DELIMITER_SHOWN, word), self._special_tokens)
        return _ADDRESS.sub(self._plain_address, text)

    def _plain_address(self, address: re.Match[str]) -> str:
        return address[0] if _bare(address[0]) in self._known else _INSIDE_ADDRESS.sub(" ", address[0])

    def _joined(self, part: str) -> str:
        """Return a part as it can stand after what was let through."""
        if not part:
            return ""
        if self._must_part and not part[0].isspace():
            part = f" {part}"
        plain = _PAIR.sub(" ", self._last + part)[len(self._last) :]
        self._last, self._must_part = part[-1], False
        return plain


def _bare(address: str) -> str:
    """Return an address without the punctuation of the sentence that it stands in."""
    return address.rstrip(_AFTER_ADDRESS)
