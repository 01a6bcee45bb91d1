"""The conformance kit, measured: ``uv run --group mutation python -m tests.mutation.conformance``.

Each mutant is one small change to the reference. It is caught if the vectors or, where they do not,
the exploration 100x50 find it. The unit tests are not run. What is measured is whether the kit
holds an implementation to the specification, so that many a mutant survives with good reason: what
a message says, for one, is not specified. Such reasons are in ``conformance_survivors.toml``; a
survivor without one is an error, and so is a reason without a survivor.

The kit judges by the rules of the package that it is a part of. Therefore it runs from the
unchanged package, and the mutant in a copy of its own, behind the line protocol (``peer.py``): the
core alone (`ReferenceSystem`), and the service on the store in memory (`ServiceSystem`). A mutant
that cannot be imported, hangs or breaks the protocol is caught.

Two things are left out, because their outcome is known:

- Where no statement of a change is executed, neither on import nor in all vectors and the whole
  exploration, the kit cannot see it. Such a mutant is *unreached*. The file of reasons has a reason
  for each function with such mutants.
- The kit's choices depend on nothing but its seed and the answers. Therefore its calls to the
  unchanged package are recorded. A mutant that answers every one of them alike has passed.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from enum import StrEnum
from io import StringIO
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from connect_core.conformance import (
    Profile,
    Result,
    StdioPeer,
    Vector,
    VectorResult,
    explore,
    load_vectors,
    run,
)

from .making import (
    PACKAGE,
    ROOT,
    Mutant,
    by_cosmic_ray,
    by_negation,
    mutants,
)
from .verdict import key_of, reasons_in, report, say

PEER: Final = Path(__file__).with_name("peer.py")
REASONS: Final = Path(__file__).with_name("conformance_survivors.toml")
#: What only the service has; the core alone does not run it.
OF_THE_SERVICE: Final = ("service", "commands", "memory", "store")
MODULES: Final = ("lifecycle", "policy", "scopes", "connection", *OF_THE_SERVICE)
#: What each system claims: everything, but the service no named source.
PROFILES: Final = {
    "core": Profile(name="the core"),
    "service": Profile(
        name="the service",
        claims=tuple(each for each in Profile().claims if each != "named-source"),
    ),
}
#: The seed of the vectors' order and of the exploration.
SEED: Final = 1
#: How long one answer, and the answers to everything that is recorded, may take, in seconds.
PATIENCE: Final = 5.0
PATIENCE_WITH_ALL: Final = 60.0
#: How long an exploration may take, in seconds.
LONGEST: Final = 180.0


class Fate(StrEnum):
    """What became of a mutant."""

    UNREACHED = "unreached"
    VECTORS = "vectors"
    EXPLORATION = "exploration"
    SURVIVED = "survived"


class FoundError(Exception):
    """A vector failed: the others need not be run."""


# --- Reach ---------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A statement without what is nested in it: its lines, and the function that it is part of."""

    lines: range
    function: str


def places(source: str) -> list[Place]:
    """The statements of a module, the outer ones first."""
    found: list[Place] = []

    def look(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            within = function
            if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                begin, end = extent(child)
                if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                    found.append(Place(range(begin, end + 1), function))
                    within = f"{function}.{child.name}".lstrip(".")
                else:
                    found.append(Place(range(begin, end + 1), function))
            look(child, within)

    look(ast.parse(source), "")
    return found


def extent(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> tuple[int, int]:
    """The first and the last line of a statement, without the body of a compound one."""
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.body[0].lineno - 1
    decorators = getattr(node, "decorator_list", [])
    begin = min([node.lineno, *(each.lineno for each in decorators)])
    body: list[ast.stmt] = getattr(node, "body", [])
    return begin, max(begin, body[0].lineno - 1) if body else node.end_lineno or begin


def line_of(original: str, mutant: Mutant) -> int:
    """The first line of the module that is changed."""
    pairs = zip(original.splitlines(), mutant.source.splitlines(), strict=False)
    return next((number for number, (a, b) in enumerate(pairs, 1) if a != b), 1)


def place_of(original: str, mutant: Mutant) -> Place:
    """The innermost statement that a mutant changes."""
    line = line_of(original, mutant)
    around = [each for each in places(original) if line in each.lines]
    return min(around, key=lambda each: len(each.lines), default=Place(range(0), ""))


def original_of(module: str) -> str:
    """The unchanged source of a module."""
    return (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")


def reasons_for_functions(modules: Iterable[str]) -> dict[tuple[str, str], str]:
    """Why functions, or parts of them, are never executed."""
    entries = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("unreached", [])
    return {
        (entry["module"], entry["function"]): entry["reason"]
        for entry in entries
        if entry["module"] in modules and entry["reason"]
    }


# --- Running the kit -----------------------------------------------------------------------------


class Bench:
    """A copy of the package to change, and what the kit asked of the unchanged one."""

    def __init__(self, directory: Path) -> None:
        self._source = directory / "src"
        self._compiled = directory / "compiled"
        self._recordings = {kind: directory / f"{kind}.jsonl" for kind in PROFILES}
        self._coverage = directory / "coverage"
        #: The vectors as they were run, each with the number of requests until its end.
        self._ends: dict[str, list[tuple[int, Vector]]] = {kind: [] for kind in PROFILES}
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src", self._source, ignore=ignored)
        # The order of a set is the same in every process.
        os.environ["PYTHONHASHSEED"] = "0"

    def _command(self, *words: object, python: tuple[str, ...] = ("-B",)) -> list[str]:
        prefix = f"pycache_prefix={self._compiled}"
        peer = [str(PEER), str(self._source), *map(str, words)]
        return [sys.executable, "-X", prefix, *python, *peer]

    def prepare(self) -> None:
        """Record what the kit asks, and compile the package.

        Raises:
            RuntimeError: the kit finds something in the unchanged package.
        """
        for kind, path in self._recordings.items():
            command = self._command(kind, "--record", path, python=())
            fate = self._judged(kind, command, load_vectors())
            if fate is not Fate.SURVIVED:
                raise RuntimeError(f"the {fate} find something in the unchanged {kind}")
            if self._first_difference(kind) is not None:
                raise RuntimeError(f"the unchanged {kind} cannot be replayed")

    def forget_compiled(self, modules: Iterable[str]) -> None:
        """Forget the compiled form of modules that will change."""
        for module in modules:
            for path in self._compiled.rglob(f"{PACKAGE}/{module}.*.pyc"):
                path.unlink()

    def reached(self, module: str) -> set[int]:
        """The lines of a module that are executed, on import or for the kit."""
        from coverage import CoverageData

        if not self._coverage.exists():
            for kind, path in self._recordings.items():
                python = ("-m", "coverage", "run", "--append", f"--data-file={self._coverage}")
                command = self._command(kind, "--replay", path, python=python)
                environment = {**os.environ, "COVERAGE_RCFILE": os.devnull}
                subprocess.run(  # noqa: S603  # our own interpreter
                    command,
                    check=True,
                    env=environment,
                    cwd=self._source,
                    stdout=subprocess.DEVNULL,
                )
        data = CoverageData(str(self._coverage))
        data.read()
        path = self._source.parent / PACKAGE / f"{module}.py"
        return set(data.lines(str(path.resolve())) or ())

    def fate(self, mutant: Mutant) -> Fate:
        """What the kit finds in a mutant that it can reach."""
        with self._changed(mutant) as kinds:
            found = (self._found(kind) for kind in kinds)
            return next((fate for fate in found if fate is not Fate.SURVIVED), Fate.SURVIVED)

    def fails(self, mutant: Mutant, claims: Collection[str]) -> bool:
        """Whether a mutant fails a vector that needs no more than some capabilities.

        Nothing has to be prepared for this, and nothing is explored.
        """
        vectors = tuple(each for each in load_vectors() if set(each.needs) <= set(claims))
        with self._changed(mutant) as kinds:
            return any(
                self._judged(kind, self._command(kind), vectors, 0) is not Fate.SURVIVED
                for kind in kinds
            )

    @contextmanager
    def _changed(self, mutant: Mutant) -> Generator[tuple[str, ...]]:
        """Change the copy; gives the systems that run the module."""
        path = self._source.parent / PACKAGE / f"{mutant.module}.py"
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        try:
            yield ("service",) if mutant.module in OF_THE_SERVICE else ("service", "core")
        finally:
            path.write_text(original, encoding="utf-8")

    def _found(self, kind: str) -> Fate:
        """What the kit finds in the copy as it is now.

        The vectors that are answered as they are recorded need not be run, and the first one that
        is not is run first.
        """
        different = self._first_difference(kind)
        if different is None:
            return Fate.SURVIVED
        first = next((each for end, each in self._ends[kind] if different < end), None)
        vectors = load_vectors()
        if first is None:
            vectors = ()
        elif self._judged(kind, self._command(kind), (first,), 0) is not Fate.SURVIVED:
            return Fate.VECTORS
        return self._judged(kind, self._command(kind), vectors)

    def _first_difference(self, kind: str) -> int | None:
        """Which request is the first that the copy answers in another way; None if none is.

        The first of all, if the copy fails or hangs.
        """
        command = self._command(kind, "--replay", self._recordings[kind])
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter
                command,
                capture_output=True,
                timeout=PATIENCE_WITH_ALL,
                check=True,
                env=environment,
            )
            answer: int | None = json.loads(done.stdout)
        except (subprocess.SubprocessError, ValueError):
            return 0
        return answer

    def _judged(
        self, kind: str, command: list[str], vectors: tuple[Vector, ...], examples: int = 100
    ) -> Fate:
        """What the kit finds in the copy: with these vectors, and in so many random runs."""

        def heed(result: VectorResult) -> None:
            if result.result not in (Result.PASS, Result.NOT_CLAIMED):
                raise FoundError(result.describe())
            if "--record" in command:
                with self._recordings[kind].open(encoding="utf-8") as recorded:
                    self._ends[kind].append((sum(1 for _ in recorded) // 3, result.vector))

        # How a mutant fails is of no interest.
        with redirect_stderr(StringIO()), StdioPeer(command, timeout=PATIENCE) as peer:
            profile = PROFILES[kind]
            try:
                run(lambda: peer, profile, among=vectors, shuffle=SEED, on_result=heed)
            except FoundError:
                return Fate.VECTORS
            if not examples:
                return Fate.SURVIVED
            found = explore(
                lambda: peer, profile, examples=examples, steps=50, seed=SEED, seconds=LONGEST
            )
        return Fate.SURVIVED if found.result is Result.PASS else Fate.EXPLORATION


# --- The verdict ---------------------------------------------------------------------------------


def fates(
    bench: Bench, everything: list[Mutant], log: Path | None = None
) -> Iterator[tuple[Mutant, Fate, str]]:
    """The fate of each mutant, and the function that it changes; written to `log`, too."""
    for count, mutant in enumerate(everything, 1):
        place = place_of(original_of(mutant.module), mutant)
        fate = Fate.UNREACHED
        if not place.lines or bench.reached(mutant.module) & set(place.lines):
            fate = bench.fate(mutant)
        if fate is Fate.SURVIVED:
            say(f"{mutant.module}.py survived: {mutant.before} -> {mutant.after}")
        if count % 50 == 0:
            say(f"{count} of {len(everything)}")
        if log is not None:
            line = line_of(original_of(mutant.module), mutant)
            outcome = [*key_of(mutant), line, place.function, fate]
            with log.open("a", encoding="utf-8") as written:
                written.write(json.dumps(outcome) + "\n")
        yield mutant, fate, place.function


def table(outcomes: list[tuple[Mutant, Fate, str]], modules: list[str]) -> str:
    """The figures of each module."""
    reasons = reasons_in(REASONS, modules)
    rows = [
        "| module | mutants | unreached | vectors | exploration | with a reason | without |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    total = Counter[str]()
    for module in modules:
        count = Counter[str]({"mutants": sum(mutant.module == module for mutant, _, _ in outcomes)})
        for mutant, fate, _ in outcomes:
            if mutant.module == module:
                known = "reason" if key_of(mutant) in reasons else "none"
                count[known if fate is Fate.SURVIVED else fate] += 1
        total.update(count)
        rows.append(row(f"`{module}`", count))
    return "\n".join([*rows, row("all", total)])


def row(name: str, count: Counter[str]) -> str:
    """One row of the table."""
    columns = ("mutants", *list(Fate)[:3], "reason", "none")
    return f"| {' | '.join([name, *(str(count[each]) for each in columns)])} |"


def unexplained(outcomes: list[tuple[Mutant, Fate, str]], modules: list[str]) -> bool:
    """Whether a function with unreached mutants has no reason, or the other way round."""
    reasons = set(reasons_for_functions(modules))
    unreached = {
        (mutant.module, function) for mutant, fate, function in outcomes if fate is Fate.UNREACHED
    }
    for module, function in sorted(unreached - reasons):
        say(f"Unreached without a reason: {function or 'the module itself'} in {module}.py")
    for module, function in sorted(reasons - unreached):
        say(f"Has a reason to be unreached, but is not: {function} in {module}.py")
    return unreached != reasons


def main() -> int:
    """Let the kit judge every mutant, and report those that survive without a reason."""
    parser = argparse.ArgumentParser(description="Mutation testing of the conformance kit.")
    parser.add_argument("modules", nargs="*", default=list(MODULES), metavar="module")
    parser.add_argument("--sample", type=int, help="test only so many mutants")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--log", type=Path, help="a file for what became of each mutant")
    arguments = parser.parse_args()
    modules: list[str] = arguments.modules
    begun = monotonic()
    everything = [each for name in modules for each in mutants(name, by_cosmic_ray, by_negation)]
    size: int = len(everything) if arguments.sample is None else arguments.sample
    sampled = size < len(everything)
    if sampled:
        everything = random.Random(arguments.seed).sample(everything, size)  # noqa: S311  # no secret
    say(f"{len(everything)} mutants of {', '.join(modules)}")
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory).resolve())
        bench.prepare()
        bench.forget_compiled(modules)
        say(f"prepared after {monotonic() - begun:.0f} s")
        outcomes = list(fates(bench, everything, arguments.log))
    say(f"\n{table(outcomes, modules)}\n\n{monotonic() - begun:.0f} s")
    survivors = [mutant for mutant, fate, _ in outcomes if fate is Fate.SURVIVED]
    reached = sum(fate is not Fate.UNREACHED for _, fate, _ in outcomes)
    failed = report(survivors, reached, modules, REASONS, sampled=sampled)
    return 1 if not sampled and unexplained(outcomes, modules) else failed


if __name__ == "__main__":
    sys.exit(main())
