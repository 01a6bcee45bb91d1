"""django-rules, named `rules` on PyPI: predicates combined into a rule set, without Django."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

from connect_core import Action, Actor

from .contestant import Ability, Contestant, StoredRow

_rules_library: Any = import_module("rules")  # it has types in part only


def _predicate(function: Callable[[Actor, StoredRow], bool]) -> Any:
    return _rules_library.predicate(function)


@_predicate
def is_source(actor: Actor, row: StoredRow) -> bool:
    """Whether the source acts."""
    return actor.organization_id == row.source_organization_id


@_predicate
def is_destination(actor: Actor, row: StoredRow) -> bool:
    """Whether the destination acts."""
    return actor.organization_id == row.destination_organization_id


@_predicate
def is_pending(_: Actor, row: StoredRow) -> bool:
    """Whether the Connection waits for the destination."""
    return row.status == "pending"


@_predicate
def is_active(_: Actor, row: StoredRow) -> bool:
    """Whether data may pass."""
    return row.status == "active"


@_predicate
def is_inactive(_: Actor, row: StoredRow) -> bool:
    """Whether the Connection was deactivated."""
    return row.status == "inactive"


class DjangoRules(Contestant):
    """`test_rule` answers its questions."""

    name = "django-rules"
    distribution = "rules"
    gives = "yes or no"
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.STEP: "no transitions",
        Ability.ALLOWED_ACTIONS: "one by one",
    }

    def __init__(self) -> None:
        self._rules = _rules_library.RuleSet()
        self._rules.add_rule("activate", is_pending & is_destination)
        self._rules.add_rule("deactivate", (is_pending | is_active) & (is_source | is_destination))
        self._rules.add_rule("reactivate", is_inactive & is_source)

    def decide(self, actor: Actor, action: Action, subject: StoredRow) -> bool:
        return bool(self._rules.test_rule(action, actor, subject))

    def permitted(self, actor: Actor, action: Action, rows: Sequence[StoredRow]) -> list[StoredRow]:
        test_rule = self._rules.test_rule
        return [row for row in rows if test_rule(action, actor, row)]
