"""Signing in with a key: sessions, cookies, links, and what could go wrong with each."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from clocks import Clock
from dashboards import NOW, OURS, Browser, Seen, known_names
from sqlalchemy import Engine, create_engine, select

from connect_core import StoreUnavailableError
from connect_core.adapters.dashboard import create_dashboard
from connect_core.adapters.dashboard.sign_in import KeySignIn
from connect_core.adapters.sql import (
    ApiKeys,
    BrowserSessions,
    NewApiKey,
    Transactions,
    browser_sessions,
    configure_engine,
    open_engine,
)

LOOPBACK = {**OURS, "Origin": "http://127.0.0.1:8000"}
SECURE = {**OURS, "Origin": "https://connect.example"}


class Site:
    """A Dashboard whose visitors sign in with keys."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.clock = clock
        self.engine = engine
        self.keys = ApiKeys(engine, clock=clock)
        self.keys.create_tables()
        self.sessions = BrowserSessions(engine, clock=clock)
        self.sign_in = KeySignIn(engine, clock=clock)
        self.app = create_dashboard(
            authenticate=self.sign_in.authenticate,
            transactions=Transactions(engine, clock=clock),
            describe=known_names,
            sign_in=self.sign_in,
            clock=clock,
        )

    def key(self, organization: str = "org_ABC123", **options: Any) -> NewApiKey:
        return self.keys.create(organization, name="Ada", actor="user", **options)

    def browser(self, host: str = "127.0.0.1:8000", **cookies: str) -> Browser:
        return Browser(self.app, cookies, host=host)

    def signed_in(self, organization: str = "org_ABC123", **options: Any) -> Browser:
        browser = self.browser()
        enter(browser, self.key(organization, **options).token)
        return browser


def enter(browser: Browser, key: str, headers: dict[str, str] = LOOPBACK, **more: str) -> Seen:
    return browser.post("/sign-in", {"key": key, **more}, headers)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    engine = open_engine(f"sqlite:///{tmp_path / 'site.db'}")
    yield Site(engine, Clock(NOW))
    engine.dispose()


class TestEntering:
    """A key signs its holder in, and only a key that can be used does."""

    def test_in_and_out(self, site: Site) -> None:
        browser = site.browser()
        assert browser.get("/").location == "/sign-in?next=%2F"
        page = browser.get("/sign-in")
        assert page.words("h1") == "Sign in"
        assert page.buttons == ["Sign in"]
        assert enter(browser, site.key().token).location == "/connections"
        assert browser.get("/connections").words(".account-name") == "Example Bank"
        organization = browser.get("/organization")
        assert organization.all(".facts dd")[2].startswith("Ada usr_")
        assert organization.all(".facts dd")[3] == "2026-11-27 20:00:00 UTC"
        out = browser.post("/sign-out", {})
        assert out.location == "/sign-in"
        assert browser.cookies == {}
        forgotten = {each.partition("=")[0]: _flags(each) for each in out.cookies}
        common = {"httponly", "samesite=lax", "path=/", "max-age=0"}
        assert common | {"secure"} <= forgotten["__Host-connect_core"]
        assert common <= forgotten["connect_core"]
        assert "secure" not in forgotten["connect_core"]
        assert browser.get("/connections").location == "/sign-in?next=%2Fconnections"

    def test_a_database_that_fails_meanwhile(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing was changed, and so the earlier session is still there."""
        browser = site.signed_in()

        def failing(*_: object) -> None:
            raise StoreUnavailableError("the database is down")

        monkeypatch.setattr(BrowserSessions, "start", failing)
        seen = enter(browser, site.key("org_DEF456").token)
        assert seen.status == 503
        assert "Nothing was changed." in seen.text
        assert browser.get("/connections").words(".account-name") == "Example Bank"

    def test_the_key_may_be_pasted_with_spaces(self, site: Site) -> None:
        assert enter(site.browser(), f"  {site.key().token}\n").status == 303

    def test_keys_that_cannot_be_used(self, site: Site) -> None:
        made = site.key()
        revoked, expired = site.key(), site.key(expires_in=timedelta(hours=1))
        site.keys.revoke(revoked.key.id)
        site.clock.move(hours=1)
        for wrong in ("", " ", "x", made.token[:-1], made.key.id, revoked.token, expired.token):
            browser = site.browser()
            seen = enter(browser, wrong)
            assert seen.status == 401
            assert seen.cookies == []
            said = "This key cannot be used." if wrong.strip() else "Enter your key."
            assert seen.words("#key-problem").startswith(said)
            assert made.token not in seen.body.decode()

    def test_a_key_is_no_address(self, site: Site) -> None:
        """A key in an address signs nobody in, and is not shown again."""
        token = site.key().token
        for address, status in ((f"/sign-in?key={token}", 200), (f"/connections?key={token}", 303)):
            browser = site.browser()
            assert browser.get(address).status == status
            assert browser.cookies == {}
        assert site.browser().get(f"/sign-in/{token}").status == 404
        assert token not in site.browser().get(f"/sign-in?key={token}").body.decode()
        sent = site.browser().post(f"/sign-in?key={token}", {}, LOOPBACK)
        assert sent.status == 401

    def test_a_bearer_token_is_none_here(self, site: Site) -> None:
        headers = {"Authorization": f"Bearer {site.key().token}"}
        assert site.browser().get("/connections", headers).status == 303

    def test_one_that_is_signed_in(self, site: Site) -> None:
        browser = site.signed_in()
        assert browser.get("/sign-in").location == "/connections"
        assert browser.get("/sign-in?next=%2Forganization").location == "/organization"


class TestPlaces:
    """After signing in one is where one was, and nowhere else."""

    @pytest.mark.parametrize(
        ("place", "expected"),
        [
            ("/connections/cxn_1?version=2", "/connections/cxn_1?version=2"),
            ("/connections?view=all&q=a%20b", "/connections?view=all&q=a%20b"),
            ("https://evil.example/", "/https%3A//evil.example/"),
            ("//evil.example/", "/evil.example/"),
            ("///evil.example", "/evil.example"),
            ("/\\evil.example", "/%5Cevil.example"),
            ("\\\\evil.example", "/%5C%5Cevil.example"),
            ("javascript:alert(1)", "/javascript%3Aalert%281%29"),
            ("/x\r\nSet-Cookie: a=b", "/x%0D%0ASet-Cookie%3A%20a=b"),
            ("/x#fragment", "/x%23fragment"),
            *((place, "/connections") for place in ("/../admin", "/%2e%2E/admin", "/x/.%2e/y?a=b")),
            *((place, "/connections") for place in ("..", "/.", "/%2e/admin", "/..?view=all")),
            ("/connections?q=../..", "/connections?q=../.."),
            ("/a..b/...", "/a..b/..."),
            ("", "/connections"),
        ],
    )
    def test_where_it_leads(self, site: Site, place: str, expected: str) -> None:
        token = site.key().token
        assert enter(site.browser(), token, next=place).location == expected
        form = site.browser().get(f"/sign-in?next={quote(place)}")
        assert form.fields()["next"] == (place.strip() or "/connections")

    def test_below_a_mount(self, site: Site) -> None:
        browser = Browser(site.app, {}, root="/x")
        form = {"key": site.key().token, "next": "/organization"}
        seen = browser.post("/x/sign-in", form, LOOPBACK)
        assert seen.location == "/x/organization"


class TestSessions:
    """A session is a random token, of which the database keeps a digest."""

    def test_only_a_digest_is_kept(self, site: Site) -> None:
        browser = site.signed_in()
        (token,) = browser.cookies.values()
        with site.engine.connect() as database:
            rows = database.execute(select(browser_sessions)).all()
        assert len(rows) == 1
        assert token not in str(rows)
        assert len(token) >= 43

    def test_a_session_cannot_be_fixed(self, site: Site) -> None:
        """Signing in makes a new token, and ends the session whose token was sent."""
        attackers = site.signed_in("org_XYZ789")
        fixed = dict(attackers.cookies)
        victim = site.browser(**fixed)
        enter(victim, site.key().token)
        assert victim.cookies != fixed
        assert site.browser(**fixed).get("/connections").status == 303
        assert victim.get("/organization").all(".facts dd")[0] == "Example Bank"
        made_up = site.browser(connect_core="A" * 43)
        enter(made_up, site.key().token)
        assert made_up.cookies["connect_core"] != "A" * 43

    def test_it_expires(self, site: Site) -> None:
        browser = site.signed_in()
        site.clock.move(hours=8, milliseconds=-1)
        assert browser.get("/connections").status == 200
        site.clock.move(milliseconds=1)
        assert browser.get("/connections").location == "/sign-in?next=%2Fconnections"

    def test_after_it_has_expired_a_form_changes_nothing(self, site: Site) -> None:
        browser = site.signed_in()
        form = {**browser.get("/connections/new").fields(), "scope": "inquiry.read"}
        site.clock.move(hours=9)
        seen = browser.post("/connections/new", form | {"destination": "org_DEF456"})
        assert seen.status == 401
        link = str(seen.html.select("main a")[0]["href"])
        assert link.startswith("/sign-in?next=%2Fconnections%2Fnew%3Fdestination%3Dorg_DEF456")
        again = site.signed_in()
        assert again.get("/connections").all(".row-title") == []

    def test_it_ends_with_its_key(self, site: Site) -> None:
        browser = site.browser()
        made = site.key()
        enter(browser, made.token)
        site.keys.revoke(made.key.id)
        assert browser.get("/connections").status == 303

    def test_signing_out_ends_it_in_the_database(self, site: Site) -> None:
        browser = site.signed_in()
        kept = dict(browser.cookies)
        browser.post("/sign-out", {})
        assert site.browser(**kept).get("/connections").status == 303
        assert site.browser().post("/sign-out", {}).location == "/sign-in"

    def test_signing_out_is_a_form(self, site: Site) -> None:
        browser = site.signed_in()
        assert browser.get("/sign-out").status == 405
        assert browser.post("/sign-out", {}, {"Sec-Fetch-Site": "cross-site"}).status == 403
        assert browser.get("/connections").status == 200

    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 5000, "\u00fc" * 43, "'--"])
    def test_cookies_that_are_none(self, site: Site, token: str) -> None:
        browser = site.browser(connect_core=token)
        assert browser.get("/connections").status == 303
        assert browser.post("/sign-out", {}).status == 303


class TestCookies:
    """A cookie goes over TLS only, except on this machine."""

    def test_on_this_machine(self, site: Site) -> None:
        (cookie,) = enter(site.browser(), site.key().token).cookies
        assert cookie.startswith("connect_core=")
        assert _flags(cookie) == {"httponly", "samesite=lax", "path=/"}

    @pytest.mark.parametrize(
        "headers",
        [
            SECURE,
            OURS,
            {"Origin": "https://connect.example"},
            *({**OURS, "Origin": origin} for origin in ("null", "ftp://127.0.0.1")),
            {**OURS, "Origin": "https://127.0.0.1:8000"},
        ],
    )
    def test_elsewhere(self, site: Site, headers: dict[str, str]) -> None:
        browser = site.browser("connect.example")
        (cookie,) = enter(browser, site.key().token, headers).cookies
        assert cookie.startswith("__Host-connect_core=")
        assert _flags(cookie) == {"httponly", "samesite=lax", "path=/", "secure"}
        assert browser.get("/connections").status == 200

    def test_behind_a_proxy_on_this_machine(self, site: Site) -> None:
        """The origin is what the browser sees, even if the proxy does not pass the host on."""
        (cookie,) = enter(site.browser(), site.key().token, SECURE).cookies
        assert "secure" in _flags(cookie)

    def test_a_network_without_tls(self, site: Site) -> None:
        headers = {**OURS, "Origin": "http://192.168.0.7:8000"}
        seen = enter(site.browser("192.168.0.7:8000"), site.key().token, headers)
        assert seen.status == 403
        assert "Sign in over https" in seen.text
        assert seen.cookies == []

    def test_a_cookie_of_a_neighbour(self, site: Site) -> None:
        """Only on this machine does a cookie count that another site could have set."""
        browser = site.signed_in()
        for host in ("localhost:8000", "localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:8000"):
            assert site.browser(host, **browser.cookies).get("/connections").status == 200, host
        for host in ("connect.example", "www.example", "localhost.example", "10.0.0.1", "[::1", ""):
            assert site.browser(host, **browser.cookies).get("/connections").status == 303, host

    @pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {}])
    def test_nobody_is_signed_in_by_another_site(self, site: Site, headers: dict[str, str]) -> None:
        seen = enter(site.browser(), site.key().token, headers)
        assert seen.status == 403
        assert seen.cookies == []


def _nobody(*_: object) -> None:
    """Nobody is signed in."""


def _flags(cookie: str) -> set[str]:
    return {each.strip().lower() for each in cookie.split(";")[1:]}


class TestLinks:
    """A sign-in link asks before it signs in."""

    def link(self, site: Site, **options: Any) -> str:
        return f"/sign-in/{site.sessions.link(site.key(**options).key)}"

    def test_it_asks_first(self, site: Site) -> None:
        address, browser = self.link(site), site.browser()
        page = browser.get(address)
        assert browser.cookies == {}
        assert page.words("h1") == "Sign in for Example Bank"
        assert page.buttons == ["Continue as Example Bank"]
        seen = browser.post(address, {}, LOOPBACK)
        assert seen.location == "/connections"
        assert browser.get("/organization").all(".facts dd")[0] == "Example Bank"
        assert browser.get(address).location == "/connections"

    def test_several_times(self, site: Site) -> None:
        address = self.link(site)
        for _ in range(2):
            assert site.browser().post(address, {}, LOOPBACK).status == 303

    def test_for_another_organization(self, site: Site) -> None:
        """It asks again: one browser acts for one organization at a time."""
        address, browser = self.link(site, organization="org_DEF456"), site.signed_in()
        assert browser.get(address).buttons == ["Continue as Example Lender"]
        browser.post(address, {}, LOOPBACK)
        assert browser.get("/connections").words(".account-name") == "Example Lender"

    def test_without_a_name(self, site: Site) -> None:
        address = self.link(site, organization="org_new")
        assert site.browser().get(address).words("h1") == "Sign in for org_new"

    def test_one_that_can_no_longer_be_used(self, site: Site) -> None:
        address = self.link(site)
        site.clock.move(hours=8)
        for seen in (
            site.browser().get(address),
            site.browser().post(address, {}, LOOPBACK),
            site.browser().get("/sign-in/" + "A" * 43),
        ):
            assert seen.status == 404
            assert seen.cookies == []
            assert "This sign-in link is not valid or has expired. Ask for a new one." in seen.text

    def test_one_that_ends_in_this_moment(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = self.link(site)
        monkeypatch.setattr(site.sign_in, "begin_by_link", _nobody)
        assert site.browser().post(address, {}, LOOPBACK).status == 404

    def test_another_site_cannot_use_it(self, site: Site) -> None:
        seen = site.browser().post(self.link(site), {}, {"Sec-Fetch-Site": "cross-site"})
        assert seen.status == 403

    def test_it_is_not_in_the_log(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        address = self.link(site)
        with caplog.at_level("INFO", "connect_core.adapters.dashboard"):
            site.browser().get(address)
        assert "path=/sign-in/..." in caplog.text
        assert address not in caplog.text


def test_a_database_that_is_down(tmp_path: Path) -> None:
    engine = configure_engine(create_engine(f"sqlite:///{tmp_path / 'no' / 'such.db'}"))
    sign_in = KeySignIn(engine)
    app = create_dashboard(
        authenticate=sign_in.authenticate, transactions=Transactions(engine), sign_in=sign_in
    )
    browser = Browser(app, {})
    key = "api_1." + "A" * 43
    for seen in (
        enter(browser, key),
        browser.get("/sign-in/" + "A" * 43),
        Browser(app, {"connect_core": "A" * 43}).get("/connections"),
        Browser(app, {"connect_core": "A" * 43}).post("/sign-out", {}),
    ):
        assert seen.status == 503
        assert seen.headers["retry-after"] == "5"
        assert "database does not answer" in seen.text
    engine.dispose()
