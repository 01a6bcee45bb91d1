"""The views take and return JSON. Each asks the policy, and states no rule of its own."""

import re
from collections.abc import Collection

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connect_core import (
    Action,
    Actor,
    ConnectionNotFoundError,
    Decision,
    StaleConnectionError,
    actions,
    authorize,
    authorize_access,
    authorize_create,
    parse_create,
)

from .authentication import authenticated
from .errors import problem
from .models import Partnership, Step, actionable_by, visible_to

# --- The table -----------------------------------------------------------------------------------


def find(actor: Actor, id: str) -> Partnership:
    """A row that the actor may know of. For others, it is as if the row did not exist."""
    found = Partnership.objects.filter(visible_to(actor), pk=id).first()
    if found is None:
        raise ConnectionNotFoundError(id)
    return found


def create(actor: Actor, body: bytes) -> Partnership:
    """Offer to share. The body is the guide's; the source is the caller's organization."""
    wanted = parse_create(body)
    source, destination = actor.organization_id, wanted.destination_organization_id
    authorize_create(actor, source=source, destination=destination)
    with transaction.atomic():
        row, made = Partnership.objects.get_or_create(
            source_organization_id=str(source),
            destination_organization_id=str(destination),
            defaults={"name": wanted.name, "scopes": sorted(map(str, wanted.scopes))},
        )
        existing = None if made else row  # a reason to refuse, even if it was made just now
        decision = authorize_create(
            actor,
            source=source,
            destination=destination,
            existing=existing,  # pyright: ignore[reportArgumentType]  # it sees fields, not values
        )
        keep_step(row, actor, decision)
    return row


def take(actor: Actor, id: str, action: Action, seen: Collection[int] = ()) -> Partnership:
    """Take a step, if it is permitted and the row still has a version that the caller saw."""
    row = find(actor, id)
    decision = authorize(actor, action, row)  # pyright: ignore[reportArgumentType]  # it sees fields, not values
    if seen and row.version not in seen:
        raise StaleConnectionError(max(seen), row.version, row.pk)
    changes = {"status": decision.as_dict()["target"], "version": F("version") + 1}
    with transaction.atomic():
        if not Partnership.objects.filter(pk=row.pk, version=row.version).update(**changes):
            raise StaleConnectionError(row.version, None, row.pk)
        row.refresh_from_db()
        keep_step(row, actor, decision)
    return row


def keep_step(row: Partnership, actor: Actor, decision: Decision) -> None:
    """Record who did what, and why it was permitted."""
    Step.objects.create(
        partnership=row, version=row.version, actor_id=actor.id, decision=decision.as_dict()
    )


def shown(row: Partnership, actor: Actor) -> dict[str, object]:
    """A row for a reader, with a menu of what they may do, and why not."""
    menu = dict(actions(actor, row))  # pyright: ignore[reportArgumentType]  # it sees fields, not values
    del menu[Action.CREATE]
    return {
        "id": row.pk,
        "source": row.source_organization_id,
        "destination": row.destination_organization_id,
        "name": row.name,
        "status": row.status,
        "scopes": row.scopes,
        "version": row.version,
        "actions": {
            action.value: {"allowed": decision.allowed, "explanation": decision.explanation}
            for action, decision in menu.items()
        },
    }


def answer(row: Partnership, actor: Actor, status: int = 200) -> JsonResponse:
    """A row as it is shown, and its version as the ``ETag``."""
    return JsonResponse(shown(row, actor), status=status, headers={"ETag": f'"{row.version}"'})


# --- The views -----------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@authenticated
def partnerships(request: HttpRequest, actor: Actor) -> JsonResponse:
    """List the caller's partnerships, or only those that wait for a step; or create one."""
    if request.method == "POST":
        return answer(create(actor, request.body), actor, status=201)
    rows = Partnership.objects.filter(visible_to(actor))
    actionable = request.GET.get("actionable")
    if actionable is not None:
        if actionable not in list(Action):
            return problem(400)
        rows = rows.filter(actionable_by(actor, Action(actionable)))
    return JsonResponse({"data": [shown(row, actor) for row in rows.order_by("id")[:100]]})


@require_GET
@authenticated
def partnership(_: HttpRequest, actor: Actor, id: str) -> JsonResponse:
    """One partnership, and what the caller may do with it."""
    return answer(find(actor, id), actor)


#: Entity tags, separated by commas.
TAGS = re.compile(r'[ \t,]*(?:W/)?"[^"]*"(?:[ \t]*,[ \t,]*(?:W/)?"[^"]*")*[ \t,]*')
#: A version's tag. A proxy that compresses an answer marks the tag as weak, or adds the coding's
#: name: ``"1"`` becomes ``W/"1"`` or ``"1-gzip"``, and still names the version.
VERSION = re.compile(r'"([1-9][0-9]{0,17})(?:--?(?:br|deflate|gzip|zstd))?"')


@require_POST
@authenticated
def step(request: HttpRequest, actor: Actor, id: str, action: str) -> JsonResponse:
    """Activate, deactivate or reactivate; ``If-Match`` names the version that the caller saw."""
    tags = request.headers.get("If-Match", "*")
    seen = {int(version) for version in VERSION.findall(tags)}
    if tags != "*" and not (seen and TAGS.fullmatch(tags)):
        return problem(400)
    return answer(take(actor, id, Action(action), seen), actor)


#: Stands for the data that your service shares, by the organization that it belongs to.
INQUIRIES = {"org_ABC123": [{"id": "inq_1"}]}


@require_GET
@authenticated
def inquiries(_: HttpRequest, actor: Actor, id: str) -> JsonResponse:
    """The source's inquiries, if the caller may read them through this row now."""
    row = find(actor, id)
    authorize_access(actor, "inquiry.read", row)  # pyright: ignore[reportArgumentType]  # it sees fields, not values
    return JsonResponse({"data": INQUIRIES.get(row.source_organization_id, [])})
