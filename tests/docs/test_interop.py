"""The interop table: it is about the present specification, and everything in it conforms."""

from support import ROOT

from connect_core.conformance import load_specification, load_vectors

PAGE = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")


def test_every_requirement_has_a_row() -> None:
    rows = [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| CXN-")]
    assert rows == [f"| {each.id}" for each in load_specification().requirements]


def test_every_implementation_conforms() -> None:
    sentences = [line for line in PAGE.splitlines() if line.startswith("- ")]
    version = load_specification().version
    assert len(sentences) == 10
    for each in sentences:
        assert f"conforms to the Connection specification {version}, core" in each
        assert f"of {len(load_vectors())} vectors" in each
        assert "exploration 20x50 (seed 1) found nothing" in each
