"""Coverage-guided fuzzing: ``uv run --group fuzz python -m tests.fuzz --seconds 60``.

It starts from the corpus beside this file and does not change it: new inputs go into a temporary
directory, and an input that fails a check goes into ``build/``. Exit code 0 means that no check
failed; 3, that atheris cannot be imported; any other, that a check failed.
"""

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FINDINGS = HERE.parents[1] / "build"


def main() -> None:
    """Fuzz for the given time."""
    parser = argparse.ArgumentParser(description="Fuzz the wire documents.")
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    try:
        # Only the group `fuzz` installs it, so type checkers do not see it.
        atheris: Any = import_module("atheris")
    except ImportError as error:
        sys.stderr.write(f"atheris does not import here: {error}\n")
        sys.exit(3)
    with atheris.instrument_imports(include=["connect_core"]):
        sys.path.insert(0, str(HERE))
        check = import_module("check").check
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        options = [
            f"-max_total_time={seconds}",
            f"-artifact_prefix={FINDINGS}/",
            f"-dict={HERE / 'json.dict'}",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], *options, corpus, str(HERE / "corpus")], check)
        atheris.Fuzz()  # ends the process by itself


if __name__ == "__main__":
    main()
