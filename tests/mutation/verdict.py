"""The verdict: the mutants that survived are compared with the written reasons."""

import sys
import tomllib
from pathlib import Path
from typing import Any

from .making import Mutant

#: A mutant in a file of reasons: its module, and the lines before and after the change.
Key = tuple[str, str, str]


def reasons_in(path: Path, modules: list[str]) -> dict[Key, str]:
    """Why mutants of these modules survive; those without a reason are left out."""
    entries: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]
    return {
        (entry["module"], entry["before"], entry["after"]): entry["reason"]
        for entry in entries
        if entry["module"] in modules and entry["reason"]
    }


def key_of(mutant: Mutant) -> Key:
    """What names a mutant in a file of reasons."""
    return mutant.module, mutant.before, mutant.after


def report(
    survivors: list[Mutant], total: int, modules: list[str], path: Path, *, sampled: bool = False
) -> int:
    """Compare the survivors with the reasons in a file; 0 if they agree.

    Where only a sample was tested, a reason without a survivor is no error.
    """
    survived = set(map(key_of, survivors))
    reasons = set(reasons_in(path, modules))
    if sampled:
        reasons &= survived
    for module, before, after in sorted(survived - reasons):
        say(f"\nSurvived without a reason:\n{module}.py\n- {before}\n+ {after}")
    for module, before, after in sorted(reasons - survived):
        say(f"\nHas a reason, but did not survive:\n{module}.py\n- {before}\n+ {after}")
    killed = total - len(survivors)
    say(
        f"\n{total} mutants: {killed} killed, {len(survivors)} survived. Of the distinct ones, "
        f"{len(survived & reasons)} have a reason and {len(survived - reasons)} have none."
    )
    return 0 if survived == reasons else 1


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
