"""``connect-core keys``: create, list and revoke the keys with which clients of `serve` call.

They are for whoever operates the database, so that no command asks who acts. A key's secret is
written once, to stdout, and can never be shown again.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, get_args

import typer
from rich.console import RenderableType
from rich.text import Text

from connect_core import ActorId, ActorType, OrganizationId
from connect_core.adapters.cli.commands import checked_name
from connect_core.adapters.cli.options import DatabaseOption, JsonOption, checked, one_of
from connect_core.adapters.cli.output import (
    instant,
    labelled,
    shown,
    table_or_blocks,
    tabular,
    write,
    write_json,
    write_text,
)
from connect_core.history import utc_now
from connect_core.jsonapi import Representation

if TYPE_CHECKING:
    from connect_core.adapters.sql import ApiKey, ApiKeys

keys: Final = typer.Typer(
    help="The keys with which clients of connect-core serve call.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is not a time such as 90d, 12h, 30m or 45s, with six digits at most."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@keys.command()
def create(
    organization: Annotated[
        OrganizationId,
        typer.Option(
            parser=checked(OrganizationId),
            metavar="ORGANIZATION",
            help="The organization for which its holder acts.",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(parser=checked(checked_name), metavar="TEXT", help="A name to know it by."),
    ] = None,
    actor: Annotated[
        str, one_of(list(ActorType), "Whether a person or a program acts with it.")
    ] = ActorType.API_KEY.value,
    expires: Annotated[
        timedelta | None,
        typer.Option(
            parser=_duration,
            metavar="TIME",
            show_default="never",
            help="How long it can be used, such as 90d or 12h.",
        ),
    ] = None,
    representation: Annotated[
        Representation | None,
        one_of(get_args(Representation), "The form of its documents, if not that of the server."),
    ] = None,
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Create a key, and print its token, once.

    If the token cannot be printed, the key is revoked again.
    """
    from connect_core.adapters.cli.database import opened, say_what_is_new
    from connect_core.adapters.sql import ApiKeys

    with opened(database, changes=True, on_creation=say_what_is_new) as engine:
        kept = ApiKeys(engine)
        prepare(kept)
        key, token = kept.create(
            organization,
            name=name,
            actor=actor,
            expires_in=expires,
            representation=representation,
        )
        try:
            if as_json:
                write_json({"data": {**_documented(key), "token": token}}, done=_done(key))
            else:
                write_text(token, done=_done(key))
        except BaseException:
            _take_back(kept, key)
            raise
    write(f"{_done(key)}. Keep its token now: it is not shown again.", err=True)


def prepare(kept: "ApiKeys") -> None:
    """Create the tables of keys and of sessions if they are absent, and say so on stderr."""
    absent = kept.absent_tables()
    if absent:
        kept.create_tables()
        noun = "table" if len(absent) == 1 else "tables"
        write(f"Created the {noun} {' and '.join(absent)}.", err=True)


def _has_keys(kept: "ApiKeys") -> bool:
    """Whether there is a table of keys. An earlier version made no table of sessions beside it."""
    from connect_core.adapters.sql import api_keys

    return api_keys.name not in kept.absent_tables()


def _done(key: "ApiKey") -> str:
    return f"Created the key {key.id} of {key.organization_id}"


def _take_back(kept: "ApiKeys", key: "ApiKey") -> None:
    """Revoke a key whose token nobody has got, or say that this failed, too."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        kept.revoke(key.id)
    except SQLAlchemyError:
        write(f"It could not be revoked: do it with connect-core keys revoke {key.id}.", err=True)
    else:
        write("The key is revoked, because nobody has its token.", err=True)


@keys.command("list")
def list_(
    organization: Annotated[
        OrganizationId | None,
        typer.Option(
            parser=checked(OrganizationId),
            metavar="ORGANIZATION",
            help="Only the keys of this organization.",
        ),
    ] = None,
    database: DatabaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the keys, newest first, without their secrets."""
    from connect_core.adapters.cli.database import opened
    from connect_core.adapters.sql import ApiKeys

    with opened(database) as engine:
        kept = ApiKeys(engine)
        found: Sequence[ApiKey] = ()
        if _has_keys(kept):
            found = kept.list(organization, on_invalid=_leave_out)
    if as_json:
        write_json({"data": [_documented(key) for key in found]})
    elif not found:
        write("There are none.")
    else:
        write(*_listed(found))


def _leave_out(error: Exception) -> None:
    write(shown(f"Left out: {error}"), err=True)


def _key_id(text: str) -> ActorId:
    """The id of a key. A token, which begins with it, will do; the secret is not repeated."""
    return ActorId(text.partition(".")[0])


@keys.command()
def revoke(
    key_id: Annotated[
        ActorId, typer.Argument(metavar="ID", parser=checked(_key_id), help="The key's id.")
    ],
    database: DatabaseOption = "",
) -> None:
    """Let a key be used no more."""
    from connect_core.adapters.cli.database import opened
    from connect_core.adapters.sql import ApiKeys

    with opened(database, changes=True) as engine:
        kept = ApiKeys(engine)
        there = _has_keys(kept) and kept.revoke(key_id)
    if not there:
        write(f"There is no key {key_id}. Check the id, and the database.", err=True)
        raise typer.Exit(1)
    write(f"Revoked {key_id}.", done=f"Revoked {key_id}")


# --- For people ----------------------------------------------------------------------------------


def _documented(key: "ApiKey") -> dict[str, object]:
    return {**key.model_dump(mode="json"), "status": key.status(utc_now()).value}


def _listed(found: Sequence["ApiKey"]) -> Sequence[RenderableType]:
    table = tabular("key", "status", "acts for")
    for key in found:
        lines = [Text(key.organization_id), *_names(key)]
        lines += [Text(f"{label} {text}") for label, text in _facts(key)]
        named = f"{key.id}\n{instant(key.created_at)}"
        table.add_row(named, key.status(utc_now()), Text("\n").join(lines))
    least = max(len(key.organization_id) for key in found)
    return table_or_blocks(table, map(_block, found), least=least)


def _block(key: "ApiKey") -> RenderableType:
    return labelled(
        [
            ("key", key.id),
            ("created", f"{instant(key.created_at)} UTC"),
            ("status", key.status(utc_now())),
            ("acts for", key.organization_id),
            *(("name", name) for name in _names(key)),
            *_facts(key),
        ]
    )


def _names(key: "ApiKey") -> list[Text]:
    """The name of a key, if it has one. It may be broken anywhere."""
    return [Text(shown(key.name), overflow="fold")] if key.name else []


def _facts(key: "ApiKey") -> Iterator[tuple[str, str]]:
    """What else is known of a key, as labels and texts."""
    for label, at in (
        ("expires", key.expires_at),
        ("revoked", key.revoked_at),
        ("last used", key.last_used_at),
    ):
        if at is not None:
            yield label, f"{instant(at)} UTC"
    if key.representation is not None:
        yield "documents", key.representation
