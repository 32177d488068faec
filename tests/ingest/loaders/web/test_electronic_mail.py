"""E-mail: messages made with the standard library, and such as no library would make."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.web.electronic_mail import load_eml
from rag_app.datatypes import BlockKind
from rag_app.errors import DocumentError

CHINESE = "忘记密码时，请打开重置页面设置新密码。"
HEAD = b"Subject: S\nMIME-Version: 1.0\n"


def load(data: bytes | EmailMessage) -> Extract:
    (extract,) = load_eml(data if isinstance(data, bytes) else data.as_bytes(), LoadOptions())
    return extract


def message(subject: str = "Subject", text: str = "Text.") -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Wu Li <wu@example.org>"
    made["Subject"] = subject
    made.set_content(text)
    return made


def multipart(kind: str, *parts: bytes) -> bytes:
    body = b"".join(b"--border\n" + part + b"\n" for part in parts)
    return HEAD + b"Content-Type: multipart/" + kind.encode() + b"; boundary=border\n\n" + body + b"--border--\n"


def part(kind: str, text: bytes, *headers: str) -> bytes:
    return "\n".join([f"Content-Type: {kind}", *headers]).encode() + b"\n\n" + text


def body(data: bytes | EmailMessage) -> str:
    """What follows the headers of a message."""
    return load(data).text.partition("\n\n")[2]


# Headers


def test_headers_are_lines_and_the_subject_is_the_title() -> None:
    made = message("密码 reset", "Hello\nWu\n\n你好\n")
    made["To"] = "a@example.org, b@example.org"
    made["Cc"] = "王 <c@example.org>"
    made["Date"] = "Mon, 01 Jan 2024 10:00:00 +0800"
    made["X-Mailer"] = "not shown"
    extract = load(made)
    assert extract.text == (
        "From: Wu Li <wu@example.org>\nTo: a@example.org, b@example.org\nCc: 王 <c@example.org>\n"
        "Date: Mon, 01 Jan 2024 10:00:00 +0800\nSubject: 密码 reset\n\nHello\nWu\n\n你好"
    )
    assert extract.title == "密码 reset"
    assert [block.kind for block in extract.blocks] == [BlockKind.PARAGRAPH] * 3
    assert (extract.notes, extract.remedy) == ((), "")


def encoded(text: str, encoding: str, label: str = "") -> str:
    return f"=?{label or encoding}?B?{base64.b64encode(text.encode(encoding)).decode()}?="


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(encoded("密码", "utf-8").encode(), "密码", id="UTF-8"),
        pytest.param(encoded("密码镕", "gb18030", "GB2312").encode(), "密码镕", id="GBK that is called GB2312"),
        pytest.param(encoded("設定", "iso-2022-jp").encode(), "設定", id="seven bits"),
        pytest.param(b"=?gb2312?Q?=C3=DC=C2?=\n =?gb2312?Q?=EB_a?=", "密码 a", id="a character in two words"),
        pytest.param(b"Re: =?utf-8?q?a=3Fb?= =?utf-8*en?q?c?= d", "Re: a?bc d", id="words between words"),
        pytest.param(b"=?utf-8?B?5a+G56C?= =?x?B?aGk?=", "密\ufffdhi", id="cut"),
        pytest.param(b"=?utf-8?B?a?= x =?utf-8?X?a?=", "=?utf-8?B?a?= x =?utf-8?X?a?=", id="none"),
        pytest.param("密码 von Müller".encode(), "密码 von Müller", id="bytes of UTF-8"),
        pytest.param(b"one\n two\r\n\tthree", "one two three", id="folded"),
    ],
)
def test_a_subject_is_decoded(raw: bytes, text: str) -> None:
    assert load(b"From: x@example.org\nSubject: " + raw + b"\n\nText.").title == text


def test_headers_without_an_encoding_are_in_that_of_the_text() -> None:
    data = "From: 王 <a@example.org>\nSubject: 密码\nContent-Type: text/plain; charset=gb2312\n\n镕".encode("gb18030")
    assert load(data).text == "From: 王 <a@example.org>\nSubject: 密码\n\n镕"


@pytest.mark.parametrize(
    "header",
    [
        "From: <",
        "From: a b c:;",
        'To: "a',
        "Content-Type: text/plain; charset*=",
        "Content-Disposition: ;;=",
        "Date: never",
    ],
)
def test_malformed_headers_do_no_harm(header: str) -> None:
    assert load(f"Subject: S\n{header}\n\nText.".encode()).text.endswith("Text.")


# Bodies


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        pytest.param(CHINESE.encode(), "utf-8", id="UTF-8"),
        pytest.param(CHINESE.encode("gb18030"), "GB2312", id="GB2312"),
        pytest.param(CHINESE.encode("gb18030"), "", id="not declared"),
        pytest.param(CHINESE.encode("big5", "ignore"), "big5", id="Big5"),
        pytest.param("パスワードを忘れた場合は".encode("iso-2022-jp"), "iso-2022-jp", id="seven bits"),
        pytest.param("Die Tür ist geöffnet.".encode("latin-1"), "iso-8859-1", id="Latin-1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["8bit", "base64"])
def test_the_text_of_a_part_is_in_the_encoding_it_names(data: bytes, declared: str, packed: bool) -> None:
    kind = f"Content-Type: text/plain{f'; charset={declared}' if declared else ''}\n".encode()
    packing = b"Content-Transfer-Encoding: base64\n" if packed else b""
    sent = base64.encodebytes(data) if packed else data
    assert body(HEAD + kind + packing + b"\n" + sent) == data.decode(declared.replace("GB2312", "gb18030") or "gb18030")


def test_characters_that_cannot_be_told_are_marked_and_that_is_said() -> None:
    extract = load(HEAD + b"Content-Type: text/plain; charset=utf-8\n\ngood \xff\xfe\xfa\x81 \xfd bad")
    assert extract.text.startswith("Subject: S\n\ngood \ufffd")
    assert extract.text.endswith("bad")
    assert "cannot be told" in extract.notes[0]


def test_html_is_read_whole_with_its_structure() -> None:
    made = message()
    made.set_content(
        "<html><head><style>no</style></head><body><nav>a</nav><h2>密码</h2><ul><li>one</ul><p>x&nbsp;y</p>"
        "<div style='display:none'>no</div><footer>z</footer></body></html>",
        subtype="html",
    )
    assert body(made) == "a\n\n## 密码\n\n- one\n\nx y\n\nz"


def test_html_names_its_encoding_where_the_part_does_not() -> None:
    html = f"<html><head><meta charset=gb2312></head><body><p>{CHINESE}</p></body></html>".encode("gb18030")
    assert body(multipart("mixed", part("text/html", html))) == CHINESE


@pytest.mark.parametrize(
    ("plain", "html", "text"),
    [
        pytest.param("Plain words here.", "<p>Plain <b>words</b> here.</p>", "Plain words here.", id="plain text"),
        pytest.param("  \n", "<p>Only here.</p>", "Only here.", id="empty plain text"),
        pytest.param("No HTML?", "<p>忘记密码时，请打开重置页面设置新密码。</p>", CHINESE, id="a stub"),
        pytest.param("Words.", "no element", "Words.", id="HTML that is none"),
    ],
)
def test_of_two_forms_of_a_text_one_is_read(plain: str, html: str, text: str) -> None:
    made = message(text=plain)
    made.add_alternative(html, subtype="html")
    assert body(made) == text


def test_what_is_attached_to_the_form_that_is_not_read_is_named_all_the_same() -> None:
    rich = (
        b'Content-Type: multipart/mixed; boundary="inner"\n\n--inner\nContent-Type: text/html\n\n<p>Words.</p>\n--inner\n'
        b"Content-Type: application/pdf; name=a.pdf\n\nx\n--inner\nContent-Type: image/png\nContent-ID: <1>\n\nx\n--inner--"
    )
    extract = load(multipart("alternative", part("text/plain", b"Words."), rich))
    assert extract.text.endswith("Words.\n\nAttachments: a.pdf")
    assert extract.notes == ("1 attachment was not read: a.pdf.", "Pictures in the text were not read: 1.")


def test_all_texts_of_a_message_are_read() -> None:
    extract = load(
        multipart(
            "mixed",
            part("text/plain", b"One."),
            part("text/html", b"<p>Two.</p>"),
            part("text/calendar", b"BEGIN:VEVENT\n SUMMARY:Meeting"),
            part("text/plain", b"List footer", "Content-Disposition: inline; filename=footer.txt"),
        )
    )
    assert extract.text.split("\n\n")[1:] == ["One.", "Two.", "BEGIN:VEVENT\n SUMMARY:Meeting", "List footer"]
    assert extract.blocks[3].kind is BlockKind.CODE


@pytest.mark.parametrize(
    ("parameters", "text", "expected"),
    [
        pytest.param(
            "; format=flowed",
            "one \ntwo\n> three \n> four\n>> five\n-- \nWu",
            "one two\n> three four\n>> five\n-- \nWu",
        ),
        pytest.param("; format=flowed; delsp=yes", "忘记密 \n码时，", "忘记密码时，"),
        pytest.param("", "one \ntwo", "one \ntwo"),
    ],
    ids=["flowed", "flowed Chinese", "fixed"],
)
def test_lines_that_a_mail_program_broke_are_joined(parameters: str, text: str, expected: str) -> None:
    assert body(HEAD + f"Content-Type: text/plain; charset=utf-8{parameters}\n\n{text}".encode()) == expected


# What is attached, what is forwarded


def test_attachments_are_named_in_the_text_and_in_the_notes() -> None:
    made = message()
    made.add_attachment(b"x", maintype="application", subtype="pdf", filename="报告 2024.pdf")
    made.add_attachment(b"x", maintype="image", subtype="png", filename="photo.png")
    made.add_attachment("a text, not read", filename="b.txt")
    extract = load(made)
    assert extract.text.endswith("Text.\n\nAttachments: 报告 2024.pdf, photo.png, b.txt")
    assert extract.notes == ("3 attachments were not read: 报告 2024.pdf, photo.png, b.txt.",)
    assert extract.remedy == "Save them into the folder to have them read."
    assert "a text, not read" not in extract.text


def test_the_name_of_an_attachment_is_decoded_and_may_be_missing() -> None:
    named = part(
        "application/pdf", b"x", f'Content-Disposition: attachment; filename="{encoded("密码.pdf", "gbk", "gb2312")}"'
    )
    assert load(multipart("mixed", named, part("application/zip", b"x"))).text.endswith(
        "Attachments: 密码.pdf, application/zip"
    )


def test_a_malformed_name_of_an_attachment_costs_nothing_else() -> None:
    disposition = "Content-Disposition: attachment; filename*=utf-8''a.pdf; filename*0=a; filename*1=.pdf"
    data = multipart("mixed", part("text/plain", b"Text."), part("application/pdf", b"x", disposition))
    assert body(data) == "Text.\n\nAttachments: application/pdf"


def test_the_names_of_many_attachments_are_not_all_in_the_notes() -> None:
    extract = load(multipart("mixed", *(part(f"application/pdf; name={i}.pdf", b"x") for i in range(25))))
    assert extract.notes[0].startswith("25 attachments were not read: 0.pdf, 1.pdf")
    assert extract.notes[0].endswith("19.pdf and 5 more.")
    assert extract.text.endswith("24.pdf")


def test_forwarded_messages_are_read_under_a_heading_of_their_own() -> None:
    inner = message("内部 news", "Inner text.")
    inner.add_attachment(b"x", maintype="application", subtype="zip", filename="b.zip")
    made = message("Outer", "See below.")
    made.add_attachment(inner)
    made.add_attachment(b"x", maintype="application", subtype="zip", filename="a.zip")
    extract = load(made)
    assert extract.text == (
        "From: Wu Li <wu@example.org>\nSubject: Outer\n\nSee below.\n\nAttachments: a.zip\n\n"
        "# Forwarded message: 内部 news\n\nFrom: Wu Li <wu@example.org>\nSubject: 内部 news\n\nInner text.\n\n"
        "Attachments: b.zip"
    )
    assert extract.title == "Outer"
    assert extract.notes == ("2 attachments were not read: a.zip, b.zip.",)


def test_a_forwarded_message_in_base64_is_read() -> None:
    inner = base64.encodebytes(b"Subject: Inner\n\nInner text.")
    data = multipart("mixed", part("message/rfc822", inner, "Content-Transfer-Encoding: base64"))
    assert load(data).text.endswith("# Forwarded message: Inner\n\nSubject: Inner\n\nInner text.")


def test_a_forwarded_message_that_is_only_said_to_be_in_base64_is_read() -> None:
    inner = b"Subject: Inner\n\nInner text is here, plain."
    data = multipart(
        "mixed",
        part("text/plain", b"Outer text."),
        part("message/rfc822", inner, "Content-Transfer-Encoding: base64"),
    )
    assert "Outer text." in load(data).text
    assert load(data).text.endswith("# Forwarded message: Inner\n\nSubject: Inner\n\nInner text is here, plain.")
    data = multipart("mixed", part("message/rfc822", b"\nText without headers.", "Content-Transfer-Encoding: base64"))
    assert load(data).text.endswith("Text without headers.")


def test_messages_are_read_twenty_deep() -> None:
    data = b"Subject: 25\n\nthe innermost"
    for depth in range(24, -1, -1):
        data = f"Subject: {depth}\nContent-Type: message/rfc822\n\n".encode() + data
    extract = load(data)
    assert "Subject: 20" in extract.text
    assert "Subject: 21" not in extract.text
    assert extract.notes == ("Messages that are forwarded in one another more than 20 deep were not read.",)


def test_the_report_of_a_mail_server_is_text() -> None:
    report = part("message/delivery-status", b"Reporting-MTA: dns; example.org\n\nFinal-Recipient: a\nStatus: 5.1.1\n")
    extract = load(multipart("report", part("text/plain", b"Sorry."), report))
    assert extract.text.endswith("Sorry.\n\nReporting-MTA: dns; example.org\n\nFinal-Recipient: a\nStatus: 5.1.1")


def test_signatures_are_nothing_to_read_and_encrypted_text_is_reported() -> None:
    signature = part("application/pkcs7-signature; name=smime.p7s", b"x", "Content-Disposition: attachment")
    assert load(multipart("signed", part("text/plain", b"Text."), signature)).notes == ()
    extract = load(HEAD + b"Content-Type: application/pkcs7-mime; name=smime.p7m\n\nx")
    assert (extract.text, extract.title) == ("Subject: S", "S")
    assert "encrypted" in extract.notes[0]


# Damage


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"Content-Type: multipart/mixed\n\n--x\n\nText.", "--x\n\nText.", id="no boundary"),
        pytest.param(b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nText.", "Text.", id="cut"),
        pytest.param(b"Content-Type: multipart/mixed; boundary=x\n\nText.", "Text.", id="boundary not found"),
        pytest.param(b"Content-Transfer-Encoding: base64\n\naGVsbG8gd29ybGQ", "hello world", id="cut base64"),
        pytest.param(b"Content-Transfer-Encoding: unheard\n\nText.", "Text.", id="unknown packing"),
        pytest.param(b"Content-Type: text/plain; charset=nonsense\n\nText.", "Text.", id="unknown encoding"),
        pytest.param(b"Content-Type: nonsense\n\nText.", "Text.", id="unknown type"),
        pytest.param(b"this is no header\nText.", "this is no header\nText.", id="no blank line"),
        pytest.param(b"Content-Type: text/html\n\nno element & a < b", "no element & a < b", id="HTML that is none"),
        pytest.param(b"\nnul\0byte", "nul\ufffdbyte", id="a null byte"),
        pytest.param(
            b"Content-Type: text/plain; name*=utf-8''a; name*0=b\n\nText.", "Text.", id="a name whole and in pieces"
        ),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary*=utf-8''x; boundary*0=x\n\n--x\n\nText.\n--x--",
            "--x\n\nText.\n--x--",
            id="a boundary whole and in pieces",
        ),
    ],
)
def test_a_damaged_message_still_gives_its_text(data: bytes, text: str) -> None:
    assert body(HEAD + data) == text


@pytest.mark.parametrize("data", [b"", b"\r\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_empty(data: bytes) -> None:
    assert load(data).text == ""


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\r\n", b"From - Mon Jan 1 2024\n"])
def test_what_stands_before_the_headers_does_no_harm(before: bytes) -> None:
    assert load(before + b"Subject: S\n\nText.").text == "Subject: S\n\nText."


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"Just a text.\n\nWith two paragraphs.", id="a text"),
        pytest.param(b"Note: a word and a colon\n\nText.", id="a text that looks like a header"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0", id="a picture"),
        pytest.param(b"<html><p>Subject: x</p></html>", id="a page"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"not an e-mail: it does not begin with header lines"):
        load(data)


def test_parts_that_nest_without_end_are_refused() -> None:
    data = b"Subject: S\nContent-Type: multipart/mixed; boundary=b0\n\n"
    data += b"".join(b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (i, i + 1) for i in range(5000))
    with pytest.raises(DocumentError, match="nested too deeply"):
        load(data)


def test_parts_that_nest_are_read() -> None:
    data = b"Subject: S\nContent-Type: multipart/mixed; boundary=b0\n\n"
    data += b"".join(b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n" % (i, i + 1) for i in range(100))
    assert body(data + b"--b100\n\nText.") == "Text."


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("Wed, 1 May 2024 00:30:00 +0800", "2024-05-01"),  # as the sender's clock had it
        ("1 May 2024 00:30:00", "2024-05-01"),
        ("Wed, 1 May 24 00:30 GMT", "2024-05-01"),
        ("=?utf-8?q?Wed=2C_1_May_2024_00=3A30=3A00_+0800?=", "2024-05-01"),
        ("Wed, 31 Feb 2024 00:30:00 +0800", ""),
        ("Thu, 1 Jan 1970 00:00:00 +0000", ""),
        ("yesterday", ""),
        (", , ,", ""),
        ("1 1 1 1 1 1 " * 20, ""),
        ("", ""),
    ],
)
def test_the_date_is_that_of_its_header(stated: str, day: str) -> None:
    assert load(f"From: a@example.org\nDate: {stated}\n\nText.".encode()).date == day
