"""Question and passages to messages: within the budget, and documents stay data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.answering.prompt import Budget, build_prompt, neutralised
from rag_app.datatypes import Passage
from rag_app.errors import GenerationError
from rag_app.language import language_of
from rag_app.text import size_in_units

SENTENCES = [f"Sentence {number} says that account {number} is locked for {number} minutes." for number in range(40)]


def passage(n: int, text: str, *, heading: tuple[str, ...] = (), document: str = "docs/a.md") -> Passage:
    return Passage(n, document, None, 0, len(text), text, heading, {"cosine": 0.5})


def build(
    question: str, passages: list[Passage], *, budget: int = 1500, count: Callable[[str], int] = size_in_units
) -> tuple[str, str]:
    system, user = build_prompt(question, passages, Budget(count, budget, 4096)).messages
    assert (system.role, user.role) == (MessageRole.SYSTEM, MessageRole.USER)
    return system.content or "", user.content or ""


def size(messages: Sequence[ChatMessage]) -> int:
    return sum(size_in_units(message.content or "") for message in messages)


def passage_lines(user: str) -> dict[int, str]:
    """Return what stands in the prompt for each passage, by its number."""
    found = re.split(r"^\[(\d+)\] ", re.split(r"\n\n(?:Question: |问题：)", user)[0], flags=re.MULTILINE)
    return {int(number): text.strip() for number, text in zip(found[1::2], found[2::2], strict=True)}


def test_passages_are_numbered_as_they_come_with_where_they_are_from() -> None:
    passages = [
        passage(1, "Locked for 30 minutes.", heading=("Passwords", "Locking")),
        passage(2, "锁定三十分钟。", document="docs/密码.md"),
    ]
    _, user = build("How long?", passages)
    lines = passage_lines(user)
    assert list(lines) == [1, 2]
    assert "Locked for 30 minutes." in lines[1]
    assert "Passwords > Locking" in lines[1]
    assert "锁定三十分钟。" in lines[2]
    assert "docs/密码.md" in lines[2], "without a heading, the document"
    assert user.index("[2] ") < user.index("How long?")


@pytest.mark.parametrize("question", ["忘记密码怎么办？", "VPN 怎么连接？", "LF-DK-230 多少钱"])
def test_a_chinese_question_gets_the_chinese_instructions(question: str) -> None:
    system, user = build(question, [passage(1, "Locked for 30 minutes.")])
    assert language_of(system).code == "zh"
    assert "[1]" in system
    assert f"问题：{question}" in user
    assert "Question" not in user


@pytest.mark.parametrize(
    "question", ["How do I reset it?", "wifi", "Qu'est-ce que c'est ?", "What does 密码 mean in English?"]
)
def test_any_other_question_gets_the_english_instructions(question: str) -> None:
    system, user = build(question, [passage(1, "锁定三十分钟。")])
    assert language_of(system).code == "en"
    assert "[1]" in system
    assert f"Question: {question}" in user


@pytest.mark.parametrize("window", [256, 400, 700, 1500])
def test_the_messages_stay_within_the_window(window: int) -> None:
    passages = [passage(n, " ".join(SENTENCES[n : n + 4]), heading=("A heading", "Below")) for n in range(1, 30)]
    prompt = build_prompt("How long is it locked?", passages, Budget(size_in_units, 5000, window))
    assert size(prompt.messages) <= window
    assert list(passage_lines(prompt.messages[1].content or "")) == [passage.n for passage in prompt.passages]


def test_as_many_passages_as_fit_are_given_whole_and_best_first() -> None:
    passages = [passage(n, SENTENCES[n]) for n in range(1, 40)]
    _, user = build("How long?", passages, budget=500)
    numbers = list(passage_lines(user))
    assert numbers == list(range(1, len(numbers) + 1))
    assert 5 < len(numbers) < 39
    assert all(SENTENCES[number] in user for number in numbers)


@pytest.mark.parametrize("heading", [(), ("A rather long heading " * 4,)], ids=["no heading", "long heading"])
@pytest.mark.parametrize(
    "sentences", [SENTENCES, ["账号会被锁定三十分钟，请打开重置页面设置新密码。"] * 40], ids=["en", "zh"]
)
def test_a_first_passage_that_is_too_long_is_cut_after_a_sentence(
    sentences: list[str], heading: tuple[str, ...]
) -> None:
    text = " ".join(sentences)
    passages = [passage(1, text, heading=heading), passage(2, "more")]
    messages = build_prompt("How long?", passages, Budget(size_in_units, 300, 4096)).messages
    assert size(messages) - size(build_prompt("How long?", [], Budget(size_in_units, 300, 4096)).messages) > 200
    assert size(messages) <= 400
    lines = passage_lines(messages[1].content or "")
    assert list(lines) == [1]
    body = lines[1].partition(" (from: ")[0]
    assert text.startswith(body)
    assert body.endswith((".", "。"))


def test_one_endless_sentence_is_cut_all_the_same() -> None:
    passages = [passage(1, "word " * 5000)]
    messages = build_prompt("How long?", passages, Budget(size_in_units, 200, 4096)).messages
    assert size(messages) <= 300
    assert "word word" in (messages[1].content or "")


def test_a_question_that_leaves_no_room_in_the_window_is_refused() -> None:
    with pytest.raises(GenerationError, match=r"window of 300 tokens: no passage fits beside it\. Shorten it"):
        build_prompt("密" * 2000, [passage(1, "text")], Budget(size_in_units, 1400, 300))


def test_a_long_question_does_not_take_the_room_of_the_passages() -> None:
    passages = [passage(n, SENTENCES[n]) for n in range(1, 10)]
    prompt = build_prompt("密" * 2000, passages, Budget(size_in_units, 1400, 8192))
    assert len(prompt.passages) == 9


ROLE_MARKERS = [
    "<|im_start|>system",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|eot_id|>",
    "<|system|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<s>",
    "</s>",
    "<start_of_turn>user",
    "<end_of_turn>",
    "[SYSTEM_PROMPT]",
    "<｜User｜>",
    "<|turn>user",
    "<turn|>",
    "<bos>",
    "<think>",
    "[AVAILABLE_TOOLS]",
]


@pytest.mark.parametrize("marker", ROLE_MARKERS)
def test_markers_of_chat_roles_are_broken_up_wherever_they_stand(marker: str) -> None:
    hostile = f"before {marker} after"
    first = passage(1, hostile, heading=(hostile,))
    second = passage(2, hostile, document=f"docs/{marker}.md")
    system, user = build(hostile, [first, second])
    assert marker not in system + user
    assert user.count("before") == 4, "nothing else of the text is lost"


@given(st.lists(st.sampled_from(["<", ">", "|", "/", "[", "]", "s", "im_start", "INST", "SYS", " ", *ROLE_MARKERS])))
def test_no_composition_leaves_a_marker(parts: list[str]) -> None:
    once = neutralised("".join(parts))
    assert neutralised(once) == once, "what is broken up holds no marker any more"
    assert once.replace(" ", "") == "".join(parts).replace(" ", "")


@pytest.mark.parametrize(
    "text",
    [
        "{passages} {question} {0} {}",
        "%s %d %(passages)s",
        "$passages ${question}",
        "\\1 \\g<0>",
        "{{ messages }}",
        "a < b > c [1]",
    ],
)
def test_text_that_looks_like_a_template_is_harmless(text: str) -> None:
    _, user = build(text, [passage(1, text, heading=(text,)), passage(2, "other")])
    assert user.count(text) == 3
    assert passage_lines(user)[2].startswith("other")
