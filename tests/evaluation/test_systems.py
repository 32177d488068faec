"""Systems from flags and from a file: keyword search is always among them, and what cannot be is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_app.errors import UsageError
from rag_app.evaluation.systems import KeywordSpec, SystemSpec, read_systems, usual_systems

GOOD = """
[[system]]
name = "z"
retriever = "hybrid"
embed_model = "bundled"
fusion = "z-scores"
dense_weight = 0.7
keywords = { k1 = 1.2, b = 0.75, stop_words = "none", stemming = false, tokenizer = "words", text = "passage" }

[[system]]
name = "quoted"
embed_model = "bundled"
generator = "quote"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "systems.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_flags_give_keyword_search_and_two_systems_a_model() -> None:
    systems = usual_systems(["a", "b"], "none")
    assert [system.name for system in systems] == ["keyword", "a, dense", "a, hybrid", "b, dense", "b, hybrid"]
    assert all(system.generator == "none" for system in systems)
    assert [system.name for system in usual_systems([], None)] == ["keyword"]


def test_a_file_spells_systems_out_and_keyword_search_is_put_before_them(tmp_path: Path) -> None:
    keyword, z, quoted = read_systems(write(tmp_path, GOOD), "none")
    assert (keyword.name, keyword.retriever, keyword.keywords) == ("keyword", "keyword", None)
    assert z.keywords == KeywordSpec(
        k1=1.2, b=0.75, stop_words="none", stemming=False, tokenizer="words", text="passage"
    )
    assert (z.dense_weight, z.generator) == (0.7, "none")
    assert quoted.generator == "quote"


def test_a_keyword_system_of_the_file_is_not_doubled(tmp_path: Path) -> None:
    text = '[[system]]\nname = "mine"\nretriever = "keyword"\nkeywords = { k1 = 0.5 }\n'
    assert [system.name for system in read_systems(write(tmp_path, text), None)] == ["mine"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[system", "cannot be read"),
        ("", "expected [[system]] tables"),
        ("x = 1", "holds x"),
        (
            '[[system]]\nname = "a"\nembed_model = "b"\n[[system]]\nname = "a"\nembed_model = "c"',
            "two systems named 'a'",
        ),
        ('[[system]]\nname = "a"', "system 1: the retriever 'hybrid' needs an embed_model"),
        ('[[system]]\nname = "a"\nembed_model = "b"\nfusion = "magic"', "system 1, fusion"),
        ('[[system]]\nname = "a"\nembed_model = "b"\ncolour = "red"', "system 1, colour"),
        ('[[system]]\nname = "a"\nembed_model = "b"\nkeywords = { k1 = 1 }', "has its own keyword search"),
        ('[[system]]\nname = "a"\nretriever = "keyword"\nkeywords = { b = 3 }', "system 1, keywords.b"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_systems(write(tmp_path, text), None)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        read_systems(tmp_path / "none.toml", None)


def test_a_system_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SystemSpec(name="a", retriever="keyword").name = "b"  # type: ignore[misc]
