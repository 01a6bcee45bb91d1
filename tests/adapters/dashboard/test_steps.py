"""Steps through the pages: every cell of the matrix, forms sent twice, late, or changed."""

from typing import Any

import pytest
from dashboards import ADA, GRACE, OURS, Browser, Host, always, every
from oracle import EXISTING, Verdict

from connect_core import Action, Actor, Connection, Denial, Role, Status

STEPS = [verdict for verdict in EXISTING if verdict.action is not Action.CREATE]
#: The answers to forms that are refused.
STATUSES = {Denial.NOT_A_PARTY: 404, Denial.WRONG_ROLE: 403, Denial.WRONG_STATUS: 409}
VISITORS = {
    frozenset({Role.SOURCE}): "ada",
    frozenset({Role.DESTINATION}): "grace",
    frozenset(Role): "ada",
    frozenset[Role](): "stranger",
}


def connection_for(host: Host, verdict: Verdict) -> Connection:
    """One in which Ada or Grace holds these roles."""
    assert verdict.status is not None
    if verdict.roles == frozenset(Role):
        return host.connection(verdict.status, by=ADA, to=ADA, allow_self=True)
    return host.connection(verdict.status)


def label_for(verdict: Verdict) -> str:
    """What the button says."""
    if (verdict.status, verdict.roles) == (Status.PENDING, frozenset({Role.DESTINATION})):
        return {"activate": "Accept", "deactivate": "Decline"}[verdict.action]
    return {"activate": "Accept", "deactivate": "Deactivate", "reactivate": "Reactivate"}[
        verdict.action
    ]


def form_for(connection: Connection, **changed: object) -> dict[str, object]:
    return {"version": connection.version, "key": "form_1", **changed}


@pytest.mark.parametrize("verdict", STEPS, ids=str)
class TestEveryCell:
    """The rules: what may be done has a button that works; what may not has none.

    The matrix in `oracle` was typed independently of the library.
    """

    def test_the_button(self, verdict: Verdict) -> None:
        host = Host()
        action, connection = verdict.action.value, connection_for(host, verdict)
        browser = host.browser(VISITORS[verdict.roles])
        asked = browser.get(f"/connections/{connection.id}/{action}")
        page = browser.get(f"/connections/{connection.id}")
        links = [] if page.status == 404 else _links(page, ".possible a")
        row = _links(browser.get("/connections"), ".menu-body a.menu-item[data-dialog]")
        if verdict.target is None:
            assert asked.status == (409 if verdict.roles else 404)
            assert asked.buttons == []
            assert action not in [*links, *row]
            return
        assert asked.status == 200
        assert asked.buttons == [label_for(verdict)]
        assert action in links
        assert action in row
        done = browser.take(connection, action)
        assert done.location == f"/connections/{connection.id}?version={connection.version + 1}"
        after = host.service.get(connection.id, by=ADA)
        assert (after.status, after.version) == (verdict.target, connection.version + 1)
        assert f"is now {verdict.target}" in browser.get(done.location).words(".notice")

    def test_a_forged_form(self, verdict: Verdict) -> None:
        host = Host()
        connection = connection_for(host, verdict)
        state = every(host)
        before = state()
        seen = host.browser(VISITORS[verdict.roles]).post(
            f"/connections/{connection.id}/{verdict.action}", form_for(connection)
        )
        if verdict.target is not None:
            assert seen.status == 303
            assert state() != before
            return
        assert seen.status == STATUSES[verdict.denials[0]]
        assert seen.buttons == []
        assert state() == before


def _links(seen: Any, selector: str) -> list[str]:
    return [str(each["href"]).rpartition("/")[2] for each in seen.html.select(selector)]


class TestWhatItSays:
    """A confirmation says what the step will do."""

    @pytest.mark.parametrize(
        ("status", "visitor", "action", "said"),
        [
            (
                "pending",
                "grace",
                "activate",
                "Accept this Connection? Example Lender will be able to read from Example Bank,"
                " from now on: View Account account.read View Inquiry inquiry.read"
                " Example Bank or Example Lender can deactivate the Connection at any time.",
            ),
            (
                "pending",
                "grace",
                "deactivate",
                "Decline this Connection? The offer is turned down. Example Lender will read"
                " nothing from Example Bank. To restart it: Example Bank has to"
                " reactivate it, then Example Lender has to accept it.",
            ),
            (
                "pending",
                "ada",
                "deactivate",
                "Deactivate this Connection? The offer is withdrawn: Example Lender can no longer"
                " accept it. To offer it again: Example Bank has to reactivate it, then Example"
                " Lender has to accept it.",
            ),
            *(
                (
                    "active",
                    visitor,
                    "deactivate",
                    "Deactivate this Connection? Sharing stops at once: Example Lender can read"
                    " nothing more from Example Bank. To start again, both sides must act: Example"
                    " Bank has to reactivate it, then Example Lender has to accept it.",
                )
                for visitor in ("ada", "grace")
            ),
            (
                "inactive",
                "ada",
                "reactivate",
                "Reactivate this Connection? The offer is made again. Example Lender can read"
                " nothing until it is accepted: Example Lender has to accept it. The scopes stay"
                " as they are.",
            ),
        ],
    )
    def test_the_words(self, status: str, visitor: str, action: str, said: str) -> None:
        host = Host()
        connection = host.connection(status)
        seen = host.browser(visitor).get(f"/connections/{connection.id}/{action}")
        found = [seen.words("h1"), seen.words(".lead"), *seen.all(".scope-list li")]
        assert " ".join([*found, seen.words("p.soft")]) == said

    def test_why_not(self) -> None:
        host = Host()
        connection = host.connection("inactive")
        seen = host.browser("grace").get(f"/connections/{connection.id}/activate")
        assert seen.words("h1") == "Accept is not possible"
        assert seen.words(".lead") == (
            "To accept it, it has to be pending; it is inactive now. First Example Bank has to"
            " reactivate it."
        )


class TestTwice:
    """A form that is sent again repeats nothing."""

    def test_a_double_click(self) -> None:
        host = Host()
        connection = host.connection()
        browser = host.browser("grace")
        address = f"/connections/{connection.id}/activate"
        form = browser.get(address).fields()
        first, second = browser.post(address, form), browser.post(address, form)
        assert first.location == second.location == f"/connections/{connection.id}?version=2"
        assert len(host.service.history(connection.id, by=ADA)) == 2

    def test_after_the_other_side_has_acted(self) -> None:
        """The repeated form is answered as before, and the page shows what is so now."""
        host = Host()
        connection = host.connection()
        browser = host.browser("grace")
        address = f"/connections/{connection.id}/activate"
        form = browser.get(address).fields()
        browser.post(address, form)
        host.service.deactivate(connection.id, by=ADA)
        seen = browser.get(browser.post(address, form).location)
        assert host.service.get(connection.id, by=ADA).status is Status.INACTIVE
        assert seen.words(".under-title .status") == "Inactive"
        assert seen.all(".notice") == []

    def test_a_creation(self) -> None:
        host = Host()
        browser = host.browser()
        form = {**browser.get("/connections/new").fields(), "scope": "inquiry.read"}
        form["destination"] = "org_DEF456"
        first = browser.post("/connections/new", form)
        assert browser.post("/connections/new", form).location == first.location
        assert len(host.service.list(by=ADA)) == 1

    def test_a_key_for_another_form(self) -> None:
        host = Host()
        first, second = host.connection(), host.connection(by=GRACE, to=ADA)
        browser, state = host.browser(), every(host)
        form = {"version": 1, "key": "form_1"}
        assert browser.post(f"/connections/{first.id}/deactivate", form).status == 303
        before = state()
        seen = browser.post(f"/connections/{second.id}/deactivate", form)
        assert seen.status == 422
        assert state() == before


class TestStale:
    """A form for a version that has passed shows what changed, and asks again."""

    def test_two_tabs(self) -> None:
        host = Host()
        connection = host.connection()
        browser = host.browser("grace")
        accept = f"/connections/{connection.id}/activate"
        decline = f"/connections/{connection.id}/deactivate"
        forms = {address: browser.get(address).fields() for address in (accept, decline)}
        assert browser.post(accept, forms[accept]).status == 303
        host.clock.move(minutes=5)
        seen = browser.post(decline, forms[decline])
        assert seen.status == 409
        assert host.service.get(connection.id, by=ADA).status is Status.ACTIVE
        assert seen.words(".notice") == (
            "It has changed since you opened the page Accepted by Grace of Example Lender,"
            " 5 minutes ago Nothing was changed. Please decide again."
        )
        assert seen.buttons == ["Deactivate"]
        again = seen.fields()
        assert again["version"] == "2"
        assert again["key"] != forms[decline]["key"]
        assert browser.post(decline, again).status == 303
        assert host.service.get(connection.id, by=ADA).status is Status.INACTIVE

    def test_what_is_no_longer_possible(self) -> None:
        host = Host()
        connection = host.connection()
        browser = host.browser("grace")
        form = browser.get(f"/connections/{connection.id}/activate").fields()
        host.service.deactivate(connection.id, by=ADA)
        seen = browser.post(f"/connections/{connection.id}/activate", form)
        assert seen.status == 409
        assert seen.buttons == []
        assert "Deactivated by Ada of Example Bank" in seen.words(".notice")
        assert "Please decide again" not in seen.words(".notice")
        assert "First Example Bank has to reactivate it." in seen.words(".lead")

    def test_a_later_offer_is_not_accepted_for_an_earlier_one(self) -> None:
        host = Host()
        connection = host.connection()
        browser = host.browser("grace")
        form = browser.get(f"/connections/{connection.id}/activate").fields()
        host.service.deactivate(connection.id, by=ADA)
        host.service.reactivate(connection.id, by=ADA)
        seen = browser.post(f"/connections/{connection.id}/activate", form)
        assert seen.status == 409
        assert seen.all(".notice li") == [
            "Reactivated by Ada of Example Bank, now",
            "Deactivated by Ada of Example Bank, now",
        ]
        assert host.service.get(connection.id, by=ADA).status is Status.PENDING


class TestForms:
    """What was not made here is refused, and nothing is changed."""

    @pytest.mark.parametrize(
        "form",
        [
            {},
            {"version": "1"},
            {"key": "form_1"},
            {"key": "form_1", "version": ""},
            {"key": "form_1", "version": "0"},
            {"key": "form_1", "version": "-1"},
            {"key": "form_1", "version": "2147483648"},
            {"key": "form_1", "version": "99999999999"},
            {"key": "form_1", "version": "one"},
            {"key": " ", "version": "1"},
        ],
    )
    def test_an_incomplete_step(self, form: dict[str, str]) -> None:
        host = Host()
        connection = host.connection()
        seen = host.browser().post(f"/connections/{connection.id}/deactivate", form)
        assert seen.status == 400
        assert "The form is not complete" in seen.text
        assert host.service.get(connection.id, by=ADA).version == 1

    def test_a_key_that_is_none(self) -> None:
        host = Host()
        connection = host.connection()
        form = form_for(connection, key="ü" * 300)
        seen = host.browser().post(f"/connections/{connection.id}/deactivate", form)
        assert seen.status == 400
        assert host.service.get(connection.id, by=ADA).version == 1

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"\xff=1", 400),
            (b"key=%FF", 400),
            (b"&".join([b"a=1"] * 201), 400),
            (b"key=" + b"x" * 70_000, 413),
        ],
    )
    def test_what_cannot_be_read(self, body: bytes, status: int) -> None:
        host = Host()
        connection = host.connection()
        seen = host.browser().post(f"/connections/{connection.id}/deactivate", body)
        assert seen.status == status
        assert host.service.get(connection.id, by=ADA).version == 1

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain", ""])
    def test_another_media_type(self, kind: str) -> None:
        host = Host()
        connection = host.connection()
        seen = host.browser().post(
            f"/connections/{connection.id}/deactivate",
            form_for(connection),
            {**OURS, "Content-Type": kind},
        )
        assert seen.status == 415
        assert host.service.get(connection.id, by=ADA).version == 1

    def test_an_unknown_step(self) -> None:
        host = Host()
        connection = host.connection()
        browser = host.browser()
        for step in ("create", "delete", "ACTIVATE", ""):
            address = f"/connections/{connection.id}/{step}"
            assert browser.get(address).status == 404
            assert browser.post(address, form_for(connection)).status == 405


def test_any_actor_of_an_organization_may_act() -> None:
    """Roles follow from the organization alone."""
    colleague = Actor(id="usr_Colleague", organization_id=GRACE.organization_id)
    host = Host(authenticate=always(colleague))
    connection = host.connection()
    browser = Browser(host.app, {})
    assert browser.take(connection, "activate").status == 303
    assert "Accepted by usr_Colleague of Example Lender" in browser.get(
        f"/connections/{connection.id}"
    ).words(".timeline")
