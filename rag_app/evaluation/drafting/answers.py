"""What a clause tells - how long, how much, how many, when, where, who, what - and the question that asks for it.

The clause comes as subject, verb and rest; `lead` is what stood before it. This module knows nothing of documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SMALL = "one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty"
_NUMBER = rf"(?:\d[\d,.]*\d|\d|{_SMALL})"
_SIZE = r"(?:(?:at least|at most|up to|only|no more than|not more than|exactly|about|around|over|under|more than|less than) )?"
_TIME_UNIT = r"(?:(?:working|calendar|full) )?(?:second|minute|hour|day|week|month|quarter|year)s?"
_DURATION = rf"({_SIZE}{_NUMBER} {_TIME_UNIT})(?! (?:of|old|before|after|ahead|later|earlier|long)\b)"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = (
    rf"((?:{_NUMBER} )?(?:{_MONTHS})(?: \d{{1,2}}(?!\d))?,?(?: \d{{4}})?|\d{{4}}-\d\d-\d\d|(?:in )?(?:1[5-9]|20)\d\d)"
)
_CLOCK = r"(?:\d{1,2}:\d\d(?: ?[ap]\.?m\.?)?|\d{1,2} ?[ap]\.?m\.?)"
_MONEY = (
    rf"({_SIZE}(?:[£$€¥]\d[\d,.]*\d?(?: (?:million|billion))?|{_NUMBER} (?:yuan|pounds|euros|dollars|pence|percent)))"
)
_PLACE = (
    r"((?:in|at|on|beside|next to|opposite|under|behind|outside) (?:the |a |an )?(?:[\w'.-]+ ){0,4}"
    r"(?:room|building|floor|counter|office|reception|cupboard|cabinet|archive|lift|corridor|hall|street|north|south|east|west|"
    r"folder|menu|drawer|wall|door|desk|page|drive|site|centre|center|town|city|county|province|[A-Z]\d[\w.]*)\b[^,;:]*)"
)
_PEOPLE = (
    r"(?:managers?|board|team|helpdesk|head|group|department|lead|directors?|officers?|committee|council|engineers?|author|"
    r"editor)"
)
_NO_COUNT = re.compile(_TIME_UNIT + r"|times|percent|pounds|dollars|euros|this|as|was|is|has|kinds|others")

# Each: the pattern in what follows the verb, the question's beginning; the pattern's first group is the answer.
_FOR_ANY = (
    (rf"\bfor {_DURATION}", "How long"),
    (rf"\bwithin {_DURATION}", "How soon"),
    (rf"\bevery ({_NUMBER} {_TIME_UNIT})\b", "How often"),
    (rf"\bafter {_DURATION}", "After how long"),
    (rf"({_SIZE}{_NUMBER} {_TIME_UNIT}) (?:ahead|in advance)\b", "How far ahead"),
    (rf"\bby {_DATE}", "By when"),
    (rf"\bsince {_DATE}", "Since when"),
    (rf"\buntil ({_CLOCK}|{_DATE[1:-1]})", "Until when"),
    (rf"\bat ({_CLOCK})(?! (?:and|or|to)\b)", "At what time"),
    (rf"\b(between {_CLOCK} and {_CLOCK}|from {_CLOCK} to {_CLOCK})", "When"),
    (rf"\b(?:on|in) {_DATE}", "When"),
)
# What may not stand between the verb and the answer: there the clause is another, or has two verbs.
_TANGLED = re.compile(
    r"[,:;(]|\b(?:if|when|that|which|who|unless|because|is|are|was|were|can|may|must|will|should|could|but|nor|only)\b"
)
_COUNT = re.compile(rf"\b({_SIZE}{_NUMBER}) ((?:[a-z-]+ )??[a-z-]+s)\b(?: of ([a-z]+(?: [a-z]+)?)\b)?")
_NEXT_CLAUSE = re.compile(r"[,;:(]|(?:^|\s)(?:and|but|or|although|while|when|where|who|which|because|so|if|as)\b|^to\b")
_AFTER_PREPOSITION = re.compile(
    r"\b(?:of|in|by|for|on|the|between|with|into|among|than|over|after|about|at|from|to|a) $"
)
_DAYS_OF = re.compile(
    rf"({_SIZE}{_NUMBER}) ((?:working )?(?:days|weeks|hours|months)) of ((?:[a-z]+ ){{0,2}}?[a-z]+)"
    r"(?= (?:in|into|for|per|a|each|every|from|to|at|on|by|of|and)\b|[,.]|$)"
)
_SENTENCE_OBJECT = re.compile(r"(?:a|an|the|your|[A-Z0-9][\w-]*)\b[^,;:]{2,80}")
_VAGUE = re.compile(
    r"\b(?:cause|reason|sign|example|exception|result|rest|idea|answer|difference|points|point of|aspect|outcome|effect|first|"
    r"last|second)s?\b|"
    r"^(?:every|each|no|all) "
)
_NAMED = re.compile(r"(?:the|an?|you|your) |.*[A-Z\d]|[a-z-]+(?: [a-z-]+)?$", re.DOTALL)
_TITLES = re.compile(
    r"(?:the )?(?:architect|author|general|governor|king|poet|president|prince|professor|queen|saint|sir) [A-Z]", re.I
)
_OBJECT_VERBS = frozenset(["contain", "cover", "include", "require", "use", "accept", "provide"])


def asked_for(subject: str, verb: str, rest: str, lead: str, is_auxiliary: bool) -> Iterator[tuple[str, str]]:
    """Yield questions with their answers, those that are most certain first.

    Args:
        subject: as it stands within a sentence.
        verb: an auxiliary, or the base form of another.
        rest: what follows the verb.
        lead: what stood before the subject ("after three failed sign-ins"), or nothing.
        is_auxiliary: whether the verb comes before the subject in a question as it is.
    """
    yield from _counted(subject, verb, rest, lead, is_auxiliary)
    turned = _turned(subject, verb, is_auxiliary)
    for pattern, beginning in _FOR_ANY:
        match = re.search(pattern, rest)
        if match and not _TANGLED.search(rest[: match.start()]):
            yield _question(beginning, turned, rest, match.span(), lead), match[0] if beginning == "When" else match[1]
    if not is_auxiliary:
        yield from _of_verb(subject, verb, rest, lead)
    elif verb in ("is", "are", "was", "were"):
        yield from _of_copula(subject, verb, rest, lead)


def _turned(subject: str, verb: str, is_auxiliary: bool) -> str:
    if is_auxiliary:
        return f"{verb} {subject}"
    return f"{_do(subject)} {subject} {verb}"


def _do(subject: str) -> str:
    is_plural = subject.lower() == "you" or (
        re.search(r"[^s'u]s$|\band\b", subject) and not subject.startswith(("a ", "an "))
    )
    return "do" if is_plural else "does"


def _question(beginning: str, turned: str, rest: str, left_out: tuple[int, int], lead: str) -> str:
    before, after = rest[: left_out[0]].strip(), rest[left_out[1] :].strip()
    after = _NEXT_CLAUSE.split(after)[0]
    before = before.rstrip(",")
    return f"{beginning} {turned} {before} {after} {lead}".strip().rstrip(",. ") + "?"


def _counted(subject: str, verb: str, rest: str, lead: str, is_auxiliary: bool) -> Iterator[tuple[str, str]]:
    """Yield how many of something: "a password has at least 14 characters", "you have 26 days of leave"."""
    match = _DAYS_OF.search(rest) or _COUNT.search(rest)
    if (
        match is None
        or _TANGLED.search(rest[: match.start()])
        or (is_auxiliary and verb in ("is", "are", "was", "were"))
    ):
        return
    number, noun, of_what = match.groups()
    if match.re is _COUNT and (_NO_COUNT.search(noun) or _AFTER_PREPOSITION.search(rest[: match.start()])):
        return
    thing = f"{noun} of {of_what}" if of_what else noun
    question = _question(f"How many {thing}", _turned(subject, verb, is_auxiliary), rest, match.span(), lead)
    yield question, f"{number} {thing}"


def _of_verb(subject: str, verb: str, rest: str, lead: str) -> Iterator[tuple[str, str]]:
    do = _do(subject)
    whole = re.match(_DURATION, rest)
    if whole and verb in ("last", "take", "live", "stay", "run", "work", "keep"):
        yield _question("How long", f"{do} {subject} {verb}", rest, whole.span(), lead), whole[1]
    money = re.match(_MONEY, rest)
    if money and verb in ("cost", "pay", "earn", "spend", "save", "charge", "get", "receive"):
        yield _question("How much", f"{do} {subject} {verb}", rest, money.span(), lead), money[1]
    consent = re.match(
        r"the (approval|agreement|consent|permission|signature) of ([^,;]+?)(?: and\b.*| as well)?$", rest
    )
    if consent and verb in ("need", "require"):
        yield f"Whose {consent[1]} {do} {subject} {verb} {lead}".strip() + "?", consent[2]
    begins = re.match(r"(with|to|on) ([^,;]{2,60})$", rest)
    if begins and verb in ("begin", "start", "belong", "end"):
        yield f"What {do} {subject} {verb} {begins[1]} {lead}".strip() + "?", begins[2]
    if verb in _OBJECT_VERBS and not _VAGUE.search(subject) and (taken := _SENTENCE_OBJECT.fullmatch(rest)):
        yield f"What {do} {subject} {verb} {lead}".strip() + "?", taken[0]


def _of_copula(subject: str, verb: str, rest: str, lead: str) -> Iterator[tuple[str, str]]:
    kept = r"((?:kept|held|stored|located|found|situated) )?"
    place = re.match(kept + _PLACE, rest)
    if place:
        yield f"Where {verb} {subject} {place[1] or ''} {lead}".strip() + "?", place[2]
    if money := re.match(_MONEY + "(?: |$)", rest):
        yield _question("How much", f"{verb} {subject}", rest, money.span(), lead), money[1]
    if duration := re.match(_DURATION + "$", rest):
        yield f"How long {verb} {subject} {lead}".strip() + "?", duration[1]
    person = re.match(r"([A-Z][a-z]+(?: [A-Z][a-z.]+){1,2})(?:,|$)", rest)
    if person and re.search(_PEOPLE + "|person|owner|president|king|queen|minister", subject):
        yield f"Who {verb} {subject}?", person[1]
    if agent := re.match(rf"([a-z]+(?:ed|en|t)) by (the [^,;]*?{_PEOPLE}|[A-Z][a-z]+ [A-Z][a-z]+)$", rest):
        yield f"Who {verb} {subject} {agent[1]} by {lead}".strip() + "?", agent[2]
    is_short = len(subject.split()) <= 5 and not lead and not _VAGUE.search(subject) and _NAMED.match(subject)
    if is_short and (definition := re.fullmatch(r"(?:an?|the(?! only)|one of the) [^;:]{6,140}", rest)):
        asking = "Who" if _TITLES.match(subject) else "What"
        yield f"{asking} {verb} {subject}?", definition[0]
