"""The local generator: streams, applies the chat template once, stops when closed, and fails with a message."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from llama_index.core.base.llms.types import ChatMessage, MessageRole

from rag_app.errors import ConfigurationError, GenerationError, ModelLoadError, ModelNotAvailable
from rag_app.models.catalogue import load_catalogue
from rag_app.models.generator import LocalGenerator, load_generator
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


def load(folder: Path, *, max_new_tokens: int = 24, device: str = "cpu") -> LocalGenerator:
    return load_generator(str(folder), device=device, offline=True, max_new_tokens=max_new_tokens)


@pytest.fixture
def generator(tiny_generator: Path) -> LocalGenerator:
    return load(tiny_generator)


@pytest.fixture
def no_worker_left() -> Iterator[None]:
    """After the test no thread of the generator is left behind."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "generator"] == []


class Script:
    """Stands in for `model.generate`: says given words one token at a time, as long as it is not told to stop."""

    def __init__(self, generator: LocalGenerator, text: str, *, fails_after: int | None = None) -> None:
        self.tokens: list[int] = generator._tokenizer(text, add_special_tokens=False)["input_ids"]
        self.fails_after = fails_after
        self.prompts: list[torch.Tensor] = []
        self.options: list[dict[str, Any]] = []
        self.said = 0
        self.running = 0
        self.most_running = 0
        generator._model.generate = self

    def __call__(self, input_ids: torch.Tensor, streamer: Any, stopping_criteria: Any, **options: Any) -> None:
        self.prompts.append(input_ids[0])
        self.options.append(options)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            streamer.put(input_ids)
            for number, token in enumerate(self.tokens):
                if number == self.fails_after:
                    raise RuntimeError("CUDA out of memory\nTried to allocate 2 GiB")
                streamer.put(torch.tensor([token]))
                self.said += 1
                if stopping_criteria(input_ids, torch.empty(0)).all():
                    return
                threading.Event().wait(0.001)
            streamer.end()
        finally:
            self.running -= 1


@pytest.mark.usefixtures("no_worker_left")
def test_the_pieces_join_to_the_complete_text(generator: LocalGenerator) -> None:
    streamed = list(generator.stream_chat(MESSAGES))
    text = "".join(response.delta or "" for response in streamed)
    assert text
    assert generator.chat(MESSAGES).message.content == text
    assert streamed[-1].message.content == text
    assert generator.complete(RENDERED, formatted=True).text == text


def test_it_is_the_text_that_transformers_would_give(generator: LocalGenerator) -> None:
    inputs = generator._tokenizer(RENDERED, return_tensors="pt", add_special_tokens=False)
    ids = generator._model.generate(**inputs, max_new_tokens=24, do_sample=False, pad_token_id=0)
    expected = generator._tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert generator.chat(MESSAGES).message.content == expected


@pytest.mark.usefixtures("no_worker_left")
def test_text_comes_while_it_is_written(generator: LocalGenerator) -> None:
    text = "The account is locked for 30 minutes. 账号会被锁定三十分钟。"
    script = Script(generator, text)
    pieces = [response.delta or "" for response in generator.stream_chat(MESSAGES)]
    assert "".join(pieces) == text
    assert sum(bool(piece) for piece in pieces) > 5
    assert script.said == len(script.tokens)


def test_the_chat_template_is_applied_exactly_once(generator: LocalGenerator) -> None:
    script = Script(generator, "Yes.")
    generator.chat(MESSAGES)
    list(generator.stream_chat(MESSAGES))
    tokenizer = generator._tokenizer
    for prompt in script.prompts:
        assert tokenizer.decode(prompt) == RENDERED
        assert prompt.tolist().count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == 3


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
    assert script.prompts[0].tolist().count(0) == 1
    generator.complete("a bare text")
    assert script.prompts[1].tolist().count(0) == 1, "a bare text has no template: its tokenizer's tokens are added"


def test_decoding_is_greedy_and_repeatable_whatever_the_checkpoint_ships(tiny_generator: Path) -> None:
    generator = load(tiny_generator)
    generator._model.generation_config.update(do_sample=True, temperature=5.0, top_p=0.9, top_k=50)
    answers = {generator.chat(MESSAGES).message.content for _ in range(3)}
    assert answers == {load(tiny_generator).chat(MESSAGES).message.content}


def test_the_longest_answer_is_kept_to(tiny_generator: Path) -> None:
    generator = load(tiny_generator, max_new_tokens=3)
    script = Script(generator, "x")
    generator.chat(MESSAGES)
    assert script.options[0]["max_new_tokens"] == 3
    assert script.options[0]["do_sample"] is False


def test_closing_the_stream_stops_the_model_and_frees_it(generator: LocalGenerator) -> None:
    script = Script(generator, "word " * 400)
    stream = generator.stream_chat(MESSAGES)
    next(stream)
    stream.close()
    assert 0 < script.said < 100, "the model stops after the token it is at"
    assert [thread.name for thread in threading.enumerate() if thread.name == "generator"] == []
    script.tokens = script.tokens[:5]
    assert generator.chat(MESSAGES).message.content == "word ", "the next answer is not kept waiting"


def test_closing_the_stream_stops_a_real_model(tiny_generator: Path) -> None:
    generator = load(tiny_generator, max_new_tokens=300)
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    generator._model.register_forward_hook(count)
    stream = generator.stream_chat(MESSAGES)
    next(stream)
    stream.close()
    assert 0 < steps < 100


def test_a_stream_that_is_never_begun_holds_nothing(generator: LocalGenerator) -> None:
    generator.stream_complete("unused").close()
    assert generator.complete("used").text


@pytest.mark.usefixtures("no_worker_left")
def test_answers_in_two_threads_wait_for_one_another(generator: LocalGenerator) -> None:
    text = "one two three four five six seven eight nine ten"
    script = Script(generator, text)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(generator.chat(MESSAGES).message.content or ""))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [text, text]
    assert script.most_running == 1


def test_a_prompt_longer_than_the_window_is_refused_with_both_numbers(tiny_generator: Path) -> None:
    generator = load(tiny_generator)
    with pytest.raises(GenerationError) as caught:
        generator.complete("word " * 200)
    assert "1000 tokens" in caught.value.found
    assert "reads 512" in caught.value.found
    assert "--top-k" in caught.value.remedy
    assert generator.complete("short").text


def test_a_prompt_that_nearly_fills_the_window_gets_what_is_left(generator: LocalGenerator) -> None:
    script = Script(generator, "x")
    generator.complete("a" * 510)
    assert script.options[0]["max_new_tokens"] == 2


@pytest.mark.usefixtures("no_worker_left")
@pytest.mark.parametrize("fails_after", [0, 10], ids=["at once", "half-way"])
def test_a_model_that_fails_gives_a_message_and_is_usable_afterwards(
    generator: LocalGenerator, fails_after: int
) -> None:
    script = Script(generator, "the words before and after", fails_after=fails_after)
    said = []
    with pytest.raises(GenerationError, match="failed while writing: CUDA out of memory") as caught:
        said.extend(response.delta for response in generator.stream_chat(MESSAGES))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "\n" not in str(caught.value)
    script.fails_after = None
    assert generator.chat(MESSAGES).message.content == "the words before and after"


def test_count_tokens_counts_without_special_ones(generator: LocalGenerator) -> None:
    assert generator.count_tokens("abc") == 3
    assert generator.count_tokens("密码") == 6, "three bytes a character"
    assert generator.count_tokens("") == 0


def test_what_llama_index_is_told(generator: LocalGenerator, tiny_generator: Path) -> None:
    metadata = generator.metadata
    assert metadata.is_chat_model
    assert (metadata.context_window, metadata.num_output) == (512, 24)
    assert metadata.model_name == str(tiny_generator)


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
    with pytest.raises(ModelNotAvailable, match=f"The generator {expected}"):
        load_generator(None, device="cpu", offline=True, max_new_tokens=8)


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
