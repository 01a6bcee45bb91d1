"""The command line: Connections in a database, files of Connections, and the rules to look at.

It states no rule. Commands go through `connect_core.ConnectionService`; the policy or the lifecycle
answers every question.

Only the answer goes to stdout. It is composed first and written at once, in colour on a terminal
only (`NO_COLOR` is honoured), wrapped to 80 columns, and in ASCII if stdout accepts nothing else.
An id is never broken, and a table of Connections or of events may be as wide as the terminal.
Refusals go to stderr, with exit code 1. Wrong usage, which includes a database that does not exist,
is reported on stderr, too, with exit code 2. The code is 4 if the database is not available, and 5
if the output could not be written. The reference says what each command does with its output, its
files, its database and each signal.

SQLAlchemy is imported only when it is needed, so that everything else starts quickly.
"""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from connect_core import __version__
from connect_core.adapters.cli import commands, demo, kit_files, listing, rules, serve, transfer
from connect_core.adapters.cli.conformance import conformance
from connect_core.adapters.cli.keys import keys
from connect_core.adapters.cli.output import write_text

#: The command line. Help and usage errors are plain text, not Rich's panels.
app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _connect_core(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """The life of a data-sharing Connection, and who may do what to it."""
    if version:
        write_text(f"connect-core {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        write_text(context.get_help())


_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "create": commands.create,
    "activate": commands.activate,
    "deactivate": commands.deactivate,
    "reactivate": commands.reactivate,
    "list": listing.list_,
    "show": commands.show,
    "history": commands.history,
    "check": commands.check,
    "import": transfer.import_,
    "export": transfer.export,
    "serve": serve.serve,
    "demo": demo.demo,
    "table": rules.table,
    "diagram": rules.diagram,
    "decide": rules.decide,
}

for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)

conformance.command("init")(kit_files.init)
conformance.command("export")(kit_files.export)
conformance.command("compare")(kit_files.compare)

app.add_typer(keys, name="keys")
app.add_typer(conformance, name="conformance")
