"""The Dashboard in Chromium: the guide's story, every page in every state, and what people do."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from dashboard_states import STATES, served, shown
from dashboards import ADA, Host
from oracle import EXISTING, Verdict
from servers import DEADLINE, running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from connect_core import Action, Actor, Denial, Role, Status

if TYPE_CHECKING:
    from browser import Scheme
    from dashboard_states import Addresses
    from playwright.sync_api import Browser, Page
    from playwright.sync_api import Route as HeldRequest

pytestmark = pytest.mark.site

#: From a small phone, and 1280 px at 400 %, to a wide screen. Up to 1104 px, rows are cards.
WIDTHS = (320, 390, 768, 1024, 1105, 1280, 2560)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Addresses"]:
    """Both Dashboards with their Connections, which no test changes."""
    with served(tmp_path_factory.mktemp("dashboard")) as addresses:
        yield addresses


class TestEveryState:
    """Every page, in every state: in both schemes, and on every screen."""

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("name", STATES)
    def test_it(self, chromium: "Browser", at: "Addresses", name: str, scheme: "Scheme") -> None:
        from browser import too_wide, violations

        with shown(chromium, at, name, scheme=scheme) as page:
            assert violations(page, "html") == []
            assert page.evaluate("document.styleSheets.length") == 1
            assert page.evaluate("document.scripts.length") == 1
            if scheme == "dark":  # whose measures are those of the light one
                return
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 700})
                assert too_wide(page) == [], width
                assert page.evaluate(_OVERLAPS) == [], width
            page.set_viewport_size({"width": 320, "height": 256})  # 1280 x 1024 at 400 %
            assert too_wide(page) == []

    @pytest.mark.parametrize("name", STATES)
    def test_nothing_is_wrong(self, chromium: "Browser", at: "Addresses", name: str) -> None:
        """There is no error and no request elsewhere, and the script moves nothing."""
        state, wrong, held = STATES[name], list[str](), list["HeldRequest"]()
        with chromium.new_context() as context:
            at.sign_in(context, state)
            page = context.new_page()
            page.on("console", lambda said: wrong.append(said.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("request", lambda asked: _note_elsewhere(asked.url, at, wrong))
            page.route(re.compile(r"/dashboard\.js"), lambda route: held.append(route))
            page.goto(at.of(state), wait_until="commit")
            _wait_until(page, lambda: bool(held and page.evaluate(_IS_STYLED)))
            before = page.evaluate(_PLACES)
            held[0].continue_()
            page.wait_for_load_state("networkidle")
            assert page.evaluate(_PLACES) == before
        assert [each for each in wrong if "the server responded with a status of" not in each] == []

    def test_motion(self, chromium: "Browser", at: "Addresses") -> None:
        duration = "getComputedStyle(document.querySelector('.button')).transitionDuration"
        with shown(chromium, at, "connections") as page:
            assert page.evaluate(duration) == "0s"
            page.emulate_media(reduced_motion="no-preference")
            assert page.evaluate(duration) != "0s"


#: Whether all of the page is there but its script.
_IS_STYLED = "document.readyState !== 'loading' && document.styleSheets.length === 1"

#: Where every element is on the page.
_PLACES = """[...document.querySelectorAll("body *")].map((it) => {
    const {x, y, width, height} = it.getBoundingClientRect();
    return [it.tagName, x + scrollX, y + scrollY, width, height];
})"""


#: The texts in a cell that are over another cell of its row, and the headings that are broken.
_OVERLAPS = """(() => {
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
    const texts = (cell) => {
        const found = [], walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const it = walker.currentNode;
            if (!it.data.trim() || it.parentElement.closest(".unseen, .menu-body")) continue;
            const range = document.createRange(), clip = it.parentElement.closest(".row-title");
            range.selectNodeContents(it);
            const end = clip ? clip.getBoundingClientRect().bottom : Infinity;
            for (const {left, right, top, bottom} of range.getClientRects()) {
                found.push({text: it.data, left, right, top, bottom: Math.min(bottom, end)});
            }
        }
        return found;
    };
    const found = [];
    for (const row of document.querySelectorAll(".table tr")) {
        for (const cell of row.cells) {
            for (const other of row.cells) {
                if (cell === other || row.closest("thead")) continue;
                const boxes = [other, ...other.querySelectorAll(".button, summary")];
                for (const text of texts(cell)) {
                    if (boxes.some((it) => over(text, it.getBoundingClientRect()))) {
                        found.push(text.text);
                    }
                }
            }
        }
    }
    for (const heading of document.querySelectorAll(".table thead th")) {
        const isSeen = getComputedStyle(heading.closest("thead")).position !== "absolute";
        if (isSeen && texts(heading).length > 1) found.push(heading.innerText);
    }
    return found;
})()"""


def _note_elsewhere(url: str, at: "Addresses", wrong: list[str]) -> None:
    if not url.startswith((at.host, at.site)):
        wrong.append(f"request: {url}")


# --- People --------------------------------------------------------------------------------------


@contextmanager
def visiting(
    chromium: "Browser", url: str, visitor: str, *, script: bool = True
) -> Generator["Page"]:
    """A browser of somebody's own, on the page of all Connections."""
    with chromium.new_context(java_script_enabled=script) as context:
        context.set_default_timeout(30_000)
        context.add_cookies([{"name": "visitor", "value": visitor, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/connections")
        yield page


@pytest.fixture
def host() -> Host:
    return Host(sign_in=None)


@pytest.fixture
def url(host: Host) -> Iterator[str]:
    with running(host.app) as address:
        yield address


def status(page: "Page") -> str:
    return page.locator(".under-title .status").inner_text()


class TestStory:
    """The guide's whole story, with two organizations in two browsers."""

    @pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
    def test_it(self, chromium: "Browser", host: Host, url: str, script: bool) -> None:
        with (
            visiting(chromium, url, "ada", script=script) as ada,
            visiting(chromium, url, "grace", script=script) as grace,
        ):
            # Step 1: the source creates the Connection with the destination's organization id.
            grace.get_by_role("link", name="Organization", exact=True).click()
            their_id = grace.locator(".big-id .id").inner_text()
            ada.get_by_role("link", name="Create a Connection").first.click()
            ada.get_by_label("Destination organization id").fill(f"  {their_id} ")
            ada.get_by_label("Name").fill("Partner Connection")
            ada.get_by_role("button", name="Create the Connection").click()
            assert status(ada) == "Pending"
            assert ada.locator(".notice").inner_text().startswith("Created.")
            # Step 2: the destination activates it.
            grace.get_by_role("link", name="Connections", exact=True).click()
            grace.get_by_role("link", name="Needs my action").click()
            grace.get_by_role("link", name="Accept Partner Connection").click()
            asked = grace.locator("#confirm" if not script else "dialog #confirm")
            assert "Example Lender will be able to read" in asked.inner_text()
            asked.get_by_role("button", name="Accept").click()
            assert status(grace) == "Active"
            # Either may deactivate it; only the source may offer it again.
            ada.reload()
            ada.get_by_role("link", name="Deactivate").click()
            ada.get_by_role("button", name="Deactivate").click()
            assert status(ada) == "Inactive"
            grace.reload()
            assert grace.locator(".possible a").count() == 0
            ada.get_by_role("link", name="Reactivate").click()
            ada.get_by_role("button", name="Reactivate").click()
            assert status(ada) == "Pending"
            grace.reload()
            grace.get_by_role("link", name="Decline").click()
            grace.get_by_role("button", name="Decline").click()
            assert status(grace) == "Inactive"
            assert grace.locator(".event-what").all_inner_texts() == [
                "Declined by Grace of Example Lender",
                "Reactivated by Ada of Example Bank",
                "Deactivated by Ada of Example Bank",
                "Accepted by Grace of Example Lender",
                "Created by Ada of Example Bank",
            ]
        assert host.service.get("cxn_1", by=ADA).version == 5

    def test_by_keyboard_alone(self, chromium: "Browser", host: Host, url: str) -> None:
        with visiting(chromium, url, "ada") as ada:
            ada.keyboard.press("Tab")
            assert ada.evaluate("document.activeElement.className") == "skip"
            _tab_to(ada, "Create a Connection")
            ada.keyboard.press("Enter")
            ada.wait_for_url("**/connections/new")
            _tab_to(ada, "destination")
            ada.keyboard.type("org_DEF456")
            ada.keyboard.press("Enter")
            ada.wait_for_url("**?version=1")
        with visiting(chromium, url, "grace") as grace:
            _tab_to(grace, "Accept Example Bank")
            grace.keyboard.press("Enter")
            grace.locator("dialog").wait_for()
            _tab_to(grace, "Cancel")
            grace.keyboard.press("Enter")
            grace.locator("dialog").wait_for(state="detached")
            assert _focused(grace).startswith("Accept")
            _tab_to(grace, "Actions on Example Bank", back=False)
            grace.keyboard.press("Enter")
            _tab_to(grace, "Decline")
            grace.keyboard.press("Escape")
            assert grace.locator("details[open]").count() == 0
            assert _focused(grace) == "Actions on Example Bank"
            _tab_to(grace, "Accept Example Bank", back=True)
            grace.keyboard.press("Enter")
            grace.locator("dialog").wait_for()
            _tab_to(grace, "Accept")
            grace.keyboard.press("Enter")
            grace.wait_for_url("**?version=2")
            assert status(grace) == "Active"
        assert host.service.get("cxn_1", by=ADA).status is Status.ACTIVE


def _focused(page: "Page") -> str:
    name: str = page.evaluate(
        "(it => it.getAttribute('aria-label') || it.id || it.innerText)(document.activeElement)"
    )
    return " ".join(name.split())


def _wait_until(page: "Page", is_so: Callable[[], bool]) -> None:
    ends = monotonic() + DEADLINE
    while not is_so():
        assert monotonic() < ends
        page.wait_for_timeout(10)


def _tab_to(page: "Page", name: str, *, back: bool = False) -> None:
    """Press the tab key until something with this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if _focused(page) == name:
            return
    raise AssertionError(f"the tab key does not reach {name}")


VISITORS = {
    frozenset({Role.SOURCE}): "ada",
    frozenset({Role.DESTINATION}): "grace",
    frozenset(Role): "ada",
    frozenset[Role](): "stranger",
}


#: The answers to forms that are refused. What is stale is refused as what is not possible now.
REFUSED = {Denial.NOT_A_PARTY: 404, Denial.WRONG_ROLE: 403, Denial.WRONG_STATUS: 409}


@pytest.mark.parametrize("verdict", EXISTING, ids=str)
def test_every_cell(chromium: "Browser", host: Host, url: str, verdict: Verdict) -> None:
    """What may be done has a button that works; what may not has none, and its form is refused."""
    assert verdict.status is not None
    if verdict.roles == frozenset(Role):
        made = host.connection(verdict.status, to=ADA, allow_self=True)
    else:
        made = host.connection(verdict.status)
    with visiting(chromium, url, VISITORS[verdict.roles]) as page:
        if verdict.action is Action.CREATE:  # a second one, or one in the name of another
            page.goto(f"{url}/connections/new?destination={made.destination_organization_id}")
            page.get_by_role("button", name="Create the Connection").click()
            page.locator(".notice").wait_for()
            assert len(host.service.list(by=ADA, direction="outbound")) == 1
            return
        page.goto(f"{url}/connections/{made.id}")
        if verdict.target is None:
            assert page.locator(f".possible a[href$='/{verdict.action}']").count() == 0
            answer = page.request.post(
                f"{url}/connections/{made.id}/{verdict.action}",
                form={"version": "1", "key": "form_1"},
                headers={"Sec-Fetch-Site": "same-origin"},
            )
            assert answer.status == REFUSED[verdict.denials[0]]
            assert host.service.get(made.id, by=ADA) == made
            return
        page.locator(f".possible a[href$='/{verdict.action}']").click()
        page.locator("dialog button").click()
        page.wait_for_url("**?version=*")
        assert status(page).lower() == verdict.target
        assert host.service.get(made.id, by=ADA).status is verdict.target


class TestAgain:
    """What people do twice, late, or in two places does no harm."""

    def test_a_double_click(self, chromium: "Browser", host: Host, url: str) -> None:
        made = host.connection()
        with visiting(chromium, url, "grace") as page:
            page.goto(f"{url}/connections/{made.id}/activate")
            page.get_by_role("button", name="Accept").dblclick()
            page.wait_for_url("**?version=2")
            assert status(page) == "Active"
        assert len(host.service.history(made.id, by=ADA)) == 2

    def test_two_tabs(self, chromium: "Browser", host: Host, url: str) -> None:
        made = host.connection()
        with visiting(chromium, url, "grace") as first:
            second = first.context.new_page()
            first.goto(f"{url}/connections/{made.id}/activate")
            second.goto(f"{url}/connections/{made.id}/deactivate")
            first.get_by_role("button", name="Accept").click()
            first.wait_for_url("**?version=2")
            second.get_by_role("button", name="Decline").click()
            said = second.locator(".notice").inner_text()
            assert "Accepted by Grace of Example Lender" in said
            assert host.service.get(made.id, by=ADA).status is Status.ACTIVE
            second.get_by_role("button", name="Deactivate").click()
            second.wait_for_url("**?version=3")

    def test_the_back_button(self, chromium: "Browser", host: Host, url: str) -> None:
        """The form is fetched anew, and so says what is so now."""
        made = host.connection()
        with visiting(chromium, url, "grace") as page:
            page.goto(f"{url}/connections/{made.id}/activate")
            page.get_by_role("button", name="Accept").click()
            page.wait_for_url("**?version=2")
            page.go_back()
            assert page.get_by_role("button").count() == 0
            assert "it is active now" in page.locator(".lead").inner_text()
            page.go_forward()
            page.reload()
            assert status(page) == "Active"
        assert len(host.service.history(made.id, by=ADA)) == 2

    def test_a_form_that_was_sent_is_not_sent_by_reloading(
        self, chromium: "Browser", host: Host, url: str
    ) -> None:
        with visiting(chromium, url, "ada") as page:
            page.goto(f"{url}/connections/new?destination=org_DEF456")
            page.get_by_role("button", name="Create the Connection").click()
            page.wait_for_url("**?version=1")
            page.reload()
            assert page.locator("h1").inner_text() == "Example Lender"
        assert len(host.service.list(by=ADA)) == 1

    def test_an_expired_session(self, chromium: "Browser", host: Host, url: str) -> None:
        made = host.connection()
        with visiting(chromium, url, "grace") as page:
            page.goto(f"{url}/connections/{made.id}/activate")
            page.context.clear_cookies()
            page.get_by_role("button", name="Accept").click()
            assert page.locator("h1").inner_text() == "You are not signed in"
            page.goto(f"{url}/connections")
            assert page.locator("h1").inner_text() == "You are not signed in"
        assert host.service.get(made.id, by=ADA).status is Status.PENDING

    def test_an_expired_session_behind_a_dialog(
        self, chromium: "Browser", host: Host, url: str
    ) -> None:
        made = host.connection()
        with visiting(chromium, url, "grace") as page:
            page.goto(f"{url}/connections/{made.id}")
            page.context.clear_cookies()
            page.get_by_role("link", name="Accept").click()
            page.get_by_role("heading", name="You are not signed in").wait_for()
        assert host.service.get(made.id, by=ADA).version == 1


class TestScript:
    """What the script adds."""

    def test_copy(self, chromium: "Browser", url: str) -> None:
        with visiting(chromium, url, "ada") as page:
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
            page.goto(f"{url}/organization")
            button = page.get_by_role("button", name="Copy the organization id")
            button.click()
            page.get_by_text("Copied").wait_for()
            assert page.evaluate("navigator.clipboard.readText()") == "org_ABC123"
            page.get_by_role("button", name="Copy the organization id").wait_for()

    def test_copying_that_is_not_permitted(self, chromium: "Browser", url: str) -> None:
        with visiting(chromium, url, "ada") as page:
            page.goto(f"{url}/organization")
            page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
            page.get_by_role("button", name="Copy the organization id").click()
            page.get_by_text("Not copied").wait_for()

    def test_menus(self, chromium: "Browser", host: Host, url: str) -> None:
        host.connection()
        with visiting(chromium, url, "ada") as page:
            page.locator("td summary").click()
            page.locator(".account summary").click()
            assert page.locator("details[open]").count() == 1
            page.locator("h1").click()
            assert page.locator("details[open]").count() == 0

    def test_a_filter_waits_for_its_button(self, chromium: "Browser", host: Host, url: str) -> None:
        """Choosing by keyboard passes every status on the way: none of them loads a page."""
        host.connection()
        with visiting(chromium, url, "ada") as page:
            chosen = page.get_by_label("Status", exact=True)
            chosen.focus()
            page.keyboard.press("ArrowDown")
            page.keyboard.press("ArrowDown")
            assert chosen.input_value() == "active"
            assert _focused(page) == "status"
            assert page.url == f"{url}/connections"
            page.get_by_role("button", name="Search").click()
            page.wait_for_url("**status=active**")
            assert page.locator(".empty").count() == 1

    def test_a_field(self, chromium: "Browser", url: str) -> None:
        """It is checked in its place, and nothing moves."""
        with visiting(chromium, url, "ada") as page:
            page.goto(f"{url}/connections/new")
            field, hint = page.locator("#destination"), page.locator("#destination-hint")
            before = page.locator("#name").bounding_box()
            field.fill("DEF456")
            field.blur()
            assert "This is not an organization id." in hint.inner_text()
            assert field.get_attribute("aria-invalid") == "true"
            assert page.locator("#name").bounding_box() == before
            field.fill(" org_DEF456 ")
            field.blur()
            assert "Your partner finds it" in hint.inner_text()
            assert field.get_attribute("aria-invalid") == "false"

    def test_what_is_wrong_has_the_focus(self, chromium: "Browser", url: str) -> None:
        with visiting(chromium, url, "ada") as page:
            page.goto(f"{url}/connections/new")
            page.get_by_role("button", name="Create the Connection").click()
            assert page.title().startswith("Error:")
            focused = page.evaluate("document.activeElement.className")
            assert focused == "notice notice-bad"
            page.get_by_role("link", name="Enter the organization id").click()
            assert page.evaluate("document.activeElement.id") == "destination"

    def test_a_dialog_is_left_in_three_ways(
        self, chromium: "Browser", host: Host, url: str
    ) -> None:
        made = host.connection()
        with visiting(chromium, url, "ada") as page:
            page.goto(f"{url}/connections/{made.id}")
            ways: list[Callable[[], None]] = [
                lambda: page.keyboard.press("Escape"),
                lambda: page.locator("dialog").get_by_role("link", name="Cancel").click(),
                lambda: page.mouse.click(5, 5),
            ]
            for leave in ways:
                page.get_by_role("link", name="Deactivate").click()
                page.locator("dialog[open]").wait_for()
                leave()
                page.locator("dialog").wait_for(state="detached")
            assert page.url == f"{url}/connections/{made.id}"
        assert host.service.get(made.id, by=ADA).version == 1

    def test_a_double_click_opens_one_dialog(
        self, chromium: "Browser", host: Host, url: str
    ) -> None:
        """Both clicks are answered, and leaving the one dialog gives the focus back."""
        made = host.connection()
        answers: list[str] = []
        with visiting(chromium, url, "grace") as page:
            page.on("requestfinished", lambda request: answers.append(request.url))
            page.get_by_role("link", name="Accept").dblclick()
            page.locator("dialog[open]").wait_for()
            asked = f"{url}/connections/{made.id}/activate"
            _wait_until(page, lambda: answers.count(asked) == 2)
            assert page.locator("dialog").count() == 1
            page.keyboard.press("Escape")
            page.locator("dialog").wait_for(state="detached")
            assert _focused(page).startswith("Accept")


class TestOtherSites:
    """Another site can neither send a form here nor show a page in a frame."""

    @pytest.fixture
    def elsewhere(self) -> Iterator[str]:
        """Another site, which has a form and a frame for the address in its query."""

        def page(request: Request) -> HTMLResponse:
            target = request.query_params["target"]
            return HTMLResponse(
                f'<!DOCTYPE html><title>Elsewhere</title><iframe src="{target}"></iframe>'
                f'<form method="post" action="{target}"><input name="version" value="1">'
                '<input name="key" value="form_1"><button>Win</button></form>'
            )

        with running(Starlette(routes=[Route("/", page)])) as address:
            yield address

    @pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
    def test_it(self, chromium: "Browser", elsewhere: str, name: str) -> None:
        """Neither from another site, nor from another port of the same machine."""

        def always(_: Request) -> Actor:
            return ADA

        host = Host(authenticate=always)
        made = host.connection()
        other = elsewhere.replace("127.0.0.1", name)
        with running(host.app) as url, chromium.new_context() as context:
            target = f"{url}/connections/{made.id}/deactivate"
            page = context.new_page()
            page.goto(f"{other}/?target={target}")
            frame = page.frames[1]
            frame.wait_for_load_state()
            assert frame.locator("button").count() == 0
            page.get_by_role("button", name="Win").click()
            page.wait_for_url(re.compile(re.escape(target)))
            assert "was not sent from this page" in page.locator("main").inner_text()
        assert host.service.get(made.id, by=ADA).version == 1
