"""The tables. They contain no rules: the policy decides, row by row or as a filter."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from connect_core import Action, Actor, ConnectionId, Role, Status, permitting_statuses


class Partnership(models.Model):
    """What the policy needs to know of a Connection, in a table of our own, and its version."""

    id: "models.CharField[str, str]" = models.CharField(
        primary_key=True, max_length=255, default=ConnectionId.mint, editable=False
    )
    source_organization_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    destination_organization_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    name: "models.CharField[str | None, str | None]" = models.CharField(max_length=255, null=True)
    status: "models.CharField[str, str]" = models.CharField(
        max_length=16, default=Status.PENDING.value
    )
    scopes: "models.JSONField[list[str], list[str]]" = models.JSONField()
    version: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField(default=1)

    class Meta:
        """What the database itself refuses."""

        constraints: ClassVar = [
            UniqueConstraint(
                name="one_for_an_ordered_pair",
                fields=["source_organization_id", "destination_organization_id"],
            ),
            CheckConstraint(
                name="known_status", condition=Q(status__in=[status.value for status in Status])
            ),
            CheckConstraint(
                name="not_with_oneself",
                condition=~Q(source_organization_id=F("destination_organization_id")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="inbound", fields=["destination_organization_id", "status"])
        ]


class Step(models.Model):
    """What was done, by whom, and why it was permitted. It is written together with the change."""

    partnership: "models.ForeignKey[Partnership, Partnership]" = models.ForeignKey(
        Partnership, models.PROTECT
    )
    version: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField()
    actor_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    decision: "models.JSONField[dict[str, object], dict[str, object]]" = models.JSONField()

    class Meta:
        """One step leads to one version."""

        constraints: ClassVar = [
            UniqueConstraint(name="one_step_a_version", fields=["partnership", "version"])
        ]


class ApiKey(models.Model):
    """The actor that a key stands for. The key itself is not kept."""

    digest: "models.CharField[str, str]" = models.CharField(primary_key=True, max_length=64)
    actor_id: "models.CharField[str, str]" = models.CharField(max_length=255)
    organization_id: "models.CharField[str, str]" = models.CharField(max_length=255)


# --- The policy as filters -----------------------------------------------------------------------


def visible_to(actor: Actor) -> Q:
    """The rows that the actor may know of."""
    ours = str(actor.organization_id)
    return Q(source_organization_id=ours) | Q(destination_organization_id=ours)


def actionable_by(actor: Actor, action: Action) -> Q:
    """The rows for which `can` says yes. A test compares the two."""
    return _permits(actor, Role.SOURCE, action) | _permits(actor, Role.DESTINATION, action)


def _permits(actor: Actor, role: Role, action: Action) -> Q:
    """The actor holds the role, and the role may take the action from the row's status."""
    holds = {f"{role.value}_organization_id": str(actor.organization_id)}
    statuses = [status.value for status in permitting_statuses(role, action)]
    return Q(**holds, status__in=statuses)
