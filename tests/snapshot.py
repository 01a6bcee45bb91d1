"""``python -m tests.snapshot``: announce that requirements are tested by other vectors than before.

Ids of requirements that were released stay in the snapshot, unless the specification retires them.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_specification import SNAPSHOT, TEXT, requirement_vectors

from connect_core.conformance.specification import parse


def main() -> None:
    """Write the snapshot; refuse to lose an id."""
    before: dict[str, list[str]] = {}
    if SNAPSHOT.exists():
        before = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    parse(TEXT, before)
    SNAPSHOT.write_text(f"{json.dumps(requirement_vectors(), indent=1)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
