"""The application: where it is mounted, its files, its methods, its errors, and its arguments."""

import gzip
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from dashboards import ADA, NAMES, NOW, OURS, Browser, Host, always
from http_api import AsyncMemoryTransactions, MemoryTransactions, asgi_scope, ask_asgi
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount

from connect_core import Actor, ConnectionService, InvalidRecordError, StoreUnavailableError
from connect_core.adapters.dashboard import Visitor, create_dashboard
from connect_core.adapters.http import Caller, Quota


class TestMounting:
    """Every address is relative to where it is mounted."""

    @pytest.mark.parametrize("root", ["", "/x", "/x/y", "/connections"])
    def test_the_whole_story(self, root: str) -> None:
        host = Host()
        app = Starlette(routes=[Mount(root or "/", host.app)]) if root else host.app
        ada, grace = Browser(app, {"visitor": "ada"}), Browser(app, {"visitor": "grace"})
        first = ada.get(f"{root}/")
        assert first.location == f"{root}/connections"
        page = ada.get(f"{root}/connections")
        links = [str(each["href"]) for each in page.html.select("a[href]")]
        assert [link for link in links if not link.startswith((f"{root}/", "#"))] == []
        assets = [str(page.html.select(each)[0][name]) for each, name in ASSETS]
        assert [ada.get(each).status for each in assets] == [200, 200, 200]
        form = {**ada.get(f"{root}/connections/new").fields(), "scope": "inquiry.read"}
        made = ada.post(f"{root}/connections/new", form | {"destination": "org_DEF456"})
        assert made.location == f"{root}/connections/cxn_1?version=1"
        accept = grace.get(f"{root}/connections/cxn_1/activate")
        action = accept.html.select("main form")[0]["action"]
        assert action == f"{root}/connections/cxn_1/activate"
        assert grace.post(str(action), accept.fields()).status == 303
        assert host.service.get("cxn_1", by=ADA).version == 2

    def test_at_the_mount_itself(self) -> None:
        """Servers differ in whether the path begins with the mount's."""
        host = Host()
        for target in ("/x", "/x/"):
            assert Browser(host.app, {"visitor": "ada"}, root="/x").get(target).location == (
                "/x/connections"
            )
        assert Browser(host.app, {"visitor": "ada"}, root="/x").get("/connections").status == 200

    def test_the_way_back_from_the_host(self) -> None:
        host = Host(sign_in="/login?theme=dark")
        browser = Browser(host.app, {}, root="/x")
        assert browser.get("/x/organization").location == (
            "/login?theme=dark&next=%2Fx%2Forganization"
        )


ASSETS = (("link[rel=stylesheet]", "href"), ("script", "src"), ("link[rel=icon]", "href"))


class TestFiles:
    """One style sheet, one script and an icon, which a browser keeps until they change."""

    @pytest.mark.parametrize(("selector", "name"), ASSETS)
    def test_each(self, selector: str, name: str) -> None:
        host = Host()
        found = host.browser().get("/connections").html.select(selector)
        assert len(found) == 1
        address = str(found[0][name])
        plain = host.browser(None).get(address)
        assert plain.status == 200
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert plain.headers["x-content-type-options"] == "nosniff"
        assert "content-encoding" not in plain.headers
        packed = host.browser(None).get(address, {"Accept-Encoding": "br, gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)

    def test_what_is_not_there(self) -> None:
        browser = Host().browser()
        known = str(browser.get("/connections").html.select("script")[0]["src"])
        digest = known.split("/")[2]
        for address in (
            "/assets/",
            "/assets/0000000000000000/dashboard.js",
            f"/assets/{digest}/dashboard.css",
            f"/assets/{digest}/../templates/base.html.jinja",
            f"/assets/{digest}/secret.txt",
            known.upper(),
        ):
            assert browser.get(address).status == 404, address
        assert browser.post(known, {}).status == 405


class TestMethods:
    """A page takes ``GET`` and ``HEAD``, and a form ``POST``."""

    @pytest.mark.parametrize(
        ("address", "allowed"),
        [
            ("/connections", "GET, HEAD"),
            ("/connections/cxn_1", "GET, HEAD"),
            ("/connections/new", "GET, POST, HEAD"),
            ("/connections/cxn_1/activate", "GET, POST, HEAD"),
            ("/organization", "GET, HEAD"),
            ("/", "GET, HEAD"),
        ],
    )
    def test_others(self, address: str, allowed: str) -> None:
        host = Host()
        host.connection()
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "POST"):
            if method in allowed:
                continue
            seen = host.browser().send(method, address, OURS)
            assert seen.status == 405
            assert seen.headers["allow"] == allowed

    def test_head(self) -> None:
        host = Host()
        page = host.browser().get("/organization")
        head = host.browser().send("HEAD", "/organization", {})
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(page.body))
        script = str(page.html.select("script")[0]["src"])
        assert host.browser().send("HEAD", script, {}).body == b""


class TestNobody:
    """Somebody who is not signed in is sent to sign in, or told that nothing was changed."""

    def test_without_a_page_to_sign_in(self) -> None:
        host = Host(sign_in=None)
        for address in ("/connections", "/nowhere", "/sign-in", "/sign-out"):
            seen = host.browser(None).get(address)
            assert seen.status == 401
            assert seen.words("h1") == "You are not signed in"
            assert seen.html.select("main a") == []

    def test_after_a_form(self) -> None:
        host = Host()
        connection = host.connection()
        address = f"/connections/{connection.id}/deactivate"
        form = host.browser().get(address).fields()
        seen = host.browser(None).post(address, form)
        assert seen.status == 401
        assert "nothing was changed" in seen.text
        link = seen.html.select("main a")[0]
        assert link["href"] == f"/login?next=%2Fconnections%2F{connection.id}%2Fdeactivate"
        assert host.service.get(connection.id, by=ADA).version == 1

    def test_what_was_typed_is_there_again(self) -> None:
        host = Host()
        form = {
            "key": "form_1",
            "destination": "org_DEF456",
            "name": "Löwe & Co",
            "scope": ["inquiry.read", "case.read"],
        }
        seen = host.browser(None).post("/connections/new", form)
        link = str(seen.html.select("main a")[0]["href"])
        _, _, place = link.partition("?next=")
        back = host.browser().get(unquote(place))
        found = {str(each["name"]): each.get("value") for each in back.html.select("input[name]")}
        assert found["destination"] == "org_DEF456"
        assert found["name"] == "Löwe & Co"
        assert found["further"] == "case.read"
        assert found["key"] != "form_1"

    def test_pages_of_a_sign_in_that_is_not_there(self) -> None:
        host = Host()
        for address in ("/sign-in", "/sign-in/token", "/sign-out"):
            assert host.browser().get(address).status == 404
        assert host.browser().post("/sign-out", {}).status == 405


class TestErrors:
    """Errors are pages in the same design."""

    def test_too_many_requests(self) -> None:
        counted: list[Caller] = []

        def limiter(caller: Caller) -> Quota:
            counted.append(caller)
            return Quota(limit=2, remaining=0, reset=30, exceeded=len(counted) > 2)

        host = Host(limiter=limiter)
        browser = host.browser()
        assert [browser.get("/connections").status for _ in range(3)] == [200, 200, 429]
        seen = browser.get("/organization")
        assert seen.headers["retry-after"] == "30"
        assert "more than 2 requests. Wait 30 seconds." in seen.text
        assert counted == [Caller(ADA)] * 4
        assert host.browser(None).get("/connections").status == 303
        assert len(counted) == 4

    @pytest.mark.parametrize(
        ("error", "status", "said"),
        [
            (StoreUnavailableError("gone"), 503, "Nothing was changed."),
            (StoreUnavailableError("gone", uncertain=True), 503, "It is not known whether"),
            (InvalidRecordError("connections cxn_1", "bad"), 500, "This page could not be shown."),
            (ValueError("secret"), 500, "This page could not be shown."),
        ],
    )
    def test_faults(
        self, error: Exception, status: int, said: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing(MemoryTransactions):
            def ask(self, work: Callable[[ConnectionService], Any]) -> Any:  # noqa: ARG002
                raise error

            change = ask

        browser = Host(transactions=Failing()).browser()
        for seen in (
            browser.get("/connections"),
            browser.get("/connections/cxn_1"),
            browser.post("/connections/cxn_1/activate", {"version": 1, "key": "form_1"}),
        ):
            assert seen.status == status
            assert said in seen.text
            assert "secret" not in seen.body.decode()
            assert ("retry-after" in seen.headers) is (status == 503)
        assert "failed: request_id=" in caplog.text

    @pytest.mark.parametrize(("status", "title"), [(403, "This is not permitted"), (418, "This d")])
    def test_an_answer_of_the_hosts(self, status: int, title: str) -> None:
        def authenticate(_: Request) -> Actor:
            raise HTTPException(status, "Ask your administrator.", {"X-Reason": "none"})

        seen = Host(authenticate=authenticate).browser().get("/connections")
        assert seen.status == status
        assert seen.words("h1").startswith(title)
        assert "Ask your administrator." in seen.text
        assert seen.headers["x-reason"] == "none"

    def test_names_on_a_page_of_an_error(self) -> None:
        seen = Host().browser().get("/nowhere")
        assert seen.words(".account-name") == "Example Bank"
        assert seen.words("h1") == "There is nothing here"

    def test_a_client_that_hangs_up(self, caplog: pytest.LogCaptureFixture) -> None:
        host = Host()
        fields = {
            "Host": "x",
            "Cookie": "visitor=ada",
            "Content-Type": "application/x-www-form-urlencoded",
            **OURS,
        }
        scope = asgi_scope("POST", "/connections/new", fields)
        with caplog.at_level("INFO", "connect_core.adapters.dashboard"):
            assert ask_asgi(host.app, scope, [{"type": "http.disconnect"}]) == []
        assert "status=499 code=client_disconnected" in caplog.text

    def test_a_form_that_does_not_arrive(self) -> None:
        host = Host(body_timeout=0.05)
        fields = {
            "Host": "x",
            "Cookie": "visitor=ada",
            "Content-Type": "application/x-www-form-urlencoded",
            **OURS,
        }
        part = {"type": "http.request", "body": b"key=", "more_body": True}
        start, _ = ask_asgi(host.app, asgi_scope("POST", "/connections/new", fields), [part])
        assert start["status"] == 408


class TestHosts:
    """A host's functions may be asynchronous, and its visitors actors."""

    def test_asynchronous(self) -> None:
        async def authenticate(_: Request) -> Actor:
            return ADA

        async def describe(ids: Collection[str], _: Actor) -> Mapping[str, str]:
            return {each: NAMES[each] for each in ids if each in NAMES}

        async def search(text: str, visitor: Actor) -> Collection[str]:
            return ["org_DEF456"] if (text, visitor) == ("anything", ADA) else []

        async def limiter(_: Caller) -> Quota:
            return Quota(1, 1, 1)

        transactions = AsyncMemoryTransactions()
        app = create_dashboard(
            authenticate=authenticate,
            transactions=transactions,
            describe=describe,
            search=search,
            limiter=limiter,
        )
        browser = Browser(app, {})
        form = {**browser.get("/connections/new").fields(), "scope": "inquiry.read"}
        assert browser.post("/connections/new", form | {"destination": "org_DEF456"}).status == 303
        assert browser.get("/connections?q=anything").all(".other-name") == ["Example Lender"]
        assert transactions.inner.changes == 1

    def test_a_visitor(self) -> None:
        visitor = Visitor(ADA, "Ada L.", NOW + timedelta(hours=1))
        host = Host(authenticate=always(visitor), links={"Back": "/", "Log out": "/logout"})
        seen = Browser(host.app, {}).get("/connections")
        assert seen.all(".nav a") == ["Connections", "Organization", "Back", "Log out"]


class TestArguments:
    """What is wrong with the arguments is said when it is made."""

    @pytest.mark.parametrize(
        ("wrong", "error", "said"),
        [
            ({"authenticate": None}, TypeError, "authenticate"),
            ({"transactions": object()}, TypeError, "transactions"),
            ({"describe": {}}, TypeError, "describe"),
            ({"search": "x"}, TypeError, "search"),
            ({"limiter": 5}, TypeError, "limiter"),
            ({"clock": NOW}, TypeError, "clock"),
            ({"sign_in": 5}, TypeError, "sign_in"),
            ({"links": ["Home"]}, TypeError, "links"),
            ({"links": ""}, TypeError, "links"),
            ({"links": {"Home": None}}, TypeError, "links"),
            ({"links": {1: "/"}}, TypeError, "links"),
            ({"max_body": 0}, ValueError, "max_body"),
            ({"max_body": "1"}, TypeError, "max_body"),
            ({"body_timeout": 0}, ValueError, "body_timeout"),
            ({"body_timeout": "x"}, TypeError, "body_timeout"),
        ],
    )
    def test_each(self, wrong: dict[str, Any], error: type[Exception], said: str) -> None:
        given: dict[str, Any] = {
            "authenticate": always(ADA),
            "transactions": MemoryTransactions(),
        }
        with pytest.raises(error, match=said):
            create_dashboard(**(given | wrong))


class TestAsgi:
    """What is no request is answered as the protocol says."""

    def test_a_lifespan(self) -> None:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        assert ask_asgi(Host().app, {"type": "lifespan"}, messages) == [
            {"type": "lifespan.startup.complete"},
            {"type": "lifespan.shutdown.complete"},
        ]

    def test_a_websocket(self) -> None:
        assert ask_asgi(Host().app, {"type": "websocket"}, []) == [
            {"type": "websocket.close", "code": 1000}
        ]

    def test_without_a_raw_path(self) -> None:
        host = Host()
        scope = asgi_scope("GET", "/organization", {"Cookie": "visitor=ada"}, raw_path=False)
        del scope["query_string"]
        message = {"type": "http.request", "body": b"", "more_body": False}
        assert ask_asgi(host.app, scope, [message])[0]["status"] == 200

    def test_many_at_once(self) -> None:
        """One application serves several visitors at the same time, and mixes nothing up."""
        host = Host()
        host.connection()
        seen: dict[str, list[bytes]] = {"ada": [], "grace": []}

        async def visit(name: str) -> None:
            scope = asgi_scope("GET", "/connections", {"Cookie": f"visitor={name}"})

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                seen[name].append(message.get("body", b""))

            await host.app(scope, receive, send)

        async def main() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    for name in seen:
                        group.start_soon(visit, name)

        anyio.run(main)
        for name, own in (("ada", b"You share with"), ("grace", b"You receive from")):
            pages = [body for body in seen[name] if body]
            assert len(pages) == 10
            assert all(own in body for body in pages)
