"""Which embedding model is proposed for a knowledge base: one that is on this machine, if there is any."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag_app.config import load_settings
from rag_app.models import embedder_choices as module
from rag_app.models.embedder_choices import embedder_choices
from rag_app.models.embedder_spec import embedder_name


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The models that are on this machine, as far as this test goes."""
    names: set[str] = set()
    monkeypatch.setattr(module, "is_at_hand", lambda model, _: model in names)
    return names


def proposed(**flags: object) -> str:
    return embedder_choices(load_settings(**flags))[0].id


def test_the_configured_model_is_proposed_where_it_is_here(at_hand: set[str]) -> None:
    at_hand.update({"bundled", "BAAI/bge-m3"})
    assert proposed() == "BAAI/bge-m3"
    assert proposed(embed_model="intfloat/multilingual-e5-small") == "bundled"


def test_else_another_that_is_here_and_else_the_configured_one(at_hand: set[str]) -> None:
    at_hand.add("intfloat/multilingual-e5-small")
    assert proposed() == "intfloat/multilingual-e5-small"
    at_hand.clear()
    choice = embedder_choices(load_settings())[0]
    assert (choice.id, choice.is_here) == ("BAAI/bge-m3", False)
    assert choice.download_gb > 2
    assert "zh" in choice.languages


def test_offline_only_what_is_here_is_offered(at_hand: set[str]) -> None:
    at_hand.add("bundled")
    assert [choice.id for choice in embedder_choices(load_settings(offline=True))] == ["bundled"]


def test_a_folder_is_a_model_of_its_own_and_each_is_offered_once(tiny_embedder: Path) -> None:
    choices = embedder_choices(load_settings(embed_model=str(tiny_embedder), offline=True))
    assert choices[0].id == str(tiny_embedder)
    assert choices[0].is_here
    names = [embedder_name(choice.id) for choice in embedder_choices(load_settings(embed_model="bundled"))]
    assert len(names) == len(set(names))


def test_models_that_a_base_has_are_not_offered(at_hand: set[str]) -> None:
    at_hand.update({"bundled", "BAAI/bge-m3"})
    without = embedder_choices(load_settings(), [embedder_name("bundled")])
    assert [choice.id for choice in without if choice.is_here] == ["BAAI/bge-m3"]
