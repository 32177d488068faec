"""Bad inputs: one build over all of them. Each is in the report with what became of it, and the good ones are searchable.

The names B01 to B31 are those of the list of bad inputs that this project was designed against.
"""

from __future__ import annotations

import base64
import codecs
import os
import random
import re
import shutil
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption

from rag_app.config import RetrievalSettings
from rag_app.retrieval.nodes import passages_of
from rag_app.retrieval.retrievers import KnowledgeBaseRetriever
from rag_app.store.knowledge_base import KnowledgeBase
from tests.end_to_end.commands import Outcome, run
from tests.ingest import bad_files as bad

CANARY = "canary-7f3a9"
HIDDEN = "The pass\u200bword \u202edrowssap\u202c is \U000e0041new."
TRADITIONAL = "使用者連續輸入錯誤密碼五次後，帳號將會被鎖定三十分鐘。這個時候請打開重設頁面，然後設定新的密碼。"
JAPANESE = "パスワードを忘れた場合は、リセットページを開いて新しいパスワードを設定してください。"
GERMAN = "Die Tür ist geöffnet, wenn die Prüfung für das Gerät erfolgreich abgeschlossen wurde."
RUSSIAN = "Учётная запись блокируется на тридцать минут после пяти неудачных попыток входа."


def mixed_up(data: bytes) -> bytes:
    """Return the bytes with invalid ones in the middle."""
    return data[: len(data) // 2] + b"\xff\xfe\xff" + data[len(data) // 2 :]


def random_bytes(size: int) -> bytes:
    return random.Random(1).randbytes(size)


FILES: dict[str, Callable[[], bytes]] = {
    "B01 empty.txt": lambda: b"",
    "B01 empty.pdf": lambda: b"",
    "B01 empty.docx": lambda: b"",
    "B02 white.txt": lambda: b" \n\t\r\n  ",
    "B02 mark.txt": lambda: codecs.BOM_UTF8,
    "B03 random.pdf": lambda: b"%PDF-1.7\n" + random_bytes(5000),
    "B04 truncated.pdf": lambda: bad.good_pdf(40)[: len(bad.good_pdf(40)) // 2],
    "B05 password.pdf": lambda: bad.good_pdf(encryption=StandardEncryption("user", "owner", strength=128)),
    "B06 owner.pdf": lambda: bad.good_pdf(encryption=StandardEncryption("", "owner", strength=128)),
    "B07 scanned.pdf": lambda: bad.scanned_pdf(3),
    "B08 previous.pdf": bad.circular_previous,
    "B08 outline.pdf": bad.circular_outline,
    "B08 fan-out.pdf": bad.fan_out,
    "B08 length.pdf": bad.huge_length,
    "B08 widths.pdf": bad.empty_widths,
    "B09 deflated.pdf": lambda: bad.deflated_bomb(800),
    "B10 metadata.pdf": bad.laughing_metadata,
    "B11 bomb.docx": bad.docx_bomb,
    "B11 lying.docx": bad.docx_bomb_that_lies,
    "B11 overlapping.docx": bad.docx_of_overlapping_entries,
    "B12 external link.docx": bad.docx_with_external_link,
    "B13 names.docx": lambda: bad.repacked(bad.good_docx(), {}, {"../../evil.txt": b"x", "/tmp/evil.txt": b"x"}),
    "B14 picture.pdf": lambda: bad.PNG,
    "B14 program.txt": lambda: bad.ELF,
    "B14 page.docx": lambda: b"<html><body><p>" + bad.SENTENCE.encode() + b"</p></body></html>",
    "B15 zeros.txt": lambda: b"text\0text" * 50,
    "B15 control.txt": lambda: bytes(range(1, 9)) * 40 + b"letters" * 50,
    "B17 invalid.txt": lambda: mixed_up(f"{bad.SENTENCE} Größe, naïve façade.\n".encode() * 5),
    "B18 gbk.txt": lambda: bad.CHINESE.encode("gbk"),
    "B18 big5.txt": lambda: TRADITIONAL.encode("big5"),
    "B18 shift-jis.txt": lambda: JAPANESE.encode("shift_jis"),
    "B18 latin-1.txt": lambda: GERMAN.encode("latin-1"),
    "B18 cp1251.txt": lambda: RUSSIAN.encode("cp1251"),
    "B18 cp949.txt": lambda: "비밀번호를 다섯 번 잘못 입력하면 계정이 삼십 분 동안 잠깁니다.".encode("cp949"),
    "B19 utf-16-le.txt": lambda: codecs.BOM_UTF16_LE + f"LE {bad.CHINESE}".encode("utf-16-le"),
    "B19 utf-16-be.txt": lambda: codecs.BOM_UTF16_BE + f"BE {bad.CHINESE}".encode("utf-16-be"),
    "B19 utf-32.txt": lambda: f"32 {bad.CHINESE}".encode("utf-32"),
    "B20 mark.txt": lambda: codecs.BOM_UTF8 + b"After the mark.",
    "B21 both.txt": "中文编码测试文件".encode,
    "B22 hidden.txt": HIDDEN.encode,
    "B24 one name.txt": lambda: b"The same content under two names, one of them.",
    "B24 other name.txt": lambda: b"The same content under two names, one of them.",
    "B30 base64.txt": lambda: b"Before it. " + base64.b64encode(random_bytes(750_000)) + b" After it.",
    "B31 long.txt": lambda: bad.SENTENCE.encode() * 3,
    "good.md": f"# Good\n\n{bad.SENTENCE}".encode,
} | {
    f"B25 copy {number:03}.txt": lambda: b"The printer on the second floor is out of order today."
    for number in range(100)
}

# Past these a file is given up in the test; the defaults are more generous.
LIMITS = {
    "RAG_APP_SANDBOX__SECONDS": "20",
    "RAG_APP_SANDBOX__CPU_SECONDS": "8",
    "RAG_APP_SANDBOX__MEMORY_MEGABYTES": "600",
    "RAG_APP_LIMITS__FILE_MEGABYTES": "4",
    "RAG_APP_READING__OCR": "false",
}


@dataclass(frozen=True)
class Build:
    """What the build over all bad inputs left."""

    folder: Path
    indexes: Path
    outcome: Outcome

    def document(self, name: str) -> dict[str, Any]:
        (found,) = [document for document in self.outcome.json["documents"] if document["path"] == f"in/{name}"]
        return found

    def text(self, name: str) -> str:
        document = KnowledgeBase.open(self.indexes, "kb").chunks.document(f"in/{name}")
        return document.text if document else ""


def strange(folder: Path) -> None:
    """Put what is no ordinary file into a folder (B26), and a file that is too large (B16)."""
    (folder.parent / "secret.txt").write_text(CANARY)
    (folder / "B26 link.txt").symlink_to(folder.parent / "secret.txt")
    (folder / "B26 device.txt").symlink_to("/dev/zero")
    (folder / "B26 loop").symlink_to(folder)
    os.link(folder / "good.md", folder / "B26 second name.md")
    os.mkfifo(folder / "B26 pipe.txt")
    (folder / "B26 folder.txt").mkdir()
    (folder / "B26 folder.txt" / "inside.md").write_text("Inside a folder with an odd name.")
    with (folder / "B16 large.txt").open("wb") as file:
        file.truncate(500_000_000)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Build:
    root = tmp_path_factory.mktemp("bad")
    folder = root / "in"
    folder.mkdir()
    for name, make in FILES.items():
        (folder / name).write_bytes(make())
    (folder / "B12 external entity.docx").write_bytes(bad.docx_with_external_entity(root / "secret.txt"))
    strange(folder)
    with socket.socket(socket.AF_UNIX) as server:
        working = Path.cwd()
        os.chdir(folder)  # the path of a socket must be short
        server.bind("B26 socket.txt")
        os.chdir(working)
        outcome = run(  # in five minutes at most
            "ingest", str(folder), "--kb", "kb", "--embed-model", str(tiny_embedder), "--indexes", str(root / "indexes"),
            "--offline", "--device", "cpu", "--chunk-tokens", "100", "--json",
            environment=LIMITS,
        )  # fmt: skip
    assert outcome.code == 0, outcome.messages
    return Build(folder, root / "indexes", outcome)


EXPECTED = {
    "B01 empty.txt": ("empty", "There is no text in it"),
    "B01 empty.pdf": ("empty", "There is no text in it"),
    "B01 empty.docx": ("empty", "There is no text in it"),
    "B02 white.txt": ("empty", "There is no text in it"),
    "B02 mark.txt": ("empty", "There is no text in it"),
    "B03 random.pdf": ("failed", "It is not a readable PDF"),
    "B05 password.pdf": ("failed", "encrypted: a password is needed"),
    "B06 owner.pdf": ("indexed", ""),
    "B07 scanned.pdf": ("empty", "None of its 3 pages has a text layer"),
    "B11 bomb.docx": ("failed", "It expands beyond 200 MB"),
    "B11 lying.docx": ("failed", "Bad CRC-32|expands beyond"),
    "B11 overlapping.docx": ("failed", "It expands beyond 200 MB|Overlapped entries"),
    "B12 external entity.docx": ("failed", r"declares a document type \(DTD\)"),
    "B12 external link.docx": ("indexed", ""),
    "B14 picture.pdf": ("failed", "content does not match its type"),
    "B14 program.txt": ("failed", "binary data"),
    "B14 page.docx": ("failed", "content does not match its type"),
    "B15 zeros.txt": ("failed", "binary data"),
    "B15 control.txt": ("failed", "binary data"),
    "B16 large.txt": ("skipped", "500 MB, more than 4 MB"),
    "B17 invalid.txt": ("failed", r"damaged UTF-8: byte \d+ belongs to no character"),
    "B18 gbk.txt": ("indexed", ""),
    "B18 big5.txt": ("indexed", ""),
    "B18 shift-jis.txt": ("indexed", ""),
    "B18 latin-1.txt": ("indexed", ""),
    "B18 cp1251.txt": ("failed", "encoding is unknown: byte 0"),
    "B18 cp949.txt": ("failed", "encoding is unknown: byte 0"),
    "B22 hidden.txt": ("indexed", "4 invisible characters"),
    "B26 link.txt": ("skipped", "link"),
    "B26 device.txt": ("skipped", "link"),
    "B26 loop": ("skipped", "link"),
    "B26 pipe.txt": ("skipped", "not a regular file"),
    "B26 socket.txt": ("skipped", "not a regular file"),
    "B26 folder.txt/inside.md": ("indexed", ""),
    "B30 base64.txt": ("indexed", "a word of 1000000 characters, which was cut"),
    "good.md": ("skipped", "read already, as in/B26 second name.md"),
    "B26 second name.md": ("indexed", ""),
}


@pytest.mark.parametrize(("name", "status", "reason"), [(name, *rest) for name, rest in EXPECTED.items()], ids=EXPECTED)
def test_what_becomes_of_a_bad_input(build: Build, name: str, status: str, reason: str) -> None:
    document = build.document(name)
    assert document["status"] == status, document["reason"]
    assert re.search(reason, document["reason"])
    if not reason:
        assert document["reason"] == ""


def test_every_file_is_in_the_report_once(build: Build) -> None:
    on_disk = {
        f"in/{(Path(folder) / name).relative_to(build.folder)}"
        for folder, folders, files in os.walk(build.folder)
        for name in [*files, *(name for name in folders if (Path(folder) / name).is_symlink())]
    }
    paths = [document["path"] for document in build.outcome.json["documents"]]
    assert sorted(paths) == sorted(on_disk)
    assert all(
        document["reason"]
        for document in build.outcome.json["documents"]
        if document["status"] in ("failed", "skipped")
    )


HARMLESS = ["B08 previous.pdf", "B08 outline.pdf", "B08 length.pdf", "B10 metadata.pdf"]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_pdf_with_a_trap_beside_its_text_is_read(build: Build, name: str) -> None:
    assert build.document(name)["status"] == "indexed"
    assert build.text(name) == "The text of a page."


@pytest.mark.parametrize("name", ["B04 truncated.pdf", "B08 widths.pdf", "B08 fan-out.pdf", "B09 deflated.pdf"])
def test_a_pdf_that_has_no_end_is_given_up_and_the_reason_is_said(build: Build, name: str) -> None:
    document = build.document(name)
    assert document["status"] == "failed"
    assert re.search("not a readable PDF|longer than|processor time|of memory|more than .* MB", document["reason"])


def test_the_text_of_old_encodings_is_what_was_written(build: Build) -> None:
    for name, text, encoding in (
        ("B18 gbk.txt", bad.CHINESE, "gb18030"),
        ("B18 big5.txt", TRADITIONAL, "big5"),
        ("B18 shift-jis.txt", JAPANESE, "shift_jis"),
        ("B18 latin-1.txt", GERMAN, "windows-1252"),
        ("B19 utf-16-le.txt", f"LE {bad.CHINESE}", "utf-16"),
        ("B19 utf-16-be.txt", f"BE {bad.CHINESE}", "utf-16"),
        ("B19 utf-32.txt", f"32 {bad.CHINESE}", "utf-32"),
        ("B20 mark.txt", "After the mark.", "utf-8"),
        ("B21 both.txt", "中文编码测试文件", "utf-8"),
    ):
        assert build.text(name) == text, name
        assert build.document(name)["encoding"].startswith(encoding), name


def test_b07_says_how_a_scanned_file_can_be_read(build: Build) -> None:
    assert "RAG_APP_READING__OCR=true" in build.document("B07 scanned.pdf")["remedy"]  # the test turned it off


def test_b12_b13_and_b26_nothing_outside_was_read_or_written(build: Build) -> None:
    everything = b"".join(path.read_bytes() for path in build.indexes.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything
    assert CANARY not in build.outcome.output
    assert not list(build.folder.parent.parent.glob("evil*"))
    assert not list(build.folder.parent.glob("evil*"))
    assert not Path("/tmp/evil.txt").exists()


def test_b22_hidden_characters_do_not_hide_words_and_are_kept_in_the_text(build: Build) -> None:
    assert build.text("B22 hidden.txt") == HIDDEN
    assert "in/B22 hidden.txt" in found(build, "password")


def found(build: Build, question: str, top_k: int = 5) -> list[str]:
    knowledge_base = KnowledgeBase.open(build.indexes, "kb")
    settings = RetrievalSettings(retriever="keyword", top_k=top_k)
    return [
        passage.document
        for passage in passages_of(KnowledgeBaseRetriever(knowledge_base, None, None, settings).retrieve(question))
    ]


def test_b18_chinese_of_an_old_encoding_is_found(build: Build) -> None:
    assert found(build, "账号锁定三十分钟")[0].startswith("in/B1")


def test_b24_the_same_content_under_two_names_has_one_vector_and_both_names(build: Build) -> None:
    file = KnowledgeBase.open(build.indexes, "kb").folder / "chunks.sqlite"
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT path FROM chunks JOIN places ON chunk = chunks.number JOIN documents ON documents.number = places.document "
            "WHERE chunks.text LIKE 'The same content under two names%' ORDER BY path"
        ).fetchall()
        assert connection.execute(
            "SELECT count(*) FROM chunks WHERE text LIKE 'The same content under%'"
        ).fetchone() == (1,)
    assert [path for (path,) in rows] == ["in/B24 one name.txt", "in/B24 other name.txt"]


def test_b25_a_hundred_copies_are_found_once_with_all_their_names(build: Build) -> None:
    knowledge_base = KnowledgeBase.open(build.indexes, "kb")
    settings = RetrievalSettings(retriever="keyword", top_k=5)
    passages = passages_of(
        KnowledgeBaseRetriever(knowledge_base, None, None, settings).retrieve("printer second floor")
    )
    holding = [passage for passage in passages if "printer" in passage.text]
    assert len(holding) == 1
    assert len(holding[0].also_in) == 99


def test_b25_vectors_and_report_agree_on_the_number_of_passages(build: Build) -> None:
    knowledge_base = KnowledgeBase.open(build.indexes, "kb")
    (model,) = build.outcome.json["models"]
    assert knowledge_base.vectors(knowledge_base.models[0]).count == build.outcome.json["chunks"]
    assert model["embedded"] + model["reused"] == build.outcome.json["chunks"]


def test_b30_a_word_of_a_million_characters_is_cut_and_all_of_it_kept(build: Build) -> None:
    chunks = KnowledgeBase.open(build.indexes, "kb").chunks.chunks_of("in/B30 base64.txt")
    assert len(chunks) > 1000
    assert sum(len(chunk.text) for chunk in chunks) >= 1_000_000


def test_b31_what_the_window_of_the_model_cuts_is_counted_and_said(build: Build) -> None:
    (model,) = build.outcome.json["models"]
    assert model["truncated"] > 0
    assert "longer than its window" in build.outcome.messages
    assert "would fit" in build.outcome.messages


def test_strict_exits_with_3_over_the_same_files(build: Build) -> None:
    outcome = run(
        "ingest", "--kb", "kb", "--indexes", str(build.indexes), "--offline", "--device", "cpu", "--strict", environment=LIMITS
    )  # fmt: skip
    assert outcome.code == 3, outcome.messages
    assert "files were not indexed (--strict)" in outcome.messages
    assert "Save a copy without one." in outcome.output
    assert "Traceback" not in outcome.messages


# Names, which is B23

NAMES = [
    "-rf.txt", "--json.md", "CON.txt", "a\nb.md", "<img src=x onerror=alert(1)>.md", "😀.md", "a\\b.md", "..\\..\\x.md",
    "C:\\x.md", "…etc…passwd.txt", "%2e%2e%2fx.md", "'; DROP TABLE chunks; --.md", "$(touch evil).md", "\x1b[31mred.md",
    "\u202egnp.md", "n" * 252 + ".md", "a#1.md", "a;b|c&d.md", " .md", "*.md",
]  # fmt: skip


def test_b23_strange_names_are_kept_as_names_and_shown_escaped(tmp_path: Path, tiny_embedder: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_text(f"Document {number} about printers.")
    (folder / "caf\u00e9.md").write_text("Composed name.")
    (folder / "cafe\u0301.md").write_text("Decomposed name.")
    before = set(tmp_path.rglob("*"))
    arguments = ["--kb", "kb", "--embed-model", str(tiny_embedder), "--indexes", str(tmp_path / "indexes"), "--offline"]
    outcome = run("ingest", str(folder), *arguments, "--json")
    assert outcome.code == 0, outcome.messages
    documents = {document["path"]: document["status"] for document in outcome.json["documents"]}
    names = [*NAMES, "caf\u00e9.md", "cafe\u0301.md"]
    assert documents == {f"names/{name}": "skipped" if name.startswith(".") else "indexed" for name in names}
    assert {path for path in tmp_path.rglob("*") if "indexes" not in path.parts} == before
    shown = run("rag_app", "kb", "show", "kb", "--indexes", str(tmp_path / "indexes"))
    assert "\x1b" not in shown.output
    assert "\u202e" not in shown.output
    assert "names/a\\nb.md" in shown.output


# Many and large, which is B29 and B16


def many(folder: Path, count: int) -> None:
    for number in range(count):
        sub = folder / f"{number // 1000:03}"
        sub.mkdir(exist_ok=True)
        (sub / f"{number:06}.txt").write_text(f"Ticket {number} is about the printer in room {number % 97}.")


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.matrix)])
def test_b29_tiny_files_in_great_number_are_read_in_bounded_memory(
    tmp_path: Path, tiny_embedder: Path, count: int
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    many(folder, count)
    outcome = run(
        "ingest", str(folder), "--kb", "kb", "--embed-model", str(tiny_embedder), "--indexes", str(tmp_path / "indexes"),
        "--offline", "--dry-run", "--json", "--events",
    )  # fmt: skip
    assert outcome.code == 0, outcome.messages[-500:]
    assert len(outcome.json["documents"]) == count
    assert outcome.messages.count('"event": "file"') == count  # progress is told


def test_b16_a_long_file_of_short_lines_is_cut_in_bounded_time(tmp_path: Path, tiny_embedder: Path) -> None:
    file = tmp_path / "long.log"
    file.write_text(
        "".join(
            f"2025-03-01 10:00:{number % 60:02} sign-in {number} from host {number % 977}\n"
            for number in range(200_000)
        )
    )
    outcome = run(  # which gives it five minutes
        "ingest", str(file), "--kb", "kb", "--embed-model", str(tiny_embedder), "--indexes", str(tmp_path / "indexes"),
        "--offline", "--dry-run", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.messages
    assert outcome.json["documents"][0]["chunks"] > 5_000


# Nothing to index, which is B28


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, tiny_embedder: Path) -> Path:
    """An index root with a base of one good document."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("Good.")
    flags = ("--kb", "kb", "--embed-model", str(tiny_embedder), "--indexes", str(folder / "indexes"), "--offline")
    assert run("ingest", str(folder / "docs"), *flags).code == 0
    return folder / "indexes"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda folder: folder.mkdir(), "It has no files", id="an empty folder"),
        pytest.param(lambda folder: None, "There is no file or folder", id="a missing folder"),
        pytest.param(
            lambda folder: (folder.mkdir(), (folder / "a.exe").write_bytes(b"MZ")),
            "Its format is not read",
            id="other formats",
        ),
    ],
)
def test_b28_nothing_to_index_is_a_sentence_and_leaves_the_old_index_alone(
    tmp_path: Path, good: Path, make: Callable[[Path], object], message: str
) -> None:
    shutil.copytree(good, tmp_path / "indexes")
    make(tmp_path / "other")
    flags = ("--kb", "kb", "--indexes", str(tmp_path / "indexes"), "--offline", "--replace-sources")
    outcome = run("ingest", str(tmp_path / "other"), *flags)
    assert outcome.code == 2
    assert message in outcome.messages
    assert "Traceback" not in outcome.messages
    assert KnowledgeBase.open(tmp_path / "indexes", "kb").generation == "gen-00000001"
