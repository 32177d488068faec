"""Bytes to text: by the byte order mark, as UTF-8, as the file says, or in an older encoding that is evidently right.

No detector guesses: one that takes Chinese for Korean fills a knowledge base with rubbish. What cannot be told is refused.
This module knows nothing of any one format.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import AnyStr

from ingest.loaders.encoding_evidence import (
    is_chinese,
    is_common_chinese,
    is_japanese,
    is_korean,
    is_text,
    is_traditional_chinese,
    is_western_european,
)
from rag_app.errors import DocumentError
from rag_app.text import normalise

_SAVE = "Save it as UTF-8, for instance: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW (-f is what it is in)."
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)
_SIGNATURES = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"RIFF", "a WebP picture, a sound or a video"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a Mac program"),
    (b"\xca\xfe\xba\xbe", "a Java or Mac program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound"),
    (b"fLaC", "a FLAC sound"),
)
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b") | {0x7F})
_CONTROL_SHARE = 0.1
_NO_TEXT = re.compile("[\0\x80-\x84\x86-\x9f]")  # the last are what ISO 8859 has where Windows has quotation marks

# Encodings by the names that files give them; several mean one that has more characters, as WHATWG's standard has it.
_LABELS = {
    "gb18030": "gb18030 gbk gb2312 gb-2312 gb2312-80 x-gbk csgb2312 chinese cp936 ms936 windows-936 euc-cn",
    "big5": "big5 big5-hkscs cn-big5 x-x-big5 csbig5 cp950 ms950 windows-950",
    "shift_jis": "shift-jis sjis x-sjis ms-kanji csshiftjis windows-31j cp932 ms932",
    "euc-jp": "euc-jp x-euc-jp cseucpkdfmtjapanese",
    "iso-2022-jp": "iso-2022-jp csiso2022jp",
    "iso-2022-kr": "iso-2022-kr csiso2022kr",
    "hz": "hz hz-gb-2312",
    "euc-kr": "euc-kr cseuckr ks-c-5601 ks-c-5601-1987 ks-c-5601-1989 ksc5601 ksc-5601 korean cp949 ms949 windows-949",
    "utf-16": "utf-16 utf-16le csunicode unicode",
    "utf-16be": "utf-16be",
    "windows-874": "windows-874 cp874 tis-620 iso-8859-11",
    "windows-1252": "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso88591 latin1 latin-1 l1 ascii us-ascii cp819",
    "windows-1254": "windows-1254 cp1254 iso-8859-9 iso8859-9 latin5 latin-5",
    "koi8-r": "koi8-r koi8 cskoi8r",
    "koi8-u": "koi8-u koi8-ru",
    "ibm866": "ibm866 cp866 866",
    "macintosh": "macintosh mac x-mac-roman",
}
_NAMES = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_FAMILY = re.compile(r"(?:x-)?(?:(?:windows-|cp)(125\d)|iso-?(8859-(?:[2-8]|1[03-6])))")
# What Python calls them, where it has another name.
_CODECS = {
    "big5": ("big5hkscs", "cp950"),  # the second has the sign of the euro
    "shift_jis": ("cp932",),
    "euc-kr": ("cp949",),
    "iso-2022-jp": ("iso2022_jp_ext",),
    "utf-16": ("utf-16-le",),
    "utf-16be": ("utf-16-be",),
    "windows-874": ("cp874",),
    "ibm866": ("cp866",),
    "macintosh": ("mac_roman",),
}
# Signs of Big5 that Python's codec of Hong Kong gives another form than Windows and browsers do.
_BIG5_SIGNS = str.maketrans("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡")
# Made of ASCII alone: they would pass for UTF-8. Two of them mark what is not ASCII.
_SEVEN_BIT = frozenset({"iso-2022-jp", "iso-2022-kr", "hz"})
_ESCAPES = ((b"\x1b$B", "iso-2022-jp"), (b"\x1b$@", "iso-2022-jp"), (b"\x1b$)C", "iso-2022-kr"))
_EAST_ASIAN = frozenset({"gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"})
_WITH_NUL = frozenset({"utf-16", "utf-16be"})

# What a file without any mark may be in, and what shows it.
_CANDIDATES: Mapping[str, Callable[[str, frozenset[str]], bool]] = MappingProxyType(
    {
        "gb18030": lambda sample, _: is_chinese(sample),
        "big5": lambda sample, _: is_traditional_chinese(sample),
        "shift_jis": lambda sample, _: is_japanese(sample),
        "windows-1252": is_western_european,
    }
)
# What is not read, but would be as evident: Japanese and Korean in the place of Chinese.
_RIVALS = (("euc-jp", is_japanese), ("gb18030", is_japanese), ("euc-kr", is_korean))
_UTF_8_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]"
)
_ASCII = bytes(range(0x80))
# Letters of two bytes in UTF-8 that few languages use, none of them in many words.
_RARE_LETTER = re.compile(
    "[\u0180-\u0217\u021c-\u0385\u03cf-\u03ff\u0460-\u05cf\u05eb-\u0620\u064b-\u065f\u066a-\u07ff]"
)
_FEW = 64
_FOREIGN_BYTE = re.compile(rb"[\x80-\xff]")
_FOREIGN = re.compile("[^\x00-\x7f]")
_PIECES = 64
_PIECE = 1000


@dataclass(frozen=True)
class Decoded:
    """The text of a file, normalised, and the encoding it was in, by the name that people know: `utf-8`, `gb18030`."""

    text: str
    encoding: str


def decode(data: bytes, declared: str = "") -> Decoded:
    """Return the text of a file, and the encoding it was read in. Nothing is dropped or replaced.

    Args:
        data: the file.
        declared: the encoding that the file itself names, if it does; ignored where it is unknown or not true.

    Raises:
        DocumentError: binary data, damaged UTF-8, or an encoding that cannot be told with certainty.
    """
    for mark, codec, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decode_marked(data, mark, codec, name)
    declared = _name_of(declared)
    if b"\0" in data and declared in _WITH_NUL and (decoded := _decode_as(data, declared)):
        return decoded
    seven_bit = declared if declared in _SEVEN_BIT else next((name for mark, name in _ESCAPES if mark in data), "")
    if seven_bit and data.isascii() and (decoded := _decode_as(data, seven_bit)):
        return decoded
    _refuse_unmarked_utf_16(data)
    _refuse_binary(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _decode_older(data, declared, error.start)
    if not _is_utf_8_by_accident(data, text):
        return Decoded(normalise(text), "utf-8")
    if decoded := _decode_as(data, declared):
        return decoded
    raise DocumentError("Its encoding is unknown: it is too short to tell UTF-8 from Chinese in GB18030.", _SAVE)


def _decode_marked(data: bytes, mark: bytes, codec: str, name: str) -> Decoded:
    try:
        text = data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        place = error.start + len(mark)
        raise DocumentError(f"Its byte order mark says {name}, but byte {place} is not.", _SAVE) from error
    _refuse_binary(text.encode())
    return Decoded(normalise(text), name)


def _refuse_unmarked_utf_16(data: bytes) -> None:
    """Raise an error for a text that has a zero byte before or after each Latin letter."""
    zeros = data.count(0)
    if zeros > len(data) // 4 and zeros in (data[::2].count(0), data[1::2].count(0)) and not _kind_of(data):
        raise DocumentError("It looks like UTF-16, but has no byte order mark that says so.", _SAVE)


def _refuse_binary(data: bytes) -> None:
    """Raise an error for what no text holds, in any encoding that ASCII is a part of."""
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if b"\0" in data or controls > _CONTROL_SHARE * len(data):
        raise _binary_data(data)


def _binary_data(data: bytes) -> DocumentError:
    kind = _kind_of(data)
    if not kind:
        return DocumentError(
            "It holds binary data, expected text.", "Export it as text or PDF from the program it was made with."
        )
    return DocumentError(
        f"It holds binary data ({kind} by its first bytes), expected text.", "Give it the ending of what it is."
    )


def _kind_of(data: bytes) -> str:
    """Return what a file looks like by its first bytes, or an empty string."""
    return next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), "")


def _name_of(declared: str) -> str:
    """Return our name for the encoding that a file names, or an empty string where it is unknown."""
    label = declared.strip(" \t\n\"'").lower().replace("_", "-")
    if family := _FAMILY.fullmatch(label):
        return f"windows-{family[1]}" if family[1] else f"iso-{family[2]}"
    return _NAMES.get(label, "")


def _read(data: bytes, name: str) -> str | None:
    """Return the text if all of the bytes are in that encoding, else None."""
    for codec in _CODECS.get(name, (name,)):
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        return text.translate(_BIG5_SIGNS) if codec == "big5hkscs" else text
    return None


def _is_utf_8_by_accident(data: bytes, text: str) -> bool:
    """Return whether a few Chinese words in GB18030 happen to be UTF-8 as well, like `系统`: rare letters in a jumble."""
    foreign = data.translate(None, _ASCII)
    if not 0 < len(foreign) <= _FEW or not _RARE_LETTER.search(text):
        return False
    chinese = _read(foreign, "gb18030")
    return chinese is not None and is_common_chinese(chinese)


def _decode_as(data: bytes, declared: str) -> Decoded | None:
    """Return the text in the encoding that a file names, or None where that is not true."""
    text = _read(data, declared) if declared else None
    return None if text is None or _NO_TEXT.search(text) else Decoded(normalise(text), declared)


def _decode_older(data: bytes, declared: str, position: int) -> Decoded:
    """Read a file that is not UTF-8; `position` is its first byte that is not, for the message."""
    valid, invalid = _utf_8_characters(data)
    # A few words in an East Asian encoding may look like UTF-8 for the most part.
    if valid > (invalid if declared and declared not in _EAST_ASIAN else 2 * invalid):
        raise DocumentError(
            f"It is damaged UTF-8: byte {position} belongs to no character, most others do.", "Save it as UTF-8 again."
        )
    if decoded := _decode_as(data, declared):
        return decoded
    if (decoded := _decode_by_evidence(data)) and not _has_rival(data):
        return decoded
    if _kind_of(data):
        raise _binary_data(data)
    raise DocumentError(
        f"Its encoding is unknown: byte {position} is not UTF-8, and it is not evidently Chinese, Japanese or Western "
        "European text in an older encoding.",
        _SAVE,
    )


def _utf_8_characters(data: bytes) -> tuple[int, int]:
    """Return how many characters beyond ASCII are UTF-8, and how many bytes are not; in a long file, of pieces of it."""
    lengths = [len(found) for piece in _pieces(data, _FOREIGN_BYTE) for found in _UTF_8_CHARACTER.findall(piece)]
    invalid = lengths.count(1)
    return len(lengths) - invalid, invalid


def _decode_by_evidence(data: bytes) -> Decoded | None:
    """Read a file in the one encoding that makes it evidently a text; None where none does, or more than one."""
    evident = []
    for name, is_evident in _CANDIDATES.items():
        text = _read(data, name)
        if text is None:
            continue
        characters = frozenset(text)
        if is_text(characters) and is_evident("\n".join(_pieces(text, _FOREIGN)), characters):
            evident.append(Decoded(normalise(text), name))
    return evident[0] if len(evident) == 1 else None


def _has_rival(data: bytes) -> bool:
    return any(
        (text := _read(data, name)) is not None and is_evident("\n".join(_pieces(text, _FOREIGN)))
        for name, is_evident in _RIVALS
    )


def _pieces(data: AnyStr, foreign: re.Pattern[AnyStr]) -> Iterator[AnyStr]:
    """Yield a short file whole; of a long one pieces all over it, each around something that is not ASCII."""
    if len(data) <= _PIECES * _PIECE:
        yield data
        return
    end = 0
    for start in range(0, len(data), len(data) // _PIECES):
        found = foreign.search(data, max(start, end))
        if not found:
            return
        begin = max(found.start() - _PIECE // 2, end)
        end = begin + _PIECE
        yield data[begin:end]
