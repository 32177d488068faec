"""The keyword index: finds words in English and Chinese, and nothing where no word is shared."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rag_app.errors import KnowledgeBaseDamaged
from rag_app.store.keywords import KeywordIndex, write_keywords
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
    names = [path.name for path in folder.iterdir() if path.name != "vocab.index.json"]
    assert len(names) >= 4
    for name in (*names, "vocab.index.json"):
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
    code = f"from rag_app.store.keywords import write_keywords; import sys; write_keywords(sys.argv[1], {TEXTS!r})"
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(folder)], env=environment, cwd=REPOSITORY, check=True)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
