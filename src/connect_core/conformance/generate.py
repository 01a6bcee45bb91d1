"""Derived files of this library's repository: their paths and texts, and whether they have drifted.

The requirements as data, the vectors, and the documentation's diagrams and tables are derived from
the specification's text and from the rules. Nobody edits them. ``connect-core conformance
generate`` writes them, or compares them with what they should be.

This module is for the checkout of this library only. Nothing is derived when the kit runs.
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
#: The folders that contain derived files only.
_DERIVED_FOLDERS: Final = (_VECTORS_FOLDER, _DIAGRAMS_FOLDER)


def derived(root: Path) -> dict[str, str]:
    """Every derived file of the repository: its text, by its path below the root.

    Args:
        root: the root of a checkout.

    Raises:
        FileNotFoundError: the root is not a checkout: it has no specification.
        InvalidSpecificationError: the specification is not valid.
    """
    text = (root / "docs" / "specification.md").read_text(encoding="utf-8")
    requirements = root / _DATA_FOLDER / "requirements.json"
    specification = parse(text, _released(requirements))
    files = {f"{_DATA_FOLDER}/requirements.json": specification_text(specification)}
    for name, vectors in vector_files(specification.version).items():
        files[f"{_VECTORS_FOLDER}/{name}"] = vectors
    drawn = [vector_dict(vector) for vector in stories()]
    for name, page in (diagrams(drawn) | tables()).items():
        files[f"{_DIAGRAMS_FOLDER}/{name}"] = page
    return files


def _released(requirements: Path) -> list[str]:
    """The ids in the existing file. They count as released."""
    if not requirements.exists():
        return []
    before = json.loads(requirements.read_text(encoding="utf-8"))
    listed = [*before["requirements"], *before["open_points"]]
    return [*(each["id"] for each in listed), *before["retired"]]


def drifted(root: Path, files: Mapping[str, str]) -> list[str]:
    """The paths of files that differ from these, are missing, or should not exist."""
    changed = [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_bytes() != text.encode()
    ]
    return sorted([*changed, *_left_over(root, files)])


def _left_over(root: Path, files: Mapping[str, str]) -> list[str]:
    present = [
        path.relative_to(root).as_posix()
        for folder in _DERIVED_FOLDERS
        for path in (root / folder).glob("*")
    ]
    return [path for path in present if path not in files]


def write_derived(root: Path, files: Mapping[str, str]) -> None:
    """Write the files, and remove all others from the folders of derived files."""
    for path in _left_over(root, files):
        (root / path).unlink()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
