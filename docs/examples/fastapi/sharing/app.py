"""The service: `create_app` makes it, and below are its handlers.

Run it from the root of the repository::

    uv run --group web uvicorn --factory --app-dir docs/examples/fastapi sharing.app:create_app
"""

import logging
import os
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator

from connect_core import (
    Action,
    Actor,
    Change,
    Connection,
    ConnectionService,
    Direction,
    IdempotencyKey,
    IdempotencyKeyReusedError,
    OrganizationId,
    Status,
    authorize_access,
    connection_document,
    list_document,
    parse_create,
)

from .authentication import Caller
from .database import Data, Database, opened
from .errors import add_error_handlers
from .openapi import A_CONNECTION, A_REFUSAL, A_REQUEST

log = logging.getLogger(__name__)

CONNECTIONS: Final = "/api/v1/connect/connections"
MAX_BODY: Final = 64 * 1024  # bytes; the guide's request has about 150


def create_app(database_url: str | None = None) -> FastAPI:
    """The service on this database, by default the one that the environment names."""
    url = database_url or os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///connections.db")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with opened(url) as app.state.database:
            yield

    app = FastAPI(title="Connections", version="1", lifespan=lifespan)
    add_error_handlers(app)
    app.include_router(router)
    return app


# --- The request ---------------------------------------------------------------------------------


async def read_body(request: Request) -> bytes:
    """The body, if it is not too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"A body has at most {MAX_BODY} bytes.")
    return bytes(body)


Body = Annotated[bytes, Depends(read_body)]


class Step(NamedTuple):
    """Who takes a step, on which versions (None is any), and the key to repeat it safely."""

    by: Actor
    versions: Sequence[int | None]
    key: str | None


#: Entity tags, separated by commas.
TAGS: Final = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,[ \t,]*(?:W/)?"[^"]*")*[ \t,]*')
#: A version's tag. A proxy that compresses an answer marks the tag as weak, or adds the coding's
#: name: ``"1"`` becomes ``W/"1"`` or ``"1-gzip"``, and still names the version.
VERSION: Final = re.compile(r'"([1-9][0-9]{0,17})(?:--?(?:br|deflate|gzip|zstd))?"')


def read_versions(lines: Sequence[str] | None) -> Sequence[int | None]:
    """The versions that the lines of ``If-Match`` name; without it, or with ``*``, any version."""
    if lines is None or list(lines) == ["*"]:
        return (None,)
    tags = ", ".join(lines)
    versions = sorted({int(version) for version in VERSION.findall(tags)})
    if not TAGS.fullmatch(tags) or not versions:
        raise ValueError("If-Match takes the ETag of an answer, several with commas, or *.")
    return versions


def checked(lines: list[str]) -> list[str]:
    """The lines of ``If-Match``, if they can be read."""
    read_versions(lines)
    return lines


#: Headers that FastAPI checks. An invalid one is answered with 400.
Key = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]
IfMatch = Annotated[list[str] | None, AfterValidator(checked), Header(alias="If-Match")]


def read_step(caller: Caller, key: Key = None, if_match: IfMatch = None) -> Step:
    """Who takes the step, which versions they have seen, and the key to repeat it safely."""
    return Step(caller, read_versions(if_match), key)


TheStep = Annotated[Step, Depends(read_step)]


# --- The handlers --------------------------------------------------------------------------------

router = APIRouter(prefix=CONNECTIONS, tags=["Connections"], responses={"default": A_REFUSAL})


def answer(connection: Connection, status: int = 200) -> JSONResponse:
    """The document of a Connection, and its version as the ``ETag``."""
    headers = {"ETag": f'"{connection.version}"'}
    if status == 201:
        headers["Location"] = f"{CONNECTIONS}/{connection.id}"
    return JSONResponse(connection_document(connection), status, headers)


@router.post(
    "",
    status_code=201,
    responses={201: A_CONNECTION},
    openapi_extra={"requestBody": A_REQUEST},
)
async def create(caller: Caller, data: Data, body: Body, key: Key = None) -> JSONResponse:
    """Offer to share with another organization. The caller's own is the source."""
    wanted = parse_create(body)
    connection, _ = await data.change(
        lambda service: service.create(
            by=caller,
            destination=wanted.destination_organization_id,
            name=wanted.name,
            scopes=wanted.scopes,
            idempotency_key=key,
        )
    )
    return answer(connection, 201)


async def take(
    command: Callable[..., Change], connection_id: str, step: Step, data: Database
) -> JSONResponse:
    """Take a step, if the Connection has one of the versions that the caller names."""

    def work(service: ConnectionService) -> Change:
        versions = step.versions
        if len(versions) > 1:  # the present one first
            now = service.get(connection_id, by=step.by).version
            versions = sorted(step.versions, key=lambda version: version != now)
        for version in versions[:-1]:
            with suppress(IdempotencyKeyReusedError):  # the first answer was for another version
                return carry_out(service, version)
        return carry_out(service, versions[-1])

    def carry_out(service: ConnectionService, version: int | None) -> Change:
        return command(
            service, connection_id, by=step.by, expected_version=version, idempotency_key=step.key
        )

    return answer((await data.change(work)).connection)


@router.post("/{connection_id}/activate", responses={200: A_CONNECTION})
async def activate(connection_id: str, step: TheStep, data: Data) -> JSONResponse:
    """Accept the offer. Only the destination may, and only while it is pending."""
    return await take(ConnectionService.activate, connection_id, step, data)


@router.post("/{connection_id}/deactivate", responses={200: A_CONNECTION})
async def deactivate(connection_id: str, step: TheStep, data: Data) -> JSONResponse:
    """Withdraw. Either party may, while it is pending or active."""
    return await take(ConnectionService.deactivate, connection_id, step, data)


@router.post("/{connection_id}/reactivate", responses={200: A_CONNECTION})
async def reactivate(connection_id: str, step: TheStep, data: Data) -> JSONResponse:
    """Offer again. Only the source may, and the destination has to accept again."""
    return await take(ConnectionService.reactivate, connection_id, step, data)


@router.get("/{connection_id}", responses={200: A_CONNECTION})
async def get(connection_id: str, caller: Caller, data: Data) -> JSONResponse:
    """A Connection of the caller's organization."""
    return answer(await data.ask(lambda service: service.get(connection_id, by=caller)))


@router.get("/{connection_id}/history")
async def history(connection_id: str, caller: Caller, data: Data) -> JSONResponse:
    """What happened to it, oldest first."""
    events = await data.ask(lambda service: service.history(connection_id, by=caller))
    return JSONResponse({"data": [event.model_dump(mode="json") for event in events]})


@router.get("")
async def list_connections(
    request: Request,
    caller: Caller,
    data: Data,
    status: Annotated[Status | None, Query(alias="filter[status]")] = None,
    destination: Annotated[
        OrganizationId | None, Query(alias="filter[destination-organization-id]")
    ] = None,
    direction: Annotated[Direction | None, Query(alias="filter[direction]")] = None,
    actionable: Annotated[Action | None, Query(alias="filter[actionable]")] = None,
    after: Annotated[str | None, Query(alias="page[after]")] = None,
    before: Annotated[str | None, Query(alias="page[before]")] = None,
    size: Annotated[int, Query(alias="page[size]", ge=1, le=100)] = 10,
) -> JSONResponse:
    """The Connections of the caller's organization, newest first, page by page."""
    if after is not None and before is not None:
        raise HTTPException(400, "Give page[after] or page[before], not both.")
    page = await data.ask(
        lambda service: service.list(
            by=caller,
            status=status,
            destination=destination,
            direction=direction,
            actionable=actionable,
            after=after,
            before=before,
            limit=size,
        )
    )

    def link(name: str, cursor: str | None) -> str | None:
        others = request.url.remove_query_params(["page[after]", "page[before]"])
        there = others.include_query_params(**{name: cursor})
        return None if cursor is None else f"{there.path}?{there.query}"

    newer, older = link("page[before]", page.prev), link("page[after]", page.next)
    for error in page.unreadable:
        log.error("left out of a list: %s", error)
    return JSONResponse(list_document(page, prev=newer, next=older))


#: Stands for the data that your service shares, by the organization that it belongs to.
INQUIRIES: Final = {"org_ABC123": [{"type": "inquiry", "id": "inq_1"}]}


@router.get("/{connection_id}/inquiries")
async def inquiries(connection_id: str, caller: Caller, data: Data) -> JSONResponse:
    """The source's inquiries, if the caller may read them through this Connection now."""

    def read(service: ConnectionService) -> list[dict[str, str]]:
        connection = service.get(connection_id, by=caller)
        authorize_access(caller, "inquiry.read", connection)
        return INQUIRIES.get(connection.source_organization_id, [])

    return JSONResponse({"data": await data.ask(read)})
