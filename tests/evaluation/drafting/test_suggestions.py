"""Questions for an empty page: answerable, plain enough for the label of a button, in the documents' language."""

from __future__ import annotations

from rag_app.evaluation.drafting.suggestions import suggested_questions
from tests.conftest import MakeBase

TEXTS = {
    "docs/passwords.md": "# Passwords\n\nAn account is locked for 30 minutes after 5 failed sign-ins.",
    "docs/vpn.md": "# VPN\n\nThe VPN needs Harbour Connect 6.2 on every computer.",
    "docs/密码.md": "# 忘记密码\n\n连续输错五次密码，账号会被锁定三十分钟。重置密码的链接 20 分钟内有效。",
}


def test_documents_take_turns_and_the_questions_are_the_same_each_time(make_base: MakeBase) -> None:
    base = make_base(TEXTS).open()
    questions = suggested_questions(base)
    assert questions == suggested_questions(base)
    assert len(set(questions)) == 3
    assert all(question.endswith(("?", "？")) for question in questions)
    assert any("account" in question for question in questions)
    assert any("密码" in question for question in questions)


def test_where_no_rule_fits_titles_are_asked_about(make_base: MakeBase) -> None:
    base = make_base({"docs/a.md": "# Of whales\n\nOh!", "docs/b.md": "# 鲸鱼之歌\n\n啊！"}).open()
    assert set(suggested_questions(base)) == {"What is said about Of whales?", "关于鲸鱼之歌，文档里是怎么说的？"}


def test_what_a_label_would_act_on_is_never_suggested(make_base: MakeBase) -> None:
    texts = {
        f"docs/{number}.md": f"# {title}\n\nThe {title} needs 30 minutes after each start."
        for number, title in enumerate(
            [
                "![x](http://127.0.0.1:9/a)",
                ":red[alarm] system",
                "`code` word",
                "$x$ engine",
                "<b>bold</b> pump",
                "a_b_c unit",
            ]
        )
    }
    for question in suggested_questions(make_base(texts).open(), 20):
        assert not set(question) & set("*_`$<>[]\\|~#@^!{}"), question
        assert ":r" not in question
    assert suggested_questions(make_base({"docs/a.md": "# A pump\n\nThe pump needs 30 minutes."}, name="x").open())
