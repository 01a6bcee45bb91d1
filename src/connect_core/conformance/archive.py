"""The kit's data in one archive, for a runner of one's own.

The archive has the vectors, the requirements and the schemas as they come with the package, and
``manifest.json``: the version of the specification, the number of vectors, and the SHA-256 of each
file. The same data always gives the same bytes.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from connect_core.conformance.specification import DATA, load_specification
from connect_core.conformance.vectors import load_vectors

_MANIFEST: Final = "manifest.json"
#: The earliest time that an archive can have.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS: Final = 0o644 << 16
_UNIX: Final = 3


def archive() -> bytes:
    """The archive, as a ZIP file."""
    files = dict(_files(DATA))
    manifest = {
        "version": load_specification().version,
        "vectors": len(load_vectors()),
        "files": {name: sha256(files[name]).hexdigest() for name in sorted(files)},
    }
    files[_MANIFEST] = f"{json.dumps(manifest, indent=2)}\n".encode()
    written = BytesIO()
    with ZipFile(written, "w") as opened:
        for name in sorted(files):
            entry = ZipInfo(name, _TIME)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = _UNIX  # on every system
            entry.external_attr = _PERMISSIONS
            opened.writestr(entry, files[name])
    return written.getvalue()


def is_archive(path: Path) -> bool:
    """Whether a file is such an archive, of any version.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with ZipFile(path) as opened:
            return {_MANIFEST, "requirements.json"} <= set(opened.namelist())
    except BadZipFile:
        return False


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, bytes]]:
    """The content of every file in a folder, by its path below it."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{before}{each.name}/")
        else:
            yield f"{before}{each.name}", each.read_bytes()
