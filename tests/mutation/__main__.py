"""Mutation testing: ``uv run --group mutation python -m tests.mutation``.

Each mutant is one small change to one module. It is killed if the tests fail for it. A mutant that
survives must be listed in ``survivors.toml`` with the reason why no test can tell it from the
original. A survivor without a reason is an error, and so is a reason without a survivor.

The changes are those of Cosmic Ray and, for `lifecycle.py`, every change to a transition: see
`tests.mutation.making`. The working tree is not touched: the tests run in copies, one for each
worker. `tests.mutation.conformance` measures in the same way what the conformance kit finds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic

from .making import PACKAGE, ROOT, Mutant, by_cosmic_ray, mutants
from .verdict import report, say

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
#: Why some mutants survive.
SURVIVORS = Path(__file__).with_name("survivors.toml")
#: A mutant hangs if its tests take this many times as long as on the unchanged code, plus 30 s.
PATIENCE = 5


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
    everything = [
        mutant for module in arguments.modules for mutant in mutants(module, by_cosmic_ray)
    ]
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
    return report(survivors, len(everything), arguments.modules, SURVIVORS)


def surviving(everything: list[Mutant], verdicts: Iterator[bool]) -> Iterator[Mutant]:
    """The mutants that survive; report each at once, and the progress now and then."""
    for count, (mutant, survived) in enumerate(zip(everything, verdicts, strict=True), 1):
        if count % 50 == 0:
            say(f"{count} of {len(everything)}")
        if survived:
            say(f"{mutant.module}.py survived: {mutant.before} -> {mutant.after}")
            yield mutant


if __name__ == "__main__":
    sys.exit(main())
