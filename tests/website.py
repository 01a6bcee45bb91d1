"""The documentation site, built once for all tests that read it."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support import ROOT

#: Removed when the tests end.
_FOLDER = TemporaryDirectory(prefix="connect-core-site-")


@cache
def built_site() -> Path:
    """The folder of the built site. Warnings are errors, unresolved references among them."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", _FOLDER.name]
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own sources
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Path(_FOLDER.name)


def drawn_site() -> Path:
    """The built site with drawn diagrams. If they cannot be drawn, the test is skipped.

    In ``.ci/run``, it fails.
    """
    site = built_site()
    if '<figure class="diagram">' not in (site / "index.html").read_text(encoding="utf-8"):
        missing = "the site shows diagrams as text: Chromium or npm is missing"
        if os.environ.get("CONNECT_CORE_REQUIRE_CHROMIUM"):
            pytest.fail(missing)
        pytest.skip(missing)
    return site
