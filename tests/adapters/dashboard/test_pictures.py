"""The pictures of the documentation show the page as it is now."""

import pytest
from dashboard_states import DOCS, SHOWN, noted

pytestmark = pytest.mark.site


def test_they_are_of_this_page() -> None:
    """If not, take them anew: ``python -m tests.pictures --docs``."""
    assert (DOCS / f"{SHOWN}.sha256").read_text("ascii").strip() == noted()
    for scheme in ("light", "dark"):
        assert (DOCS / f"{SHOWN}-{scheme}.png").read_bytes().startswith(b"\x89PNG")
