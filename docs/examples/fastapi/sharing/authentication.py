"""Authentication: a bearer token becomes an `Actor`. The one file to replace by your own."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from connect_core import Actor

# FOR DEMONSTRATION ONLY. Put your own authentication here: a table of hashed API keys, a session, a
# signed token. It alone says which organization somebody acts for; nothing else in a request may.
DEMO_TOKENS = {
    "demo-source": Actor(id="api_ABC123", organization_id="org_ABC123"),
    "demo-destination": Actor(id="usr_Rk3v", organization_id="org_DEF456"),
    "demo-stranger": Actor(id="usr_Zz9", organization_id="org_XYZ789"),
}


def authenticate(request: Request) -> Actor | None:
    """The actor that the request's bearer token stands for, or None: for the mounted API."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return DEMO_TOKENS.get(token) if scheme.lower() == "bearer" else None


def authenticated(request: Request) -> Actor:
    """The same for routes of your own; without a valid token the answer is 401."""
    actor = authenticate(request)
    if actor is None:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "A valid bearer token is needed.", challenge)
    return actor


Caller = Annotated[Actor, Depends(authenticated)]
