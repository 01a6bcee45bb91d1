"""Authentication: an API key becomes an `Actor`. Put your own authentication here."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from secrets import token_urlsafe
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, JsonResponse

from connect_core import Actor

from .models import ApiKey

P = ParamSpec("P")


def new_key(actor: Actor) -> str:
    """A key for the actor. It is shown once, and only its digest is kept."""
    key = token_urlsafe()
    ApiKey.objects.create(
        digest=_digest(key), actor_id=actor.id, organization_id=actor.organization_id
    )
    return key


def actor_of(request: HttpRequest) -> Actor | None:
    """The actor that the request's key stands for. Nothing else in a request may name the actor."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    found = ApiKey.objects.filter(digest=_digest(key)).first()
    if scheme != "Bearer" or found is None:
        return None
    return Actor(id=found.actor_id, organization_id=found.organization_id)


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def authenticated(
    view: Callable[Concatenate[HttpRequest, Actor, P], JsonResponse],
) -> Callable[Concatenate[HttpRequest, P], JsonResponse]:
    """A view that gets the actor as an argument. Without a valid key, the answer is 401."""

    @wraps(view)
    def with_actor(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> JsonResponse:
        actor = actor_of(request)
        if actor is not None:
            return view(request, actor, *args, **kwargs)
        error = {"title": "Unauthorized", "details": "A valid API key is needed."}
        headers = {"WWW-Authenticate": "Bearer"}
        return JsonResponse({"errors": [error]}, status=401, headers=headers)

    return with_actor
