"""English questions by rule: what a sentence states is turned round, or asked for by its condition.

There is no parser: a rule takes only a sentence whose subject and verb it can tell by their words, and leaves every other
one. This module knows nothing of documents or knowledge bases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rag_app.evaluation.drafting.answers import asked_for
from rag_app.evaluation.drafting.values import Span, Wording


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BE = _words("is are was were")
_MODALS = _words("can may must will should could has have had")
_AUXILIARIES = _BE | _MODALS
_VERBS = _words(
    """
    accept allow apply arrive become begin belong bring charge close contain cost cover earn end enter expire get give have
    hold include keep last leave live lose make mean need occur offer open own pay produce provide reach receive refill renew
    replace require return rise run save send serve show spend start stay stop store support take use wait weigh work write
    """
)
_NO_SUBJECT = _words(
    """
    it they this that these those he she there we us i both others many some none nobody everybody everyone anyone one another
    any other such what who which how when where here most few several not please do if when unless although because while as
    so but and or then also only even once in on at for from by with within without since during of under over to into
    """
)
_NOT_IN_SUBJECT = _words("that which who whose where when if because not unless while whether to")
_LOOSE = re.compile(
    r"\b(?:it|they|them|this|these|those|he|she|him|its|their|such|here|above|below|following|former|latter|same|there|"
    r"we|us|our|ours|I|another|others|otherwise|also|however|therefore)\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:In|After|On|For|At|From|Since|During|Within|Without|With|Before|Outside|By|Every|Each) [^,.:;]{2,60}, (?=[A-Za-z])"
)
_PARTS = re.compile(r"(?:, (?:and|but|so|or) |; )(?=[a-z])")
_CONDITION = re.compile(r"(If|When) ([^,.:;]{8,120}), (?:then )?(.{8,200})[.!]$")
_DECLARES = _words("a an the we it you your they this these that all no each every nobody one i he she there")
_MEANS = re.compile(r"((?:The |An? )?[^,.:;]{1,50}?) (?:means|stands for) (?:that )?(.{4,200})\.$")
_CALLED = re.compile(
    r"((?:The|Our|An?|All) [^,.:;]{3,60}?),? (?:is|are|which is|which are) called ([^,.:;]{2,40}?)[,.](?= |$)"
)
_QUESTION_HEADING = re.compile(r"(How|Where|When|Who|What|Which|Why)\b")
_LABEL = re.compile(r"([A-Z][^,.:;]{3,60}): (.{2,160}?)\.?$")


@dataclass(frozen=True)
class Clause:
    """A subject, its verb and what follows; `lead` is what stood before them and goes to the end of a question."""

    subject: str
    verb: str
    is_auxiliary: bool
    rest: str
    lead: str


def english_wordings(span: Span, is_name: Callable[[str], bool]) -> Iterator[Wording]:
    """Yield the questions that the rules make of a span, those that are most certain first.

    Args:
        span: a sentence, or a section.
        is_name: whether a word that begins a sentence is a name, and keeps its capital.
    """
    if span.is_section:
        yield from _heading_wordings(span)
        return
    for pattern, question, crossed in (
        (_MEANS, "What does {} mean?", "{} 是什么意思？"),
        (_CALLED, "What is {} called?", ""),
    ):
        if match := pattern.match(span.text):
            subject = _lowered(match[1], is_name)
            is_code = re.fullmatch(r"(?=.*\d)[\w-]+", subject)
            yield from _checked(question.format(subject), match[2], crossed.format(subject) if is_code else "")
    yield from _condition_wordings(span.text)
    for clause in _clauses(span.text, is_name):
        for question, answer in asked_for(clause.subject, clause.verb, clause.rest, clause.lead, clause.is_auxiliary):
            yield from _checked(question, answer)


def _checked(question: str, answer: str, crossed: str = "") -> Iterator[Wording]:
    question = second_to_first(" ".join(question.split()))
    rest = question.split(" ", 1)[-1]
    is_loose = _LOOSE.search(re.sub(r"\bI\b", "", rest))
    if not is_loose and len(question) <= 160 and not re.search(r"https?:|[|<>{}]", question) and answer.strip():
        yield Wording(question, answer.strip(" .,;"), crossed)


def _condition_wordings(text: str) -> Iterator[Wording]:
    match = _CONDITION.match(text)
    if match is None or len(match[2].split()) < 4:
        return
    word, condition, main = match.groups()
    first = main.lower().split()[0]
    declares = first in _DECLARES or not _AUXILIARIES.isdisjoint(main.lower().split()[1:4]) or main[0].isupper()
    if condition.split()[0].endswith("ing") or first in ("who", "what", "how", "why") or (declares and word == "When"):
        return
    asking = "What happens" if declares else "What should I do"
    yield from _checked(f"{asking} {word.lower()} {condition}?", main)


def _clauses(text: str, is_name: Callable[[str], bool]) -> Iterator[Clause]:
    lead = _LEAD.match(text)
    if re.search(r"[.!?] [A-Z]", text):  # two sentences that were not told apart
        return
    begin = lead.end() if lead else 0
    parts = _PARTS.split(text[begin:].rstrip(".!"))
    for number, part in enumerate(parts):
        clause = _clause(part)
        if clause is None:
            continue
        before = _lowered(lead[0].strip(" ,"), is_name) if lead and number == 0 else ""
        subject = _lowered(clause.subject, is_name)
        yield Clause(subject, clause.verb, clause.is_auxiliary, clause.rest, before)


def _clause(text: str) -> Clause | None:
    words = re.sub(r" \([^)]*\)", "", text).split()
    if len(words) < 3 or words[0].lower().strip(",") in _NO_SUBJECT:
        return None
    for place, word in enumerate(words[:10]):
        if word.endswith((",", ":", ";")) or (place and word.lower() in _NOT_IN_SUBJECT):
            return None
        subject, rest = " ".join(words[:place]), " ".join(words[place + 1 :])
        if place and word in _AUXILIARIES:
            is_verb = word in ("has", "have", "had") and not re.match(r"(?:been|to|not)\b|\w+ed\b", rest)
            return Clause(subject, base_form(word) if is_verb else word, not is_verb, rest, "")
        if place and base_form(word) in _VERBS and _agrees(words[place - 1], word):
            return Clause(subject, base_form(word), False, rest, "") if rest else None
    return None


def _agrees(before: str, verb: str) -> bool:
    """Whether a word that may be a verb is one after this word: "a slot lasts", "contractors get", "you pay"."""
    if before.lower() in ("a", "an", "the", "your", "my", "of", "for", "in", "on", "and", "or", "no", "each", "every"):
        return False
    plural = before.lower() == "you" or (before.endswith("s") and not before.endswith(("ss", "'s")))
    return plural != (base_form(verb) != verb)


def base_form(verb: str) -> str:
    """Return a verb without the ending of the third person."""
    if verb in ("has", "had"):
        return "have"
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    if verb.endswith(("sses", "xes", "zes", "ches", "shes")):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def _lowered(text: str, is_name: Callable[[str], bool]) -> str:
    """Return a text that began a sentence as it stands within one."""
    first = re.split(r"[\s,]", text, maxsplit=1)[0]
    is_first_name = re.match(r"[A-Z]\w+ [A-Z]", text) and first.lower() not in _DECLARES
    keeps = is_first_name or any(map(str.isdigit, first)) or not first[1:].islower() or is_name(first)
    return text if keeps and first not in ("A", "I") else text[0].lower() + text[1:]


def second_to_first(text: str) -> str:
    """Return a question as the one asks it whom the document calls "you"."""
    text = re.sub(r"\b([Yy])our(s?)\b", lambda match: ("my", "mine")[bool(match[2])], text)
    text = re.sub(r"\byourself\b", "myself", text)
    subject = (
        r"(^|\b(?:is|are|was|were|do|does|did|can|may|must|will|should|could|have|has|if|when|that|before|until|after|as|and|"
        r"than)) you\b"
    )
    text = re.sub(subject, lambda match: f"{match[1]} I".strip(), text, flags=re.IGNORECASE)
    text = re.sub(r"\bare I\b", "am I", text)
    text = re.sub(r"\bI are\b", "I am", text)
    return re.sub(r"\byou\b", "me", text)


def _heading_wordings(span: Span) -> Iterator[Wording]:
    heading = re.sub(r"^\d+(?:\.\d+)*\.?\s+", "", span.headings[-1]).strip(" ?:.")
    words = heading.split()
    if len(words) < 2 or len(span.text) < 20:
        return
    answer = span.text
    if span.headings[-1].endswith("?"):
        yield from _checked(f"{heading}?", answer)
    elif _QUESTION_HEADING.match(heading):
        asked = re.match(r"(How|Where|When|What|Which)((?: often| long| much| far)?) to (.+)", heading)
        if asked:
            auxiliary = "do I" if asked[1] == "How" and not asked[2] else "should I"
            yield from _checked(f"{asked[1]}{asked[2]} {auxiliary} {asked[3]}?", answer)
        elif words[0] == "Who" and words[1] in _AUXILIARIES - {"has", "have"} and len(words) > 3:
            yield from _checked(f"{heading}?", answer)
    elif verb := _of_gerund(words[0], span.text):
        yield from _checked(f"How do I {verb} {' '.join(words[1:])}?", answer)


def _of_gerund(word: str, text: str) -> str:
    """Return the verb of "Booking", "Choosing" or "Scanning" where the text has it as a word; else an empty string."""
    if not re.fullmatch(r"[A-Z][a-z]{2,}ing", word):
        return ""
    stem = word[:-3].lower()
    there = set(re.findall(r"[a-z]+", text.lower()))
    candidates = (stem, f"{stem}e", stem[:-1] if stem[-1] == stem[-2] else stem)
    return next((one for one in candidates if one in there), "")
