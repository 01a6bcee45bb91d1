"""Safety: forms of other sites, markup in names, outsiders, redirects, and the header fields."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from dashboards import ADA, GRACE, STRANGER, Browser, Host, Seen, always, calling_all, every

ADDRESSES = [
    "/connections",
    "/connections?view=needs-action&status=pending&q=Loans",
    "/connections?q={id}",
    "/connections?q=org_ABC123",
    "/connections?after={id}",
    "/connections?before={id}",
    "/connections/{id}",
    "/connections/{id}?events=all",
    "/connections/{id}?version=1",
    "/connections/{id}/activate",
    "/connections/{id}/deactivate",
    "/connections/{id}/reactivate",
    "/connections/new",
    "/organization",
    "/nowhere",
]


class TestOrigins:
    """A form is taken from these pages only. Nobody else's changes anything."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"},
            {"Sec-Fetch-Site": ""},
            {"Sec-Fetch-Site": "SAME-ORIGIN"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": ""},
            {"Origin": "http://127.0.0.1"},
            {"Origin": "http://127.0.0.1:80001"},
            {"Origin": "http://127.0.0.1:8000.evil.example"},
            {"Origin": "http://user@127.0.0.1:8000"},
            {"Origin": "http://[::1"},
            {"Referer": "http://127.0.0.1:8000/connections"},
            {},
        ],
    )
    def test_forms_of_others(self, headers: dict[str, str]) -> None:
        host = Host()
        connection = host.connection()
        state = every(host)
        before = state()
        form = {"version": 1, "key": "form_1"}
        browser = host.browser()
        seen = browser.post(f"/connections/{connection.id}/deactivate", form, headers)
        assert seen.status == 403
        assert "was not sent from this page" in seen.text
        new = {"key": "form_2", "destination": "org_XYZ789", "scope": "inquiry.read"}
        assert browser.post("/connections/new", new, headers).status == 403
        assert state() == before

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
            {"Origin": "http://127.0.0.1:8000"},
            {"Origin": "https://127.0.0.1:8000"},
        ],
    )
    def test_forms_of_ours(self, headers: dict[str, str]) -> None:
        host = Host()
        connection = host.connection()
        seen = host.browser().post(
            f"/connections/{connection.id}/deactivate", {"version": 1, "key": "form_1"}, headers
        )
        assert seen.status == 303

    def test_links_from_elsewhere_only_read(self) -> None:
        host = Host()
        connection = host.connection()
        state = every(host)
        before = state()
        browser = host.browser()
        for address in ADDRESSES:
            browser.get(address.replace("{id}", connection.id), {"Sec-Fetch-Site": "cross-site"})
        assert state() == before
        assert host.transactions.changes == 0


class TestHeaders:
    """Every answer forbids what the pages do not need."""

    @pytest.mark.parametrize("address", [*ADDRESSES, "/", "/sign-in", "/connections/cxn_9"])
    @pytest.mark.parametrize("visitor", ["ada", None])
    def test_on_every_page(self, address: str, visitor: str | None) -> None:
        host = Host()
        connection = host.connection()
        seen = host.browser(visitor).get(address.replace("{id}", connection.id))
        policy = seen.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert seen.headers["cache-control"] == "no-store"
        assert seen.headers["x-content-type-options"] == "nosniff"
        assert seen.headers["x-frame-options"] == "DENY"
        assert seen.headers["referrer-policy"] == "same-origin"
        assert seen.headers["vary"] == "Cookie"
        assert re.fullmatch("req_[0-9A-Za-z]+", seen.headers["request-id"])

    def test_pages_obey_the_policy(self) -> None:
        """No script and no style stands in a page, and nothing comes from elsewhere."""
        host = Host()
        connection = host.connection()
        for address in ADDRESSES:
            html = host.browser("grace").get(address.replace("{id}", connection.id)).html
            assert [each for each in html.select("script") if each.get_text().strip()] == []
            assert html.select("style, [style], iframe, object, base") == []
            for element in html.find_all(True):
                assert [name for name in element.attrs if name.startswith("on")] == []
                for name in ("src", "href", "action"):
                    assert str(element.get(name, "/")).startswith(("/", "#"))


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&amp;&lt;",
    "\u202eevil\u202c \u2066x",
    "x" * 255,
    "\U0001f600" * 255,
    "a\u0301" * 120,
]


class TestHostileText:
    """What others have chosen is text, and breaks nothing."""

    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_name(self, text: str) -> None:
        host = Host()
        connection = host.connection(name=text)
        plain = host.connection(name="Plain", by=GRACE, to=ADA)
        for address in ADDRESSES:
            seen = host.browser("grace").get(address.replace("{id}", connection.id))
            same = host.browser("grace").get(address.replace("{id}", plain.id))
            if seen.status == same.status == 200 and "?" not in address:
                assert _elements(seen) == _elements(same)
            assert "<script>alert" not in seen.body.decode()
        titles = [
            each.get_text() for each in host.browser().get("/connections").html.select(".row-title")
        ]
        assert text in titles

    @pytest.mark.parametrize("text", HOSTILE)
    def test_names_of_the_host(self, text: str) -> None:
        host = Host(describe=calling_all(text), links={text: "/x"})
        connection = host.connection()
        for address in ADDRESSES:
            seen = host.browser("grace").get(address.replace("{id}", connection.id))
            assert "<script>alert" not in seen.body.decode()
            assert seen.html.select("main img, [onmouseover], [onerror]") == []

    @pytest.mark.parametrize("text", HOSTILE)
    def test_what_is_typed(self, text: str) -> None:
        host = Host()
        browser = host.browser()
        found = [
            browser.get(f"/connections?q={quote(text[:200])}"),
            browser.get(f"/connections/new?destination={quote(text)}&name={quote(text)}"),
            browser.post(
                "/connections/new",
                {"key": "form_1", "destination": text, "name": text, "further": text},
            ),
            browser.get(f"/{quote(text)}"),
            browser.get(f"/connections/{quote(text)}"),
        ]
        for seen in found:
            assert "<script>alert" not in seen.body.decode()
            assert seen.html.select("main img, [onmouseover], [onerror]") == []

    @pytest.mark.parametrize("status", ["pending", "active", "inactive"])
    def test_names_stand_by_themselves(self, status: str) -> None:
        """Text that runs from right to left turns nothing round but itself."""
        name = "\u202eevil"
        host = Host(describe=calling_all(name))
        connection = host.connection(status, name=name)
        for address in ADDRESSES:
            html = host.browser().get(address.replace("{id}", connection.id)).html
            for found in html.find_all(string=re.compile("\u202e")):
                alone = found.parent is not None and found.parent.name in ("bdi", "title")
                assert alone or "\u202e" not in found.replace(f"\u2068{name}\u2069", "")


def _elements(seen: Seen) -> set[str]:
    return {element.name for element in seen.html.find_all(True)}


class TestOutsiders:
    """To an outsider, a Connection of others is no other than one that does not exist."""

    @pytest.mark.parametrize("address", ADDRESSES)
    def test_all_pages(self, address: str) -> None:
        host = Host()
        connection = host.connection("active")
        browser = host.browser("stranger")
        there = browser.get(address.replace("{id}", connection.id))
        absent = browser.get(address.replace("{id}", "cxn_9"))
        assert there.status == absent.status
        assert _neutral(there, connection.id) == _neutral(absent, "cxn_9")
        if "q=Loans" not in address:
            assert "Loans" not in there.text
        for secret in ("Example Bank", "Example Lender", "Ada", "Grace"):
            assert secret not in there.text

    @pytest.mark.parametrize("step", ["activate", "deactivate", "reactivate"])
    def test_all_forms(self, step: str) -> None:
        host = Host()
        connection = host.connection("active")
        browser = host.browser("stranger")
        form = {"version": 2, "key": "form_1"}
        there = browser.post(f"/connections/{connection.id}/{step}", form)
        form = {"version": 2, "key": "form_2"}
        absent = browser.post(f"/connections/cxn_9/{step}", form)
        assert there.status == absent.status == 404
        assert _neutral(there, connection.id) == _neutral(absent, "cxn_9")
        assert host.service.get(connection.id, by=ADA).version == 2

    def test_a_partner_of_one_side(self) -> None:
        """Somebody's partner is an outsider to its Connections with others."""
        host = Host()
        connection = host.connection("active")
        host.connection("active", by=ADA, to=STRANGER, name="Theirs")
        browser = host.browser("stranger")
        assert browser.get(f"/connections/{connection.id}").status == 404
        assert browser.get("/connections").all(".row-title") == ["Theirs"]
        assert browser.get("/connections?q=org_DEF456").all(".row-title") == []


def _neutral(seen: Seen, connection_id: str) -> str:
    """A page without what differs between any two requests."""
    text = seen.body.decode().replace(connection_id, "ID")
    return re.sub(r"form_[0-9A-Za-z]+|req_[0-9A-Za-z]+", "RANDOM", text)


class TestRedirects:
    """A redirect leads to a page of the Dashboard, or to where the host said."""

    @pytest.mark.parametrize(
        ("target", "expected"),
        [
            (
                "/connections?view=all&q=a%20b",
                "/login?next=%2Fconnections%3Fview%3Dall%26q%3Da%2520b",
            ),
            ("//evil.example/x", "/login?next=%2Fevil.example%2Fx"),
            ("/%2e%2e/admin", "/login?next=%2Fconnections"),
            ("/%0d%0aSet-Cookie:x=1", None),
            ("/connections?x=%0d%0aSet-Cookie:x=1", None),
        ],
    )
    def test_to_sign_in(self, target: str, expected: str | None) -> None:
        seen = Host().browser(None).get(target)
        location = seen.location
        assert location.startswith("/login?next=%2F")
        assert "\r" not in location
        assert "\n" not in location
        assert seen.cookies == []
        if expected is not None:
            assert location == expected

    @pytest.mark.parametrize("host_name", ["evil.example", "evil.example:1\\@x", "[::1"])
    def test_the_host_that_is_asked_for_does_not_matter(self, host_name: str) -> None:
        host = Host()
        host.connection()
        browser = Browser(host.app, {"visitor": "ada"}, host=host_name)
        assert browser.get("/", {"X-Forwarded-Host": "evil.example"}).location == "/connections"
        assert "evil" not in browser.get("/connections").body.decode()

    def test_a_request_id_is_no_header(self) -> None:
        seen = Host().browser().get("/connections", {"Request-Id": "a\tb: c"})
        assert seen.headers["request-id"].startswith("req_")
        assert (
            Host().browser().get("/connections", {"Request-Id": "mine"}).headers["request-id"]
            == "mine"
        )


def test_nothing_is_logged_but_the_path(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a query nor a form, which may hold names, is in the log."""
    host = Host()
    with caplog.at_level("INFO", "connect_core.adapters.dashboard"):
        host.browser().get("/connections?q=secret-name")
        host.browser().get("/connections/a%0ab")
    assert "secret-name" not in caplog.text
    facts: list[Any] = [record.__dict__["connect_core"] for record in caplog.records]
    assert facts[0] | {"duration_ms": 0, "request_id": ""} == {
        "request_id": "",
        "method": "GET",
        "path": "/connections",
        "actor": "usr_Ada",
        "organization": "org_ABC123",
        "status": 200,
        "code": "ok",
        "duration_ms": 0,
    }
    assert facts[1]["path"] == "/connections/a%0Ab"
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_a_fault_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the password is 1234")

    failing: list[Callable[[], Seen]] = [
        lambda: Host(authenticate=fail).browser().get("/connections"),
        lambda: Host(describe=fail).browser().get("/connections"),
        lambda: Host(search=fail).browser().get("/connections?q=x"),
        lambda: Host(limiter=fail).browser().get("/connections"),
        lambda: Host(authenticate=always("ada")).browser().get("/connections"),
    ]
    for send in failing:
        seen = send()
        assert seen.status == 500
        assert "1234" not in seen.body.decode()
        assert seen.words("h1") == "Something went wrong"
        assert seen.headers["request-id"] in seen.text
    assert "the password is 1234" in caplog.text
