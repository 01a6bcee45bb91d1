"""``connect-core conformance init`` and ``export``: files to start from.

`init` writes the skeleton of a program that speaks the line protocol; `export` writes the kit's
data, for a runner of one's own.
"""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connect_core.adapters.cli.files import target, unusable
from connect_core.adapters.cli.output import shown, write, write_text
from connect_core.adapters.cli.signals import cleaning_up

if TYPE_CHECKING:
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
