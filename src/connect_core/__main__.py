"""The command ``connect-core``, also ``python -m connect_core``."""

import sys


def main() -> None:
    """Run the command line, or say on stderr which extra it needs and exit with 2."""
    try:
        from connect_core.adapters.cli import app
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.stderr.write(
            f"The command line needs {error.name}, which comes with an extra. "
            "Install it with: pip install 'connect-core[cli]'\n"
        )
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
