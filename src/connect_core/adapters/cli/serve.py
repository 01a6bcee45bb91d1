"""``connect-core serve``: the API and the Dashboard on a database, behind uvicorn.

It serves plain HTTP, and so listens to this machine only, unless TLS is in front. What it serves
is in `connect_core.adapters.cli.serving`; that module, uvicorn and SQLAlchemy are imported when the
command runs.
"""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from connect_core.adapters.cli.keys import prepare
from connect_core.adapters.cli.options import DATABASE_VARIABLE, DatabaseOption, one_of
from connect_core.adapters.cli.output import write, write_text
from connect_core.adapters.cli.signals import stopping
from connect_core.history import utc_now
from connect_core.jsonapi import Representation

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: How long requests that are under way may take after the signal to stop, in seconds.
GRACE: Final = 30
#: How long an idle connection stays open, in seconds. It is longer than nginx (60) and Caddy (120)
#: keep theirs, so that they send no request over one that is being closed.
KEEP_ALIVE: Final = 130
#: How long a worker may take to answer whether it is alive, in seconds; it is replaced if it does
#: not. It answers only once it has started, which takes a while if the machine is busy. Uvicorn
#: waits as long for one that is killed while it is being asked, and handles no signal meanwhile.
WORKER_PATIENCE: Final = 20
#: How many connections wait for their turn at most.
_BACKLOG: Final = 2048


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen at.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="PORT", help="The port; 0 for any free one.")
    ] = 8000,
    representation: Annotated[
        Representation, one_of(get_args(Representation), "The form of the documents.")
    ] = "guide",
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="How many processes.")] = 1,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="The prefix that a proxy in front strips.")
    ] = "",
    tls_in_front: Annotated[
        bool, typer.Option("--tls-in-front", help="Listen to other machines, too.")
    ] = False,
    no_extensions: Annotated[
        bool, typer.Option("--no-extensions", help="Serve the published operations only.")
    ] = False,
    names: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="The names of organizations for the Dashboard: JSON, by id."
        ),
    ] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="On a temporary database, with keys and Connections.")
    ] = False,
    database: DatabaseOption = "",
) -> None:
    """Serve the HTTP API and the Dashboard until it is stopped."""
    import uvicorn

    from connect_core.adapters.cli.serving import LOGS, Settings, application_on

    prefix = _prefix(root_path)
    if demo and database not in ("", os.environ.get(DATABASE_VARIABLE)):
        raise typer.BadParameter(
            "it has a database of its own; leave out this or --database.", param_hint="'--demo'"
        )
    _check_names(names)
    address = _address(host, port, tls_in_front=tls_in_front)
    with stopping(), _listening(*address) as listening, _opened(database, demo=demo) as engine:
        url = _url_of(listening)
        if demo:
            names = names or _written_names(engine)
            _introduce(engine, url)
        else:
            _announce(engine, url)
        settings = Settings(
            database=engine.url.render_as_string(hide_password=False),
            representation=representation,
            extensions=not no_extensions,
            names=names,
        )
        options: dict[str, Any] = {
            "access_log": False,
            "backlog": _BACKLOG,
            "lifespan": "off",
            "log_config": LOGS,
            "proxy_headers": False,
            "root_path": prefix,
            "server_header": False,
            "timeout_graceful_shutdown": GRACE,
            "timeout_keep_alive": KEEP_ALIVE,
            "ws": "none",
        }
        if workers == 1:
            config = uvicorn.Config(application_on(engine, settings), **options)
            uvicorn.Server(config).run(sockets=[listening])
            return
        # The processes open the port themselves, and have connections of their own.
        place = listening.getsockname()
        listening.close()
        engine.dispose()
        settings.publish()
        uvicorn.run(
            "connect_core.adapters.cli.serving:application",
            factory=True,
            host=place[0],
            port=place[1],
            workers=workers,
            timeout_worker_healthcheck=WORKER_PATIENCE,
            **options,
        )


# --- Where it listens ----------------------------------------------------------------------------


def _prefix(root_path: str) -> str:
    prefix = root_path.rstrip("/")
    if prefix and (not prefix.startswith("/") or {"?", "#", "%"} & {*prefix} or " " in prefix):
        raise typer.BadParameter(
            f"{root_path!r} is not a path such as /connect.", param_hint="'--root-path'"
        )
    return prefix


def _address(host: str, port: int, *, tls_in_front: bool) -> tuple[socket.AddressFamily, Any]:
    """The address to listen at.

    Raises:
        typer.BadParameter: there is no such host, or other machines could reach it.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a host's name"
        raise typer.BadParameter(f"{host!r}: {reason}.", param_hint="'--host'") from None
    if not tls_in_front and not all(ip_address(each[4][0]).is_loopback for each in found):
        raise typer.BadParameter(
            f"other machines can reach {host}, and keys would cross the network in clear text."
            " Listen at 127.0.0.1 behind a proxy that speaks TLS on this machine; or, if one on"
            " another machine is in front, say so with --tls-in-front.",
            param_hint="'--host'",
        )
    family, _, _, _, address = found[0]
    return family, address


@contextmanager
def _listening(family: socket.AddressFamily, address: Any) -> Generator[socket.socket]:
    """A socket at which connections wait until they are accepted."""
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            raise typer.BadParameter(
                f"cannot listen at {address[0]} port {address[1]}: {error.strerror}. Stop what"
                " listens there, or give another --port.",
                param_hint="'--port'",
            ) from None
        yield listening


def _url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# --- What it serves ------------------------------------------------------------------------------


@contextmanager
def _opened(database: str, *, demo: bool) -> "Generator[Engine]":
    """The engine of the database, which is created if it is absent; temporary for a demo."""
    from connect_core.adapters.cli.database import opened, say_what_is_new
    from connect_core.adapters.sql import ApiKeys

    if demo:
        with (
            TemporaryDirectory(prefix="connect-core-") as place,
            opened(f"{place}/demo.db", on_creation=lambda _: None) as engine,
        ):
            ApiKeys(engine).create_tables()
            yield engine
        return
    with opened(database, changes=True, on_creation=say_what_is_new) as engine:
        prepare(ApiKeys(engine))
        yield engine


def _check_names(path: str) -> None:
    """Refuse a file that has no names of organizations.

    Raises:
        typer.BadParameter: it cannot be read, or is not such a file.
    """
    from connect_core.adapters.cli.serving import names_in

    if not path:
        return
    try:
        names_in(path)
    except OSError as error:
        reason = error.strerror
    except ValueError as error:
        reason = str(error)
    else:
        return
    raise typer.BadParameter(
        f"{path!r}: {reason}. Give a file with a JSON object, the names of organizations by their"
        ' ids, such as {"org_ABC123": "Example Bank"}.',
        param_hint="'--names'",
    )


def _written_names(engine: "Engine") -> str:
    """The path of a file with the names of a demo's organizations, beside its database."""
    from connect_core.adapters.cli.sample import NAMES

    path = Path(str(engine.url.database)).with_name("names.json")
    path.write_text(json.dumps(NAMES), encoding="utf-8")
    return str(path)


def _announce(engine: "Engine", url: str) -> None:
    """Say where it listens, which database it has, and how to get the first key."""
    from connect_core.adapters.cli.database import in_words
    from connect_core.adapters.sql import ApiKeys, KeyStatus

    now = utc_now()
    keys = ApiKeys(engine).list(on_invalid=lambda _: None)
    usable = any(key.status(now) is KeyStatus.ACTIVE for key in keys)
    hint = (
        "There is no key that can be used yet, so that nobody can call or sign in. Create one, with"
        " the same --database: connect-core keys create --organization org_ABC123"
    )
    write(
        f"Listening at {url}\nDashboard: {url}/connections\nDatabase: {in_words(engine.url)}",
        *([] if usable else [hint]),
    )


def _introduce(engine: "Engine", url: str) -> None:
    """Fill a demo's database, and say what can be tried."""
    from connect_core.adapters.cli.sample import filled

    write_text(filled(engine).described(url))
