"""The page of one Connection, and that of the organization."""

from datetime import timedelta

import pytest
from dashboards import ADA, GRACE, NOW, STRANGER, VISITORS, Browser, Host, Seen, always

from connect_core import Action, Actor, actions
from connect_core.adapters.dashboard import Visitor
from connect_core.adapters.dashboard.wording import Names, reason, relative


def show(host: Host, visitor: str = "ada", query: str = "") -> Seen:
    seen = host.browser(visitor).get(f"/connections/cxn_1{query}")
    assert seen.status == 200, seen.text
    return seen


class TestWay:
    """The steps to active, and who takes each step."""

    @pytest.mark.parametrize(
        ("status", "way", "states"),
        [
            (
                "pending",
                [
                    "Created, done Example Bank 5 minutes ago",
                    "Accept, next Example Lender",
                    "Active, later Example Lender can read",
                ],
                ["done", "current", "later"],
            ),
            (
                "active",
                [
                    "Accepted, done Example Lender 5 minutes ago",
                    "Active, done Example Lender can read",
                ],
                ["done", "done"],
            ),
            (
                "inactive",
                [
                    "Deactivated, done Example Bank 5 minutes ago",
                    "Reactivate, next Example Bank",
                    "Accept, later Example Lender",
                    "Active, later Example Lender can read",
                ],
                ["done", "current", "later", "later"],
            ),
        ],
    )
    def test_each_status(self, status: str, way: list[str], states: list[str]) -> None:
        host = Host()
        host.connection(status)
        host.clock.move(minutes=5)
        seen = show(host)
        assert seen.all(".way-step") == way
        found = seen.html.select(".way-step")
        assert [each["class"][1] for each in found] == [f"way-{state}" for state in states]
        current = [each for each in found if each.get("aria-current") == "step"]
        assert len(current) == states.count("current")

    def test_a_declined_offer(self) -> None:
        host = Host()
        host.connection()
        host.service.deactivate("cxn_1", by=GRACE)
        assert show(host).all(".way-step")[0].startswith("Declined, done Example Lender")
        assert show(host).all(".event-what")[0] == "Declined by Grace of Example Lender"


class TestSides:
    """What each side may do now, and why the rest is not possible."""

    @pytest.mark.parametrize(
        ("status", "ours", "theirs"),
        [
            (
                "pending",
                [
                    "Accept Only Example Lender can accept it.",
                    "Deactivate",
                    "Reactivate To reactivate it, it has to be inactive; it is pending now.",
                ],
                ["Accept", "Decline", "Reactivate Only Example Bank can reactivate it."],
            ),
            (
                "active",
                [
                    "Accept Only Example Lender can accept it.",
                    "Deactivate",
                    "Reactivate To reactivate it, it has to be inactive; it is active now.",
                ],
                [
                    "Accept To accept it, it has to be pending; it is active now.",
                    "Deactivate",
                    "Reactivate Only Example Bank can reactivate it.",
                ],
            ),
            (
                "inactive",
                [
                    "Accept Only Example Lender can accept it.",
                    "Deactivate To deactivate it, it has to be pending or active; it is inactive"
                    " now.",
                    "Reactivate",
                ],
                [
                    "Accept To accept it, it has to be pending; it is inactive now. First Example"
                    " Bank has to reactivate it.",
                    "Deactivate To deactivate it, it has to be pending or active; it is inactive"
                    " now. First Example Bank has to reactivate it.",
                    "Reactivate Only Example Bank can reactivate it.",
                ],
            ),
        ],
    )
    def test_both(self, status: str, ours: list[str], theirs: list[str]) -> None:
        host = Host()
        host.connection(status)
        for visitor, sides in (("ada", (ours, theirs)), ("grace", (theirs, ours))):
            seen = show(host, visitor)
            assert seen.all(".side:nth-of-type(1) li") == sides[0]
            assert seen.all(".side:nth-of-type(2) li") == sides[1]
            assert seen.words(".side h3").endswith("you")
            assert seen.html.select(".side:nth-of-type(2) a") == []

    def test_a_self_connection_has_one_side(self) -> None:
        host = Host()
        host.connection(by=ADA, to=ADA, allow_self=True)
        seen = show(host)
        assert seen.all(".side h3") == ["Example Bank you"]
        assert seen.words(".under-title") == "Pending Your turn to accept"


class TestHistory:
    """Who, when, from what to what, the newest first."""

    def test_a_long_one(self) -> None:
        host = Host()
        connection = host.connection("active")
        for _ in range(12):
            host.clock.move(days=1)
            host.service.deactivate(connection.id, by=GRACE)
            host.service.reactivate(connection.id, by=ADA)
        seen = show(host)
        assert len(seen.all(".event")) == 20
        assert seen.words("a[href$='#history']") == "Show 6 earlier events"
        everything = show(host, query="?events=all")
        assert len(everything.all(".event")) == 26
        assert everything.all("a[href$='#history']") == []
        assert everything.all(".event")[-2:] == [
            "Accepted by Grace of Example Lender Pending → to Active · 12 days ago",
            "Created by Ada of Example Bank Pending · 12 days ago",
        ]

    def test_one_that_is_left_out(self) -> None:
        host = Host()
        connection = host.connection("active")
        host.service.deactivate(connection.id, by=GRACE)
        for _ in range(9):
            host.service.reactivate(connection.id, by=ADA)
            host.service.deactivate(connection.id, by=ADA)
        assert show(host).words("a[href$='#history']") == "Show 1 earlier event"


class TestNews:
    """What the visitor has just done is said once, and only if it is so."""

    @pytest.mark.parametrize(
        ("visitor", "query", "said"),
        [
            ("grace", "?version=2", ["Accepted. The Connection is now active."]),
            ("ada", "?version=2", []),
            ("grace", "?version=1", []),
            ("grace", "?version=3", []),
            ("grace", "", []),
        ],
    )
    def test_whose(self, visitor: str, query: str, said: list[str]) -> None:
        host = Host()
        host.connection("active")
        assert show(host, visitor, query).all(".notice") == said


class TestDetails:
    """Everything about one."""

    def test_what_there_is(self) -> None:
        host = Host()
        host.connection(name="Loans", scopes=["inquiry.read", "case.read_all"])
        host.clock.move(hours=2)
        facts = dict(zip(show(host).all(".facts dt"), show(host).all(".facts dd"), strict=True))
        assert facts == {
            "Connection id": "cxn_1 Copy the id of the Connection",
            "Name": "Loans",
            "Source": "Example Bank you org_ABC123 Copy the id of the source",
            "Destination": "Example Lender org_DEF456 Copy the id of the destination",
            "Shares": "Read All Case case.read_all View Inquiry inquiry.read",
            "Created": "2 hours ago 2026-11-27 12:00:00 UTC by Ada",
            "Last changed": "2 hours ago 2026-11-27 12:00:00 UTC",
            "Version": "1",
        }

    def test_without_names(self) -> None:
        host = Host(describe=None)
        host.connection(name=None)
        seen = show(host)
        assert seen.words("h1") == "org_DEF456"
        assert "Name" not in seen.all(".facts dt")
        assert "by usr_Ada" in seen.words(".facts")


class TestOrganization:
    """Organization > Information."""

    def test_the_id(self) -> None:
        seen = Host().browser().get("/organization")
        assert seen.all(".facts > div") == [
            "Name Example Bank",
            "Organization id org_ABC123 Copy the organization id",
            "Signed in as Ada usr_Ada",
        ]
        button = seen.html.select_one(".big-id button")
        assert button is not None
        assert button["data-copy"] == "org_ABC123"
        assert seen.html.select("form[action$=sign-out]") == []

    def test_a_visitor_with_a_name_and_an_end(self) -> None:
        visitor = Visitor(ADA, "Ada Lovelace", NOW + timedelta(hours=1))
        host = Host(authenticate=always(visitor), describe=None)
        seen = Browser(host.app, {}).get("/organization")
        assert seen.all(".facts > div") == [
            "Organization id org_ABC123 Copy the organization id",
            "Signed in as Ada Lovelace usr_Ada",
            "Session ends 2026-11-27 13:00:00 UTC",
        ]
        assert "until 2026-11-27 13:00:00 UTC" in seen.words(".account")


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=-30), "now"),
        (timedelta(seconds=30), "30 seconds ago"),
        (timedelta(minutes=1), "a minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=1), "a day ago"),
        (timedelta(days=400), "1 year, 1 month ago"),
    ],
)
def test_ages(ago: timedelta, said: str) -> None:
    assert relative(NOW - ago, NOW) == said


def test_a_refusal_that_has_no_words_of_its_own() -> None:
    """The policy's own explanation is shown."""
    connection = Host().connection()
    decision = actions(STRANGER, connection)[Action.ACTIVATE]
    assert reason(decision, connection, Names({})) == decision.explanation


def test_a_name_that_the_host_gives_to_a_visitor() -> None:
    """The host's own description comes before that of the session."""
    VISITORS["named"] = Visitor(Actor(id="usr_Ada", organization_id="org_ABC123"), "From session")
    try:
        assert "Ada usr_Ada" in Host().browser("named").get("/organization").words(".facts")
    finally:
        del VISITORS["named"]
