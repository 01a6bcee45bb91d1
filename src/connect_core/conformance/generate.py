"""What is derived in this library's repository: from the specification's text, and from the rules.

The requirements as data, the vectors, the diagrams and the tables of the documentation are files
that nobody edits. They are written by ``connect-core conformance generate``, and compared by it
with what they should be.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from connect_core.conformance.generators import vector_files
from connect_core.conformance.generators.stories import stories
from connect_core.conformance.specification import parse, specification_text
from connect_core.conformance.tables import tables
from connect_core.conformance.vectors import vector_dict
from connect_core.diagrams import diagrams

_DATA_FOLDER: Final = "src/connect_core/conformance/data"
_VECTORS_FOLDER: Final = f"{_DATA_FOLDER}/vectors"
_DIAGRAMS_FOLDER: Final = "docs/diagrams"
#: The folders in which nothing else may lie.
_DERIVED_FOLDERS: Final = (_VECTORS_FOLDER, _DIAGRAMS_FOLDER)


def derived(root: Path) -> dict[str, str]:
    """Every file of the repository that is derived: its path below the root, and its text.

    Args:
        root: the root of a checkout.

    Raises:
        FileNotFoundError: it is none: the specification is not there.
        InvalidSpecificationError: the specification is not in order.
    """
    text = (root / "docs" / "specification.md").read_text(encoding="utf-8")
    requirements = root / _DATA_FOLDER / "requirements.json"
    specification = parse(text, _released(requirements))
    files = {f"{_DATA_FOLDER}/requirements.json": specification_text(specification)}
    for name, vectors in vector_files(specification.version).items():
        files[f"{_VECTORS_FOLDER}/{name}"] = vectors
    told = [vector_dict(vector) for vector in stories()]
    for name, page in (diagrams(told) | tables()).items():
        files[f"{_DIAGRAMS_FOLDER}/{name}"] = page
    return files


def _released(requirements: Path) -> list[str]:
    """The ids that stood in the file the last time."""
    if not requirements.exists():
        return []
    before = json.loads(requirements.read_text(encoding="utf-8"))
    listed = [*before["requirements"], *before["open_points"]]
    return [*(each["id"] for each in listed), *before["retired"]]


def drifted(root: Path, files: Mapping[str, str]) -> list[str]:
    """The paths of files that are not, byte for byte, as they would be, or should not be there."""
    changed = [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]
    return sorted([*changed, *_left_over(root, files)])


def _left_over(root: Path, files: Mapping[str, str]) -> list[str]:
    there = [
        path.relative_to(root).as_posix()
        for folder in _DERIVED_FOLDERS
        for path in (root / folder).glob("*")
    ]
    return [path for path in there if path not in files]


def write_derived(root: Path, files: Mapping[str, str]) -> None:
    """Write the files, and remove what lies in their folders besides."""
    for path in _left_over(root, files):
        (root / path).unlink()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
