"""What an answer costs beyond `model.generate` on the same prompt: streamed, the prompt in pieces, behind the queue.

    python benchmarks/generation.py [--generator bundled] [--prompts 12] [--tokens 1400] [--answer 60]

Each prompt is given to both, one right after the other, in turns who is first; the ratio is that of a prompt's two times, and
the median of the ratios counts. Prompts whose two texts differ are counted and left out.

Then each prompt is given once more and stopped, in turns while it is read and when something was written: how long the reader
had no control at most, closing included, and how long the model then went on.
"""

# ruff: noqa: SLF001 - the rival is the generator's own model, asked directly

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from machine import machine

from rag_app.config import AnsweringSettings, ModelSettings
from rag_app.models.generating.generator import LocalGenerator, load_generator

TEXT = Path(__file__).parent.parent / "docs" / "knowledge-bases.md"


def main() -> None:
    """Measure, and print a line of a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="bundled")
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=1400, help="of the text in a prompt")
    parser.add_argument("--answer", type=int, default=60, help="tokens written at most")
    arguments = parser.parse_args()
    answering = AnsweringSettings(max_new_tokens=arguments.answer)
    generator = load_generator(
        arguments.generator, device="auto", offline=True, answering=answering, models=ModelSettings()
    )
    assert isinstance(generator, LocalGenerator), "a server's own time cannot be told from here"
    prompts = [prompt_of(generator, number, arguments.tokens) for number in range(arguments.prompts)]
    plainly(generator, prompts[0], 2)  # what is done once is done before
    walls, processors, firsts, differing = [], [], [], 0
    for number, prompt in enumerate(prompts):
        first: list[float] = []
        ours = Timed(lambda prompt=prompt, first=first: streamed(generator, prompt, first))
        theirs = Timed(lambda prompt=prompt: plainly(generator, prompt, arguments.answer))
        for timed in (ours, theirs) if number % 2 else (theirs, ours):
            timed.run()
        if ours.text != theirs.text:
            differing += 1
            continue
        walls.append(ours.wall / theirs.wall)
        processors.append(ours.processor / theirs.processor)
        firsts.append(first[0])
    print(machine())
    print("| prompts | differing texts | seconds to first text | wall, ratio | processor, ratio |")
    print("| --- | --- | --- | --- | --- |")
    medians = [f"{statistics.median(values):.3f}" for values in (firsts, walls, processors)]
    print(f"| {len(prompts)} | {differing} | {' | '.join(medians)} |")
    stops = [stopped(generator, prompt, while_reading=number % 2 == 0) for number, prompt in enumerate(prompts)]
    print()
    print("| stopped | seconds without control, median, longest | seconds until the model is free, median, longest |")
    print("| --- | --- | --- |")
    figures = [f"{statistics.median(seconds):.3f}, {max(seconds):.3f}" for seconds in zip(*stops, strict=True)]
    print(f"| {len(stops)} | {' | '.join(figures)} |")


class Timed:
    """Runs something once; seconds by the clock and of the processor."""

    def __init__(self, work: Callable[[], str]) -> None:
        """Run nothing yet."""
        self._work = work
        self.text = ""
        self.wall = self.processor = 0.0

    def run(self) -> None:
        """Run it."""
        wall, processor = time.perf_counter(), time.process_time()
        self.text = self._work()
        self.wall, self.processor = time.perf_counter() - wall, time.process_time() - processor


def prompt_of(generator: LocalGenerator, number: int, tokens: int) -> str:
    """Return a prompt with another part of a text each time."""
    words = (TEXT.read_text(encoding="utf-8") * 3).split(" ")[number * 40 :]
    count = tokens
    while generator.count_tokens(" ".join(words[:count])) > tokens:
        count -= 20
    question = f"{' '.join(words[:count])}\n\nWhat does this text say about generations?"
    return str(generator.messages_to_prompt([ChatMessage(role=MessageRole.USER, content=question)]))


def streamed(generator: LocalGenerator, prompt: str, first: list[float]) -> str:
    """Return what the generator writes, and note the seconds to its first text."""
    began = time.perf_counter()
    text = ""
    for response in generator.stream_complete(prompt, formatted=True):
        if response.delta and not first:
            first.append(time.perf_counter() - began)
        text = response.text
    return text


def stopped(generator: LocalGenerator, prompt: str, *, while_reading: bool) -> tuple[float, float]:
    """Return the seconds for which a reader who stops had no control at most, and those until the model was free."""
    stream = generator.stream_complete(prompt, formatted=True)
    longest, began = 0.0, time.perf_counter()
    for response in stream:
        longest, began = max(longest, time.perf_counter() - began), time.perf_counter()
        if while_reading or response.text:
            break
    stream.close()
    closed = time.perf_counter()
    while generator._queue._tickets:
        time.sleep(0.001)
    return max(longest, closed - began), time.perf_counter() - closed


def plainly(generator: LocalGenerator, prompt: str, tokens: int) -> str:
    """Return what transformers gives for the whole prompt at once, unstreamed.

    It runs in a thread of its own, as the generator does: where other processes compute too, torch's main thread is the slower.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(generated, generator, prompt, tokens).result()


def generated(generator: LocalGenerator, prompt: str, tokens: int) -> str:
    """Return what `model.generate` gives for a prompt."""
    tokenizer, model = generator._tokenizer, generator._model
    inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(model.device)
    with torch.no_grad():
        ids = model.generate(**inputs, max_new_tokens=tokens, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    return str(tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


if __name__ == "__main__":
    main()
