"""The Django example: its views, its filters compared with the policy, its constraints, its page.

Django is set up in this process, on a database of its own.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from io import StringIO
from itertools import chain, product
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from databases import postgresql
from django_settings import set_up
from etags import NO_VERSION, SAME_VERSION
from servers import DEADLINE, blocks, started, typed
from support import OUR_KEY, PARTNER, REFUSED_STEPS, STEPS_TO, STRANGER

from connect_core import (
    Action,
    Actor,
    ConnectionId,
    InvalidRecordError,
    Status,
    authorize,
    can,
    decide_access,
    roles_of,
)
from connect_core.identifiers import MAX_ID_LENGTH

set_up()

# These can be imported only after the set-up.
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connections, models, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import isolate_apps  # noqa: E402
from partnerships import views  # noqa: E402
from partnerships.authentication import new_key  # noqa: E402
from partnerships.models import (  # noqa: E402
    ApiKey,
    Partnership,
    Step,
    actionable_by,
    visible_to,
)

pytestmark = pytest.mark.service

# --- The database and its callers ----------------------------------------------------------------


@contextmanager
def connected(alias: str, **changes: object) -> Generator[None]:
    """A Django database with settings other than the configured ones."""
    settings = connections.settings
    before = dict(settings)
    forget(alias)
    settings[alias] = {**settings["default"], **changes}
    try:
        yield
    finally:
        forget(alias)
        settings.clear()
        settings.update(before)


def forget(alias: str) -> None:
    """Close this thread's connection, if there is one, so that the next use opens another."""
    if alias in connections.settings:
        connections[alias].close()
        del connections[alias]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tables, made by the example's own migration."""
    with connected("default", NAME=str(tmp_path_factory.mktemp("django") / "partnerships.db")):
        call_command("migrate", verbosity=0)
        yield


class Caller:
    """Somebody with a key."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._client = Client(
            raise_request_exception=False,
            headers={"Host": "localhost", "Authorization": f"Bearer {new_key(actor)}"},
        )

    def get(self, address: str, **query: str) -> Any:
        return self._client.get(address, query)

    def post(self, address: str, body: object = None, **headers: str) -> Any:
        content = "application/json"
        return self._client.post(address, body, content_type=content, headers=headers)


class Api:
    """A service with an empty database, except for the keys of three callers."""

    def __init__(self) -> None:
        for model in (Step, Partnership, ApiKey):
            model.objects.all().delete()
        self.ours, self.theirs, self.stranger = map(Caller, (OUR_KEY, PARTNER, STRANGER))

    def create(self, destination: str = "org_DEF456") -> str:
        """The address of a new Connection from us."""
        created = self.ours.post("/partnerships", body_for(destination))
        assert created.status_code == 201, created.content
        return f"/partnerships/{created.json()['id']}"


@pytest.fixture
def api(tables: None) -> Api:  # noqa: ARG001  # they have to be there
    return Api()


def body_for(destination: str, **more: object) -> dict[str, object]:
    attributes = {"destination-organization-id": destination, **more}
    return {"data": {"attributes": attributes}}


def refused(answer: Any, status: int, code: str) -> bool:
    """Whether an answer is this refusal."""
    codes = [error["meta"]["code"] for error in answer.json()["errors"]]
    return (answer.status_code, codes) == (status, [code])


def everything() -> list[tuple[object, ...]]:
    """The rows of the two tables."""
    rows = Partnership.objects.order_by("id").values_list()
    return [*rows, *Step.objects.order_by("id").values_list()]


# --- The story -----------------------------------------------------------------------------------


class TestStory:
    """Each view does its job."""

    def test_from_offer_to_offer(self, api: Api) -> None:
        address = api.create()
        for caller, action, status, version in (
            (api.theirs, "activate", "active", 2),
            (api.theirs, "deactivate", "inactive", 3),
            (api.ours, "reactivate", "pending", 4),
            (api.ours, "deactivate", "inactive", 5),
        ):
            taken = caller.post(f"{address}/{action}")
            assert taken.status_code == 200
            assert taken["ETag"] == f'"{version}"'
            assert taken.json()["status"] == status
            assert caller.get(address).json() == taken.json()
        recorded = [
            (step.version, step.actor_id, step.decision) for step in Step.objects.order_by("id")
        ]
        assert [(version, actor) for version, actor, _ in recorded] == [
            (1, OUR_KEY.id),
            (2, PARTNER.id),
            (3, PARTNER.id),
            (4, OUR_KEY.id),
            (5, OUR_KEY.id),
        ]
        actions = [decision["action"] for _, _, decision in recorded]
        assert actions == ["create", "activate", "deactivate", "reactivate", "deactivate"]
        assert all(decision["allowed"] for _, _, decision in recorded)

    def test_what_is_shown(self, api: Api) -> None:
        created = api.ours.post("/partnerships", body_for("org_DEF456", scopes=["b.c", "a.b"]))
        shown = created.json()
        assert ConnectionId(shown.pop("id"))
        menu = shown.pop("actions")
        assert shown == {
            "source": "org_ABC123",
            "destination": "org_DEF456",
            "name": None,
            "status": "pending",
            "scopes": ["a.b", "b.c"],
            "version": 1,
        }
        assert {action: entry["allowed"] for action, entry in menu.items()} == {
            "activate": False,
            "deactivate": True,
            "reactivate": False,
        }
        assert menu["activate"]["explanation"].startswith("Only the destination may activate")

    def test_lists(self, api: Api) -> None:
        to_them, elsewhere = api.create(), api.create("org_GHI789")
        offered = api.theirs.post("/partnerships", body_for("org_ABC123"))
        back = f"/partnerships/{offered.json()['id']}"

        def listed(caller: Caller, **query: str) -> set[str]:
            rows = caller.get("/partnerships", **query).json()["data"]
            return {f"/partnerships/{row['id']}" for row in rows}

        assert listed(api.ours) == {to_them, elsewhere, back}
        assert listed(api.theirs) == {to_them, back}
        assert listed(api.stranger) == set()
        assert listed(api.ours, actionable="activate") == {back}
        assert listed(api.theirs, actionable="activate") == {to_them}
        assert listed(api.theirs, actionable="deactivate") == {to_them, back}
        assert listed(api.ours, actionable="create") == set()
        assert api.ours.get("/partnerships", actionable="delete").status_code == 400

    def test_data_passes_while_it_is_active_and_from_the_source_alone(self, api: Api) -> None:
        address = api.create()
        data = f"{address}/inquiries"
        assert refused(api.theirs.get(data), 403, "access_denied")
        api.theirs.post(f"{address}/activate")
        assert api.theirs.get(data).json() == {"data": [{"id": "inq_1"}]}
        assert refused(api.ours.get(data), 403, "access_denied")
        assert refused(api.stranger.get(data), 404, "connection_not_found")
        api.ours.post(f"{address}/deactivate")
        assert refused(api.theirs.get(data), 403, "access_denied")


# --- Refusals ------------------------------------------------------------------------------------


class TestRefusals:
    """Each refusal has its HTTP status and its document, and changes nothing."""

    @pytest.mark.parametrize(("status", "who", "action", "http", "code"), REFUSED_STEPS)
    def test_steps(
        self, api: Api, status: str, who: str, action: str, http: int, code: str
    ) -> None:
        address = api.create()
        for taker, step in STEPS_TO[status]:
            assert getattr(api, taker).post(f"{address}/{step}").status_code == 200
        before = everything()
        assert refused(getattr(api, who).post(f"{address}/{action}"), http, code)
        assert everything() == before

    def test_a_second_one_for_a_pair(self, api: Api) -> None:
        address = api.create()
        api.ours.post(f"{address}/deactivate")
        before = everything()
        again = api.ours.post("/partnerships", body_for("org_DEF456"))
        assert refused(again, 409, "duplicate_connection")
        assert "Reactivate the existing one" in again.json()["errors"][0]["details"]
        assert everything() == before

    def test_with_oneself(self, api: Api) -> None:
        answer = api.ours.post("/partnerships", body_for("org_ABC123"))
        assert refused(answer, 422, "self_connection")
        assert everything() == []

    def test_a_body_with_problems(self, api: Api) -> None:
        answer = api.ours.post("/partnerships", {"data": {"attributes": {"name": 5}}})
        assert answer.status_code == 422
        pointers = [error["source"]["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/data/attributes", "/data/attributes/name"]
        assert refused(api.ours.post("/partnerships", "{"), 400, "invalid_document")

    def test_a_body_names_no_source(self, api: Api) -> None:
        """The key alone determines who acts."""
        body = body_for("org_DEF456", **{"organization-id": "org_XYZ789"})
        assert refused(api.ours.post("/partnerships", body), 422, "invalid_document")

    def test_a_body_that_is_too_large(self, api: Api) -> None:
        answer = api.ours.post("/partnerships", body_for("org_DEF456", name="x" * 65536))
        assert answer.status_code == 413
        assert answer.json() == {"errors": [{"title": HTTPStatus(413).phrase}]}

    def test_whom_nobody_knows(self, api: Api) -> None:
        address, client = api.create(), Client(headers={"Host": "localhost"})
        before = everything()
        for authorization in (None, "Bearer", "Bearer x", "Bearer é", "Basic x"):
            headers = {} if authorization is None else {"Authorization": authorization}
            for answer in (
                client.get(address, headers=headers),
                client.get("/partnerships", headers=headers),
                client.post(f"{address}/deactivate", headers=headers),
                client.post("/partnerships", headers=headers),
            ):
                assert answer.status_code == 401
                assert answer["WWW-Authenticate"] == "Bearer"
        assert everything() == before

    def test_a_key_counts_only_as_what_it_is(self, api: Api) -> None:
        key = new_key(OUR_KEY)
        client = Client(headers={"Host": "localhost", "Authorization": f"Basic {key}"})
        assert client.get(api.create()).status_code == 401

    def test_an_outsider_cannot_tell_it_from_one_that_does_not_exist(self, api: Api) -> None:
        address = api.create()
        none = f"/partnerships/cxn_{'1' * 28}"
        for suffix in ("", "/inquiries"):
            there, nowhere = api.stranger.get(address + suffix), api.stranger.get(none + suffix)
            assert refused(there, 404, "connection_not_found")
            body = there.content.decode().replace(address[-32:], none[-32:])
            assert body == nowhere.content.decode()

    def test_an_address_that_there_is_not(self, api: Api) -> None:
        for answer in (api.ours.get("/nothing"), api.ours.post(f"{api.create()}/create")):
            assert answer.status_code == 404
            assert answer.json() == {"errors": [{"title": "Not Found"}]}
        assert api.ours.get(f"{api.create('org_1')}/activate").status_code == 405


class TestFailures:
    """The client gets a document without details, and the log has all of them."""

    def test_what_nobody_expected(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("a secret")

        address = api.create()
        monkeypatch.setattr(views, "authorize", fail)
        answer = api.theirs.post(f"{address}/activate")
        assert answer.status_code == 500
        assert answer.json() == {"errors": [{"title": "Internal Server Error"}]}
        assert "RuntimeError: a secret" in caplog.text

    def test_an_inner_error_of_the_library(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise InvalidRecordError("a row", "a secret")

        address = api.create()
        monkeypatch.setattr(views, "authorize", fail)
        answer = api.theirs.post(f"{address}/activate")
        assert refused(answer, 500, "invalid_record")
        assert "secret" not in answer.content.decode()
        assert "a secret" in caplog.text

    def test_all_of_it_or_nothing(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """The row and the record of its change are written in one transaction."""

        def fail(*_: object) -> None:
            raise RuntimeError

        address = api.create()
        before = everything()
        monkeypatch.setattr(views, "keep_step", fail)
        assert api.theirs.post(f"{address}/activate").status_code == 500
        assert api.ours.post("/partnerships", body_for("org_GHI789")).status_code == 500
        assert everything() == before


@pytest.mark.parametrize(
    "header", ["Organization-Id", "X-Organization-Id", "X-Org-Id", "X-Tenant-Id", "X-Role"]
)
def test_an_organization_that_the_request_names_counts_for_nothing(api: Api, header: str) -> None:
    """Who calls follows from the key alone, whatever the headers and the query say."""
    address = api.create()
    before = everything()
    claims = {header: "org_DEF456"}
    for caller, status in ((api.stranger, 404), (api.ours, 403)):
        claimed = f"{address}/activate?organization-id=org_DEF456&role=destination"
        assert caller.post(claimed, **claims).status_code == status
    body = body_for("org_DEF456", **{"organization-id": "org_ABC123"})
    answer = api.stranger.post("/partnerships", body, **claims)
    assert refused(answer, 422, "invalid_document")
    assert everything() == before
    made = api.stranger.post("/partnerships", body_for("org_DEF456"), **claims).json()
    assert made["source"] == api.stranger.actor.organization_id


# --- Versions and races --------------------------------------------------------------------------


class TestVersions:
    """``If-Match`` names the version that the caller has seen."""

    def test_an_acceptance_that_comes_late_does_not_land_in_a_later_offer(self, api: Api) -> None:
        address = api.create()
        seen = api.theirs.get(address)["ETag"]
        api.ours.post(f"{address}/deactivate")
        api.ours.post(f"{address}/reactivate")
        before = everything()
        late = api.theirs.post(f"{address}/activate", **{"If-Match": seen})
        assert refused(late, 409, "stale_connection")
        assert everything() == before
        now = api.theirs.get(address)["ETag"]
        assert api.theirs.post(f"{address}/activate", **{"If-Match": now}).status_code == 200

    @pytest.mark.parametrize("etag", SAME_VERSION)
    def test_a_tag_that_a_proxy_changed(self, api: Api, etag: str) -> None:
        """Compression changes the bytes of an answer, and not the version that was seen."""
        address = api.create()
        taken = api.theirs.post(f"{address}/activate", **{"If-Match": etag})
        assert (taken.status_code, taken["ETag"]) == (200, '"2"')
        late = api.theirs.post(f"{address}/deactivate", **{"If-Match": etag})
        assert refused(late, 409, "stale_connection")

    @pytest.mark.parametrize("etags", ['"1", "2"', '"7" ,\t"2",,W/"1-gzip"', '"x", "1", "a,b"'])
    def test_several_tags(self, api: Api, etags: str) -> None:
        """One of them has to be the present one."""
        address = api.create()
        taken = api.theirs.post(f"{address}/activate", **{"If-Match": etags})
        assert (taken.status_code, taken["ETag"]) == (200, '"2"')

    def test_several_tags_none_of_which_is_the_present_one(self, api: Api) -> None:
        address = api.create()
        api.ours.post(f"{address}/deactivate")
        before = everything()
        late = api.ours.post(f"{address}/reactivate", **{"If-Match": '"1", "3"'})
        assert refused(late, 409, "stale_connection")
        assert everything() == before

    def test_any_version(self, api: Api) -> None:
        address = api.create()
        assert api.ours.post(f"{address}/deactivate", **{"If-Match": "*"}).status_code == 200
        assert api.ours.post(f"{address}/reactivate", **{"If-Match": "*"}).status_code == 200
        unknown = api.ours.post("/partnerships/cxn_none/deactivate", **{"If-Match": "*"})
        assert refused(unknown, 404, "connection_not_found")

    @pytest.mark.parametrize("etag", NO_VERSION)
    def test_what_is_no_version(self, api: Api, etag: str) -> None:
        address = api.create()
        before = everything()
        answer = api.theirs.post(f"{address}/activate", **{"If-Match": etag})
        assert answer.status_code == 400
        assert answer.json() == {"errors": [{"title": "Bad Request"}]}
        assert everything() == before


class TestRaces:
    """Of two simultaneous requests, one is carried out and the other is refused."""

    def test_two_that_take_the_same_step(self, api: Api) -> None:
        for number in range(5):
            address = api.create(f"org_{number}")
            answers = at_once(lambda: api.ours.post(f"{address}/deactivate"))  # noqa: B023
            assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert Step.objects.count() == 10

    def test_two_that_create_the_same(self, api: Api) -> None:
        for number in range(5):
            body = body_for(f"org_{number}")
            answers = at_once(lambda: api.ours.post("/partnerships", body))  # noqa: B023
            assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert Partnership.objects.count() == Step.objects.count() == 5

    def test_somebody_is_faster_between_the_decision_and_the_change(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if the status has changed back: the version has changed since the decision."""
        address = api.create()

        def overtaken(*arguments: Any) -> object:
            monkeypatch.setattr(views, "authorize", authorize)
            decision = authorize(*arguments)
            assert api.ours.post(f"{address}/deactivate").status_code == 200
            assert api.ours.post(f"{address}/reactivate").status_code == 200
            return decision

        monkeypatch.setattr(views, "authorize", overtaken)
        assert refused(api.theirs.post(f"{address}/activate"), 409, "stale_connection")
        assert api.ours.get(address).json()["status"] == "pending"
        assert Step.objects.count() == 3


def at_once(ask: Any) -> list[HttpResponse]:
    """The answers to the same request, made twice at the same time."""
    both = Barrier(2)

    def answer(_: int) -> HttpResponse:
        both.wait(DEADLINE)
        try:
            answered: HttpResponse = ask()
            return answered
        finally:
            connections.close_all()  # those of this thread

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(answer, range(2)))


# --- The filters and the policy ------------------------------------------------------------------

ORGANIZATIONS = ("org_A", "org_B", "org_a")
ACTORS = [Actor(id="api_1", organization_id=each) for each in ORGANIZATIONS]
IDS = [None, *ORGANIZATIONS, "", "ORG_A", "org_A ", " org_A", "org_", "org%", "org_A' OR '1'='1"]
STATUSES = [
    None,
    *(status.value for status in Status),
    *(status.name for status in Status),
    "",
    "Pending",
    "pending ",
    "frozen",
    "active,pending",
    "аctive",  # noqa: RUF001  # begins with a Cyrillic a
]


def hostile_rows() -> Iterator[tuple[str | None, str | None, str | None]]:
    """Every pair of hostile ids in one or two statuses; a few pairs in every hostile status."""
    some: list[str | None] = [None, *ORGANIZATIONS]
    return chain(product(IDS, IDS, [None, "pending", "active"]), product(some, some, STATUSES))


if TYPE_CHECKING:
    Text = models.TextField[str | None, str | None]


@contextmanager
def table_without_constraints(alias: str) -> Generator[Any]:
    """A model with the same columns and no constraints."""
    with isolate_apps("partnerships"):

        class Loose(models.Model):
            source_organization_id: "Text" = models.TextField(null=True)
            destination_organization_id: "Text" = models.TextField(null=True)
            status: "Text" = models.TextField(null=True)

            class Meta:
                app_label = "partnerships"

    with connections[alias].schema_editor() as editor:
        editor.create_model(Loose)
    yield Loose
    with connections[alias].schema_editor() as editor:
        editor.delete_model(Loose)


@contextmanager
def django_on(kind: str) -> Generator[str]:
    """The alias of a database of this kind."""
    if kind == "sqlite":
        yield "default"
        return
    with (
        postgresql() as url,
        connected(
            "postgresql",
            ENGINE="django.db.backends.postgresql",
            NAME=url.database,
            USER=url.username,
            PASSWORD=url.password or "",
            HOST=url.host,
            PORT=url.port,
            OPTIONS=dict(url.query),
        ),
    ):
        yield "postgresql"


def questions_of(actor: Actor) -> Iterator[tuple[models.Q, Callable[[Any], bool]]]:
    """Each filter for an actor, with the policy's answer for one row."""
    yield visible_to(actor), lambda row: bool(roles_of(actor, row))
    for action in Action:
        yield actionable_by(actor, action), partial(can, actor, action)


@pytest.mark.usefixtures("tables")
class TestFilters:
    """A filter selects exactly the rows that the policy permits; its negation selects the rest."""

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    def test_on_hostile_rows(self, kind: str) -> None:
        with django_on(kind) as alias, table_without_constraints(alias) as loose:
            rows = loose.objects.using(alias)
            names = ("source_organization_id", "destination_organization_id", "status")
            rows.bulk_create(
                [loose(**dict(zip(names, row, strict=True))) for row in hostile_rows()]
            )
            stored = list(rows.all())
            assert len(stored) > 500
            for condition, answer in chain.from_iterable(map(questions_of, ACTORS)):
                expected = {row.pk for row in stored if answer(row)}
                assert set(rows.filter(condition).values_list("pk", flat=True)) == expected
                others = {row.pk for row in stored} - expected
                assert set(rows.exclude(condition).values_list("pk", flat=True)) == others

    def test_the_filters_are_not_empty(self) -> None:
        """The test above does not compare empty results only."""
        permitted = {
            (actor.organization_id, action)
            for actor in ACTORS
            for action in Action
            for row in map(HostileRow, hostile_rows())
            if can(actor, action, row)
        }
        acting = [action for action in Action if action is not Action.CREATE]
        assert permitted == set(product(ORGANIZATIONS, acting))


class HostileRow:
    """A row that is not in a table."""

    def __init__(self, values: tuple[Any, Any, Any]) -> None:
        self.source_organization_id, self.destination_organization_id, self.status = values


# --- The database's own refusals -----------------------------------------------------------------


def row(**changes: object) -> Partnership:
    values: dict[str, Any] = {
        "source_organization_id": "org_A",
        "destination_organization_id": "org_B",
        "scopes": ["inquiry.read"],
    }
    return Partnership(**{**values, **changes})


class TestConstraints:
    """The database rejects rows that no view would write."""

    @pytest.mark.parametrize(
        ("changes", "constraint"),
        [
            ({"status": "frozen"}, "known_status"),
            ({"status": "Active"}, "known_status"),
            ({"destination_organization_id": "org_A"}, "not_with_oneself"),
            ({}, "organization_id"),
        ],
    )
    @pytest.mark.usefixtures("api")
    def test_what_must_not_be(self, changes: dict[str, object], constraint: str) -> None:
        row().save()
        before = everything()
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            row(**{"destination_organization_id": "org_C", **changes} if changes else {}).save()
        assert everything() == before

    @pytest.mark.usefixtures("api")
    def test_what_may_be(self) -> None:
        """The other direction is permitted, and so are ids that differ by case only."""
        row().save()
        row(source_organization_id="org_B", destination_organization_id="org_A").save()
        row(source_organization_id="org_a").save()
        assert Partnership.objects.count() == 3

    @pytest.mark.usefixtures("api")
    def test_a_row_that_somebody_made_grants_nothing_it_should_not(self) -> None:
        """Its scopes may be any JSON value."""
        reader = Actor(id="api_1", organization_id="org_B")
        for scopes in (None, "inquiry.read", {"inquiry.read": True}, 5, [5], []):
            made: Any = row(scopes=scopes, status="active")
            assert not decide_access(reader, "inquiry.read", made)
        made = row(status="active")
        assert decide_access(reader, "inquiry.read", made)

    @pytest.mark.usefixtures("tables")
    def test_the_migration_makes_the_models(self) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)
        call_command("check", fail_level="WARNING")

    def test_a_column_holds_the_longest_id(self) -> None:
        """SQLite does not mind, and PostgreSQL refuses what is longer than its column."""
        lengths = {
            (model.__name__, field.name): field.max_length
            for model in (Partnership, Step, ApiKey)
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField) and field.name.endswith("id")
        }
        assert len(lengths) == 6
        assert set(lengths.values()) == {MAX_ID_LENGTH}

    @pytest.mark.usefixtures("api")
    def test_a_new_key(self) -> None:
        printed = StringIO()
        call_command("new_key", "usr_1", "org_A", stdout=printed)
        key = printed.getvalue().strip()
        assert len(key) > 40
        assert not ApiKey.objects.filter(digest=key).exists()
        client = Client(headers={"Host": "localhost", "Authorization": f"Bearer {key}"})
        assert client.get("/partnerships").json() == {"data": []}


# --- The page ------------------------------------------------------------------------------------


MANAGE = "uv run --group web python docs/examples/django/manage.py "


def managed(line: str) -> str:
    """What a ``manage.py`` line of the page prints, run in this process."""
    printed = StringIO()
    call_command(*line.removeprefix(MANAGE).split(), stdout=printed)
    return printed.getvalue().strip()


def with_keys(lines: str) -> str:
    """The lines of a block, with commands that make a key replaced by the key."""
    made = re.compile(rf"\$\(({re.escape(MANAGE)}[^)]*)\)")
    return made.sub(lambda call: managed(call[1]), lines)


@pytest.mark.usefixtures("curl", "api")
def test_the_commands_of_its_page() -> None:
    start, *asked = blocks("django.md", "console")
    migrate, serve = start.splitlines()
    assert "No migrations to apply." in managed(migrate)  # they have been, by the same command
    assert len(asked) == 3
    database = connections.settings["default"]["NAME"]
    with started(serve, "--noreload", DATABASE=database) as url:
        answers = typed([with_keys(block) for block in asked], url)
    created, activated, denied = (
        json.loads(re.sub(r"cxn_\w+", "cxn_ABC123", answer)) for answer in answers
    )
    assert [created, denied] == [json.loads(block) for block in blocks("django.md", "json")]
    assert (activated["status"], activated["version"]) == ("active", 2)
    assert ApiKey.objects.count() == 5  # those of the page and of the three callers
