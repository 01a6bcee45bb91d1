"""The command ``connect-core``, also ``python -m connect_core``."""

import os
import sys
from collections.abc import Callable

#: What the command line needs, and the extras that install it.
_EXTRAS: dict[str | None, str] = {
    **dict.fromkeys(("platformdirs", "rich", "sqlalchemy", "typer"), "cli"),
    **dict.fromkeys(("hypothesis", "jinja2", "pytest"), "cli,testing"),
    **dict.fromkeys(("anyio", "starlette", "swagger_ui_bundle", "uvicorn"), "serve"),
}


def main() -> None:
    """Run the command line, or say on stderr which extra it needs and exit with 2."""
    _keep_standard_descriptors()
    try:
        from connect_core.adapters.cli import app

        _run(app)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        sys.stderr.write(
            f"The command line needs {error.name}, which comes with an extra. "
            f"Install it with: pip install 'connect-core[{_EXTRAS[error.name]}]'\n"
        )
        sys.exit(2)


def _run(app: Callable[[], object]) -> None:
    """Run the command line. Only its help and its usage errors are not written by its commands."""
    try:
        app()
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):
            sys.exit(_unwritten(left.__context__))
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        sys.exit(_unwritten(error))


def _unwritten(error: OSError) -> int:
    from connect_core.adapters.cli.output import drop_the_rest, unwritten

    drop_the_rest(sys.stdout)
    return unwritten("stdout", error).exit_code


def _keep_standard_descriptors() -> None:
    """Let no file that is opened later take the place of a closed stdin, stdout or stderr.

    A closed stdout becomes one that takes nothing, so that an answer is not lost without a word.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # it gets the lowest number that is free
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  # it was closed
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)


if __name__ == "__main__":
    main()
