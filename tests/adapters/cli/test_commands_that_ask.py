"""Commands that only ask: `show`, `check` and `list`."""

import re
from urllib.parse import parse_qs

import pytest
from people import ONCE_ACCEPTED, OURS, People, Person, card, second
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


#: Options of `list`, and which of the five they find.
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
    """The Connections of the actor's organization, newest first, one page at a time."""

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
            table, output = anywhere.source.run("list", "--limit", "2", *turned).split("\n\n")
            assert output.splitlines() == due
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
