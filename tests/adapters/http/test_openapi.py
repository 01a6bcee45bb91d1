"""The description: a valid OpenAPI 3.1 document, true to what is answered, and a page to try it."""

import json
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from http_api import GUIDES_BODY, AsgiClient, MemoryTransactions, authenticate
from openapi_spec_validator import OpenAPIV31SpecValidator

from connect_core import IdempotencyKey, InvalidIdempotencyKeyError
from connect_core.adapters.http import create_api, merge_openapi, openapi_document, pages
from connect_core.adapters.http.headers import idempotency_key
from connect_core.adapters.http.routing import CONNECTIONS
from connect_core.jsonapi import Representation

FORMS: tuple[Representation, ...] = ("guide", "current")
ONE = CONNECTIONS + "/{connection-id}"
PUBLISHED = {
    ("get", CONNECTIONS),
    ("post", CONNECTIONS),
    ("get", ONE),
    ("post", f"{ONE}/deactivate"),
    ("post", f"{ONE}/reactivate"),
}
EXTENSIONS = {("post", f"{ONE}/activate"), ("get", f"{ONE}/history")}


def operations_of(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post")
    }


def described(**options: Any) -> Any:
    return json.loads(json.dumps(openapi_document(**options)))


@pytest.mark.parametrize("representation", FORMS)
@pytest.mark.parametrize("extensions", [True, False])
class TestDocument:
    """In both forms, with and without extensions."""

    def test_it_is_valid(self, representation: Representation, extensions: bool) -> None:
        document = described(representation=representation, extensions=extensions)
        OpenAPIV31SpecValidator(document).validate()

    def test_operations(self, representation: Representation, extensions: bool) -> None:
        document = described(representation=representation, extensions=extensions)
        found = operations_of(document)
        assert set(found) == PUBLISHED | (EXTENSIONS if extensions else set())
        marked = {each for each, operation in found.items() if operation.get("x-extension")}
        assert marked == (EXTENSIONS if extensions else set())
        names = [operation["operationId"] for operation in found.values()]
        assert len(set(names)) == len(names)
        filters = document["components"]["parameters"]["Filter"]["schema"]["properties"]
        assert ("actionable" in filters) is ("direction" in filters) is extensions
        assert document["security"] == [{"key": []}]

    def test_examples_are_valid(self, representation: Representation, extensions: bool) -> None:
        document = described(representation=representation, extensions=extensions)
        checked = 0
        for operation in operations_of(document).values():
            bodies: list[Any] = [operation.get("requestBody"), *operation["responses"].values()]
            for body in filter(None, bodies):
                content: Any = body.get("content", {}).get("application/json", {})
                if "example" in content:
                    schema = {**content["schema"], "components": document["components"]}
                    validator: Any = jsonschema.Draft202012Validator(schema)
                    validator.validate(content["example"])
                    checked += 1
        assert checked >= 6

    def test_idempotency_keys(self, representation: Representation, extensions: bool) -> None:
        """The described pattern allows what is read, and spaces within it, not around it."""
        document = described(representation=representation, extensions=extensions)
        schema = document["components"]["parameters"]["IdempotencyKey"]["schema"]
        keys: Any = jsonschema.Draft202012Validator(schema)
        for text in ("a", "a b", "!  ~", "k" * 255):
            assert keys.is_valid(text)
            assert idempotency_key([("Idempotency-Key", f" {text} ")]) == IdempotencyKey(text)
        for text in ("", "ä", "a\tb", "k" * 256):
            assert not keys.is_valid(text)
            with pytest.raises(InvalidIdempotencyKeyError):
                idempotency_key([("Idempotency-Key", text)])
        assert not keys.is_valid("a ")

    def test_links_name_operations(self, representation: Representation, extensions: bool) -> None:
        document = described(representation=representation, extensions=extensions)
        found = operations_of(document)
        names = {operation["operationId"] for operation in found.values()}
        links = found["post", CONNECTIONS]["responses"]["201"]["links"]
        assert set(links) == names - {"create_connection", "list_connections"}
        assert {each["operationId"] for each in links.values()} == set(links)

    def test_every_refusal_is_described(
        self, representation: Representation, extensions: bool
    ) -> None:
        """Each status that the API answers with is in the document, with a schema of its own."""
        document = described(representation=representation, extensions=extensions)
        for (method, path), operation in operations_of(document).items():
            statuses = set(operation["responses"])
            assert {"400", "401", "429", "500", "503"} <= statuses, (method, path)
            assert ("404" in statuses) is ((method, path) != ("post", CONNECTIONS))
            assert ("415" in statuses) is (method == "post")


class TestPages:
    """The document and the page are below the mount, and need no key."""

    def client(self, root: str = "") -> AsgiClient:
        app = create_api(authenticate=authenticate, transactions=MemoryTransactions())
        return AsgiClient(app, None, root=root)

    def test_document(self) -> None:
        answer = self.client("/x").get("/openapi.json")
        assert answer.json == described(root="/x")
        assert answer.json["servers"] == [{"url": "/x"}]
        assert self.client().get("/openapi.json").json["servers"] == [{"url": "/"}]

    def test_page(self) -> None:
        """It loads nothing from elsewhere, and everything that it loads is there."""
        page = self.client("/x").get("/x/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert b"//" not in page.body.replace(b"</", b"")
        for name, kind in (
            ("swagger-ui.css", "text/css"),
            ("swagger-ui-bundle.js", "text/javascript"),
            ("start.js", "text/javascript"),
        ):
            assert f'"docs/{name}"'.encode() in page.body
            part = self.client("/x").get(f"/x/docs/{name}")
            assert part.status == 200
            assert part.headers["content-type"] == f"{kind}; charset=utf-8"
            assert len(part.body) > 100

    def test_methods(self) -> None:
        assert self.client().request("POST", "/docs").headers["allow"] == "GET, HEAD"
        assert self.client().request("POST", "/openapi.json").status == 405
        head = self.client().request("HEAD", "/docs")
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) > 100

    def test_a_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(_: str) -> None:
            return None

        pages._content.cache_clear()  # pyright: ignore[reportPrivateUsage]  # it was read before
        monkeypatch.setattr(pages, "find_spec", absent)
        with pytest.raises(ModuleNotFoundError, match=r"connect-core\[http\]") as caught:
            self.client().get("/docs/swagger-ui.css")
        assert caught.value.name == "swagger_ui"


class TestMerged:
    """A host's own document, with the API's in it."""

    def test_with_fastapi(self) -> None:
        app = FastAPI()
        app.get("/hello")(lambda: "hello")
        theirs = app.openapi()
        kept = json.dumps(theirs)
        merged = merge_openapi(theirs, openapi_document(), mount="/x")
        assert json.dumps(theirs) == kept
        OpenAPIV31SpecValidator(json.loads(json.dumps(merged))).validate()
        ours = {(method, f"/x{path}") for method, path in PUBLISHED | EXTENSIONS}
        found = operations_of(merged)
        assert set(found) == {("get", "/hello")} | ours
        assert "security" not in found["get", "/hello"]
        assert all(found[each]["security"] == [{"key": []}] for each in ours)

    def test_twice(self) -> None:
        once = merge_openapi({}, openapi_document())
        twice = merge_openapi(once, openapi_document(), mount="/y")
        assert twice["tags"] == once["tags"]
        assert len(operations_of(twice)) == 2 * len(operations_of(once))

    def test_what_differs(self) -> None:
        with pytest.raises(ValueError, match=f"have the path {CONNECTIONS}"):
            merge_openapi({"paths": {CONNECTIONS: {}}}, openapi_document())
        components = {"schemas": {"Status": {"type": "integer"}}}
        with pytest.raises(ValueError, match="components/schemas/Status, and they differ"):
            merge_openapi({"components": components}, openapi_document())


def test_the_guides_request_is_the_example() -> None:
    creation = operations_of(described())["post", CONNECTIONS]
    example = creation["requestBody"]["content"]["application/json"]["example"]
    assert example == GUIDES_BODY
