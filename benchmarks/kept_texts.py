"""A generator whose texts are kept in a file: a prompt that it was given before is not read again.

Hours of writing can be gone on with after a break, and how answers are cited can be measured again without them. Greedy texts
only: the same prompt has the same text. It knows nothing of what is measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse


class KeptTexts:
    """Stands for a generator: `stream_chat` gives what is kept, and asks and keeps what is not; all else is the generator's."""

    def __init__(self, llm: Any, file: Path) -> None:
        """Take the generator, and the file: a line of JSON for each prompt, added to."""
        self._llm = llm
        self._file = file
        self._kept: dict[str, list[str]] = {}
        self.was_written = True  # the last text is not from the file
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._kept[record["prompt"]] = record["pieces"]

    def __getattr__(self, name: str) -> Any:
        """Return what the generator has."""
        return getattr(self._llm, name)

    def stream_chat(self, messages: Sequence[ChatMessage]) -> Iterator[ChatResponse]:
        """Yield the pieces of the text. One that was left off and is wanted further now is written again from there."""
        prompt = hashlib.sha256(f"{self._llm.metadata.model_name}\n{messages!r}".encode()).hexdigest()
        kept = self._kept.get(prompt, [])
        self.was_written = not kept
        for piece in kept:
            yield ChatResponse(message=ChatMessage(), delta=piece)
        if kept and kept[-1] == "":  # as it is kept where the generator ended it
            return
        yield from self._written(prompt, messages, len(kept))

    def _written(self, prompt: str, messages: Sequence[ChatMessage], known: int) -> Iterator[ChatResponse]:
        self.was_written = True
        pieces: list[str] = self._kept.get(prompt, [])[:]
        stream = (response for response in self._llm.stream_chat(messages))
        try:
            for response in islice((one for one in stream if one.delta), known, None):
                pieces.append(response.delta)
                yield response
            pieces.append("")
        finally:
            stream.close()
            self._kept[prompt] = pieces
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"prompt": prompt, "pieces": pieces}) + "\n")
