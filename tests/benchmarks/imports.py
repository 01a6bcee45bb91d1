"""Importing the library, each time in a fresh process, against importing its dependencies."""

import os
import subprocess
import sys
from statistics import median

from .results import AtMost, Figure, Section
from .timing import Sample, paired_ratio, race

_OURS = "import connect_core"
_STACK = "statemachine, pydantic.BaseModel"
_FIELD = "statemachine, BaseModel and Field"
_FIRST_MODEL = "statemachine and a pydantic model"
_LITERAL = "import statemachine, pydantic"
_TABLE = "connect_core.policy, table, best"

#: A process that times some statements and prints the seconds. It measures its processor time,
#: because it runs long enough for other processes to interrupt it in every round.
_CHILD = """
from time import process_time
{before}
start = process_time()
{timed}
print(process_time() - start)
"""

#: Imports what the policy imports. An empty package replaces connect_core, whose own `__init__`
#: would import the policy too.
_BEFORE_POLICY = """
import sys
from importlib.util import find_spec, module_from_spec
sys.modules["connect_core"] = module_from_spec(find_spec("connect_core"))
import connect_core.errors, connect_core.lifecycle, connect_core.parties
"""


def _child(timed: str, before: str = "") -> Sample:
    """Samples of `timed`, run after `before` in a fresh process with compiled bytecode.

    The first run of a race is not counted; it writes the bytecode if it was missing.
    """
    source = _CHILD.format(before=before, timed=timed)
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }

    def sample() -> float:
        result = subprocess.run(  # noqa: S603  # the program and its source are our own
            [sys.executable, "-P", "-c", source],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return float(result.stdout)

    return sample


def importing(rounds: int) -> Section:
    """How long the import takes, and how much of it the table takes.

    pydantic loads its parts lazily, so that importing it "alone" is ambiguous. The bound applies
    to the ratio to `BaseModel`, with which every use begins. Three more figures, without a bound,
    show how much depends on that choice. The literal import loads less. `Field` loads more: what
    pydantic itself needs for the first field of any model. A model of one field, built at once as
    most are, is what every user of pydantic pays for.
    """
    stack = "import statemachine\nfrom pydantic import BaseModel"
    times = race(
        {
            _OURS: _child("import connect_core"),
            _STACK: _child(stack),
            _FIELD: _child(f"{stack}, Field"),
            _FIRST_MODEL: _child(f"{stack}\nclass Model(BaseModel):\n    field: int"),
            _LITERAL: _child("import statemachine, pydantic"),
            _TABLE: _child("import connect_core.policy", _BEFORE_POLICY),
        },
        rounds,
    )

    def against(baseline: str, bound: AtMost | None = None) -> Figure:
        ours, theirs = times[_OURS], times[baseline]
        ratio = paired_ratio(ours, theirs)
        return Figure(
            _OURS, median(ours), baseline, median(theirs), bound=bound, paired_ratio=ratio
        )

    return Section(
        "The import (processor time, medians)",
        (
            against(_STACK, AtMost(1.3)),
            against(_FIELD),
            against(_FIRST_MODEL),
            against(_LITERAL),
            Figure(_TABLE, min(times[_TABLE]), bound=AtMost(0.010)),
        ),
    )
