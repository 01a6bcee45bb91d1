"""The form to create a Connection, and everything that can be wrong with it."""

from typing import Any

import pytest
from dashboards import ADA, GRACE, Host, Seen

from connect_core import Status

FORM: dict[str, Any] = {
    "key": "form_1",
    "destination": "org_DEF456",
    "name": "Partner Connection",
    "scope": ["inquiry.read", "account.read"],
    "further": "",
}


def send(host: Host, **changed: Any) -> Seen:
    return host.browser().post("/connections/new", {**FORM, **changed})


def value(seen: Seen, field: str) -> str:
    found = seen.html.select_one(f"#{field}")
    assert found is not None
    return str(found["value"])


def ticked(seen: Seen) -> list[str]:
    return [str(each["value"]) for each in seen.html.select("input[type=checkbox][checked]")]


class TestForm:
    """The publisher's two scopes are ticked; there is room for further ones."""

    def test_as_it_opens(self) -> None:
        seen = Host().browser().get("/connections/new")
        assert seen.all("label.box") == ["View Inquiry inquiry.read", "View Account account.read"]
        assert ticked(seen) == ["inquiry.read", "account.read"]
        assert [value(seen, field) for field in ("destination", "name", "further")] == ["", "", ""]
        assert seen.fields()["key"].startswith("form_")
        assert seen.words("title") == "Create a Connection · Connect"
        assert seen.all(".problem") == ["", "", "", ""]

    def test_each_form_has_a_key_of_its_own(self) -> None:
        browser = Host().browser()
        keys = {browser.get("/connections/new").fields()["key"] for _ in range(3)}
        assert len(keys) == 3

    def test_filled_in_by_a_link(self) -> None:
        seen = (
            Host()
            .browser()
            .get(
                "/connections/new?destination=org_DEF456&name=Loans&scope=case.read"
                "&scope=inquiry.read&further=report.read"
            )
        )
        assert value(seen, "destination") == "org_DEF456"
        assert value(seen, "name") == "Loans"
        assert ticked(seen) == ["inquiry.read"]
        assert value(seen, "further") == "case.read report.read"


class TestCreation:
    """What is sent is what is created."""

    def test_the_guides_request(self) -> None:
        host = Host()
        seen = send(host)
        assert seen.location == "/connections/cxn_1?version=1"
        made = host.service.get("cxn_1", by=ADA)
        assert (made.name, made.status) == ("Partner Connection", Status.PENDING)
        assert sorted(made.scopes) == ["account.read", "inquiry.read"]
        assert made.creator == ADA
        page = host.browser().get(seen.location)
        assert "Created. The Connection is now pending." in page.words(".notice")

    @pytest.mark.parametrize(
        ("changed", "name", "scopes"),
        [
            ({"destination": "  org_DEF456\t"}, "Partner Connection", 2),
            ({"name": "   "}, None, 2),
            ({"name": " Loans "}, "Loans", 2),
            ({"scope": ["inquiry.read"]}, "Partner Connection", 1),
            ({"scope": [], "further": "case.read"}, "Partner Connection", 1),
            ({"further": "case.read, report.read;a.b\nc.d"}, "Partner Connection", 6),
            ({"further": " inquiry.read "}, "Partner Connection", 2),
            ({"name": "x" * 255}, "x" * 255, 2),
            ({"name": "<b>\u202e bold"}, "<b>\u202e bold", 2),
        ],
    )
    def test_what_is_typed(self, changed: Any, name: str | None, scopes: int) -> None:
        host = Host()
        assert send(host, **changed).status == 303
        made = host.service.get("cxn_1", by=ADA)
        assert made.name == name
        assert len(made.scopes) == scopes


class TestProblems:
    """Everything that is wrong is said at its field, and what was typed stays."""

    @pytest.mark.parametrize(
        ("changed", "field", "said"),
        [
            ({"destination": ""}, "destination", "Enter the organization id of your partner."),
            (
                {"destination": "DEF456"},
                "destination",
                "“DEF456” is not an organization id. It begins with org_, and letters, digits,"
                " _ or - follow, 255 characters at most. Your partner finds it under"
                " Organization > Information.",
            ),
            ({"destination": "org_ü"}, "destination", "“org_ü” is not an organization id."),
            (
                {"destination": "org_" + "x" * 252},
                "destination",
                f"“org_{'x' * 73}...” is not an organization id.",
            ),
            ({"destination": "org_ABC123"}, "destination", "That is your own organization."),
            (
                {"name": "x" * 256},
                "name",
                "A name has at most 255 characters; this has 256.",
            ),
            ({"name": "a\x00b"}, "name", "A name cannot hold the character U+0000."),
            ({"scope": []}, "scope", "Choose at least one kind of data to share."),
            (
                {"further": "case"},
                "further",
                "“case” is not a scope. One looks like inquiry.read.",
            ),
            ({"scope": ["Inquiry.Read"]}, "further", "“Inquiry.Read” is not a scope."),
            (
                {"further": " ".join(f"a{number}.read" for number in range(63))},
                "further",
                "A Connection has at most 64 scopes.",
            ),
        ],
    )
    def test_each(self, changed: Any, field: str, said: str) -> None:
        host = Host()
        seen = send(host, **changed)
        assert seen.status == 422
        assert seen.words("title").startswith("Error: Create a Connection")
        assert seen.words(f"#{field}-problem").startswith(said)
        summary = seen.html.select(".notice a")
        assert [each["href"] for each in summary] == [f"#{field}"]
        assert seen.html.select_one(f"#{field}") is not None
        assert seen.fields()["key"] != FORM["key"]
        assert len(host.service.list(by=ADA)) == 0
        for name in ("destination", "name"):
            assert value(seen, name) == str(changed.get(name, FORM[name])).strip()

    def test_all_at_once(self) -> None:
        seen = send(Host(), destination="nobody", name="x" * 256, scope=[], further="y")
        assert [each["href"] for each in seen.html.select(".notice a")] == [
            "#destination",
            "#name",
            "#further",
        ]
        assert ticked(seen) == []

    def test_without_a_key(self) -> None:
        host = Host()
        assert send(host, key="").status == 400
        assert len(host.service.list(by=ADA)) == 0

    def test_a_key_of_another_form(self) -> None:
        host = Host()
        assert send(host).status == 303
        assert send(host, destination="org_XYZ789").status == 422
        assert len(host.service.list(by=ADA)) == 1


class TestDuplicates:
    """A duplicate leads to the Connection that there is, and to what can be done with it."""

    @pytest.mark.parametrize(
        ("status", "actions"),
        [
            ("pending", ["Open it", "Deactivate it"]),
            ("active", ["Open it", "Deactivate it"]),
            ("inactive", ["Open it", "Reactivate it"]),
        ],
    )
    def test_what_it_says(self, status: str, actions: list[str]) -> None:
        host = Host()
        host.connection(status, name="The first")
        seen = send(host)
        assert seen.status == 409
        assert seen.words(".notice h2") == "There is a Connection to this organization already"
        assert f"The first {status.capitalize()}" in seen.words(".notice p")
        assert seen.all(".notice .buttons a") == actions
        first = seen.html.select_one(".notice a")
        assert first is not None
        assert first["href"] == "/connections/cxn_1"
        assert value(seen, "destination") == "org_DEF456"
        assert seen.fields()["key"] != FORM["key"]

    def test_the_other_direction_is_none(self) -> None:
        host = Host()
        host.connection(by=GRACE, to=ADA)
        assert send(host).status == 303

    def test_one_that_nobody_can_find(self) -> None:
        """Another transaction has made it, and this one cannot see it."""
        host = Host()
        host.connection()
        host.service.find = lambda **_: None  # type: ignore[method-assign]  # as if it were unseen
        seen = send(host)
        assert seen.status == 409
        assert "Someone has just created it." in seen.words(".notice")
