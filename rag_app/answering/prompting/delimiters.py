"""The mark between which the passages stand in a prompt: nobody who writes a document can know it.

It is made from the question and the passages under a random key of this machine, so the same question over the same passages
gives the same prompt. This module knows nothing of prompts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import string
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import count
from pathlib import Path

from rag_app.models.catalogue import user_data_folder

_LETTERS = 8  # 26 ** 8 marks, two hundred thousand million: a guess is as good as none
_KEY_BYTES = 32
_KEY_FILE = "delimiter.key"
_PROCESS_KEY = secrets.token_bytes(_KEY_BYTES)


def delimiter_for(texts: Sequence[str]) -> str:
    """Return eight small letters that stand in none of the texts."""
    key = _key(user_data_folder() / _KEY_FILE)
    written = "\0".join(texts).lower()
    delimiters = (_delimiter(key, texts, attempt) for attempt in count())
    return next(delimiter for delimiter in delimiters if delimiter not in written)


def _delimiter(key: bytes, texts: Sequence[str], attempt: int) -> str:
    code = hmac.new(key, f"{attempt} {len(texts)}".encode(), hashlib.sha256)
    for text in texts:
        data = text.encode(errors="surrogatepass")
        code.update(len(data).to_bytes(8, "big") + data)  # with its length, or two texts could be taken for one
    number = int.from_bytes(code.digest(), "big")
    return "".join(string.ascii_lowercase[number // 26**place % 26] for place in range(_LETTERS))


@cache
def _key(path: Path) -> bytes:
    """Return the key in the file, which is made where there is none; where that cannot be, the key of this process."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError:
        return _PROCESS_KEY
    return key if len(key) == _KEY_BYTES else _PROCESS_KEY


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, pending = tempfile.mkstemp(dir=path.parent, prefix=f".{_KEY_FILE}-")  # only its owner may read it
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(pending, path)  # unlike a rename it never replaces the key of another process
    except FileExistsError:
        pass
    finally:
        Path(pending).unlink()
