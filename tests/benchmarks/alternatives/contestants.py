"""All contestants, in the order of the tables."""

from .bare import BareDict
from .contestant import Contestant
from .ours import Ours
from .with_automat import Automat
from .with_casbin import Casbin
from .with_cedar import Cedar
from .with_rules import DjangoRules
from .with_statemachine import PythonStatemachine
from .with_transitions import Transitions
from .with_vakt import Vakt


def contestants() -> list[Contestant]:
    """One instance of each contestant."""
    return [
        BareDict(),
        Ours(),
        DjangoRules(),
        Vakt(),
        Casbin(),
        Cedar(),
        Transitions(),
        PythonStatemachine(),
        Automat(),
    ]
