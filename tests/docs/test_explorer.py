"""The explorer page, used with a mouse, a keyboard or a screen reader."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Scheme, opened, too_wide, violations
from oracle import BOTH, DESTINATION, OUTSIDER, SOURCE
from playwright.sync_api import Browser, Locator, Page, expect
from support import ROOT
from website import built_site

from connect_core import Action, Cell, Decision, Denial, Role, Status, Step, decision_table
from connect_core.adapters.cli.rules import table_rows

pytestmark = pytest.mark.site

SCRIPT = ROOT / "docs" / "_static" / "explorer.js"

#: The labels of the radio buttons.
STATUSES: dict[Status | None, str] = {None: "No Connection yet"} | {
    status: status.value for status in Status
}
PARTIES = {
    SOURCE: "source",
    DESTINATION: "destination",
    BOTH: "both: a sandbox, connected with itself",
    OUTSIDER: "outsider: neither of the two",
}

#: Every cell, in an order in which few clicks lead from one to the next.
CELLS = sorted(decision_table(), key=lambda cell: (cell.status or "", sorted(cell.roles)))

every_cell = pytest.mark.parametrize(
    ("cell", "decision"),
    [(cell, decision_table()[cell]) for cell in CELLS],
    ids=[
        f"{cell.status or 'none'}-{'+'.join(sorted(cell.roles)) or 'outsider'}-{cell.action}"
        for cell in CELLS
    ],
)


@pytest.fixture(scope="module")
def path() -> Path:
    return built_site() / "explorer.html"


@pytest.fixture(scope="module")
def page(chromium: Browser, path: Path) -> Iterator[Page]:
    """The page, for tests that begin with a choice."""
    with opened(chromium, path) as page:
        yield page


# --- What a reader does and sees ------------------------------------------------------------------


def choose(page: Page, cell: Cell) -> Locator:
    """Choose a status and a party by their labels; return the action's card."""
    page.get_by_role("radio", name=STATUSES[cell.status], exact=True).check()
    page.get_by_role("radio", name=PARTIES[cell.roles], exact=True).check()
    return page.get_by_role("article", name=cell.action, exact=True)


def seen(card: Locator) -> list[str]:
    """The lines of a card, from top to bottom, without what is hidden."""
    return [line for line in card.inner_text().splitlines() if line]


def due(cell: Cell, decision: Decision) -> list[str]:
    """The lines that a card must show for a decision."""
    button = f"Take it: {cell.action} → {decision.target}"
    return [
        cell.action,
        f"✓ allowed → {decision.target}" if decision else "✗ refused",
        *(f"{denial.replace('_', ' ')} {denial}" for denial in decision.denials),
        decision.explanation,
        *([f"Remedy: {decision.advice}"] if decision.advice else []),
        *map(in_words, decision.remedy),
        button if decision else f"Ask all the same: {cell.action}",
    ]


def in_words(step: Step) -> str:
    """A step of a remedy."""
    holders = " or ".join(role for role in Role if role in step.roles)
    return f"{holders}: {step.action}: {step.before} → {step.after}"


def checked(page: Page) -> list[str]:
    """The labels of the chosen options, the status first."""
    return page.locator("label:has(:checked)").all_inner_texts()


def log(page: Page) -> list[str]:
    """The entries of the log so far."""
    return page.get_by_role("log").get_by_role("listitem").all_inner_texts()


def word(cell: Cell) -> str:
    """The actor, as the log names it."""
    return PARTIES[cell.roles].split(":")[0]


# --- The table ------------------------------------------------------------------------------------


def test_every_status_and_party_can_be_chosen(page: Page) -> None:
    statuses = page.get_by_role("group", name="Status").get_by_role("radio")
    parties = page.get_by_role("group", name="Who you are").get_by_role("radio")
    assert [radio.get_attribute("value") for radio in statuses.all()] == ["none", *Status]
    assert [radio.get_attribute("value") for radio in parties.all()] == [
        "source",
        "destination",
        "both",
        "outsider",
    ]


@every_cell
def test_a_cell_that_is_clicked_shows_its_decision(
    page: Page, cell: Cell, decision: Decision
) -> None:
    assert seen(choose(page, cell)) == due(cell, decision)


@pytest.mark.parametrize("status", STATUSES, ids=STATUSES.get)
def test_there_are_cards_for_the_actions_of_the_table_and_no_others(
    page: Page, status: Status | None
) -> None:
    choose(page, Cell(status, Action.CREATE, SOURCE))
    due = [action for action in Action if Cell(status, action, SOURCE) in decision_table()]
    assert page.get_by_role("article").get_by_role("heading", level=3).all_inner_texts() == due


@every_cell
def test_an_action_that_is_taken_leads_to_its_target_and_a_refused_one_nowhere(
    page: Page, cell: Cell, decision: Decision
) -> None:
    button = choose(page, cell).get_by_role("button")
    before = log(page)
    asked = f"{word(cell)}: {cell.action}: "
    if decision:
        button.click()  # Playwright waits until it is enabled
        assert log(page) == [*before, f"{asked}{STATUSES[cell.status]} → {decision.target}"]
        assert checked(page) == [decision.target, PARTIES[cell.roles]]
    else:
        expect(button).to_be_disabled()  # by its ARIA state only: it takes the focus and answers
        expect(button).to_have_accessible_description(decision.explanation)
        button.press("Enter")
        reasons = ", ".join(denial.replace("_", " ") for denial in decision.denials)
        assert log(page) == [*before, f"{asked}✗ refused: {reasons}. {decision.explanation}"]
        assert checked(page) == [STATUSES[cell.status], PARTIES[cell.roles]]


def test_the_page_has_the_table_as_the_command_exports_it(page: Page) -> None:
    assert json.loads(page.locator("#explorer-table").inner_html()) == table_rows()


def test_the_script_names_no_status_action_role_or_denial() -> None:
    codes = {code.value for kind in (Status, Action, Role, Denial) for code in kind}
    words = codes | {code.replace("_", " ") for code in codes} | {"none", "both", "outsider"}
    script = SCRIPT.read_text(encoding="utf-8")
    assert [word for word in sorted(words) if re.search(rf"\b{word}\b", script)] == []


def test_another_table_gets_other_answers(chromium: Browser, path: Path, tmp_path: Path) -> None:
    """The page has no rules of its own: this table lets an outsider create an active Connection."""
    (table,) = re.findall(r'id="explorer-table">(.*)</script>', path.read_text(encoding="utf-8"))
    rows = json.loads(table)
    rows[0] |= {"allowed": True, "target": "active", "denials": [], "explanation": "<b>So</b> & so"}
    page = path.read_text(encoding="utf-8").replace(table, json.dumps(rows))
    (tmp_path / "explorer.html").write_text(page, encoding="utf-8")
    shutil.copytree(path.parent / "_static", tmp_path / "_static")
    cell = Cell(None, Action.CREATE, OUTSIDER)
    with opened(chromium, tmp_path / "explorer.html") as other:
        card = choose(other, cell)
        assert seen(card)[:3] == ["create", "✓ allowed → active", "<b>So</b> & so"]
        card.get_by_role("button").click()
        assert log(other) == ["outsider: create: No Connection yet → active"]
        assert checked(other)[0] == "active"


# --- A sequence of steps --------------------------------------------------------------------------


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


#: The name of the element that has the focus, and whether its outline is visible.
FOCUSED = """() => {
    const focused = document.activeElement;
    return [focused.name || focused.innerText, getComputedStyle(focused).outlineStyle != "none"];
}"""


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the focus is on the element with this name."""
    met: list[str] = []
    while wanted not in met:
        page.keyboard.press("Tab")
        name, visible = page.evaluate(FOCUSED)
        assert name != wanted or visible, f"{wanted!r} has the focus, but no outline"
        assert len(met) < 60, f"no way to {wanted!r} with the keyboard, only to {met}"
        met.append(name)


def test_a_whole_life_with_the_keyboard_alone(chromium: Browser, path: Path) -> None:
    with opened(chromium, path) as page:
        tab_to(page, "Take it: create → pending")
        press(page, "Enter")
        expect(page.get_by_role("button", name="create")).to_be_focused()
        press(page, "Space")  # the same button, now with another label
        press(page, "Shift+Tab")  # back to the choice of the party
        press(page, "ArrowDown")
        tab_to(page, "Take it: activate → active")
        press(page, "Space")
        tab_to(page, "Take it: deactivate → inactive")
        press(page, "Enter")
        tab_to(page, "Ask all the same: reactivate")
        press(page, "Enter", "Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab", "ArrowUp")
        tab_to(page, "Take it: reactivate → pending")
        press(page, "Enter")
        assert log(page) == [
            "source: create: No Connection yet → pending",
            "source: create: ✗ refused: already exists. A Connection from the source to "
            "the destination exists already and is pending; there is only ever one for an "
            "ordered pair.",
            "destination: activate: pending → active",
            "destination: deactivate: active → inactive",
            "destination: reactivate: ✗ refused: wrong role. Only the source may reactivate a "
            "Connection, and the actor acts for the destination.",
            "source: reactivate: inactive → pending",
        ]
        tab_to(page, "Start again")
        press(page, "Enter")
        assert log(page) == []
        assert checked(page) == ["No Connection yet", "source"]


def test_the_statuses_are_chosen_with_arrows(page: Page) -> None:
    choose(page, Cell(None, Action.CREATE, SOURCE))
    page.get_by_role("radio", name=STATUSES[None]).focus()
    press(page, "ArrowDown", "ArrowDown", "ArrowDown")
    assert checked(page) == ["inactive", "source"]
    press(page, "Enter")  # sends no form
    assert checked(page) == ["inactive", "source"]


def test_what_changed_is_announced(page: Page) -> None:
    card = choose(page, Cell(Status.PENDING, Action.ACTIVATE, DESTINATION))
    announced = page.get_by_role("status")
    assert announced.inner_text() == (
        "pending, as destination. ✓ Allowed: activate → active, deactivate → inactive. "
        "✗ Refused: create, reactivate."
    )
    card.get_by_role("button").click()
    assert announced.inner_text() == (
        "active, as destination. ✓ Allowed: deactivate → inactive. "
        "✗ Refused: create, activate, reactivate."
    )


def test_a_status_that_is_chosen_begins_a_new_life_and_a_party_does_not(page: Page) -> None:
    page.get_by_label("inactive", exact=True).check()  # so that the log of other tests is gone
    choose(page, Cell(Status.PENDING, Action.ACTIVATE, DESTINATION)).get_by_role("button").click()
    page.get_by_label("source", exact=True).check()
    assert log(page) == ["destination: activate: pending → active"]
    page.get_by_label("inactive", exact=True).check()
    assert log(page) == []
    expect(page.get_by_text("It begins with: inactive.")).to_be_visible()


def test_before_there_is_a_connection_the_page_says_so(page: Page) -> None:
    page.get_by_role("radio", name=STATUSES[None], exact=True).check()
    page.get_by_label("source", exact=True).check()
    assert page.locator("[data-part=beginning]").inner_text() == "No Connection yet."
    assert page.get_by_role("status").inner_text() == (
        "No Connection yet, as source. ✓ Allowed: create → pending."
    )
    assert re.search(r"\bnone\b", page.locator("#explorer-form").inner_text()) is None


# --- The page's address ---------------------------------------------------------------------------


def test_the_address_says_what_is_chosen(page: Page) -> None:
    card = choose(page, Cell(Status.PENDING, Action.ACTIVATE, DESTINATION))
    assert page.evaluate("location.hash") == "#status=pending&role=destination"
    card.get_by_role("button").click()
    assert page.evaluate("location.hash") == "#status=active&role=destination"
    page.get_by_role("button", name="Start again").click()
    assert page.evaluate("location.hash") == "#status=none&role=destination"


def test_what_the_address_says_is_chosen(chromium: Browser, path: Path) -> None:
    with opened(chromium, path, "#status=inactive&role=outsider") as page:
        assert checked(page) == ["inactive", PARTIES[OUTSIDER]]
        page.evaluate("location.hash = '#role=both'")
        expect(page.get_by_label(PARTIES[BOTH])).to_be_checked()
        assert checked(page) == ["inactive", PARTIES[BOTH]]


def test_an_address_that_says_something_else_changes_nothing(chromium: Browser, path: Path) -> None:
    with opened(chromium, path, "#status=gone&role=&length=1&__proto__=2") as page:
        assert checked(page) == ["No Connection yet", "source"]
        page.get_by_role("button", name="Take it").click()
        page.evaluate("location.hash = '#furo-main-content'")
        assert log(page) == ["source: create: No Connection yet → pending"]


# --- How it looks ---------------------------------------------------------------------------------


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


@pytest.mark.parametrize(("scheme", "width"), [("light", DESKTOP), ("dark", PHONE)])
def test_it_is_accessible(chromium: Browser, path: Path, scheme: Scheme, width: int) -> None:
    with opened(chromium, path, "#status=active&role=source", width=width, scheme=scheme) as page:
        for name in ("create", "deactivate"):  # so that the log has a refusal and a step
            page.get_by_role("button", name=name, exact=False).first.press("Enter")
        assert len(log(page)) == 2
        assert violations(page, ".explorer") == []


def test_axe_finds_what_is_wrong(chromium: Browser, tmp_path: Path) -> None:
    """Otherwise, the test above could not fail."""
    (tmp_path / "wrong.html").write_text("<main><input><p style='color: #999'>pale</main>", "utf-8")
    with opened(chromium, tmp_path / "wrong.html") as page:
        found = [line.split(":")[0] for line in violations(page, "main")]
        assert found == ["color-contrast", "label"]


def test_the_toggle_of_the_theme_reaches_it(chromium: Browser, path: Path) -> None:
    with opened(chromium, path, "#status=active&role=source") as page:
        verdict = page.locator(".explorer-verdict").first
        colour = "(it) => getComputedStyle(it).color"
        light = (background(page), verdict.evaluate(colour))
        toggle = page.locator(".theme-toggle:visible")
        for _ in range(3):  # auto, light and dark
            toggle.click()
            if page.locator("body").get_attribute("data-theme") == "dark":
                break
        dark = (background(page), verdict.evaluate(colour))
        assert dark[0] != light[0]
        assert dark[1] != light[1]
    with opened(chromium, path, "#status=active&role=source", scheme="dark") as page:
        verdict = page.locator(".explorer-verdict").first
        assert (background(page), verdict.evaluate(colour)) == dark


def test_it_fits_a_phone(chromium: Browser, path: Path) -> None:
    with opened(chromium, path, width=PHONE) as page:
        for status in STATUSES:
            choose(page, Cell(status, Action.CREATE, BOTH)).get_by_role("button").press("Enter")
            assert too_wide(page) == []
        page.evaluate("document.querySelector('.explorer-summary').style.minWidth = '40rem'")
        assert too_wide(page) != []  # Furo scrolls within the page, which hides this


def test_without_javascript_it_leads_to_the_matrix(chromium: Browser, path: Path) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        expect(page.get_by_role("group", name="Status")).to_be_hidden()
        page.get_by_role("link", name="The matrix").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("The matrix")


def test_its_headings_are_in_order(page: Page) -> None:
    choose(page, Cell(Status.PENDING, Action.ACTIVATE, SOURCE))
    levels = page.locator("article[role=main] :is(h1, h2, h3, h4):visible").evaluate_all(
        "(all) => all.map((heading) => heading.localName)"
    )
    assert levels == ["h1", "h2", "h3", "h3", "h3", "h3", "h2"]


def test_its_files_are_loaded_on_its_page_only(path: Path) -> None:
    loading = [
        page.name
        for page in path.parent.rglob("*.html")
        if "explorer.js" in page.read_text("utf-8")
    ]
    assert loading == ["explorer.html"]
