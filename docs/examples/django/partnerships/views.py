"""The views take and return JSON. Each asks the policy, and states no rule of its own."""

import re
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connect_core import Action, Decision, InvalidDocumentError, Problem, StaleConnectionError

from .authentication import authenticated
from .bodies import offer_in
from .errors import problem
from .filters import actionable_by, readable_by, visible_to
from .models import ApiKey, Organization, Partnership, Step
from .policy import POLICY

# --- The table -----------------------------------------------------------------------------------


def find(actor: ApiKey, id: UUID) -> Partnership:
    """A row that the actor may know of. For others, it is as if the row did not exist."""
    return get_object_or_404(Partnership.objects.filter(visible_to(actor)), pk=id)


def create(actor: ApiKey, body: bytes) -> Partnership:
    """Offer to share. The giving organization is the caller's."""
    offer = offer_in(body)
    source, destination = actor.organization_id, offer.to
    POLICY.authorize_create(actor, source=source, destination=destination)
    if not Organization.objects.filter(pk=destination).exists():
        raise InvalidDocumentError((Problem("/to", "there is no such organization"),))
    with transaction.atomic():
        row, made = Partnership.objects.get_or_create(
            from_org_id=source,
            to_org_id=destination,
            defaults={"name": offer.name, "scopes": sorted(set(offer.scopes))},
        )
        existing = None if made else row  # a reason to refuse, even if it was made just now
        decision = POLICY.authorize_create(
            actor, source=source, destination=destination, existing=existing
        )
        keep_step(row, actor, decision)
    return row


def take(actor: ApiKey, id: UUID, action: Action, seen: Collection[int] = ()) -> Partnership:
    """Take a step, if it is permitted and the row still has a version that the caller saw."""
    row = find(actor, id)
    decision = POLICY.authorize(actor, action, row)
    if seen and row.version not in seen:
        raise StaleConnectionError(max(seen), row.version, str(row.pk))
    changes = {"state": POLICY.target_of(decision), "version": F("version") + 1}
    with transaction.atomic():
        if not Partnership.objects.filter(pk=row.pk, version=row.version).update(**changes):
            raise StaleConnectionError(row.version, None, str(row.pk))
        row.refresh_from_db()
        keep_step(row, actor, decision)
    return row


def keep_step(row: Partnership, actor: ApiKey, decision: Decision) -> None:
    """Record who did what, and why it was permitted."""
    Step.objects.create(
        partnership=row, version=row.version, actor_id=actor.id, decision=decision.as_dict()
    )


def shown(row: Partnership, actor: ApiKey) -> dict[str, object]:
    """A row for a reader, with a menu of what they may do, and why not."""
    menu = dict(POLICY.actions(actor, row))
    del menu[Action.CREATE]
    return {
        "id": row.pk,
        "from": row.from_org_id,
        "to": row.to_org_id,
        "name": row.name,
        "state": row.state,
        "scopes": row.scopes,
        "version": row.version,
        "actions": {
            action.value: {"allowed": decision.allowed, "explanation": decision.explanation}
            for action, decision in menu.items()
        },
    }


def answer(row: Partnership, actor: ApiKey, status: int = 200) -> JsonResponse:
    """A row as it is shown, and its version as the ``ETag``."""
    return JsonResponse(shown(row, actor), status=status, headers={"ETag": f'"{row.version}"'})


# --- The views -----------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@authenticated
def partnerships(request: HttpRequest, actor: ApiKey) -> JsonResponse:
    """List the caller's partnerships, all or by what the caller may do; or create one."""
    if request.method == "POST":
        return answer(create(actor, request.body), actor, status=201)
    rows = Partnership.objects.filter(visible_to(actor))
    actionable, readable = request.GET.get("actionable"), request.GET.get("readable")
    if actionable is not None:
        if actionable not in list(Action):
            return problem(400)
        rows = rows.filter(actionable_by(actor, Action(actionable)))
    if readable is not None:
        rows = rows.filter(readable_by(actor, readable))
    return JsonResponse({"data": [shown(row, actor) for row in rows.order_by("id")[:100]]})


@require_GET
@authenticated
def partnership(_: HttpRequest, actor: ApiKey, id: UUID) -> JsonResponse:
    """One partnership, and what the caller may do with it."""
    return answer(find(actor, id), actor)


#: Entity tags, separated by commas.
TAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,[ \t,]*(?:W/)?"[^"]*")*[ \t,]*')
#: A version's tag. A proxy that compresses an answer marks the tag as weak, or adds the coding's
#: name: ``"1"`` becomes ``W/"1"`` or ``"1-gzip"``, and still names the version.
VERSION = re.compile(r'"([1-9][0-9]*)(?:--?(?:br|deflate|gzip|zstd))?"')


@require_POST
@authenticated
def step(request: HttpRequest, actor: ApiKey, id: UUID, action: str) -> JsonResponse:
    """Activate, deactivate or reactivate; ``If-Match`` names the version that the caller saw."""
    tags = request.headers.get("If-Match", "*")
    # No version has as many digits as this, and Python reads no number of thousands of them.
    seen = {int(version[:18]) for version in VERSION.findall(tags)}
    if tags != "*" and not (seen and TAGS.fullmatch(tags)):
        return problem(400)
    return answer(take(actor, id, Action(action), seen), actor)


@require_GET
@authenticated
def inquiries(_: HttpRequest, actor: ApiKey, id: UUID) -> JsonResponse:
    """The giving organization's inquiries, if the caller may read them through this row now."""
    row = find(actor, id)
    POLICY.authorize_access(actor, "inquiry.read", row)
    return JsonResponse({"data": inquiries_of(row.from_org_id)})


def inquiries_of(organization_id: UUID) -> list[dict[str, object]]:
    """Stands for the data that your service shares."""
    return [{"organization": organization_id, "number": 1}]
