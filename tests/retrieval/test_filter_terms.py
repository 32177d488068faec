"""What a person types to narrow a question: which documents it means, and what is said where it means none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.loaders.registry import LOADERS
from rag_app.datatypes import Chunk, Document
from rag_app.errors import UsageError
from rag_app.retrieval.choices import TYPE_NAMES
from rag_app.retrieval.filter_terms import KEYS, filters_of
from rag_app.retrieval.places import place_table
from rag_app.store.knowledge_base import KnowledgeBase
from tests.retrieval.bases import publish_vectors, unit_vectors

PDF, MD, HTML, JSONL = "application/pdf", "text/markdown", "text/html", "application/jsonl"
# path, media type, language, script, date, title, page
ROWS: list[tuple[str, str, str, str, str, str, int | None]] = [
    ("handbook/en/vpn.md", MD, "en", "Latn", "2024-05-01", "Remote work", None),
    ("handbook/en/it/vpn.md", MD, "en", "Latn", "2023-12-31", "VPN for IT", None),
    ("handbook/zh/密码.pdf", PDF, "zh", "Hans", "2024-01-01", "忘记密码", 2),
    ("handbook/zh/tw.pdf", PDF, "zh", "Hant", "2025-06-30", "密碼", 7),
    ("notes [old].html", HTML, "und", "", "", "notes [old]", None),
    ("set/corpus.jsonl#12", JSONL, "en", "Latn", "", "", None),
    ("set/corpus.jsonl#7", JSONL, "en", "Latn", "", "", None),
]
VPN, IT, MIMA, TW, NOTES, R12, R7 = (row[0] for row in ROWS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    documents = []
    for number, (path, media_type, language, script, date, title, page) in enumerate(ROWS):
        text = f"text {number}"
        document = Document(
            path,
            f"{number:064}",
            media_type,
            language,
            title,
            text,
            name="" if title else path,
            script=script,
            date=date,
        )
        documents.append((document, [Chunk(path, 0, 0, len(text), text, page, page)]))
    folder: Path = tmp_path_factory.mktemp("terms")
    return publish_vectors(folder, documents, unit_vectors(len(ROWS), 4), np.arange(len(ROWS)))[0]


def meant(base: KnowledgeBase, *terms: str) -> list[str]:
    """Return the documents that terms mean; passage n is that of document n."""
    selection = place_table(base).select(filters=filters_of(terms, base))
    assert selection is not None
    return [ROWS[number][0] for number in selection.numbers]


@pytest.mark.parametrize(
    ("terms", "documents"),
    [
        pytest.param(["document=handbook/en/vpn.md"], [VPN], id="a path"),
        pytest.param(["document=vpn.md"], [VPN, IT], id="a name"),
        pytest.param(["document=notes [old].html"], [NOTES], id="a name with the marks of a pattern"),
        pytest.param(["document=*.pdf"], [MIMA, TW], id="a pattern"),
        pytest.param(["document=handbook/*/vpn.*"], [VPN, IT], id="a pattern of a path"),
        pytest.param(["document=corpus.jsonl"], [R12, R7], id="all records of a file by its name"),
        pytest.param(["document=set/corpus.jsonl"], [R12, R7], id="all records of a file"),
        pytest.param(["document=set/corpus.jsonl#7"], [R7], id="a record"),
        pytest.param(["document=corpus.jsonl#1*"], [R12], id="a pattern of a record"),
        pytest.param(["folder=handbook/en"], [VPN, IT], id="a folder and what is below"),
        pytest.param(["folder=handbook/en/it/"], [IT], id="a folder with a slash"),
        pytest.param(["folder=en/"], [VPN, IT], id="the end of a folder"),
        pytest.param(["source=notes [old].html"], [NOTES], id="a source that is a file"),
        pytest.param(["source=set"], [R12, R7], id="a source"),
        pytest.param(["type=pdf"], [MIMA, TW], id="a type"),
        pytest.param(["type=.PDF"], [MIMA, TW], id="a type like an ending"),
        pytest.param(["type=text/markdown"], [VPN, IT], id="a media type"),
        pytest.param(["type=htm"], [NOTES], id="another name of a type"),
        pytest.param(["language=zh"], [MIMA, TW], id="a language"),
        pytest.param(["language=ZH-hant"], [TW], id="a language in a script"),
        pytest.param(["language=zh_TW"], [TW], id="as in a country"),
        pytest.param(["language=zh-CN"], [MIMA], id="as in another country"),
        pytest.param(["language=en-GB"], [VPN, IT, R12, R7], id="a country that says nothing of the script"),
        pytest.param(["language=und"], [NOTES], id="a language that is not known"),
        pytest.param(["script=hant"], [TW], id="a script"),
        pytest.param(["date=2024"], [VPN, MIMA], id="a year"),
        pytest.param(["date=2024-01"], [MIMA], id="a month"),
        pytest.param(["date=2024-05-01"], [VPN], id="a day"),
        pytest.param(["date=2023-12..2024-01"], [IT, MIMA], id="a range of months"),
        pytest.param(["date= 2024 .. "], [VPN, MIMA, TW], id="from a year on"),
        pytest.param(["date=..2023"], [IT], id="until a year"),
        pytest.param(["date=1970.."], [VPN, IT, MIMA, TW], id="all that have a date"),
        pytest.param(["title=remote"], [VPN], id="words of a title"),
        pytest.param(["page=2"], [MIMA], id="a page"),
        pytest.param(["page=3..7"], [TW], id="pages"),
        pytest.param(["page=2.."], [MIMA, TW], id="from a page on"),
        pytest.param(["page=..6"], [MIMA], id="up to a page"),
        pytest.param(["type=pdf", "type=html"], [MIMA, TW, NOTES], id="either value of a key"),
        pytest.param(["type=pdf", "date=2024", "language=zh"], [MIMA], id="all keys"),
        pytest.param([" Type = pdf ", "date=2024", "date=2025"], [MIMA, TW], id="either date and the type"),
    ],
)
def test_terms_mean_the_documents_that_a_person_means(
    base: KnowledgeBase, terms: list[str], documents: list[str]
) -> None:
    assert meant(base, *terms) == documents


def test_no_terms_are_no_filter(base: KnowledgeBase) -> None:
    assert filters_of([], base) is None


@pytest.mark.parametrize("term", ["author=x", "media_type=text/html", "pdf=type"])
def test_an_unknown_key_is_refused_with_those_that_there_are(base: KnowledgeBase, term: str) -> None:
    with pytest.raises(UsageError, match="There is no filter") as caught:
        filters_of([term], base)
    assert all(key in caught.value.remedy for key in KEYS)


def test_the_end_of_a_folder_is_not_enough_where_two_end_so_and_a_whole_one_comes_first(tmp_path: Path) -> None:
    documents = [
        (Document(path, f"{number:064}", MD, "en", "", f"text {number}"), [Chunk(path, 0, 0, 6, f"text {number}")])
        for number, path in enumerate(("a/en/1.md", "b/en/2.md", "c/zh/3.md", "zh/4.md"))
    ]
    base = publish_vectors(tmp_path, documents, unit_vectors(4, 4), np.arange(4))[0]
    with pytest.raises(UsageError, match=r"matches the filter 'folder=en'\. There is: a/en, b/en\."):
        filters_of(["folder=en"], base)
    selection = place_table(base).select(filters=filters_of(["folder=zh"], base))
    assert selection is not None
    assert list(selection.numbers) == [3]


def test_what_a_record_is_called_is_no_folder(tmp_path: Path) -> None:
    paths = ("squad.json#AC/DC/0", "squad.json#AC/DC/1", "AC/0")
    documents = [
        (Document(path, path, media_type, "en", "", path), [Chunk(path, 0, 0, len(path), path)])
        for path, media_type in zip(paths, ("application/json", "application/json", MD), strict=True)
    ]
    base = publish_vectors(tmp_path, documents, unit_vectors(3, 4), np.arange(3))[0]
    for term, numbers in (
        ("source=squad.json", [0, 1]),
        ("document=squad.json", [0, 1]),
        ("document=squad.json#AC/DC/1", [1]),
        ("document=*/1", [1]),
        ("document=0", [2]),
        ("folder=AC", [2]),
    ):
        selection = place_table(base).select(filters=filters_of([term], base))
        assert selection is not None
        assert list(selection.numbers) == numbers, term
    with pytest.raises(UsageError, match=r"There is: AC, squad\.json\."):
        filters_of(["source=DC"], base)


@pytest.mark.parametrize("term", ["", "pdf", "=", "type=", "=pdf", " = "])
def test_what_is_no_pair_is_refused(base: KnowledgeBase, term: str) -> None:
    with pytest.raises(UsageError, match="expected KEY=VALUE"):
        filters_of([term], base)


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("document=gone.md", f"There is: {IT}, {VPN}, {TW}, {MIMA},"),
        ("document=mima", "There is: handbook/en/it/vpn.md,"),
        ("document=*.docx", "There is: handbook/en"),
        ("document=VPN", f"There is: {IT}, {VPN}."),
        ("folder=EN", "There is: handbook/en, handbook/en/it."),
        ("folder=hand", "There is: handbook, handbook/en, handbook/en/it, handbook/zh."),
        ("folder=/", "There is: handbook,"),
        ("source=en", "There is: handbook, notes [old].html, set."),
        ("type=docx", "There is: html, jsonl, md, pdf."),
        ("type=nonsense", "There is: html, jsonl, md, pdf."),
        ("language=fr", "There is: en, und, zh-Hans, zh-Hant."),
        ("language=en-Hant", "There is: en, und"),
        ("script=Cyrl", "There is: Hans, Hant, Latn."),
        ("date=1999", "Dates go from 2023-12-31 to 2025-06-30. Without a date: 3."),
        ("title=gone", "There is: Remote work, VPN for IT, notes [old],"),
        ("page=99", "name a page that is there"),
    ],
)
def test_a_value_that_matches_nothing_is_an_error_that_names_what_there_is(
    base: KnowledgeBase, term: str, said: str
) -> None:
    with pytest.raises(UsageError, match="matches the filter") as caught:
        filters_of(["folder=handbook", term], base)
    assert said in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("term", "found"),
    [
        *((f"date={value}", "is no date; expected a year") for value in ("soon", "24", "2024-13", "01.05.2024", "..")),
        ("date=2025..2024", "ends before it begins"),
        *(
            (f"page={value}", "is no page; expected a number")
            for value in ("two", "-1", "1.5", "..", "5..3", "1..x", "٣")
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(base: KnowledgeBase, term: str, found: str) -> None:
    with pytest.raises(UsageError, match=found) as caught:
        filters_of([term], base)
    assert "For instance" in caught.value.remedy


def test_filters_that_exclude_one_another_are_named(base: KnowledgeBase) -> None:
    with pytest.raises(UsageError, match="No passage matches all of these filters together: type=pdf, folder=set"):
        filters_of(["type=pdf", "folder=set"], base)


def test_messages_stay_short(base: KnowledgeBase) -> None:
    for term in ("x" * 5000, "document=" + "x" * 5000, "x" * 5000 + "=1", "date=" + "2" * 5000):
        with pytest.raises(UsageError) as caught:
            filters_of([term], base)
        assert len(str(caught.value)) < 1000


def test_every_type_that_is_read_has_a_name() -> None:
    read = {loader.media_type: loader.endings for loader in LOADERS}
    assert set(TYPE_NAMES) == set(read)
    names = [name for group in TYPE_NAMES.values() for name in group]
    assert len(names) == len(set(names))
    for media_type, (shown, *_) in TYPE_NAMES.items():
        assert shown == "code" or f".{shown}" in read[media_type]
