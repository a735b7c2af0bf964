"""The laws of the house: the import contracts of pyproject.toml, and what no import shows.

A law is a function from a module's path and syntax tree to breaches, each "file:line: what is wrong".
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted(path for package in ("pipeline", "producers", "consumers") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MODULE_LINES = 220
FUNCTION_LINES = 45  # without the docstring
PARAMETERS = 6  # without self
CLOCK = "pipeline/clock.py"
CLOCK_TYPES = {"datetime", "date", "Timestamp"}  # the time module is for the import contracts
CLOCK_READS = {"now", "utcnow", "today"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Law = Callable[[str, ast.Module, str], Iterator[str]]


def short_modules(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """A module has at most 220 lines."""
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield f"{path}:{lines}: the module has {lines} lines, at most {MODULE_LINES} are allowed"


def short_functions(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """A function has at most 45 lines without its docstring; a command of the command line without its options too."""
    for function in functions_in(tree):
        options = function.body[0].lineno - function.lineno - 1 if is_command(function) else 0
        lines = lines_of(function) - docstring_lines(function) - options
        if lines > FUNCTION_LINES:
            yield f"{path}:{function.lineno}: {function.name} has {lines} lines, at most {FUNCTION_LINES} are allowed"


def few_parameters(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """A function has at most six parameters; a command of the command line has one for each option."""
    for function in functions_in(tree):
        arguments = function.args
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls")])
        if count > PARAMETERS and not is_command(function):
            yield f"{path}:{function.lineno}: {function.name} has {count} parameters, at most {PARAMETERS} are allowed"


def one_clock(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """Only pipeline/clock.py asks what time it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCK_READS and names_of(node.value) & CLOCK_TYPES and path != CLOCK:
            yield f"{path}:{node.lineno}: .{node.attr} reads the clock, only {CLOCK} may"


def no_imports_for_types_only(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """No TYPE_CHECKING: it hides an import that goes the wrong way."""
    for node in ast.walk(tree):
        if "TYPE_CHECKING" in names_of(node):
            yield f"{path}:{node.lineno}: TYPE_CHECKING hides an import that goes the wrong way"  # type: ignore[attr-defined]


def no_mocks(path: str, tree: ast.Module, source: str) -> Iterator[str]:
    """Tests use the real thing or an implementation of its protocol, never unittest.mock."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in names_of(node):
            yield f"{path}:{node.lineno}: a mock passes whatever the library does; use an implementation of the protocol"


def functions_in(tree: ast.Module) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstring_lines(function: Function) -> int:
    return lines_of(function.body[0]) if ast.get_docstring(function, clean=False) is not None else 0


def is_command(function: Function) -> bool:
    annotations = [argument.annotation for argument in function.args.args]
    return any(annotation is not None and ast.unparse(annotation) == "typer.Context" for annotation in annotations)


def names_of(node: ast.AST) -> set[str]:
    """The names that an expression or an import mentions, dotted ones by their parts."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return {name}
        case ast.Import(names=aliases):
            return {part for alias in aliases for part in alias.name.split(".")}
        case ast.ImportFrom(module=module, names=aliases):
            return {part for name in (module or "", *(alias.name for alias in aliases)) for part in name.split(".")}
    return set()


OF_THE_CODE = [short_modules, short_functions, few_parameters, one_clock, no_imports_for_types_only]
OF_THE_TESTS = [no_imports_for_types_only, no_mocks]


def breaches(law: Law, paths: list[Path]) -> list[str]:
    sources = [(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]
    return [breach for path, source in sources for breach in law(path, ast.parse(source), source)]


@pytest.mark.parametrize("law", OF_THE_CODE, ids=lambda law: law.__name__)
def test_the_code_keeps_the_law(law: Law) -> None:
    found = breaches(law, CODE)
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("law", OF_THE_TESTS, ids=lambda law: law.__name__)
def test_the_tests_keep_the_law(law: Law) -> None:
    found = breaches(law, TESTS)
    assert not found, "\n".join(["", *found])


def test_the_import_contracts_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


LONGEST_BODY = "    x = 1\n" * (FUNCTION_LINES - 1)
LONG_BODY = LONGEST_BODY + "    x = 1\n"


@pytest.mark.parametrize(
    ("law", "source", "line"),
    [
        (short_modules, "x = 1\n" * 221, 221),
        (short_functions, f"\ndef f() -> None:\n{LONG_BODY}", 2),
        (short_functions, f"class C:\n  async def f(self) -> None:\n    '''Says it.'''\n{LONG_BODY}", 2),
        (few_parameters, "def f(a, b, /, c, d, *, e, f, g): ...", 1),
        (few_parameters, "class C:\n    def f(self, a, b, c, d, e, f, g): ...", 2),
        (one_clock, "from datetime import datetime\nx = datetime.now()", 2),
        (one_clock, "import datetime\nread = datetime.date.today", 2),
        (no_imports_for_types_only, "from typing import TYPE_CHECKING", 1),
        (no_imports_for_types_only, "import typing\nif typing.TYPE_CHECKING:\n    pass", 2),
        (no_mocks, "from unittest.mock import Mock", 1),
        (no_mocks, "from unittest import mock", 1),
        (no_mocks, "import unittest.mock", 1),
    ],
)
def test_a_breach_is_told_with_its_file_and_line(law: Law, source: str, line: int) -> None:
    found = list(law("pipeline/stages/wrong.py", ast.parse(source), source))
    assert len(found) == 1
    assert found[0].startswith(f"pipeline/stages/wrong.py:{line}: ")


@pytest.mark.parametrize(
    ("law", "path", "source"),
    [
        (short_modules, "pipeline/right.py", "x = 1\n" * MODULE_LINES),
        (short_functions, "pipeline/right.py", f"def f() -> None:\n    '''{'Says a lot. ' + chr(10) * 40}'''\n{LONGEST_BODY}"),
        (short_functions, "pipeline/right.py", f"def f(\n    context: typer.Context,\n    option: int,\n):\n{LONGEST_BODY}"),
        (few_parameters, "pipeline/right.py", "class C:\n    def f(self, a, b, c, d, e, f): ..."),
        (few_parameters, "pipeline/right.py", "def f(context: typer.Context, b, c, d, e, f, g): ..."),
        (one_clock, CLOCK, "x = datetime.now()"),
        (one_clock, "pipeline/right.py", "x = arrival.now"),
        (no_mocks, "tests/right.py", "mock = 1"),
    ],
)
def test_what_the_law_allows_is_no_breach(law: Law, path: str, source: str) -> None:
    assert list(law(path, ast.parse(source), source)) == []
