"""The rules by which sentences, rows and headings become questions, and questions other ones."""

from __future__ import annotations

import re

import pytest

from rag_app.evaluation.drafting.checks import gives_away
from rag_app.evaluation.drafting.chinese import chinese_wordings
from rag_app.evaluation.drafting.english import english_wordings
from rag_app.evaluation.drafting.records import record_wordings
from rag_app.evaluation.drafting.values import Span, Wording
from rag_app.evaluation.drafting.variants import as_keywords, in_other_words, without_answer


def _english(text: str, *headings: str, is_section: bool = False) -> list[Wording]:
    span = Span("a.md", "en", 0, len(text), text, headings, (), is_section)
    return list(english_wordings(span, lambda word: word in {"Roster", "Wren"}))


def _chinese(text: str, *headings: str, is_section: bool = False) -> list[Wording]:
    return list(chinese_wordings(Span("a.md", "zh", 0, len(text), text, headings, (), is_section)))


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("A badge is blocked for 20 minutes.", "How long is a badge blocked?", "20 minutes"),
        ("After 3 tries, your badge is blocked for 20 minutes.", "How long is my badge blocked after 3 tries?", "20 minutes"),
        ("A slot lasts 45 minutes.", "How long does a slot last?", "45 minutes"),
        ("Contractors get lab access for 30 days at a time.", "How long do contractors get lab access at a time?", "30 days"),
        ("The lamps are tested every 4 months.", "How often are the lamps tested?", "4 months"),
        ("Claims must be handed in by 31 March.", "By when must claims be handed in?", "31 March"),
        ("Older badges are refused since 1 April 2025.", "Since when are older badges refused?", "1 April 2025"),
        ("The shop opens at 08:30.", "At what time does the shop open?", "08:30"),
        ("A lost card costs £8 to replace.", "How much does a lost card cost?", "£8"),
        ("A passphrase has at least 14 characters.", "How many characters does a passphrase have?", "at least 14 characters"),
        ("You have 26 days of leave in a full year.", "How many days of leave do I have in a full year?", "26 days of leave"),
        ("The plotter is in room A2.17.", "Where is the plotter?", "in room A2.17"),
        ("The site manager is Ada Finch.", "Who is the site manager?", "Ada Finch"),
        ("Paid titles need the approval of your line manager.", "Whose approval do paid titles need?", "your line manager"),
        ("HC-12 means that the clock is wrong.", "What does HC-12 mean?", "the clock is wrong"),
        ("If a battery is swollen, switch it off.", "What should I do if a battery is swollen?", "switch it off"),
        ("If you miss two slots, the desk calls you.", "What happens if I miss two slots?", "the desk calls you"),
        ("Roster is the system of the people team.", "What is Roster?", "the system of the people team"),
    ],
)  # fmt: skip
def test_english_sentences_are_turned_into_questions(sentence: str, question: str, answer: str) -> None:
    assert Wording(question, answer) in [Wording(one.question, one.answer) for one in _english(sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "It lasts 45 minutes.",
        "This is kept for 90 days.",
        "They cost £8.",
        "A request can be refused only if two other members are away.",
        "Wait for 3 minutes.",
        "We lock the device within 30 minutes.",
        "In Bristol you get full pay for 12 weeks.",
        "When it is full you have 7 days to make room.",
    ],
)
def test_what_needs_the_text_before_it_is_not_asked_about(sentence: str) -> None:
    assert _english(sentence) == []


@pytest.mark.parametrize(
    ("heading", "text", "question"),
    [
        ("Booking the bay", "You book it on the page of the bay.", "How do I book the bay?"),
        ("Choosing a lens", "You may choose any lens of the set.", "How do I choose a lens?"),
        ("How often to calibrate", "Balances: every 6 months.", "How often should I calibrate?"),
        ("2. How to reset the alarm", "Turn the key to the left and wait.", "How do I reset the alarm?"),
        ("Who may work from home", "Everyone after the first month.", "Who may work from home?"),
    ],
)
def test_headings_that_ask_become_questions(heading: str, text: str, question: str) -> None:
    assert [one.question for one in _english(text, "Handbook", heading, is_section=True)] == [question]


def test_a_heading_whose_verb_the_text_does_not_have_is_left_alone() -> None:
    assert _english("All of it is in the annex of the handbook.", "Evening classes", is_section=True) == []
    assert _english("All of it is in the annex of the handbook.", "Pricing rules", is_section=True) == []


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("门禁卡有效期为 365 天，到期前会收到提醒。", "门禁卡有效期为多久？", "365 天"),
        ("连续输错 5 次密码，账号会被锁定 30 分钟。", "连续输错多少次密码，账号会被锁定 30 分钟？", "5 次"),
        ("接到电话后 30 分钟内，我们会远程锁定设备。", "接到电话后多长时间内，你们会远程锁定设备？", "30 分钟"),
        ("下班班车统一 17:50 从东门发车。", "下班班车统一几点从东门发车？", "17:50"),
        ("结转的天数要在次年 3 月 31 日之前休完。", "结转的天数要在次年哪一天之前休完？", "3 月 31 日"),
        ("出差伙食补贴每天 110 元。", "出差伙食补贴每天多少元？", "110 元"),
        ("班车问题请联系行政组，分机 8130。", "班车问题请联系行政组，哪个分机？", "分机 8130"),
        ("改签费用由公司承担。", "改签费用由谁承担？", "公司"),
        ("HC-27：电脑证书已过期。", "HC-27 是什么意思？", "电脑证书已过期"),
        ("如果电池鼓包，请立即关机。", "电池鼓包，怎么办？", "请立即关机"),
        ("用户名就是邮箱地址里的第一段文字。", "用户名是什么？", "邮箱地址里的第一段文字"),
    ],
)
def test_chinese_values_are_asked_for_where_they_stand(sentence: str, question: str, answer: str) -> None:
    assert Wording(question, answer) in [Wording(one.question, one.answer) for one in _chinese(sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "再等 10 秒。",
        "或者把线拔下来等 10 秒再插。",
        "布里斯托尔前 7 个日历日自己填表。",
        "苏州 500 元，布里斯托尔 60 英镑。",
        "这类设备的保修期为 3 年。",
    ],
)
def test_chinese_that_needs_the_text_before_it_is_not_asked_about(sentence: str) -> None:
    assert _chinese(sentence) == []


def test_a_chinese_heading_that_asks_becomes_a_question() -> None:
    asked = _chinese("登录系统，新建报销单。", "报销办法", "二、怎样提交报销单", is_section=True)
    assert [one.question for one in asked] == ["怎样提交报销单？"]


def test_a_row_is_asked_about_by_its_key() -> None:
    fields = (
        ("model_code", "LF-9"),
        ("item", "Lamp"),
        ("price_gbp", "12.50"),
        ("warranty_months", "24"),
        ("notes", "Blue"),
    )
    found = list(record_wordings(Span("a.csv", "en", 0, 9, "row", (), fields)))
    assert [(one.question, one.answer) for one in found] == [
        ("What is the item of LF-9?", "Lamp"),
        ("What is the price of LF-9 in GBP?", "12.50"),
        ("How many months of warranty does LF-9 have?", "24"),
    ]
    assert found[1].crossed == "LF-9 的价格是多少英镑？"
    chinese = (("编号", "SW-3"), ("审批人", "直属经理"), ("年费（元）", "640"), ("备注", "无"))
    assert [one.question for one in record_wordings(Span("a.csv", "zh", 0, 9, "row", (), chinese))] == [
        "SW-3 的审批人是谁？",
        "SW-3 的年费是多少元？",
    ]


def test_keywords_are_what_a_person_types_who_types_no_sentence() -> None:
    assert as_keywords("What does the error HC-27 mean?", "en") == "error HC-27 meaning"
    assert as_keywords("Leave handbook: how long is my pass kept?", "en") == "leave handbook pass kept how long"
    assert as_keywords("承包商的权限每次开通多久？", "zh") == "承包商 权限每次开通 多久"
    assert as_keywords("How many may I have?", "en") == ""


def test_other_words_are_enough_or_none() -> None:
    asked = "How long is my account locked after 5 failed sign-ins?"
    assert in_other_words(asked, "en") == "How long is my account blocked after 5 unsuccessful logins?"
    assert (
        in_other_words("How long does the yearly stocktaking in the northern hall last because of a laptop?", "en")
        == ""
    )
    assert in_other_words("账号手册：同事的账号被锁定，怎么办？", "zh").startswith("账号手册：同仁的帐户")


def test_a_question_without_an_answer_names_what_no_document_has() -> None:
    held = {"HC-28", "HC-29"}
    changed = without_answer("What does HC-27 mean?", "en", held.__contains__, 0)
    assert re.fullmatch(r"What does HC-\d\d mean\?", changed)
    assert not any(code in changed for code in ("HC-27", "HC-28", "HC-29"))
    assert without_answer("What does HC-27 mean?", "en", lambda _: True, 0) == ""
    assert without_answer("How long is a badge blocked?", "en", held.__contains__, 0) == ""
    moved = without_answer("How many days of leave do I have in Bristol?", "en", {"London"}.__contains__, 2)
    assert re.fullmatch(r"How many days of leave do I have in (?!Bristol|London)[A-Z]\w+\?", moved)
    assert without_answer("Where is the office in Bristol?", "en", held.__contains__, 0) == ""


def test_a_question_that_says_its_answer_is_none() -> None:
    assert gives_away(Wording("Is the fuser too hot?", "too hot"))
    assert gives_away(Wording("What is it?", " - "))
    assert not gives_away(Wording("How long does it last?", "5 days"))
