"""The page of the knowledge bases in Streamlit's own test harness, in each of its states."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.build import BuildRequest, build
from rag_app.build_events import Event, EventKind
from rag_app.config import load_settings
from rag_app.errors import BuildCancelled, BuildError, KnowledgeBaseBusy, StorageError
from rag_app.store import layout, writer
from rag_app.store.knowledge_base import KnowledgeBase
from rag_app.store.uploads import keep_upload
from rag_app.ui.jobs import Job, Jobs, JobState
from rag_app.ui.knowledge_bases import work
from rag_app.ui.knowledge_bases.identity import check_name
from tests.test_page_pictures import pdf

BUSY = "'notes' is being changed by someone else at this moment."
HOSTILE = "<img src=x onerror=alert(1)> ![a](http://127.0.0.1:9/a) :red[b].md"


def script() -> None:
    from rag_app.config import load_settings
    from rag_app.ui.knowledge_bases.page import draw_page

    draw_page(load_settings())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """A folder with an index root, whose base `notes` has a PDF, a hostile file and two that could not be indexed."""
    folder = tmp_path_factory.mktemp("bases")
    documents = folder / "docs"
    documents.mkdir()
    (documents / "locked.pdf").write_bytes(pdf("An account is locked for 30 minutes.", "A backup is made every night."))
    (documents / HOSTILE.replace("/", "_")).write_text(f"# Hostile\n\nIt says {HOSTILE}", encoding="utf-8")
    (documents / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (documents / "empty.md").write_text("", encoding="utf-8")
    settings = load_settings(indexes=folder / "indexes", offline=True)
    build(BuildRequest("notes", (documents,), (str(tiny_embedder),)), settings, lambda _: None)
    return folder


@pytest.fixture
def indexes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_embedder: Path) -> Path:
    """A copy of that index root, and settings that point to it."""
    shutil.copytree(built / "indexes", tmp_path / "indexes")
    monkeypatch.setenv("RAG_APP_INDEXES", str(tmp_path / "indexes"))
    monkeypatch.setenv("RAG_APP_EMBED_MODEL", str(tiny_embedder))
    monkeypatch.setenv("RAG_APP_OFFLINE", "1")
    return tmp_path / "indexes"


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """Jobs of this test alone."""
    own = Jobs()
    monkeypatch.setattr(work, "all_jobs", lambda: own)
    return own


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, jobs: Jobs) -> Iterator[threading.Event]:
    """Builds that have said a little once they are started, and wait until they are cancelled, or the event is set."""
    going_on, has_said = threading.Event(), threading.Event()
    start = jobs.start_unless_running

    def start_and_listen(key: str, build: Callable[[Job], object]) -> bool:
        is_started = start(key, build)
        assert not is_started or has_said.wait(300)
        return is_started

    def run(
        name: str, *_: object, on_event: Callable[[Event], None], cancelling: threading.Event, **__: object
    ) -> None:
        on_event(Event(EventKind.FILE, "docs/a.md", 1, 4, "indexed"))
        on_event(Event(EventKind.FILE, "docs/<b>.md", 2, 4, "failed", "It is damaged."))
        has_said.set()
        while not going_on.wait(0.02):
            if cancelling.is_set():
                raise BuildCancelled(f"The build of '{name}' was cancelled.")

    monkeypatch.setattr(work, "run_build", run)
    monkeypatch.setattr(jobs, "start_unless_running", start_and_listen)
    yield going_on
    going_on.set()


def page(base: str = "", language: str = "en") -> AppTest:
    at = AppTest.from_function(script, default_timeout=300)
    at.session_state["lang"] = language
    if base:
        at.query_params["base"] = base
    return at.run()


def shown(at: AppTest) -> str:
    html = [element.proto.body for element in at.get("html")]
    badges = [element.value for element in at.markdown]
    values = [element.value for element in [*at.text, *at.title, *at.subheader]]
    return "\n".join([*values, *badges, *html, *(button.label for button in at.button)])


def button(at: AppTest, label: str):
    return next(found for found in at.button if found.label == label)


def ended(key: str, jobs: Jobs) -> None:
    deadline = time.monotonic() + 300
    while (job := jobs.get(key)) is None or job.state is JobState.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.02)


# No base, and a new one


def test_without_a_base_the_page_asks_for_documents_and_has_a_default_for_everything_else(
    indexes: Path, tiny_embedder: Path
) -> None:
    shutil.rmtree(indexes)
    at = page()
    assert not at.exception
    assert "There is no knowledge base yet" in shown(at)
    assert at.selectbox[0].value == str(tiny_embedder)
    assert "bundled" in at.selectbox[0].options
    at.file_uploader[0].upload("Staff handbook.md", b"An account is locked.").run()
    assert at.text_input[0].value == "Staff-handbook"


def test_a_base_is_built_from_an_upload_and_can_be_asked(indexes: Path, jobs: Jobs) -> None:
    at = page()
    button(at, "New knowledge base").click().run()
    at.file_uploader[0].set_value(
        [("../../手册.md", "账号会被锁定三十分钟。".encode(), "text/markdown"), ("b.md", b"Backups.", "text/markdown")]
    ).run()
    assert at.text_input[0].value == "手册"
    button(at, "Build").click().run()
    assert not at.exception
    ended("build 手册", jobs)
    at = page("手册")
    assert "It holds 2 documents with 2 passages." in shown(at)
    assert [found.label for found in at.button].count("Ask it") == 2
    base = KnowledgeBase.open(indexes, "手册")
    assert sorted(base.chunks.document_sums()) == ["b.md", "手册.md"]
    assert all((indexes / "手册" / "sources") in Path(source.path).parents for source in base.manifest.sources)
    assert not list((indexes / "手册" / "sources").glob("*.pending"))
    button(at, "Close this").click().run()
    assert "It holds" not in shown(at)


def test_a_base_is_built_from_a_path(indexes: Path, jobs: Jobs, tmp_path: Path, held: threading.Event) -> None:
    (tmp_path / "papers").mkdir()
    at = page()
    button(at, "New knowledge base").click().run()
    at.button_group[0].set_value("machine").run()
    at.text_input(key="path new").set_value(str(tmp_path / "papers")).run()
    assert at.text_input(key="name of the new knowledge base").value == "papers"
    button(at, "Build").click().run()
    assert not at.exception
    assert jobs.get("build papers") is not None
    assert at.query_params["base"] in ("papers", ["papers"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/no/such/folder", "There is no file or folder /no/such/folder"),
        ("", "No documents were given yet"),
        ("{indexes}/notes", "lies in the index root"),
        ("a\0b", "cannot be read"),
        ("~nosuch/docs", "There is no file or folder ~nosuch/docs"),
        ("x" * 300, "cannot be read"),
    ],
)
def test_a_path_that_is_no_source_is_refused(indexes: Path, jobs: Jobs, path: str, said: str) -> None:
    at = page()
    button(at, "New knowledge base").click().run()
    at.button_group[0].set_value("machine").run()
    at.text_input(key="path new").set_value(path.format(indexes=indexes)).run()
    at.text_input(key="name of the new knowledge base").set_value("new").run()
    button(at, "Build").click().run()
    assert said in shown(at)
    assert jobs.get("build new") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [("notes", "is a knowledge base called 'notes' already"), ("../x", "cannot be its name"), ("", "needs a name")],
)
def test_a_name_that_cannot_be_is_refused(indexes: Path, name: str, said: str) -> None:
    at = page()
    button(at, "New knowledge base").click().run()
    at.file_uploader[0].upload("a.md", b"Text.").run()
    at.text_input[0].set_value(name).run()
    button(at, "Build").click().run()
    assert said in shown(at)
    assert sorted(path.name for path in indexes.iterdir()) == ["notes"]


def test_more_than_the_quota_is_refused_and_nothing_of_it_is_kept(
    indexes: Path, monkeypatch: pytest.MonkeyPatch, held: threading.Event
) -> None:
    monkeypatch.setenv("RAG_APP_LIMITS__UPLOAD_FILES", "2")
    monkeypatch.setenv("RAG_APP_LIMITS__UPLOAD_MEGABYTES", "1")
    at = page()
    button(at, "New knowledge base").click().run()
    at.file_uploader[0].set_value([(f"{number}.md", b"Text.", "text/markdown") for number in range(3)]).run()
    button(at, "Build").click().run()
    assert "That is 3 files, and at most 2 are taken at once" in shown(at)
    at.file_uploader[0].set_value([("a.md", b"x" * 700_000, "text/markdown")]).run()
    button(at, "Build").click().run()
    button(at, "All knowledge bases").click().run()
    button(at, "New knowledge base").click().run()
    at.file_uploader[0].set_value([("b.md", b"x" * 700_000, "text/markdown")]).run()
    button(at, "Build").click().run()
    assert "this session would have uploaded 1.4 MB, and it may upload 1 MB" in shown(at)
    assert not (indexes / "b").exists()
    other = page()  # another session has a quota of its own
    button(other, "New knowledge base").click().run()
    other.file_uploader[0].set_value([("b.md", b"x" * 700_000, "text/markdown")]).run()
    button(other, "Build").click().run()
    assert "would have uploaded" not in shown(other)


# All of them, and one


def test_bases_are_listed_with_what_they_hold(indexes: Path) -> None:
    at = page()
    text = shown(at)
    assert "2 documents · 3 passages" in text or "2 documents · 2 passages" in text
    assert "Ready" in text
    button(at, "Open").click().run()
    assert not at.exception
    assert at.dataframe[0].value["status"].tolist() == ["✕ Failed", "○ No text", "✓ Indexed", "✓ Indexed"]
    assert "2 files were not indexed" in [found.label for found in at.expander]


def test_documents_are_filtered_by_what_became_of_them(indexes: Path) -> None:
    at = page("notes")
    at.button_group(key="statuses shown").set_value(["failed"]).run()
    assert at.dataframe[0].value["path"].tolist() == ["docs/broken.pdf"]


def test_a_passage_of_a_pdf_is_shown_beside_its_marked_page(indexes: Path) -> None:
    at = page("notes")
    at.selectbox(key="document of notes").set_value("docs/locked.pdf").run()
    assert not at.exception
    assert "An account is locked for 30 minutes." in shown(at)
    (picture,) = at.get("image")
    assert "Page 1 of docs/locked.pdf, the passage marked" in str(picture.proto)


def test_the_text_is_shown_where_the_file_has_changed(indexes: Path, built: Path) -> None:
    file = built / "docs" / "locked.pdf"
    kept = file.read_bytes()
    file.write_bytes(pdf("Something else."))
    try:
        at = page("notes")
        at.selectbox(key="document of notes").set_value("docs/locked.pdf").run()
    finally:
        file.write_bytes(kept)
    assert "the file has changed since it was indexed" in shown(at)
    assert not at.get("image")
    assert "An account is locked for 30 minutes." in shown(at)


def test_the_way_leads_from_passage_to_passage(indexes: Path, tiny_embedder: Path, tmp_path: Path) -> None:
    (tmp_path / "long.md").write_text("\n\n".join(f"Rule {n} is long. " * 60 for n in range(4)), encoding="utf-8")
    settings = load_settings(indexes=indexes, offline=True)
    build(BuildRequest("long", (tmp_path / "long.md",), (str(tiny_embedder),)), settings, lambda _: None)
    at = page("long")
    at.selectbox(key="document of long").set_value("long.md").run()
    assert button(at, "Previous").disabled
    assert "Rule 0" in shown(at)
    for _ in range(int(at.number_input[0].max) - 1):
        button(at, "Next").click().run()
    assert "Rule 3" in shown(at)
    assert button(at, "Next").disabled
    at.number_input[0].set_value(1).run()
    assert "Rule 0" in shown(at)


def test_hostile_names_and_texts_are_shown_as_text(indexes: Path) -> None:
    at = page("notes")
    path = f"docs/{HOSTILE.replace('/', '_')}"
    at.selectbox(key="document of notes").set_value(path).run()
    assert not at.exception
    html = "\n".join(element.proto.body for element in at.get("html"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "<img" not in html
    said = [*at.markdown, *at.caption, *at.subheader, *at.title]
    assert not any("127.0.0.1" in element.value for element in said)
    button(at, "Delete this document").click().run()
    assert path in "\n".join(text.value for text in at.text)
    labels = [found.label for found in [*at.button, *at.selectbox, *at.text_input, *at.expander]]
    assert not any("127.0.0.1" in label for label in labels)


# Work that goes on


def test_a_build_is_followed_and_cancelled_and_leaves_the_base_as_it_was(
    indexes: Path, jobs: Jobs, held: threading.Event
) -> None:
    at = page("notes")
    at.button_group(key="section notes").set_value("add").run()
    at.file_uploader[0].upload("new.md", b"A new document.").run()
    button(at, "Add them").click().run()
    other = page("notes")  # another session sees the same
    for session in (at, other):
        text = shown(session)
        assert "Reading files: 2 of 4" in text
        assert "docs/&lt;b&gt;.md" in text
        assert "It is damaged." in text
        assert "You can go on asking meanwhile" in text
    assert list((indexes / "notes" / "sources").glob("upload-*/new.md"))
    button(other, "Cancel").click().run()
    ended("build notes", jobs)
    assert "'notes' is as it was before" in shown(page("notes"))
    assert not (indexes / "notes" / "sources").exists()


def test_a_first_build_that_was_cancelled_leaves_nothing(indexes: Path, jobs: Jobs, held: threading.Event) -> None:
    at = page()
    button(at, "New knowledge base").click().run()
    at.file_uploader[0].upload("new.md", b"A new document.").run()
    button(at, "Build").click().run()
    assert "Being built" in shown(page())
    button(at, "Cancel").click().run()
    ended("build new", jobs)
    assert "'new' was not built" in shown(page("new"))
    assert not (indexes / "new").exists()


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (BuildError("The build of 'notes' ended with code 1: <b>no</b>", "By hand."), "'notes' could not be built"),
        (KnowledgeBaseBusy("Another build is running."), "'notes' is being changed by someone else"),
    ],
)
def test_a_build_that_failed_says_so(
    indexes: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, problem: Exception, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(work, "run_build", fail)
    at = page("notes")
    at.button_group(key="section notes").set_value("add").run()
    button(at, "Update from the sources").click().run()
    ended("build notes", jobs)
    at = page("notes")
    assert not at.exception
    assert said in shown(at)


def test_two_sessions_do_not_change_one_base_at_once(indexes: Path, jobs: Jobs, held: threading.Event) -> None:
    settings = load_settings()
    other = page("notes")
    other.button_group(key="section notes").set_value("add").run()
    other.file_uploader[0].upload("late.md", b"Late.").run()
    assert work.start_build(settings, "notes")
    button(other, "Add them").click().run()  # it was drawn before the other session began
    assert "Reading files" in shown(other)
    assert not (indexes / "notes" / "sources").exists()
    upload = keep_upload(indexes / "notes", [("late.md", io.BytesIO(b"Late."))])
    assert not work.start_build(settings, "notes", upload=upload)
    assert not upload.folder.exists()


def test_who_comes_a_moment_later_is_told_and_nothing_of_the_upload_is_kept(
    indexes: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, held: threading.Event
) -> None:
    def after_another_session() -> Jobs:
        jobs.start("build notes", lambda _: held.wait(60))
        return jobs

    upload = keep_upload(indexes / "notes", [("late.md", io.BytesIO(b"Late."))])
    monkeypatch.setattr(work, "all_jobs", after_another_session)
    assert not work.start_build(load_settings(), "notes", upload=upload)
    assert not upload.folder.exists()


def test_a_build_of_an_upload_is_told_of_it_and_of_what_it_replaces_and_of_no_other_source(
    indexes: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    first = keep_upload(indexes / "notes", [("a.md", io.BytesIO(b"Old.")), ("b.md", io.BytesIO(b"Another."))])
    build(BuildRequest("notes", first.sources), settings, lambda _: None)
    second = keep_upload(indexes / "notes", [("a.md", io.BytesIO(b"New."))])
    told: list[tuple[object, object]] = []
    monkeypatch.setattr(
        work, "run_build", lambda _, sources, *__, drop_sources, **___: told.append((sources, drop_sources))
    )
    assert work.start_build(settings, "notes", upload=second)
    ended("build notes", jobs)
    assert told == [(list(second.sources), [first.folder / "a.md"])]


def open_removal(at: AppTest) -> None:
    at.selectbox(key="document of notes").set_value("docs/locked.pdf").run()
    button(at, "Delete this document").click().run()


def open_drop(at: AppTest) -> None:
    (model,) = KnowledgeBase.open(load_settings().indexes, "notes").models
    at.session_state["embedding model to be dropped"] = ("notes", model.model)
    at.button_group(key="section notes").set_value("models").run()


@pytest.mark.parametrize(("open_question", "yes"), [(open_removal, "Delete it for good"), (open_drop, "Remove it")])
def test_a_yes_that_comes_after_another_session_has_begun_is_answered(
    indexes: Path, held: threading.Event, open_question: Callable[[AppTest], None], yes: str
) -> None:
    at = page("notes")
    open_question(at)
    assert work.start_build(load_settings(), "notes")
    button(at, yes).click().run()
    assert not at.exception
    assert BUSY in shown(at)
    assert "Reading files" in shown(at)
    assert BUSY not in shown(at.run())
    assert button(at, yes), "it can be tried again"


def open_update(at: AppTest, indexes: Path) -> None:
    at.button_group(key="section notes").set_value("add").run()


def open_addition(at: AppTest, indexes: Path) -> None:
    at.button_group(key="section notes").set_value("models").run()
    at.selectbox(key="add model notes").set_value("bundled").run()


def open_rebuild(at: AppTest, indexes: Path) -> None:
    (indexes / "notes" / "gen-00000001" / layout.CHUNKS).write_bytes(b"nothing")
    at.run()


@pytest.mark.parametrize(
    ("open_section", "label"),
    [
        (open_update, "Update from the sources"),
        (open_addition, "Add it"),
        (open_rebuild, "Rebuild it from its sources"),
    ],
)
def test_a_click_that_another_session_was_a_moment_quicker_than_is_answered(
    indexes: Path,
    monkeypatch: pytest.MonkeyPatch,
    held: threading.Event,
    open_section: Callable[[AppTest, Path], None],
    label: str,
) -> None:
    monkeypatch.setattr(work, "is_changing", lambda _: False)  # so it is when the page draws the button
    at = page("notes")
    open_section(at, indexes)
    assert work.start_build(load_settings(), "notes")
    button(at, label).click().run()
    assert not at.exception
    assert BUSY in shown(at)


def test_a_build_that_another_program_does_is_said(indexes: Path) -> None:
    with writer.writer_lock(indexes / "notes"):
        assert "Another program is building 'notes' right now" in shown(page("notes"))
        assert "Being built" in shown(page())
    assert "Another program" not in shown(page("notes"))


# Removal, models, checks


def test_a_document_is_deleted_after_it_was_asked_twice(indexes: Path, jobs: Jobs) -> None:
    at = page("notes")
    at.selectbox(key="document of notes").set_value("docs/locked.pdf").run()
    button(at, "Delete this document").click().run()
    button(at, "Keep it").click().run()
    assert jobs.get("build notes") is None
    button(at, "Delete this document").click().run()
    button(at, "Delete it for good").click().run()
    ended("build notes", jobs)
    at = page("notes")
    assert "The document is deleted for good" in shown(at)
    assert "0 traces found" in shown(at)
    assert "docs/locked.pdf" not in KnowledgeBase.open(indexes, "notes").chunks.document_sums()


def test_a_model_is_added_and_dropped(indexes: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(work, "run_build", lambda *_, **options: asked.append(options))
    at = page("notes")
    at.button_group(key="section notes").set_value("models").run()
    assert button(at, "Remove this model").disabled  # the only one
    at.selectbox(key="add model notes").set_value("bundled").run()
    button(at, "Add it").click().run()
    ended("build notes", jobs)
    assert asked[0]["models"] == ["bundled"]


def test_a_whole_base_is_verified_and_a_damaged_one_is_named(indexes: Path, jobs: Jobs) -> None:
    at = page("notes")
    at.button_group(key="section notes").set_value("card").run()
    text = shown(at)
    for part in ("Identity card", "Fingerprint", "Prompt of questions", "Pooling", "SHA-256 of the manifest"):
        assert part in text
    at.checkbox[0].uncheck().run()
    button(at, "Verify").click().run()
    ended("verify notes", jobs)
    at = page("notes")
    at.button_group(key="section notes").set_value("card").run()
    assert "Whole: nothing is damaged" in shown(at)


def test_checks_are_named_in_the_chosen_language(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["CURRENT", "gen-00000001 manifest", "unlisted files", "spans", "rows of a/model", "embedding cache"]
    assert [check_name(name) for name in names] == names
    for module in ("rag_app.ui.words", "rag_app.ui.words.translation"):
        monkeypatch.setattr(f"{module}.language", lambda: "zh")
    expected = ["CURRENT", "gen-00000001 清单", "清单以外的文件", "段落位置", "a/model 的行与段落对应表", "嵌入缓存"]
    assert [check_name(name) for name in names] == expected
    assert check_name("model a/model") == "模型 a/model"


def test_a_damaged_base_is_named_with_what_mends_it(indexes: Path, jobs: Jobs, held: threading.Event) -> None:
    (indexes / "notes" / "gen-00000001" / layout.CHUNKS).write_bytes(b"nothing")
    assert "Damaged" in shown(page())
    at = page("notes")
    assert not at.exception
    assert "chunks.sqlite is damaged" in shown(at)
    button(at, "Rebuild it from its sources").click().run()
    assert "At work" in shown(at)


def test_a_base_that_may_not_be_read_is_named_and_not_to_be_rebuilt(
    indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise StorageError("notes cannot be read: Permission denied.", "Make it readable.")

    monkeypatch.setattr(layout, "read_manifest", closed)
    assert "Cannot be read" in shown(page())
    at = page("notes")
    assert not at.exception
    assert "notes cannot be read: Permission denied." in shown(at)
    assert "Rebuild it from its sources" not in [one.label for one in at.button]


def test_a_base_is_deleted_once_its_name_was_typed(indexes: Path) -> None:
    at = page("notes")
    at.button_group(key="section notes").set_value("delete").run()
    button(at, "Delete it for good").click().run()
    assert "What was typed is not 'notes'" in shown(at)
    at.text_input[0].set_value("notes").run()
    button(at, "Delete it for good").click().run()
    assert not at.exception
    assert not (indexes / "notes").exists()
    assert "There is no knowledge base yet" in shown(at)


def test_a_base_that_is_not_there_is_said(indexes: Path) -> None:
    assert "There is no knowledge base 'gone'" in shown(page("gone"))
    assert "cannot name a knowledge base" in shown(page("../x"))


def test_the_page_speaks_chinese(indexes: Path) -> None:
    at = page("notes", language="zh")
    assert not at.exception
    labels = [found.label for found in [*at.button, *at.selectbox, *at.button_group]]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in label) for label in labels), labels
