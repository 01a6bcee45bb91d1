"""Commands that only ask: `show` and `check`."""

import re

import pytest
from people import ONCE_ACCEPTED, OURS, People, Person, card
from terminal import decoloured, on_a_terminal, squeezed

from connect_core import Status, actions, decide_access, parse_connection


class TestShow:
    """Everything about a Connection, and what the actor may do now, with the reason."""

    def test_to_the_source_while_it_is_pending(self, people: People) -> None:
        connection_id = people.connection()
        document = people.source.json("show", connection_id)
        assert people.source.run("show", connection_id) == (
            card(document, 1, ONCE_ACCEPTED)
            + """
What api_ABC123 of org_ABC123 (source) may do now

action                      why
────────────────────────────────────────────────────────────────────────────────
create      already exists  A Connection from the source to the destination
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

    @pytest.mark.parametrize("status", list(Status))
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_in_json_the_menu_is_the_policys(
        self, status: Status, side: str, people: People
    ) -> None:
        """The roles, and for each action the whole decision; what it shows is read back, too."""
        connection_id = people.connection(status)
        person: Person = getattr(people, side)
        document = person.json("show", connection_id)
        connection = parse_connection(document)
        assert document["data"]["meta"] == {
            "version": 1 if status is Status.PENDING else 2,
            "roles": [side],
            "actions": {
                action.value: decision.as_dict()
                for action, decision in actions(person.actor, connection).items()
            },
        }
        own = people.source.create("org_ABC123", "--allow-self")
        assert people.source.json("show", own)["data"]["meta"]["roles"] == ["destination", "source"]

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
            "           life, and this scope is not among them.\n"
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
