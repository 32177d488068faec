"""The prompts, which are files beside this one: `prompts/<what for>.<language>.toml`, each with its version.

What a run records is a prompt's name, version and a short hash of its file. This module knows nothing of passages or models.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from rag_app.language import language_of

# The languages that prompts are written in; a question in any other gets English instructions.
LANGUAGES = ("en", "zh")
_SHORT_HASH = 8  # hexadecimal digits


@dataclass(frozen=True)
class PromptTemplate:
    """The two messages of a prompt, with fields such as `{question}` to fill.

    `name` is what a run records: `answer.en 1 sha256:1a2b3c4d`.
    """

    name: str
    system: str
    user: str

    def filled(self, **values: str) -> tuple[str, str]:
        """Return the system and user text with the fields filled; braces in a value are text."""
        return self.system.format_map(values), self.user.format_map(values)


@cache
def load_prompt(name: str, language: str) -> PromptTemplate:
    """Return a packaged prompt: `answer` or `standalone`, in one of `LANGUAGES`; the file is read once.

    Raises:
        FileNotFoundError: there is none of that name in that language.
    """
    file = resources.files("rag_app.answering.prompting").joinpath("prompts", f"{name}.{language}.toml")
    data = file.read_bytes()
    fields = tomllib.loads(data.decode("utf-8"))
    digest = hashlib.sha256(data).hexdigest()[:_SHORT_HASH]
    return PromptTemplate(
        f"{name}.{language} {fields['version']} sha256:{digest}", fields["system"].strip(), fields["user"].strip()
    )


def prompt_language(question: str) -> str:
    """Return the language of the instructions for a question, one of `LANGUAGES`."""
    code = language_of(question).code
    return code if code in LANGUAGES else LANGUAGES[0]
