"""``connect-core conformance init``, ``export`` and ``compare``: files of the kit.

`init` writes the skeleton of a program that speaks the line protocol; `export` writes the kit's
data, for a runner of one's own; `compare` reads the reports of several runs.
"""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from connect_core.adapters.cli.files import target, unusable
from connect_core.adapters.cli.options import JsonOption
from connect_core.adapters.cli.output import (
    console,
    labelled,
    shown,
    tabular,
    write,
    write_json,
    write_text,
)
from connect_core.adapters.cli.signals import cleaning_up

if TYPE_CHECKING:
    from connect_core.conformance.comparison import Comparison, Implementation
    from connect_core.conformance.skeleton import Skeleton

# --- connect-core conformance init ---------------------------------------------------------------


def init(
    language: Annotated[
        str,
        typer.Argument(metavar="LANGUAGE", help="python, node, go, java, rust or perl."),
    ],
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            show_default=False,
            help="Where to write; by default, the skeleton's own name. - for stdout.",
        ),
    ] = "",
) -> None:
    """Write the skeleton of a program that speaks the line protocol, to fill in.

    An existing file is never replaced. How to run the program is said on stderr.
    """
    skeleton = _skeleton(language)
    path = file or skeleton.file
    with cleaning_up(), target(path, before_replacing=partial(_keep, path)) as write_to:
        write_to(skeleton.text())
    if path != "-":
        lines = [shlex.join(command) for command in _commands(skeleton, path)]
        write_text("\n".join([f"Wrote {shown(path)}. Run it:", *map(shown, lines)]), err=True)


def _skeleton(language: str) -> "Skeleton":
    from connect_core.conformance.skeleton import SKELETONS

    found = SKELETONS.get(language.lower())
    if found is None:
        raise typer.BadParameter(
            f"there is no skeleton for '{shown(language)}'; there is one for each of "
            f"{', '.join(SKELETONS)}.",
            param_hint="'LANGUAGE'",
        )
    return found


def _keep(file: str, _: Path) -> None:
    """Refuse to replace a file, which may have been filled in."""
    raise unusable(file, "it exists, and is never replaced; name another file")


def _commands(skeleton: "Skeleton", file: str) -> list[list[str]]:
    """What to type after the skeleton is in this file."""
    build, start = skeleton.commands(file)
    run = ["connect-core", "conformance", "run", "--stdio", "--", *start]
    return [[*build], run] if build else [run]


# --- connect-core conformance export -------------------------------------------------------------


def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The archive, a ZIP file.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is no such archive.")
    ] = False,
) -> None:
    """Write the vectors, the requirements and the schemas as one archive.

    It is for a runner of your own. manifest.json in it has the version of the specification, the
    number of vectors, and the SHA-256 of each file. The exit code is 1 if FILE is something else
    than such an archive; it then stays as it is.
    """
    from connect_core.conformance.archive import archive

    def require_archive(older: Path) -> None:
        if not force:
            _require_archive(older)

    with cleaning_up(), target(file, before_replacing=require_archive) as write_to:
        write_to(archive())


def _require_archive(older: Path) -> None:
    """Refuse to replace a file that is no archive of the kit.

    Raises:
        typer.Exit: with 1; stderr says why.
        OSError: it cannot be read.
    """
    from connect_core.conformance.archive import is_archive

    if not is_archive(older):
        reason = "is no archive of the kit. It stays as it is; --force replaces it."
        write(f"{shown(str(older))} {reason}", err=True)
        raise typer.Exit(1)


# --- connect-core conformance compare ------------------------------------------------------------

#: A short word and a colour for each verdict and each result. A legend explains the words.
_SHORT: Final = {
    "pass": ("pass", "green"),
    "conforms": ("pass", "green"),
    "incomplete": ("part", "yellow"),
    "known-failure": ("known", "yellow"),
    "known-failures": ("known", "yellow"),
    "could-not-test": ("?", "yellow"),
    "not-tested": ("?", "yellow"),
    "not-claimed": ("-", "dim"),
    "unexpected-pass": ("PASS?", "bold red"),
    "error": ("ERROR", "bold red"),
    "fail": ("FAIL", "bold red"),
    "does-not-conform": ("FAIL", "bold red"),
    "broken": ("BROKE", "bold red"),
}
#: How many columns of the terminal the ids of requirements take, and each result.
_ID, _RESULT = 14, 7


def compare(
    reports: Annotated[
        list[Path],
        typer.Argument(metavar="REPORT", help="What conformance run --report wrote."),
    ],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write a table in Markdown, for a document.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what several implementations make of each requirement, side by side.

    All reports have to be about one version of the specification. The exit code is 0 whatever they
    say, and 2 if they cannot be compared.
    """
    if as_json and markdown:
        raise typer.BadParameter("give --markdown or --json, not both.", param_hint="'--json'")
    from connect_core.conformance.comparison import compare_reports

    try:
        compared = compare_reports([_report(path) for path in reports])
    except ValueError as error:
        raise typer.BadParameter(f"{shown(str(error))}.", param_hint="'REPORT'") from None
    if as_json:
        write_json(compared.as_dict())
    elif markdown:
        write_text("\n".join(map(shown, compared.markdown().split("\n"))))
    else:
        write(*_side_by_side(compared))


def _report(path: Path) -> "Implementation":
    from connect_core.conformance.comparison import read_report

    try:
        content = path.read_bytes()
    except OSError as error:
        raise unusable(str(path), error, "'REPORT'") from None
    return read_report(content, str(path))


def _side_by_side(compared: "Comparison") -> Iterator[RenderableType]:
    """The implementations, numbered; as many tables as it takes; and a legend."""
    numbered = [(str(number), each) for number, each in enumerate(compared.implementations, 1)]
    yield f"Connection specification {compared.specification}"
    yield labelled(
        (number, f"{shown(each.name)}: {each.verdict}; {shown(each.level)}")
        for number, each in numbered
    )
    rows: list[tuple[str, Sequence[str]]] = [
        ("verdict", [each.verdict for each in compared.implementations]),
        *((shown(name), results) for name, results in compared.rows()),
    ]
    most = max((console().width - _ID) // _RESULT, 1)
    for begin in range(0, len(numbered), most):
        part = slice(begin, begin + most)
        table = tabular("requirement", *(number for number, _ in numbered[part]))
        for column in table.columns:
            column.no_wrap = True
        for name, results in rows:
            table.add_row(name, *(Text(*_SHORT[each]) for each in results[part]))
        yield table
    yield labelled(_legend({each for _, results in rows for each in results}))


def _legend(used: set[str]) -> Iterator[tuple[str, str]]:
    """Each short word that is used, with the verdicts and results for which it stands."""
    for short in dict.fromkeys(short for short, _ in _SHORT.values()):
        meant = [each for each, (word, _) in _SHORT.items() if word == short and each in used]
        if meant:
            yield short, ", ".join(meant)
