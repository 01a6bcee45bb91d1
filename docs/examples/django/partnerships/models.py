"""The tables. They contain no rules: the policy decides, row by row or as a filter."""

from typing import ClassVar
from uuid import UUID, uuid4

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from .policy import State


class Organization(models.Model):
    """One of our customers."""

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(
        primary_key=True, default=uuid4, editable=False
    )
    name: "models.CharField[str, str]" = models.CharField(max_length=255)


class Partnership(models.Model):
    """One organization shares its data with another."""

    from_org_id: UUID
    to_org_id: UUID

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(
        primary_key=True, default=uuid4, editable=False
    )
    from_org: "models.ForeignKey[Organization, Organization]" = models.ForeignKey(
        Organization, models.PROTECT, related_name="+", db_index=False
    )
    to_org: "models.ForeignKey[Organization, Organization]" = models.ForeignKey(
        Organization, models.PROTECT, related_name="+", db_index=False
    )
    name: "models.CharField[str | None, str | None]" = models.CharField(max_length=255, null=True)
    state: "models.CharField[str, str]" = models.CharField(
        max_length=16, choices=State, default=State.OFFERED
    )
    scopes: "models.JSONField[list[str], list[str]]" = models.JSONField()
    version: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField(default=1)

    class Meta:
        """What the database itself refuses, and the indexes, which replace those of the keys."""

        constraints: ClassVar = [
            UniqueConstraint(name="one_for_an_ordered_pair", fields=["from_org", "to_org"]),
            CheckConstraint(name="known_state", condition=Q(state__in=State.values)),
            CheckConstraint(name="not_with_oneself", condition=~Q(from_org=F("to_org"))),
        ]
        indexes: ClassVar = [models.Index(name="inbound", fields=["to_org", "state"])]


class Step(models.Model):
    """What was done, by whom, and why it was permitted. It is written together with the change."""

    partnership: "models.ForeignKey[Partnership, Partnership]" = models.ForeignKey(
        Partnership, models.PROTECT
    )
    version: "models.PositiveIntegerField[int, int]" = models.PositiveIntegerField()
    actor_id: "models.UUIDField[UUID, UUID]" = models.UUIDField()
    decision: "models.JSONField[dict[str, object], dict[str, object]]" = models.JSONField()

    class Meta:
        """One step leads to one version."""

        constraints: ClassVar = [
            UniqueConstraint(name="one_step_a_version", fields=["partnership", "version"])
        ]


class ApiKey(models.Model):
    """A key, which acts for an organization. Only its digest is kept.

    The policy takes it as an actor as it is, because it has an `organization_id`.
    """

    organization_id: UUID

    id: "models.UUIDField[UUID, UUID]" = models.UUIDField(
        primary_key=True, default=uuid4, editable=False
    )
    digest: "models.CharField[str, str]" = models.CharField(max_length=64, unique=True)
    organization: "models.ForeignKey[Organization, Organization]" = models.ForeignKey(
        Organization, models.CASCADE
    )
