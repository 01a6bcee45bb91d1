"""People who run commands on a database, and what the database holds afterwards."""

from typing import Any, NamedTuple, cast

from rich.cells import cell_len
from sqlalchemy import URL, Update, create_engine, select, text
from support import OUR_KEY, PARTNER, STRANGER
from terminal import refusal, refusal_json, run, run_json

from connect_core import Actor
from connect_core.adapters.sql import metadata, open_engine

OURS, THEIRS, OTHERS = (
    f"{each.id}@{each.organization_id}" for each in (OUR_KEY, PARTNER, STRANGER)
)
QUESTIONS = [["list"], ["show", "ID"], ["history", "ID"], ["check", "ID", "inquiry.read"]]
CHANGES = [["activate", "ID"], ["deactivate", "ID"], ["reactivate", "ID"]]
#: An id that no Connection has, with the length of a minted id.
NOBODYS = "cxn_" + "z" * 28


class Person(NamedTuple):
    """Somebody who runs commands on a database. Every answer must fit into 80 columns."""

    actor: Actor
    database: str

    def _complete(self, arguments: tuple[str, ...]) -> list[str]:
        who = f"{self.actor.id}@{self.actor.organization_id}"
        return [*arguments, "--as", who, "--database", self.database]

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """The answer on stdout."""
        return fitting(run(*self._complete(arguments), code=code, stdin=b"", **variables))

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same as JSON."""
        return run_json(*self._complete(arguments), code=code)

    def refused(self, *arguments: str) -> str:
        """The refusal on stderr. It changes nothing."""
        before = kept(self.database)
        message = fitting(refusal(*self._complete(arguments)))
        assert kept(self.database) == before
        return message

    def refused_json(self, *arguments: str) -> Any:
        """The same as JSON."""
        return refusal_json(*self._complete(arguments))

    def create(self, *arguments: str) -> str:
        """The id of a new Connection, by default with the partner."""
        found = self.json("create", *(arguments or [PARTNER.organization_id]))
        return str(found["data"]["id"])

    def status(self, connection_id: str) -> str:
        """The status of a Connection."""
        return str(self.json("show", connection_id)["data"]["attributes"]["status"])


class People(NamedTuple):
    """The two parties of the story, and an outsider."""

    source: Person
    destination: Person
    outsider: Person

    @classmethod
    def on(cls, place: str) -> "People":
        """The people of the story on this database, which is created if it is absent."""
        create_tables(place)
        return cls(*(Person(actor, place) for actor in (OUR_KEY, PARTNER, STRANGER)))

    def connection(self, status: str = "pending") -> str:
        """The id of the story's Connection, taken to `status`."""
        connection_id = self.source.create(PARTNER.organization_id, "--name", "Partner Connection")
        if status == "active":
            self.destination.run("activate", connection_id)
        if status == "inactive":
            self.source.run("deactivate", connection_id)
        return connection_id


def create_tables(place: str) -> None:
    """Create a database, and its tables, without a word."""
    open_engine(place if "://" in place else URL.create("sqlite", database=place)).dispose()


def in_words(value: object) -> str | None:
    """The test id of a parameter that is a command line; pytest names the others."""
    return " ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else None


def fitting(written: str) -> str:
    """The text, after checking that no line exceeds 80 columns or ends in spaces."""
    assert [
        line for line in written.splitlines() if cell_len(line) > 80 or line != line.rstrip()
    ] == []
    return written


def kept(place: str) -> list[list[str]]:
    """Every row in a database."""
    engine = create_engine(place if "://" in place else f"sqlite:///{place}")
    with engine.connect() as connection:
        found = [
            sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables
        ]
    engine.dispose()
    return found


def spoil(place: str, statement: str | Update) -> None:
    """Change stored data without any check."""
    engine = create_engine(place if "://" in place else f"sqlite:///{place}")
    with engine.begin() as connection:
        connection.execute(text(statement) if isinstance(statement, str) else statement)
    engine.dispose()


def second(document: Any, member: str) -> str:
    """A time in a document, as the command line shows it."""
    return str(document["data"]["attributes"][member])[:19].replace("T", " ")


def guides(document: Any) -> Any:
    """The guide's own document, without the ``meta`` that the command line adds."""
    return {"data": {name: value for name, value in document["data"].items() if name != "meta"}}


def card(document: Any, version: int, way: str = "") -> str:
    """What the command line shows of the story's Connection."""
    attributes = document["data"]["attributes"]
    return (
        f"id           {document['data']['id']}\n"
        f"name         {attributes['name'] or '(none)'}\n"
        f"status       {attributes['status']}\n"
        f"version      {version}\n"
        f"source       org_ABC123\n"
        f"destination  org_DEF456\n"
        f"scopes       {', '.join(attributes['scopes'])}\n"
        f"creator      api_ABC123\n"
        f"created      {second(document, 'created-at')} UTC\n"
        f"updated      {second(document, 'updated-at')} UTC\n"
        f"{way}"
    )


ONCE_ACCEPTED = "to active    the destination must activate it (org_DEF456): pending -> active\n"


def filled(arguments: list[str], connection_id: str) -> list[str]:
    return [connection_id if each == "ID" else each for each in arguments]
