"""Authentication: a bearer token becomes an `Actor`. The one file to replace by your own."""

from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from connect_core import Actor

# FOR DEMONSTRATION ONLY. Put your own authentication here: a table of hashed API keys, a session, a
# signed token. It alone says which organization somebody acts for; nothing else in a request may.
DEMO_TOKENS = {
    "demo-source": Actor(id="api_ABC123", organization_id="org_ABC123"),
    "demo-destination": Actor(id="usr_Rk3v", organization_id="org_DEF456"),
    "demo-stranger": Actor(id="usr_Zz9", organization_id="org_XYZ789"),
}

bearer = HTTPBearer(auto_error=False)


def authenticated(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Actor:
    """The actor that the token stands for; without a valid one the answer is 401."""
    actor = None if credentials is None else DEMO_TOKENS.get(credentials.credentials)
    if actor is None:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "A valid bearer token is needed.", challenge)
    return actor


Caller = Annotated[Actor, Depends(authenticated)]
