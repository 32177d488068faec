"""What a sentence claims, and what it does not."""

from __future__ import annotations

import pytest

from rag_app.answering.citing.claims import (
    claim_of,
    contradicts,
    is_courtesy,
    is_yes_or_no,
    says_nothing_is_there,
    statements_of,
)


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("1. Call 4400.", "Call 4400."),
        ("- Call 4400.", "Call 4400."),
        ("According to passage 1, call 4400.", "call 4400."),
        ("Based on the provided passages, call 4400.", "call 4400."),
        ("The document states that accounts are locked.", "accounts are locked."),
        ("根据上述段落，请拨打4400。", "请拨打4400。"),
        ("根据段落1，请拨打4400。", "请拨打4400。"),
        ("根据第12段，请拨打4400。", "请拨打4400。"),
        ("根据第 1 段落和段落2，请拨打4400。", "请拨打4400。"),
        ("段落1提到，请拨打4400。", "请拨打4400。"),
        ("根据2024年规定，请拨打4400。", "根据2024年规定，请拨打4400。"),
        ("No, it is not admitted.", "it is not admitted."),
        ("是的，可以重置。", "可以重置。"),
        ("不允许接入。", "不允许接入。"),
        ("Notebooks are lent.", "Notebooks are lent."),
        ("Yes.", ""),
    ],
)
def test_the_claim_of_a_sentence(sentence: str, claim: str) -> None:
    assert claim_of(sentence) == claim


@pytest.mark.parametrize(
    "sentence",
    [
        "The passages do not mention the price.",
        "The provided text doesn't say when.",
        "There is no information about parking.",
        "I don't know.",
        "I could not find it in the documents.",
        "The answer cannot be found in the passages.",
        "Sorry, the passages do not contain the answer.",
        "Let me know if you need more.",
        "Steps:",
        "## Passwords",
        "---",
        "段落中没有相关信息。",
        "无法根据给出的段落回答。",
        "我不知道。",
        "如有疑问，请继续提问。",
        "步骤如下：",
    ],
)
def test_what_claims_nothing(sentence: str) -> None:
    assert is_courtesy(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Yes.",
        "The passages do not mention parking, but it costs 9 euros.",
        "There is no lift.",
        "Accounts are not locked.",
        "I can reset it.",
        "The fee is: 30 euros",
        "没有电梯。",
        "不能接入。",
    ],
)
def test_what_claims_something(sentence: str) -> None:
    assert not is_courtesy(sentence)


def test_yes_and_no_stand_alone() -> None:
    assert all(map(is_yes_or_no, ["Yes.", "no", "是的。", "不可以。", "- Yes!"]))
    assert not any(map(is_yes_or_no, ["", "Yes, it is.", "Now.", "不允许。"]))


@pytest.mark.parametrize(
    ("claim", "span"),
    [
        ("Private computers are admitted.", "Private computers are not admitted."),
        ("Private computers are not admitted.", "Private computers are admitted."),
        ("The kitchen must be used.", "The kitchen mustn't be used."),
        ("Guests pay a deposit.", "Guests never pay a deposit."),
        ("Cards work without a PIN.", "Cards work with a PIN."),
        ("There is parking.", "There is no parking."),
        ("Guests may smoke in the garden.", "Guests may eat in the garden, but may not smoke there."),
        ("允许私人电脑接入。", "不允许私人电脑接入。"),
        ("不需要审批。", "需要审批。"),
        ("节假日开放。", "节假日无人值守，不开放。"),
        ("请共享密码。", "请勿共享密码。"),
        ("Smoking is allowed.", "Smoking is forbidden."),
        ("可以吸烟。", "禁止吸烟。"),
        ("Private computers are not admitted.", "允许。 Private computers are admitted."),
    ],
)
def test_not_on_one_side_only(claim: str, span: str) -> None:
    assert contradicts(claim, span)


@pytest.mark.parametrize(
    ("claim", "span"),
    [
        ("Private computers are not admitted.", "Private computers aren't admitted."),
        ("Private computers may not use it.", "Private computers are not admitted."),
        ("It is locked for 30 minutes.", "It is locked for 30 minutes, and cannot be unlocked by phone."),
        ("At most 5 guests may stay.", "No more than 5 guests may stay."),
        ("Staff and guests may stay.", "Not only staff but guests may stay."),
        ("Do not lend the card.", "Do not share or lend the card, and do not bend it."),
        ("Guests may stay.", "Guests may stay. They must not smoke."),
        ("不同部门需要审批。", "各部门需要审批。"),
        ("费用不超过三十元。", "费用最多三十元。"),
        ("无论何时都开放。", "何时都开放。"),
        ("不允许接入。", "禁止接入，不得例外。"),
        ("Smoking is not allowed.", "Smoking is prohibited."),
        ("Anything.", ""),
        ("", "It is not so."),
    ],
)
def test_no_contradiction(claim: str, span: str) -> None:
    assert not contradicts(claim, span)


def test_statements_of_a_compound_sentence() -> None:
    assert statements_of("Accounts are locked, and the VPN needs a client.") == [
        "Accounts are locked",
        "the VPN needs a client.",
    ]
    assert statements_of("账号会被锁定，并且需要重置密码。") == ["账号会被锁定", "需要重置密码。"]
    assert statements_of("Salt and pepper.") == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The passages do not answer this question.",
        "The passages do not say how much it costs.",
        "The given passages do not explicitly state the price.",
        "Passages 1 and 2 do not mention it.",
        "The documents do not state a price.",
        "The text makes no mention of it.",
        "I'm sorry, but the passages do not contain the answer.",
        "There is no mention of parking in the provided passages.",
        "There is no information about that.",
        "No information about parking is given in the passages.",
        "No answer was found.",
        "It is not mentioned in the passages.",
        "It is not stated how much it costs.",
        "It is not stated in which year it was built.",
        "The answer is not in the text.",
        "The question cannot be answered based on the provided information.",
        "Based on the provided passages, I cannot determine the price.",
        "I don't know.",
        "段落没有提到价格。",
        "文中没有提到价格。",
        "段落1和段落2中都没有提到价格。",
        "段落中没有提到价格，因此无法回答。",
        "段落没有回答这个问题，只提到了密码。",
        "很抱歉，文档中没有找到答案。",
        "根据提供的段落，无法确定价格。",
        "没有关于停车费的信息。",
        "未提及价格。",
        "我无法回答您的问题。",
        "无法回答该问题。",
    ],
)
def test_a_refusal_says_that_nothing_is_there(sentence: str) -> None:
    assert says_nothing_is_there(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "I hope this helps!",
        "Sure!",
        "The account is not locked.",
        "Information is not shared with third parties.",
        "There is no data limit on the guest Wi-Fi.",
        "There is no information desk.",
        "It is not provided free of charge.",
        "This is not given to guests.",
        "Documents are not returned to applicants.",
        "Documents do not have to be translated.",
        "No answer is required.",
        "No details are passed on.",
        "There is no information about parking, but it costs 9 euros.",
        "账号没有被锁定。",
        "不能确定金额的，由经理审批。",
        "没有相关证件的人员不得进入。",
        "没有找到工作的人员可申请补助。",
        "无法确定身份的访客须由员工陪同。",
        "未提及的费用由租客承担。",
        "资料未提供者不予受理。",
        "资料中未说明用途的，请联系管理员。",
        "不知道密码的用户请联系服务台。",
        "信息不会提供给第三方。",
    ],
)
def test_a_courtesy_or_a_claim_is_no_refusal(sentence: str) -> None:
    assert not says_nothing_is_there(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "1" * 10_000,
        "段落" * 5_000,
        "第1号" * 4_000,
        "没有" + "相关的" * 3_000 + "！",
        "段落没有提到" + "，没有提到" * 3_000 + "，x",
        "根据段落1" + "、2" * 4_000,
        "no information about " * 1_000,
        "the given passages " * 2_000,
    ],
)
def test_no_sentence_takes_long_to_tell(sentence: str) -> None:
    assert claim_of(sentence)
    assert says_nothing_is_there(sentence) in (True, False)
