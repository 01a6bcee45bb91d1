"""The handler: the guide's form, idempotency, versions, spellings, lists, and outsiders."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from etags import NO_VERSION, SAME_VERSION, TOO_HIGH
from http_api import GUIDES_BODY, OURS, STRANGER, THEIRS, Answered, MemoryTransactions
from support import GUIDE_ANSWER

from connect_core import Actor, ConnectionService, InMemoryStore, InvalidRecordError, Page
from connect_core.adapters.http import Caller, Handler, Quota, Request
from connect_core.adapters.http.handler import Exchange, setting_of
from connect_core.adapters.http.routing import CONNECTIONS

JSON = ("Content-Type", "application/json")


class Client:
    """Sends the requests of one caller to a handler."""

    def __init__(self, handler: Handler, caller: Actor | Caller | None) -> None:
        self._handler = handler
        self._caller = caller

    def request(
        self,
        method: str,
        target: str = CONNECTIONS,
        headers: Mapping[str, str] = {},
        body: object = b"",
    ) -> Answered:
        path, _, query = target.partition("?")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = [*headers.items(), *([JSON] if content else [])]
        response = self._handler.handle(Request(method, path, query, fields, content), self._caller)
        fields_out = {name.lower(): value for name, value in response.headers.items()}
        return Answered(response.status, fields_out, response.body)

    def get(self, target: str = CONNECTIONS, **headers: str) -> Answered:
        return self.request("GET", target, _named(headers))

    def post(self, target: str = CONNECTIONS, body: object = b"", **headers: str) -> Answered:
        return self.request("POST", target, _named(headers), body)

    def create(self, destination: str = "org_DEF456", **headers: str) -> Answered:
        attributes = {"destination-organization-id": destination}
        return self.post(body={"data": {"attributes": attributes}}, **headers)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Callers:
    """A handler, and three callers of it."""

    def __init__(self, **options: Any) -> None:
        self.transactions = MemoryTransactions()
        self.handler = Handler(self.transactions, **options)
        self.ours = Client(self.handler, OURS)
        self.theirs = Client(self.handler, THEIRS)
        self.stranger = Client(self.handler, STRANGER)


@pytest.fixture
def callers() -> Callers:
    return Callers()


class TestGuide:
    """The guide's own request, and its answer member by member."""

    def test_create(self, callers: Callers) -> None:
        answer = callers.ours.post(body=GUIDES_BODY)
        assert answer.status == 201
        data, guides = answer.json["data"], json.loads(GUIDE_ANSWER)["data"]
        assert list(data) == list(guides)
        assert list(data["attributes"]) == list(guides["attributes"])
        chosen = {"id", "token", "created-at", "updated-at", "status", "scopes"}
        for name, value in guides["attributes"].items():
            assert name in chosen or data["attributes"][name] == value
        assert data["type"] == guides["type"]
        assert data["attributes"]["token"] == data["id"]
        assert data["attributes"]["status"] == "pending"
        assert set(data["attributes"]["scopes"]) == set(guides["attributes"]["scopes"])
        assert answer.headers["location"] == f"{CONNECTIONS}/{data['id']}"

    def test_story(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        for client, action, status, version in (
            (callers.theirs, "activate", "active", 2),
            (callers.theirs, "deactivate", "inactive", 3),
            (callers.ours, "reactivate", "pending", 4),
            (callers.ours, "deactivate", "inactive", 5),
        ):
            taken = client.post(f"{path}/{action}")
            assert (taken.status, taken.headers["etag"]) == (200, f'"{version}"')
            assert taken.json["data"]["attributes"]["status"] == status
            assert "location" not in taken.headers
        history = callers.theirs.get(f"{path}/history").json["data"]
        assert [each["attributes"]["action"] for each in history] == [
            "create",
            "activate",
            "deactivate",
            "reactivate",
            "deactivate",
        ]

    def test_what_every_answer_says(self, callers: Callers) -> None:
        answer = callers.ours.get()
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Authorization, Key-Inflection"
        assert answer.headers["persona-organization-id"] == "org_ABC123"
        assert answer.headers["request-id"].startswith("req_")
        assert len(answer.headers["request-id"]) == 32
        assert answer.headers["request-id"] != callers.ours.get().headers["request-id"]

    @pytest.mark.parametrize("given", ["", "a b", "a\tb", "ä", "x" * 129, "a,b", "1\n2"])
    def test_a_request_id_that_is_not_safe(self, callers: Callers, given: str) -> None:
        assert callers.ours.get(Request_Id=given).headers["request-id"].startswith("req_")

    def test_two_request_ids(self, callers: Callers) -> None:
        fields = [("Request-Id", "a"), ("Request-Id", "b")]
        response = callers.handler.handle(Request("GET", CONNECTIONS, headers=fields), OURS)
        assert response.headers["Request-Id"].startswith("req_")

    def test_nobody(self, callers: Callers) -> None:
        response = callers.handler.handle(Request("GET", CONNECTIONS), None)
        assert response.status == 401

    def test_a_quota(self, callers: Callers) -> None:
        quota = Quota(10, 0, 7, exceeded=True)
        response = callers.handler.handle(Request("GET", CONNECTIONS), OURS, quota=quota)
        assert (response.status, response.headers["RateLimit-Reset"]) == (429, "7")


class TestIdempotency:
    """The first answer is kept, refusals of documents included."""

    def test_a_creation(self, callers: Callers) -> None:
        first, again = [callers.ours.create(Idempotency_Key="k") for _ in range(2)]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again[::2] == first[::2]
        assert again.headers["location"] == first.headers["location"]

    def test_a_step_after_which_others_followed(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        first = callers.ours.post(f"{path}/deactivate", Idempotency_Key="k")
        callers.ours.post(f"{path}/reactivate")
        again = callers.ours.post(f"{path}/deactivate", Idempotency_Key="k")
        assert again[::2] == first[::2]
        assert callers.ours.get(path).json["data"]["attributes"]["status"] == "pending"

    @pytest.mark.parametrize(
        "body", [b"{", b"{}", b'{"data":{"attributes":{"destination-organization-id":"x"}}}']
    )
    def test_a_refused_document(self, callers: Callers, body: bytes) -> None:
        first, again = [callers.ours.post(body=body, Idempotency_Key="k") for _ in range(2)]
        assert first.codes == ["invalid_document"]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert again[::2] == first[::2]
        reused = callers.ours.create(Idempotency_Key="k")
        assert reused.codes == ["idempotency_key_reused"]
        assert "idempotent-replayed" not in reused.headers

    def test_a_refused_document_of_a_step(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        refused = callers.ours.post(f"{path}/deactivate", b"[]", Idempotency_Key="k")
        assert refused.codes == ["invalid_document"]
        assert callers.ours.post(f"{path}/deactivate", Idempotency_Key="k").codes == [
            "idempotency_key_reused"
        ]

    def test_a_refusal_is_told_again_even_when_it_would_be_permitted_now(
        self, callers: Callers
    ) -> None:
        path = callers.ours.create().headers["location"]
        first = callers.ours.post(f"{path}/reactivate", Idempotency_Key="k")
        callers.ours.post(f"{path}/deactivate")
        again = callers.ours.post(f"{path}/reactivate", Idempotency_Key="k")
        assert first.codes == ["wrong_status"]
        assert again[::2] == first[::2]
        assert again.headers["idempotent-replayed"] == "true"

    def test_a_request_that_nobody_was_known_for_is_not_kept(self, callers: Callers) -> None:
        nobody = Client(callers.handler, None)
        assert nobody.create(Idempotency_Key="k").status == 401
        assert callers.ours.create(Idempotency_Key="k").status == 201

    def test_the_same_document_in_other_words(self, callers: Callers) -> None:
        first = callers.ours.create(Idempotency_Key="k")
        body = b' {"data":{"attributes":{"destinationOrganizationId":"org_DEF456"}}}'
        assert callers.ours.post(body=body, Idempotency_Key="k")[::2] == first[::2]

    def test_another_document(self, callers: Callers) -> None:
        callers.ours.create(Idempotency_Key="k")
        refused = callers.ours.create("org_GHI789", Idempotency_Key="k")
        assert (refused.status, refused.codes) == (422, ["idempotency_key_reused"])
        assert refused.json["errors"][0]["source"] == {"header": "Idempotency-Key"}

    def test_keys_of_two_organizations(self, callers: Callers) -> None:
        path = callers.ours.create(Idempotency_Key="k").headers["location"]
        assert callers.theirs.post(f"{path}/activate", Idempotency_Key="k").status == 200

    def test_several_versions(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        first = callers.ours.post(f"{path}/deactivate", If_Match='"1", "3"', Idempotency_Key="k")
        callers.ours.post(f"{path}/reactivate")
        again = callers.ours.post(f"{path}/deactivate", If_Match='"1", "3"', Idempotency_Key="k")
        assert (first.status, first.headers["etag"]) == (200, '"2"')
        assert again[::2] == first[::2]


class TestVersions:
    """An acceptance that comes late does not land in a later offer."""

    def test_stale(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        callers.ours.post(f"{path}/deactivate")
        callers.ours.post(f"{path}/reactivate")
        late = callers.theirs.post(f"{path}/activate", If_Match='"1"')
        assert (late.status, late.codes) == (409, ["stale_connection"])
        assert callers.theirs.post(f"{path}/activate", If_Match='"3"').status == 200

    @pytest.mark.parametrize("etag", SAME_VERSION)
    def test_a_tag_that_a_proxy_changed(self, callers: Callers, etag: str) -> None:
        path = callers.ours.create().headers["location"]
        assert callers.ours.get(path, If_None_Match=etag).status == 304
        assert callers.ours.post(f"{path}/deactivate", If_Match=etag).status == 200

    @pytest.mark.parametrize("etag", NO_VERSION)
    def test_what_is_no_version(self, callers: Callers, etag: str) -> None:
        path = callers.ours.create().headers["location"]
        refused = callers.ours.post(f"{path}/deactivate", If_Match=etag)
        assert (refused.status, refused.codes) == (400, ["invalid_header"])
        assert callers.ours.get(path).headers["etag"] == '"1"'

    @pytest.mark.parametrize("etag", TOO_HIGH, ids=lambda etag: etag[:24])
    def test_a_version_that_no_connection_has(self, callers: Callers, etag: str) -> None:
        path = callers.ours.create().headers["location"]
        stale = callers.ours.post(f"{path}/deactivate", If_Match=etag)
        assert (stale.status, stale.codes) == (409, ["stale_connection"])
        assert callers.ours.get(path).headers["etag"] == '"1"'

    def test_not_modified(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        known = callers.ours.get(path).headers["etag"]
        answer = callers.ours.get(path, If_None_Match=known)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", known)
        assert "content-type" not in answer.headers
        callers.theirs.post(f"{path}/activate")
        assert callers.ours.get(path, If_None_Match=known).status == 200


class TestOutsiders:
    """They cannot tell a Connection of others from one that does not exist."""

    @pytest.mark.parametrize(
        ("method", "below"),
        [
            ("GET", ""),
            ("HEAD", ""),
            ("GET", "/history"),
            ("POST", "/activate"),
            ("POST", "/deactivate"),
            ("POST", "/reactivate"),
        ],
    )
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"If-Match": '"1"'},
            {"If-Match": '"1", "9"'},
            {"If-None-Match": "*"},
            {"Idempotency-Key": "k-{id}"},
            {"Key-Inflection": "camel"},
        ],
    )
    def test_byte_for_byte(
        self, callers: Callers, method: str, below: str, headers: dict[str, str]
    ) -> None:
        path = callers.ours.create().headers["location"]
        there, absent = path.rpartition("/")[2], "cxn_" + "1" * 28
        answers = [
            callers.stranger.request(
                method,
                f"{CONNECTIONS}/{each}{below}",
                {name: value.replace("{id}", each) for name, value in headers.items()}
                | {"Request-Id": "req_1"},
            )
            for each in (there, absent)
        ]
        body = answers[0].body.replace(there.encode(), absent.encode())
        assert (answers[0].status, answers[0].headers, body) == answers[1]
        assert answers[0].status == 404

    def test_a_cursor(self, callers: Callers) -> None:
        there = callers.ours.create().headers["location"].rpartition("/")[2]
        absent = "cxn_" + "1" * 28
        answers = [
            callers.stranger.get(f"{CONNECTIONS}?page[after]={each}") for each in (there, absent)
        ]
        assert answers[0].body.replace(there.encode(), absent.encode()) == answers[1].body
        assert answers[0].status == 404


class TestLists:
    """Pages and filters are those of `ConnectionService.list`."""

    def test_pages_by_their_links(self, callers: Callers) -> None:
        for number in range(5):
            callers.ours.create(f"org_{number}")
        page = callers.ours.get(f"{CONNECTIONS}?page[size]=2")
        assert page.json["links"]["prev"] is None
        seen: list[str] = []
        while True:
            seen += [
                each["attributes"]["destination-organization-id"] for each in page.json["data"]
            ]
            link = page.json["links"]["next"]
            if link is None:
                break
            assert "[" not in link
            page = callers.ours.get(link)
        assert seen == [f"org_{number}" for number in (4, 3, 2, 1, 0)]
        back = callers.ours.get(page.json["links"]["prev"])
        assert [
            each["attributes"]["destination-organization-id"] for each in back.json["data"]
        ] == [
            "org_2",
            "org_1",
        ]

    def test_filters(self, callers: Callers) -> None:
        callers.ours.create()
        path = callers.ours.create("org_GHI789").headers["location"]
        callers.ours.post(f"{path}/deactivate")
        for query, found in (
            ("filter[status]=inactive", 1),
            ("filter[status]=active", 0),
            ("filter[destination-organization-id]=org_DEF456", 1),
            ("filter[direction]=outbound", 2),
            ("filter[direction]=inbound", 0),
            ("filter[actionable]=reactivate", 1),
        ):
            assert len(callers.ours.get(f"{CONNECTIONS}?{query}").json["data"]) == found, query
        inbound = callers.theirs.get(f"{CONNECTIONS}?filter[actionable]=activate").json["data"]
        assert len(inbound) == 1

    def test_fields(self, callers: Callers) -> None:
        query = "?fields[connect/connections]=status,createdAt,destination_organization_id"
        created = callers.ours.post(CONNECTIONS + query, body=GUIDES_BODY)
        named = {"status", "created-at", "destination-organization-id"}
        assert set(created.json["data"]["attributes"]) == named
        listed = callers.ours.get(CONNECTIONS + query + "&page[size]=1")
        assert set(listed.json["data"][0]["attributes"]) == named
        none = callers.ours.get(f"{CONNECTIONS}?fields[connect/connections]=")
        assert none.json["data"][0]["attributes"] == {}

    def test_the_links_keep_the_query(self, callers: Callers) -> None:
        for number in range(2):
            callers.ours.create(f"org_{number}")
        query = "page[size]=1&fields[connect/connections]=status&filter[status]=pending"
        link = callers.ours.get(f"{CONNECTIONS}?{query}").json["links"]["next"]
        assert "fields%5Bconnect%2Fconnections%5D=status" in link
        assert "filter%5Bstatus%5D=pending" in link
        assert "page%5Bsize%5D=1" in link

    def test_what_cannot_be_read_is_left_out_and_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Damaged(MemoryTransactions):
            def ask(self, work: Any) -> Any:
                class Service(ConnectionService):
                    def list(self, **_: Any) -> Page:
                        return Page(unreadable=(InvalidRecordError("connections cxn_1", "bad"),))

                return work(Service(InMemoryStore()))

        answer = Client(Handler(Damaged()), OURS).get()
        assert (answer.status, answer.json["data"]) == (200, [])
        (error,) = [each.getMessage() for each in caplog.records]
        assert "connections cxn_1" in error


class TestSpellings:
    """``Key-Inflection`` changes names, never values."""

    def test_names(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        kebab = callers.ours.get(path, Key_Inflection="kebab")
        assert kebab.body == callers.ours.get(path).body
        camel = callers.ours.get(path, Key_Inflection="camel").json["data"]
        snake = callers.ours.get(path, Key_Inflection="snake").json["data"]
        assert "destinationOrganizationId" in camel["attributes"]
        assert "destination_organization_id" in snake["attributes"]
        assert camel["type"] == snake["type"] == "connect/connections"
        assert camel["attributes"]["creatorType"] == "api-key"

    def test_a_refusal(self, callers: Callers) -> None:
        body = {"data": {"attributes": {"destination_organization_id": 1}}}
        refused = callers.ours.post(body=body, Key_Inflection="camel").json["errors"][0]
        assert refused["source"]["pointer"] == "/data/attributes/destination_organization_id"

    def test_facts_of_a_refusal(self, callers: Callers) -> None:
        callers.ours.create()
        refused = callers.ours.create(Key_Inflection="snake").json["errors"][0]
        assert refused["meta"]["existing_id"].startswith("cxn_")


class TestRepresentations:
    """A setting of the application, and of a caller."""

    def test_current(self) -> None:
        callers = Callers(representation="current")
        created = callers.ours.create().json["data"]
        assert created["type"] == "connect/connection"
        assert set(created["attributes"]) == {
            "status",
            "source-organization-id",
            "destination-organization-id",
            "created-at",
            "updated-at",
        }
        listed = callers.ours.get(f"{CONNECTIONS}?fields[connect/connection]=status").json["data"]
        assert [set(each) for each in listed] == [{"type", "id", "attributes"}]

    def test_of_a_caller(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        current = Client(callers.handler, Caller(OURS, "current"))
        assert current.get(path).json["data"]["type"] == "connect/connection"
        assert callers.ours.get(path, Persona_Version="2026-05-01").json["data"]["type"] == (
            "connect/connections"
        )

    def test_refusals(self) -> None:
        callers = Callers(representation="current")
        path = callers.ours.create().headers["location"]
        assert set(callers.ours.create().json["errors"][0]) == {"title", "details", "meta"}
        nobody = Client(callers.handler, None).get()
        assert nobody.json == {
            "errors": [{"title": "Must be authenticated to access this endpoint"}]
        }
        assert set(callers.ours.post(f"{path}/x").json["errors"][0]) == {"title", "details", "meta"}


class TestPublishedSurface:
    """Without extensions there is what is published, and nothing else."""

    @pytest.fixture
    def callers(self) -> Callers:
        return Callers(extensions=False)

    def test_operations(self, callers: Callers) -> None:
        path = callers.ours.create().headers["location"]
        assert callers.theirs.post(f"{path}/activate").codes == ["no_such_path"]
        assert callers.ours.get(f"{path}/history").codes == ["no_such_path"]
        assert callers.ours.post(f"{path}/deactivate").status == 200
        assert callers.ours.post(f"{path}/reactivate").status == 200
        assert callers.ours.get(path).status == 200
        assert callers.ours.get().status == 200

    @pytest.mark.parametrize("query", ["filter[direction]=inbound", "filter[actionable]=activate"])
    def test_filters(self, callers: Callers, query: str) -> None:
        assert callers.ours.get(f"{CONNECTIONS}?{query}").codes == ["invalid_parameter"]

    def test_scopes(self, callers: Callers) -> None:
        attributes = {"destination-organization-id": "org_DEF456", "scopes": ["inquiry.read"]}
        refused = callers.ours.post(body={"data": {"attributes": attributes}})
        assert refused.codes == ["invalid_document"]
        assert refused.json["errors"][0]["source"] == {"pointer": "/data/attributes/scopes"}


class TestArguments:
    """What it cannot work with is refused when it is made."""

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match="representation is 'published'"):
            Handler(MemoryTransactions(), representation="published")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong
        with pytest.raises(TypeError, match="extensions is None"):
            Handler(MemoryTransactions(), extensions=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong
        with pytest.raises(TypeError, match="change"):
            Handler(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what hosts get wrong


def test_the_steps_of_an_exchange_have_an_order() -> None:
    exchange = Exchange(Request("GET", CONNECTIONS), setting_of("guide", extensions=True))
    with pytest.raises(RuntimeError, match="begin and identify come before read"):
        exchange.read(b"")
    exchange.begin()
    with pytest.raises(RuntimeError, match="begin and identify come before read"):
        exchange.read(b"")
