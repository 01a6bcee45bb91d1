"""TypeScript's compiler, from the npm package `typescript`.

The first use downloads the package into ``build``. Nothing else is installed, and no lock file is
written: the package needs no other.
"""

import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from support import ROOT

#: Written in JavaScript; later major versions are programs for one kind of machine each.
_VERSION: Final = "5.9.3"

#: What a careful front end sets. The package's own description of options explains each of them.
STRICT: Final = (
    "--strict",
    "--noUncheckedIndexedAccess",
    "--exactOptionalPropertyTypes",
    "--noUnusedLocals",
    "--noUnusedParameters",
    "--noImplicitReturns",
    "--erasableSyntaxOnly",
    "--isolatedModules",
    "--noEmitOnError",
    *("--target", "es2022", "--lib", "es2022", "--module", "nodenext"),
)


def compiler(npm: str) -> Path:
    """The compiler, a script for Node.js, downloaded if it is not there yet.

    Raises:
        subprocess.SubprocessError: npm cannot download it.
    """
    folder = ROOT / "build" / f"typescript-{_VERSION}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            command = [npm, "pack", "--silent", f"typescript@{_VERSION}"]
            subprocess.run(command, cwd=scratch, capture_output=True, check=True, timeout=300)  # noqa: S603  # npm
            with tarfile.open(Path(scratch) / f"typescript-{_VERSION}.tgz") as package:
                package.extractall(scratch, filter="data")
            (Path(scratch) / "package").replace(folder)
    return folder / "lib" / "tsc.js"
