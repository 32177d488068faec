"""How well citations are checked: sentences that a passage supports, and the same with something wrong in them.

    python benchmarks/citations.py ../shared/data/qa/squad-v2.0-dev-en-reconstructed.json --limit 300 --embed-model bundled
    python benchmarks/citations.py ../shared/data/qa/xquad.zh.json

Each paragraph of a SQuAD file with a question that it answers gives sentences, made by rule. Supported ones: the sentence that
holds the answer, shortened, its parts in another order, some words exchanged; and a question with its answer in place of the
question word. Wrong ones: a number, a name, a `not` or the answer changed, and a sentence of a paragraph that is not among the
passages. Each is cited to the right paragraph, which stands among four others of its article. Odd articles chose the limits.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from machine import machine

from rag_app.answering.citing.citations import cite
from rag_app.answering.citing.names import names_in
from rag_app.datatypes import Passage
from rag_app.models.embedder import CatalogueEmbedding
from rag_app.models.embedder_spec import resolve_embedder
from rag_app.text import sentence_spans

_SEED = 20261129
_OTHERS = 4
_EXCHANGED = {
    "began": "started", "large": "big", "used": "employed", "many": "numerous", "became": "turned into", "first": "earliest",
    "important": "significant", "because": "since", "including": "such as", "found": "discovered", "built": "constructed",
}  # fmt: skip
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,-])\d+(?:,\d+)*(?![A-Za-z0-9_.,-])")
_QUESTION_WORD = re.compile(
    r"\b(?:what|who|whom|whose|when|where|which|how many|how much|how long|how|why)\b"
    "|什么时候|什么|谁|哪[一个些里种]*|多少|何时",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(is|are|was|were|can|could|will|would|has|have|had|may|must)\b( not\b)?")


@dataclass(frozen=True)
class Case:
    """A sentence, the passages it is checked against, the number of the right one, and where the answer stands in its text."""

    kind: str
    is_true: bool
    text: str
    passages: tuple[Passage, ...]
    right: int
    answer: tuple[int, int]


@dataclass(frozen=True)
class Outcome:
    """Whether a sentence was called supported, by the right passage, and by a span that holds the answer."""

    is_supported: bool
    is_right: bool
    holds_answer: bool
    milliseconds: float


def main() -> None:
    """Print a Markdown table: for each kind of sentence how many are called supported."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--articles", choices=("odd", "even"), default="even")
    parser.add_argument("--embed-model", help="asked where words leave it open")
    parser.add_argument("--limit", type=int, help="paragraphs, chosen by chance")
    arguments = parser.parse_args()
    embedder = None
    if arguments.embed_model:
        embedder = CatalogueEmbedding(resolve_embedder(arguments.embed_model, offline=True), device="cpu")
    outcomes: dict[tuple[bool, str], list[Outcome]] = defaultdict(list)
    for case in _cases(arguments.data, arguments.articles == "odd", arguments.limit):
        outcomes[not case.is_true, case.kind].append(_outcome(case, embedder))
    _print(outcomes, arguments.embed_model)


def _print(outcomes: dict[tuple[bool, str], list[Outcome]], model: str | None) -> None:
    print(f"{machine()}; {f'words and {model}' if model else 'words alone'}\n")
    print("| sentence | number | called supported | of these by the right passage | by a span with the answer |")
    print("| --- " * 5 + "|")
    for (is_wrong, kind), found in sorted(outcomes.items()):
        held = [one for one in found if one.is_supported]
        cells = ["", ""] if is_wrong or not held else [
            f"{mean(one.is_right for one in held):.3f}", f"{mean(one.holds_answer for one in held):.3f}"
        ]  # fmt: skip
        share = mean(one.is_supported for one in found)
        print(f"| {'wrong' if is_wrong else 'true'}: {kind} | {len(found)} | {share:.3f} | {cells[0]} | {cells[1]} |")
    times = sorted(one.milliseconds for found in outcomes.values() for one in found)
    print(
        f"\nA sentence against five passages: {median(times):.0f} ms (median), {times[len(times) * 95 // 100]:.0f} ms (95 %)."
    )


def _outcome(case: Case, embedder: CatalogueEmbedding | None) -> Outcome:
    started = time.perf_counter()
    sentences = cite(f"{case.text.rstrip('.。')} [{case.right}].", case.passages, embedder)
    elapsed = (time.perf_counter() - started) * 1000
    citations = [citation for sentence in sentences for citation in sentence.citations]
    right = [citation for citation in citations if citation.n == case.right]
    holds = any(citation.start <= case.answer[0] and case.answer[1] <= citation.end for citation in right)
    return Outcome(bool(citations) and all(one.supported for one in sentences), bool(right), holds, elapsed)


def _cases(data: Path, odd: bool, limit: int | None) -> Iterator[Case]:
    chance = random.Random(_SEED)
    articles = json.loads(data.read_text(encoding="utf-8"))["data"]
    places = [
        (article, place)
        for number, article in enumerate(articles, start=1)
        if (number % 2 == 1) == odd
        for place in range(len(article["paragraphs"]))
    ]
    chance.shuffle(places)
    for article, place in places[:limit]:
        yield from _of_paragraph(article, place, chance)


def _of_paragraph(article: dict[str, Any], place: int, chance: random.Random) -> Iterator[Case]:
    texts = [paragraph["context"] for paragraph in article["paragraphs"]]
    answered = [one for one in article["paragraphs"][place]["qas"] if not one.get("is_impossible") and one["answers"]]
    if not answered:
        return
    question = chance.choice(answered)
    start, answer = question["answers"][0]["answer_start"], question["answers"][0]["text"]
    spans = [span for span in sentence_spans(texts[place]) if span[0] <= start and start + len(answer) <= span[1]]
    if not spans:
        return
    others = [number for number in range(len(texts)) if number != place]
    chance.shuffle(others)
    chosen = [place, *others[:_OTHERS]]
    chance.shuffle(chosen)
    title = article["title"].replace("_", " ")
    passages = tuple(
        Passage(n, f"squad/{number}", None, 0, len(texts[number]), texts[number], (title,), {})
        for n, number in enumerate(chosen, start=1)
    )
    true = _reworded(texts[place][spans[0][0] : spans[0][1]], answer, chance)
    wrong_answers = [
        one["answers"][0]["text"] for one in answered if one["answers"][0]["text"] not in question["question"]
    ]
    unseen = [texts[number] for number in others[_OTHERS:]]
    for kind, is_true, text in (
        ("sentence reworded", True, true),
        ("question answered", True, _QUESTION_WORD.sub(lambda _: answer, question["question"], count=1)),
        *((kind, False, text) for kind, text in _spoilt(true, texts[place], chance)),
        *_wrongly_answered(question["question"], answer, wrong_answers, chance),
        *_of_another(unseen, chance),
    ):
        yield Case(kind, is_true, text.rstrip("?？"), passages, chosen.index(place) + 1, (start, start + len(answer)))


def _reworded(sentence: str, answer: str, chance: random.Random) -> str:
    comma = "，" if "，" in sentence else ", "
    parts = re.split(r"(?<=\D),\s+|，", re.sub(r"\s*[(（][^()（）]*[)）]", "", sentence).rstrip(".。"))
    kept = [part for part in parts if answer in part] or parts[:1]
    kept += [part for part in parts if part not in kept and chance.random() < 0.5]
    return " ".join(_EXCHANGED.get(word, word) for word in comma.join(kept).split()) + "."


def _spoilt(sentence: str, paragraph: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield the sentence with a new number, a number and a name from elsewhere in the paragraph, and with or without `not`."""
    if numbers := list(_NUMBER.finditer(sentence)):
        number = chance.choice(numbers)
        before, after = sentence[: number.start()], sentence[number.end() :]
        yield "new number", f"{before}{number[0][:-1]}{(int(number[0][-1]) + 3) % 10}{after}"
        if elsewhere := [one for one in _NUMBER.findall(paragraph) if one not in sentence]:
            yield "number from elsewhere in the paragraph", f"{before}{chance.choice(elsewhere)}{after}"
    names = [name.text for name in names_in(sentence)]
    elsewhere = [name.text for name in names_in(paragraph) if name.text not in sentence]
    if names and elsewhere:
        name = re.compile(rf"\b{re.escape(chance.choice(names))}\b")
        yield "name from elsewhere in the paragraph", name.sub(chance.choice(elsewhere), sentence)
    if verb := _VERB.search(sentence):
        verb_now = verb[1] if verb[2] else f"{verb[1]} not"
        yield "`not` put in or taken out", f"{sentence[: verb.start()]}{verb_now}{sentence[verb.end() :]}"


def _wrongly_answered(
    question: str, answer: str, others: Sequence[str], chance: random.Random
) -> Iterator[tuple[str, bool, str]]:
    wrong = [other for other in others if other not in answer and answer not in other]
    if wrong:
        chosen = chance.choice(wrong)
        yield "question with the answer to another", False, _QUESTION_WORD.sub(lambda _: chosen, question, count=1)


def _of_another(paragraphs: Sequence[str], chance: random.Random) -> Iterator[tuple[str, bool, str]]:
    if paragraphs:
        text = chance.choice(paragraphs)
        start, end = chance.choice(list(sentence_spans(text)))
        yield "sentence of a paragraph not given", False, text[start:end]


if __name__ == "__main__":
    main()
