"""The error tree: the drawing at the top of the module and the classes below it are the same tree."""

from __future__ import annotations

import inspect
import re

import pytest

from rag_app import errors
from rag_app.errors import RagAppError

LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s+exit (?P<code>\d))?")


def drawn_tree() -> dict[str, tuple[str | None, int]]:
    """Return parent and exit code of each class in the drawing, by name; an exit code not drawn is the parent's."""
    tree: dict[str, tuple[str | None, int]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = LINE.match(line)
        if not match:
            continue
        depth = len(match["branch"]) // 4
        parent = above[depth - 1] if depth else None
        inherited = tree[parent][1] if parent else 1
        tree[match["name"]] = (parent, int(match["code"] or inherited))
        above = [*above[:depth], match["name"]]
    return tree


CLASSES = {
    name: found
    for name, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == errors.__name__
}


def test_the_drawing_and_the_module_hold_the_same_classes() -> None:
    assert set(drawn_tree()) == set(CLASSES)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_class_has_the_parent_and_the_exit_code_that_are_drawn(name: str) -> None:
    parent, code = drawn_tree()[name]
    assert CLASSES[name].__base__.__name__ == (parent or "Exception")
    assert CLASSES[name].exit_code == code


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_class_says_what_it_stands_for(name: str) -> None:
    assert CLASSES[name].__doc__
    assert CLASSES[name].__doc__ != RagAppError.__doc__ or name == "RagAppError"


def test_exit_codes_are_those_the_commands_promise() -> None:
    assert {found.exit_code for found in CLASSES.values()} == {1, 2, 4}
    assert errors.UsageError.exit_code == 2
    assert errors.KnowledgeBaseNotFound.exit_code == 2
    assert errors.KnowledgeBaseBusy.exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("It is gone.", "Build it."), "It is gone. Build it.", id="both halves"),
        pytest.param(("It is gone.",), "It is gone.", id="no remedy"),
        pytest.param(("密码错误。", "请重试。"), "密码错误。 请重试。", id="Chinese"),
    ],
)
def test_str_is_one_line_of_what_happened_and_what_to_do(arguments: tuple[str, ...], text: str) -> None:
    error = RagAppError(*arguments)
    assert str(error) == text
    assert (error.found, error.remedy) == (arguments[0], arguments[1] if len(arguments) > 1 else "")
