"""Making mutants of a module: its source with one small change.

The changes are those of Cosmic Ray. Because it does not know declarations, `by_declaration` adds
every change to a transition in `lifecycle.py`: who may take it, where it starts and where it leads.
`by_negation` is a small part of the former, for where Cosmic Ray is not installed.
"""

import ast
import re
from collections.abc import Callable, Iterator
from difflib import unified_diff
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/connect_core")


class Mutant(NamedTuple):
    """A module's source with one change, and the lines that changed."""

    module: str
    source: str
    before: str
    after: str


def mutants(module: str, *ways: Callable[[str], Iterator[str]]) -> Iterator[Mutant]:
    """Every mutant of a module that is made in one of these ways and that differs, each once."""
    original = (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    sources = [source for way in ways for source in way(original)]
    if module == "lifecycle":
        sources += by_declaration(original)
    seen = {meaning(original), None}
    for source in sources:
        if (meant := meaning(source)) not in seen:
            seen.add(meant)
            yield Mutant(module, source, *changed_lines(original, source))


def by_cosmic_ray(original: str) -> Iterator[str]:
    """The source with every operator of Cosmic Ray applied at every place."""
    # It has no types, and only the group `mutation` installs it.
    plugins: Any = import_module("cosmic_ray.plugins")
    syntax: Any = import_module("cosmic_ray.ast")
    mutating: Any = import_module("cosmic_ray.mutating")
    for name in plugins.operator_names():
        operator_class = plugins.get_operator(name)
        if operator_class.arguments():  # needs settings of its own
            continue
        operator = operator_class()
        nodes = syntax.ast_nodes(syntax.get_ast(original))
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for occurrence in range(places):
            yield mutating.mutate_code(original, operator, occurrence) or original


def by_negation(original: str) -> Iterator[str]:
    """The source with every condition and every comparison that is returned negated."""
    lines = original.splitlines(keepends=True)
    for node in ast.walk(ast.parse(original)):
        part: ast.expr | None = None
        match node:
            case ast.If() | ast.IfExp() | ast.While():
                part = node.test
            case ast.Return(value=ast.Compare() | ast.BoolOp() as value):
                part = value
            case _:
                pass
        if part is not None:
            begin = _offset(lines, part.lineno, part.col_offset)
            end = _offset(lines, part.end_lineno or 0, part.end_col_offset or 0)
            yield f"{original[:begin]}not ({original[begin:end]}){original[end:]}"


def _offset(lines: list[str], line: int, column: int) -> int:
    """The place in a text of a place that `ast` tells in lines and bytes."""
    before = lines[line - 1].encode()[:column].decode()
    return sum(map(len, lines[: line - 1])) + len(before)


def by_declaration(original: str) -> Iterator[str]:
    """The lifecycle with one transition's roles, start or end replaced by each of the others."""
    states = ("absent", "pending", "active", "inactive")
    pairs = tuple(f"{one}, {other}" for one, other in combinations(states, 2))
    roles = ("", "Role.SOURCE", "Role.DESTINATION", "Role.SOURCE, Role.DESTINATION")
    for pattern, choices in (
        (r"(?<=cond=by\()[^)]*(?=\))", roles),
        (r"(?<== )\w+(?=\.(?:to|from_)\()", states),
        (r"(?<=\.to\()\w+", states),
        (r"(?<=\.from_\()\w+, \w+", states + pairs),
        (r"(?<=Final = Status\.)\w+", ("PENDING", "ACTIVE", "INACTIVE")),
        (r"(?<=Final = Role\.)\w+", ("SOURCE", "DESTINATION")),
    ):
        for match in re.finditer(pattern, original):
            for choice in choices:
                yield original[: match.start()] + choice + original[match.end() :]


def meaning(source: str) -> str | None:
    """The code that runs, without annotations in functions; None if it is not valid Python."""
    try:
        tree = ast.parse(source)
        compile(tree, "mutant", "exec")
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for each in ast.walk(node):
                if isinstance(each, ast.AnnAssign):  # of a local variable: it is never evaluated
                    each.annotation = ast.Constant(None)
        elif isinstance(node, ast.arg):
            node.annotation = None
    return ast.unparse(tree)


def changed_lines(original: str, source: str) -> tuple[str, str]:
    """The lines before and after the change."""
    lines = list(unified_diff(original.splitlines(), source.splitlines(), n=0))[3:]
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    return " ".join(removed).strip(), " ".join(added).strip()
