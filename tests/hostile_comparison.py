"""A comparison in which every text that comes from outside is an attack on the page that shows it, or on a terminal."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

from rag_app.evaluation.comparison import Comparison, Found, Outcome
from tests.comparisons import made_comparison

ADDRESS = "http://127.0.0.1:9"
PAYLOADS = (
    f"<script>document.title='owned';fetch('{ADDRESS}/1')</script>",
    f"</script><script src={ADDRESS}/2></script>",
    f"</ScRiPt ><img src={ADDRESS}/3 onerror=alert(1)>",
    "<!--<script>",
    "--><script>document.title='owned'</script>",
    f'"><img src="{ADDRESS}/4">',
    f"'><svg onload=document.title='owned'><image href='{ADDRESS}/5'/></svg>",
    f"</title><link rel=stylesheet href={ADDRESS}/6>",
    f"</style><style>@import url({ADDRESS}/7);body{{display:none}}</style>",
    f"<style>*{{background:url({ADDRESS}/8)}}</style>",
    f"<iframe src={ADDRESS}/9></iframe>",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\">",
    f"<meta http-equiv=refresh content='0;url={ADDRESS}/10'>",
    f"<base href={ADDRESS}/11>",
    f"<form action={ADDRESS}/12><button autofocus>go</button></form>",
    "<a href=\"javascript:document.title='owned'\">click</a>",
    "javascript:document.title='owned'",
    f"[click](javascript:alert(2)) ![x]({ADDRESS}/13)",
    "data:text/html,<script>alert(3)</script>",
    f"<video><source src={ADDRESS}/14 onerror=alert(4)></video>",
    f"<object data={ADDRESS}/15></object><embed src={ADDRESS}/16>",
    "<details open ontoggle=document.title='owned'>",
    "<template><script>alert(5)</script></template>",
    "{{constructor.constructor('alert(6)')()}} ${alert(7)} <%= 7*7 %> {% raw %}",
    "\\u003cscript>alert(8)</script> &lt;script&gt; &#60;b&#62;",
    "</textarea></select></option></details></table><h1>owned</h1>",
    "\u202egnp.exe\u202c \u2066hidden\u2069 \u200e\u200f",
    "\x1b[31mred\x1b]52;c;b3duZWQ=\x07\x1b[2J",
    "line\u2028separator\u2029paragraph\x00null\x85next",
    f"<math><mtext><img src={ADDRESS}/17></mtext></math>\ud800",
    "__proto__",
    "</math>`;document.title='owned';//' + \\",
)


def hostile_comparison() -> Comparison:
    """Return a comparison with a payload in every name, question, answer, passage, failure, note and card."""
    made = made_comparison(40)
    payload = cycle(PAYLOADS)
    names = {system.name: f"{number} {next(payload)}" for number, system in enumerate(made.systems)}
    questions = tuple(
        replace(
            one, key=f"{number} {next(payload)}", text=next(payload), answers=tuple(next(payload) for _ in one.answers)
        )
        for number, one in enumerate(made.questions)
    )
    systems = tuple(
        replace(
            system,
            name=names[system.name],
            card={next(payload): {next(payload): [next(payload), None, True]}, "prompt": next(payload)},
            outcomes=tuple(_hostile_outcome(outcome, payload) for outcome in system.outcomes),
            cost=dict(system.cost) | {"licence": next(payload)},
        )
        for system in made.systems
    )
    return replace(
        made,
        dataset=PAYLOADS[1],
        questions=questions,
        systems=systems,
        metrics={names[name]: estimates for name, estimates in made.metrics.items()},
        pairs=tuple(replace(pair, a=names[pair.a], b=names[pair.b]) for pair in made.pairs),
        notes=PAYLOADS,
        made={payload: payload for payload in PAYLOADS},
    )


def _hostile_outcome(outcome: Outcome, payload: cycle[str]) -> Outcome:
    found = tuple(
        Found(f"{next(payload)}.md", one.start, one.end, next(payload), {next(payload): 0.5}, one.gain)
        for one in outcome.found
    )
    answer = outcome.answer
    if answer is not None:
        sentences = tuple(
            replace(
                sentence,
                text=next(payload),
                citations=tuple(replace(cited, document=next(payload)) for cited in sentence.citations),
            )
            for sentence in answer.sentences
        )
        answer = replace(answer, text=next(payload), sentences=sentences, abstention=next(payload))
    return replace(outcome, found=found, answer=answer, failure=outcome.failure and next(payload))
