"""``connect-core create`` to ``connect-core check``: the service's commands and questions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import RenderableType
from rich.text import Text

from connect_core import (
    DEFAULT_SCOPES,
    Action,
    Actor,
    Change,
    Connection,
    ConnectionService,
    Decision,
    OrganizationId,
    Scope,
    actions,
    decide_access,
    roles_of,
)
from connect_core.adapters.cli.options import (
    ActorOption,
    DatabaseOption,
    IdArgument,
    JsonOption,
    KeyOption,
    ScopeArgument,
    VersionOption,
    checked,
    completed,
)
from connect_core.adapters.cli.output import (
    answer,
    card,
    documented,
    either,
    event_table,
    labelled,
    table_or_blocks,
    tabular,
    verdict,
    who,
    write,
    write_json,
)
from connect_core.parties import Name
from connect_core.scopes import MAX_SCOPES

_Answer = TypeVar("_Answer")

#: The fewest columns for an explanation in a table.
_LEAST: Final = 20


def ask(
    database: str,
    actor: str,
    as_json: bool,
    question: Callable[[ConnectionService, Actor], _Answer],
    *,
    only_reads: bool = True,
    creates: bool = False,
) -> _Answer:
    """The service's answer to an actor."""
    from connect_core.adapters.cli.database import ask as ask_service

    return ask_service(
        database, actor, question, as_json=as_json, only_reads=only_reads, creates=creates
    )


# --- Commands ------------------------------------------------------------------------------------


def checked_name(text: str) -> str:
    """A name for people to read.

    Raises:
        ValueError: it is too long, or holds a character that some systems cannot store or show.
    """
    try:
        return TypeAdapter[str](Name).validate_python(text)
    except ValidationError as error:
        (details,) = error.errors(include_url=False)
        raise ValueError(details["msg"].removeprefix("Value error, ")) from None


def create(
    destination: Annotated[
        OrganizationId,
        typer.Argument(
            metavar="DESTINATION",
            parser=checked(OrganizationId),
            help="The organization to share with.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            parser=checked(checked_name), metavar="TEXT", help="A name for people to read."
        ),
    ] = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            parser=checked(Scope),
            metavar="SCOPE",
            show_default=" and ".join(sorted(DEFAULT_SCOPES)),
            help="What to share. Repeat it for each scope.",
            autocompletion=completed(sorted(DEFAULT_SCOPES)),
        ),
    ] = None,
    allow_self: Annotated[
        bool,
        typer.Option(
            "--allow-self", help="Let your own organization be the destination, for tests."
        ),
    ] = False,
    idempotency_key: KeyOption = None,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Offer to share data with another organization."""
    scopes = frozenset(scope or DEFAULT_SCOPES)
    if len(scopes) > MAX_SCOPES:
        raise typer.BadParameter(f"at most {MAX_SCOPES} can be given.", param_hint="'--scope'")
    _carry_out(
        database,
        actor,
        as_json,
        lambda service, by: service.create(
            by=by,
            destination=destination,
            name=name,
            scopes=scopes,
            allow_self=allow_self,
            idempotency_key=idempotency_key,
        ),
        creates=True,
    )


def _step(method: Callable[..., Change], help: str) -> Callable[..., None]:
    """The command that calls `method`, one of the service's, to take a step."""

    def command(
        connection_id: IdArgument,
        expected_version: VersionOption = None,
        idempotency_key: KeyOption = None,
        actor: ActorOption = "",
        database: DatabaseOption = "",
        as_json: JsonOption = False,
    ) -> None:
        _carry_out(
            database,
            actor,
            as_json,
            lambda service, by: method(
                service,
                connection_id,
                by=by,
                expected_version=expected_version,
                idempotency_key=idempotency_key,
            ),
        )

    command.__doc__ = help
    return command


activate = _step(ConnectionService.activate, "Accept an offer: pending becomes active.")
deactivate = _step(ConnectionService.deactivate, "Withdraw: pending or active becomes inactive.")
reactivate = _step(ConnectionService.reactivate, "Offer again: inactive becomes pending.")


def _carry_out(
    database: str,
    actor: str,
    as_json: bool,
    command: Callable[[ConnectionService, Actor], Change],
    *,
    creates: bool = False,
) -> None:
    connection, event = ask(database, actor, as_json, command, only_reads=False, creates=creates)
    taken = f"{event.action}d".capitalize()
    done = f"{taken} {connection.id}, version {connection.version}"
    if as_json:
        write_json(documented(connection), done=done)
    else:
        write(Text(taken, "bold"), card(connection), done=done)


# --- Questions -----------------------------------------------------------------------------------


def show(
    connection_id: IdArgument,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a Connection, and what you may do to it now."""

    def question(service: ConnectionService, by: Actor) -> tuple[Connection, Actor]:
        return service.get(connection_id, by=by), by

    connection, by = ask(database, actor, as_json, question)
    roles, menu = roles_of(by, connection), actions(by, connection)
    if as_json:
        possible = {action.value: decision.as_dict() for action, decision in menu.items()}
        write_json(documented(connection, roles=sorted(roles), actions=possible))
        return
    title = f"What {by.id} of {by.organization_id} ({who(roles)}) may do now"
    write(card(connection), Text(title, "bold"), *_table_of(menu))


def _table_of(menu: Mapping[Action, Decision]) -> Sequence[RenderableType]:
    table = tabular("action", "", "why")
    tick = either("✓", "ok")
    for action, decision in menu.items():
        table.add_row(action, answer(decision, tick), decision.explanation)
    blocks = (
        labelled([(action, answer(decision, tick)), ("why", decision.explanation)])
        for action, decision in menu.items()
    )
    return table_or_blocks(table, blocks, least=_LEAST, wide=False)


def history(
    connection_id: IdArgument,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a Connection, oldest first."""
    events = ask(
        database, actor, as_json, lambda service, by: service.history(connection_id, by=by)
    )
    if as_json:
        write_json({"data": [event.model_dump(mode="json") for event in events]})
    else:
        write(*event_table(events))


def check(
    connection_id: IdArgument,
    scope: ScopeArgument,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say whether you may read data of a scope now, and why.

    The exit code is 0 if you may, 1 if you may not.
    """

    def question(service: ConnectionService, by: Actor) -> tuple[Connection, Decision]:
        connection = service.get(connection_id, by=by)
        return connection, decide_access(by, scope, connection)

    connection, decision = ask(database, actor, as_json, question)
    if as_json:
        write_json(decision.as_dict())
    else:
        write(verdict(decision, connection))
    raise typer.Exit(0 if decision else 1)
