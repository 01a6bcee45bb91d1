"""Pictures of every page of the Dashboard, in every state, both schemes and three widths.

Run it from the root of the repository. Chromium must be installed::

    uv run --group test python -m tests.pictures DIRECTORY
    uv run --group test python -m tests.pictures --docs

The second makes the two pictures of the documentation, and notes of which page they are. A test
compares this note with the page as it is now.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Scheme, launched  # noqa: E402  # found by the line above
from dashboard_states import DOCS, SHOWN, STATES, noted, served, shown  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

WIDTHS: Final = (360, 1280, 1920)
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")


def take(browser: Browser, directory: Path) -> Iterator[Path]:
    """Take a picture of every state, scheme and width."""
    with TemporaryDirectory() as place, served(Path(place)) as at:
        for name in STATES:
            for scheme in SCHEMES:
                for width in WIDTHS:
                    path = directory / f"{name}-{scheme}-{width}.png"
                    with shown(browser, at, name, width=width, scheme=scheme) as page:
                        page.screenshot(path=path, full_page=True)
                    yield path


def take_for_docs(browser: Browser, directory: Path) -> Iterator[Path]:
    """Take the two pictures of the documentation."""
    with TemporaryDirectory() as place, served(Path(place)) as at:
        for scheme in SCHEMES:
            path = directory / f"{SHOWN}-{scheme}.png"
            with shown(browser, at, SHOWN, width=1180, scheme=scheme) as page:
                page.screenshot(path=path)
            yield path


def main() -> None:
    """Take the pictures that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Take pictures of the Dashboard.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("directory", nargs="?", type=Path)
    where.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    executable = shutil.which("chromium")
    if executable is None:
        parser.error("Chromium is not installed")
    directory: Path = DOCS if given.docs else given.directory
    directory.mkdir(parents=True, exist_ok=True)
    if given.docs:
        (directory / f"{SHOWN}.sha256").write_text(f"{noted()}\n", encoding="ascii")
    with launched(executable) as browser:
        pictures = take_for_docs if given.docs else take
        for path in pictures(browser, directory):
            print(path)  # noqa: T201  # it is a command


if __name__ == "__main__":
    main()
