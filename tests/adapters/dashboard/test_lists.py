"""The page of all Connections: tabs, counts, search, filter, pages and empty states."""

import pytest
from dashboards import ADA, GRACE, STRANGER, Browser, Host, Seen, finding

from connect_core import Actor, InvalidRecordError, Page

TABS = ("needs-action", "shared-by-us", "shared-with-us", "all")


def titles(seen: Seen) -> list[str]:
    assert seen.status == 200, seen.text
    return seen.all(".row-title")


def filled() -> Host:
    """From Ada's side: one that she shares, one that waits for her, one that has ended."""
    host = Host()
    host.connection("active", by=ADA, to=GRACE, name="Loans")
    host.clock.move(hours=1)
    host.connection("pending", by=GRACE, to=ADA, name="Credit decisions")
    host.clock.move(days=1)
    host.connection("inactive", by=STRANGER, to=ADA, name=None)
    host.connection("active", by=GRACE, to=STRANGER, name="Not ours")
    host.clock.move(days=3)
    return host


class TestTabs:
    """Each tab has its Connections and their number."""

    @pytest.mark.parametrize(
        ("view", "expected"),
        [
            ("needs-action", ["Credit decisions"]),
            ("shared-by-us", ["Loans"]),
            ("shared-with-us", ["Example Insurer", "Credit decisions"]),
            ("all", ["Example Insurer", "Credit decisions", "Loans"]),
        ],
    )
    def test_what_they_show(self, view: str, expected: list[str]) -> None:
        seen = filled().browser().get(f"/connections?view={view}")
        assert titles(seen) == expected
        assert seen.all(".tabs a") == [
            "Needs my action 1",
            "Shared by us 1",
            "Shared with us 2",
            "All 3",
        ]
        current = seen.html.select(".tabs a[aria-current]")
        assert [each["href"] for each in current] == [f"/connections?view={view}"]

    def test_the_first_page_shows_all(self) -> None:
        browser = filled().browser()
        assert browser.get("/").location == "/connections"
        assert len(titles(browser.get("/connections"))) == 3

    def test_counts_end(self) -> None:
        host = Host()
        for number in range(100):
            host.service.create(by=ADA, destination=f"org_{number}")
        seen = host.browser().get("/connections")
        assert seen.all(".tabs a") == [
            "Needs my action 0",
            "Shared by us 99+",
            "Shared with us 0",
            "All 99+",
        ]


class TestRows:
    """A row says what the Connection is, who the other is, and whose turn it is."""

    def test_what_they_say(self) -> None:
        seen = filled().browser().get("/connections")
        assert [row.split(" View Account")[0] for row in seen.all("tbody tr")] == [
            "Example Insurer cxn_3 You receive from Example Insurer org_XYZ789 Inactive Only"
            " Example Insurer can reactivate it",
            "Credit decisions cxn_2 You receive from Example Lender org_DEF456 Pending Your turn to"
            " accept or decline",
            "Loans cxn_1 You share with Example Lender org_DEF456 Active Data may flow",
        ]
        assert seen.all("td time") == ["3 days ago", "4 days ago", "4 days ago"]
        times = [(each["datetime"], each["title"]) for each in seen.html.select("td time")]
        assert times[2] == ("2026-11-27T12:00:00.000Z", "2026-11-27 12:00:00 UTC")

    def test_what_is_due_has_a_button(self) -> None:
        seen = filled().browser().get("/connections")
        assert [each["href"] for each in seen.html.select(".row-actions > a")] == [
            "/connections/cxn_2/activate"
        ]
        assert seen.all("tr.due .row-title") == ["Credit decisions"]

    def test_menus_say_why_not(self) -> None:
        seen = filled().browser().get("/connections?view=needs-action")
        assert seen.all("td .menu-item") == [
            "View",
            "Accept",
            "Decline",
            "Reactivate Only Example Lender can reactivate it.",
        ]

    def test_a_self_connection(self) -> None:
        host = Host()
        host.connection(by=ADA, to=ADA, allow_self=True)
        seen = host.browser().get("/connections")
        assert "To yourself Example Bank" in seen.words("tbody tr")
        assert seen.all(".tabs a")[-1] == "All 1"

    def test_many_scopes(self) -> None:
        host = Host()
        host.connection(scopes=["a.read", "b.write_off", "c-d.read", "e.read", "f.read"])
        assert host.browser().get("/connections").all(".tag") == [
            "View A",
            "Write Off B",
            "View C D",
            "and 2 more",
        ]

    def test_names_are_asked_for_once(self) -> None:
        host = filled()
        host.browser().get("/connections")
        assert host.asked == [frozenset({"org_ABC123", "org_DEF456", "org_XYZ789", "usr_Ada"})]

    def test_without_names(self) -> None:
        host = Host(describe=None, search=None)
        host.connection(name=None)
        seen = host.browser().get("/connections")
        assert titles(seen) == ["org_DEF456"]
        assert seen.words(".account-name") == "org_ABC123"


def walked(host: Host, address: str) -> list[list[str]]:
    """The ids on each page of a list, from the first to the last, and the same on the way back."""
    browser, pages = host.browser(), list[list[str]]()
    seen = browser.get(address)
    pages.append(seen.all(".cell-name .id"))
    while (following := seen.html.select_one("a[rel=next]")) is not None:
        seen = browser.get(str(following["href"]))
        pages.append(seen.all(".cell-name .id"))
    backwards = [pages[-1]]
    while (previous := seen.html.select_one("a[rel=prev]")) is not None:
        seen = browser.get(str(previous["href"]))
        backwards.append(seen.all(".cell-name .id"))
    assert backwards == pages[::-1]
    return pages


class TestPages:
    """25 on a page; pages neither skip nor repeat Connections."""

    def host(self, number: int = 60) -> Host:
        host = Host()
        for each in range(number):
            host.service.create(by=ADA, destination=f"org_{each}", name=f"Nr {each} of {number}")
            host.clock.move(seconds=each % 3)
        return host

    def test_there_and_back(self) -> None:
        browser = self.host().browser()
        address, forwards = "/connections?view=shared-by-us&status=pending", list[list[str]]()
        while True:
            seen = browser.get(address)
            forwards.append(titles(seen))
            following = seen.html.select_one("a[rel=next]")
            if following is None:
                break
            address = str(following["href"])
        assert [len(each) for each in forwards] == [25, 25, 10]
        assert len({title for page in forwards for title in page}) == 60
        backwards = [forwards[-1]]
        while (previous := seen.html.select_one("a[rel=prev]")) is not None:
            seen = browser.get(str(previous["href"]))
            backwards.append(titles(seen))
        assert backwards == forwards[::-1]

    def test_a_search_goes_on(self) -> None:
        browser = self.host().browser()
        seen = browser.get("/connections?q=NR")
        assert len(titles(seen)) == 25
        following = seen.html.select_one("a[rel=next]")
        assert following is not None
        assert len(titles(browser.get(str(following["href"])))) == 25

    @pytest.mark.parametrize("text", ["bank", "credit union"])
    def test_a_search_by_organization_goes_on(self, text: str) -> None:
        """Whether the names of the Connections have the text too, or not."""
        numbers = [f"org_{number}" for number in range(60)]
        host = Host(search=finding(*numbers))
        due: list[str] = []
        for number, partner in enumerate(numbers):
            name = f"Bank contract {number}"
            if number % 3:
                host.service.create(by=ADA, destination=partner, name=name)
            else:
                by = Actor(id="usr_1", organization_id=partner)
                host.service.create(by=by, destination=ADA.organization_id, name=name)
            host.clock.move(seconds=1)
            due.insert(0, f"cxn_{number + 1}")
        assert walked(host, f"/connections?q={text}") == [due[:25], due[25:50], due[50:]]

    def test_what_one_of_two_ways_finds(self) -> None:
        """Names and organizations in turn, with others between them."""
        host = Host(search=finding(*(f"org_{number}" for number in range(0, 120, 4))))
        for number in range(120):
            name = f"Bank {number}" if number % 4 == 1 else None
            host.service.create(by=ADA, destination=f"org_{number}", name=name)
            host.clock.move(seconds=1)
        due = [f"cxn_{number + 1}" for number in reversed(range(120)) if number % 4 < 2]
        assert walked(host, "/connections?q=bank") == [due[:25], due[25:50], due[50:]]

    def test_beyond_the_last_page(self) -> None:
        """There is a way back, and nothing that says that there is no Connection."""
        host = self.host(3)
        for query in ("", "q=Nr&", "view=shared-by-us&"):
            seen = host.browser().get(f"/connections?{query}after=cxn_1")
            assert seen.words(".empty h2") == "Nothing on this page"
            back = seen.html.select_one("a[rel=prev]")
            assert back is not None
            assert len(titles(host.browser().get(str(back["href"])))) == 2

    @pytest.mark.parametrize("cursor", ["cxn_unknown", "nothing", "%00", "cxn_1'--"])
    def test_an_unknown_place(self, cursor: str) -> None:
        host = self.host(3)
        for name in ("after", "before"):
            assert host.browser().get(f"/connections?{name}={cursor}").status == 404
        assert host.browser("grace").get("/connections?after=cxn_1").status == 404

    def test_both_directions(self) -> None:
        assert self.host(3).browser().get("/connections?after=cxn_1&before=cxn_2").status == 400


class TestSearch:
    """By the whole id of a Connection or an organization, or by a part of a name."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("cxn_2", ["Credit decisions"]),
            ("  cxn_2 ", ["Credit decisions"]),
            ("cxn_4", []),  # not ours
            ("cxn_99", []),
            ("cxn_", []),
            ("org_DEF456", ["Credit decisions", "Loans"]),
            ("org_XYZ789", ["Example Insurer"]),
            ("org_def456", []),
            ("org_", []),
            ("org_%", []),
            ("decis", ["Credit decisions"]),
            ("DECIS", ["Credit decisions"]),
            ("lender", ["Credit decisions", "Loans"]),
            ("insurer", ["Example Insurer"]),
            ("o", ["Credit decisions", "Loans"]),
            ("%", []),
            ("_", []),
            ("'; DROP TABLE", []),
            ("<script>", []),
        ],
    )
    def test_what_it_finds(self, text: str, expected: list[str]) -> None:
        host = filled()
        browser = Browser(host.app, {"visitor": "ada"})
        seen = browser.get(f"/connections?q={text.replace('%', '%25').replace(' ', '+')}")
        assert titles(seen) == expected
        field = seen.html.select_one("#q")
        assert field is not None
        assert field["value"] == text.strip()
        if not expected:
            assert "Nothing is found for" in seen.words(".empty")

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("q=lender&status=pending", ["Credit decisions"]),
            ("q=lender&view=shared-by-us", ["Loans"]),
            ("q=org_DEF456&view=needs-action", ["Credit decisions"]),
            ("q=cxn_2&status=active", []),
            ("status=inactive", ["Example Insurer"]),
            ("status=active&view=needs-action", []),
        ],
    )
    def test_within_a_list(self, query: str, expected: list[str]) -> None:
        assert titles(filled().browser().get(f"/connections?{query}")) == expected

    def test_an_organization_and_a_name(self) -> None:
        """What is found in both ways is shown once."""
        host = filled()
        host.connection(by=ADA, to=STRANGER, name="For Example Lender")
        assert titles(host.browser().get("/connections?q=Example+Lender")) == [
            "For Example Lender",
            "Credit decisions",
            "Loans",
        ]

    @pytest.mark.parametrize(("number", "is_found"), [(99, True), (100, False)])
    def test_a_search_of_the_host_that_finds_much(self, number: int, is_found: bool) -> None:
        """The page says so if some of the organizations are left out."""
        many = [f"org_x{each}" for each in range(number)]
        host = Host(search=finding(*many, *many, "org_DEF456"))
        host.connection()
        seen = host.browser().get("/connections?q=x")
        assert titles(seen) == (["Loans"] if is_found else [])
        notice = (
            "More than 100 organizations have this text in their names, and only the first 100 were"
            " looked for. Enter more of the name."
        )
        assert seen.all(".notice") == ([] if is_found else [notice])

    def test_ids_of_the_host_that_are_none(self) -> None:
        host = Host(search=finding("nonsense", "org_DEF456", "org_ABC123"))
        host.connection()
        assert titles(host.browser().get("/connections?q=x")) == ["Loans"]

    def test_a_status_without_a_text(self) -> None:
        seen = filled().browser().get("/connections?status=active&view=needs-action")
        assert "In this list, none has this status." in seen.words(".empty")

    @pytest.mark.parametrize("query", ["view=theirs", "status=gone", f"q={'x' * 256}"])
    def test_what_cannot_be_asked(self, query: str) -> None:
        assert filled().browser().get(f"/connections?{query}").status == 400

    def test_members_that_are_not_known(self) -> None:
        assert len(titles(filled().browser().get("/connections?utm_source=mail"))) == 3


class TestEmpty:
    """Each empty list says the next step."""

    @pytest.mark.parametrize(
        ("view", "title", "step"),
        [
            ("needs-action", "Nothing needs your action", "give your partner your organization id"),
            ("shared-by-us", "You share nothing yet", "Create a Connection to offer data"),
            ("shared-with-us", "Nobody shares with you yet", "needs your organization id"),
            ("all", "No Connections yet", "Offer data to another organization"),
        ],
    )
    def test_without_any(self, view: str, title: str, step: str) -> None:
        seen = Host().browser().get(f"/connections?view={view}")
        assert seen.words(".empty h2") == title
        assert step in seen.words(".empty")
        assert seen.html.select("form.search") == []
        if view != "shared-by-us":
            assert "org_ABC123" in seen.words(".empty .copied")

    def test_a_filter_can_be_cleared(self) -> None:
        seen = filled().browser().get("/connections?view=shared-by-us&q=nothing")
        link = seen.html.select_one(".empty a")
        assert link is not None
        assert link["href"] == "/connections?view=shared-by-us"


def test_records_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    host = filled()
    listed = host.service.list
    error = InvalidRecordError("connections cxn_9", "its status is 'gone'")

    def damaged(**arguments: object) -> Page:
        return Page(listed(**arguments).connections, unreadable=(error,))  # type: ignore[arg-type]  # as they came

    host.service.list = damaged  # type: ignore[method-assign]  # this service only
    seen = host.browser().get("/connections")
    assert "1 Connection on this page cannot be read." in seen.words(".notice")
    assert len(titles(seen)) == 3
    assert "left out of a list" in caplog.text


def test_grace_sees_the_other_side() -> None:
    seen = filled().browser("grace").get("/connections?view=shared-by-us")
    assert titles(seen) == ["Not ours", "Credit decisions"]
    assert "Waiting for Example Bank to accept" in seen.words("tbody tr:nth-of-type(2)")
    assert GRACE.organization_id not in seen.words("tbody")
