"""The Dashboard in three hosts, each with its own users and sessions, tested over HTTP.

The command in each example's docstring starts it. People sign in with the host's form, and send
the Dashboard's forms as a browser does.
"""

import re
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from servers import DEADLINE, blocks, started
from support import ROOT

pytestmark = pytest.mark.service

#: Unused, but every client needs one, and creating one takes long.
TLS = ssl.create_default_context()
REDIRECTS: Final = (302, 303)
PASSWORD: Final = "demo"  # noqa: S105  # of a demonstration
EXAMPLES: Final = sorted((ROOT / "docs/examples/dashboard").glob("with_*.py"))


#: What a browser says of a form on a page of this site, and on one of another site.
SAME_SITE: Final = {"Sec-Fetch-Site": "same-origin"}
CROSS_SITE: Final = {"Sec-Fetch-Site": "cross-site"}


# --- A browser -----------------------------------------------------------------------------------


class Form(NamedTuple):
    """A form of a page: where it is sent, and its fields with their values."""

    action: str
    fields: Mapping[str, str]


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self.found.append((given.get("action", ""), {}))
        if tag == "input" and self.found and given.get("type") != "checkbox":
            self.found[-1][1][given["name"]] = given.get("value", "")


def form_of(page: httpx.Response) -> Form:
    """The one form of a page that is posted."""
    parser = _Forms()
    parser.feed(page.text)
    ((action, fields),) = parser.found
    return Form(action or str(page.request.url), fields)


class Browser:
    """What somebody does with a browser of their own. Redirects are followed step by step."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.cookies = client.cookies
        self.origin = str(client.base_url).rstrip("/")

    def open(self, path: str) -> httpx.Response:
        return self._client.get(path)

    def send(
        self, form: Form, headers: Mapping[str, str] = SAME_SITE, /, **filled: str
    ) -> httpx.Response:
        """Fill in a form and send it, with what the browser says of the page that it is on."""
        return self._client.post(form.action, data={**form.fields, **filled}, headers=headers)

    def login_form(self, path: str = "/partners/connections") -> Form:
        """The form to which the Dashboard sends somebody who is not signed in."""
        sent = self.open(path)
        assert sent.status_code == 303
        page = self.open(sent.headers["Location"])
        assert page.status_code == 200
        return form_of(page)

    def sign_in(self, name: str, path: str = "/partners/connections") -> httpx.Response:
        """Open a page, sign in where the Dashboard sends one, and go where that leads."""
        answer = self.send(self.login_form(path), username=name, password=PASSWORD)
        assert answer.status_code in REDIRECTS
        return self.open(answer.headers["Location"])

    def take(self, connection: str, action: str) -> httpx.Response:
        """Confirm an action on a Connection."""
        return self.send(form_of(self.open(f"{connection}/{action}")))


class Host:
    """A running example."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def browser(self, name: str | None = None) -> Generator[Browser]:
        """A browser in which somebody is signed in, or nobody."""
        with httpx.Client(base_url=self._url, timeout=DEADLINE, verify=TLS) as client:
            browser = Browser(client)
            if name is not None:
                browser.sign_in(name)
            yield browser


def command_of(example: Path) -> str:
    """The command in an example's docstring."""
    (command,) = re.findall(r"^    (uv run .*)$", example.read_text(encoding="utf-8"), re.MULTILINE)
    return str(command)


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem, scope="module")
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    example: Path = request.param
    (command,) = re.findall(r"^    (uv run .*)$", example.read_text(encoding="utf-8"), re.MULTILINE)
    database = tmp_path_factory.mktemp(example.stem) / "host.db"
    with started(command, "--port", DATABASE_URL=f"sqlite:///{database}") as url:
        yield Host(url)


# --- What they do --------------------------------------------------------------------------------


def test_all_three_are_tested() -> None:
    assert [path.stem for path in EXAMPLES] == ["with_django", "with_fastapi", "with_starlette"]


def test_the_page_starts_the_first_one() -> None:
    example = ROOT / "docs/examples/dashboard/with_fastapi.py"
    assert [command_of(example)] == [block.strip() for block in blocks("dashboard.md", "console")]


def test_where_it_is_mounted(host: Host) -> None:
    """The Dashboard is there with a slash at the end and without one, and nowhere else."""
    with host.browser("alice") as browser:
        bare = browser.open("/partners")
        assert bare.status_code in (303, 307)
        assert urlsplit(bare.headers["Location"]).path.startswith("/partners/")
        assert browser.open("/partners/").headers["Location"] == "/partners/connections"
        assert browser.open("/partnersconnections").status_code == 404


def test_signing_in_leads_back(host: Host) -> None:
    """The host's login page gets the page to come back to, with its query."""
    place = "/partners/connections?view=all&q=a%26b"
    with host.browser() as browser:
        sent = browser.open(place)
        login = urlsplit(sent.headers["Location"])
        assert (sent.status_code, login.netloc, login.path.rstrip("/")) == (303, "", "/login")
        assert parse_qs(login.query) == {"next": [place]}
        wrong = browser.send(browser.login_form(place), username="bob", password=PASSWORD[1:])
        assert wrong.status_code in (200, 401)
        assert browser.open(place).status_code == 303
        page = browser.sign_in("alice", place)
        assert (page.status_code, page.request.url.raw_path.decode()) == (200, place)
        assert "Example Bank" in page.text
        assert 'Signed in as <bdi class="strong">alice</bdi>' in page.text
        assert '<a href="/">Home</a>' in page.text
        home = browser.open("/")
        assert home.status_code == 200
        assert "Signed in as alice" in home.text


def test_its_cookies(host: Host) -> None:
    """No script can read the session's cookie, and no form of another site sends it."""
    with host.browser() as browser:
        answer = browser.send(browser.login_form(), username="alice", password=PASSWORD)
        (cookie,) = (
            cookie
            for cookie in answer.headers.get_list("Set-Cookie")
            if cookie.startswith("session")
        )
        assert {"httponly", "samesite=lax"} <= set(cookie.lower().split("; "))
        page = browser.open("/partners/organization")
        assert page.status_code == 200
        assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example",
        "/\t/elsewhere.example",
    ],
)
def test_signing_in_leads_nowhere_else(host: Host, elsewhere: str) -> None:
    with host.browser() as browser:
        form = browser.login_form()
        answer = browser.send(form, username="alice", password=PASSWORD, next=elsewhere)
        assert answer.status_code in REDIRECTS
        assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [CROSS_SITE, {}, {"Origin": "null"}, {"Origin": "https://elsewhere.example"}],
    ids=str,
)
def test_a_form_of_another_site_signs_nobody_in(host: Host, headers: Mapping[str, str]) -> None:
    """It would sign somebody in as somebody else. Django asks for its token instead."""
    with host.browser() as browser:
        form = browser.login_form()
        fields = {name: value for name, value in form.fields.items() if "csrf" not in name}
        forged = form._replace(fields=fields)
        answer = browser.send(forged, headers, username="alice", password=PASSWORD)
        assert answer.status_code == 403
        assert browser.open("/partners/connections").status_code == 303


def test_an_older_browser_signs_somebody_in(host: Host) -> None:
    """It says only from which origin the form was sent."""
    with host.browser() as browser:
        form = browser.login_form()
        headers = {"Origin": browser.origin}
        answer = browser.send(form, headers, username="alice", password=PASSWORD)
        assert answer.status_code in REDIRECTS
        assert browser.open("/partners/connections").status_code == 200


def test_the_story(host: Host) -> None:
    """The source creates, the destination accepts, one ends it, the source offers it again."""
    with host.browser("alice") as alice, host.browser("bob") as bob, host.browser("carol") as carol:
        form = form_of(alice.open("/partners/connections/new"))
        filled: dict[str, Any] = {
            "destination": "org_DEF456",
            "name": "Partner Connection",
            "scope": "account.read",
        }
        created = alice.send(form, **filled)
        assert created.status_code == 303
        connection = urlsplit(created.headers["Location"]).path
        assert re.fullmatch(r"/partners/connections/cxn_\w+", connection)
        assert "Partner Connection" in alice.open(connection).text

        waiting = bob.open("/partners/connections?view=needs-action").text
        assert connection in waiting
        assert "Example Bank" in waiting
        found = bob.open("/partners/connections?q=ample+ban").text
        assert connection in found
        assert connection not in bob.open("/partners/connections?q=broker").text

        for who, action, status in (
            (bob, "activate", "active"),
            (alice, "deactivate", "inactive"),
            (alice, "reactivate", "pending"),
            (bob, "activate", "active"),
        ):
            assert carol.open(connection).status_code == 404
            taken = who.take(connection, action)
            assert taken.status_code == 303
            shown = who.open(taken.headers["Location"]).text
            assert f"The Connection is now {status}." in shown
        assert carol.open(f"{connection}/activate").status_code == 404
        assert connection not in carol.open("/partners/connections").text

        foreign = form_of(bob.open(f"{connection}/deactivate"))
        assert bob.send(foreign, CROSS_SITE).status_code == 403
        assert "The Connection is now" not in bob.open(connection).text


def test_signing_out(host: Host) -> None:
    """A session ends at the host, and then for the Dashboard, even if its cookie is kept."""
    with host.browser("alice") as browser:
        form = form_of(browser.open("/partners/connections/new"))
        kept = dict(browser.cookies)
        assert browser.send(form_of(browser.open("/"))).status_code in REDIRECTS
        for cookies in ({}, kept):
            browser.cookies.update(cookies)
            again = browser.open("/partners/connections")
            assert again.status_code == 303
            assert again.headers["Location"].startswith("/login")
            late = browser.send(form, destination="org_GHI789", scope="account.read")
            assert late.status_code == 401
            assert "nothing was changed" in late.text
