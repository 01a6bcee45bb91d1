"""Schemathesis on the description: every operation, and sequences of them. No check fails.

It draws requests, valid and invalid ones, from the document alone, and compares the answers with
it: status, media type, schema, headers, refusals of what is invalid, and no 5xx. It is in the group
`openapi`.
"""

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from http_api import MemoryTransactions, authenticate
from hypothesis import HealthCheck, settings
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from connect_core.adapters.http import create_api, openapi_document
from connect_core.jsonapi import Representation

try:
    import schemathesis
    from schemathesis.specs.openapi import checks
except ImportError:
    if os.environ.get("CONNECT_CORE_REQUIRE_SCHEMATHESIS"):
        raise
    pytest.skip("schemathesis is not installed", allow_module_level=True)

OURS = {"Authorization": "Bearer ours"}
BOUNDED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    stateful_step_count=8,
)


def schema_of(transactions: MemoryTransactions, representation: Representation) -> Any:
    app = create_api(
        authenticate=authenticate,
        transactions=transactions,
        representation=representation,
    )
    document: Any = openapi_document(representation=representation)
    document["components"]["parameters"]["KeyInflection"]["schema"]["enum"] = ["kebab"]

    async def described(scope: Scope, receive: Receive, send: Send) -> None:
        is_description = scope["type"] == "http" and scope["path"] == "/described"
        await (JSONResponse(document) if is_description else app)(scope, receive, send)

    schema = schemathesis.openapi.from_asgi("/described", described)
    # A key that is used again is 422 in the guide's form.
    schema.config.checks.positive_data_acceptance.expected_statuses.append("422")
    return schema


#: One store each, emptied before each case or sequence.
stored = {"guide": MemoryTransactions(), "current": MemoryTransactions()}
guide = schema_of(stored["guide"], "guide")
current = schema_of(stored["current"], "current")


def validate(case: Any, response: Any) -> None:
    """Run all checks on the answer to a case.

    Some values cannot be written in a query: an empty list, for one, is left out. If such a member
    was meant to make the request invalid, what was sent may be valid after all.
    """
    query = urlsplit(str(response.request.url)).query
    was_sent = set(case.query) <= set(parse_qs(query, keep_blank_values=True))
    module: Any = checks
    excluded = [] if was_sent else [module.negative_data_rejection]
    case.validate_response(
        response, excluded_checks=excluded, headers=OURS, transport_kwargs={"headers": OURS}
    )


@guide.parametrize()  # type: ignore[untyped-decorator]  # made at run time
@BOUNDED
def test_guide(case: Any) -> None:
    stored["guide"].empty()
    validate(case, case.call(headers=OURS))


@current.parametrize()  # type: ignore[untyped-decorator]  # made at run time
@BOUNDED
def test_current(case: Any) -> None:
    stored["current"].empty()
    validate(case, case.call(headers=OURS))


def test_what_cannot_be_sent() -> None:
    """Why `validate` sometimes leaves out a check. If this fails, it may no longer need to."""
    operation: Any = guide["/api/v1/connect/connections"]["GET"]
    answer = operation.Case(query={"fields[other]": []}).call(headers=OURS)
    assert "?" not in answer.request.url


@pytest.mark.stress
@pytest.mark.parametrize(("form", "schema"), [("guide", guide), ("current", current)])
def test_sequences(form: str, schema: Any) -> None:
    """What was created is retrieved, activated, ended: by the links of the document."""

    class Sequences(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def setup(self) -> None:
            stored[form].empty()

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002  # the base's
            return {"headers": OURS}

        def validate_response(self, response: Any, case: Any, **_settings: Any) -> None:
            validate(case, response)

    Sequences.run(settings=BOUNDED)
