"""Opens pages of the site in Chromium, from ``file://`` and with no network."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

PHONE = 390
DESKTOP = 1280

#: Milliseconds. Long, because the machine may be busy. Playwright waits only for what is missing.
_PATIENCE = 30_000
expect.set_options(timeout=_PATIENCE)

Scheme = Literal["light", "dark"]


@contextmanager
def launched(executable: str) -> Generator[Browser]:
    """Headless Chromium with an empty profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    suffix: str = "",
    *,
    width: int = DESKTOP,
    scheme: Scheme = "light",
) -> Generator[Page]:
    """The page of a file, in a fresh context. It must cause no error and request only files."""
    wrong: list[str] = []
    with browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    ) as context:
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        watch(page, wrong)
        page.goto(path.as_uri() + suffix)
        yield page
        assert not wrong, f"{page.url}: {wrong}"


def watch(page: Page, wrong: list[str]) -> None:
    """Record every error, every warning and every request that is not for a file."""

    def on_console(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            wrong.append(f"{said.type}: {said.text}")

    def on_request(asked: Request) -> None:
        if not asked.url.startswith("file://"):
            wrong.append(f"request: {asked.url}")

    page.on("console", on_console)
    page.on("request", on_request)
    page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))


def too_wide(page: Page) -> list[str]:
    """The elements that make the page, or Furo's content, scroll sideways."""
    found: list[str] = page.evaluate(
        """() => {
            const scrolls = (it) => it.scrollWidth > it.clientWidth;
            const frames = [document.documentElement, ...document.querySelectorAll(".content")];
            if (!frames.some(scrolls)) return [];
            const width = document.documentElement.clientWidth;
            return [...document.querySelectorAll("body *")]
                .filter((it) => it.getBoundingClientRect().right > width)
                .map((it) => it.outerHTML.slice(0, 200));
        }"""
    )
    return found


def violations(page: Page, within: str) -> list[str]:
    """The accessibility violations that axe-core finds within a selector."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    # Preloading requests the style sheets again, which a browser does not allow from files.
    found: dict[str, Any] = page.evaluate("(it) => axe.run(it, {preload: false})", within)
    assert found["passes"], f"axe checked nothing within {within}"
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
