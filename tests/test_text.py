"""What the project knows of text: sizes, sentences, search tokens, and what may reach a terminal."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.text import (
    first_units,
    hidden_characters,
    longest_word,
    matching_spans,
    normalise,
    printable,
    search_tokens,
    searchable,
    sentence_spans,
    size_in_units,
    splits_character,
)
from tests.growth import assert_linear

# Letters, stops, list signs, white space and Chinese in every order: what sentence cutting decides on.
MIXED = st.text(alphabet="abZ19 .!?。！？；…”)\n\t-#>|密码、，", max_size=120) | st.text(max_size=120)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param(" \n\t", 0, id="white space is free"),
        pytest.param("word", 1, id="four letters"),
        pytest.param("words", 2, id="five letters are rounded up"),
        pytest.param("one two", 2, id="each word is rounded up by itself"),
        pytest.param("密码重置", 4, id="one per Chinese character"),
        pytest.param("パスワード", 5, id="one per kana"),
        pytest.param("한국어", 3, id="one per Hangul syllable"),
        pytest.param("𠀀", 1, id="a character beyond the basic plane"),
        pytest.param("a, b.", 4, id="one per symbol"),
        pytest.param("max_length", 4, id="an underscore is a symbol"),
        pytest.param("密码abcde错误", 6, id="Chinese and Latin without a space"),
    ],
)
def test_size_counts_characters_of_cjk_and_quarters_of_words(text: str, units: int) -> None:
    assert size_in_units(text) == units


@settings(deadline=None)
@given(MIXED, MIXED)
def test_size_of_two_texts_apart_is_the_sum_of_their_sizes(first: str, second: str) -> None:
    assert size_in_units(f"{first} {second}") == size_in_units(first) + size_in_units(second)


@settings(deadline=None)
@given(MIXED)
def test_sentence_spans_are_ordered_do_not_overlap_and_hold_every_non_space_character(text: str) -> None:
    position = 0
    for start, end in sentence_spans(text):
        assert position <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert not text[position:start].strip()
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("One. Two! Three?", ["One.", "Two!", "Three?"], id="Latin stops"),
        pytest.param("一句。两句！三句？", ["一句。", "两句！", "三句？"], id="Chinese stops need no space"),
        pytest.param("先保存；再退出……完成", ["先保存；", "再退出……", "完成"], id="semicolon and ellipsis"),
        pytest.param("他说：“走吧。”然后离开。", ["他说：“走吧。”", "然后离开。"], id="a closing quote belongs before"),
        pytest.param('He said "Go." Then left.', ['He said "Go."', "Then left."], id="a Latin closing quote"),
        pytest.param("See e.g. the manual. Done.", ["See e.g. the manual.", "Done."], id="e.g."),
        pytest.param("Ask Dr. Wu of Dept. Two. Now.", ["Ask Dr. Wu of Dept. Two.", "Now."], id="Dr. and Dept."),
        pytest.param("By J. R. Hart. Next.", ["By J. R. Hart.", "Next."], id="initials"),
        pytest.param("Use 10.0.2 or v3.5 now. Ok.", ["Use 10.0.2 or v3.5 now.", "Ok."], id="versions"),
        pytest.param("1. First step\n2. Second step", ["1. First step", "2. Second step"], id="a numbered list"),
        pytest.param("Bring:\n- a card\n- a pen", ["Bring:", "- a card", "- a pen"], id="a bullet list"),
        pytest.param("需要：\n1、证件\n2、照片", ["需要：", "1、证件", "2、照片"], id="a Chinese list"),
        pytest.param("a line\nthat goes on", ["a line\nthat goes on"], id="a line break ends nothing"),
        pytest.param("a heading\n\na paragraph", ["a heading", "a paragraph"], id="a blank line ends a sentence"),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "end"), [("." * 25_000, "a"), (("Chapter " + "." * 200 + " 12\n") * 1_250, "")], ids=["dots", "leaders"]
)
def test_rows_of_dots_are_cut_in_linear_time(text: str, end: str) -> None:
    assert_linear(sentences, text + end, 4 * text + end, times=4)  # trying each dot as the first took minutes


def test_a_text_of_nothing_but_abbreviations_is_cut_in_linear_time() -> None:
    text = "a. b. " * 10_000
    assert len(sentences(text)) == 1
    assert_linear(
        sentences, text[: len(text) // 4], text, times=4
    )  # searching each candidate from its start took minutes


@pytest.mark.parametrize(
    "mark", ["\u0301", "\ufe0f", "\u20e3", "\u200d"], ids=["accent", "variation", "keycap", "joiner"]
)
def test_a_sentence_does_not_end_inside_a_character(mark: str) -> None:
    text = f"一句。{mark}两句。"
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        pytest.param("abc", [], id="letters"),
        pytest.param("密码", [], id="Chinese"),
        pytest.param("e\u0301a", [1], id="a combining accent"),
        pytest.param("👨\u200d👩x", [1, 2], id="joined emoji"),
        pytest.param("🇩🇪🇫🇷", [1, 3], id="two flags"),
        pytest.param("👍🏽👍", [1], id="skin tone"),
        pytest.param(" 🇩", [], id="half a flag after a space"),
        pytest.param("한국", [], id="Hangul syllables"),
        pytest.param("\u1112\u1161\u11ab", [1, 2], id="Hangul letters"),
    ],
)
def test_where_a_cut_would_split_a_character(text: str, inside: list[int]) -> None:
    assert [position for position in range(len(text) + 1) if splits_character(text, position)] == inside


@pytest.mark.parametrize(
    ("text", "units", "expected"),
    [
        pytest.param("one two three", 2, "one two", id="whole words"),
        pytest.param("one two", 9, "one two", id="all of it"),
        pytest.param("internationalisation", 2, "", id="not even a word"),
        pytest.param("员工手册", 2, "员工", id="Chinese"),
        pytest.param("Model | Price | Warranty", 5, "Model | Price", id="cells"),
    ],
)
def test_the_beginning_of_a_text_that_fits(text: str, units: int, expected: str) -> None:
    assert first_units(text, units) == expected


HIDDEN = "pass\u200bword \u202edrowssap\u202c so\u00adft"


def test_characters_that_nothing_is_seen_of_do_not_keep_words_from_being_found() -> None:
    assert searchable(HIDDEN) == "password drowssap soft"
    assert search_tokens("pass\u200bword") == search_tokens("password")
    assert hidden_characters(HIDDEN) == 3  # a soft hyphen hides nothing
    assert searchable("👩\u200d🔬") == "👩\u200d🔬"  # a joiner holds a character together


def test_the_longest_word_is_measured_where_it_is_none_any_more() -> None:
    assert longest_word("Some words. " * 50 + "x" * 5000) == 5000
    assert longest_word("没有空格的中文" * 1000) == 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("密码", ["密", "码", "密码"], id="characters and pairs"),
        pytest.param("重置页面", ["重", "置", "页", "面", "重置", "置页", "页面"], id="overlapping pairs"),
        pytest.param("VPN密码", ["vpn", "密", "码", "密码"], id="Latin and Chinese without a space"),
        pytest.param("Resetting passwords", ["reset", "password"], id="stems"),
        pytest.param("What is the VPN", ["vpn"], id="stop words are left out"),
        pytest.param("LF-DK-230", ["lf-dk-230", "lf", "dk", "230"], id="an identifier, whole and in parts"),
        pytest.param("10.0.2", ["10.0.2", "10", "0", "2"], id="a version"),
        pytest.param("max_length", ["max_length", "max", "length"], id="a name with an underscore"),
        pytest.param("well-known", ["well", "known"], id="two plain words are two words"),
        pytest.param(
            "Harbour Connect 6.2.", ["harbour", "connect", "6.2", "6", "2"], id="a stop is no part of a version"
        ),
        pytest.param("ＶＰＮ６．２", ["vpn6.2", "vpn6", "vpn", "6", "2"], id="full-width forms are the usual ones"),
        pytest.param("ﾊﾟｽ", ["パ", "ス", "パス"], id="half-width kana are full-width ones"),
        pytest.param("鍵を開ける", ["鍵", "を", "開", "け", "る", "鍵を", "を開", "開け", "ける"], id="Japanese"),
        pytest.param(
            "佐々木・太郎", ["佐", "々", "木", "佐々", "々木", "太", "郎", "太郎"], id="a repeated character, a dot"
        ),
        pytest.param("サーバー", ["サ", "ー", "バ", "ー", "サー", "ーバ", "バー"], id="long vowels"),
        pytest.param("비밀번호", ["비", "밀", "번", "호", "비밀", "밀번", "번호"], id="Korean syllables"),
        pytest.param("GPU显存8GB", ["gpu", "显", "存", "显存", "8gb", "8", "gb"], id="no space between scripts"),
        pytest.param(
            "Python3.11版本",
            ["python3.11", "python3", "python", "3", "11", "版", "本", "版本"],
            id="a version in Chinese",
        ),
        pytest.param(
            "v2.3.1-rc1", ["v2.3.1-rc1", "v2", "v", "2", "3", "1", "rc1", "rc", "1"], id="a release candidate"
        ),
        pytest.param("2024-05-01", ["2024-05-01", "2024", "05", "01"], id="a date"),
        pytest.param("3.5%", ["3.5", "3", "5"], id="a share"),
        pytest.param("1,234.56", ["1", "234.56", "234", "56"], id="a number with separators"),
        pytest.param("10th 1990s", ["10th", "1990s"], id="ordinals are no two words"),
        pytest.param("da39a3ee5e6b", ["da39a3ee5e6b"], id="a checksum is one word"),
        pytest.param("maxLength", ["maxlength", "max", "length"], id="a name in camel case"),
        pytest.param("iPhone", ["iphon"], id="a name with a capital inside"),
        pytest.param("C++ C# F#.", ["c++", "c", "c#", "c", "f#", "f"], id="languages with signs"),
        pytest.param("使用.NET开发", ["使", "用", "使用", ".net", "net", "开", "发", "开发"], id="a leading dot"),
        pytest.param("ASP.NET end.Next", ["asp", "net", "end", "next"], id="a dot between words"),
        pytest.param("it-help@example.com", ["it-help@example.com", "help", "exampl", "com"], id="an address"),
        pytest.param("https://example.com/reset", ["https", "exampl", "com", "reset"], id="a link"),
        pytest.param("company's COMPANY’S don't", ["compani", "compani"], id="apostrophes"),
        pytest.param("O'Brien d'Italia", ["o", "brien", "d", "italia"], id="apostrophes within names"),
        pytest.param("Café año übel", ["cafe", "ano", "übel"], id="marks, umlauts aside"),
        pytest.param("ﬁnding", ["find"], id="a ligature"),
        pytest.param("重置 重設", ["重", "置", "重置", "重", "設", "重設"], id="traditional characters are others"),
        pytest.param("STRASSE straße", ["strass", "strass"], id="case is folded"),
        pytest.param("!? …", [], id="symbols alone"),
    ],
)
def test_search_tokens(text: str, tokens: list[str]) -> None:
    assert search_tokens(text) == tokens


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        pytest.param("locked accounts", "The account is locked.", id="inflected English"),
        pytest.param("锁定", "账号会被锁定三十分钟", id="a Chinese word inside a run"),
        pytest.param("cafe\u0301", "caf\u00e9", id="composed and decomposed"),
        pytest.param("hc-27", "Error HC-27 means", id="an error code"),
    ],
)
def test_a_question_shares_its_tokens_with_a_passage_that_says_the_same(question: str, passage: str) -> None:
    assert set(search_tokens(question)) <= set(search_tokens(passage))


@settings(deadline=None)
@given(MIXED)
def test_search_tokens_hold_no_white_space_and_are_never_empty(text: str) -> None:
    assert all(token and not any(letter.isspace() for letter in token) for token in search_tokens(text))


@settings(deadline=None)
@given(st.text(alphabet="aZ1é9'’.-_@+#/ 、") | st.text(alphabet="aZ1'.-_@+#/ "))
def test_ascii_and_other_texts_are_cut_alike(text: str) -> None:
    assert search_tokens(f"{text} 。") == search_tokens(text)


def marked(text: str, question: str) -> str:
    """Return the text with brackets around what matches."""
    for start, end in reversed(matching_spans(text, question)):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return text


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param(
            "Which account is locked?", "The [account] is [locked]; two [accounts].", id="stems, no stop words"
        ),
        pytest.param("zebra", "The account is locked.", id="nothing"),
        pytest.param("", "The account is locked.", id="no question"),
        pytest.param("重置密码", "请先[重置]，再输入新的[密码]。", id="pairs, not single characters"),
        pytest.param("如何重置密码", "请[重置密码]，不要置之不理。", id="a run of pairs"),
        pytest.param("税", "所得[税]的[税]率", id="a character that stands alone in the question"),
        pytest.param("hc-27", "Error [HC-27], not [HC]-12.", id="an identifier, whole"),
        pytest.param("27", "Error HC-[27].", id="a part of it"),
        pytest.param("GPU显存", "[GPU显存]8GB", id="two scripts beside one another"),
        pytest.param("vpn6.2 cafe", "[ＶＰＮ６．２] in the [cafe\u0301]", id="full-width and decomposed"),
        pytest.param("password", "Two [pass\u200bwo\u00adrds] here", id="hidden characters within"),
        pytest.param("パスワード", "新しい[ﾊﾟｽﾜｰﾄﾞ]です", id="half-width kana"),
        pytest.param("find", "[ﬁnding] it", id="a ligature"),
        pytest.param("company don", "The [company]’s own; don't.", id="endings and negations"),
        pytest.param("admin", "An [admin] can.", id="no negation"),
        pytest.param("length", "The [maxLength].", id="a piece marks its word"),
        pytest.param("ss", "Stra\u00dfe", id="a letter that is folded to two"),
        pytest.param("strasse", "Die [Stra\u00dfe] ist lang.", id="the word with it"),
    ],
)
def test_the_words_of_a_question_are_found_where_they_stand(question: str, expected: str) -> None:
    assert marked(expected.replace("[", "").replace("]", ""), question) == expected


@settings(deadline=None)
@given(MIXED, MIXED)
def test_spans_lie_in_the_text_sorted_and_apart_from_one_another(text: str, question: str) -> None:
    spans = matching_spans(text, question)
    edges = [-1, *(place for span in spans for place in span)]
    assert all(before < after for before, after in pairwise(edges))
    assert edges[-1] <= len(text)


@settings(deadline=None)
@given(MIXED, MIXED)
def test_something_is_marked_only_where_a_token_is_shared(text: str, question: str) -> None:
    if matching_spans(text, question):
        assert set(search_tokens(text)) & set(search_tokens(question))


@settings(deadline=None)
@given(MIXED)
def test_a_text_asked_for_itself_is_marked_where_it_has_a_token(text: str) -> None:
    assert bool(matching_spans(text, text)) == bool(search_tokens(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\ufeffmarked", "marked", id="byte order mark"),
        pytest.param("a\r\nb\rc\n", "a\nb\nc\n", id="line ends"),
        pytest.param("cafe\u0301", "caf\u00e9", id="composed"),
        pytest.param("密\u3000码", "密\u3000码", id="nothing else changes"),
        pytest.param("a\ud83d\ude00b", "a\U0001f600b", id="a surrogate pair is a character"),
        pytest.param("a\ud800b", "a\ufffdb", id="half a pair is none"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@settings(deadline=None)
@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text.replace("\ufeff", ""))
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="a terminal's escape"),
        pytest.param("a\u202egpj.exe", "a\\u202egpj.exe", id="right-to-left override"),
        pytest.param("a\rb", "a\\rb", id="carriage return"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero-width space"),
        pytest.param("a\u2028b", "a\\u2028b", id="line separator"),
        pytest.param("\udce9", "\\udce9", id="half a surrogate pair"),
        pytest.param("密码 👩\u200d💻 é\n\tb", "密码 👩\u200d💻 é\n\tb", id="text is kept"),
    ],
)
def test_printable_shows_what_would_act_or_hide(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_shows_line_breaks_too_where_one_line_is_wanted() -> None:
    assert printable("a\nb\tc", keep_line_breaks=False) == "a\\nb\\tc"


@settings(deadline=None)
@given(st.text())
def test_whatever_is_printable_can_be_written_and_holds_no_control_character(text: str) -> None:
    shown = printable(text, keep_line_breaks=False)
    shown.encode()
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in shown)
