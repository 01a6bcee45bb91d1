"""``connect-core list``: a page of the Connections of an organization or, for operators, of all."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import urlencode

import typer
from rich.console import RenderableType
from rich.text import Text

from connect_core import (
    Action,
    Actor,
    ConnectError,
    Connection,
    ConnectionId,
    ConnectionNotFoundError,
    ConnectionService,
    ConnectionStore,
    Direction,
    OrganizationId,
    Page,
    Status,
    list_document,
    roles_of,
)
from connect_core.adapters.cli.commands import ask
from connect_core.adapters.cli.options import (
    ActorOption,
    DatabaseOption,
    JsonOption,
    checked,
    one_of,
)
from connect_core.adapters.cli.output import (
    documented,
    either,
    instant,
    labelled,
    name_of,
    shown,
    table_or_blocks,
    tabular,
    write,
    write_json,
)
from connect_core.lifecycle import Role
from connect_core.paging import MAX_PAGE_SIZE, page_of
from connect_core.store import selection_of_all

_Answer = TypeVar("_Answer")


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
    of_all: Annotated[
        bool,
        typer.Option(
            "--all", help="The Connections of every organization, for operators. Needs no --as."
        ),
    ] = False,
    actor: ActorOption = "",
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the Connections of your organization, newest first."""
    if after is not None and before is not None:
        raise typer.BadParameter("give --after or --before, not both.", param_hint="'--before'")
    if of_all:
        for option, value in (("--direction", direction), ("--actionable", actionable)):
            if value is not None:
                raise typer.BadParameter(
                    "it is for one organization; leave out this or --all.",
                    param_hint=f"'{option}'",
                )

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

    def question_of_all(store: ConnectionStore) -> Page:
        selection = selection_of_all(status=status, source=source, destination=destination)
        cursor = after if before is None else before
        beyond = None if cursor is None else _found(store, cursor)
        return page_of(store, selection, beyond, newest_first=before is None, limit=limit)

    by: Actor | None = None
    if of_all:
        page = _ask_store(database, as_json, question_of_all)
    else:
        page, by = ask(database, actor, as_json, question)
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
        document = list_document(
            (),
            prev=_link(query, "page[before]", page.prev, limit),
            next=_link(query, "page[after]", page.next, limit),
        )
        write_json({**document, "data": [documented(each)["data"] for each in page]})
    elif not page:
        write("There are none.")
    else:
        turns = [("Newer", "--before", page.prev), ("Older", "--after", page.next)]
        more = [f"{which} ones: {option} {place}" for which, option, place in turns if place]
        write(
            *(_all_of(page) if by is None else _of_one(page, by)),
            *([Text("\n".join(more), no_wrap=True, overflow="ignore")] if more else []),
        )


def _ask_store(
    database: str, as_json: bool, question: Callable[[ConnectionStore], _Answer]
) -> _Answer:
    """The answer of the store itself, which any operator of the database may have."""
    from sqlalchemy.orm import Session

    from connect_core.adapters.cli.database import opened, refuse
    from connect_core.adapters.sql import SqlConnectionStore

    with opened(database) as engine, Session(engine.execution_options(only_reads=True)) as session:
        try:
            return question(SqlConnectionStore(session))
        except ConnectError as error:
            refusal = error
    return refuse(refusal, as_json=as_json)


class _UnknownConnectionError(ConnectionNotFoundError):
    """There is no such Connection, for any organization."""

    def __str__(self) -> str:
        return f"There is no Connection {self.connection_id}. Check the id, and the database."


def _found(store: ConnectionStore, connection_id: ConnectionId) -> Connection:
    connection = store.get(connection_id)
    if connection is None:
        raise _UnknownConnectionError(connection_id)
    return connection


def _link(query: dict[str, str], cursor: str, place: ConnectionId | None, limit: int) -> str | None:
    """The relative reference to another page; None if there is none."""
    if place is None:
        return None
    return "?" + urlencode({**query, cursor: place, "page[size]": limit})


# --- For people ----------------------------------------------------------------------------------


def _of_one(page: Page, by: Actor) -> Sequence[RenderableType]:
    """A page of one organization's Connections."""
    to, from_ = either("→", "->"), either("←", "<-")
    rows: list[_Row] = []
    for connection in page:
        if Role.SOURCE in roles_of(by, connection):
            label, arrow, other = "shares with", to, connection.destination_organization_id
        else:
            label, arrow, other = "receives from", from_, connection.source_organization_id
        rows.append(_Row(connection, [f"{arrow} {other}"], [(label, other)]))
    return _listed(rows, f"shares with ({to}) or receives from ({from_})")


def _all_of(page: Page) -> Sequence[RenderableType]:
    """A page of everybody's Connections."""
    to = either("→", "->")
    rows: list[_Row] = []
    for connection in page:
        source, destination = (connection.organization_of(role) for role in Role)
        facts = [("source", source), ("destination", destination)]
        rows.append(_Row(connection, [source, f"{to} {destination}"], facts))
    return _listed(rows, f"source {to} destination")


class _Row(NamedTuple):
    """A Connection, and its parties: as lines in a table, and as facts in a block."""

    connection: Connection
    lines: Sequence[str]
    facts: Sequence[tuple[str, str]]


def _listed(rows: Sequence[_Row], parties: str) -> Sequence[RenderableType]:
    table = tabular("Connection", "status", parties)
    for connection, lines, _ in rows:
        named = f"{connection.id}\n{instant(connection.created_at)}"
        cell = Text("\n").join([*map(Text, lines), *_names(connection)])
        table.add_row(named, connection.status, cell)
    least = max(len(line) for row in rows for line in row.lines)
    return table_or_blocks(table, map(_block, rows), least=least)


def _block(row: _Row) -> RenderableType:
    connection = row.connection
    return labelled(
        [
            ("Connection", connection.id),
            ("created", f"{instant(connection.created_at)} UTC"),
            ("status", connection.status),
            *row.facts,
            *(("name", name) for name in _names(connection)),
        ]
    )


def _names(connection: Connection) -> list[Text]:
    """The name of a Connection, if it has one."""
    return [name_of(connection)] if connection.name else []
