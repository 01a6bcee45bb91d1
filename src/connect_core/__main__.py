"""The command ``connect-core``, also ``python -m connect_core``."""

import sys

#: What the extra `cli` installs.
_EXTRA = ("platformdirs", "rich", "sqlalchemy", "typer")


def main() -> None:
    """Run the command line, or say on stderr which extra it needs and exit with 2."""
    try:
        from connect_core.adapters.cli import app

        app()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write(
            f"The command line needs {error.name}, which comes with an extra. "
            "Install it with: pip install 'connect-core[cli]'\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
