"""``connect-core conformance``: test an implementation against the specification.

Modules that need the extra `testing` are imported only when they are needed, so that everything
else starts quickly and works without it.
"""

import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from connect_core.adapters.cli.files import is_one_of, target
from connect_core.adapters.cli.options import JsonOption
from connect_core.adapters.cli.output import (
    console,
    either,
    is_terminal,
    shown,
    tabular,
    write,
    write_json,
    write_text,
)
from connect_core.adapters.cli.signals import cleaning_up
from connect_core.adapters.cli.subjects import Subject, Tested

if TYPE_CHECKING:
    from connect_core.conformance import Profile, Report, Vector

conformance: Final = typer.Typer(
    help="Test an implementation against the specification.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

#: How many columns of a line of the report come before the text.
_BESIDES: Final = 40
#: The exit code of a run in which the protocol was broken.
_BROKEN: Final = 2
#: How many failures are described in full. The reports describe all.
_DESCRIBED: Final = 3
_COLOURS: Final = {
    "pass": "green",
    "not-claimed": "dim",
    "known-failure": "yellow",
    "could-not-test": "yellow",
}


# --- connect-core conformance run ----------------------------------------------------------------


@dataclass(frozen=True)
class _Size:
    """The size of an exploration: how many runs, how many steps each, and how long together."""

    examples: int = 100
    steps: int = 50
    seconds: float | None = None


def _size(text: str) -> _Size:
    """The size of an exploration, from ``100x50`` or ``20s``."""
    found = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,3})|([1-9]\d{0,4})s", text, re.ASCII)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is not a size such as 100x50, runs x steps, or a time such as 20s."
        )
    if found[3]:
        return _Size(seconds=int(found[3]))
    return _Size(int(found[1]), int(found[2]))


def _file(text: str) -> str:
    """A file to be written, in a folder that exists."""
    folder = Path(text).parent
    if not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {str(folder)!r}.")
    return text


@conformance.command()
def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="With --stdio: the command to start."),
    ] = None,
    python: Annotated[
        str,
        typer.Option(
            "--python",
            metavar="MODULE:FACTORY",
            show_default=False,
            help="A Python callable that returns a fresh system.",
        ),
    ] = "",
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Test a process that speaks the line protocol.")
    ] = False,
    http: Annotated[
        str,
        typer.Option(
            "--http",
            metavar="BASE",
            show_default=False,
            help="Test a service: the URL below which /api/v1 stands.",
        ),
    ] = "",
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --http: organizations and their tokens, as JSON."),
    ] = None,
    key_command: Annotated[
        str,
        typer.Option(
            metavar="CMD",
            show_default=False,
            help="With --http: prints a token for the organization in place of {organization}.",
        ),
    ] = "",
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What is claimed; everything if omitted."),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Vectors of your own, instead of the specification's."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only vectors with this id, generator or requirement."),
    ] = None,
    explore: Annotated[
        _Size | None,
        typer.Option(
            parser=_size,
            metavar="NxM|Ns",
            help="Explore with random runs, too: runs x steps, or 100x50 within N seconds.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Repeat the exploration with this seed.")
    ] = None,
    shuffle: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEED",
            help="Repeat the ids and the order of a run; 0 for those of the vectors.",
        ),
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Go on with the next vector after a broken protocol."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="How long an answer may take.")
    ] = 10.0,
    report: Annotated[
        str | None, typer.Option(parser=_file, metavar="FILE", help="Write the report as JSON.")
    ] = None,
    junit: Annotated[
        str | None, typer.Option(parser=_file, metavar="FILE", help="Write it as JUnit XML.")
    ] = None,
    html: Annotated[
        str | None, typer.Option(parser=_file, metavar="FILE", help="Write it as a page.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the vectors against an implementation, and say which requirements it meets.

    The ids of organizations and the order of the vectors are others each time. The exit code is 0
    if nothing was found, 1 if something was, 2 if the protocol was broken or the command is wrong,
    3 if nothing was tested.
    """
    from connect_core.conformance import BrokenSystemError, report_html, report_json, report_junit

    subject = Subject(python, command or [], http, keys, key_command, timeout)
    subject.require_one(stdio=stdio)
    reports = {
        option: (file, text)
        for option, file, text in (
            ("--report", report, report_json),
            ("--junit", junit, report_junit),
            ("--html", html, report_html),
        )
        if file is not None
    }
    _require_other_files(
        {option: file for option, (file, _) in reports.items()},
        [each for each in (profile, vectors, keys) if each is not None],
    )
    claimed = _claims(profile, subject.name)
    chosen = _chosen(vectors, only or [])
    try:
        with cleaning_up(), subject.opened(claimed) as tested:
            done = _run(tested, chosen, explore, seed, shuffle, keep_going=keep_going)
    except BrokenSystemError as error:
        write(Text(f"harness error: {shown(str(error))}"), err=True)
        raise typer.Exit(2) from None
    for option, (file, text) in reports.items():
        with cleaning_up(), target(file, hint=f"'{option}'") as write_to:
            write_to(text(done))
    if as_json:
        from connect_core.conformance import report_dict

        write_json(report_dict(done), done=_verdict(done))
    elif done.exit_code != _BROKEN or keep_going:
        _write_summary(done)
    for described in _breaks(done):
        write_text(f"harness error: {_shown_lines(described)}", err=True)
    raise typer.Exit(done.exit_code)


def _require_other_files(reports: dict[str, str], read: Sequence[Path]) -> None:
    """Refuse to write a report to a file that is read, or to which another report is written."""
    taken = list(read)
    for option, file in reports.items():
        if is_one_of(file, taken):
            raise typer.BadParameter(
                f"{shown(file)!r} is also another option's file.", param_hint=f"'{option}'"
            )
        taken.append(Path(file))


def _claims(path: Path | None, name: str) -> "Profile":
    from connect_core.conformance import InvalidProfileError, Profile, load_vectors, read_profile

    try:
        claimed = Profile(name=name) if path is None else read_profile(path)
        return claimed.checked(vector.id for vector in load_vectors())
    except InvalidProfileError as error:
        raise typer.BadParameter(str(error), param_hint="'--profile'") from None


def _chosen(path: Path | None, only: Sequence[str]) -> "tuple[Vector, ...]":
    from connect_core.conformance import InvalidVectorsError, read_vectors, select

    try:
        chosen = select(only, None if path is None else read_vectors(path))
    except InvalidVectorsError as error:
        raise typer.BadParameter(str(error), param_hint="'--vectors'") from None
    if not chosen:
        raise typer.BadParameter(
            f"there is no vector for {', '.join(only)}.", param_hint="'--only'"
        )
    return chosen


def _run(
    tested: Tested,
    chosen: "tuple[Vector, ...]",
    size: _Size | None,
    seed: int | None,
    shuffle: int | None,
    *,
    keep_going: bool,
) -> "Report":
    """Run the vectors; then the exploration, which expects the answers that the vectors saw."""
    from dataclasses import replace

    from connect_core.conformance import explore, run
    from connect_core.conformance.profile import Answers

    answers = Answers(tested.profile.answers)
    with _progress("vectors", len(chosen)) as show:
        number = count(1)
        done = run(
            tested.make_system,
            tested.profile,
            among=chosen,
            on_result=lambda _: show(next(number)),
            answers=answers,
            shuffle=shuffle,
            keep_going=keep_going,
        )
    if size is None or done.exit_code == _BROKEN:
        return done
    with _progress("exploring", size.examples) as show:
        found = explore(
            tested.make_explored,
            tested.profile,
            examples=size.examples,
            steps=size.steps,
            seed=seed,
            answers=answers,
            seconds=size.seconds,
            organizations=tested.organizations,
            on_progress=show,
        )
    return replace(done, exploration=found)


@contextmanager
def _progress(what: str, total: int) -> "Generator[Callable[[int], object]]":
    """A progress bar on stderr, if that is a terminal, and what shows how many are done."""
    if not is_terminal(sys.stderr):
        yield lambda _: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console(err=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _write_summary(done: "Report") -> None:
    """Write a line for each requirement, the failures, and the verdict."""
    table = tabular("result", "requirement", "vectors", "text")
    room = console().width - _BESIDES
    for each in done.requirements():
        table.add_row(
            Text(each.result, _COLOURS.get(each.result, "bold red")),
            each.requirement.id,
            str(sum(each.counts.values())),
            shorten(each.requirement.text, room, placeholder=either(" …", " ...")),
        )
    verdict = _verdict(done)
    write(table, done=verdict)
    for text in _failures(done):  # not wrapped, so that vectors can be copied
        write_text(f"\n{_shown_lines(text.rstrip())}", done=verdict)
    write_text("", done=verdict)
    write(Text(f"{verdict}.", "bold"), done=verdict)


def _verdict(done: "Report") -> str:
    """The verdict in a sentence, without its full stop."""
    return shown(done.sentence().removesuffix("."))


def _failures(done: "Report") -> Iterator[str]:
    from connect_core.conformance.results import FAILING

    failed = [each for each in done.results if each.result in FAILING]
    failed.sort(key=lambda each: len(each.exchanges))  # the shortest are the easiest to understand
    for each in failed[:_DESCRIBED]:
        yield each.describe()
    if len(failed) > _DESCRIBED:
        yield f"... and {len(failed) - _DESCRIBED} more; --report, --junit and --html list all."
    if done.exploration is not None and done.exploration.result in FAILING:
        yield done.exploration.describe()


def _breaks(done: "Report") -> Iterator[str]:
    """Where the protocol was broken, each with the last lines that were sent and received."""
    from connect_core.conformance.results import Result

    broken = [each for each in done.results if each.result is Result.BROKEN]
    for each in broken[:_DESCRIBED]:
        yield "\n".join([f"{each.reason} (in {each.vector.id})", *each.transcript])
    if done.exploration is not None and done.exploration.result is Result.BROKEN:
        yield done.exploration.describe()


def _shown_lines(text: str) -> str:
    """Text of several lines from outside, for people to read."""
    return "\n".join(map(shown, text.split("\n")))


# --- connect-core conformance generate -----------------------------------------------------------


@conformance.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; list the files that have drifted.")
    ] = False,
    root: Annotated[
        Path, typer.Option(metavar="DIR", help="The checkout of this library's repository.")
    ] = Path(),
) -> None:
    """Derive the requirements, the vectors and the diagrams from the text and the rules.

    With --check, the exit code is 1 if a file is not, byte for byte, what would be written.
    """
    from connect_core.conformance.generate import derived, drifted, write_derived
    from connect_core.conformance.specification import InvalidSpecificationError

    try:
        files = derived(root)
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"{error.filename} does not exist; give the checkout.", param_hint="'--root'"
        ) from None
    except InvalidSpecificationError as error:
        write(Text(str(error)), err=True)
        raise typer.Exit(1) from None
    changed = drifted(root, files)
    if not check:
        write_derived(root, files)
    for path in changed:
        write_text(path, done="" if check else "The files were written")
    if check and changed:
        write("These files have drifted: run connect-core conformance generate.", err=True)
        raise typer.Exit(1)


# --- connect-core conformance diff ---------------------------------------------------------------


@conformance.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A decision table, or vectors.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same, later.")],
    as_json: JsonOption = False,
) -> None:
    """Say what became more or less permissive.

    OLD and NEW are what `connect-core table --json` prints, or files or folders of vectors. The
    exit code is 0 if nothing differs, 1 if something does, 2 if they cannot be compared.
    """
    from connect_core.conformance.diff import compare, load, summary

    try:
        differences = compare(load(old), load(new))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{error}.", param_hint="'OLD' or 'NEW'") from None
    if as_json:
        write_json([each._asdict() for each in differences])
    else:
        table = tabular("where", "how", "old", "new")
        for each in differences:
            table.add_row(*map(shown, (each.where, each.kind, each.old, each.new)))
        write(*([table] if differences else []), summary(differences))
    raise typer.Exit(1 if differences else 0)
