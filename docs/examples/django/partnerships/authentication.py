"""Authentication: whose key a request has. Put your own authentication here."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from secrets import token_urlsafe
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, JsonResponse

from .models import ApiKey, Organization

P = ParamSpec("P")


def new_key(organization: Organization) -> str:
    """A key that acts for the organization. It is shown once, and only its digest is kept."""
    key = token_urlsafe()
    ApiKey.objects.create(digest=_digest(key), organization=organization)
    return key


def actor_of(request: HttpRequest) -> ApiKey | None:
    """The key that the request has. Nothing else in a request may say who acts."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return ApiKey.objects.filter(digest=_digest(key)).first() if scheme == "Bearer" else None


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def authenticated(
    view: Callable[Concatenate[HttpRequest, ApiKey, P], JsonResponse],
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
