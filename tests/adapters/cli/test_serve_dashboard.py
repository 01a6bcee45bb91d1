"""`serve`: the Dashboard beside the API, and the demo's way through both."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlencode

import httpx
import pytest
from bs4 import BeautifulSoup
from http_api import AsgiClient
from servers import DEADLINE, running
from sqlalchemy import Engine
from support import GUIDE_REQUEST
from terminal import complaint, environment, outcome, run, squeezed

from connect_core.adapters.cli import sample
from connect_core.adapters.cli.sample import NAMES, Sample
from connect_core.adapters.cli.serving import Settings, application_on, names_in
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.adapters.sql import ApiKeys, open_engine
from connect_core.parties import MAX_NAME_LENGTH


class Browser:
    """A person's browser: it keeps cookies, and sends the forms of pages as they are.

    Args:
        url: where the server is, without a slash at the end.
        root: the path of the mount as the browser sees it. A proxy removes it from each request.
    """

    def __init__(self, url: str, *, root: str = "") -> None:
        self._url = url
        self._root = root
        self._client = httpx.Client(verify=False, timeout=DEADLINE)  # noqa: S501  # there is no TLS

    def close(self) -> None:
        self._client.close()

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self._client.cookies)

    def get(self, path: str) -> httpx.Response:
        return self._client.get(self._behind_proxy(path))

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",  # also if there are no fields
            "Sec-Fetch-Site": "same-origin",
            "Origin": self._url,
        }
        body = urlencode(fields)
        return self._client.post(self._behind_proxy(path), content=body, headers=headers)

    def _behind_proxy(self, path: str) -> str:
        assert path.startswith(f"{self._root}/"), path
        return self._url + path.removeprefix(self._root)

    def page(self, path: str) -> BeautifulSoup:
        """The page at a path, which must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers)
        return BeautifulSoup(answer.content, "html.parser")

    def send(self, path: str, **typed: str) -> str:
        """Send the form of a page; the path of the page that follows."""
        form = self.page(path).select_one("main form[method=post]")
        assert form is not None
        fields = {
            str(each["name"]): str(each.get("value", ""))
            for each in form.select("input[name]")
            if each.get("type") != "checkbox" or each.has_attr("checked")
        }
        answer = self.post(str(form["action"]), fields | typed)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def sign_in(self, token: str) -> str:
        return self.send(f"{self._root}/sign-in", key=token)


class Site:
    """A server with the demo's sample."""

    def __init__(self, url: str, made: Sample, engine: Engine) -> None:
        self.url = url
        self.made = made
        self.engine = engine
        self._browsers: list[Browser] = []

    def browser(self, url: str = "") -> Browser:
        self._browsers.append(Browser(url or self.url))
        return self._browsers[-1]

    def signed_in(self, token: str = "") -> Browser:
        browser = self.browser()
        browser.sign_in(token or self.made.source)
        return browser

    def close(self) -> None:
        for each in self._browsers:
            each.close()


@contextmanager
def site_with(names: Path) -> Generator[Site]:
    """A server in this process, on SQLite in a file beside the file of names."""
    engine = open_engine(f"sqlite:///{names.parent}/site.db")
    ApiKeys(engine).create_tables()
    made = sample.filled(engine)
    settings = Settings("not used", "guide", extensions=True, names=str(names))
    with running(application_on(engine, settings)) as url:
        site = Site(url, made, engine)
        yield site
        site.close()
    engine.dispose()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    names = tmp_path / "names.json"
    names.write_text(json.dumps(NAMES))
    with site_with(names) as found:
        yield found


def text_of(page: BeautifulSoup, selector: str = "main") -> str:
    found = page.select_one(selector)
    assert found is not None
    return " ".join(found.get_text(" ").split())


def created_key(*arguments: str) -> str:
    """The token of a key that the command creates."""
    code, written, _ = outcome("keys", "create", *arguments)
    assert code == 0
    return written.strip()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


# --- Which path is whose -------------------------------------------------------------------------


class TestPaths:
    """The API keeps its paths; all others are the Dashboard's."""

    def test_the_root(self, site: Site) -> None:
        """It leads to the page to sign in, and from there to the Connections."""
        browser = site.browser()
        answer = browser.get("/")
        assert answer.status_code == 303
        place = answer.headers["location"]
        assert place == "/sign-in?next=%2F"
        assert browser.get("/connections").headers["location"] == "/sign-in?next=%2Fconnections"
        assert browser.send(place, key=site.made.source) == "/"
        answer = browser.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/connections")
        assert text_of(browser.page("/connections"), "h1") == "Connections"

    def test_the_api(self, site: Site) -> None:
        browser = site.browser()
        refused = browser.get(CONNECTIONS)
        assert refused.status_code == 401
        assert refused.json()["errors"]
        found = httpx.get(f"{site.url}{CONNECTIONS}", headers=bearer(site.made.source))
        assert len(found.json()["data"]) == 2
        assert "swagger" in browser.get("/docs").text
        assert browser.get("/docs/start.js").headers["content-type"].startswith("text/javascript")
        assert browser.get("/openapi.json").json()["openapi"].startswith("3.1")

    def test_health(self, site: Site) -> None:
        browser = site.browser()
        for path in ("/healthz", "/readyz"):
            answer = browser.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize(
        "path",
        [
            "/api/",
            "/api/v1",
            "/api/v1/connect",
            "/api/v2/connect/connections",
            "/api/v1/connect/connections/",
            "/api/connections",
            "/docs/nothing",
        ],
    )
    def test_unknown_paths_of_the_api(self, site: Site, path: str) -> None:
        """They are documents of the API, and lead nowhere, whoever asks."""
        for headers in ({}, bearer(site.made.source)):
            answer = httpx.get(f"{site.url}{path}", headers=headers)
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("application/json")
            assert answer.json()["errors"][0]["meta"]["code"] == "no_such_path"

    @pytest.mark.parametrize("path", ["/api", "/nothing", "/docs-of-ours", "/apis/x"])
    def test_unknown_paths_of_the_dashboard(self, site: Site, path: str) -> None:
        assert site.browser().get(path).headers["location"].startswith("/sign-in?next=")
        answer = site.signed_in().get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")

    def test_a_worker(self, site: Site, tmp_path: Path) -> None:
        """Its application has the Dashboard with the names, too."""
        settings = Settings("not used", "guide", extensions=True, names=f"{tmp_path}/names.json")
        client = AsgiClient(application_on(site.engine, settings), None)
        assert client.get("/").headers["location"] == "/sign-in?next=%2F"


# --- Signing in ----------------------------------------------------------------------------------


class TestCredentials:
    """A cookie is for the Dashboard, a bearer token for the API, and neither for the other."""

    def test_a_cookie_is_no_token(self, site: Site) -> None:
        browser = site.signed_in()
        assert browser.get("/connections").status_code == 200
        assert browser.get(CONNECTIONS).status_code == 401
        (cookie,) = browser.cookies.values()
        answer = httpx.get(f"{site.url}{CONNECTIONS}", headers=bearer(cookie))
        assert answer.status_code == 401

    def test_a_token_is_no_session(self, site: Site) -> None:
        token = site.made.source
        for headers in (bearer(token), {"Cookie": f"connect_core={token}"}):
            answer = httpx.get(f"{site.url}/connections", headers=headers)
            assert answer.status_code == 303
            assert answer.headers["location"] == "/sign-in?next=%2Fconnections"

    def test_a_form_needs_more_than_a_token(self, site: Site) -> None:
        headers = bearer(site.made.source) | {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        fields = {"destination": "org_DEF456", "scope": "account.read", "key": "form_1"}
        answer = httpx.post(f"{site.url}/connections/new", data=fields, headers=headers)
        assert answer.status_code == 401

    def test_a_revoked_key(self, site: Site, tmp_path: Path) -> None:
        """`keys revoke` ends the sessions of the key, and its links, with the next request."""
        browser = site.signed_in()
        linked = site.browser()
        link = f"/sign-in/{site.made.source_link}"
        linked.send(link)
        assert browser.get("/connections").status_code == 200
        assert linked.get("/connections").status_code == 200
        database = ("--database", f"{tmp_path}/site.db")
        run("keys", "revoke", site.made.source, *database)
        assert browser.get("/connections").headers["location"] == "/sign-in?next=%2Fconnections"
        assert linked.get("/connections").status_code == 200  # that is another key
        listed = json.loads(run("keys", "list", "--json", *database))["data"]
        (ada,) = [each["id"] for each in listed if each["name"] == "Ada"]
        run("keys", "revoke", ada, *database)
        assert linked.get("/connections").status_code == 303
        assert linked.get(link).status_code == 404

    def test_a_key_of_a_person(self, site: Site, tmp_path: Path) -> None:
        """As the page for operators creates it: its name is who acted."""
        arguments = ("--organization", "org_ABC123", "--actor", "user", "--name", "Alan")
        token = created_key("--database", f"{tmp_path}/site.db", *arguments)
        browser = site.signed_in(token)
        assert "Signed in as Alan" in text_of(browser.page("/connections"), ".account")


# --- The demo ------------------------------------------------------------------------------------


def links_in(printed: str) -> dict[str, str]:
    """The sign-in links that a demo prints, by the names of their organizations."""
    found = re.findall(r"^  (Example \w+) +(http\S+/sign-in/\S+)$", printed, re.MULTILINE)
    return dict(found)


def split(link: str) -> tuple[str, str]:
    """The server of a link, and its path."""
    url, slash, path = link.partition("/sign-in/")
    return url, slash + path


def enter_by(link: str, name: str) -> Browser:
    """A browser that has opened a link and agreed to it."""
    url, path = split(link)
    browser = Browser(url)
    page = browser.page(path)
    assert text_of(page, "h1") == f"Sign in for {name}"
    assert text_of(page, "main form button") == f"Continue as {name}"
    assert browser.get("/connections").status_code == 303  # looking at it signs nobody in
    assert browser.send(path) == "/connections"
    assert text_of(browser.page("/connections"), ".account-name") == name
    return browser


def tell_the_guides_story(links: dict[str, str], url: str, token: str) -> None:
    """Both sides take every step of the guide in the Dashboard, and the API agrees."""
    bank = enter_by(links["Example Bank"], "Example Bank")
    lender = enter_by(links["Example Lender"], "Example Lender")

    def status() -> str:
        address = f"{url}{CONNECTIONS}{place.removeprefix('/connections')}"
        answer = httpx.get(address, headers=bearer(token), timeout=DEADLINE)
        assert answer.status_code == 200
        return str(answer.json()["data"]["attributes"]["status"])

    form = "/connections/new?destination=org_DEF456"
    place = bank.send(form, name="Partner Connection").partition("?")[0]
    assert re.fullmatch(r"/connections/cxn_\w+", place)
    assert text_of(bank.page(place), "h1") == "Partner Connection"
    assert status() == "pending"
    # The source cannot accept its own offer, and is told whose turn it is.
    assert "Waiting for Example Lender to accept" in text_of(bank.page(place))
    assert bank.get(f"{place}/activate").status_code == 409
    steps = (
        (lender, "activate", "active"),
        (lender, "deactivate", "inactive"),
        (bank, "reactivate", "pending"),
        (lender, "activate", "active"),
    )
    for side, step, then in steps:
        assert side.send(f"{place}/{step}").partition("?")[0] == place
        assert status() == then
    history = text_of(lender.page(place), ".timeline")
    found = re.findall(r"(Created|Accepted|Deactivated|Reactivated) by (\w+)", history)
    assert sorted(found) == [
        ("Accepted", "Grace"),
        ("Accepted", "Grace"),
        ("Created", "usr_ABC123"),
        ("Deactivated", "Grace"),
        ("Reactivated", "usr_ABC123"),
    ]
    for side in (bank, lender):
        side.close()


class TestDemo:
    """A demo has a link for each side, and the guide's whole story can be played with them."""

    def test_the_story(self, site: Site) -> None:
        printed = site.made.described(site.url)
        links = links_in(printed)
        tell_the_guides_story(links, site.url, site.made.destination)

    def test_the_links(self, site: Site) -> None:
        """They are at two names of this machine, so that one browser can have both sessions."""
        links = links_in(site.made.described(site.url))
        assert links == {
            "Example Bank": f"{site.url}/sign-in/{site.made.source_link}",
            "Example Lender": (
                f"{site.url.replace('127.0.0.1', 'localhost')}/sign-in/{site.made.destination_link}"
            ),
        }

    @pytest.mark.parametrize(
        ("url", "other"),
        [
            ("http://127.0.0.1:8000", "http://localhost:8000"),
            ("http://[::1]:8000", "http://localhost:8000"),
            ("http://127.0.0.11:8000", "http://127.0.0.11:8000"),
        ],
    )
    def test_the_other_name(self, url: str, other: str) -> None:
        printed = Sample("a", "b", "c", "d", "e").described(url)
        assert links_in(printed) == {
            "Example Bank": f"{url}/sign-in/d",
            "Example Lender": f"{other}/sign-in/e",
        }

    def test_the_guides_command_afterwards(self, site: Site) -> None:
        """What the API creates is in the Dashboard, for both sides."""
        answer = httpx.post(
            f"{site.url}{CONNECTIONS}", content=GUIDE_REQUEST, headers=bearer(site.made.source)
        )
        place = f"/connections/{answer.json()['data']['id']}"
        links = links_in(site.made.described(site.url))
        for name, link in links.items():
            browser = enter_by(link, name)
            assert text_of(browser.page(place), "h1") == "Partner Connection"
            browser.close()
        assert site.signed_in(site.made.outsider).get(place).status_code == 404


# --- Names ---------------------------------------------------------------------------------------


class TestNames:
    """`--names FILE` gives organizations names."""

    def test_on_the_pages(self, site: Site) -> None:
        browser = site.signed_in()
        page = text_of(browser.page("/connections"))
        assert "Example Lender" in page
        assert "Example Insurer" in page
        assert text_of(browser.page("/connections"), ".account-name") == "Example Bank"

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("insurer", ["Claims checks"]),
            ("LENDER", ["Credit decisions"]),
            ("claims", ["Claims checks"]),
            ("org_XYZ789", ["Claims checks"]),
            ("nobody", []),
        ],
    )
    def test_search(self, site: Site, text: str, found: list[str]) -> None:
        """The names of organizations and of Connections are searched, in any case."""
        page = text_of(site.signed_in().page(f"/connections?q={text}"))
        names = ("Claims checks", "Credit decisions", "Address checks")
        assert [each for each in names if each in page] == found

    def test_without_a_file(self, site: Site) -> None:
        """Ids are shown, and found."""
        settings = Settings("not used", "guide", extensions=True)
        with running(application_on(site.engine, settings)) as url:
            browser = site.browser(url)
            browser.sign_in(site.made.source)
            page = text_of(browser.page("/connections?q=org_XYZ789"))
        assert "Claims checks" in page
        assert "org_XYZ789" in page
        assert "Example" not in page

    def test_markup_is_text(self, tmp_path: Path) -> None:
        place = tmp_path / "names.json"
        place.write_text(json.dumps(NAMES | {"org_DEF456": "<b>A&B</b>"}))
        with site_with(place) as site:
            browser = site.signed_in()
            assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in browser.get("/connections").text
            assert browser.page("/connections?q=a%26b").select("main b") == []

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "Invalid JSON: EOF while parsing a value at line 1 column 0."),
            (b"names", "Invalid JSON: expected "),
            (b"\xff", "Invalid JSON: expected value at line 1 column 1."),
            (b"[" * 10_000, "Invalid JSON: recursion limit exceeded"),
            (b'["org_ABC123"]', "Input should be an object."),
            (b'{"acme": "Acme"}', "the member acme: expected an organization id ('org_' and then"),
            (b'{"cxn_1": "Acme"}', "the member cxn_1: expected an organization id"),
            (b'{"org_A\\u001b": "Acme"}', "the member org_A\\u001b: expected an organization id"),
            (b'{"org_A": 1}', "the member org_A: Input should be a valid string."),
            (b'{"org_A": null}', "the member org_A: Input should be a valid string."),
            (b'{"org_A": "a\\nb"}', "the member org_A: a name cannot hold the character U+000A."),
            (b'{"org_A": "\\u001b[2J"}', "a name cannot hold the character U+001B."),
            (b'{"org_A": "\\ud800"}', "Invalid JSON: "),
            (
                json.dumps({"org_A": "x" * (MAX_NAME_LENGTH + 1)}).encode(),
                "the member org_A: ",
            ),
        ],
    )
    def test_a_file_that_has_none(self, tmp_path: Path, content: bytes, reason: str) -> None:
        place = tmp_path / "names.json"
        place.write_bytes(content)
        self._refuses(tmp_path, place, reason)

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        self._refuses(tmp_path, tmp_path / "none.json", "No such file or directory.")
        (tmp_path / "file").touch()
        self._refuses(tmp_path, tmp_path / "file/names.json", "Not a directory.")
        self._refuses(tmp_path, tmp_path, "it is not a file.")
        self._refuses(tmp_path, Path("/dev/null"), "it is not a file.")

    def _refuses(self, tmp_path: Path, names: Path, reason: str) -> None:
        """Before a database is made, and with what to do."""
        database = tmp_path / "c.db"
        for more in (["--database", str(database)], ["--demo"]):
            told = squeezed(complaint("serve", "--port", "0", "--names", str(names), *more))
            assert "'--names'" in told
            assert reason in told
            assert "Give a file with a JSON object, the names of organizations by their ids" in told
            assert not {"\x1b", "\x07"} & {*told}
        assert not database.exists()

    def test_reading(self, tmp_path: Path) -> None:
        place = tmp_path / "names.json"
        place.write_text('{"org_A": "Ä", "org_B": ""}', encoding="utf-8")
        assert names_in(str(place)) == {"org_A": "Ä", "org_B": ""}

    def test_to_the_workers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They get the path; a demo has a file of its own, unless one is given."""
        given: list[tuple[str, dict[str, str]]] = []

        def note(*_: object, **__: object) -> None:
            path = json.loads(os.environ["_CONNECT_CORE_SERVE"])["names"]
            given.append((path, names_in(path)))

        monkeypatch.setattr("uvicorn.run", note)
        place = tmp_path / "names.json"
        place.write_text('{"org_A": "A"}')
        arguments = ("serve", "--port", "0", "--workers", "2")
        chosen = ("--names", str(place))
        for more in (("--database", f"{tmp_path}/c.db", *chosen), ("--demo", *chosen), ("--demo",)):
            assert outcome(*arguments, *more)[0] == 0
        assert given[:2] == [(str(place), {"org_A": "A"})] * 2
        assert given[2][1] == NAMES
        assert not Path(given[2][0]).exists()


# --- Processes -----------------------------------------------------------------------------------


@contextmanager
def served(*arguments: str) -> Generator[tuple[str, str]]:
    """The command in a process of its own: where it listens, and what it printed first."""
    with subprocess.Popen(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", "connect_core", "serve", "--port", "0", *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            last = "Authorization" if "--demo" in arguments else "Database:"
            printed = ""
            while printed.count(last) < (2 if "--demo" in arguments else 1):
                line = process.stdout.readline()
                assert line, f"the server did not start: {printed}"
                printed += line
            (url,) = re.findall(r"^Listening at (http://[^\s,]+)", printed)
            _wait_for(url, process)
            yield url, printed
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=2 * DEADLINE)
            except subprocess.TimeoutExpired:  # so that no test waits for it
                os.killpg(process.pid, signal.SIGKILL)
                raise


def _wait_for(url: str, process: "subprocess.Popen[str]") -> None:
    ends = monotonic() + 3 * DEADLINE  # the machine may be busy, and there may be several workers
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, "the server did not start"
        assert monotonic() < ends, "the server did not start in time"
        sleep(0.05)


@pytest.mark.stress
class TestProcesses:
    """The command as people start it."""

    def test_the_demo(self) -> None:
        with served("--demo") as (url, printed):
            links = links_in(printed)
            hosts = {name: split(link)[0] for name, link in links.items()}
            assert hosts == {
                "Example Bank": url,
                "Example Lender": url.replace("127.0.0.1", "localhost"),
            }
            (token,) = re.findall(r"^  org_ABC123  (\S+)$", printed, re.MULTILINE)
            tell_the_guides_story(links, url, token)

    def test_workers_share_sessions(self, tmp_path: Path) -> None:
        database = f"{tmp_path}/c.db"
        token = created_key("--database", database, "--organization", "org_ABC123")
        with served("--workers", "2", "--database", database) as (url, _):
            browser = Browser(url)
            assert browser.sign_in(token) == "/connections"
            for _ in range(40):
                # A new connection each time, so that either worker gets it.
                answer = httpx.get(f"{url}/connections", cookies=browser.cookies, timeout=DEADLINE)
                assert answer.status_code == 200
            browser.close()

    def test_behind_a_proxy_that_removes_a_prefix(self, tmp_path: Path) -> None:
        """Pages, links, forms and redirects begin with it, and so do those of the API."""
        database = f"{tmp_path}/c.db"
        token = created_key("--database", database, "--organization", "org_ABC123")
        with served("--root-path", "/x", "--database", database) as (url, _):
            browser = Browser(url, root="/x")
            assert browser.get("/x/").headers["location"] == "/x/sign-in?next=%2F"
            assert browser.sign_in(token) == "/x/connections"
            page = browser.page("/x/connections")
            addresses = [
                str(each[name])
                for name in ("href", "src", "action")
                for each in page.select(f"[{name}]")
            ]
            assert len(addresses) > 10
            for each in addresses:
                assert each.startswith(("/x/", "#")), each
            for asset in page.select("link[href], script[src]"):
                assert browser.get(str(asset.get("href") or asset["src"])).status_code == 200
            place = browser.send("/x/connections/new?destination=org_DEF456").partition("?")[0]
            assert place.startswith("/x/connections/cxn_")
            assert browser.send(f"{place}/deactivate").startswith(place)
            assert "Inactive" in text_of(browser.page(place))
            answer = httpx.get(f"{url}{CONNECTIONS}", headers=bearer(token))
            assert answer.json()["data"][0]["attributes"]["status"] == "inactive"
            assert browser.get("/x/openapi.json").status_code == 200
            assert browser.get("/x/healthz").json() == {"status": "ok"}
            assert browser.get("/x/api/v1/nothing").json()["errors"]
            browser.close()
