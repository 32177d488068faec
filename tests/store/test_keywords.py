"""The keyword index: finds words in English and Chinese, and nothing where no word is shared."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.errors import KnowledgeBaseDamaged, StorageError
from rag_app.store import keywords
from rag_app.store.keywords import K1, B, KeywordIndex, write_keywords
from rag_app.text import search_tokens
from tests.conftest import REPOSITORY

TEXTS = [
    "An account is locked for 30 minutes after 5 failed sign-ins.",
    "连续输错五次密码，账号会被锁定三十分钟。",
    "HC-27 means that the certificate of your laptop has expired.",
    "Harbour Connect 6.2 is needed. VPN 连接十小时后断开。",
    "HC-12 means that the clock is wrong.",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kb" / "gen-00000001" / "keywords"


@pytest.fixture
def index(folder: Path) -> KeywordIndex:
    write_keywords(folder, TEXTS)
    return KeywordIndex(folder)


@pytest.mark.parametrize(
    ("question", "best"),
    [
        pytest.param("When is my account locked?", 0, id="English"),
        pytest.param("locking accounts", 0, id="other forms of the words"),
        pytest.param("账号为什么会锁定？", 1, id="Chinese"),
        pytest.param("密码", 1, id="a Chinese word inside a run"),
        pytest.param("HC-27", 2, id="an identifier, not its neighbour"),
        pytest.param("ＨＣ－12", 4, id="full-width letters"),
        pytest.param("version 6.2", 3, id="a version"),
        pytest.param("VPN 断开", 3, id="both languages"),
    ],
)
def test_the_text_that_shares_the_words_is_the_best(question: str, best: int, index: KeywordIndex) -> None:
    scores = index.scores(question)
    assert int(scores.argmax()) == best
    assert scores[best] > 0


@pytest.mark.parametrize("question", ["zebra giraffe", "斑马", "", "???", "what is the", "\0"], ids=repr)
def test_a_question_that_shares_no_word_scores_nothing(question: str, index: KeywordIndex) -> None:
    scores = index.scores(question)
    assert scores.shape == (len(TEXTS),)
    assert not scores.any()


def test_unknown_words_change_nothing(index: KeywordIndex) -> None:
    np.testing.assert_array_equal(index.scores("locked zebra"), index.scores("locked"))


def test_no_score_is_negative_and_a_text_without_the_words_has_none(index: KeywordIndex) -> None:
    scores = index.scores("certificate expired laptop")
    assert scores.dtype == np.float32
    assert (scores >= 0).all()
    assert np.flatnonzero(scores).tolist() == [2]


def test_a_rare_word_says_more_than_a_frequent_one(tmp_path: Path) -> None:
    write_keywords(tmp_path / "keywords", ["apple pear", "apple plum", "apple fig"])
    scores = KeywordIndex(tmp_path / "keywords").scores("apple plum")
    assert int(scores.argmax()) == 1
    assert scores[0] == scores[2] < scores[1] / 2


@pytest.mark.parametrize("texts", [["", "?!", " "], [""]], ids=["several", "one"])
def test_a_corpus_without_any_token_can_be_written_and_asked(texts: list[str], tmp_path: Path) -> None:
    write_keywords(tmp_path / "keywords", texts)
    scores = KeywordIndex(tmp_path / "keywords").scores("anything \0")
    assert scores.tolist() == [0.0] * len(texts)


def test_a_text_without_a_token_keeps_the_numbers_of_the_others(tmp_path: Path) -> None:
    write_keywords(tmp_path / "keywords", ["?!", "password", ""])
    assert np.flatnonzero(KeywordIndex(tmp_path / "keywords").scores("passwords")).tolist() == [1]


def test_the_same_texts_give_the_same_scores(index: KeywordIndex, tmp_path: Path) -> None:
    write_keywords(tmp_path / "again", TEXTS)
    again = KeywordIndex(tmp_path / "again")
    for question in ("account locked", "密码锁定", "HC-27"):
        np.testing.assert_array_equal(index.scores(question), again.scores(question))


@pytest.mark.parametrize("harm", ["missing", "nonsense"])
def test_each_damaged_file_is_refused_with_the_command_that_repairs_it(harm: str, folder: Path) -> None:
    write_keywords(folder, TEXTS)
    names = [path.name for path in folder.iterdir() if path.name.partition(".")[2].startswith(("csc.index", "index"))]
    assert len(names) == 5
    for name in names:
        file = folder / name
        content = file.read_bytes()
        file.unlink()
        if harm == "nonsense":
            file.write_bytes(b"\xff" * len(content))
        with pytest.raises(KnowledgeBaseDamaged, match=r"keyword index .* cannot be read.*--kb kb --rebuild"):
            KeywordIndex(folder)
        file.write_bytes(content)


def test_one_index_is_asked_from_several_threads(index: KeywordIndex) -> None:
    expected = index.scores("account locked").tolist()
    results: list[list[float]] = []

    def ask() -> None:
        for _ in range(50):
            results.append(index.scores("account locked").tolist())  # noqa: PERF401 - kept before a failure

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert results == [expected] * 200


def test_every_process_writes_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "from rag_app.store.keywords import write_keywords; from pathlib import Path; import sys; "
        f"write_keywords(Path(sys.argv[1]), {TEXTS!r})"
    )
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, cwd=REPOSITORY, check=True)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]


LIKE_TEXTS = st.lists(st.text(alphabet="ab1 密码", min_size=1, max_size=30), min_size=1, max_size=12)


@settings(deadline=None, max_examples=30)
@given(texts=LIKE_TEXTS, tokens_at_once=st.integers(1, 40))
def test_the_scores_are_those_of_bm25s_to_the_last_bit_in_blocks_of_any_size(
    texts: list[str], tokens_at_once: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("keywords")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keywords, "_TOKENS_AT_ONCE", tokens_at_once)
        write_keywords(folder, texts)
    vocabulary: dict[str, int] = {}
    numbers = [
        [vocabulary.setdefault(token, len(vocabulary)) for token in search_tokens(text) or ["\0"]] for text in texts
    ]
    theirs = bm25s.BM25(k1=K1, b=B)
    theirs.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
    ours = bm25s.BM25.load(folder)
    assert ours.vocab_dict == vocabulary
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(ours.scores[name], theirs.scores[name])
        assert ours.scores[name].dtype == theirs.scores[name].dtype


@pytest.mark.parametrize("name", ["data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy"])
@pytest.mark.parametrize("place", [0, -1])
def test_an_array_that_is_read_back_otherwise_than_written_is_said(
    name: str, place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = bm25s.BM25.save

    def save_otherwise(self: bm25s.BM25, folder: Path, **options: object) -> None:
        save(self, folder, **options)
        array = np.load(folder / name)
        array[place] += 1
        np.save(folder / name, array)

    monkeypatch.setattr(bm25s.BM25, "save", save_otherwise)
    monkeypatch.setattr(keywords, "_NUMBERS_AT_ONCE", 3)
    with pytest.raises(StorageError, match="could not be written whole"):
        write_keywords(tmp_path / "keywords", TEXTS)
