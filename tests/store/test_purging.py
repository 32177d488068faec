"""Purging: nothing of a document is left in any file, everything else is as it was, and a kill is made good by a second run."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.chunking import chunk_document
from rag_app.datatypes import PURGED, DocumentReport, FileStatus, Fingerprint, IndexKind, Passage
from rag_app.errors import KnowledgeBaseBusy, KnowledgeBaseDamaged, KnowledgeBaseNotFound, StorageError, UsageError
from rag_app.store import layout, purging, writer
from rag_app.store.chunks import distinct_chunks
from rag_app.store.embedding_cache import EmbeddingCache
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.layout import Source
from rag_app.store.live import LiveKnowledgeBase
from rag_app.store.publishing import Draft, ModelVectors, publish
from rag_app.store.purging import PurgeReport, purge
from rag_app.store.records import conversations
from rag_app.store.records.comparison_runs import keep_run, runs
from rag_app.store.records.conversations import Turn, keep_turn, kept_turn, new_id
from tests.children import in_a_child
from tests.conftest import SmallBase, document_of, report_of
from tests.fakes import fake_fingerprint, hash_vector

FIRST, SECOND = fake_fingerprint(), fake_fingerprint("fake/other")
SHARED = "Both handbooks end with this very sentence about the harbour."
TEXTS = {
    "docs/open.md": f"# Handbook\n\n## Opening hours\n\nThe office opens at 08:30 on working days.\n\n## End\n\n{SHARED}",
    "docs/secret.md": "# Handbook\n\n## The Wren Report\n\nThe vault opens at 04:17 with the code wren-nine.\n\n"
    "| keeper | box number |\n| --- | --- |\n| Featherstone | box-seventeen |\n\n## 鲸鱼\n\n密码是蓝色的鲸鱼，请勿外传。"
    f"\n\n## End\n\n{SHARED}",
    "docs/密码.md": "# 忘记密码\n\n连续输错五次密码，账号会被锁定三十分钟。",
}
# What only the secret document says; words of the keyword index among them.
SECRETS = ("Wren Report", "04:17", "wren-nine", "featherston", "Featherstone", "box-seventeen",
           "box number", "蓝色的鲸鱼", "鲸鱼")  # fmt: skip


def bytes_left(base: Path, *phrases: str) -> set[str]:
    """Return which of the phrases stand in any file below a folder, as they are or as JSON may have them."""
    contents = [path.read_bytes() for path in base.rglob("*") if path.is_file()]
    return {
        phrase
        for phrase in phrases
        for form in (phrase.encode(), phrase.encode("unicode_escape"))
        if any(form in content for content in contents)
    }


def purge_it(base: SmallBase, *paths: str) -> PurgeReport:
    return purge(base.indexes, base.name, paths or ["docs/secret.md"], print)


def folder_of(base: SmallBase) -> Path:
    return base.indexes / base.name


def fill_cache(base: SmallBase, *more: str, tokens: int = 9) -> None:
    """Put the vectors of all passages, and of more texts, into the cache, as a build does."""
    knowledge_base = base.open()
    texts = [passage.embedded_text for passage in knowledge_base.chunks.all_chunks()] + list(more)
    for fingerprint in knowledge_base.models:
        with EmbeddingCache(folder_of(base), fingerprint, print) as cache:
            for window in cache.plan(texts, 1000):
                vectors = np.stack([hash_vector(text) for text in window.texts])
                cache.put(window, window.texts, vectors, [tokens] * len(window.texts), "fake 1.0")


def cached(base: SmallBase, *texts: str, fingerprint: Fingerprint = FIRST) -> list[bool]:
    with EmbeddingCache(folder_of(base), fingerprint, print) as cache:
        return cache.get(texts).is_known.tolist()


def embedded_texts(knowledge_base: KnowledgeBase) -> list[str]:
    return [passage.embedded_text for passage in knowledge_base.chunks.all_chunks()]


Make = Callable[..., SmallBase]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that publishes a base of small passages; with `named`, file names are embedded with them."""

    def run(
        texts: dict[str, str],
        name: str = "kb",
        fingerprints: Sequence[Fingerprint] = (FIRST,),
        *,
        named: bool = False,
        memory_gb: float | None = None,
        docs: Path = tmp_path / "docs",
    ) -> SmallBase:
        folder = tmp_path / "indexes" / name
        cut = []
        for path, text in texts.items():
            document = replace(document_of(path, text), name=Path(path).stem if named else "")
            cut.append((document, chunk_document(document, chunk_tokens=25, overlap=0)))
        passages = distinct_chunks(chunk for _, chunks in cut for chunk in chunks)
        vectors = np.stack([hash_vector(passage.embedded_text) for passage in passages])
        made = ModelVectors(vectors, np.arange(len(passages)), ("fake 1.0",))
        with writer.writer_lock(folder):
            draft = Draft(
                report=report_of(name, writer.next_generation(folder), cut, fingerprints),
                sources=(Source("docs", str(docs)), Source("data", str(tmp_path / "data"))),
                parsing={"chunk_tokens": 25, "overlap": 0},
                documents=cut,
                vectors=dict.fromkeys(fingerprints, made),
                memory_gb=memory_gb,
            )
            publish(folder, draft)
        return SmallBase(folder.parent, name, fingerprints[0])

    return run


@pytest.fixture
def base(make: Make) -> SmallBase:
    """A base with two models and a full cache, whose secret document shares its last passage with another."""
    made = make(TEXTS, fingerprints=(FIRST, SECOND))
    fill_cache(made)
    assert bytes_left(folder_of(made), *SECRETS) == set(SECRETS)
    return made


# What is gone, and what stays


def test_no_byte_of_the_text_is_left_in_any_file(base: SmallBase) -> None:
    report = purge_it(base)
    assert bytes_left(folder_of(base), *SECRETS) == set()
    assert bytes_left(folder_of(base), SHARED) == {SHARED}
    assert (report.traces.found, report.traces.found_in) == (0, ())
    assert report.traces.files == sum(path.is_file() for path in folder_of(base).rglob("*"))
    assert report.traces.pieces > 5
    assert report.traces.vectors > 0


def test_outcomes_of_comparisons_go_as_a_whole(base: SmallBase) -> None:
    cache = folder_of(base) / "cache"
    for name in ("outcomes.sqlite", "outcomes.sqlite-wal"):
        (cache / name).write_text("an answer", encoding="utf-8")
    purge_it(base)
    assert not list(cache.glob("outcomes*"))


def test_conversations_forget_what_was_answered_from_the_document(base: SmallBase) -> None:
    passages = {path: Passage(1, path, None, 0, len(text), text, (), {"cosine": 0.5}) for path, text in TEXTS.items()}
    turns = {path: Turn("question?", base.name, passages=(passage,)) for path, passage in passages.items()}
    for turn in turns.values():
        keep_turn(base.indexes, new_id(), turn)
    purge_it(base)
    assert kept_turn(base.indexes, turns["docs/secret.md"].id) is None
    assert kept_turn(base.indexes, turns["docs/open.md"].id) == turns["docs/open.md"]
    assert bytes_left(base.indexes / layout.APPLICATION_FOLDER, "wren-nine") == set()


def test_what_was_found_before_a_purge_is_not_kept_after_it(base: SmallBase) -> None:
    conversation = new_id()
    passages = {path: Passage(1, path, None, 0, len(text), text, (), {}) for path, text in TEXTS.items()}
    begun = {path: Turn("question?", base.name) for path in passages}
    for turn in begun.values():
        keep_turn(base.indexes, conversation, turn)
    purge_it(base)
    for path, turn in begun.items():
        turn.passages = (passages[path],)
    keep_turn(base.indexes, conversation, begun["docs/open.md"])
    with pytest.raises(StorageError, match=r"purged meanwhile: docs/secret\.md"):
        keep_turn(base.indexes, conversation, begun["docs/secret.md"])
    asked_again = replace(begun["docs/secret.md"], id=new_id(), is_kept=False)
    with pytest.raises(StorageError, match="purged meanwhile"):
        keep_turn(base.indexes, conversation, asked_again)
    texts = [json.dumps({"found": [{"document": path, "text": text}]}) for path, text in TEXTS.items()]
    row = {"dataset": "d", "knowledge_base": base.name, "questions": 1, "systems": 2}
    for text in texts:
        with pytest.raises(StorageError, match="purged meanwhile") if "secret.md" in text else nullcontext():
            keep_run(base.indexes, text, **row)
    assert len(runs(base.indexes)) == len(TEXTS) - 1
    assert bytes_left(base.indexes / layout.APPLICATION_FOLDER, "wren-nine") == set()


def test_what_stays_is_what_a_new_base_without_the_document_would_be(base: SmallBase, make: Make) -> None:
    purge_it(base)
    purged = base.open()
    without = {path: text for path, text in TEXTS.items() if path != "docs/secret.md"}
    fresh = make(without, name="fresh", fingerprints=(FIRST, SECOND)).open()
    same = [name for name in fresh.manifest.files if name != layout.REPORT]
    assert {name: purged.manifest.files[name] for name in same} == {name: fresh.manifest.files[name] for name in same}
    assert purged.manifest.counts == fresh.manifest.counts == {"documents": 2, "chunks": 4}
    assert purged.manifest.vectors == fresh.manifest.vectors
    layout.check_sums(purged.folder, purged.manifest)


def test_it_says_what_it_removed(base: SmallBase) -> None:
    before = base.open().chunk_count
    report = purge_it(base)
    assert (report.kb, report.generation, report.documents, report.before) == (
        "kb", "gen-00000002", ("docs/secret.md",), (),
    )  # fmt: skip
    assert report.passages == before - 4 > 1
    assert report.cached_vectors == 2 * report.passages  # of two models
    assert (report.missing_vectors, report.sources) == (0, ())


def test_the_cache_keeps_what_other_documents_hold_as_well_and_nothing_else(base: SmallBase) -> None:
    before = embedded_texts(base.open())
    fill_cache(base, "an earlier version of the secret")
    purge_it(base)
    staying = embedded_texts(base.open())
    gone = [text for text in before if text not in staying]
    assert len(gone) > 1
    for fingerprint in (FIRST, SECOND):
        assert all(cached(base, *staying, fingerprint=fingerprint))
        assert not any(cached(base, *gone, "an earlier version of the secret", fingerprint=fingerprint))
    vectors = [hash_vector(text).tobytes() for text in gone]
    contents = [path.read_bytes() for path in folder_of(base).rglob("*") if path.is_file()]
    assert not any(vector in content for vector in vectors for content in contents)


def test_older_versions_of_the_document_are_gone_with_the_generations_that_have_them(make: Make) -> None:
    make(TEXTS | {"docs/secret.md": "An older wording: the heron sleeps at noon."})
    base = make(TEXTS)
    assert bytes_left(folder_of(base), "heron") == {"heron"}
    report = purge_it(base)
    assert [path.name for path in layout.generations(folder_of(base))] == [report.generation] == ["gen-00000003"]
    assert bytes_left(folder_of(base), "heron", *SECRETS) == set()
    without_older = purge_it(make(TEXTS, name="other"))
    assert report.traces.pieces == without_older.traces.pieces + 2  # the older wording was searched for too


def test_a_document_that_only_an_older_generation_has_can_be_purged(make: Make) -> None:
    make(TEXTS)
    base = make({path: TEXTS[path] for path in ("docs/open.md", "docs/密码.md")})
    fill_cache(base)
    before = base.open().manifest
    assert bytes_left(folder_of(base), *SECRETS)
    report = purge_it(base)
    assert (report.documents, report.passages, report.missing_vectors) == (("docs/secret.md",), 0, 0)
    assert bytes_left(folder_of(base), *SECRETS) == set()
    after = base.open().manifest
    assert {**after.files, layout.REPORT: None} == {**before.files, layout.REPORT: None}
    assert [one.path for one in after.excluded] == ["docs/secret.md"]
    assert [path.name for path in layout.generations(folder_of(base))] == ["gen-00000003"]


def test_several_documents_are_purged_at_once(base: SmallBase) -> None:
    report = purge_it(base, "docs/secret.md", "docs/密码.md", "docs/secret.md")
    assert report.documents == ("docs/secret.md", "docs/密码.md")
    assert [path for path, *_ in base.open().chunks.documents()] == ["docs/open.md"]
    assert bytes_left(folder_of(base), "忘记密码", *SECRETS) == set()


def upload_of(base: Path) -> Path:
    """Return the folder that the source `docs` of the bases here is, uploaded."""
    return base / "sources" / f"upload-{'0' * 16}" / "docs"


def write_uploads(base: Path) -> None:
    for path, text in TEXTS.items():
        file = upload_of(base).parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def test_the_upload_of_the_document_is_removed_and_no_other(make: Make, tmp_path: Path) -> None:
    base = make(TEXTS, docs=upload_of(tmp_path / "indexes" / "kb"))
    write_uploads(folder_of(base))
    purge_it(base)
    assert sorted(path.name for path in upload_of(folder_of(base)).iterdir()) == ["open.md", "密码.md"]
    assert bytes_left(folder_of(base), *SECRETS) == set()


def test_an_upload_is_removed_where_the_base_was_moved_to(make: Make, tmp_path: Path) -> None:
    base = make(TEXTS, docs=upload_of(Path("/somewhere/else/kb")))
    write_uploads(folder_of(base))
    purge_it(base)
    assert not (upload_of(folder_of(base)) / "secret.md").exists()


def test_a_source_that_is_no_upload_is_not_touched(make: Make, tmp_path: Path) -> None:
    base = make(TEXTS)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "secret.md").write_text(TEXTS["docs/secret.md"], encoding="utf-8")
    purge_it(base)
    assert (tmp_path / "docs" / "secret.md").exists()


def test_an_upload_of_an_older_version_goes_as_well(make: Make, tmp_path: Path) -> None:
    older = tmp_path / "indexes" / "kb" / "sources" / f"upload-{'1' * 16}" / "docs"
    make(TEXTS | {"docs/secret.md": "An older wording: the heron sleeps at noon."}, docs=older)
    base = make(TEXTS, docs=upload_of(tmp_path / "indexes" / "kb"))
    older.mkdir(parents=True)
    (older / "secret.md").write_text("An older wording: the heron sleeps at noon.", encoding="utf-8")
    write_uploads(folder_of(base))
    purge_it(base)
    assert not (older / "secret.md").exists()
    assert bytes_left(folder_of(base), "heron", *SECRETS) == set()


def test_the_manifest_and_the_report_say_that_it_stays_out(base: SmallBase) -> None:
    purge_it(base)
    assert [one.path for one in base.open().manifest.excluded] == ["docs/secret.md"]
    assert [report for report in base.open().report.documents if report.path == "docs/secret.md"] == [
        DocumentReport.purged("docs/secret.md")
    ]
    assert [report.path for report in base.open().report.documents] == list(TEXTS)
    said = DocumentReport.purged("docs/secret.md")
    assert (said.status, said.reason, said.intended, said.file_sha256) == (FileStatus.SKIPPED, PURGED, True, "")


def test_a_reader_goes_on_with_what_it_has_open_and_the_next_question_gets_the_new_one(base: SmallBase) -> None:
    live = LiveKnowledgeBase(base.indexes, base.name)
    before = live.current().knowledge_base
    before.keywords.scores("vault")
    purge_it(base)
    assert before.chunks.document("docs/secret.md") is not None
    assert before.keywords.scores("vault").max() > 0
    assert live.current().knowledge_base.generation == "gen-00000002"
    assert live.current().knowledge_base.keywords.scores("vault").max() == 0


# Vectors


def test_a_passage_whose_first_file_is_gone_is_embedded_again_under_the_name_of_the_next(make: Make) -> None:
    text = "The very same text stands in both of the files."
    base = make({"docs/Alpha Gazette.md": text, "docs/beta.md": text, "docs/c.md": "Another text."}, named=True)
    report = purge_it(base, "docs/Alpha Gazette.md")
    after = base.open()
    assert (report.passages, report.missing_vectors) == (0, 1)
    assert embedded_texts(after)[0].startswith("beta\n")
    assert after.vectors(FIRST).rows.tolist() == [1]
    assert report.traces.vectors == 1  # that of the text with the old name
    np.testing.assert_array_equal(after.vectors(FIRST).vectors(slice(None))[0], hash_vector(embedded_texts(after)[1]))


def test_such_a_vector_is_taken_from_the_cache_where_it_is_there(make: Make) -> None:
    text = "The very same text stands in both of the files."
    base = make({"docs/a.md": text, "docs/beta.md": text, "docs/c.md": "Another text."}, named=True)
    fill_cache(base, f"beta\n{text}")
    report = purge_it(base, "docs/a.md")
    after = base.open()
    assert report.missing_vectors == 0
    assert after.vectors(FIRST).rows.tolist() == [0, 1]
    expected = np.stack([hash_vector(embedded) for embedded in embedded_texts(after)])
    np.testing.assert_array_equal(after.vectors(FIRST).vectors(slice(None)), expected)


def test_a_base_with_lists_of_coded_vectors_keeps_every_other_vector(make: Make) -> None:
    texts = {f"docs/{number:03}.md": f"Notice {number} is about item{number}x and its keeper." for number in range(100)}
    base = make(texts, memory_gb=1e-5)
    assert base.open().manifest.vectors[FIRST.digest].kind is IndexKind.IVF
    report = purge_it(base, "docs/055.md")
    after = base.open()
    assert (report.passages, report.missing_vectors, report.traces.found) == (1, 0, 0)
    assert (after.manifest.memory_gb, after.manifest.vectors[FIRST.digest].kind) == (1e-5, IndexKind.IVF)
    index = after.vectors(FIRST)
    by_number = index.vectors(np.argsort(index.rows))
    np.testing.assert_array_equal(by_number, np.stack([hash_vector(text) for text in embedded_texts(after)]))
    assert bytes_left(folder_of(base), "item55x") == set()


def test_how_much_a_model_does_not_read_is_said_of_what_stays(base: SmallBase) -> None:
    fill_cache(base, tokens=fake_fingerprint().max_tokens + 44)
    with writer.writer_lock(folder_of(base)):
        live = base.open()
        models = tuple(
            replace(model, truncated=live.chunk_count, unseen_share=0.5, fitting_chunk_tokens=3)
            for model in live.report.models
        )
        report = replace(live.report, models=models, generation=writer.next_generation(folder_of(base)))
        manifest = live.manifest
        kept: dict[Fingerprint, ModelVectors | None] = dict.fromkeys(manifest.models)
        publish(folder_of(base), Draft(report, manifest.sources, manifest.parsing, None, kept, live))
    purge_it(base)
    after = base.open()
    assert [model.truncated for model in after.report.models] == [after.chunk_count] * 2


# What is refused


def test_a_document_that_is_not_there_is_refused_and_near_ones_are_named(base: SmallBase) -> None:
    for path, near in (("secret.md", "docs/secret.md"), ("docs/secert.md", "docs/secret.md")):
        with pytest.raises(UsageError, match=f"'kb' has no document {path}. Near it: {near}") as raised:
            purge_it(base, "docs/open.md", path)
        assert "rag-app kb show kb" in raised.value.remedy
    assert base.open().generation == "gen-00000001"


def test_a_file_of_records_is_told_from_its_records(make: Make) -> None:
    base = make({f"data/corpus.jsonl#{number}": f"Record {number}." for number in (7, 8)})
    with pytest.raises(UsageError, match=r"Near it: data/corpus\.jsonl#7, data/corpus\.jsonl#8"):
        purge_it(base, "data/corpus.jsonl")


def test_the_last_document_cannot_be_purged(base: SmallBase) -> None:
    with pytest.raises(UsageError, match="No document of 'kb' would be left") as raised:
        purge_it(base, *TEXTS)
    assert "rag-app kb delete kb" in raised.value.remedy
    assert bytes_left(folder_of(base), *SECRETS) == set(SECRETS)


def test_a_base_that_is_not_there_is_not_created(base: SmallBase) -> None:
    with pytest.raises(KnowledgeBaseNotFound):
        purge(base.indexes, "other", ["docs/secret.md"], print)
    assert not (base.indexes / "other").exists()


def test_a_damaged_base_is_refused(base: SmallBase) -> None:
    damaged = base.open().folder / layout.CHUNKS
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(KnowledgeBaseDamaged, match=r"chunks\.sqlite is damaged"):
        purge_it(base)


def test_a_base_that_is_being_written_is_left_alone(base: SmallBase) -> None:
    with writer.writer_lock(folder_of(base)), pytest.raises(KnowledgeBaseBusy):
        purge_it(base)


def test_a_damaged_older_generation_is_removed_like_any_other(make: Make) -> None:
    make(TEXTS)
    base = make(TEXTS)
    (folder_of(base) / "gen-00000001" / layout.CHUNKS).write_bytes(b"damaged: the vault opens at 04:17")
    purge_it(base)
    assert bytes_left(folder_of(base), *SECRETS) == set()


# A second time, and after a kill


def test_a_second_purge_says_that_it_was_done_before(base: SmallBase) -> None:
    purge_it(base)
    again = purge_it(base)
    assert (again.documents, again.before, again.generation) == ((), ("docs/secret.md",), "gen-00000002")
    both = purge_it(base, "docs/secret.md", "docs/密码.md")
    assert (both.documents, both.before) == (("docs/密码.md",), ("docs/secret.md",))
    assert [one.path for one in base.open().manifest.excluded] == ["docs/secret.md", "docs/密码.md"]


def test_a_file_that_holds_the_text_all_the_same_is_found_and_named(base: SmallBase) -> None:
    (folder_of(base) / "notes.txt").write_text("| Featherstone | box-seventeen |")
    report = purge_it(base)
    assert report.traces.found > 0
    assert report.traces.found_in == ("notes.txt",)


# Every call by which the files of a base are changed; a kill may come before each.
CHANGES = (
    (os, "fsync"),
    (os, "rename"),
    (os, "replace"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "mkdir"),
    (shutil, "rmtree"),
)


def kill_before_change(number: int) -> None:
    """Make this process kill itself before the change of that number, counted from 0."""
    left = number

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return original(*arguments, **options)

        return call

    for module, name in CHANGES:
        setattr(module, name, counted(getattr(module, name)))


def purge_and_be_killed(base: SmallBase, number: int) -> bool:
    """Purge in a process that is killed before a change, and say whether it was."""

    def work() -> None:
        kill_before_change(number)
        purge_it(base)

    status = in_a_child(work)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def check_second_purge(base: SmallBase) -> None:
    """Check that a killed purge left a whole base, and that a second one completes it."""
    live = base.open()
    layout.check_sums(live.folder, live.manifest)
    expected = {"docs/open.md", "docs/密码.md"} | ({"docs/secret.md"} if not live.manifest.excluded else set())
    assert set(live.chunks.document_sums()) == expected
    report = purge_it(base)
    assert report.traces.found == 0
    assert {*report.documents, *report.before} == {"docs/secret.md"}
    assert bytes_left(folder_of(base), "heron", *SECRETS) == set()
    assert len(layout.generations(folder_of(base))) == 1
    assert not list(folder_of(base).glob(f"{layout.BUILD_PREFIX}*"))


def trials(base: SmallBase, tmp_path: Path, numbers: Sequence[int]) -> int:
    """Kill a purge before each of the changes in a copy of the base, and check; return how many were killed."""
    killed = 0
    for number in numbers:
        copy = SmallBase(tmp_path / f"trial {number}", base.name, base.fingerprint)
        shutil.copytree(base.indexes, copy.indexes)
        killed += purge_and_be_killed(copy, number)
        check_second_purge(copy)
        shutil.rmtree(copy.indexes)
    return killed


@pytest.fixture
def base_with_history(make: Make, tmp_path: Path) -> SmallBase:
    """A base with an older generation, a full cache and an upload."""
    make(TEXTS | {"docs/secret.md": "An older wording: the heron sleeps at noon."})
    base = make(TEXTS, docs=upload_of(tmp_path / "indexes" / "kb"))
    fill_cache(base)
    write_uploads(folder_of(base))
    return base


def test_a_purge_that_was_killed_leaves_a_whole_base_and_a_second_one_completes_it(
    base_with_history: SmallBase, tmp_path: Path
) -> None:
    assert trials(base_with_history, tmp_path, range(0, 60, 7)) > 5


@pytest.mark.matrix
def test_so_does_a_purge_that_was_killed_at_any_other_moment(base_with_history: SmallBase, tmp_path: Path) -> None:
    assert trials(base_with_history, tmp_path, range(150)) in range(30, 150)


@pytest.mark.parametrize("stage", ["_remove_uploads", "_draft", "publish", "conversations", "search_traces"])
def test_a_failure_at_a_stage_leaves_a_whole_base_and_a_second_purge_completes_it(
    base_with_history: SmallBase, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    turn = Turn("question?", base_with_history.name)
    turn.passages = (Passage(1, "docs/secret.md", None, 0, 5, "heron", (), {}),)
    keep_turn(base_with_history.indexes, new_id(), turn)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if stage == "conversations":
            patch.setattr(conversations, "forget", fail)
        else:
            patch.setattr(purging._Purge if stage.startswith("_") else purging, stage, fail)
        with pytest.raises(OSError, match="No space left"):
            purge_it(base_with_history)
    check_second_purge(base_with_history)
    assert kept_turn(base_with_history.indexes, turn.id) is None
