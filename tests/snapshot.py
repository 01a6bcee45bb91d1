"""The snapshot of which vectors test which requirement.

``uv run --group test python -m tests.snapshot`` updates it when requirements are tested by other
vectors than before. The ids of released requirements stay in the snapshot unless the specification
retires them.
"""

import json
from pathlib import Path
from typing import Final

from connect_core.conformance import load_specification, load_vectors
from connect_core.conformance.specification import parse

_TESTS: Final = Path(__file__).parent

#: The specification's text.
TEXT: Final = (_TESTS.parent / "docs" / "specification.md").read_text(encoding="utf-8")
#: The file with the snapshot.
SNAPSHOT: Final = _TESTS / "requirement_vectors.json"


def requirement_vectors() -> dict[str, list[str]]:
    """The ids of each requirement's vectors, sorted."""
    return {
        each.id: sorted(vector.id for vector in load_vectors() if each.id in vector.requirements)
        for each in load_specification().requirements
    }


def main() -> None:
    """Write the snapshot; refuse to lose an id."""
    before: dict[str, list[str]] = {}
    if SNAPSHOT.exists():
        before = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    parse(TEXT, before)
    SNAPSHOT.write_text(f"{json.dumps(requirement_vectors(), indent=1)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
