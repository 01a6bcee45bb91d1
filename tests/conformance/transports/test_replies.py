"""What the answers of a service behind HTTP mean."""

from collections.abc import Mapping

import pytest

from connect_core.conformance import Outcome
from connect_core.conformance.execution import ImplementationError
from connect_core.conformance.subject import ERRORS, Reading
from connect_core.conformance.transports.replies import (
    Reply,
    events_of,
    form_of,
    refusal_of,
    reply_of,
    resource_of,
    state_of,
)

JSON = {"Content-Type": "application/json"}
CURRENT = {
    "status": "pending",
    "source-organization-id": "org_A",
    "destination-organization-id": "org_B",
    "created-at": "2026-01-01T00:00:00.000Z",
    "updated-at": "2026-01-01T00:00:00.000Z",
}
GUIDES = {
    **{name: CURRENT[name] for name in CURRENT if name != "source-organization-id"},
    "organization-id": "org_A",
    "name": None,
    "scopes": ["a.b"],
}


def refused(status: int, title: str, **members: object) -> Reply:
    return Reply("GET /x", status, "", {"errors": [{"title": title, **members}]})


def meant(reply: Reply, verb: str, **facts: bool) -> list[Outcome]:
    """The outcomes that a refusal can mean."""
    return [each.outcome for each in refusal_of(reply, verb, **facts).readings]


class TestRefusals:
    """By code, then by title, then by status; and all that is possible."""

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
    def test_by_code(self, error: type) -> None:
        """The code counts, whatever the status and the title."""
        reply = refused(418, "Record not unique", meta={"code": error.code})  # type: ignore[attr-defined]
        assert meant(reply, "act") == [ERRORS[error]]

    @pytest.mark.parametrize("meta", [None, 7, {}, {"code": "else"}, {"code": ["wrong_role"]}])
    def test_other_codes_do_not_count(self, meta: object) -> None:
        assert meant(refused(403, "Forbidden", meta=meta), "read") == [Outcome.NOT_A_PARTY]

    @pytest.mark.parametrize(
        ("title", "outcome"),
        [
            ("Record not unique", Outcome.ALREADY_EXISTS),
            ("record NOT unique ", Outcome.ALREADY_EXISTS),
            ("Stale object error", Outcome.STALE),
        ],
    )
    def test_by_title(self, title: str, outcome: Outcome) -> None:
        assert meant(refused(409, title), "act") == [outcome]

    @pytest.mark.parametrize(
        ("status", "verb", "outcomes"),
        [
            (400, "create", "invalid"),
            (403, "create", "wrong-role"),
            (404, "create", "not-found"),
            (409, "create", "already-exists"),
            (412, "create", "stale"),
            (422, "create", "invalid"),
            (400, "share", "invalid"),
            (403, "share", "denied not-a-party"),
            (404, "share", "not-found"),
            (409, "share", "denied"),
            (412, "share", "stale"),
            (422, "share", "denied"),
            (400, "read", "invalid"),
            (403, "read", "not-a-party"),
            (404, "read", "not-found"),
            (409, "read", "wrong-status"),
            (412, "read", "stale"),
            (422, "read", "invalid"),
            (400, "act", "invalid"),
            (403, "act", "not-a-party wrong-role wrong-status"),
            (404, "act", "not-found wrong-role wrong-status"),
            (409, "act", "wrong-role wrong-status"),
            (412, "act", "stale"),
            (422, "act", "wrong-role wrong-status"),
        ],
    )
    def test_by_status(self, status: int, verb: str, outcomes: str) -> None:
        assert meant(refused(status, "no"), verb) == outcomes.split()

    def test_what_a_status_says_of_open_points(self) -> None:
        readings = refusal_of(refused(422, "no"), "act").readings
        assert readings == (
            Reading(Outcome.WRONG_ROLE, {"CXN-OPEN-007": ("422",)}),
            Reading(Outcome.WRONG_STATUS, {"CXN-OPEN-003": ("422",)}),
        )

    @pytest.mark.parametrize("status", [400, 403, 409, 422])
    def test_a_self_connection(self, status: int) -> None:
        outcomes = meant(refused(status, "no"), "create", is_self=True)
        assert outcomes[1:] == [Outcome.SELF_CONNECTION]

    def test_a_self_connection_is_not_absent(self) -> None:
        assert meant(refused(404, "no"), "create", is_self=True) == [Outcome.NOT_FOUND]

    def test_an_expected_version(self) -> None:
        assert meant(refused(409, "no"), "act", expects=True)[0] is Outcome.STALE
        assert Outcome.STALE not in meant(refused(403, "no"), "act", expects=True)

    @pytest.mark.parametrize(
        ("errors", "what"),
        [
            (7, "the member 'errors' is wrong"),
            ([], "there is no error in 'errors'"),
            (["no"], "not everything in 'errors' is an object"),
            ([{"title": None}], "the member 'title' is wrong"),
            ([{"title": "no"}, {}], "the member 'title' is missing"),
        ],
    )
    def test_errors_that_are_none(self, errors: object, what: str) -> None:
        with pytest.raises(ImplementationError) as raised:
            refusal_of(Reply("GET /x", 403, "", {"errors": errors}), "read")
        assert str(raised.value) == f"GET /x: {what} (HTTP 403)"

    def test_pointers(self) -> None:
        errors = [
            {"title": "no", "source": {"pointer": "/a"}},
            {"title": "no", "source": {"pointer": "/a"}},
            {"title": "no", "source": {"pointer": ""}},
            {"title": "no", "source": {"header": "If-Match"}},
            {"title": "no", "source": 7},
            {"title": "no"},
        ]
        assert refusal_of(Reply("", 422, "", {"errors": errors}), "create").pointers == ["/a", ""]
        assert refusal_of(Reply("", 422, "", {"errors": errors[3:]}), "create").pointers is None


class TestDocuments:
    """Both forms become states."""

    @staticmethod
    def _reply(type: str, attributes: Mapping[str, object], etag: str = "") -> Reply:
        data = {"type": type, "id": "cxn_1", "attributes": attributes}
        return Reply("GET /x", 200, etag, {"data": data})

    def test_the_guides(self) -> None:
        resource = resource_of(self._reply("connect/connections", GUIDES, '"3"'))
        assert state_of(resource, str.lower) == {
            "status": "pending",
            "source": "org_a",
            "destination": "org_b",
            "name": None,
            "scopes": ["a.b"],
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-01T00:00:00.000Z",
            "version": 3,
        }

    def test_the_published(self) -> None:
        state = state_of(resource_of(self._reply("connect/connection", CURRENT)), str)
        assert set(state) == {"status", "source", "destination", "created_at", "updated_at"}

    @pytest.mark.parametrize(
        ("etag", "version"),
        [
            ('"1"', 1),
            ('W/"12"', 12),
            ('"7-gzip"', 7),
            ('"0"', None),
            ("1", None),
            ('"abc"', None),
            ("", None),
        ],
    )
    def test_versions(self, etag: str, version: int | None) -> None:
        state = state_of(resource_of(self._reply("connect/connection", CURRENT, etag)), str)
        assert state.get("version") == version

    @pytest.mark.parametrize("name", GUIDES)
    def test_a_member_that_is_missing(self, name: str) -> None:
        attributes = {each: GUIDES[each] for each in GUIDES if each != name}
        with pytest.raises(ImplementationError, match=f"the member '{name}' is missing"):
            state_of(resource_of(self._reply("connect/connections", attributes)), str)

    @pytest.mark.parametrize("data", [{"data": 1}, {"data": {"type": "connect/connection"}}])
    def test_no_resource(self, data: dict[str, object]) -> None:
        with pytest.raises(ImplementationError, match=r"the member '(data' is wrong|id' is miss)"):
            resource_of(Reply("GET /x", 200, "", data))

    @pytest.mark.parametrize(
        ("body", "form"),
        [
            (b'{"data": {"type": "connect/connection"}}', "current"),
            (b'{"data": {"type": "connect/connections"}}', "guide"),
            (b'{"data": {"type": []}}', "guide"),
            (b'{"data": {}}', "guide"),
            (b"[]", "guide"),
            (b"\xff", "guide"),
        ],
    )
    def test_the_form_of_a_body(self, body: bytes, form: str) -> None:
        assert form_of(body) == form

    @pytest.mark.parametrize(
        "event", [{}, {"attributes": 1}, {"attributes": {"organization-id": None}}, 7]
    )
    def test_events_that_are_none(self, event: object) -> None:
        with pytest.raises(ImplementationError, match="GET /x: "):
            events_of(Reply("GET /x", 200, "", {"data": [event]}), str)


class TestReplies:
    """What is JSON at all."""

    @pytest.mark.parametrize("kind", ["application/json", "Application/Vnd.Api+JSON; charset=x"])
    def test_media_types(self, kind: str) -> None:
        reply = reply_of("GET /x", 200, {"Content-Type": kind, "ETag": '"1"'}, "{}")
        assert reply == Reply("GET /x", 200, '"1"', {})
        assert reply.is_ok
        assert not reply_of("GET /x", 400, JSON, "{}").is_ok

    @pytest.mark.parametrize(
        ("status", "headers", "text", "what"),
        [
            (500, JSON, "{}", "the service failed (HTTP 500)"),
            (302, JSON, "{}", "it answers with a redirect, which no operation does (HTTP 302)"),
            (200, {}, "{}", "the media type is missing, not JSON (HTTP 200)"),
            (200, {"Content-Type": "text/a\u202e"}, "", "the media type is text/a\\u202e, not"),
            (200, JSON, "", "the body is not JSON (HTTP 200)"),
            (200, JSON, "[" * 100_000, "the body is not JSON (HTTP 200)"),
            (200, JSON, "7", "the body is not an object (HTTP 200)"),
        ],
    )
    def test_what_is_none(self, status: int, headers: dict[str, str], text: str, what: str) -> None:
        with pytest.raises(ImplementationError) as raised:
            reply_of("GET /x", status, headers, text)
        assert str(raised.value).startswith(f"GET /x: {what}")
