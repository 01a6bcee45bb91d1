"""The Dashboard in tests: a host with three organizations, and browsers without a screen."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bs4 import BeautifulSoup, Tag
from clocks import Clock
from http_api import MemoryTransactions, asgi_scope, ask_asgi
from starlette.requests import Request
from starlette.types import ASGIApp

from connect_core import Actor, Connection, ConnectionService, InMemoryStore, Status
from connect_core.adapters.dashboard import Visitor, create_dashboard

ADA = Actor(id="usr_Ada", organization_id="org_ABC123")
GRACE = Actor(id="usr_Grace", organization_id="org_DEF456")
STRANGER = Actor(id="usr_Zz9", organization_id="org_XYZ789")
#: The visitors, by the values of the host's cookie.
VISITORS: dict[str, Actor | Visitor] = {"ada": ADA, "grace": GRACE, "stranger": STRANGER}
NAMES = {
    "org_ABC123": "Example Bank",
    "org_DEF456": "Example Lender",
    "org_XYZ789": "Example Insurer",
    "usr_Ada": "Ada",
    "usr_Grace": "Grace",
}
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
#: What a browser says of the forms of these pages.
OURS = {"Sec-Fetch-Site": "same-origin"}


def always(visitor: object) -> Callable[[Request], Any]:
    """An `authenticate` that always says the same."""

    def authenticate(_: Request) -> Any:
        return visitor

    return authenticate


def known_names(ids: Collection[str], _: Actor) -> Mapping[str, str]:
    """The names of those that have one."""
    return {each: NAMES[each] for each in ids if each in NAMES}


def calling_all(name: str) -> Callable[[Collection[str], Actor], Mapping[str, str]]:
    """A `describe` that gives everybody the same name."""

    def describe(ids: Collection[str], _: Actor) -> Mapping[str, str]:
        return dict.fromkeys(ids, name)

    return describe


def finding(*ids: str) -> Callable[[str, Actor], Collection[str]]:
    """A `search` that always finds the same."""

    def search(*_: object) -> Collection[str]:
        return ids

    return search


class Host:
    """A host that mounts the Dashboard.

    Args:
        id_of: the id of a Connection, by its number; they are cxn_1, cxn_2 and so on if omitted.
        options: arguments of `create_dashboard` that differ from the host's.
    """

    def __init__(self, *, id_of: Callable[[int], str] = "cxn_{}".format, **options: Any) -> None:
        self.clock = Clock(NOW)
        numbers = count(1)
        self.transactions = MemoryTransactions()
        self.service = self.transactions.service = ConnectionService(
            InMemoryStore(), clock=self.clock, new_id=lambda: id_of(next(numbers))
        )
        self.asked: list[frozenset[str]] = []
        arguments: dict[str, Any] = {
            "authenticate": self.authenticate,
            "transactions": self.transactions,
            "describe": self.describe,
            "search": self.search,
            "sign_in": "/login",
            "clock": self.clock,
        }
        self.app = create_dashboard(**(arguments | options))

    def authenticate(self, request: Request) -> Actor | Visitor | None:
        return VISITORS.get(request.cookies.get("visitor", ""))

    def describe(self, ids: Collection[str], visitor: Actor) -> Mapping[str, str]:
        assert isinstance(visitor, Actor)
        self.asked.append(frozenset(ids))
        return known_names(ids, visitor)

    def search(self, text: str, visitor: Actor) -> Collection[str]:
        assert isinstance(visitor, Actor)
        wanted = text.casefold()
        return [each for each, name in NAMES.items() if wanted in name.casefold()]

    def browser(self, visitor: str | None = "ada", **options: Any) -> "Browser":
        cookies = {} if visitor is None else {"visitor": visitor}
        return Browser(self.app, cookies, **options)

    def connection(
        self,
        status: str = Status.PENDING,
        *,
        by: Actor = ADA,
        to: Actor = GRACE,
        name: str | None = "Loans",
        **more: Any,
    ) -> Connection:
        """A Connection with this status."""
        made, _ = self.service.create(by=by, destination=to.organization_id, name=name, **more)
        if status == Status.ACTIVE:
            made, _ = self.service.activate(made.id, by=to)
        if status == Status.INACTIVE:
            made, _ = self.service.deactivate(made.id, by=by)
        return made


class Seen(NamedTuple):
    """What a browser was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: list[str]

    @property
    def html(self) -> BeautifulSoup:
        assert self.headers["content-type"] == "text/html; charset=utf-8"
        return BeautifulSoup(self.body, "html.parser")

    @property
    def location(self) -> str:
        assert self.status == 303, self.text
        return self.headers["location"]

    @property
    def text(self) -> str:
        """The words on the page, without those of its head."""
        return words(self.html.select_one("main"))

    def words(self, selector: str) -> str:
        """The words in the first element that is selected."""
        return words(self.html.select_one(selector))

    def all(self, selector: str) -> list[str]:
        """The words in each of the elements that are selected."""
        return [words(each) for each in self.html.select(selector)]

    def fields(self, selector: str = "main form[method=post]") -> dict[str, str]:
        """The fields of a form as they were sent, without boxes that are not ticked."""
        form = self.html.select_one(selector)
        assert form is not None, self.text
        return {
            str(each["name"]): str(each.get("value", ""))
            for each in form.select("input[name]")
            if each.get("type") != "checkbox"
        }

    @property
    def buttons(self) -> list[str]:
        """What can be sent from the page."""
        return self.all("main form[method=post] button")


def words(element: Tag | None) -> str:
    """The words in an element, which must be there."""
    assert element is not None
    text = " ".join(element.get_text(" ").split())
    return text.replace(" ,", ",").replace(" .", ".").replace(" ”", "”").replace("“ ", "“")


class Browser:
    """Sends what a browser sends to an application, and keeps its cookies."""

    def __init__(
        self,
        app: ASGIApp,
        cookies: Mapping[str, str],
        *,
        root: str = "",
        host: str = "127.0.0.1:8000",
    ) -> None:
        self._app = app
        self._root = root
        self._host = host
        self.cookies = dict(cookies)

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Seen:
        return self.send("GET", target, headers or {})

    def post(
        self,
        target: str,
        form: Mapping[str, object] | bytes,
        headers: Mapping[str, str] = OURS,
    ) -> Seen:
        body = form if isinstance(form, bytes) else urlencode(form, doseq=True).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", target, {**kind, **headers}, body)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Seen:
        fields = {"Host": self._host, "Content-Length": str(len(body)), **headers}
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = asgi_scope(method, target, fields, root=self._root)
        message = {"type": "http.request", "body": body, "more_body": False}
        start, *bodies = ask_asgi(self._app, scope, [message])
        received = [(each.decode(), value.decode("latin-1")) for each, value in start["headers"]]
        cookies = [value for name, value in received if name == "set-cookie"]
        for cookie in cookies:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        content = b"".join(each.get("body", b"") for each in bodies)
        return Seen(start["status"], dict(received), content, cookies)

    def take(self, connection: Connection, action: str) -> Seen:
        """Confirm a step on its page."""
        address = f"{self._root}/connections/{connection.id}/{action}"
        return self.post(address, self.get(address).fields())


def every(host: Host) -> Callable[[], list[tuple[str, str, int]]]:
    """What is stored, for comparisons: the id, status and version of every Connection."""

    def state() -> list[tuple[str, str, int]]:
        found = [*host.service.list(by=ADA, limit=100), *host.service.list(by=GRACE, limit=100)]
        return sorted({(each.id, each.status, each.version) for each in found})

    return state
