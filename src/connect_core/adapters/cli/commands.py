"""``connect-core create`` to ``connect-core check``: the service's commands and questions."""

from collections.abc import Callable
from typing import Annotated, TypeVar
from urllib.parse import urlencode

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from connect_core import (
    DEFAULT_SCOPES,
    Action,
    Actor,
    Change,
    Connection,
    ConnectionId,
    ConnectionService,
    Decision,
    Direction,
    OrganizationId,
    Page,
    Scope,
    Status,
    actions,
    connection_document,
    decide_access,
    list_document,
    roles_of,
)
from connect_core.adapters.cli.options import (
    ActorOption,
    DatabaseOption,
    IdArgument,
    JsonOption,
    KeyOption,
    VersionOption,
    checked,
    one_of,
)
from connect_core.adapters.cli.output import (
    answer,
    card,
    either,
    event_table,
    instant,
    shown,
    tabular,
    verdict,
    who,
    write,
    write_json,
)
from connect_core.lifecycle import Role
from connect_core.paging import MAX_PAGE_SIZE
from connect_core.parties import Name
from connect_core.scopes import MAX_SCOPES

_Answer = TypeVar("_Answer")


def _ask(
    database: str,
    actor: str,
    as_json: bool,
    question: Callable[[ConnectionService, Actor], _Answer],
    *,
    only_reads: bool = True,
    creates: bool = False,
) -> _Answer:
    from connect_core.adapters.cli.database import ask

    return ask(database, actor, question, as_json=as_json, only_reads=only_reads, creates=creates)


# --- Commands ------------------------------------------------------------------------------------


def _name(text: str) -> str:
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
        typer.Option(parser=checked(_name), metavar="TEXT", help="A name for people to read."),
    ] = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            parser=checked(Scope),
            metavar="SCOPE",
            show_default=" and ".join(sorted(DEFAULT_SCOPES)),
            help="What to share. Repeat it for each scope.",
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
    connection, event = _ask(database, actor, as_json, command, only_reads=False, creates=creates)
    taken = f"{event.action}d".capitalize()
    done = f"{taken} {connection.id}, version {connection.version}"
    if as_json:
        write_json(connection_document(connection), done=done)
    else:
        write(Text(taken, "bold"), card(connection), done=done)


# --- Questions -----------------------------------------------------------------------------------


def list_(
    status: Annotated[
        str | None, one_of(list(Status), "Only Connections with this status.")
    ] = None,
    source: Annotated[
        OrganizationId | None,
        typer.Option(
            parser=checked(OrganizationId),
            metavar="ORGANIZATION",
            help="Only Connections from this organization.",
        ),
    ] = None,
    destination: Annotated[
        OrganizationId | None,
        typer.Option(
            parser=checked(OrganizationId),
            metavar="ORGANIZATION",
            help="Only Connections to this organization.",
        ),
    ] = None,
    direction: Annotated[
        str | None,
        one_of(list(Direction), "Only Connections through which you share, or receive."),
    ] = None,
    actionable: Annotated[
        str | None,
        one_of(list(Action), "Only Connections on which you may take this action now."),
    ] = None,
    after: Annotated[
        ConnectionId | None,
        typer.Option(
            parser=checked(ConnectionId), metavar="ID", help="The page after this one: older ones."
        ),
    ] = None,
    before: Annotated[
        ConnectionId | None,
        typer.Option(
            parser=checked(ConnectionId), metavar="ID", help="The page before this one: newer ones."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_PAGE_SIZE, metavar="N", help="How many at most.")
    ] = 10,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the Connections of your organization, newest first."""
    if after is not None and before is not None:
        raise typer.BadParameter("give --after or --before, not both.", param_hint="'--before'")

    def question(service: ConnectionService, by: Actor) -> tuple[Page, Actor]:
        page = service.list(
            by=by,
            status=status,
            source=source,
            destination=destination,
            direction=direction,
            actionable=actionable,
            after=after,
            before=before,
            limit=limit,
        )
        return page, by

    page, by = _ask(database, actor, as_json, question)
    for error in page.unreadable:
        write(shown(f"Left out: {error}"), err=True)
    if as_json:
        filters = {
            "status": status,
            "source-organization-id": source,
            "destination-organization-id": destination,
            "direction": direction,
            "actionable": actionable,
        }
        query = {f"filter[{name}]": wanted for name, wanted in filters.items() if wanted}
        write_json(
            list_document(
                page,
                prev=_link(query, "page[before]", page.prev, limit),
                next=_link(query, "page[after]", page.next, limit),
            )
        )
    elif not page:
        write("There are none.")
    else:
        turns = [("Newer", "--before", page.prev), ("Older", "--after", page.next)]
        more = [f"{which} ones: {option} {place}" for which, option, place in turns if place]
        write(_overview(page, by), *(["\n".join(more)] if more else []))


def _link(query: dict[str, str], cursor: str, place: ConnectionId | None, limit: int) -> str | None:
    """The relative reference to another page; None if there is none."""
    if place is None:
        return None
    return "?" + urlencode({**query, cursor: place, "page[size]": limit})


def _overview(page: Page, by: Actor) -> Table:
    to, from_ = either("→", "->"), either("←", "<-")
    table = tabular("Connection", "status", f"shares with ({to}) or receives from ({from_})")
    table.columns[0].no_wrap = True
    for connection in page:
        outbound = Role.SOURCE in roles_of(by, connection)
        arrow, role = (to, Role.DESTINATION) if outbound else (from_, Role.SOURCE)
        with_whom = f"{arrow} {connection.organization_of(role)}\n{shown(connection.name or '')}"
        named = f"{connection.id}\n{instant(connection.created_at)}"
        table.add_row(named, connection.status, with_whom.rstrip())
    return table


def show(
    connection_id: IdArgument,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a Connection, and what you may do to it now."""

    def question(service: ConnectionService, by: Actor) -> tuple[Connection, Actor]:
        return service.get(connection_id, by=by), by

    connection, by = _ask(database, actor, as_json, question)
    if as_json:
        write_json(connection_document(connection))
        return
    role = who(roles_of(by, connection))
    title = f"What {by.id} of {by.organization_id} ({role}) may do now"
    write(card(connection), Text(title, "bold"), _menu(connection, by))


def _menu(connection: Connection, by: Actor) -> Table:
    table = tabular("action", "", "why")
    tick = either("✓", "ok")
    for action, decision in actions(by, connection).items():
        table.add_row(action, answer(decision, tick), decision.explanation)
    return table


def history(
    connection_id: IdArgument,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a Connection, oldest first."""
    events = _ask(
        database, actor, as_json, lambda service, by: service.history(connection_id, by=by)
    )
    if as_json:
        write_json({"data": [event.model_dump(mode="json") for event in events]})
    else:
        write(event_table(events))


def check(
    connection_id: IdArgument,
    scope: Annotated[
        str, typer.Argument(metavar="SCOPE", help="The kind of data, such as inquiry.read.")
    ],
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

    connection, decision = _ask(database, actor, as_json, question)
    if as_json:
        write_json(decision.as_dict())
    else:
        write(verdict(decision, connection))
    raise typer.Exit(0 if decision else 1)
