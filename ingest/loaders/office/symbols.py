"""What the characters of symbol fonts show, in Unicode: Word writes μ, ≤ and ☑ as numbers of a font's own.

From Adobe's Symbol encoding (Unicode's mapping file for it, symbol.txt), and the signs of Wingdings that documents use.
This module knows nothing of documents.
"""

from __future__ import annotations

_UNKNOWN = "\ufffd"
_PRIVATE = 0xF000  # Word writes a font's character 0x6D as 0xF06D
_LOW = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
_HIGH = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\uf8ff〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
_SYMBOL = dict(enumerate(_LOW, start=0x20)) | dict(enumerate(_HIGH, start=0xA0))
_WINGDINGS = {
    0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒", 0x76: "❖", 0x9F: "•", 0xA7: "▪", 0xA8: "☐", 0xD8: "➢",
    0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓", 0xE8: "➔", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
    0x4A: "☺", 0x4C: "☹", 0x28: "☎", 0x2A: "✉", 0xAB: "★",
}  # fmt: skip
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS}


def symbol(font: str, code: int) -> str:
    """Return the character that a symbol font shows for a code; U+FFFD where that is not known."""
    shown = _FONTS.get(font.strip().lower())
    if shown is None and not 0xE000 <= code <= 0xF8FF:
        return chr(code) if 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else _UNKNOWN
    return (shown or {}).get(code - _PRIVATE if code >= _PRIVATE else code, _UNKNOWN)
