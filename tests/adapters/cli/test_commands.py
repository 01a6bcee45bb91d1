"""Commands that change a Connection: their answers and their refusals."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from oracle import BOTH, DESTINATION, EXISTING, OUTSIDER, SOURCE, Verdict
from people import (
    CHANGES,
    NOBODYS,
    ONCE_ACCEPTED,
    OURS,
    QUESTIONS,
    People,
    card,
    filled,
    guides,
    kept,
)
from terminal import complaint, refusal, run, squeezed

from connect_core import (
    Action,
    Cell,
    ConnectionEvent,
    Status,
    connection_document,
    decision_table,
    replay,
)
from connect_core.scopes import MAX_SCOPES

ONCE_OFFERED_AGAIN = (
    "to active    the source must reactivate it (org_ABC123): inactive -> pending\n"
    "             the destination must activate it (org_DEF456): pending -> active\n"
)


class TestTheStory:
    """The life of a Connection on each database: the answers show what is stored."""

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
            assert guides(destination.json("show", connection_id)) == guides(document)
        assert document["data"]["attributes"]["status"] == "active"
        assert document["data"]["attributes"]["name"] == "Partner Connection"

    def test_in_json_it_is_the_guides_document_with_the_version(self, anywhere: People) -> None:
        created = anywhere.source.json("create", "org_DEF456", "--name", "Partner Connection")
        assert created["data"]["meta"] == {"version": 1}
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
        steps = (
            (anywhere.destination, "activate", "active"),
            (anywhere.destination, "deactivate", "inactive"),
            (anywhere.source, "reactivate", "pending"),
        )
        for version, (who, action, status) in enumerate(steps, 2):
            document = who.json(action, created["data"]["id"])
            assert document["data"]["meta"] == {"version": version}
            assert guides(document) == guides(who.json("show", created["data"]["id"]))
            assert document["data"]["attributes"]["status"] == status

    def test_the_history_leads_to_what_is_stored(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        output = anywhere.destination.json("history", connection_id)
        assert list(output) == ["data"]
        connection = replay(ConnectionEvent.model_validate(event) for event in output["data"])
        document = anywhere.source.json("show", connection_id)
        assert connection_document(connection) == guides(document)
        assert connection.version == 2
        first, latest = (second_of(event) for event in output["data"])
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
        output = anywhere.source.refused("activate", connection_id)
        assert output.startswith(f"api_ABC123 of org_ABC123 may not activate {connection_id}: ")
        assert anywhere.source.status(connection_id) == "pending"

    def test_each_database_is_a_world_of_its_own(self, anywhere: People, tmp_path: Path) -> None:
        connection_id = anywhere.connection()
        elsewhere = People.on(str(tmp_path / "another.db"))
        assert elsewhere.source.run("list") == "There are none.\n"
        assert "is to be found" in elsewhere.source.refused("show", connection_id)


def second_of(event: Any) -> str:
    """When an event happened, as the command line shows it."""
    return str(event["occurred_at"])[:19].replace("T", " ")


#: The remedy by status, action and roles; if there is none, the way to active.
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
        output = person.refused(verdict.action, connection_id)
        if not verdict.roles:
            assert squeezed(output) == not_found(connection_id)
            return
        decision = decision_table()[Cell(verdict.status, verdict.action, verdict.roles)]
        why, _, way = output.partition("\n\n")
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
                    "meta": {
                        "code": "wrong_role",
                        "denials": ["wrong_role"],
                        "status": "pending",
                        "remedy": [],
                    },
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
        why, _, output = people.source.refused("create", "org_DEF456").partition("\n\n")
        assert squeezed(why).startswith(
            f"A Connection from the source to the destination exists already and is {status}"
        )
        assert f" It is {connection_id}. " in squeezed(why)
        assert output.splitlines() == way

    def test_the_other_way_round_is_another_one(self, people: People) -> None:
        there = people.connection()
        back = people.destination.create("org_ABC123")
        assert there != back
        assert people.source.status(there) == people.source.status(back) == "pending"

    def test_with_itself_only_on_request(self, people: People) -> None:
        assert people.source.run("list") == "There are none.\n"
        assert people.source.refused("create", "org_ABC123") == (
            "The source and the destination are the same organization. Both are org_ABC123.\n"
            "Name another organization or, in a sandbox, ask for a self-connection. Here,\n"
            "--allow-self does.\n"
        )
        (error,) = people.source.refused_json("create", "org_ABC123")["errors"]
        assert error["meta"]["code"] == "self_connection"
        assert "--" not in error["details"]
        own = people.source.create("org_ABC123", "--allow-self")
        assert people.source.run("activate", own).startswith("Activated\n")
        output = people.source.refused("activate", own).split("\n\n")[1]
        assert output.splitlines() == [
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
    """An outsider cannot tell a Connection that exists from one that does not."""

    @pytest.mark.parametrize("arguments", [*QUESTIONS[1:], *CHANGES], ids=lambda each: each[0])
    @pytest.mark.parametrize("status", list(Status))
    def test_get_the_same_answer(
        self, arguments: list[str], status: Status, people: People
    ) -> None:
        connection_id = people.connection(status)
        output, due = (
            people.outsider.refused(*filled(arguments, each)) for each in (connection_id, NOBODYS)
        )
        assert len(connection_id) == len(NOBODYS)
        assert output == due.replace(NOBODYS, connection_id)
        assert squeezed(output) == not_found(connection_id)
        output, due = (
            people.outsider.refused_json(*filled(arguments, each))
            for each in (connection_id, NOBODYS)
        )
        assert output == json.loads(json.dumps(due).replace(NOBODYS, connection_id))
        assert output["errors"][0]["details"] == not_found(connection_id)

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
    """The new Connection is what was asked for."""

    def test_without_a_name_or_scopes(self, people: People) -> None:
        document = people.source.json("create", "org_DEF456")
        assert document["data"]["attributes"]["name"] is None
        assert document["data"]["attributes"]["scopes"] == ["account.read", "inquiry.read"]
        output = people.source.run("show", document["data"]["id"])
        assert output.startswith(card(document, 1, ONCE_ACCEPTED) + "\n")

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
        output = complaint("create", "org_DEF456", *every, "--as", OURS)
        assert output.endswith(
            f"\n\nError: Invalid value for '--scope': at most {MAX_SCOPES} can be given.\n"
        )
        document = people.source.json("create", "org_DEF456", *every[2:])
        assert document["data"]["attributes"]["scopes"] == sorted(names[1:])


class TestNames:
    """Any valid name is kept as it is, and shown without harm to the terminal."""

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
        ("name", "message"),
        [
            ("x" * 256, "a name has at most 255 characters; this has 256."),
            ("a\nb", "a name cannot hold the character U+000A."),
            ("\x1b[31mred", "a name cannot hold the character U+001B."),
            ("\udcff", "a name cannot hold the character U+DCFF."),
        ],
    )
    def test_that_a_connection_cannot_have(self, name: str, message: str, tmp_path: Path) -> None:
        database = str(tmp_path / "connections.db")
        complained = complaint(
            "create", "org_DEF456", "--name", name, "--as", OURS, "--database", database
        )
        assert complained.endswith(f"\n\nError: Invalid value for '--name': {message}\n")
        assert not Path(database).exists()


class TestExpectedVersion:
    """A command that names a version applies to that version only."""

    def test_an_earlier_one_is_refused(self, anywhere: People) -> None:
        connection_id = anywhere.connection("active")
        output = anywhere.source.refused("deactivate", connection_id, "--expected-version", "1")
        assert squeezed(output) == (
            f"{connection_id} has changed: version 1 was expected, and it has version 2. "
            "Read it again and decide anew."
        )
        (error,) = anywhere.source.refused_json(
            "deactivate", connection_id, "--expected-version", "1"
        )["errors"]
        assert error["meta"] == {
            "code": "stale_connection",
            "expected-version": 1,
            "actual-version": 2,
        }
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

    def test_a_script_finds_it_in_the_json(self, people: People) -> None:
        connection_id = people.connection("active")
        (listed,) = people.source.json("list")["data"]
        document = people.source.json("show", connection_id)
        assert listed["meta"]["version"] == document["data"]["meta"]["version"] == 2
        version = str(document["data"]["meta"]["version"])
        people.source.run("deactivate", connection_id, "--expected-version", version)
        assert " has changed: " in people.source.refused(
            "reactivate", connection_id, "--expected-version", version
        )

    def test_does_not_hide_that_somebody_else_has_to_do_it(self, people: People) -> None:
        connection_id = people.connection()
        output = people.source.refused("activate", connection_id, "--expected-version", "7")
        assert "may not activate" in output


class TestIdempotencyKey:
    """A request repeated with its key gets its first outcome, and changes nothing."""

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
        output = refusal(*arguments, "--as", OURS, "--database", anywhere.source.database)
        *_, keys = sorted(
            kept(anywhere.source.database), key=lambda rows: "wrong_role" in str(rows)
        )
        assert len(keys) == 1
        assert "'request-1'" in keys[0]
        assert anywhere.source.refused(*arguments) == output
        anywhere.destination.run("activate", connection_id)
        # The refusal is the first one; what would make the Connection active is asked anew.
        assert anywhere.source.refused(*arguments) == output.partition("\n\n")[0] + "\n"

    def test_refusals_for_the_version_included(self, people: People) -> None:
        connection_id = people.connection()
        arguments = ["deactivate", connection_id, "--expected-version", "2", *self.KEY]
        output = refusal(*arguments, "--as", OURS, "--database", people.source.database)
        people.destination.run("activate", connection_id)
        assert people.source.refused(*arguments) == output
        assert people.source.run("deactivate", connection_id, "--expected-version", "2")

    def test_is_for_one_request_only(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", *self.KEY)
        output = people.source.refused("deactivate", connection_id, *self.KEY)
        assert output == (
            "The idempotency key 'request-1' came with another request before, and nothing\n"
            "was done. Take a new key for a new request; repeat a request word for word.\n"
        )
        (error,) = people.source.refused_json("create", "org_B", *self.KEY)["errors"]
        assert error["meta"] == {"code": "idempotency_key_reused"}

    def test_is_an_organizations_own(self, people: People) -> None:
        connection_id = people.source.create("org_DEF456", *self.KEY)
        people.destination.run("activate", connection_id, *self.KEY)
        assert people.source.status(connection_id) == "active"
