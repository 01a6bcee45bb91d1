"""Every page of the Dashboard in every state, for a browser to open.

A state is an address, who looks at it, and what is done there first. The tests in a browser and the
pictures (`tests.pictures`) go through all of them.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clocks import Clock
from dashboards import ADA, GRACE, NAMES, NOW, STRANGER, VISITORS, Host
from servers import running
from support import ROOT

from connect_core import Actor, InvalidRecordError
from connect_core.adapters.dashboard import create_dashboard
from connect_core.adapters.dashboard.sign_in import KeySignIn
from connect_core.adapters.http import Caller, Quota
from connect_core.adapters.sql import ApiKeys, BrowserSessions, Transactions, open_engine
from connect_core.errors import StoreUnavailableError
from connect_core.paging import Page as ListPage

if TYPE_CHECKING:  # Playwright takes a while to import
    from browser import Scheme
    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

NEWCOMER = Actor(id="usr_New", organization_id="org_NEW")
UNLUCKY = Actor(id="usr_U", organization_id="org_ABC123")
VISITORS.update(
    newcomer=NEWCOMER,
    limited=Actor(id="usr_L", organization_id="org_L"),
    unlucky=UNLUCKY,
)
#: The visitor who has signed in with a key.
HOLDER = "holder"
LONG_NAME = "Risk & compliance: cross-border know-your-customer data, “second pilot” " + "ẞ" * 180
RTL_NAME = "\u202eבדיקת חשבונות\u202c"  # noqa: RUF001  # it is Hebrew


#: Where the pictures of the documentation are, and the state that they show.
DOCS = ROOT / "docs" / "dashboard"
SHOWN = "connections"


class State(NamedTuple):
    """A page in a state.

    Attributes:
        address: where it is; ``{site}`` is the Dashboard whose visitors sign in with a key,
            ``{link}`` a token of a sign-in link there, and ``{old_link}`` one that has expired.
        visitor: who looks: one of the host's visitors, `HOLDER` or nobody.
        prepare: what is done there.
    """

    address: str
    visitor: str | None = "ada"
    prepare: "Callable[[Page], None] | None" = None


def id_of(number: int) -> str:
    """The id of a Connection, as long as those that are made for it."""
    return f"cxn_1N7mLzhgWhqA2B9Y6ma1E3HR{number:04}"


def _at(number: int, rest: str = "") -> str:
    """The address of a Connection."""
    return f"/connections/{id_of(number)}{rest}"


def _menu(page: "Page") -> None:
    page.locator("td summary").nth(1).click()


def _account(page: "Page") -> None:
    page.locator(".account summary").click()


def _dialog(page: "Page") -> None:
    page.locator("tr.due a.button").first.click()
    page.locator("dialog").wait_for()


def _wrong(page: "Page") -> None:
    page.locator("#destination").fill("DEF456")
    for box in page.locator("input[type=checkbox]").all():
        box.uncheck()
    page.get_by_role("button", name="Create the Connection").click()
    page.locator(".notice").wait_for()


def _checked(page: "Page") -> None:
    """Leave a field that is wrong."""
    page.locator("#destination").fill("DEF456")
    page.locator("#destination").blur()
    page.locator(".hint-wrong").wait_for()


def _duplicate(page: "Page") -> None:
    page.locator("#destination").fill("org_DEF456")
    page.get_by_role("button", name="Create the Connection").click()
    page.locator(".notice").wait_for()


def _wrong_key(page: "Page") -> None:
    page.locator("#key").fill("api_1.nothing")
    page.get_by_role("button", name="Sign in").click()
    page.locator(".field-wrong").wait_for()


def _expire(page: "Page") -> None:
    """Send a form after the session has ended."""
    page.locator("#destination").fill("org_DEF456")
    page.context.clear_cookies()
    page.get_by_role("button", name="Create the Connection").click()
    page.locator(".entrance").wait_for()


def _send_from_elsewhere(page: "Page") -> None:
    """Send the form of the page from another site."""
    page.goto(f"data:text/html,<form method=post action={page.url}><button>Send</button></form>")
    page.get_by_role("button").click()
    page.locator(".entrance").wait_for()


def _send_late(page: "Page") -> None:
    """Send a confirmation for a version that has passed."""
    page.locator("input[name=version]").evaluate("it => it.value = 1")
    page.locator("main form button").click()
    page.locator(".notice").wait_for()


#: All states, by name.
STATES = {
    "connections": State("/connections"),
    "connections-menu": State("/connections", prepare=_menu),
    "connections-account": State("/connections", prepare=_account),
    "connections-dialog": State("/connections?view=needs-action", prepare=_dialog),
    "needs-action": State("/connections?view=needs-action"),
    "shared-by-us": State("/connections?view=shared-by-us"),
    "shared-with-us": State("/connections?view=shared-with-us"),
    "search": State("/connections?q=example+l"),
    "search-empty": State("/connections?q=nobody&status=active"),
    "first-page": State("/connections?view=shared-by-us", "stranger"),
    "unreadable": State("/connections", "unlucky"),
    "second-page": State(f"/connections?view=shared-by-us&after={id_of(34)}", "stranger"),
    "empty-all": State("/connections", "newcomer"),
    "empty-needs-action": State("/connections?view=needs-action", "newcomer"),
    "empty-shared-by-us": State("/connections?view=shared-by-us", "newcomer"),
    "empty-shared-with-us": State("/connections?view=shared-with-us", "newcomer"),
    "new": State("/connections/new"),
    "new-checked": State("/connections/new", prepare=_checked),
    "new-wrong": State("/connections/new", prepare=_wrong),
    "new-duplicate": State("/connections/new", prepare=_duplicate),
    "pending-source": State(_at(2), "ada"),
    "pending-destination": State(_at(3)),
    "active": State(_at(1)),
    "active-news": State(_at(1, "?version=2"), "grace"),
    "inactive": State(_at(4)),
    "long-names": State(_at(6)),
    "self-connection": State(_at(7)),
    "accept": State(_at(3, "/activate")),
    "decline": State(_at(3, "/deactivate")),
    "deactivate": State(_at(1, "/deactivate")),
    "reactivate": State(_at(4, "/reactivate")),
    "impossible": State(_at(4, "/activate")),
    "stale": State(_at(1, "/deactivate"), prepare=_send_late),
    "organization": State("/organization"),
    "not-found": State(_at(999)),
    "bad-request": State("/connections?view=nothing"),
    "too-many-requests": State("/connections", "limited"),
    "cross-site": State("/connections/new", prepare=_send_from_elsewhere),
    "fault": State("/connections?q=fault"),
    "unavailable": State("/connections?q=unavailable"),
    "signed-out": State("/connections", None),
    "sign-in": State("{site}/sign-in", None),
    "sign-in-wrong": State("{site}/sign-in", None, _wrong_key),
    "sign-in-link": State("{site}/sign-in/{link}", None),
    "sign-in-link-expired": State("{site}/sign-in/{old_link}", None),
    "session": State("{site}/organization", HOLDER),
    "session-account": State("{site}/organization", HOLDER, _account),
    "session-expired": State("{site}/connections/new", HOLDER, _expire),
}


#: Other organizations, with names of every kind.
PARTNERS = {
    "org_GHI321": "Northwind Credit Union",
    "org_JKL654": "Harbour Mortgage",
    "org_MNO987": "Allgemeine Versicherungs- und Rückversicherungsgesellschaft für das Handwerk",
    "org_PQR210": RTL_NAME,
    "org_STU543": "Old Harbour Savings",
}


def _of(organization: str) -> Actor:
    return Actor(id="usr_Partner", organization_id=organization)


def fill(host: Host) -> None:
    """Connections in every status, seen from Ada's side. Their numbers begin at 1."""
    clock = host.clock
    now = clock.now
    clock.move(days=-90)
    loans = host.connection("active", name="Loan applications")
    clock.move(days=20)
    host.connection(to=_of("org_GHI321"), name="Fraud signals", scopes=["inquiry.read"])
    clock.now = now - timedelta(hours=3)
    host.connection(by=GRACE, to=ADA, name="Credit decisions")
    clock.now = now - timedelta(days=60)
    claims = host.connection("inactive", to=STRANGER, name="Claims checks")
    for day in (58, 40, 21):
        clock.now = now - timedelta(days=day)
        host.service.reactivate(claims.id, by=ADA)
        clock.move(hours=5)
        host.service.activate(claims.id, by=STRANGER)
        clock.move(days=3)
        host.service.deactivate(claims.id, by=STRANGER if day == 21 else ADA)
    clock.now = now - timedelta(days=2)
    scopes = ["account.read", "case.read", "inquiry.read", "report.read", "transaction.read"]
    host.connection(by=_of("org_JKL654"), to=ADA, name="Property valuations", scopes=scopes)
    clock.now = now - timedelta(days=300)
    host.connection("active", to=_of("org_MNO987"), name=LONG_NAME, scopes=scopes)
    clock.now = now - timedelta(days=200)
    host.connection(to=ADA, name="Sandbox", allow_self=True)
    clock.now = now - timedelta(days=400)
    host.connection("active", by=_of("org_PQR210"), to=ADA, name=RTL_NAME)
    clock.now = now - timedelta(days=5)
    for number in range(60):
        host.service.create(by=STRANGER, destination=f"org_{number}", name=f"Policy {number}")
    clock.now = now - timedelta(days=700)
    host.connection(by=_of("org_STU543"), to=ADA, name="Savings plans")
    clock.now = now
    assert host.service.get(loans.id, by=ADA).version == 2


def noted() -> str:
    """The digest of the page that the documentation shows, with its style sheet and its script.

    The addresses of these two have digests of their own.
    """
    NAMES.update(PARTNERS)
    host = Host(id_of=id_of)
    fill(host)
    state = STATES[SHOWN]
    return sha256(host.browser(state.visitor).get(state.address).body).hexdigest()


def limiter(caller: Caller) -> Quota:
    """Nobody has a limit but one visitor."""
    return Quota(600, 0, 30, exceeded=caller.actor == VISITORS["limited"])


def search(text: str, _: Actor) -> list[str]:
    """The organizations with this text in their names; it fails for two texts."""
    if text == "fault":
        raise RuntimeError("this is on purpose: a page shows that something went wrong")
    if text == "unavailable":
        raise StoreUnavailableError("this is on purpose: a page says so")
    wanted = text.casefold()
    return [each for each, name in NAMES.items() if wanted in name.casefold()]


class Addresses(NamedTuple):
    """Where the two Dashboards are: a host's, and one whose visitors sign in with a key.

    Attributes:
        host: the address of the host's.
        site: the address of the other one.
        link: the token of a sign-in link there.
        old_link: the token of one that has expired.
        session: the token of a session there.
    """

    host: str
    site: str
    link: str
    old_link: str
    session: str

    def of(self, state: State) -> str:
        """The address of a state."""
        if state.address.startswith("{site}"):
            return state.address.format(site=self.site, link=self.link, old_link=self.old_link)
        return self.host + state.address

    def sign_in(self, context: "BrowserContext", state: State) -> None:
        """Give a browser the cookie of who looks."""
        if state.visitor == HOLDER:
            cookie, value, url = "connect_core", self.session, self.site
        elif state.visitor is not None:
            cookie, value, url = "visitor", state.visitor, self.host
        else:
            return
        context.add_cookies([{"name": cookie, "value": value, "url": url}])


def _damage(host: Host) -> None:
    """Let the lists of one visitor leave out a record."""
    listed = host.service.list
    error = InvalidRecordError("connections cxn_9", "its status is 'gone'")

    def damaged(**arguments: Any) -> ListPage:
        page = listed(**arguments)
        return replace(page, unreadable=(error,)) if arguments["by"] == UNLUCKY else page

    host.service.list = damaged  # type: ignore[method-assign]  # this service only


@contextmanager
def served(directory: Path) -> Generator[Addresses]:
    """Both Dashboards, on ports of their own."""
    NAMES.update(PARTNERS)
    host = Host(id_of=id_of, search=search, limiter=limiter, sign_in=None)
    fill(host)
    _damage(host)
    clock = Clock(NOW - timedelta(minutes=2))
    engine = open_engine(f"sqlite:///{directory / 'site.db'}")
    keys = ApiKeys(engine, clock=clock)
    keys.create_tables()
    made = keys.create("org_ABC123", name="Ada", actor="user")
    sessions = BrowserSessions(engine, clock=clock)
    old_link = sessions.link(made.key, expires_in=timedelta(minutes=1))
    clock.now = NOW
    sign_in = KeySignIn(engine, clock=clock)
    site = create_dashboard(
        authenticate=sign_in.authenticate,
        transactions=Transactions(engine),
        describe=host.describe,
        sign_in=sign_in,
        clock=clock,
    )
    try:
        with running(host.app) as at_host, running(site) as at_site:
            link, session = sessions.link(made.key), sessions.start(made.key)
            yield Addresses(at_host, at_site, link, old_link, session.token)
    finally:
        engine.dispose()


@contextmanager
def shown(
    browser: "Browser", at: Addresses, name: str, *, width: int = 1280, scheme: "Scheme" = "light"
) -> "Generator[Page]":
    """A state in a browser that nothing else uses."""
    state = STATES[name]
    size: ViewportSize = {"width": width, "height": 860}
    with browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        at.sign_in(context, state)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(at.of(state))
        if state.prepare is not None:
            state.prepare(page)
        yield page
