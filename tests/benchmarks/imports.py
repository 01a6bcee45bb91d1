"""Importing the library, each time in a fresh process, against what it is built on."""

import os
import subprocess
import sys

from .results import AtMost, Figure, Section
from .timing import Sample, race

_OURS = "import connect_core"
_STACK = "statemachine, pydantic.BaseModel"
_FIRST_MODEL = "the same and a model of one field"
_LITERAL = "import statemachine, pydantic"
_TABLE = "connect_core.policy with its table"

#: A process that times some statements and prints the seconds.
_CHILD = """
from time import perf_counter
{before}
start = perf_counter()
{timed}
print(perf_counter() - start)
"""

#: What the policy imports is loaded beforehand. An empty package stands in for connect_core,
#: whose own `__init__` would import the policy too.
_BEFORE_POLICY = """
import sys
from importlib.util import find_spec, module_from_spec
sys.modules["connect_core"] = module_from_spec(find_spec("connect_core"))
import connect_core.errors, connect_core.lifecycle, connect_core.parties
"""


def _child(timed: str, before: str = "") -> Sample:
    """Samples of `timed`, after `before`, in a fresh process that finds its bytecode compiled.

    The race warms up with one run, which writes the bytecode if it was missing.
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
    """How long the import takes, and how much of it is the table.

    pydantic loads itself piece by piece: `import pydantic` alone loads next to nothing, and
    nobody can use it so. Hence the baseline takes `BaseModel`, which is where every use begins.
    Two more figures, without a bound, show both sides of that choice: the literal import, and one
    with a model of one field, which is the least that any user of pydantic pays.
    """
    stack = "import statemachine\nfrom pydantic import BaseModel"
    best = race(
        {
            _OURS: _child("import connect_core"),
            _STACK: _child(stack),
            _FIRST_MODEL: _child(f"{stack}\nclass Model(BaseModel):\n    field: int"),
            _LITERAL: _child("import statemachine, pydantic"),
            _TABLE: _child("import connect_core.policy", _BEFORE_POLICY),
        },
        rounds,
    )
    ours = best[_OURS]
    return Section(
        "The import, in fresh processes",
        (
            Figure(_OURS, ours, _STACK, best[_STACK], AtMost(1.3)),
            Figure(_OURS, ours, _FIRST_MODEL, best[_FIRST_MODEL]),
            Figure(_OURS, ours, _LITERAL, best[_LITERAL]),
            Figure(_TABLE, best[_TABLE], bound=AtMost(0.010)),
        ),
    )
