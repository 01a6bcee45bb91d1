"""The options that several commands have, and how their values are read."""

from collections.abc import Callable, Collection
from typing import Annotated, Final, TypeVar

import typer

from connect_core import (
    DEFAULT_SCOPES,
    Actor,
    ActorId,
    ConnectionId,
    IdempotencyKey,
    OrganizationId,
)

#: The environment variable that replaces `--as`.
ACTOR_VARIABLE: Final = "CONNECT_CORE_ACTOR"
#: The environment variable that replaces `--database`.
DATABASE_VARIABLE: Final = "CONNECT_CORE_DATABASE"

_Value = TypeVar("_Value")


def checked(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """`parse` for an option or argument: a value that it refuses is reported as wrong usage."""

    def parser(text: str) -> _Value:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from None

    return parser


def completed(choices: Collection[str]) -> Callable[[str], list[str]]:
    """What a shell offers for a value that begins like this, when Tab is pressed."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


def one_of(choices: Collection[str], help: str) -> object:
    """An option that takes one of `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(choices)}.")
        return text

    return typer.Option(
        parser=parse, metavar="|".join(choices), help=help, autocompletion=completed(choices)
    )


def acting(text: str) -> Actor:
    """Who acts, from the value of `--as`."""
    actor_id, _, organization_id = text.partition("@")
    try:
        return Actor(id=ActorId(actor_id), organization_id=OrganizationId(organization_id))
    except ValueError as error:
        raise typer.BadParameter(
            f"{error}. Say who acts, and for which organization: usr_Rk3v@org_DEF456."
            if text
            else "it is missing. Say who acts, and for which organization: usr_Rk3v@org_DEF456.",
            param_hint=f"'--as' (or {ACTOR_VARIABLE})",
        ) from None


def unusable(reason: str) -> typer.BadParameter:
    """The error that says why the database cannot be used, in a driver's words or in our own."""
    return typer.BadParameter(sentence(reason), param_hint=f"'--database' (or {DATABASE_VARIABLE})")


def sentence(reason: str) -> str:
    """A reason in one line, with something at its end that ends a sentence."""
    text = " ".join(reason.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."


JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar=DATABASE_VARIABLE,
        metavar="URL|FILE",
        show_default="connections.db in your data directory",
        help="The database: a SQLAlchemy URL, or the file of a SQLite database.",
    ),
]
ActorOption = Annotated[
    str,
    typer.Option(
        "--as",
        envvar=ACTOR_VARIABLE,
        metavar="ACTOR@ORGANIZATION",
        show_default=False,
        help="Who acts, and for which organization: usr_Rk3v@org_DEF456.",
    ),
]
IdArgument = Annotated[
    ConnectionId,
    typer.Argument(metavar="ID", parser=checked(ConnectionId), help="The Connection's id."),
]
ScopeArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCOPE",
        help="The kind of data, such as inquiry.read.",
        autocompletion=completed(sorted(DEFAULT_SCOPES)),
    ),
]
VersionOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Only if this is still the Connection's version."),
]
KeyOption = Annotated[
    IdempotencyKey | None,
    typer.Option(
        parser=checked(IdempotencyKey),
        metavar="KEY",
        help="A name for this request, so that it can be repeated safely.",
    ),
]
