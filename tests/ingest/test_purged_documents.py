"""Purging and building in turn, through the commands: what is purged stays out, and comes back when it is named itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app.errors import ModelNotAvailable
from rag_app.models import embedder
from rag_app.store.knowledge_base import KnowledgeBase
from tests.checkpoints import make_bert_embedder
from tests.commands import Result, Run
from tests.ingest.conftest import Ingest, Outcome

Purge = Callable[..., Result]

PURGED = "It was purged, and stays out."


@pytest.fixture
def purge(run: Run, indexes: Path) -> Purge:
    """Give a function that purges documents from the base `kb` and returns what the command said."""

    def purged(*documents: str) -> Result:
        options = [word for document in documents for word in ("--document", document)]
        result = run("kb", "purge", "kb", *options, "--indexes", indexes, "--json")
        assert result.code == 0, result.err
        assert result.json["traces"]["found"] == 0
        return result

    return purged


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise ModelNotAvailable("A model was loaded.")

    monkeypatch.setattr(embedder, "CatalogueEmbedding", load)


def bytes_left(indexes: Path, *phrases: str) -> set[str]:
    contents = [path.read_bytes() for path in (indexes / "kb").rglob("*") if path.is_file()]
    return {phrase for phrase in phrases if any(phrase.encode() in content for content in contents)}


def documents_of(indexes: Path) -> list[str]:
    return list(KnowledgeBase.open(indexes, "kb").chunks.document_sums())


def test_a_purged_file_stays_out_and_nothing_else_is_read_or_embedded_again(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path, no_model: None
) -> None:
    assert bytes_left(indexes, "Harbour Connect") == {"Harbour Connect"}
    purged = purge("docs/vpn.md").json
    assert (purged["passages"], purged["cached_vectors"], purged["missing_vectors"]) == (1, 1, 0)
    assert bytes_left(indexes, "Harbour Connect") == set()
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.statuses() == {"docs/vpn.md": "skipped", "docs/密码.md": "unchanged"}
    assert outcome.report["documents"][0]["reason"] == PURGED
    assert outcome.report["generation"] == purged["generation"] == "gen-00000002"  # nothing has changed
    assert ingest("--kb", "kb", "--strict").code == 0
    assert (docs / "vpn.md").exists()


def test_it_stays_out_when_other_files_change_and_when_all_is_read_again(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path
) -> None:
    purge("docs/vpn.md")
    (docs / "new.md").write_text("Something new.")
    (docs / "vpn.md").write_text("# VPN\n\nThe VPN needs Harbour Connect 7.")
    for options in ((), ("--rebuild",)):
        outcome = ingest("--kb", "kb", *options, "--json")
        assert outcome.statuses()["docs/vpn.md"] == "skipped"
        assert outcome.report["models"][0]["embedded"] == (0 if options else 1)
        assert documents_of(indexes) == ["docs/new.md", "docs/密码.md"]
    assert bytes_left(indexes, "Harbour Connect") == set()


def test_named_as_a_source_it_comes_back(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path
) -> None:
    purge("docs/vpn.md")
    outcome = ingest(docs / "vpn.md", "--kb", "kb", "--json")
    searchable = {path for path, status in outcome.statuses().items() if status in ("indexed", "unchanged")}
    assert len(searchable) == 2
    assert {Path(path).name for path in searchable} == {"vpn.md", "密码.md"}
    assert bytes_left(indexes, "Harbour Connect") == {"Harbour Connect"}
    assert ingest("--kb", "kb", "--json").report["generation"] == outcome.report["generation"]


def test_a_file_that_is_a_source_itself_is_none_any_more_and_comes_back_when_named_again(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, tmp_path: Path
) -> None:
    (tmp_path / "note.md").write_text("A note about the heron.")
    ingest(tmp_path / "note.md", "--kb", "kb")
    purged = purge("note.md").json
    assert purged["sources"] == [str(tmp_path / "note.md")]
    manifest = KnowledgeBase.open(indexes, "kb").manifest
    assert [source.name for source in manifest.sources] == ["docs"]
    assert set(ingest("--kb", "kb", "--json").statuses()) == {"docs/vpn.md", "docs/密码.md"}
    assert purge("note.md").json["before"] == ["note.md"]
    assert ingest(tmp_path / "note.md", "--kb", "kb", "--json").statuses()["note.md"] == "indexed"


def test_a_document_that_left_its_source_is_purged_from_the_generation_kept_before(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path
) -> None:
    (docs / "vpn.md").unlink()
    assert ingest("--kb", "kb", "--json").statuses()["docs/vpn.md"] == "skipped"
    assert bytes_left(indexes, "Harbour Connect") == {"Harbour Connect"}
    assert purge("docs/vpn.md").json["documents"] == ["docs/vpn.md"]
    assert bytes_left(indexes, "Harbour Connect") == set()
    (docs / "vpn.md").write_text("# VPN\n\nThe VPN needs Harbour Connect.")
    assert ingest("--kb", "kb", "--json").statuses()["docs/vpn.md"] == "skipped"


def test_a_purge_without_the_cache_leaves_every_other_vector(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, no_model: None
) -> None:
    for path in (indexes / "kb" / "cache").iterdir():
        path.unlink()
    purged = purge("docs/vpn.md").json
    assert (purged["cached_vectors"], purged["missing_vectors"]) == (0, 0)
    assert ingest("--kb", "kb", "--json").report["generation"] == purged["generation"]


def test_a_passage_that_lost_the_name_it_began_with_is_embedded_by_the_next_build(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path
) -> None:
    for name in ("alpha gazette.txt", "beta.txt"):
        (docs / name).write_text("The very same text stands in both files.")
    ingest("--kb", "kb")
    assert purge("docs/alpha gazette.txt").json["missing_vectors"] == 1
    knowledge_base = KnowledgeBase.open(indexes, "kb")
    assert knowledge_base.vectors(knowledge_base.models[0]).count == knowledge_base.chunk_count - 1
    report = ingest("--kb", "kb", "--json").report
    assert (report["models"][0]["embedded"], report["models"][0]["reused"]) == (1, 2)
    knowledge_base = KnowledgeBase.open(indexes, "kb")
    assert knowledge_base.vectors(knowledge_base.models[0]).count == knowledge_base.chunk_count == 3


def test_every_model_of_a_base_loses_the_vectors(
    built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, tmp_path: Path
) -> None:
    second = make_bert_embedder(tmp_path / "second", seed=1)
    ingest("--kb", "kb", "--embed-model", second)
    assert purge("docs/vpn.md").json["cached_vectors"] == 2
    knowledge_base = KnowledgeBase.open(indexes, "kb")
    assert [knowledge_base.vectors(model).rows.tolist() for model in knowledge_base.models] == [[0], [0]]


# Records


@pytest.fixture
def corpus(docs: Path) -> Path:
    """A file of three records among the documents."""
    path = docs / "corpus.jsonl"
    records = [
        {"_id": name, "title": f"About the {name}", "text": f"The {name} lives by the harbour wall number {number}."}
        for number, name in enumerate(("heron", "wren", "kingfisher"))
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_a_record_is_purged_and_stays_out_while_the_others_are_not_read_again(
    corpus: Path, built: Outcome, ingest: Ingest, purge: Purge, indexes: Path, docs: Path, no_model: None
) -> None:
    purged = purge("docs/corpus.jsonl#wren").json
    assert bytes_left(indexes, "About the wren", "The wren lives") == set()
    outcome = ingest("--kb", "kb", "--json")
    assert outcome.statuses() == {
        "docs/corpus.jsonl#heron": "unchanged",
        "docs/corpus.jsonl#wren": "skipped",
        "docs/corpus.jsonl#kingfisher": "unchanged",
        "docs/vpn.md": "unchanged",
        "docs/密码.md": "unchanged",
    }
    assert outcome.report["generation"] == purged["generation"]
    assert ingest("--kb", "kb", "--rebuild", "--json").statuses() == {
        path: status.replace("unchanged", "indexed") for path, status in outcome.statuses().items()
    }
    assert bytes_left(indexes, "The wren lives") == set()


def test_a_record_comes_back_when_its_file_is_named(
    built: Outcome, corpus: Path, ingest: Ingest, purge: Purge, indexes: Path, tmp_path: Path
) -> None:
    alone = corpus.rename(tmp_path / "corpus.jsonl")
    ingest(alone, "--kb", "kb")
    purge("corpus.jsonl#wren")
    assert ingest("--kb", "kb", "--json").statuses()["corpus.jsonl#wren"] == "skipped"
    assert ingest(alone, "--kb", "kb", "--json").statuses()["corpus.jsonl#wren"] in ("indexed", "unchanged")
    assert bytes_left(indexes, "The wren lives") == {"The wren lives"}


def test_a_record_of_a_file_in_a_folder_comes_back_when_that_file_is_named(
    corpus: Path, built: Outcome, ingest: Ingest, purge: Purge, indexes: Path
) -> None:
    purge("docs/corpus.jsonl#wren")
    outcome = ingest(corpus, "--kb", "kb", "--json")
    assert outcome.code == 0, outcome.err
    assert bytes_left(indexes, "The wren lives") == {"The wren lives"}
    assert len(documents_of(indexes)) == 5


def test_a_file_whose_records_are_all_purged_is_no_source_any_more(
    built: Outcome, corpus: Path, ingest: Ingest, purge: Purge, indexes: Path, tmp_path: Path
) -> None:
    alone = corpus.rename(tmp_path / "corpus.jsonl")
    ingest(alone, "--kb", "kb")
    purge("corpus.jsonl#wren")
    assert purge("corpus.jsonl#heron", "corpus.jsonl#kingfisher").json["sources"] == [str(alone)]
    manifest = KnowledgeBase.open(indexes, "kb").manifest
    assert [source.name for source in manifest.sources] == ["docs"]


# The same file under other names


def test_a_purged_file_stays_out_under_every_name(
    built: Outcome, docs: Path, ingest: Ingest, purge: Purge, indexes: Path, tmp_path: Path
) -> None:
    deep = docs / "deep"
    deep.mkdir()
    (deep / "secret.md").write_text("The heron nests behind the weir.")
    os.link(deep / "secret.md", docs / "other-name.md")
    assert ingest("--kb", "kb").code == 0
    purge("docs/deep/secret.md")
    for sources in ((), (deep,), (deep, "--replace-sources"), (docs, "--replace-sources")):
        outcome = ingest(*sources, "--kb", "kb", "--json")
        if sources != (deep, "--replace-sources"):
            assert outcome.code == 0, outcome.err
        chunks = KnowledgeBase.open(indexes, "kb").chunks.all_chunks()
        assert not [chunk for chunk in chunks if "heron" in chunk.text]


@pytest.mark.parametrize("beside", [(), ("caf\\xe9",)], ids=["alone", "beside another of its shown name"])
def test_a_purged_file_whose_path_is_no_unicode_stays_out(
    beside: tuple[str, ...], built: Outcome, docs: Path, ingest: Ingest, purge: Purge, indexes: Path
) -> None:
    try:
        (docs / os.fsdecode(b"caf\xe9")).mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    (docs / os.fsdecode(b"caf\xe9") / "a.md").write_text("The heron nests behind the weir.")
    for name in beside:
        (docs / name).mkdir()
        (docs / name / "a.md").write_text("The wren sings.")
    ingest("--kb", "kb")
    path = "docs/caf\\xe9 (2)/a.md" if beside else "docs/caf\\xe9/a.md"
    assert path in documents_of(indexes)
    purge(path)
    for flags in ((), ("--rebuild",)):
        assert ingest("--kb", "kb", *flags, "--json").statuses()[path] == "skipped"
    assert bytes_left(indexes, "The heron nests", "The wren sings") == ({"The wren sings"} if beside else set())


def test_a_file_of_the_same_name_in_another_folder_was_never_purged(
    built: Outcome, docs: Path, ingest: Ingest, purge: Purge, tmp_path: Path
) -> None:
    purge("docs/vpn.md")
    other = tmp_path / "other" / "docs"
    other.mkdir(parents=True)
    (other / "vpn.md").write_text("Another VPN.")
    outcome = ingest(other, "--kb", "kb", "--replace-sources", "--json")
    assert outcome.statuses()["docs/vpn.md"] == "indexed"
