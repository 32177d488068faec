"""Tokens of passages that have not changed are taken over, and nobody can tell from the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.store import keyword_tokens
from rag_app.store.keyword_tokens import passages_with_tokens, write_tokens
from rag_app.store.keywords import KeywordIndex, write_keywords
from rag_app.text import search_tokens

TEXTS = ["The account is locked.", "密码已重置。", "", "HC-27: the certificate has expired."]

Tokenised = list[str]


@pytest.fixture
def tokenised(monkeypatch: pytest.MonkeyPatch) -> Tokenised:
    """The texts that were tokenised, as they come."""
    texts: Tokenised = []

    def tokenise(text: str) -> list[str]:
        texts.append(text)
        return search_tokens(text)

    monkeypatch.setattr(keyword_tokens, "search_tokens", tokenise)
    return texts


@pytest.fixture
def before(tmp_path: Path) -> Path:
    write_keywords(tmp_path / "before", TEXTS)
    return tmp_path / "before"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "nothing": lambda texts: texts,
    "one more at the end": lambda texts: [*texts, "A new certificate."],
    "one more at the beginning": lambda texts: ["The new password: 密码", *texts],
    "one gone": lambda texts: texts[1:],
    "another order": lambda texts: texts[::-1],
    "one twice": lambda texts: [*texts, texts[0]],
    "one edited": lambda texts: [texts[0], f"{texts[1]} HC-27", *texts[2:]],
    "all others": lambda texts: ["Zebra", "斑马"],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_files_are_the_same_whether_tokens_are_taken_over_or_not(
    change: Callable[[list[str]], list[str]], before: Path, tmp_path: Path
) -> None:
    texts = change(TEXTS)
    write_keywords(tmp_path / "taken over", texts, before)
    write_keywords(tmp_path / "anew", texts)
    assert contents(tmp_path / "taken over") == contents(tmp_path / "anew")
    assert passages_with_tokens(tmp_path / "anew") == KeywordIndex(tmp_path / "anew").count == len(texts)


WORDS = st.lists(st.text(alphabet="ab1. 密码", max_size=12), min_size=1, max_size=8)


@settings(deadline=None, max_examples=30)
@given(first=WORDS, second=WORDS, buffered=st.integers(1, 10))
def test_so_they_are_for_any_texts_and_in_buffers_of_any_size(
    first: list[str], second: list[str], buffered: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("keywords")
    write_keywords(folder / "before", first)
    write_keywords(folder / "anew", [*second, *first[::2]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyword_tokens, "_BUFFERED", buffered)
        write_keywords(folder / "taken over", [*second, *first[::2]], folder / "before")
    assert contents(folder / "taken over") == contents(folder / "anew")


def test_only_what_is_new_is_tokenised(before: Path, tmp_path: Path, tokenised: Tokenised) -> None:
    write_keywords(tmp_path / "after", [*TEXTS[:2], "A new one.", TEXTS[3]], before)
    assert tokenised == ["A new one."]


def test_what_is_kept_are_the_tokens_of_each_passage_in_order(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path, TEXTS, None)
    words = list(tokens.vocabulary)
    for number, text in enumerate(TEXTS):
        own = tokens.numbers(number, number + 1)
        assert [words[place] for place in own.tolist()] == (search_tokens(text) or ["\0"])


@pytest.mark.parametrize("part", ["SEARCH_TEXT_VERSION", "pystemmer"])
def test_tokens_of_another_tokenizer_are_not_taken_over(
    part: str, before: Path, tmp_path: Path, tokenised: Tokenised, monkeypatch: pytest.MonkeyPatch
) -> None:
    if part == "pystemmer":
        monkeypatch.setattr(keyword_tokens, "version", lambda name: "99")
    else:
        monkeypatch.setattr(keyword_tokens, part, 99)
    write_keywords(tmp_path / "after", TEXTS, before)
    assert tokenised == TEXTS
    assert "99" in (tmp_path / "after" / "tokenizer.json").read_text()


def test_nothing_stays_of_a_passage_that_is_gone(before: Path, tmp_path: Path) -> None:
    write_keywords(tmp_path / "after", TEXTS[:3], before)
    words = json.loads((tmp_path / "after" / "vocab.index.json").read_text(encoding="utf-8"))
    assert "certif" not in words
    assert set(words) == {token for text in TEXTS[:3] for token in search_tokens(text) or ["\0"]}
    gone = np.load(before / "token_texts.npy")[3].tobytes()
    assert all(gone not in content for content in contents(tmp_path / "after").values())


def cut_numbers(folder: Path) -> None:
    file = folder / "token_numbers.bin"
    file.write_bytes(file.read_bytes()[:-4])


def overflow_numbers(folder: Path) -> None:
    file = folder / "token_numbers.bin"
    file.write_bytes(b"\xff" * file.stat().st_size)


def turn_offsets(folder: Path) -> None:
    np.save(folder / "token_offsets.npy", np.load(folder / "token_offsets.npy")[::-1])


def drop_a_sum(folder: Path) -> None:
    np.save(folder / "token_texts.npy", np.load(folder / "token_texts.npy")[1:])


@pytest.mark.parametrize("harm", [cut_numbers, overflow_numbers, turn_offsets, drop_a_sum])
def test_files_that_do_not_fit_one_another_are_refused(harm: Callable[[Path], None], before: Path) -> None:
    assert passages_with_tokens(before) == len(TEXTS)
    harm(before)
    with pytest.raises(ValueError, match="token_"):
        passages_with_tokens(before)
