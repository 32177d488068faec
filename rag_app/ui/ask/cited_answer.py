"""An answer whose citations are numbers that can be clicked, by mouse or keyboard: each opens its source.

It is drawn by a few lines of JavaScript, which make every element themselves and fill them with text: nothing of an answer, a
document or its name is ever read as markup. This module knows nothing of what opens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import streamlit as st

from rag_app.datatypes import Answer, Citation, Passage
from rag_app.text import printable
from rag_app.ui.parts import gaps_after
from rag_app.ui.words import say

_QUOTE = 240  # characters of a quotation that are shown when the pointer rests on a number
_HTML = """
<div class="answer"></div>
<div class="tools"></div>
"""
_CSS = """
:host { display: block; }
.answer { white-space: pre-wrap; overflow-wrap: anywhere; color: var(--st-text-color); font-family: var(--st-font);
  font-size: var(--st-base-font-size, 1rem); line-height: 1.6; }
.unsupported { text-decoration: underline dotted; text-underline-offset: .2em; }
button { font: inherit; cursor: pointer; color: var(--st-text-color); background: transparent;
  border: 1px solid color-mix(in srgb, currentColor 35%, transparent); border-radius: .4em; }
button:hover, button:focus-visible { border-color: currentColor; }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.cite { font-size: .75em; font-weight: 600; line-height: 1.5; min-width: 1.9em; padding: 0 .3em; margin: 0 .1em;
  vertical-align: .25em; background: color-mix(in srgb, var(--st-primary-color) 14%, transparent); }
.tools { margin-top: .5rem; }
.tools button { font-size: .8em; padding: .15em .7em; opacity: .85; font-family: var(--st-font); }
"""
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const answer = parentElement.querySelector(".answer");
  const tools = parentElement.querySelector(".tools");
  const state = JSON.stringify(data);
  if (answer.dataset.state === state) return;
  answer.dataset.state = state;
  answer.replaceChildren();
  tools.replaceChildren();
  for (const sentence of data.sentences) {
    const span = document.createElement("span");
    span.textContent = sentence.text;
    if (!sentence.supported) span.className = "unsupported";
    answer.append(span);
    for (const citation of sentence.citations) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "cite";
      button.textContent = citation.n;
      button.title = citation.title;
      button.setAttribute("aria-label", citation.label);
      button.onclick = () => setTriggerValue("cited", { n: citation.n, start: citation.start, end: citation.end });
      answer.append(button);
    }
    answer.append(sentence.gap);
  }
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = data.copy;
  copy.onclick = async () => {
    await navigator.clipboard.writeText(data.copied_text);
    copy.textContent = data.copied;
    setTimeout(() => { copy.textContent = data.copy; }, 2000);
  };
  if (navigator.clipboard) tools.append(copy);
}
"""


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("rag_app_cited_answer", html=_HTML, css=_CSS, js=_JS)


def draw_cited_answer(answer: Answer, copied_text: str, key: str, on_cited: Callable[[], None]) -> None:
    """Draw an answer that has sentences. What was clicked is in `st.session_state[key].cited` when `on_cited` is called.

    Args:
        answer: a whole one.
        copied_text: what a click on "Copy" puts on the clipboard.
        key: of the widget.
        on_cited: called when a number was clicked.
    """
    passages = {passage.n: passage for passage in answer.passages}
    sentences = [
        {
            "text": printable(sentence.text),
            "supported": sentence.supported,
            "gap": gap,
            "citations": [_citation(citation, passages) for citation in sentence.citations],
        }
        for sentence, gap in zip(answer.sentences, gaps_after(answer), strict=True)
    ]
    data = {
        "sentences": sentences,
        "copy": say("ask.answer.copy"),
        "copied": say("ask.answer.copied"),
        "copied_text": copied_text,
    }
    _component()(key=key, data=data, on_cited_change=on_cited)


def _citation(citation: Citation, passages: dict[int, Passage]) -> dict[str, Any]:
    quote = ""
    if (passage := passages.get(citation.n)) is not None:
        quote = " ".join(passage.text[citation.start - passage.start : citation.end - passage.start].split())[:_QUOTE]
    title = say("ask.answer.cited_from", document=printable(citation.document), quote=printable(quote))
    label = say("ask.answer.open", n=citation.n)
    return {"n": citation.n, "start": citation.start, "end": citation.end, "title": title, "label": label}
