"""A choice stays what it is when its options change their names, in a browser that sends what it shows."""

from __future__ import annotations

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from streamlit.testing.v1 import AppTest

_SCRIPT = """
import streamlit as st
from rag_app.ui.choices import keep_chosen

names = {"en": {"none": "Nothing", "quote": "Quotes"}, "zh": {"none": "nichts", "quote": "Zitate"}}
language = st.selectbox("language", ["en", "zh"], key="language")
name_of = lambda one: names[language].get(one, one)
if "several" not in st.session_state:
    st.session_state["several"] = ["none"]
for key in ("one", "several"):
    if %s:
        keep_chosen(key, names["en"], name_of)
one = st.selectbox("one", list(names["en"]), format_func=name_of, key="one")
several = st.multiselect("several", list(names["en"]), format_func=name_of, key="several")
st.text(f"{one} {several}")
"""


class Browser:
    """What a browser does with select boxes: it keeps a name until the user or the server sets another, and sends them all."""

    def __init__(self, script: str) -> None:
        self.at = AppTest.from_string(script).run()
        self.names: dict[str, list[str]] = {}
        self.take()

    def take(self) -> None:
        for box in self.at.selectbox:
            if box.proto.set_value or box.id not in self.names:
                self.names[box.id] = [box.proto.raw_value or box.proto.options[box.proto.default]]
        for several in self.at.multiselect:
            if several.proto.set_value or several.id not in self.names:
                default = [several.proto.options[place] for place in several.proto.default]
                self.names[several.id] = list(several.proto.raw_values) if several.proto.set_value else default

    def choose(self, key: str, *names: str) -> str:
        """Choose, and return what the script takes for chosen."""
        self.names[next(one.id for one in [*self.at.selectbox, *self.at.multiselect] if one.key == key)] = list(names)
        states = WidgetStates()
        for box in self.at.selectbox:
            states.widgets.add(id=box.id, string_value=self.names[box.id][0])
        for several in self.at.multiselect:
            states.widgets.add(id=several.id).string_array_value.data[:] = self.names[several.id]
        self.at._run(states)
        self.take()
        return self.at.text[0].value


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_is_chosen_stays_chosen_under_its_new_name(is_kept: bool) -> None:
    browser = Browser(_SCRIPT % is_kept)
    assert browser.choose("one", "Quotes") == "quote ['none']"
    assert browser.choose("language", "zh") == "quote ['none']"
    found = browser.choose("language", "zh")
    assert found == ("quote ['none']" if is_kept else "none []"), (
        "what Streamlit does by itself, else this is not needed"
    )
    if is_kept:
        assert browser.choose("several", "nichts", "Zitate") == "quote ['none', 'quote']"
        browser.choose("language", "en")
        assert browser.choose("language", "en") == "quote ['none', 'quote']"
