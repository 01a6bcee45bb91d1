"""The policy as filters. For every row they agree with the policy; a test compares the two."""

import json
from collections.abc import Sequence

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.db.models.sql.compiler import SQLCompiler

from connect_core import READING_ROLE, SHARING_STATUS, Action, Role, permitting_statuses

from .models import ApiKey
from .policy import POLICY


def visible_to(actor: ApiKey) -> Q:
    """The rows that the actor may know of."""
    return _holds(actor, Role.SOURCE) | _holds(actor, Role.DESTINATION)


def actionable_by(actor: ApiKey, action: Action) -> Q:
    """The rows for which `POLICY.can` says yes."""
    return _permits(actor, Role.SOURCE, action) | _permits(actor, Role.DESTINATION, action)


def readable_by(actor: ApiKey, scope: str) -> Q:
    """The rows for which `POLICY.decide_access` says yes: whose data the actor may read now."""
    spelling = POLICY.spelling_of(scope)
    if spelling is None:  # no row can grant it
        return Q(pk__in=[])
    sharing = {
        POLICY.status: POLICY.statuses[SHARING_STATUS],
        f"{POLICY.scopes}__grants": spelling,
    }
    return _holds(actor, READING_ROLE) & Q(**sharing)


def _permits(actor: ApiKey, role: Role, action: Action) -> Q:
    """The actor holds the role, and the role may take the action from the row's state."""
    states = [POLICY.statuses[status] for status in permitting_statuses(role, action)]
    return _holds(actor, role) & Q(**{f"{POLICY.status}__in": states})


def _holds(actor: ApiKey, role: Role) -> Q:
    """The actor acts for this side. ``in`` finds no row for None; ``exact`` finds what is NULL."""
    return Q(**{f"{POLICY.attribute_of(role)}__in": [actor.organization_id]})


# --- Scopes in JSON ------------------------------------------------------------------------------


@models.JSONField.register_lookup
class Grants(models.Lookup):
    """``scopes__grants``: the JSON is a list, and the text is in it.

    Django's ``contains`` does not run on SQLite.
    """

    lookup_name = "grants"
    prepare_rhs = False

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, Sequence[str | int]]:
        """The containment of `jsonb`."""
        column, params = self.process_lhs(compiler, connection)
        return f"({column} @> %s::jsonb)", [*params, json.dumps([self.rhs])]

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, Sequence[str | int]]:
        r"""A search. SQLite reads a text up to its first NUL, so a list that has one is skipped."""
        column, params = self.process_lhs(compiler, connection)
        condition = (
            "(json_type({0}) = 'array' AND instr({0}, '\\u0000') = 0 AND EXISTS"
            " (SELECT 1 FROM json_each({0}) WHERE type = 'text' AND atom = %s))"
        )
        return condition.format(column), [*params, *params, *params, self.rhs]
