"""The command ``connect-core``, also ``python -m connect_core``."""

import sys

#: What the command line needs, and the extras that install it.
_EXTRAS: dict[str | None, str] = {
    **dict.fromkeys(("platformdirs", "rich", "sqlalchemy", "typer"), "cli"),
    **dict.fromkeys(("hypothesis", "jinja2", "pytest"), "cli,testing"),
}


def main() -> None:
    """Run the command line, or say on stderr which extra it needs and exit with 2."""
    try:
        from connect_core.adapters.cli import app

        app()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        sys.stderr.write(
            f"The command line needs {error.name}, which comes with an extra. "
            f"Install it with: pip install 'connect-core[{_EXTRAS[error.name]}]'\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
