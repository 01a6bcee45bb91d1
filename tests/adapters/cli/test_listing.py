"""`list`: a page of Connections, of one organization or of all."""

from typing import Any
from urllib.parse import parse_qs

import pytest
from people import NOBODYS, OURS, People, guides, in_words, second, spoil
from terminal import (
    complaint,
    decoloured,
    on_a_terminal,
    outcome,
    refusal,
    refusal_json,
    run,
    run_json,
    squeezed,
)

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
            document = anywhere.source.json("show", each["id"])
            assert guides({"data": each}) == guides(document)
            assert each["meta"] == {"version": document["data"]["meta"]["version"]}

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


class TestAll:
    """With `--all` an operator sees the Connections of every organization."""

    @pytest.fixture
    def four(self, anywhere: People) -> list[str]:
        """Connections between four organizations, the oldest first."""
        made = [
            anywhere.source.create("org_DEF456", "--name", "Partner"),
            anywhere.outsider.create("org_DEF456"),
            anywhere.destination.create("org_ABC123"),
            anywhere.source.create("org_ABC123", "--allow-self"),
        ]
        anywhere.destination.run("activate", made[1])
        return made

    def all(self, anywhere: People, *arguments: str) -> Any:
        return run_json("list", "--all", *arguments, "--database", anywhere.source.database)

    def test_everybodys_newest_first(self, anywhere: People, four: list[str]) -> None:
        listed = self.all(anywhere)
        assert set(listed["data"][0]) == {"type", "id", "attributes", "meta"}
        assert {each["id"] for each in listed["data"]} == set(four)
        ages = [(each["attributes"]["created-at"], each["id"]) for each in listed["data"]]
        assert ages == sorted(ages, reverse=True)
        assert listed["links"] == {"prev": None, "next": None}

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            (["--status", "pending"], [0, 2, 3]),
            (["--status", "active"], [1]),
            (["--status", "inactive"], []),
            (["--source", "org_ABC123"], [0, 3]),
            (["--source", "org_ABC123", "--status", "active"], []),
            (["--destination", "org_DEF456"], [0, 1]),
            (["--destination", "org_DEF456", "--status", "active"], [1]),
            (["--source", "org_DEF456", "--destination", "org_ABC123"], [2]),
            (["--source", "org_abc123"], []),
        ],
        ids=in_words,
    )
    def test_filters(
        self, anywhere: People, four: list[str], arguments: list[str], found: list[int]
    ) -> None:
        listed = self.all(anywhere, *arguments)
        assert {each["id"] for each in listed["data"]} == {four[index] for index in found}
        written = run("list", "--all", *arguments, "--database", anywhere.source.database)
        assert (written == "There are none.\n") is (not found)

    def test_turning_the_pages(self, anywhere: People, four: list[str]) -> None:
        order = [each["id"] for each in self.all(anywhere)["data"]]
        assert set(order) == set(four)
        first = self.all(anywhere, "--limit", "2")
        assert first["links"] == {"prev": None, "next": cursor("after", order[1])}
        last = self.all(anywhere, "--limit", "2", "--after", order[1])
        assert [each["id"] for each in last["data"]] == order[2:]
        assert last["links"] == {"prev": cursor("before", order[2]), "next": None}
        back = self.all(anywhere, "--limit", "1", "--before", order[2], "--status", "pending")
        assert [each["id"] for each in back["data"]] == [
            [each for each in order[:2] if each != four[1]][-1]
        ]

    def test_to_read(self, people: People) -> None:
        to_them = people.source.json("create", "org_DEF456", "--name", "Partner")
        created, connection_id = second(to_them, "created-at"), to_them["data"]["id"]
        at = ["--database", people.source.database]
        assert run("list", "--all", *at) == (
            "Connection                        status   source → destination\n"
            f"{'─' * 63}\n"
            f"{connection_id}  pending  org_ABC123\n"
            f"{created}                        → org_DEF456\n"
            "                                           Partner\n"
        )
        assert run("list", "--all", *at, COLUMNS="40") == (
            f"Connection   {connection_id}\n"
            f"created      {created} UTC\n"
            "status       pending\n"
            "source       org_ABC123\n"
            "destination  org_DEF456\n"
            "name         Partner\n"
        )
        assert "-> org_DEF456" in run("list", "--all", *at, PYTHONIOENCODING="ascii")

    def test_says_how_to_turn_the_pages(self, people: People) -> None:
        for number in range(2):
            people.source.create(f"org_{number}")
        at = ["--database", people.source.database]
        older, newer = (each["id"] for each in run_json("list", "--all", *at)["data"][::-1])
        written = run("list", "--all", "--limit", "1", *at)
        assert written.endswith(f"\n\nOlder ones: --after {newer}\n")
        written = run("list", "--all", "--limit", "1", "--after", newer, *at)
        assert written.endswith(f"\n\nNewer ones: --before {older}\n")

    @pytest.mark.parametrize("variables", [{}, {"CONNECT_CORE_ACTOR": OURS}, {"other": "as"}])
    def test_needs_no_actor(self, people: People, variables: dict[str, str]) -> None:
        """An actor that is named anyway changes nothing."""
        connection_id = people.outsider.create("org_DEF456")
        who = ["--as", OURS] if variables.pop("other", None) else []
        at = ["--database", people.source.database]
        written = run("list", "--all", *who, *at, code=0, stdin=b"", **variables)
        assert connection_id in written

    @pytest.mark.parametrize(
        ("option", "value"), [("--direction", "inbound"), ("--actionable", "activate")]
    )
    def test_what_is_seen_from_one_organization(self, option: str, value: str) -> None:
        for who in ([], ["--as", OURS]):
            complained = complaint("list", "--all", option, value, *who)
            assert complained.endswith(
                f"\n\nError: Invalid value for '{option}': "
                "it is for one organization; leave out this or --all.\n"
            )

    def test_from_a_connection_that_is_not_there(self, people: People) -> None:
        people.connection()
        at = ["--database", people.source.database]
        said = f"There is no Connection {NOBODYS}. Check the id, and the database."
        for option in ("--after", "--before"):
            assert squeezed(refusal("list", "--all", option, NOBODYS, *at)) == said
            (error,) = refusal_json("list", "--all", option, NOBODYS, *at)["errors"]
            assert (error["details"], error["meta"]) == (said, {"code": "connection_not_found"})

    def test_names_what_it_leaves_out(self, anywhere: People) -> None:
        spoilt, whole = anywhere.connection(), anywhere.outsider.create("org_DEF456")
        at = anywhere.source.database
        spoil(at, f"UPDATE connections SET creator_id = 'nobody' WHERE id = '{spoilt}'")  # noqa: S608  # our own id
        code, written, complained = outcome("list", "--all", "--database", at)
        assert code == 0
        assert whole in written
        assert spoilt not in written
        assert squeezed(complained).startswith(
            f"Left out: What is stored as connections {spoilt} is not what was written: creator"
        )
        output = refusal("list", "--all", "--after", spoilt, "--database", at)
        assert squeezed(output).startswith(f"What is stored as connections {spoilt} is not ")


class TestWidth:
    """On a terminal, a table is as wide as it has to be, up to the terminal's width."""

    #: How many columns the table needs: two gaps, an id, a status, an arrow and an organization.
    NEEDED = 4 + 32 + len("pending") + 2 + 90

    @pytest.fixture
    def listed(self, people: People) -> list[str]:
        """The command that lists one Connection."""
        people.source.create("org_".ljust(90, "x"), "--name", "A-name " * 30)
        return ["list", "--as", OURS, "--database", people.source.database]

    @pytest.mark.parametrize("columns", [80, NEEDED - 1, NEEDED, 200])
    def test_a_terminal(self, listed: list[str], columns: int) -> None:
        lines = decoloured(on_a_terminal(*listed, columns=columns, NO_COLOR="1")).splitlines()
        longest = max(map(len, lines))
        if columns < self.NEEDED:
            assert lines[0].startswith("Connection   cxn_")
            assert longest == len("shares with  ") + 90
        else:
            assert lines[0].split()[:3] == ["Connection", "status", "shares"]
            assert self.NEEDED <= longest <= columns
        assert sum(line.count("A-name") for line in lines) == 30

    @pytest.mark.parametrize("variables", [{}, {"COLUMNS": "200"}, {"FORCE_COLOR": "1"}])
    def test_a_pipe(self, listed: list[str], variables: dict[str, str]) -> None:
        """It has 80 columns, whoever says otherwise."""
        assert decoloured(run(*listed, code=0, stdin=b"", **variables)) == run(*listed)
        assert run(*listed).startswith("Connection   cxn_")


def cursor(which: str, connection_id: str) -> str:
    """The link to the page of two beside a Connection."""
    return f"?page%5B{which}%5D={connection_id}&page%5Bsize%5D=2"
