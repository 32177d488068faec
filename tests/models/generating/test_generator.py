"""The local generator: streams, applies the chat template once, stops when closed, and fails with a message."""

from __future__ import annotations

import gc
import inspect
import json
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from transformers import AutoConfig, AutoModelForCausalLM

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.errors import ConfigurationError, GenerationError, ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import BUNDLED, load_catalogue
from rag_app.models.generating.background import BEAT_SECONDS
from rag_app.models.generating.failures import WAY_OUT
from rag_app.models.generating.generator import LocalGenerator, load_generator
from tests.checkpoints import make_llama_generator

MESSAGES = [
    ChatMessage(role=MessageRole.SYSTEM, content="Answer from passages. 只用段落。"),
    ChatMessage(role=MessageRole.USER, content="How do I reset a password? 忘记密码怎么办？"),
]
RENDERED = (
    "<|im_start|>system\nAnswer from passages. 只用段落。<|im_end|>\n"
    "<|im_start|>user\nHow do I reset a password? 忘记密码怎么办？<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def load(folder: Path, *, device: str = "cpu", **answering: Any) -> LocalGenerator:
    settings = AnsweringSettings(**{"max_new_tokens": 24, **answering})
    generator = load_generator(str(folder), device=device, offline=True, answering=settings, models=ModelSettings())
    assert isinstance(generator, LocalGenerator)
    return generator


@pytest.fixture
def generator(tiny_generator: Path) -> LocalGenerator:
    return load(tiny_generator)


@pytest.fixture
def no_worker_left() -> Iterator[None]:
    """A moment after the test no thread of the generator is left behind."""
    yield
    for thread in threading.enumerate():
        if thread.name == "generator":
            thread.join(5)
            assert not thread.is_alive()


class Script:
    """Makes a model say given words, whatever it is asked; the real `generate` takes them from it, token by token."""

    def __init__(self, generator: LocalGenerator, text: str, *, fails_after: int | None = None) -> None:
        self.tokens: list[int] = generator._tokenizer(text, add_special_tokens=False)["input_ids"]
        self.fails_after = fails_after
        self.error: Exception = RuntimeError("something broke\nat line 2")
        self.prompts: list[list[int]] = []
        self.pieces: list[int] = []
        self.said = 0
        self.running = 0
        self.most_running = 0
        self.before_each: Callable[[], None] = lambda: None
        self._forward = generator._model.forward
        self._end = generator._tokenizer.eos_token_id
        generator._model.forward = self._say

    def _say(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Any = None,
        logits_to_keep: int = 0,
        **options: Any,
    ) -> Any:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            seen = past_key_values.get_seq_length()
            self.pieces.append(input_ids.shape[1])
            if seen == 0:
                self.prompts.append([])
                self.said = 0
            if input_ids.shape[1] > 1 or seen == 0:
                self.prompts[-1] += input_ids[0].tolist()
            else:
                self.said += 1
            self.before_each()
            if self.said == self.fails_after:
                raise self.error
            output = self._forward(
                input_ids, attention_mask=attention_mask, past_key_values=past_key_values, logits_to_keep=1, **options
            )
            token = self.tokens[self.said] if self.said < len(self.tokens) else self._end
            output.logits = torch.zeros_like(output.logits)
            output.logits[..., token] = 1
            return output
        finally:
            self.running -= 1


def text_of(responses: Any) -> str:
    return "".join(response.delta or "" for response in responses)


@pytest.mark.usefixtures("no_worker_left")
def test_the_pieces_join_to_the_complete_text(generator: LocalGenerator) -> None:
    streamed = list(generator.stream_chat(MESSAGES))
    text = "".join(response.delta or "" for response in streamed)
    assert text
    assert generator.chat(MESSAGES).message.content == text
    assert streamed[-1].message.content == text
    assert generator.complete(RENDERED, formatted=True).text == text


def make_gemma(folder: Path, tokenizer: Any) -> Path:
    """Write a generator of another architecture, whose layers look back at no more than 64 tokens, over the same tokens."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "gemma3_text",
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=64,
        max_position_embeddings=512,
        eos_token_id=2,
        pad_token_id=0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_it_is_the_text_that_transformers_gives_for_the_prompt_in_one_piece(
    generator: LocalGenerator, tmp_path: Path, architecture: str
) -> None:
    if architecture == "gemma3_text":
        generator = load(make_gemma(tmp_path / "gemma", generator._tokenizer))
    inputs = generator._tokenizer("many words " * 40, return_tensors="pt", add_special_tokens=False)
    assert inputs["input_ids"].shape[1] == 440
    ids = generator._model.generate(**inputs, max_new_tokens=24, do_sample=False, pad_token_id=0)
    expected = generator._tokenizer.decode(ids[0, 440:], skip_special_tokens=True)
    assert generator.complete("many words " * 40, formatted=True).text == expected


def test_a_prompt_is_read_in_pieces_of_at_most_256_tokens(generator: LocalGenerator) -> None:
    script = Script(generator, "Yes.")
    generator.complete("a" * 500)
    assert script.pieces[:2] == [256, 244]
    assert script.prompts == [generator._tokenizer("a" * 500)["input_ids"]]


@pytest.mark.usefixtures("no_worker_left")
def test_text_comes_while_it_is_written(tiny_generator: Path) -> None:
    generator = load(tiny_generator, max_new_tokens=100)
    text = "The account is locked for 30 minutes. 账号会被锁定三十分钟。"
    script = Script(generator, text)
    pieces = [response.delta or "" for response in generator.stream_chat(MESSAGES)]
    assert "".join(pieces) == text
    assert sum(bool(piece) for piece in pieces) > 5
    assert script.said == len(script.tokens), "and then the end of the turn"


def test_the_chat_template_is_applied_exactly_once(generator: LocalGenerator) -> None:
    script = Script(generator, "Yes.")
    generator.chat(MESSAGES)
    list(generator.stream_chat(MESSAGES))
    tokenizer = generator._tokenizer
    for prompt in script.prompts:
        assert tokenizer.decode(prompt) == RENDERED
        assert prompt.count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == 3


def test_a_template_that_writes_its_own_first_token_gets_no_second_one(tiny_generator: Path, tmp_path: Path) -> None:
    """Gemma, Llama and others: the template writes the BOS token, and their tokenizers add it to every text."""
    from tokenizers import processors

    folder = Path(shutil.copytree(tiny_generator, tmp_path / "with-bos"))
    generator = load(folder)
    tokenizer = generator._tokenizer
    tokenizer.chat_template = "<|endoftext|>" + tokenizer.chat_template
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    script = Script(generator, "Yes.")
    generator.chat(MESSAGES)
    assert script.prompts[0].count(0) == 1
    generator.complete("a bare text")
    assert script.prompts[1].count(0) == 1, "a bare text has no template: its tokenizer's tokens are added"


def test_decoding_is_greedy_and_repeatable_whatever_the_checkpoint_ships(tiny_generator: Path) -> None:
    generator = load(tiny_generator)
    generator._model.generation_config.update(do_sample=True, temperature=5.0, top_p=0.9, top_k=50)
    answers = {generator.chat(MESSAGES).message.content for _ in range(3)}
    assert answers == {load(tiny_generator).chat(MESSAGES).message.content}


def test_a_temperature_draws_tokens_and_a_seed_repeats_them(tiny_generator: Path) -> None:
    def answer(**settings: Any) -> str | None:
        return load(tiny_generator, **settings).chat(MESSAGES).message.content

    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    drawn = answer(temperature=1.0, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before), "the random numbers of others are not used"
    assert answer(temperature=1.0, seed=1) == drawn
    assert answer(temperature=1.0, seed=2) != drawn
    assert answer(temperature=0.0, seed=1) == answer(temperature=0.0, seed=2) != drawn


def test_tokens_are_drawn_as_often_as_the_model_finds_them_likely() -> None:
    from rag_app.models.generating.run import _Draw

    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    draw = _Draw(1.0, seed=3)
    counts = torch.zeros(3)
    for _ in range(3000):
        counts[draw(torch.zeros(1, 1), logits).argmax()] += 1
    assert (counts / 3000 - torch.tensor([0.7, 0.2, 0.1])).abs().max() < 0.03


@pytest.mark.parametrize(
    ("text", "limit", "said", "reason"),
    [
        ("one two three", 5, "one t", "length"),
        ("one", 24, "one", "stop"),
        ("one", 4, "one", "stop"),
        ("It is so. " * 20, 200, "It is so. ", "repetition"),
        ("Well: " + "no" * 60, 200, "Well: no", "repetition"),
        ("密码" * 60, 200, "密码", "repetition"),
        ("no no no, 100000000 is not 10000", 40, "no no no, 100000000 is not 10000", "stop"),
    ],
)
def test_it_is_said_why_an_answer_ended_and_nothing_is_said_over_and_over(
    tiny_generator: Path, text: str, limit: int, said: str, reason: str
) -> None:
    generator = load(tiny_generator, max_new_tokens=limit)
    script = Script(generator, text)
    streamed = list(generator.stream_chat(MESSAGES))
    assert text_of(streamed) == said
    assert streamed[-1].message.additional_kwargs["finish_reason"] == reason
    assert script.said < 90
    assert generator.chat(MESSAGES).message.additional_kwargs["finish_reason"] == reason


def test_the_longest_answer_can_be_another_for_one_prompt(generator: LocalGenerator) -> None:
    Script(generator, "one two three four")
    assert generator.chat(MESSAGES, max_new_tokens=3).message.content == "one"
    assert text_of(generator.stream_chat(MESSAGES, max_new_tokens=7)) == "one two"


@pytest.mark.parametrize("text", ["", "  \n"], ids=["nothing", "spaces"])
def test_an_empty_answer_is_an_error_with_a_way_on(generator: LocalGenerator, text: str) -> None:
    script = Script(generator, text)
    with pytest.raises(GenerationError, match="wrote nothing") as caught:
        list(generator.stream_chat(MESSAGES))
    assert "--generator quote" in caught.value.remedy
    with pytest.raises(GenerationError, match="wrote nothing"):
        generator.chat(MESSAGES)
    script.tokens = generator._tokenizer("Yes.")["input_ids"]
    assert generator.chat(MESSAGES).message.content == "Yes."


@pytest.mark.usefixtures("no_worker_left")
@pytest.mark.parametrize("pass_number", [0, 1, 5], ids=["first piece of the prompt", "second piece", "while writing"])
def test_closing_the_stream_returns_at_once_and_the_model_is_free_after_one_pass(
    generator: LocalGenerator, pass_number: int
) -> None:
    script = Script(generator, "one two three four five six seven")
    reached, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if len(script.pieces) == pass_number + 1:
            reached.set()
            go_on.wait(60)

    script.before_each = hold
    stream = generator.stream_complete("a" * 400)
    while not reached.is_set():  # control comes back also while nothing is written
        next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 20, "it did not wait for the pass, which is held for a minute"
    waiting = generator.stream_chat(MESSAGES)
    assert next(waiting).message.additional_kwargs == {"waiting": 1}, "the model is at its forward pass"
    assert len(script.pieces) == pass_number + 1
    go_on.set()
    assert text_of(waiting) == "one two three four five "
    assert len(script.pieces) == pass_number + 1 + 24, "no further pass was made for the one that was closed"


def test_the_reader_has_control_every_half_second_while_nothing_is_written(generator: LocalGenerator) -> None:
    script = Script(generator, "one")
    go_on = threading.Event()
    script.before_each = lambda: go_on.wait(60)
    stream = generator.stream_chat(MESSAGES)
    began = time.monotonic()
    quiet = [next(stream) for _ in range(2)]
    assert time.monotonic() - began < 20, "it did not wait for the pass, which is held for a minute"
    assert BEAT_SECONDS <= 0.5
    assert [(response.delta, response.message.additional_kwargs) for response in quiet] == [("", {"waiting": 0})] * 2
    go_on.set()
    assert text_of(stream) == "one"


def test_a_stream_that_is_never_begun_holds_nothing(generator: LocalGenerator) -> None:
    generator.stream_complete("unused").close()
    assert generator.complete("used").text


@pytest.mark.usefixtures("no_worker_left")
def test_twenty_at_once_are_all_answered_one_by_one_and_none_is_mixed_up(tiny_generator: Path) -> None:
    generator = load(tiny_generator, max_new_tokens=12)
    alone = {number: generator.complete(f"question {number}").text for number in range(20)}
    assert len(set(alone.values())) > 10
    running, most = [0], [0]
    forward = generator._model.forward

    def counted(**options: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return forward(**options)
        finally:
            running[0] -= 1

    counted.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    generator._model.forward = counted
    answers: dict[int, str] = {}
    threads = [
        threading.Thread(
            target=lambda n=number: answers.update({n: text_of(generator.stream_complete(f"question {n}"))})
        )
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == alone
    assert most == [1]


@pytest.mark.usefixtures("no_worker_left")
def test_who_waits_too_long_is_told_how_many_are_before_and_the_rest_are_answered(tiny_generator: Path) -> None:
    generator = load(tiny_generator, wait_seconds=1)
    script = Script(generator, "one")
    go_on = threading.Event()
    script.before_each = lambda: go_on.wait(60)
    first = generator.stream_chat(MESSAGES)
    next(first)
    second = generator.stream_chat(MESSAGES)
    assert next(second).message.additional_kwargs == {"waiting": 1}
    with pytest.raises(GenerationError, match=r"1 answer is before this one; waited 1 s\.") as caught:
        list(second)
    assert "--generator quote" in caught.value.remedy
    go_on.set()
    assert text_of(first) == "one"
    assert generator.chat(MESSAGES).message.content == "one"


@pytest.mark.usefixtures("no_worker_left")
def test_who_closes_while_waiting_leaves_the_queue(generator: LocalGenerator) -> None:
    script = Script(generator, "one")
    go_on = threading.Event()
    script.before_each = lambda: go_on.wait(60)
    streams = [generator.stream_chat(MESSAGES) for _ in range(3)]
    places = [next(stream).message.additional_kwargs for stream in streams]
    assert places == [{"waiting": 0}, {"waiting": 1}, {"waiting": 2}]
    streams[1].close()
    assert next(streams[2]).message.additional_kwargs == {"waiting": 1}, "told at once"
    go_on.set()
    assert text_of(streams[0]) == text_of(streams[2]) == "one"
    assert len(script.prompts) == 2, "the model did nothing for the one that left"


def test_a_prompt_longer_than_the_window_is_refused_with_both_numbers(tiny_generator: Path) -> None:
    generator = load(tiny_generator)
    with pytest.raises(GenerationError) as caught:
        generator.complete("word " * 200)
    assert "1000 tokens" in caught.value.found
    assert "reads 512" in caught.value.found
    assert "--top-k" in caught.value.remedy
    assert generator.complete("short").text


def test_a_prompt_that_nearly_fills_the_window_gets_what_is_left(generator: LocalGenerator) -> None:
    Script(generator, "xyz")
    answer = generator.complete("a" * 510)
    assert answer.text == "xy"
    assert answer.additional_kwargs == {"finish_reason": "length"}


@pytest.mark.usefixtures("no_worker_left")
@pytest.mark.parametrize("fails_after", [0, 10], ids=["at once", "half-way"])
@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (RuntimeError("something broke\nat line 2"), "failed while writing: something broke.", "--generator quote"),
        (MemoryError(), "ran out of memory while writing: MemoryError.", "smaller model"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
            "ran out of",
            "PASSAGE_TOKENS",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "ran out of memory", "--generator quote"),
    ],
    ids=["any", "memory", "memory of the CPU", "memory of the GPU"],
)
def test_a_model_that_fails_gives_a_message_and_is_usable_afterwards(
    generator: LocalGenerator, fails_after: int, error: Exception, found: str, remedy: str
) -> None:
    script = Script(generator, "the words before it", fails_after=fails_after)
    script.error = error
    said: list[str] = []
    with pytest.raises(GenerationError) as caught:
        said.extend(response.delta or "" for response in generator.stream_chat(MESSAGES))
    assert "".join(said) == "the words before it"[:fails_after]
    assert found in caught.value.found
    assert remedy in caught.value.remedy
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)
    script.fails_after = None
    assert generator.chat(MESSAGES).message.content == "the words before it"


def test_what_a_failed_answer_held_in_memory_is_let_go(generator: LocalGenerator) -> None:
    script = Script(generator, "one", fails_after=2)
    caches: list[Any] = []

    def remember(_: object, __: object, output: Any) -> None:
        caches.append(weakref.ref(output.past_key_values))

    generator._model.register_forward_hook(remember)
    with pytest.raises(GenerationError) as caught:
        generator.chat(MESSAGES)
    assert caught.value.__cause__ is script.error
    gc.collect()
    assert len(caches) == 2
    assert [cache() for cache in caches] == [None] * len(caches)


@pytest.mark.parametrize("has_system", [True, False])
def test_a_template_that_knows_no_system_message_has_it_in_the_question(
    generator: LocalGenerator, has_system: bool
) -> None:
    generator._tokenizer.chat_template = (
        "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
        "[{{ message['role'] }}] {{ message['content'] }} {% endfor %}"
    )
    script = Script(generator, "Yes.")
    generator.chat(MESSAGES if has_system else MESSAGES[1:])
    question = "How do I reset a password? 忘记密码怎么办？"
    system = "Answer from passages. 只用段落。\n\n" if has_system else ""
    assert generator._tokenizer.decode(script.prompts[0]) == f"[user] {system}{question} "


def test_a_template_that_refuses_everything_is_named(generator: LocalGenerator) -> None:
    generator._tokenizer.chat_template = "{{ raise_exception('Conversation roles must alternate') }}"
    with pytest.raises(GenerationError, match="Conversation roles must alternate"):
        generator.chat(MESSAGES)


def test_count_tokens_counts_without_special_ones(generator: LocalGenerator) -> None:
    assert generator.count_tokens("abc") == 3
    assert generator.count_tokens("密码") == 6, "three bytes a character"
    assert generator.count_tokens("") == 0


def test_what_llama_index_is_told(generator: LocalGenerator, tiny_generator: Path) -> None:
    metadata = generator.metadata
    assert metadata.is_chat_model
    assert (metadata.context_window, metadata.num_output) == (512, 24)
    assert metadata.model_name == str(tiny_generator)
    assert generator.is_small, "thirty thousand parameters"


def test_who_is_small_is_told_by_the_row_where_there_is_one(tiny_generator: Path) -> None:
    row = load_catalogue().generator("Qwen/Qwen2.5-1.5B-Instruct")
    assert not LocalGenerator("x", str(tiny_generator), row=row, device="cpu", answering=AnsweringSettings()).is_small


def test_the_languages_it_was_made_for_are_those_of_its_row(tiny_generator: Path, generator: LocalGenerator) -> None:
    row = load_catalogue().generator(BUNDLED)
    bundled = LocalGenerator("x", str(tiny_generator), row=row, device="cpu", answering=AnsweringSettings())
    assert bundled.is_made_for("How long is it locked?")
    assert bundled.is_made_for("vpn-2 8GB?"), "nothing says that it is another language"
    assert not bundled.is_made_for("账号锁定多久？")
    assert generator.is_made_for("账号锁定多久？"), "nobody knows what it was made for"


def test_the_window_of_a_model_that_reads_pictures_too_is_that_of_its_part_for_text() -> None:
    from rag_app.models.generating.loading import DEFAULT_CONTEXT_TOKENS, stated_context_tokens

    config = AutoConfig.for_model("gemma3", text_config={"max_position_embeddings": 777})
    assert stated_context_tokens(SimpleNamespace(config=config)) == 777
    assert stated_context_tokens(SimpleNamespace(config=AutoConfig.for_model("mamba"))) == DEFAULT_CONTEXT_TOKENS


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    folder = make_llama_generator(tmp_path, chat_template=None)
    with pytest.raises(ModelLoadError, match="has no chat template") as caught:
        load(folder)
    assert "instruction-tuned" in caught.value.remedy


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("left", [0, 100], ids=["empty", "cut"])
def test_a_damaged_folder_is_named(tiny_generator: Path, tmp_path: Path, name: str, left: int) -> None:
    folder = Path(shutil.copytree(tiny_generator, tmp_path / "damaged"))
    (folder / name).write_bytes((folder / name).read_bytes()[:left])
    with pytest.raises(ModelLoadError) as caught:
        load(folder)
    assert str(folder) in caught.value.found
    assert "\n" not in str(caught.value)
    assert "rag-app models " in caught.value.remedy


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused_with_those_that_are(tiny_generator: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'cuda' is not usable here; torch .* finds: .*cpu") as caught:
        load(tiny_generator, device="cuda")
    assert "--device auto" in caught.value.remedy


def test_an_unknown_device_is_refused(tiny_generator: Path) -> None:
    with pytest.raises(ConfigurationError, match="'tpu' is not usable here"):
        load(tiny_generator, device="tpu")


def test_the_default_for_a_cpu_is_looked_for_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    expected = load_catalogue().default_generator(on_gpu=False).id
    with pytest.raises(ModelNotAvailable, match=f"The generator {expected}") as caught:
        load_generator(None, device="cpu", offline=True, answering=AnsweringSettings(), models=ModelSettings())
    assert caught.value.remedy.endswith(WAY_OUT)


def test_a_folder_that_would_run_its_own_code_is_refused_and_nobody_is_asked_whether_it_may(
    tiny_generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers, left to itself, asks on the terminal."""
    folder = Path(shutil.copytree(tiny_generator, tmp_path / "copy"))
    canary = tmp_path / "canary"
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n")
    names = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | names))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(ModelLoadError, match=r"config\.json would have code run.*auto_map"):
        load(folder)
    assert not canary.exists()
