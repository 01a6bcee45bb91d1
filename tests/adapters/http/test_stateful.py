"""The API against the model: anybody asks for anything, in any spelling, with and without keys."""

import json
from typing import Any
from urllib.parse import urlencode

from http_api import MemoryTransactions
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from model import EFFECTS, Model
from support import ACTORS, ORGANIZATIONS, actors

from connect_core import (
    Action,
    Actor,
    ConnectError,
    ForbiddenTransitionError,
    InvalidTransitionError,
    NotAPartyError,
)
from connect_core.adapters.http import Handler, Request, Response
from connect_core.adapters.http.routing import CONNECTIONS

keys = st.none() | st.sampled_from(["key-1", "key-2"])
#: The expected version minus the current one; None if the request expects no version.
offsets = st.none() | st.sampled_from([0, 0, -1, 1])
spellings = st.sampled_from(
    ["destination-organization-id", "destinationOrganizationId", "destination_organization_id"]
)
CODES: dict[type[ConnectError], tuple[int, str]] = {
    NotAPartyError: (404, "connection_not_found"),
    ForbiddenTransitionError: (403, "wrong_role"),
    InvalidTransitionError: (409, "wrong_status"),
}


class HttpRequests(RuleBasedStateMachine):
    """Law: every answer is the one that the model expects, and nothing else changes anything."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.handler = Handler(MemoryTransactions())
        self.models: dict[str, Model] = {}
        self.kept: dict[tuple[str, str], tuple[object, Response]] = {}

    def asked(
        self,
        by: Actor,
        method: str,
        target: str,
        body: object = None,
        *,
        key: str | None = None,
        version: int | None = None,
        request: object = None,
    ) -> tuple[Response, Any, bool]:
        """The response, its document, and whether it was carried out now."""
        fields = [("Content-Type", "application/json")] if body is not None else []
        fields += [] if key is None else [("Idempotency-Key", key)]
        fields += [] if version is None else [("If-Match", f'"{version}"')]
        content = b"" if body is None else json.dumps(body).encode()
        path, _, query = target.partition("?")
        response = self.handler.handle(Request(method, path, query, fields, content), by)
        document = json.loads(response.body)
        if key is None:
            return response, document, True
        place = str(by.organization_id), key
        first_request, first = self.kept.setdefault(place, (request, response))
        if first is response:
            assert "Idempotent-Replayed" not in response.headers
            return response, document, True
        if first_request == request:
            assert (response.status, response.body) == (first.status, first.body)
            assert response.headers["Idempotent-Replayed"] == "true"
        else:
            assert code_of(response, document) == (422, "idempotency_key_reused")
        return response, document, False

    @rule(
        target=ids,
        by=actors,
        destination=st.sampled_from(ORGANIZATIONS),
        spelling=spellings,
        key=keys,
    )
    def create(self, by: Actor, destination: str, spelling: str, key: str | None) -> str:
        """Create once per ordered pair, and never with oneself."""
        source = str(by.organization_id)
        body = {"data": {"attributes": {spelling: destination}}}
        response, document, now = self.asked(
            by, "POST", CONNECTIONS, body, key=key, request=("create", destination)
        )
        existing = {(m.source, m.destination): name for name, m in self.models.items()}
        if now and source == destination:
            assert code_of(response, document) == (422, "self_connection")
        elif now and (source, destination) in existing:
            assert code_of(response, document) == (409, "duplicate_connection")
            named = document["errors"][0]["meta"]["existing-id"]
            assert named == existing[source, destination]
        elif now:
            assert response.status == 201
            name = document["data"]["id"]
            assert response.headers["Location"] == f"{CONNECTIONS}/{name}"
            self.models[name] = Model(source, destination)
        return next(reversed(self.models), "cxn_none")

    @rule(
        name=ids,
        by=actors,
        action=st.sampled_from(sorted(EFFECTS)),
        offset=offsets,
        key=keys,
    )
    def step(
        self, name: str, by: Actor, action: Action, offset: int | None, key: str | None
    ) -> None:
        """Take a step, or get the refusal that the model expects."""
        model = self.models.get(name)
        version = None if offset is None or model is None else max(1, model.version + offset)
        stale = model is not None and version not in (None, model.version)
        response, document, now = self.asked(
            by,
            "POST",
            f"{CONNECTIONS}/{name}/{action}",
            key=key,
            version=version,
            request=(action, name, version),
        )
        if not now:
            return
        refusal = NotAPartyError if model is None else model.refusal(by, action)
        if refusal is not None and (refusal is not InvalidTransitionError or not stale):
            assert code_of(response, document) == CODES[refusal]
        elif stale:
            assert code_of(response, document) == (409, "stale_connection")
        else:
            assert model is not None
            model.status, model.version = EFFECTS[action][2], model.version + 1
            assert response.status == 200
            assert response.headers["ETag"] == f'"{model.version}"'
            assert document["data"]["attributes"]["status"] == model.status

    @rule(
        by=actors,
        status=st.none() | st.sampled_from(["pending", "active", "inactive"]),
        direction=st.sampled_from([None, "outbound", "inbound"]),
        size=st.integers(1, 4),
    )
    def turn_the_pages(
        self, by: Actor, status: str | None, direction: str | None, size: int
    ) -> None:
        """Follow the links of a list: it has every Connection of the model once."""
        due = {
            name
            for name, model in self.models.items()
            if model.roles_of(by)
            and status in (None, model.status)
            and (direction != "outbound" or model.source == by.organization_id)
            and (direction != "inbound" or model.destination == by.organization_id)
        }
        query = {"page[size]": size, "filter[status]": status, "filter[direction]": direction}
        given = {name: value for name, value in query.items() if value is not None}
        link: str | None = f"{CONNECTIONS}?{urlencode(given)}"
        found: list[str] = []
        while link is not None and len(found) <= len(due):
            _, document, _ = self.asked(by, "GET", link)
            found += [each["id"] for each in document["data"]]
            link = document["links"]["next"]
        assert sorted(found) == sorted(due)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        """Each Connection is what its parties are shown, and nobody else is shown anything."""
        for name, model in self.models.items():
            for actor in ACTORS[::2]:
                response, document, _ = self.asked(actor, "GET", f"{CONNECTIONS}/{name}")
                if not model.roles_of(actor):
                    assert code_of(response, document) == (404, "connection_not_found")
                    continue
                assert response.headers["ETag"] == f'"{model.version}"'
                assert document["data"]["attributes"]["status"] == model.status


def code_of(response: Response, document: Any) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return response.status, document["errors"][0]["meta"]["code"]


TestHttpRequests = HttpRequests.TestCase
TestHttpRequests.settings = settings(stateful_step_count=30, deadline=None)
