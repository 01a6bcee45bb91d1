"""Mutation testing: ``uv run --group mutation python -m tests.mutation``.

Each mutant is one small change to one module. It is killed if the tests fail for it. A mutant that
survives must be listed in ``survivors.toml`` with the reason why no test can tell it from the
original. A survivor without a reason is an error, and so is a reason without a survivor.

The changes are those of Cosmic Ray. Because it does not know declarations, `by_declaration` adds
every change to a transition in `lifecycle.py`: who may take it, where it starts and where it leads.
The working tree is not touched: the tests run in copies, one for each worker.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from difflib import unified_diff
from functools import partial
from importlib import import_module
from itertools import combinations
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

# Cosmic Ray has no types, and only the group `mutation` installs it.
plugins: Any = import_module("cosmic_ray.plugins")
syntax: Any = import_module("cosmic_ray.ast")
mutating: Any = import_module("cosmic_ray.mutating")

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/connect_core")
#: Quick tests first: they kill most mutants.
_CORE = [
    *("table", "lifecycle", "policy", "connection", "decision", "wording", "identifiers"),
    *("scopes", "parties", "history", "errors", "surface", "rows", "text", "arguments"),
    "row_policy",
    *("policy_laws", "connection_laws", "connection_stateful", "jsonapi/round_trip"),
]
_SERVICE = ["surface", "service", "idempotency", "paging", "store", "arguments", "service_stateful"]
_HTTP = [f"adapters/http/{each}" for each in ("requests", "handler", "application", "openapi")]
_HTTP_MODULES = [
    *("headers", "queries", "routing", "inflection", "operations"),
    *("handler", "application", "asgi", "logs", "refusals"),
]
_DASHBOARD = [
    f"adapters/dashboard/{each}"
    for each in ("steps", "lists", "create", "connection", "safety", "application", "sign_in")
]
_DASHBOARD_MODULES = [
    *("application", "sign_in_pages", "forms", "links", "lists", "origin", "pages"),
    *("rendering", "routing", "sign_in", "views", "visit", "wording"),
]
_SQL = ["types", "tables", "engine", "rows", "store"]
#: Modules whose tests are in files of other names.
_SQL_TESTS = ["chosen_tables", "histories", "refusals", "sessions", "settings"]


def _sql(module: str) -> list[str]:
    """All tests of the SQL adapter, those of this module first."""
    named = sorted([*_SQL, *_SQL_TESTS], key=module.__ne__)
    ours = [f"adapters/sql/{each}" for each in named]
    return [*ours, "store", "service", "idempotency", "service_lists", "adapters/sql/query_plans"]


#: The modules, each with the tests to run on its mutants, and an expression that selects from them.
#: A test file is named after its module: ``adapters/sql/rows`` is tests/adapters/sql/test_rows.py.
MODULES = {
    **dict.fromkeys(
        [
            *("lifecycle", "table", "policy"),
            *("connection", "history", "parties", "scopes", "rows", "text", "arguments"),
        ],
        (_CORE, ""),
    ),
    **dict.fromkeys(["answers", "wording"], (["wording", "policy", "rows", "row_policy"], "")),
    **dict.fromkeys(["row_policy", "spellings"], (["row_policy", "wording"], "")),
    # The service's tests cover `minds_version`.
    "decision": ([*_CORE, "service"], "not sqlite and not postgresql"),
    **dict.fromkeys(
        ["store", "memory", "idempotency", "paging", "commands", "service"],
        (_SERVICE, "not sqlite and not postgresql"),
    ),
    **{
        f"adapters/sql/{module}": (_sql(module), "not sqlite-file or to_open or query_plans")
        for module in [*_SQL, "histories", "kept", "pages", "sessions", "statements"]
    },
    "adapters/sql/bulk": (
        [
            *("adapters/sql/bulk", "adapters/sql/histories"),
            *("adapters/cli/loading", "adapters/cli/transfer"),
        ],
        "not sqlite-file and not stress",
    ),
    **{
        f"adapters/sql/{module}": ([f"adapters/sql/{each}" for each in tests], "not stress")
        for module, tests in {
            "audit": ["audit"],
            "decisions": ["decisions", "audit"],
            "rendering": ["rendering", "audit", "decisions"],
            "enforcement_rules": ["enforcement", "enforcement_in_use"],
            "enforcement_triggers": ["enforcement", "enforcement_in_use"],
        }.items()
    },
    **dict.fromkeys(
        [f"adapters/sql/{each}" for each in ("columns", "filters", "members")],
        ([f"adapters/sql/{each}" for each in ("own_rows", "columns", "readable", "filters")], ""),
    ),
    **dict.fromkeys(
        [f"adapters/arrow/{each}" for each in ("comparing", "decisions", "questions", "tables")],
        ([f"adapters/arrow/{each}" for each in ("decide_many", "decisions", "refusals")], ""),
    ),
    **dict.fromkeys(
        ["adapters/cli/files", "adapters/cli/signals"],
        ([f"adapters/cli/{each}" for each in ("files", "signals", "transfer", "unwritten")], ""),
    ),
    "adapters/cli/checking": ([f"adapters/cli/{each}" for each in ("checking", "loading")], ""),
    **dict.fromkeys(
        ["jsonapi/reading", "jsonapi/writing"],
        ([f"jsonapi/{each}" for each in ("reading", "writing", "representations")], ""),
    ),
    **dict.fromkeys([f"adapters/http/{each}" for each in _HTTP_MODULES], (_HTTP, "not stress")),
    **dict.fromkeys(
        [f"adapters/dashboard/{each}" for each in _DASHBOARD_MODULES], (_DASHBOARD, "")
    ),
    **dict.fromkeys(
        ["adapters/sql/transactions", "adapters/sql/availability"],
        (["adapters/sql/transactions", "adapters/cli/database"], "not stress"),
    ),
    "adapters/sql/keys": (["adapters/sql/keys"], "not sqlite-file"),
    "adapters/sql/browser_sessions": (["adapters/sql/browser_sessions"], "not sqlite-file"),
    "adapters/cli/keys": (["adapters/cli/keys"], "not postgresql"),
    **dict.fromkeys(
        ["adapters/cli/serve", "adapters/cli/serving"],
        (["adapters/cli/serve", "adapters/cli/signals"], "not stress and not postgresql"),
    ),
    **dict.fromkeys(
        [f"conformance/transports/{each}" for each in ("http", "client", "replies")],
        (
            [f"conformance/transports/{each}" for each in ("replies", "http", "api")],
            "not stress",
        ),
    ),
    "conformance/transports/organizations": (
        [f"conformance/transports/{each}" for each in ("organizations", "http")],
        "not stress",
    ),
    "conformance/execution": (
        [f"conformance/{each}" for each in ("execution", "runner", "adequacy", "exploration")],
        "not stress",
    ),
}
#: A mutant hangs if its tests take this many times as long as on the unchanged code, plus 30 s.
PATIENCE = 5


class Mutant(NamedTuple):
    """A module's source with one change, and the lines that changed."""

    module: str
    source: str
    before: str
    after: str


# --- Making mutants ------------------------------------------------------------------------------


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of a module whose code differs from the original, each once."""
    original = (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    sources = list(by_cosmic_ray(original))
    if module == "lifecycle":
        sources += by_declaration(original)
    seen = {meaning(original), None}
    for source in sources:
        if (meant := meaning(source)) not in seen:
            seen.add(meant)
            yield Mutant(module, source, *changed_lines(original, source))


def by_cosmic_ray(original: str) -> Iterator[str]:
    """The source with every operator applied at every place."""
    for name in plugins.operator_names():
        operator_class = plugins.get_operator(name)
        if operator_class.arguments():  # needs settings of its own
            continue
        operator = operator_class()
        nodes = syntax.ast_nodes(syntax.get_ast(original))
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for occurrence in range(places):
            yield mutating.mutate_code(original, operator, occurrence) or original


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


# --- Running the tests ---------------------------------------------------------------------------

_copy = ROOT


def take_a_copy(parent: str) -> None:
    """Give this worker a copy of the project."""
    global _copy  # one for each process, set once
    _copy = Path(tempfile.mkdtemp(dir=parent))
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, _copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", _copy)


def survives(mutant: Mutant, seconds: Mapping[str, float]) -> bool:
    """Whether the tests pass on a mutant; `seconds` is what each module's tests take without it."""
    path = _copy / PACKAGE / f"{mutant.module}.py"
    original = path.read_text(encoding="utf-8")
    path.write_text(mutant.source, encoding="utf-8")
    try:
        return run_tests(mutant.module, timeout=30 + PATIENCE * seconds[mutant.module])
    finally:
        path.write_text(original, encoding="utf-8")


def timed(module: str) -> float | None:
    """How long the tests of the unchanged module take, in seconds; None if they fail."""
    started = monotonic()
    return monotonic() - started if run_tests(module) else None


def file_of(name: str) -> Path:
    """The path of a test file in the project."""
    path = Path("tests", name)
    return path.with_name(f"test_{path.name}.py")


def run_tests(module: str, timeout: float | None = None) -> bool:
    """Whether the tests of a module pass in this worker's copy within the time limit."""
    tests, words = MODULES[module]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", words]
    environment = os.environ | {
        "PYTHONPATH": str(_copy / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "mutation",
    }
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter, our own tests
            command + [str(file_of(name)) for name in tests],
            cwd=_copy,
            env=environment,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


# --- The verdict ---------------------------------------------------------------------------------


def main() -> int:
    """Test every mutant, and report those that survive without a reason."""
    parser = argparse.ArgumentParser(description="Mutation testing.")
    parser.add_argument(
        "modules", nargs="*", default=list(MODULES), metavar="module", help=", ".join(MODULES)
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    everything = [mutant for module in arguments.modules for mutant in mutants(module)]
    say(f"{len(everything)} mutants of {', '.join(arguments.modules)}")
    with tempfile.TemporaryDirectory() as parent:
        with ProcessPoolExecutor(1, initializer=take_a_copy, initargs=(parent,)) as pool:
            seconds: dict[str, float] = {}
            for module, took in zip(
                arguments.modules, pool.map(timed, arguments.modules), strict=True
            ):
                if took is None:
                    say(f"The tests of {module} fail on the unchanged code; fix them first.")
                    return 2
                seconds[module] = took
        with ProcessPoolExecutor(
            arguments.workers, initializer=take_a_copy, initargs=(parent,)
        ) as pool:
            verdicts = pool.map(partial(survives, seconds=seconds), everything)
            survivors = list(surviving(everything, verdicts))
    return report(survivors, len(everything), arguments.modules)


def surviving(everything: list[Mutant], verdicts: Iterator[bool]) -> Iterator[Mutant]:
    """The mutants that survive; report each at once, and the progress now and then."""
    for count, (mutant, survived) in enumerate(zip(everything, verdicts, strict=True), 1):
        if count % 50 == 0:
            say(f"{count} of {len(everything)}")
        if survived:
            say(f"{mutant.module}.py survived: {mutant.before} -> {mutant.after}")
            yield mutant


def report(survivors: list[Mutant], total: int, modules: list[str]) -> int:
    """Compare the survivors with the written reasons; 0 if they agree."""
    path = Path(__file__).with_name("survivors.toml")
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", [])
    reasons = {
        (entry["module"], entry["before"], entry["after"])
        for entry in entries
        if entry["module"] in modules and entry["reason"]
    }
    survived = {(mutant.module, mutant.before, mutant.after) for mutant in survivors}
    for module, before, after in sorted(survived - reasons):
        say(f"\nSurvived without a reason:\n{module}.py\n- {before}\n+ {after}")
    for module, before, after in sorted(reasons - survived):
        say(f"\nHas a reason, but did not survive:\n{module}.py\n- {before}\n+ {after}")
    killed = total - len(survivors)
    say(
        f"\n{total} mutants: {killed} killed, {len(survivors)} survived. Of the distinct ones, "
        f"{len(survived & reasons)} have a reason and {len(survived - reasons)} have none."
    )
    return 0 if survived == reasons else 1


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
