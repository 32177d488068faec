"""Bytes to text: what is read in which encoding, what is refused, and that nothing is read wrongly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.loaders.encoding import decode
from rag_app.errors import DocumentError
from rag_app.text import normalise
from tests.growth import assert_linear
from tests.ingest.loaders.encoding_samples import JAPANESE, REFUSED, SHORT, SIMPLIFIED, TRADITIONAL, WESTERN

CHINESE = "忘记密码时，请打开重置页面设置新密码。"
GERMAN = f"{WESTERN['German, password']} {WESTERN['German, weather']}"
ENCODINGS = """
    utf-8 utf-8-sig utf-16 utf-32 gb18030 gbk gb2312 big5hkscs cp950 cp932 shift_jis euc_jp cp949 iso2022_jp cp1250 cp1251
    cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 iso8859_1 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7
    iso8859_8 iso8859_9 iso8859_10 iso8859_13 iso8859_14 iso8859_15 iso8859_16 koi8_r koi8_u cp866 cp855 cp437 cp737 cp775
    cp850 cp852 cp857 cp862 cp865 cp874 mac_roman mac_cyrillic mac_greek mac_turkish mac_latin2
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of sixty strings
SAMPLES = {
    **{f"simplified, {name}": text for name, text in SIMPLIFIED.items()},
    **{f"traditional, {name}": text for name, text in TRADITIONAL.items()},
    **{f"Japanese, {name}": text for name, text in JAPANESE.items()},
    **WESTERN,
    **{name: text for name, (text, _) in REFUSED.items()},
    **{name: text for name, (text, _) in SHORT.items()},
}


# Marks, UTF-8


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        pytest.param(b"plain\r\nlines", "plain\nlines", "utf-8", id="ASCII, Windows line ends"),
        pytest.param(CHINESE.encode(), CHINESE, "utf-8", id="UTF-8"),
        pytest.param(CHINESE.encode("utf-8-sig"), CHINESE, "utf-8", id="UTF-8 with a mark"),
        pytest.param(CHINESE.encode("utf-16"), CHINESE, "utf-16", id="UTF-16 with a mark"),
        pytest.param(b"\xfe\xff" + CHINESE.encode("utf-16-be"), CHINESE, "utf-16", id="UTF-16 big-endian with a mark"),
        pytest.param(CHINESE.encode("utf-32"), CHINESE, "utf-32", id="UTF-32 with a mark"),
        pytest.param(b"\0\0\xfe\xff" + "密".encode("utf-32-be"), "密", "utf-32", id="UTF-32 big-endian with a mark"),
        pytest.param(f"VPN 6.2: {CHINESE}".encode("gb18030"), f"VPN 6.2: {CHINESE}", "gb18030", id="with Latin words"),
        pytest.param("cafe\u0301".encode(), "caf\u00e9", "utf-8", id="composed"),
        pytest.param("μm, Δx, ștefan, Cơm, ɡ".encode(), "μm, Δx, ștefan, Cơm, ɡ", "utf-8", id="rare letters in UTF-8"),
        pytest.param(b"\x1b[31mred\x1b[0m \x1b$ here", "\x1b[31mred\x1b[0m \x1b$ here", "utf-8", id="a terminal's log"),
        pytest.param(b"", "", "utf-8", id="empty"),
        pytest.param(b"\xff\xfe", "", "utf-16", id="a mark alone"),
    ],
)
def test_bytes_become_the_text_that_was_written(data: bytes, text: str, encoding: str) -> None:
    decoded = decode(data)
    assert (decoded.text, decoded.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"good \xff\xff bad", "byte 5 is not UTF-8.*Save it as UTF-8", id="invalid bytes"),
        pytest.param(b"\xff\xfea", "byte order mark says utf-16, but byte 2 is not", id="cut UTF-16"),
        pytest.param(b"\xff\xfe\0\xd8a\0", "byte order mark says utf-16, but byte 2 is not", id="half a pair"),
        pytest.param(b"\xff\xfe\0\0\xff\xff\xff\xff", "mark says utf-32, but byte 4 is not", id="no code point"),
        pytest.param(
            b"\xef\xbb\xbfa\xff", "byte order mark says utf-8, but byte 4 is not", id="a UTF-8 mark that lies"
        ),
        pytest.param(
            "元（的）￥、，。；：".encode("gb18030"), "byte 2 is not UTF-8", id="hardly any Chinese character"
        ),
        pytest.param("是是是是是是是是".encode("gb18030"), "byte 0 is not UTF-8", id="one character again and again"),
        pytest.param(bytes(range(0x80, 0x100)) * 3, "byte 0 is not UTF-8", id="every byte"),
    ],
)
def test_bytes_that_cannot_be_told_are_refused_with_the_place(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentError, match=reason):
        decode(data)


@pytest.mark.parametrize(
    "text",
    [
        CHINESE,
        GERMAN,
        WESTERN["French, market"],
        JAPANESE["password"],
        REFUSED["Russian, password"][0],
    ],
    ids=["Chinese", "German", "French", "Japanese", "Russian"],
)
@pytest.mark.parametrize("declared", ["", "windows-1252", "gbk"])
def test_utf_8_that_is_damaged_in_one_place_is_not_taken_for_an_older_encoding(text: str, declared: str) -> None:
    data = text.encode()
    place = len(data) // 2
    while data[place] < 0xC0:  # the first byte of a character
        place += 1
    with pytest.raises(DocumentError, match=f"It is damaged UTF-8: byte {place} "):
        decode(data[:place] + b"\xff" + data[place + 1 :], declared)


# Binary data


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture", id="PNG"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture", id="JPEG"),
        pytest.param(b"\xff\xd8\xff\xe1\x81\x90", "a JPEG picture", id="JPEG without a zero byte"),
        pytest.param(b"\x7fELF\x02\x01\x01\0", "a Linux program", id="ELF"),
        pytest.param(b"MZ\x90\0\x03\0", "a Windows program", id="EXE"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\0", "a PDF document", id="PDF"),
        pytest.param(b"PK\x03\x04\x14\0\x06\0", "a ZIP archive or an Office document", id="ZIP"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an old Office document", id="OLE2"),
        pytest.param(b"\x1f\x8b\x08\0\0", "a gzip archive", id="gzip"),
        pytest.param(b"SQLite format 3\0", "an SQLite database", id="SQLite"),
    ],
)
def test_binary_data_is_refused_with_what_it_looks_like(data: bytes, kind: str) -> None:
    message = rf"It holds binary data \({kind} by its first bytes\), expected text\."
    with pytest.raises(DocumentError, match=message):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"text with a \0 in it", id="a zero byte"),
        pytest.param(b"abcdefgh\x01\x02", id="control characters"),
        pytest.param("\ufeffabcdefgh\x01\x02".encode("utf-16-le"), id="control characters in UTF-16"),
        pytest.param("\ufeffab\0".encode("utf-16-le"), id="a zero character in UTF-16"),
        pytest.param("密码\x7f\x7f".encode(), id="delete characters"),
    ],
)
def test_other_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"It holds binary data, expected text\."):
        decode(data)


def test_a_few_control_characters_are_no_binary_data() -> None:
    text = "page one of the log\x0c\x1b[1mpage two\x07 of the log\t"
    assert decode(text.encode()).text == text


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named(codec: str) -> None:
    data = "A text without a mark".encode(codec)
    with pytest.raises(DocumentError, match="It looks like UTF-16, but has no byte order mark"):
        decode(data)
    declared = codec.replace("-le", "")
    assert decode(data, declared.replace("16-be", "16be")).text == "A text without a mark"


# What the file says


@pytest.mark.parametrize(
    ("codec", "declared", "encoding", "text"),
    [
        pytest.param("gbk", "GB2312", "gb18030", "密码", id="a name that means more characters"),
        pytest.param("gb18030", " gbk ", "gb18030", "密码", id="white space"),
        pytest.param("gbk", "'gb_2312'", "gb18030", "密码", id="quotes, an underline"),
        pytest.param("cp1252", "ISO-8859-1", "windows-1252", "10 € – “José”", id="Latin-1 means Windows"),
        pytest.param("cp1252", "us-ascii", "windows-1252", "José", id="ASCII that is none"),
        pytest.param("cp932", "Shift_JIS", "shift_jis", "会議室①", id="Shift-JIS"),
        pytest.param("cp950", "big5", "big5", "密碼～€", id="Big5 of Windows"),
        pytest.param("big5hkscs", "Big5-HKSCS", "big5", "啲嘢", id="Big5 of Hong Kong"),
        pytest.param("cp949", "ks_c_5601-1987", "euc-kr", "똠방각하", id="Korean"),
        pytest.param("euc_jp", "EUC-JP", "euc-jp", "会議室", id="EUC-JP"),
        pytest.param("cp1251", "windows-1251", "windows-1251", "Привет", id="Russian"),
        pytest.param("koi8_r", "KOI8-R", "koi8-r", "Привет", id="Russian in KOI8"),
        pytest.param("iso8859_2", "iso-8859-2", "iso-8859-2", "łódź", id="Polish"),
        pytest.param("iso8859_15", "ISO_8859-15", "iso-8859-15", "10 €", id="Latin-9"),
        pytest.param("cp874", "TIS-620", "windows-874", "สวัสดี", id="Thai"),
        pytest.param("mac_roman", "x-mac-roman", "macintosh", "José", id="Mac"),
        pytest.param("iso2022_jp", "ISO-2022-JP", "iso-2022-jp", "会議室", id="Japanese of e-mail"),
        pytest.param("iso2022_kr", "iso-2022-kr", "iso-2022-kr", "안녕", id="Korean of e-mail"),
        pytest.param("hz", "hz-gb-2312", "hz", "密码", id="Chinese of e-mail"),
    ],
)
def test_the_encoding_that_a_file_names_is_believed(codec: str, declared: str, encoding: str, text: str) -> None:
    decoded = decode(text.encode(codec), declared)
    assert (decoded.text, decoded.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        pytest.param(CHINESE.encode("gb18030"), "klingon", id="no encoding"),
        pytest.param(CHINESE.encode("gb18030"), "unicode_escape", id="an encoding of Python's"),
        pytest.param(CHINESE.encode("gb18030"), "utf-8", id="not true"),
        pytest.param(CHINESE.encode("gb18030"), "euc-kr", id="not true, another of East Asia"),
        pytest.param(CHINESE.encode(), "gb18030", id="UTF-8 all the same"),
    ],
)
def test_a_name_that_is_unknown_or_not_true_is_ignored(data: bytes, declared: str) -> None:
    assert decode(data, declared).text == CHINESE


def test_a_declared_encoding_that_gives_control_characters_is_not_true() -> None:
    text = "The “new” key is at the office, and it’s for all of us."
    decoded = decode(text.encode("cp1252"), "iso-8859-15")
    assert (decoded.text, decoded.encoding) == (text, "windows-1252")


def test_japanese_of_e_mail_is_known_by_its_escapes() -> None:
    decoded = decode("会議室".encode("iso2022_jp"))
    assert (decoded.text, decoded.encoding) == ("会議室", "iso-2022-jp")


# Older encodings, told from the text


@pytest.mark.parametrize("text", SIMPLIFIED.values(), ids=SIMPLIFIED)
def test_simplified_chinese_is_read(text: str) -> None:
    decoded = decode(text.encode("gb18030"))
    assert (decoded.text, decoded.encoding) == (text, "gb18030")


@pytest.mark.parametrize(("codec", "encoding"), [("cp950", "big5"), ("big5hkscs", "big5"), ("gbk", "gb18030")])
@pytest.mark.parametrize("text", TRADITIONAL.values(), ids=TRADITIONAL)
def test_traditional_chinese_is_read(text: str, codec: str, encoding: str) -> None:
    decoded = decode(text.encode(codec))
    assert (decoded.text, decoded.encoding) == (text, encoding)


@pytest.mark.parametrize("text", JAPANESE.values(), ids=JAPANESE)
def test_japanese_is_read(text: str) -> None:
    decoded = decode(text.encode("cp932"))
    assert (decoded.text, decoded.encoding) == (text, "shift_jis")


@pytest.mark.parametrize("text", WESTERN.values(), ids=WESTERN)
def test_western_european_is_read(text: str) -> None:
    decoded = decode(text.encode("cp1252"))
    assert (decoded.text, decoded.encoding) == (text, "windows-1252")


@pytest.mark.parametrize(
    ("text", "codec"),
    [(text, codec) for text, codecs in REFUSED.values() for codec in codecs],
    ids=[f"{name}, {codec}" for name, (_, codecs) in REFUSED.items() for codec in codecs],
)
def test_other_languages_and_encodings_are_refused(text: str, codec: str) -> None:
    with pytest.raises(DocumentError, match=r"byte .* is not UTF-8, and it is not evidently"):
        decode(text.encode(codec))


@pytest.mark.parametrize(("text", "codec"), SHORT.values(), ids=SHORT)
def test_what_is_too_short_to_tell_is_refused(text: str, codec: str) -> None:
    with pytest.raises(DocumentError, match=r"Its encoding is unknown: .* Save it as UTF-8"):
        decode(text.encode(codec))


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_no_text_in_any_encoding_is_read_wrongly(text: str) -> None:
    for encoding in ENCODINGS:
        try:
            data = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        try:
            decoded = decode(data)
        except DocumentError:
            assert not encoding.startswith("utf-")
            continue
        assert decoded.text == normalise(text), encoding


def test_a_foreign_name_in_a_long_french_text_does_not_matter_but_many_do() -> None:
    text = f"{WESTERN['French, market']} " * 30
    assert decode(f"{text}Åse Žižek".encode("cp1252")).text.endswith("Åse Žižek")
    with pytest.raises(DocumentError):
        decode(text.encode("cp1252") + REFUSED["Russian, password"][0].encode("cp1251") * 3)


def test_two_languages_in_one_text_are_read() -> None:
    text = f"{WESTERN['French, market']}\n{WESTERN['German, password']}\n{WESTERN['French, password']}\n" * 3
    assert decode(text.encode("cp1252")).text == text


def test_what_stands_late_in_a_long_text_is_judged_too() -> None:
    plain = "The plain beginning of a long text. " * 5000
    assert decode((plain + CHINESE * 3).encode("gb18030")).encoding == "gb18030"
    assert decode((plain + WESTERN["German, password"]).encode("cp1252")).encoding == "windows-1252"
    with pytest.raises(DocumentError):
        decode(plain.encode() + REFUSED["Russian, password"][0].encode("cp1251"))


def test_two_encodings_in_one_file_are_refused() -> None:
    german, polish = WESTERN["German, password"], REFUSED["Polish, password"][0]
    with pytest.raises(DocumentError):
        decode(german.encode("cp1252") * 200 + polish.encode("cp1250") * 200)
    with pytest.raises(DocumentError):
        decode(CHINESE.encode("gb18030") * 3 + CHINESE.replace("码", "碼").encode("cp950", "ignore") * 3)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80))
def test_every_text_in_utf_8_is_read_as_it_is_or_refused(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    try:
        decoded = decode(data)
    except DocumentError:
        return
    assert decoded.text == normalise(data.decode("utf-8-sig"))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(["", "gbk", "iso-8859-1", "shift_jis", "utf-16", "iso-2022-jp", "hz"]))
def test_any_bytes_give_a_text_or_a_document_error(data: bytes, declared: str) -> None:
    try:
        decoded = decode(data, declared)
    except DocumentError:
        return
    assert "\ufffd" not in decoded.text or b"\xef\xbf\xbd" in data or declared


def test_random_bytes_are_never_evidently_text() -> None:
    generator = random.Random(1)
    for _ in range(200):
        data = bytes(generator.choices(range(0x20, 0x100), k=generator.randrange(20, 400)))
        with pytest.raises(DocumentError):
            decode(data)


@pytest.mark.parametrize(
    ("text", "codec"),
    [(WESTERN["German, password"], "utf-8"), (CHINESE, "gb18030"), (WESTERN["French, market"], "cp1252")],
    ids=["UTF-8", "GB18030", "windows-1252"],
)
def test_twenty_five_megabytes_take_ten_times_as_long_as_two_and_a_half(text: str, codec: str) -> None:
    line = f"{text}\n".encode(codec)
    small = line * (2_500_000 // len(line))
    assert_linear(decode, small, small * 10, times=10)
