"""The commands on a database: what each says, where it says it, and what it leaves behind."""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs
from warnings import catch_warnings, simplefilter

import pytest
from databases import database, postgresql
from oracle import BOTH, DESTINATION, EXISTING, OUTSIDER, SOURCE, Verdict
from rich.cells import cell_len
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session
from support import OUR_KEY, PARTNER, STRANGER
from terminal import (
    complaint,
    decoloured,
    on_a_terminal,
    outcome,
    refusal,
    refusal_json,
    run,
    run_json,
    seeded,
    squeezed,
)

from connect_core import (
    Action,
    Actor,
    Cell,
    ConnectionEvent,
    Status,
    actions,
    connection_document,
    decide_access,
    decision_table,
    parse_connection,
    replay,
)
from connect_core.adapters.cli.database import opened, seeing_one_state
from connect_core.adapters.sql import connections, metadata
from connect_core.scopes import MAX_SCOPES

OURS, THEIRS, OTHERS = (
    f"{each.id}@{each.organization_id}" for each in (OUR_KEY, PARTNER, STRANGER)
)
QUESTIONS = [["list"], ["show", "ID"], ["history", "ID"], ["check", "ID", "inquiry.read"]]
CHANGES = [["activate", "ID"], ["deactivate", "ID"], ["reactivate", "ID"]]
#: An id that no Connection has, as long as those that are minted.
NOBODYS = "cxn_" + "z" * 28


class Person(NamedTuple):
    """Somebody who acts on a database, whose answers fit into 80 columns."""

    actor: Actor
    database: str

    def _complete(self, arguments: tuple[str, ...]) -> list[str]:
        who = f"{self.actor.id}@{self.actor.organization_id}"
        return [*arguments, "--as", who, "--database", self.database]

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """What is answered on stdout."""
        return fitting(run(*self._complete(arguments), code=code, stdin=b"", **variables))

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The same as JSON."""
        return run_json(*self._complete(arguments), code=code)

    def refused(self, *arguments: str) -> str:
        """The refusal on stderr. It changes nothing."""
        before = kept(self.database)
        told = fitting(refusal(*self._complete(arguments)))
        assert kept(self.database) == before
        return told

    def refused_json(self, *arguments: str) -> Any:
        """The same as JSON."""
        return refusal_json(*self._complete(arguments))

    def create(self, *arguments: str) -> str:
        """The id of a new Connection; with the partner, if nobody else is named."""
        found = self.json("create", *(arguments or [PARTNER.organization_id]))
        return str(found["data"]["id"])

    def status(self, connection_id: str) -> str:
        """Where a Connection stands."""
        return str(self.json("show", connection_id)["data"]["attributes"]["status"])


class People(NamedTuple):
    """The two organizations of the story, and one that has nothing to do with it."""

    source: Person
    destination: Person
    outsider: Person

    @classmethod
    def on(cls, place: str) -> "People":
        """The people of the story on this database."""
        return cls(*(Person(actor, place) for actor in (OUR_KEY, PARTNER, STRANGER)))

    def connection(self, status: str = "pending") -> str:
        """The id of the story's Connection, taken to `status`."""
        connection_id = self.source.create(PARTNER.organization_id, "--name", "Partner Connection")
        if status == "active":
            self.destination.run("activate", connection_id)
        if status == "inactive":
            self.source.run("deactivate", connection_id)
        return connection_id


@pytest.fixture(params=["sqlite-file", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    """The people, on an empty database of each kind."""
    with database(request.param, tmp_path) as url:
        yield People.on(url.render_as_string(hide_password=False))


@pytest.fixture
def people(tmp_path: Path) -> People:
    """The people, on a SQLite file that does not exist yet."""
    return People.on(str(tmp_path / "connections.db"))


def in_words(value: object) -> str | None:
    """The id of a parameter that is a command line; others get pytest's."""
    return " ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else None


def fitting(written: str) -> str:
    """The text, which is at most 80 columns wide and has no blanks at the ends of its lines."""
    assert [
        line for line in written.splitlines() if cell_len(line) > 80 or line != line.rstrip()
    ] == []
    return written


def kept(place: str) -> list[list[str]]:
    """Everything that is in a database, whatever it means."""
    engine = create_engine(place if "://" in place else f"sqlite:///{place}")
    with engine.connect() as connection:
        found = [
            sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables
        ]
    engine.dispose()
    return found


def spoil(place: str, statement: str) -> None:
    """Change what is stored, past all rules."""
    engine = create_engine(place if "://" in place else f"sqlite:///{place}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def second(document: Any, member: str) -> str:
    """A time of a document, as people are shown it."""
    return str(document["data"]["attributes"][member])[:19].replace("T", " ")


def card(document: Any, version: int, way: str = "") -> str:
    """What is shown of the story's Connection."""
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
ONCE_OFFERED_AGAIN = (
    "to active    the source must reactivate it (org_ABC123): inactive -> pending\n"
    "             the destination must activate it (org_DEF456): pending -> active\n"
)


def filled(arguments: list[str], connection_id: str) -> list[str]:
    return [connection_id if each == "ID" else each for each in arguments]


class TestTheStory:
    """A life of a Connection, on each database; what is told is what is stored."""

    def test_from_the_offer_to_the_second_acceptance(self, anywhere: People) -> None:
        source, destination, _ = anywhere
        named = ["--name", "Partner Connection"]
        written = source.run("create", "org_DEF456", *named)
        connection_id = written.splitlines()[2].split()[-1]
        steps = [
            (destination, "activate", ""),
            (source, "deactivate", ONCE_OFFERED_AGAIN),
            (source, "reactivate", ONCE_ACCEPTED),
            (destination, "activate", ""),
        ]
        document = source.json("show", connection_id)
        assert written == f"Created\n\n{card(document, 1, ONCE_ACCEPTED)}"
        for version, (who, action, way) in enumerate(steps, 2):
            written = who.run(action, connection_id)
            document = source.json("show", connection_id)
            assert written == f"{action.capitalize()}d\n\n{card(document, version, way)}"
            assert destination.json("show", connection_id) == document
        assert document["data"]["attributes"]["status"] == "active"
        assert document["data"]["attributes"]["name"] == "Partner Connection"

    def test_in_json_it_is_the_guides_document(self, anywhere: People) -> None:
        created = anywhere.source.json("create", "org_DEF456", "--name", "Partner Connection")
        attributes: dict[str, object] = dict(created["data"]["attributes"])
        assert re.fullmatch(r"cxn_\w{28}", str(attributes.pop("token")))
        assert attributes.pop("created-at") == attributes.pop("updated-at")
        assert attributes == {
            "name": "Partner Connection",
            "status": "pending",
            "organization-id": "org_ABC123",
            "destination-organization-id": "org_DEF456",
            "scopes": ["account.read", "inquiry.read"],
            "creator-id": "api_ABC123",
            "creator-type": "api-key",
        }
        for who, action, status in (
            (anywhere.destination, "activate", "active"),
            (anywhere.destination, "deactivate", "inactive"),
            (anywhere.source, "reactivate", "pending"),
        ):
            document = who.json(action, created["data"]["id"])
            assert document == who.json("show", created["data"]["id"])
            assert document["data"]["attributes"]["status"] == status

    def test_the_history_leads_to_what_is_stored(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        told = anywhere.destination.json("history", connection_id)
        assert list(told) == ["data"]
        connection = replay(ConnectionEvent.model_validate(event) for event in told["data"])
        assert connection_document(connection) == anywhere.source.json("show", connection_id)
        assert connection.version == 2
        first, latest = (second_of(event) for event in told["data"])
        assert anywhere.source.run("history", connection_id) == (
            "v  when (UTC)           action    before   after    who         role\n"
            "───────────────────────────────────────────────────────────────────────────\n"
            f"1  {first}  create    (none)   pending  api_ABC123  source\n"
            f"2  {latest}  activate  pending  active   usr_Rk3v    destination\n"
        )

    def test_data_may_be_read_while_it_is_active(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        question = ["check", connection_id, "inquiry.read"]
        assert anywhere.destination.run(*question) == (
            "allowed    The destination may read it while the Connection is active.\n"
        )
        anywhere.source.run("deactivate", connection_id)
        assert anywhere.destination.run(*question, code=1).startswith("denied     not active\n")

    def test_a_refusal_changes_nothing(self, anywhere: People) -> None:
        connection_id = anywhere.connection()
        told = anywhere.source.refused("activate", connection_id)
        assert told.startswith(f"api_ABC123 of org_ABC123 may not activate {connection_id}: ")
        assert anywhere.source.status(connection_id) == "pending"

    def test_each_database_is_a_world_of_its_own(self, anywhere: People, tmp_path: Path) -> None:
        connection_id = anywhere.connection()
        elsewhere = People.on(str(tmp_path / "another.db"))
        assert elsewhere.source.run("list") == "There are none.\n"
        assert "is to be found" in elsewhere.source.refused("show", connection_id)


def second_of(event: Any) -> str:
    """When an event happened, as people are shown it."""
    return str(event["occurred_at"])[:19].replace("T", " ")


#: What helps, by status, action and roles; without a remedy, what makes the Connection active.
WAYS = {
    ("pending", "activate", SOURCE): [
        "to active  the destination must activate it (org_DEF456): pending -> active",
    ],
    ("pending", "reactivate", SOURCE): [
        "remedy     the source or the destination must deactivate it (org_ABC123,",
        "           org_DEF456): pending -> inactive",
    ],
    ("pending", "reactivate", DESTINATION): [
        "to active  the destination must activate it (org_DEF456): pending -> active",
    ],
    ("active", "activate", SOURCE): [],
    ("active", "activate", DESTINATION): [
        "remedy     the source or the destination must deactivate it (org_ABC123,",
        "           org_DEF456): active -> inactive",
        "           the source must reactivate it (org_ABC123): inactive -> pending",
    ],
    ("active", "reactivate", SOURCE): [
        "remedy     the source or the destination must deactivate it (org_ABC123,",
        "           org_DEF456): active -> inactive",
    ],
    ("active", "reactivate", DESTINATION): [],
    ("inactive", "activate", SOURCE): [
        "to active  the source must reactivate it (org_ABC123): inactive -> pending",
        "           the destination must activate it (org_DEF456): pending -> active",
    ],
    ("inactive", "activate", DESTINATION): [
        "remedy     the source must reactivate it (org_ABC123): inactive -> pending",
    ],
    ("inactive", "deactivate", SOURCE): [
        "remedy     the source must reactivate it (org_ABC123): inactive -> pending",
    ],
    ("inactive", "deactivate", DESTINATION): [
        "remedy     the source must reactivate it (org_ABC123): inactive -> pending",
    ],
    ("inactive", "reactivate", DESTINATION): [
        "to active  the source must reactivate it (org_ABC123): inactive -> pending",
        "           the destination must activate it (org_DEF456): pending -> active",
    ],
}


class TestRefusals:
    """A refusal says why and who has to do what, on stderr, with exit code 1; nothing changes."""

    @pytest.mark.parametrize(
        "verdict",
        [each for each in EXISTING if each.action is not Action.CREATE and each.roles != BOTH],
        ids=str,
    )
    def test_every_cell_of_the_matrix(self, verdict: Verdict, people: People) -> None:
        connection_id = people.connection(verdict.status or "")
        who = {SOURCE: people.source, DESTINATION: people.destination, OUTSIDER: people.outsider}
        person = who[verdict.roles]
        if verdict.target is not None:
            person.run(verdict.action, connection_id)
            assert people.source.status(connection_id) == verdict.target
            return
        told = person.refused(verdict.action, connection_id)
        if not verdict.roles:
            assert squeezed(told) == not_found(connection_id)
            return
        decision = decision_table()[Cell(verdict.status, verdict.action, verdict.roles)]
        why, _, way = told.partition("\n\n")
        assert squeezed(why) == (
            f"{person.actor.id} of {person.actor.organization_id} may not {verdict.action} "
            f"{connection_id}: {decision.explanation} {decision.advice}"
        )
        due = WAYS[verdict.status or "", verdict.action.value, verdict.roles]
        assert way.splitlines() == due

    def test_in_json_it_is_an_error_document(self, people: People) -> None:
        connection_id = people.connection()
        why = "Only the destination may activate a Connection, and the actor acts for the source."
        assert people.source.refused_json("activate", connection_id) == {
            "errors": [
                {
                    "title": "Forbidden",
                    "details": (
                        f"api_ABC123 of org_ABC123 may not activate {connection_id}: {why} "
                        "It is for the destination to activate it."
                    ),
                    "meta": {"code": "wrong_role"},
                }
            ]
        }

    @pytest.mark.parametrize(
        ("status", "way"),
        [
            (
                "pending",
                ["to active  the destination must activate it (org_DEF456): pending -> active"],
            ),
            ("active", []),
            (
                "inactive",
                [
                    "to active  the source must reactivate it (org_ABC123): inactive -> pending",
                    "           the destination must activate it (org_DEF456): pending -> active",
                ],
            ),
        ],
    )
    def test_there_is_only_ever_one(self, status: str, way: list[str], people: People) -> None:
        connection_id = people.connection(status)
        why, _, told = people.source.refused("create", "org_DEF456").partition("\n\n")
        assert squeezed(why).startswith(
            f"A Connection from this source to this destination exists already and is {status}"
        )
        assert f" It is {connection_id}. " in squeezed(why)
        assert told.splitlines() == way

    def test_the_other_way_round_is_another_one(self, people: People) -> None:
        there = people.connection()
        back = people.destination.create("org_ABC123")
        assert there != back
        assert people.source.status(there) == people.source.status(back) == "pending"

    def test_with_itself_only_on_request(self, people: People) -> None:
        assert people.source.run("list") == "There are none.\n"
        assert people.source.refused("create", "org_ABC123") == (
            "The source and the destination are the same organization. Both are org_ABC123.\n"
            "Name another destination, or ask for it with --allow-self (for sandboxes).\n"
        )
        (error,) = people.source.refused_json("create", "org_ABC123")["errors"]
        assert error["meta"] == {"code": "self_connection"}
        own = people.source.create("org_ABC123", "--allow-self")
        assert people.source.run("activate", own).startswith("Activated\n")
        told = people.source.refused("activate", own).split("\n\n")[1]
        assert told.splitlines() == [
            "remedy     the source or the destination must deactivate it (org_ABC123): active",
            "           -> inactive",
            "           the source must reactivate it (org_ABC123): inactive -> pending",
        ]


def not_found(connection_id: str) -> str:
    return (
        f"No Connection {connection_id} is to be found for your organization. "
        "Check the id, and the organization that you act for."
    )


class TestOutsiders:
    """A Connection that one may not know of cannot be told from one that does not exist."""

    @pytest.mark.parametrize("arguments", [*QUESTIONS[1:], *CHANGES], ids=lambda each: each[0])
    @pytest.mark.parametrize("status", list(Status))
    def test_get_the_same_answer(
        self, arguments: list[str], status: Status, people: People
    ) -> None:
        connection_id = people.connection(status)
        told, due = (
            people.outsider.refused(*filled(arguments, each)) for each in (connection_id, NOBODYS)
        )
        assert len(connection_id) == len(NOBODYS)
        assert told == due.replace(NOBODYS, connection_id)
        assert squeezed(told) == not_found(connection_id)
        told, due = (
            people.outsider.refused_json(*filled(arguments, each))
            for each in (connection_id, NOBODYS)
        )
        assert told == json.loads(json.dumps(due).replace(NOBODYS, connection_id))
        assert told["errors"][0]["details"] == not_found(connection_id)

    @pytest.mark.parametrize("option", ["--after", "--before"])
    def test_cannot_use_it_as_a_place_in_a_list(self, option: str, people: People) -> None:
        connection_id = people.connection()
        assert squeezed(people.outsider.refused("list", option, connection_id)) == not_found(
            connection_id
        )

    def test_have_an_empty_list(self, people: People) -> None:
        people.connection()
        assert people.outsider.run("list") == "There are none.\n"
        listed = people.outsider.json("list")
        assert (listed["data"], listed["links"]) == ([], {"prev": None, "next": None})
        assert list(listed) == ["data", "links"]


class TestCreate:
    """What is offered is what was asked for."""

    def test_without_a_name_or_scopes(self, people: People) -> None:
        document = people.source.json("create", "org_DEF456")
        assert document["data"]["attributes"]["name"] is None
        assert document["data"]["attributes"]["scopes"] == ["account.read", "inquiry.read"]
        told = people.source.run("show", document["data"]["id"])
        assert told.startswith(card(document, 1, ONCE_ACCEPTED) + "\n")

    def test_the_scopes_that_are_given_and_no_others(self, people: People) -> None:
        connection_id = people.source.create(
            "org_DEF456", "--scope", "report.read", "--scope", "case.read", "--scope", "case.read"
        )
        document = people.source.json("show", connection_id)
        assert document["data"]["attributes"]["scopes"] == ["case.read", "report.read"]
        assert "\nscopes       case.read, report.read\n" in people.source.run("show", connection_id)

    def test_as_many_scopes_as_there_can_be(self, people: People) -> None:
        names = [f"thing{number}.read" for number in range(MAX_SCOPES + 1)]
        every = [part for name in names for part in ("--scope", name)]
        told = complaint("create", "org_DEF456", *every, "--as", OURS)
        assert told.endswith(
            f"\n\nError: Invalid value for '--scope': at most {MAX_SCOPES} can be given.\n"
        )
        document = people.source.json("create", "org_DEF456", *every[2:])
        assert document["data"]["attributes"]["scopes"] == sorted(names[1:])


class TestNames:
    """Any name that a Connection can have is kept as it is, and shown without doing harm."""

    @pytest.mark.parametrize(
        ("name", "seen"),
        [
            ('Partner\'s "best"; DROP TABLE connections;--', None),
            ("🎉 Zażółć ñandú 中文", None),
            ("[bold]Partner[/bold] :sunny: [/] [link=x]", None),
            ("\\u202e {name} %s $HOME `id`", None),
            ("safe\u202eexe.\u2066txt\u2069", "safe\\u202eexe.\\u2066txt\\u2069"),
            ("zero\u200bwidth\ufeff\u00ad", "zero\\u200bwidth\\ufeff\\u00ad"),
            ("two\u2028lines\u2029", "two\\u2028lines\\u2029"),
            ("x" * 255, None),
            ("中" * 255, None),
        ],
        ids=["quotes", "emoji", "markup", "escapes", "bidi", "unseen", "lines", "long", "wide"],
    )
    def test_that_are_hostile(self, name: str, seen: str | None, people: People) -> None:
        connection_id = people.source.create("org_DEF456", "--name", name)
        document = people.source.json("show", connection_id)
        assert document["data"]["attributes"]["name"] == name
        history = people.source.json("history", connection_id)
        assert history["data"][0]["terms"]["name"] == name
        for arguments in (["show", connection_id], ["list"]):
            written = people.source.run(*arguments)
            assert "".join((seen or name).split()) in "".join(written.split())
            in_ascii = people.source.run(*arguments, PYTHONIOENCODING="ascii")
            assert in_ascii.isascii()
            assert "Partner" not in name or "Partner" in in_ascii

    def test_in_ascii_are_spelt_out(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", "--name", "ñ 中 🎉")
        written = people.source.run("show", connection_id, PYTHONIOENCODING="ascii")
        assert "\nname         \\xf1 \\u4e2d \\U0001f389\n" in written

    def test_in_ascii_json_loses_nothing(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", "--name", "ñ 中 🎉")
        arguments = ["show", connection_id, "--as", OURS, "--database", people.source.database]
        written = run(*arguments, "--json", stdin=b"", PYTHONIOENCODING="ascii")
        assert written.isascii()
        assert json.loads(written) == people.source.json("show", connection_id)

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("x" * 256, "a name has at most 255 characters; this has 256."),
            ("a\nb", "a name cannot hold the character U+000A."),
            ("\x1b[31mred", "a name cannot hold the character U+001B."),
            ("\udcff", "a name cannot hold the character U+DCFF."),
        ],
    )
    def test_that_a_connection_cannot_have(self, name: str, told: str, people: People) -> None:
        complained = complaint(
            "create", "org_DEF456", "--name", name, "--as", OURS, "--database", people[0].database
        )
        assert complained.endswith(f"\n\nError: Invalid value for '--name': {told}\n")
        assert not Path(people.source.database).exists()


class TestExpectedVersion:
    """A command that names a version is for that version of the Connection only."""

    def test_an_earlier_one_is_refused(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        told = anywhere.source.refused("deactivate", connection_id, "--expected-version", "1")
        assert squeezed(told) == (
            f"{connection_id} has changed: version 1 was expected, and it has version 2. "
            "Read it again and decide anew."
        )
        (error,) = anywhere.source.refused_json(
            "deactivate", connection_id, "--expected-version", "1"
        )["errors"]
        assert error["meta"] == {"code": "stale_connection"}
        assert anywhere.source.status(connection_id) == "active"

    @pytest.mark.parametrize(
        ("action", "status", "version"),
        [("activate", "pending", 1), ("deactivate", "active", 2), ("reactivate", "inactive", 2)],
    )
    def test_the_present_one_is_taken(
        self, action: str, status: str, version: int, people: People
    ) -> None:
        connection_id = people.connection(status)
        person = people.destination if action == "activate" else people.source
        later = [action, connection_id, "--expected-version"]
        assert " has changed: " in person.refused(*later, str(version + 1))
        written = person.run(*later, str(version))
        assert f"\nversion      {version + 1}\n" in written

    def test_does_not_hide_that_somebody_else_has_to_do_it(self, people: People) -> None:
        connection_id = people.connection()
        told = people.source.refused("activate", connection_id, "--expected-version", "7")
        assert "may not activate" in told


class TestIdempotencyKey:
    """A request that is repeated with its key gets its first outcome, and changes nothing."""

    KEY = ("--idempotency-key", "request-1")

    def test_creation_once(self, anywhere: People) -> None:
        arguments = ["create", "org_DEF456", "--name", "Partner Connection", *self.KEY]
        once = anywhere.source.run(*arguments)
        stored = kept(anywhere.source.database)
        assert anywhere.source.run(*arguments) == once
        assert kept(anywhere.source.database) == stored

    @pytest.mark.parametrize(
        ("action", "status", "undo"),
        [
            ("activate", "pending", "deactivate"),
            ("deactivate", "active", "reactivate"),
            ("reactivate", "inactive", "deactivate"),
        ],
    )
    def test_a_step_once(self, action: str, status: str, undo: str, people: People) -> None:
        connection_id = people.connection(status)
        person = people.destination if action == "activate" else people.source
        once = person.run(action, connection_id, *self.KEY)
        people.source.run(undo, connection_id)
        stored = kept(people.source.database)
        assert person.run(action, connection_id, *self.KEY) == once
        assert kept(people.source.database) == stored

    def test_refusals_included(self, anywhere: People) -> None:
        connection_id = anywhere.connection()
        arguments = ["activate", connection_id, *self.KEY]
        told = refusal(*arguments, "--as", OURS, "--database", anywhere.source.database)
        *_, keys = sorted(
            kept(anywhere.source.database), key=lambda rows: "wrong_role" in str(rows)
        )
        assert len(keys) == 1
        assert "'request-1'" in keys[0]
        assert anywhere.source.refused(*arguments) == told
        anywhere.destination.run("activate", connection_id)
        # The refusal is the first one; what would make the Connection active is asked anew.
        assert anywhere.source.refused(*arguments) == told.partition("\n\n")[0] + "\n"

    def test_refusals_for_the_version_included(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["deactivate", connection_id, "--expected-version", "2", *self.KEY]
        told = refusal(*arguments, "--as", OURS, "--database", people.source.database)
        people.destination.run("activate", connection_id)
        assert people.source.refused(*arguments) == told
        assert people.source.run("deactivate", connection_id, "--expected-version", "2")

    def test_is_for_one_request_only(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", *self.KEY)
        told = people.source.refused("deactivate", connection_id, *self.KEY)
        assert told == (
            "The idempotency key 'request-1' came with another request before, and nothing\n"
            "was done. Take a new key for a new request; repeat a request word for word.\n"
        )
        (error,) = people.source.refused_json("create", "org_B", *self.KEY)["errors"]
        assert error["meta"] == {"code": "idempotency_key_reused"}

    def test_is_an_organizations_own(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", *self.KEY)
        people.destination.run("activate", connection_id, *self.KEY)
        assert people.source.status(connection_id) == "active"


class TestShow:
    """All that is known, and what the one who asks may do now, with the reason."""

    def test_to_the_source_while_it_is_pending(self, people: People) -> None:
        connection_id = people.connection()
        document = people.source.json("show", connection_id)
        assert people.source.run("show", connection_id) == (
            card(document, 1, ONCE_ACCEPTED)
            + """
What api_ABC123 of org_ABC123 (source) may do now

action                      why
────────────────────────────────────────────────────────────────────────────────
create      already exists  A Connection from this source to this destination
                            exists already and is pending; there is only ever
                            one for an ordered pair.
activate    wrong role      Only the destination may activate a Connection, and
                            the actor acts for the source.
deactivate  ✓ inactive      The source may deactivate it, and it is then
                            inactive.
reactivate  wrong status    A Connection can be reactivated only while it is
                            inactive, and this one is pending already.
"""
        )

    @pytest.mark.parametrize("status", list(Status))
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_the_menu_is_the_policys(self, status: Status, side: str, people: People) -> None:
        connection_id = people.connection(status)
        person: Person = getattr(people, side)
        _, title, menu = person.run("show", connection_id).split("\n\n", 2)
        assert title == (
            f"What {person.actor.id} of {person.actor.organization_id} ({side}) may do now"
        )
        connection = parse_connection(person.json("show", connection_id))
        due = [
            f"{action} {told_in_short(decision.target, decision.denials)} {decision.explanation}"
            for action, decision in actions(person.actor, connection).items()
        ]
        assert unfolded(menu) == due

    def test_in_ascii(self, people: People) -> None:
        connection_id = people.connection()
        written = people.source.run("show", connection_id, PYTHONIOENCODING="ascii")
        assert "\ndeactivate |ok inactive    |" in written

    def test_to_both(self, people: People) -> None:
        own = people.source.create("org_ABC123", "--allow-self")
        assert "\n\nWhat api_ABC123 of org_ABC123 (both) may do now\n\n" in people.source.run(
            "show", own
        )

    def test_on_a_terminal_in_colour(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["show", connection_id, "--as", OURS, "--database", people.source.database]
        written = on_a_terminal(*arguments)
        assert set(re.findall(r"\x1b\[([\d;]*)m", written)) == {"0", "1", "2", "32"}
        assert decoloured(written) == people.source.run("show", connection_id)


def told_in_short(target: Status | None, denials: tuple[str, ...]) -> str:
    return f"✓ {target}" if target else denials[0].replace("_", " ")


def unfolded(table: str) -> list[str]:
    """The rows of a table, each on a line, without its head."""
    rows: list[str] = []
    for line in table.splitlines()[2:]:
        if line.startswith(" "):
            rows[-1] += f" {line}"
        else:
            rows.append(line)
    return [squeezed(row) for row in rows]


class TestCheck:
    """The exit code is 0 if data may be read, 1 if it may not; the answer is on stdout anyway."""

    def test_pending(self, people: People) -> None:
        connection_id = people.connection()
        assert people.destination.run("check", connection_id, "inquiry.read", code=1) == (
            "denied     not active\n"
            "why        Data may pass only while the Connection is active, and this one is\n"
            "           pending.\n"
            "advice     First the destination must activate it.\n"
            "remedy     the destination must activate it (org_DEF456): pending -> active\n"
        )

    def test_the_wrong_direction(self, people: People) -> None:
        connection_id = people.connection()
        written = people.source.run("check", connection_id, "inquiry.read", code=1)
        assert written.splitlines()[0] == "denied     not active, wrong direction"
        assert written.splitlines()[-2:] == [
            "remedy     none: no step would let this actor do it",
            "to active  the destination must activate it (org_DEF456): pending -> active",
        ]

    @pytest.mark.parametrize("scope", ["document.read", "Inquiry.Read", "[bold]", "", "\x1b[31m"])
    def test_a_scope_that_is_not_granted(self, scope: str, people: People) -> None:
        connection_id = people.connection("active")
        assert people.destination.run("check", connection_id, scope, code=1) == (
            "denied     scope not granted\n"
            "why        The Connection does not grant this scope.\n"
            "advice     Nothing would help: the scopes of a Connection are fixed for its\n"
            "           life.\n"
            "remedy     none: no step would let this actor do it\n"
        )

    @pytest.mark.parametrize("status", list(Status))
    @pytest.mark.parametrize("scope", ["account.read", "document.read"])
    def test_in_json_it_is_the_policys_decision(
        self, status: Status, scope: str, people: People
    ) -> None:
        connection_id = people.connection(status)
        for person in (people.source, people.destination):
            connection = parse_connection(person.json("show", connection_id))
            decision = decide_access(person.actor, scope, connection)
            code = 0 if decision else 1
            assert person.json("check", connection_id, scope, code=code) == decision.as_dict()


#: What is asked for, and which of the five are found.
FILTERS: list[tuple[list[str], list[int]]] = [
    (["--status", "pending"], [0, 2, 4]),
    (["--status", "active"], [3]),
    (["--status", "inactive"], [1]),
    (["--destination", "org_B"], [1]),
    (["--destination", "org_ABC123"], [3, 4]),
    (["--destination", "org_b"], []),
    (["--direction", "outbound"], [0, 1, 2, 4]),
    (["--direction", "inbound"], [3, 4]),
    (["--actionable", "create"], []),
    (["--actionable", "activate"], [4]),
    (["--actionable", "deactivate"], [0, 2, 3, 4]),
    (["--actionable", "reactivate"], [1]),
    (["--direction", "outbound", "--status", "pending", "--destination", "org_C"], [2]),
]


class TestList:
    """The Connections of one's organization, newest first, a page at a time."""

    @pytest.fixture
    def five(self, anywhere: People) -> list[str]:
        """Connections of the source: to A, B and C, from the partner, and with itself."""
        source = anywhere.source
        made = [
            source.create("org_A", "--name", "To A"),
            source.create("org_B"),
            source.create("org_C"),
            anywhere.destination.create("org_ABC123"),
            source.create("org_ABC123", "--allow-self"),
        ]
        source.run("deactivate", made[1])
        source.run("activate", made[3])
        return made

    def ids(self, anywhere: People, *arguments: str) -> list[str]:
        listed = anywhere.source.json("list", *arguments)
        return [each["id"] for each in listed["data"]]

    def test_newest_first(self, anywhere: People, five: list[str]) -> None:
        listed = anywhere.source.json("list")
        assert listed["links"] == {"prev": None, "next": None}
        assert {each["id"] for each in listed["data"]} == set(five)
        ages = [(each["attributes"]["created-at"], each["id"]) for each in listed["data"]]
        assert ages == sorted(ages, reverse=True)
        for each in listed["data"]:
            assert {"data": each} == anywhere.source.json("show", each["id"])

    def test_filters(self, anywhere: People, five: list[str]) -> None:
        for arguments, found in FILTERS:
            due = [five[index] for index in found]
            assert set(self.ids(anywhere, *arguments)) == set(due), arguments
            written = anywhere.source.run("list", *arguments)
            assert [each for each in five if each in written] == due
            assert (written == "There are none.\n") is (not found)

    def test_turning_the_pages(self, anywhere: People, five: list[str]) -> None:
        assert len(five) == 5
        order = self.ids(anywhere)
        links: dict[str, str | None] = {"next": ""}
        pages = [0, 2, 4]
        for start in pages:
            turned = [] if not start else ["--after", order[start - 1]]
            page = anywhere.source.json("list", "--limit", "2", *turned)
            links = page["links"]
            assert [each["id"] for each in page["data"]] == order[start : start + 2]
            older = cursor("after", order[start + 1]) if start < 4 else None
            newer = cursor("before", order[start]) if start else None
            assert (links["next"], links["prev"]) == (older, newer)
        back = anywhere.source.json("list", "--limit", "2", "--before", order[4])
        assert [each["id"] for each in back["data"]] == order[2:4]
        assert back["links"] == {
            "prev": cursor("before", order[2]),
            "next": cursor("after", order[3]),
        }

    def test_says_how_to_turn_the_pages(self, anywhere: People, five: list[str]) -> None:
        order = self.ids(anywhere)
        turns = {
            0: [f"Older ones: --after {order[1]}"],
            2: [f"Newer ones: --before {order[2]}", f"Older ones: --after {order[3]}"],
            4: [f"Newer ones: --before {order[4]}"],
        }
        assert len(five) == 5
        for start, due in turns.items():
            turned = [] if not start else ["--after", order[start - 1]]
            table, told = anywhere.source.run("list", "--limit", "2", *turned).split("\n\n")
            assert told.splitlines() == due
            assert [each for each in order if each in table] == order[start : start + 2]
        assert "\n\n" not in anywhere.source.run("list")

    def test_the_links_keep_the_filters(self, anywhere: People, five: list[str]) -> None:
        page = anywhere.source.json(
            *("list", "--limit", "1", "--status", "pending", "--direction", "outbound"),
            *("--actionable", "deactivate"),
        )
        assert page["data"][0]["id"] in five
        assert page["links"]["prev"] is None
        assert page["links"]["next"].startswith("?filter%5Bstatus%5D=pending&")
        assert parse_qs(page["links"]["next"][1:]) == {
            "filter[status]": ["pending"],
            "filter[direction]": ["outbound"],
            "filter[actionable]": ["deactivate"],
            "page[after]": [page["data"][0]["id"]],
            "page[size]": ["1"],
        }
        to_us = anywhere.source.json("list", "--limit", "1", "--destination", "org_ABC123")
        assert to_us["links"]["next"] == (
            "?filter%5Bdestination-organization-id%5D=org_ABC123"
            f"&page%5Bafter%5D={to_us['data'][0]['id']}&page%5Bsize%5D=1"
        )

    def test_ten_at_a_time(self, people: People) -> None:
        for number in range(11):
            people.source.create(f"org_{number}")
        assert len(people.source.json("list")["data"]) == 10
        assert len(people.source.json("list", "--limit", "11")["data"]) == 11

    def test_to_read(self, people: People) -> None:
        to_a = people.source.json("create", "org_A", "--name", "To A")
        from_them = people.destination.json("create", "org_ABC123")
        own = people.source.json("create", "org_ABC123", "--allow-self")
        people.source.run("activate", from_them["data"]["id"])
        rows = {
            to_a["data"]["id"]: ("pending", "→ org_A", "  To A"),
            from_them["data"]["id"]: ("active ", "← org_DEF456", ""),
            own["data"]["id"]: ("pending", "→ org_ABC123", ""),
        }
        created = {
            each["data"]["id"]: second(each, "created-at") for each in (to_a, from_them, own)
        }
        due = "".join(
            f"{each}  {rows[each][0]}  {rows[each][1]}\n"
            + f"{created[each]}{' ' * 22}{rows[each][2]}".rstrip()
            + "\n"
            for each in (found["id"] for found in people.source.json("list")["data"])
        )
        assert people.source.run("list") == (
            "Connection                        status   shares with (→) or receives from (←)\n"
            "───────────────────────────────────────────────────────────────────────────────\n"
            f"{due}"
        )

    def test_in_ascii(self, people: People) -> None:
        to_them = people.source.create("org_DEF456")
        from_them = people.destination.create("org_ABC123")
        written = people.source.run("list", PYTHONIOENCODING="ascii")
        assert f"\n{to_them} |pending |-> org_DEF456\n" in written
        assert f"\n{from_them} |pending |<- org_DEF456\n" in written


def cursor(which: str, connection_id: str) -> str:
    """The link to the page of two beside a Connection."""
    return f"?page%5B{which}%5D={connection_id}&page%5Bsize%5D=2"


ID_DUE = "expected a connection id ('cxn_' and then letters, digits, '_' or '-'), got "
ORGANIZATION_DUE = "expected an organization id ('org_' and then letters, digits, '_' or '-'), got "
ACTOR_DUE = (
    "expected an actor id ('api_', 'usr_' or 'user_' and then letters, digits, '_' or '-'), got "
)
WHO = " Say who acts, and for which organization: usr_Rk3v@org_DEF456.\n"
KEY_DUE = "expected an idempotency key (1 to 255 printable ASCII characters), got "


class TestUsage:
    """What makes no sense is told on stderr with exit code 2, before any database is opened."""

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["create"], "Missing argument 'DESTINATION'."),
            (["activate"], "Missing argument 'ID'."),
            (["check", NOBODYS], "Missing argument 'SCOPE'."),
            (["create", "acme"], f"Invalid value for 'DESTINATION': {ORGANIZATION_DUE}'acme'."),
            (
                ["create", "\x1b[1m"],
                f"Invalid value for 'DESTINATION': {ORGANIZATION_DUE}'\\x1b[1m'.",
            ),
            (
                ["create", "org_B", "--scope", "Everything"],
                "Invalid value for '--scope': expected a scope of the form resource.verb, in "
                "lower case, such as inquiry.read, got 'Everything'.",
            ),
            (
                ["create", "org_B", "--idempotency-key", ""],
                f"Invalid value for '--idempotency-key': {KEY_DUE}''.",
            ),
            *(
                ([name, "org_B"], f"Invalid value for 'ID': {ID_DUE}'org_B'.")
                for name in ("activate", "deactivate", "reactivate", "show", "history")
            ),
            (["check", "x", "y"], f"Invalid value for 'ID': {ID_DUE}'x'."),
            (["list", "--after", "x"], f"Invalid value for '--after': {ID_DUE}'x'."),
            (["list", "--before", ""], f"Invalid value for '--before': {ID_DUE}''."),
            (
                ["list", "--after", NOBODYS, "--before", NOBODYS],
                "Invalid value for '--before': give --after or --before, not both.",
            ),
            (
                ["list", "--status", "absent"],
                "Invalid value for '--status': 'absent' is not one of pending, active, inactive.",
            ),
            (
                ["list", "--direction", "up"],
                "Invalid value for '--direction': 'up' is not one of outbound, inbound.",
            ),
            (
                ["list", "--actionable", "delete"],
                "Invalid value for '--actionable': 'delete' is not one of create, activate, "
                "deactivate, reactivate.",
            ),
            (
                ["list", "--destination", "B"],
                f"Invalid value for '--destination': {ORGANIZATION_DUE}'B'.",
            ),
        ],
        ids=in_words,
    )
    def test_what_makes_no_sense(self, arguments: list[str], told: str) -> None:
        complained = complaint(*arguments, "--as", OURS)
        assert complained.endswith(f"\n\nError: {told}\n")
        assert complained.startswith(f"Usage: connect-core {arguments[0]} ")

    @pytest.mark.parametrize(
        ("arguments", "option"),
        [
            (["list", "--limit", "0"], "--limit"),
            (["list", "--limit", "101"], "--limit"),
            (["list", "--limit", "ten"], "--limit"),
            *(
                ([name, NOBODYS, "--expected-version", wrong], "--expected-version")
                for name in ("activate", "deactivate", "reactivate")
                for wrong in ("0", "1.5", "latest")
            ),
        ],
        ids=in_words,
    )
    def test_numbers(self, arguments: list[str], option: str) -> None:
        # The rest of the sentence is Typer's own, and differs with its version.
        assert f"\n\nError: Invalid value for '{option}': " in complaint(*arguments, "--as", OURS)

    @pytest.mark.parametrize("limit", ["1", "100"])
    def test_numbers_at_the_limit(self, limit: str, people: People) -> None:
        connection_id = people.connection()
        assert connection_id in people.source.run("list", "--limit", limit)

    @pytest.mark.parametrize(
        ("actor", "told"),
        [
            ("", "it is missing."),
            ("usr_1", f"{ORGANIZATION_DUE}''."),
            ("usr_1@", f"{ORGANIZATION_DUE}''."),
            ("@org_B", f"{ACTOR_DUE}''."),
            ("bob@org_B", f"{ACTOR_DUE}'bob'."),
            ("usr_1@B", f"{ORGANIZATION_DUE}'B'."),
            ("usr_1@org_A@org_B", f"{ORGANIZATION_DUE}'org_A@org_B'."),
            (" usr_1@org_A", f"{ACTOR_DUE}' usr_1'."),
        ],
    )
    def test_who_acts(self, actor: str, told: str) -> None:
        due = f"\n\nError: Invalid value for '--as' (or CONNECT_CORE_ACTOR): {told}{WHO}"
        for arguments in (QUESTIONS[0], ["create", "org_B"]):
            assert complaint(*arguments, "--as", actor).endswith(due)
            assert complaint(*arguments, stdin=b"", CONNECT_CORE_ACTOR=actor).endswith(due)

    @pytest.mark.parametrize(
        "arguments", [["create", "org_B"], *QUESTIONS, *CHANGES], ids=lambda each: each[0]
    )
    def test_every_command_asks_who_acts(self, arguments: list[str]) -> None:
        told = complaint(*filled(arguments, NOBODYS))
        assert told.endswith(
            f"\n\nError: Invalid value for '--as' (or CONNECT_CORE_ACTOR): it is missing.{WHO}"
        )


ID_HELP = "The Connection's id."
STEP_HELP = [
    ID_HELP,
    "--expected-version N Only if this is still the Connection's version.",
    "--idempotency-key KEY Names this request, so that it can be repeated safely.",
]
#: What the help of every command has.
COMMON_HELP = [
    "--as ACTOR@ORGANIZATION Who acts, and for which organization: usr_Rk3v@org_DEF456. ",
    "env var: CONNECT_CORE_ACTOR",
    "--database URL|FILE The database: a SQLAlchemy URL, or the file of a SQLite database. ",
    "env var: CONNECT_CORE_DATABASE",
    "default: (connections.db in your data directory)",
    "--json Give the answer as JSON.",
]
#: And what that of each has besides.
HELP = {
    "create": [
        STEP_HELP[-1],
        "The organization to share with.",
        "--name TEXT A name for people to read.",
        "--scope SCOPE What to share. Give it once for each scope. ",
        "default: (account.read and inquiry.read)",
        "--allow-self Let your own organization be the destination, for tests.",
    ],
    "activate": STEP_HELP,
    "deactivate": STEP_HELP,
    "reactivate": STEP_HELP,
    "show": [ID_HELP],
    "history": [ID_HELP],
    "check": [
        ID_HELP,
        "The kind of data, such as inquiry.read.",
        "The exit code is 0 if you may, 1 if you may not.",
    ],
    "list": [
        "--status pending|active|inactive Only those with this status.",
        "--destination ORGANIZATION Only those to this organization.",
        "--direction outbound|inbound Only those you share with, or receive from.",
        "--actionable create|activate|deactivate|reactivate "
        "Only those on which you may do this now.",
        "--after ID Those after this one: older ones.",
        "--before ID Those before this one: newer ones.",
        "--limit N How many at most. ",
        "default: 10",
        "1<=x<=100",
    ],
}


class TestHelp:
    """The help of a command names its options, what they take, and what they are for."""

    @pytest.mark.parametrize("name", HELP)
    def test_of_every_command(self, name: str) -> None:
        told = squeezed(run(name, "--help"))
        assert [each for each in (*HELP[name], *COMMON_HELP) if each not in told] == []


class TestWhoActs:
    """`--as` says it; without it, CONNECT_CORE_ACTOR does."""

    def test_the_variable(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["activate", connection_id, "--database", people.source.database]
        told = refusal(*arguments, stdin=b"", CONNECT_CORE_ACTOR=OURS)
        assert told.startswith("api_ABC123 of org_ABC123 may not activate ")
        assert run(*arguments, stdin=b"", code=0, CONNECT_CORE_ACTOR=THEIRS).startswith("Activated")

    def test_the_option_goes_first(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["activate", connection_id, "--database", people.source.database]
        written = run(*arguments, "--as", THEIRS, stdin=b"", code=0, CONNECT_CORE_ACTOR=OTHERS)
        assert written.startswith("Activated\n")


class TestDatabases:
    """`--database` names a file or a URL; without it CONNECT_CORE_DATABASE, or your own file."""

    @pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+pysqlite:///{}"])
    def test_a_file_or_its_url(self, form: str, tmp_path: Path, people: People) -> None:
        connection_id = people.connection()
        place = form.format(tmp_path / "connections.db")
        assert Person(OUR_KEY, place).status(connection_id) == "pending"

    @pytest.mark.parametrize("name", ["a b?c=d&e#f%20g.db", "ü 🎉.db", "'\".db", "\udcff.db"])
    def test_a_file_of_any_name(self, name: str, tmp_path: Path) -> None:
        connection_id = Person(OUR_KEY, str(tmp_path / name)).create()
        assert Person(OUR_KEY, str(tmp_path / name)).status(connection_id) == "pending"
        assert [each.name for each in tmp_path.iterdir()] == [name]

    def test_a_file_below_where_one_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        connection_id = Person(OUR_KEY, "mine.db").create()
        assert Person(OUR_KEY, str(tmp_path / "mine.db")).status(connection_id) == "pending"

    def test_to_ask_waits_for_nobody(self, people: People) -> None:
        connection_id = people.connection()
        with closing(sqlite3.connect(people.source.database)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert people.source.status(connection_id) == "pending"

    def test_is_left_closed(self, people: People, tmp_path: Path) -> None:
        connection_id = people.connection()
        people.source.run("show", connection_id)
        people.source.refused("activate", connection_id)
        assert [each.name for each in tmp_path.iterdir()] == ["connections.db"]

    def test_the_variable(self, people: People) -> None:
        connection_id = people.connection()
        variable = {"CONNECT_CORE_DATABASE": people.source.database}
        written = run("list", "--as", OURS, code=0, stdin=b"", **variable)
        assert connection_id in written

    def test_the_option_goes_first(self, people: People) -> None:
        connection_id = people.connection()
        assert connection_id in people.source.run("list", CONNECT_CORE_DATABASE="/dev/null/x.db")

    @pytest.mark.parametrize("option", [[], ["--database", ""]], ids=["none", "empty"])
    def test_your_own_file(self, option: list[str], tmp_path: Path) -> None:
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "not" / "there yet")}
        said = ["--as", OURS, *option]
        written = run("create", "org_DEF456", *said, "--json", code=0, stdin=b"", **home)
        (file,) = tmp_path.rglob("connections.db")
        assert file.parent.name == "connect-core"
        connection_id = json.loads(written)["data"]["id"]
        assert connection_id in run("list", *said, code=0, stdin=b"", **home)
        assert Person(OUR_KEY, str(file)).status(connection_id) == "pending"

    def test_your_own_file_where_none_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        home = {"HOME": str(tmp_path / "file"), "XDG_DATA_HOME": str(tmp_path / "file")}
        told = complaint("list", "--as", OURS, stdin=b"", **home)
        assert told.endswith(
            f"{UNUSABLE}{tmp_path / 'file'}/connect-core cannot be made: Not a directory.\n"
        )

    def test_tests_have_no_data_directory(self) -> None:
        assert "cannot be made" in complaint("list", "--as", OURS)


UNUSABLE = "\n\nError: Invalid value for '--database' (or CONNECT_CORE_DATABASE): "


def unusable(place: str, *arguments: str) -> str:
    """Why a database cannot be used. It is told the same whether text or JSON is asked for."""
    whole = [*(arguments or ["list"]), "--as", OURS, "--database", place]
    told = complaint(*whole)
    assert complaint(*whole, "--json") == told
    usage, _, reason = told.partition(UNUSABLE)
    assert usage.startswith("Usage: connect-core ")
    return reason


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with closing(socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


class TestUnusableDatabases:
    """A database that cannot be used is told with the reason, and never with a password."""

    def test_a_directory(self, tmp_path: Path) -> None:
        assert unusable(str(tmp_path)) == f"{tmp_path}: unable to open database file.\n"

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"])
    def test_one_that_would_not_last(self, url: str) -> None:
        assert unusable(url) == "a database in memory would be gone when the command ends.\n"

    def test_a_place_where_no_file_can_be(self, tmp_path: Path) -> None:
        place = tmp_path / "absent" / "x.db"
        for form in ("{}", "sqlite:///{}", "sqlite+pysqlite:///{}"):
            assert unusable(form.format(place)) == f"{place}: unable to open database file.\n"
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "notes.txt"
        file.write_text("These are notes, and no database at all.\n" * 100)
        before = file.read_bytes()
        for arguments in (["list"], ["create", "org_B"], ["show", NOBODYS]):
            assert unusable(str(file), *arguments) == f"{file}: file is not a database.\n"
        assert file.read_bytes() == before

    def test_a_name_that_would_disturb_a_terminal(self, tmp_path: Path) -> None:
        told = unusable(str(tmp_path / "\x1b[31m\u202e" / "x.db"))
        assert told == f"{tmp_path}/\\u001b[31m\\u202e/x.db: unable to open database file.\n"

    def test_a_database_of_something_else(self, tmp_path: Path) -> None:
        file = tmp_path / "other.db"
        with closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE connections (wire TEXT)")
        assert unusable(str(file)).startswith(f"{file}: no such column: connections.")

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://me:s3cret@host:port/x",
            "postgresql://me:s3cret@[::1/x",
            "://s3cret",
        ],
    )
    def test_a_url_that_cannot_be_read(self, url: str) -> None:
        assert unusable(url) == "it is neither a file nor a URL that SQLAlchemy can read.\n"

    def test_a_database_that_nobody_knows(self) -> None:
        told = unusable("unheard://me:s3cret@host/x")
        assert "unheard" in told
        assert "s3cret" not in told

    def test_an_asynchronous_driver(self) -> None:
        told = unusable("postgresql+asyncpg://me:s3cret@host/x")
        assert told.startswith("postgresql+asyncpg is an asynchronous driver: ")
        assert "s3cret" not in told

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            (
                "postgresql://me:s3cret@host/x",
                "it needs psycopg, which is not installed. "
                "Install it with: pip install 'connect-core[postgres]'.\n",
            ),
            (
                "postgresql+psycopg2://me:s3cret@host/x",
                "it needs psycopg2, which is not installed.\n",
            ),
        ],
    )
    def test_a_driver_that_is_not_installed(
        self, url: str, told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for driver in ("psycopg", "psycopg2"):
            monkeypatch.setitem(sys.modules, driver, None)
        assert unusable(url) == told

    def test_a_driver_that_lacks_a_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "psycopg.py").write_text("raise ImportError('libpq is not to be found')")
        monkeypatch.delitem(sys.modules, "psycopg", raising=False)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        assert unusable("postgresql://me:s3cret@host/x") == "libpq is not to be found.\n"

    @pytest.mark.parametrize(
        ("options", "named"),
        [("timeout=soon", "'soon'"), ("check_same_thread=perhaps", "'perhaps'")],
    )
    def test_an_option_that_the_driver_does_not_take(
        self, options: str, named: str, tmp_path: Path
    ) -> None:
        told = unusable(f"sqlite:///{tmp_path}/x.db?{options}")
        assert named in told
        assert list(tmp_path.iterdir()) == []

    def test_an_option_that_would_be_left_out(self, tmp_path: Path) -> None:
        """If SQLAlchemy warns of it, as later versions do, that is an error here."""
        place = f"sqlite:///{tmp_path}/x.db?colour=red"
        with catch_warnings(record=True) as warned:
            simplefilter("always")
            create_engine(place).dispose()
        code, _, complained = outcome("list", "--as", OURS, "--database", place)
        assert code == (2 if warned else 0)
        assert (f"{UNUSABLE}Query string argument(s) 'colour' " in complained) is bool(warned)
        assert "Background" not in complained
        assert (tmp_path / "x.db").exists() is not bool(warned)

    def test_an_option_that_postgresql_does_not_take(self) -> None:
        told = unusable("postgresql://me:s3cret@127.0.0.1:1/x?colour=red")
        assert told == 'invalid connection option "colour".\n'

    def test_a_server_that_does_not_answer(self, closed_port: int) -> None:
        told = unusable(f"postgresql://me:s3cret@127.0.0.1:{closed_port}/x")
        assert "failed: Connection refused" in told
        assert told.endswith(" accepting TCP/IP connections?\n")
        assert told.count("\n") == 1
        assert "s3cret" not in told

    def test_a_database_that_is_not_there(self) -> None:
        with postgresql() as url:
            absent = url.set(database="absent", password="s3cret")  # noqa: S106  # not a real one
            told = unusable(absent.render_as_string(hide_password=False))
        assert told.endswith('"absent" does not exist.\n')
        assert "s3cret" not in told


class TestSpoiltRecords:
    """Nothing is served from what was not written, and who asks is told which record it is."""

    def test_a_row(self, anywhere: People) -> None:
        connection_id = anywhere.connection()
        spoil(anywhere.source.database, "UPDATE connections SET creator_id = 'nobody'")
        for arguments in (*QUESTIONS, *CHANGES):
            told = squeezed(anywhere.source.refused(*filled(arguments, connection_id)))
            assert told.startswith("What is stored as ")
            assert connection_id in told
            assert " is not what was written: " in told
            assert told.endswith(" Compare it with a backup; nothing was served from it.")
        (error,) = anywhere.source.refused_json("show", connection_id)["errors"]
        assert error["meta"] == {"code": "invalid_record"}
        assert error["details"] == squeezed(anywhere.source.refused("show", connection_id))

    def test_a_history(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        spoil(anywhere.source.database, "DELETE FROM connection_events WHERE version = 2")
        assert squeezed(anywhere.source.refused("history", connection_id)) == (
            f"What is stored as the history of {connection_id} is not what was written: "
            "it leads to another status, updated_at, version than is stored. "
            "Compare it with a backup; nothing was served from it."
        )
        assert anywhere.source.status(connection_id) == "active"


class TestOneState:
    """What only reads, for longer, sees the database as it was at first."""

    def test_what_is_committed_meanwhile_is_not_seen(self, anywhere: People) -> None:
        number = select(func.count()).select_from(connections)
        anywhere.source.create("org_A")
        with opened(anywhere.source.database) as engine:
            with Session(seeing_one_state(engine)) as session:
                assert session.scalar(number) == 1
                anywhere.source.create("org_B")
                assert session.scalar(number) == 1
            with Session(seeing_one_state(engine)) as session:
                assert session.scalar(number) == 2


class TestReproducible:
    """The same question gets the same answer, byte for byte."""

    def test_whatever_the_hashes_are(self, people: People) -> None:
        connection_id = people.source.create(
            "org_DEF456", *(part for scope in "cabed" for part in ("--scope", f"{scope}.read"))
        )
        people.destination.create("org_ABC123")
        asked = [filled(arguments, connection_id) for arguments in (*QUESTIONS, ["activate", "ID"])]
        said = ["--as", OURS, "--database", people.source.database]
        commands = [[*each, *said, *form] for each in asked for form in ([], ["--json"])]
        once, again = (seeded(seed, commands) for seed in (1, 2))
        assert once == again
        assert "a.read, b.read, c.read, d.read, e.read" in once

    def test_whatever_the_shell_has_set(
        self, people: People, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The tests see the same on every developer's machine."""
        connection_id = people.connection()
        asked = ["show", connection_id, "--database", people.source.database]
        usual = outcome(*asked, "--as", OURS), outcome(*asked), outcome("list", "--as", OURS)
        monkeypatch.setenv("CONNECT_CORE_ACTOR", THEIRS)
        monkeypatch.setenv("CONNECT_CORE_DATABASE", people.source.database)
        monkeypatch.setenv("XDG_DATA_HOME", str(Path(people.source.database).parent))
        monkeypatch.setenv("COLUMNS", "40")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("PYTHONIOENCODING", "ascii")
        assert (
            outcome(*asked, "--as", OURS),
            outcome(*asked),
            outcome("list", "--as", OURS),
        ) == usual

    @pytest.mark.parametrize("columns", ["30", "200"])
    def test_json_does_not_depend_on_the_width(self, columns: str, people: People) -> None:
        connection_id = people.connection()
        for arguments in QUESTIONS:
            whole = [*filled(arguments, connection_id), "--as", OURS, "--json"]
            at = ["--database", people.source.database]
            assert outcome(*whole, *at, stdin=b"", COLUMNS=columns) == outcome(*whole, *at)

    @pytest.mark.parametrize("columns", ["80", "200"])
    def test_no_line_is_longer_on_a_wide_terminal(self, columns: str, people: People) -> None:
        connection_id = people.source.create("org_DEF456", "--name", "x" * 255)
        for arguments in (["show", connection_id], ["list"]):
            usual = people.source.run(*arguments)
            assert people.source.run(*arguments, COLUMNS=columns) == usual
