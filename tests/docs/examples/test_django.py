"""The Django example: its views, its filters compared with the policy, its constraints, its page.

Django is set up in this process, on a database of its own.
"""

import json
import re
import shlex
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from io import StringIO
from itertools import chain, product
from threading import Barrier
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from databases import postgresql
from django_settings import set_up
from etags import NO_VERSION, SAME_VERSION, TOO_HIGH
from servers import DEADLINE, blocks, started, typed
from support import REFUSED_STEPS, STEPS_TO

from connect_core import Action, InvalidRecordError, RowPolicy, Status

set_up()

# These can be imported only after the set-up.
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import IntegrityError, connections, models, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import isolate_apps  # noqa: E402
from partnerships import views  # noqa: E402
from partnerships.authentication import new_key  # noqa: E402
from partnerships.filters import actionable_by, readable_by, visible_to  # noqa: E402
from partnerships.models import ApiKey, Organization, Partnership, Step  # noqa: E402
from partnerships.policy import POLICY, State  # noqa: E402

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
    """An organization, and a client with its key."""

    def __init__(self, name: str) -> None:
        self.organization = Organization.objects.create(name=name)
        self.key = new_key(self.organization)
        self.actor = ApiKey.objects.get(organization=self.organization)
        self.id = str(self.organization.pk)
        self._client = Client(
            raise_request_exception=False,
            headers={"Host": "localhost", "Authorization": f"Bearer {self.key}"},
        )

    def get(self, address: str, **query: str) -> Any:
        return self._client.get(address, query)

    def post(self, address: str, body: object = None, **headers: str) -> Any:
        content = "application/json"
        return self._client.post(address, body, content_type=content, headers=headers)


class Api:
    """A service with an empty database, except for the keys of three callers."""

    def __init__(self) -> None:
        for model in (Step, Partnership, ApiKey, Organization):
            model.objects.all().delete()
        self.ours, self.theirs, self.stranger = map(Caller, ("us", "them", "a stranger"))

    def create(self, destination: str | None = None) -> str:
        """The address of a new partnership from us, to them unless another one is named."""
        created = self.ours.post("/partnerships", {"to": destination or self.theirs.id})
        assert created.status_code == 201, created.content
        return f"/partnerships/{created.json()['id']}"


def new_organization() -> str:
    """The id of one more organization."""
    return str(Organization.objects.create(name="another").pk)


@pytest.fixture
def api(tables: None) -> Api:  # noqa: ARG001  # they have to be there
    return Api()


def refused(answer: Any, status: int, code: str) -> bool:
    """Whether an answer is this refusal."""
    codes = [error["meta"]["code"] for error in answer.json()["errors"]]
    return (answer.status_code, codes) == (status, [code])


def plainly(answer: Any, status: int) -> bool:
    """Whether an answer is a document that says no more than this status."""
    document = {"errors": [{"title": HTTPStatus(status).phrase}]}
    return (answer.status_code, answer.json()) == (status, document)


def everything() -> list[tuple[object, ...]]:
    """The rows of the two tables."""
    rows = Partnership.objects.order_by("id").values_list()
    return [*rows, *Step.objects.order_by("id").values_list()]


# --- The story -----------------------------------------------------------------------------------


class TestStory:
    """Each view does its job."""

    def test_from_offer_to_offer(self, api: Api) -> None:
        address = api.create()
        for caller, action, state, version in (
            (api.theirs, "activate", "RUNNING", 2),
            (api.theirs, "deactivate", "ENDED", 3),
            (api.ours, "reactivate", "OFFERED", 4),
            (api.ours, "deactivate", "ENDED", 5),
        ):
            taken = caller.post(f"{address}/{action}")
            assert taken.status_code == 200
            assert taken["ETag"] == f'"{version}"'
            assert taken.json()["state"] == state
            assert caller.get(address).json() == taken.json()
        recorded = [
            (step.version, step.actor_id, step.decision) for step in Step.objects.order_by("id")
        ]
        ours, theirs = api.ours.actor.id, api.theirs.actor.id
        assert [(version, actor) for version, actor, _ in recorded] == [
            (1, ours),
            (2, theirs),
            (3, theirs),
            (4, ours),
            (5, ours),
        ]
        actions = [decision["action"] for _, _, decision in recorded]
        assert actions == ["create", "activate", "deactivate", "reactivate", "deactivate"]
        assert all(decision["allowed"] for _, _, decision in recorded)

    def test_what_is_shown(self, api: Api) -> None:
        body = {"to": api.theirs.id, "scopes": ["b.c", "a.b", "b.c"]}
        created = api.ours.post("/partnerships", body)
        shown = created.json()
        assert Partnership.objects.filter(pk=shown.pop("id")).exists()
        menu = shown.pop("actions")
        assert shown == {
            "from": api.ours.id,
            "to": api.theirs.id,
            "name": None,
            "state": "OFFERED",
            "scopes": ["a.b", "b.c"],
            "version": 1,
        }
        assert {action: entry["allowed"] for action, entry in menu.items()} == {
            "activate": False,
            "deactivate": True,
            "reactivate": False,
        }
        assert menu["activate"]["explanation"] == (
            "Only the receiving organization may activate a partnership, and the actor acts for the"
            " giving organization."
        )

    def test_lists(self, api: Api) -> None:
        to_them, elsewhere = api.create(), api.create(new_organization())
        offered = api.theirs.post("/partnerships", {"to": api.ours.id})
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
        assert plainly(api.ours.get("/partnerships", actionable="delete"), 400)
        assert listed(api.theirs, readable="inquiry.read") == set()
        api.theirs.post(f"{to_them}/activate")
        assert listed(api.theirs, readable="inquiry.read") == {to_them}
        assert listed(api.theirs, readable="inquiry.read", actionable="activate") == set()
        for scope in ("account.write", "ill-formed", ""):
            assert listed(api.theirs, readable=scope) == set()
        assert listed(api.ours, readable="inquiry.read") == set()

    def test_data_passes_while_it_is_active_and_from_the_source_alone(self, api: Api) -> None:
        address = api.create()
        data = f"{address}/inquiries"
        assert refused(api.theirs.get(data), 403, "access_denied")
        api.theirs.post(f"{address}/activate")
        read = api.theirs.get(data).json()
        assert read == {"data": [{"organization": api.ours.id, "number": 1}]}
        assert refused(api.ours.get(data), 403, "access_denied")
        assert plainly(api.stranger.get(data), 404)
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
        answer = getattr(api, who).post(f"{address}/{action}")
        assert plainly(answer, 404) if http == 404 else refused(answer, http, code)
        assert everything() == before

    def test_a_second_one_for_a_pair(self, api: Api) -> None:
        address = api.create()
        api.ours.post(f"{address}/deactivate")
        before = everything()
        again = api.ours.post("/partnerships", {"to": api.theirs.id})
        assert refused(again, 409, "duplicate_connection")
        assert again.json()["errors"][0]["details"] == (
            "A partnership from the giving organization to the receiving organization exists"
            " already and is ended; there is only ever one for an ordered pair."
            f" It is {address.removeprefix('/partnerships/')}. Reactivate the existing one instead."
        )
        assert everything() == before

    def test_with_oneself(self, api: Api) -> None:
        (error,) = api.ours.post("/partnerships", {"to": api.ours.id}).json()["errors"]
        assert error["source"] == {"pointer": "/to"}
        assert error["details"] == (
            "The giving organization and the receiving organization are the same organization."
            f" Both are {api.ours.id}. Name another organization."
        )
        assert everything() == []

    @pytest.mark.parametrize(
        ("changes", "pointers"),
        [
            ({"to": None}, ["/to"]),
            ({"to": 5}, ["/to"]),
            ({"to": "org_DEF456"}, ["/to"]),
            ({"to": str(UUID(int=5))}, ["/to"]),  # no organization has this id
            ({"name": 5}, ["/name"]),
            ({"name": "x" * 256}, ["/name"]),
            ({"name": "a\0b"}, ["/name"]),
            ({"name": "a\n"}, ["/name"]),
            ({"scopes": None}, ["/scopes"]),
            ({"scopes": "inquiry.read"}, ["/scopes"]),
            ({"scopes": {"inquiry.read": True}}, ["/scopes"]),
            ({"scopes": []}, ["/scopes"]),
            ({"scopes": [f"a.b{number}" for number in range(65)]}, ["/scopes"]),
            ({"scopes": ["inquiry.read", "read", 5]}, ["/scopes/1", "/scopes/2"]),
            ({"from": str(UUID(int=5)), "a/b~": 1}, ["/from", "/a~1b~0"]),
        ],
    )
    def test_a_body_with_problems(
        self, api: Api, changes: dict[str, object], pointers: list[str]
    ) -> None:
        answer = api.ours.post("/partnerships", {"to": api.theirs.id, **changes})
        assert answer.status_code == 422
        errors = answer.json()["errors"]
        assert [error["source"]["pointer"] for error in errors] == pointers
        assert everything() == []

    @pytest.mark.parametrize(("body", "pointer"), [("{}", "/to"), ("[]", ""), ("5", "")])
    def test_a_body_of_another_form(self, api: Api, body: str, pointer: str) -> None:
        answer = api.ours.post("/partnerships", body)
        assert refused(answer, 422, "invalid_document")
        assert answer.json()["errors"][0]["source"]["pointer"] == pointer

    @pytest.mark.parametrize("body", ["", "{", '{"to": "\\ud800"}', b'{"to": "\xff"}', "[" * 9999])
    def test_a_body_that_is_not_json(self, api: Api, body: str) -> None:
        assert refused(api.ours.post("/partnerships", body), 400, "invalid_document")
        assert everything() == []

    def test_a_body_names_no_source(self, api: Api) -> None:
        """The key alone determines who acts."""
        body = {"to": api.theirs.id, "from": api.stranger.id}
        assert refused(api.ours.post("/partnerships", body), 422, "invalid_document")

    def test_a_body_that_is_too_large(self, api: Api) -> None:
        body = {"to": api.theirs.id, "name": "x" * 65536}
        assert plainly(api.ours.post("/partnerships", body), 413)

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
        headers = {"Host": "localhost", "Authorization": f"Basic {api.ours.key}"}
        client = Client(headers=headers)
        assert client.get(api.create()).status_code == 401

    def test_an_outsider_cannot_tell_it_from_one_that_does_not_exist(self, api: Api) -> None:
        address = api.create()
        none = f"/partnerships/{UUID(int=5)}"
        for suffix in ("", "/inquiries"):
            there, nowhere = api.stranger.get(address + suffix), api.stranger.get(none + suffix)
            assert plainly(there, 404)
            assert there.content == nowhere.content

    def test_an_address_that_there_is_not(self, api: Api) -> None:
        address = api.create()
        for nowhere in ("/nothing", "/partnerships/5", address.upper().replace("/P", "/p", 1)):
            assert plainly(api.ours.get(nowhere), 404)
        assert plainly(api.ours.post(f"{address}/create"), 404)
        assert api.ours.get(f"{address}/activate").status_code == 405


class TestFailures:
    """The client gets a document without details, and the log has all of them."""

    def test_what_nobody_expected(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("a secret")

        address = api.create()
        monkeypatch.setattr(RowPolicy, "authorize", fail)
        assert plainly(api.theirs.post(f"{address}/activate"), 500)
        assert "RuntimeError: a secret" in caplog.text

    def test_an_inner_error_of_the_library(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_: object) -> None:
            raise InvalidRecordError("a row", "a secret")

        address = api.create()
        monkeypatch.setattr(RowPolicy, "authorize", fail)
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
        assert api.ours.post("/partnerships", {"to": new_organization()}).status_code == 500
        assert everything() == before


@pytest.mark.parametrize(
    "header", ["Organization-Id", "X-Organization-Id", "X-Org-Id", "X-Tenant-Id", "X-Role"]
)
def test_an_organization_that_the_request_names_counts_for_nothing(api: Api, header: str) -> None:
    """Who calls follows from the key alone, whatever the headers and the query say."""
    address = api.create()
    before = everything()
    claims = {header: api.theirs.id}
    for caller, status in ((api.stranger, 404), (api.ours, 403)):
        claimed = f"{address}/activate?organization_id={api.theirs.id}&role=destination"
        assert caller.post(claimed, **claims).status_code == status
    body = {"to": api.theirs.id, "from": api.ours.id}
    answer = api.stranger.post("/partnerships", body, **claims)
    assert refused(answer, 422, "invalid_document")
    assert everything() == before
    made = api.stranger.post("/partnerships", {"to": api.theirs.id}, **claims).json()
    assert made["from"] == api.stranger.id


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
        nowhere = f"/partnerships/{UUID(int=5)}/deactivate"
        assert plainly(api.ours.post(nowhere, **{"If-Match": "*"}), 404)

    @pytest.mark.parametrize("etag", NO_VERSION)
    def test_what_is_no_version(self, api: Api, etag: str) -> None:
        address = api.create()
        before = everything()
        assert plainly(api.theirs.post(f"{address}/activate", **{"If-Match": etag}), 400)
        assert everything() == before

    @pytest.mark.parametrize("etag", TOO_HIGH, ids=lambda etag: etag[:24])
    def test_a_version_that_no_connection_has(self, api: Api, etag: str) -> None:
        address = api.create()
        before = everything()
        late = api.theirs.post(f"{address}/activate", **{"If-Match": etag})
        assert refused(late, 409, "stale_connection")
        assert everything() == before


class TestRaces:
    """Of two simultaneous requests, one is carried out and the other is refused."""

    def test_two_that_take_the_same_step(self, api: Api) -> None:
        for _ in range(5):
            address = api.create(new_organization())
            answers = at_once(lambda: api.ours.post(f"{address}/deactivate"))  # noqa: B023
            assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert Step.objects.count() == 10

    def test_two_that_create_the_same(self, api: Api) -> None:
        for _ in range(5):
            body = {"to": new_organization()}
            answers = at_once(lambda: api.ours.post("/partnerships", body))  # noqa: B023
            assert sorted(answer.status_code for answer in answers) == [201, 409]
        assert Partnership.objects.count() == Step.objects.count() == 5

    def test_somebody_is_faster_between_the_decision_and_the_change(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even if the status has changed back: the version has changed since the decision."""
        address, authorize = api.create(), RowPolicy.authorize

        def overtaken(*arguments: Any) -> object:
            monkeypatch.setattr(RowPolicy, "authorize", authorize)
            decision = authorize(*arguments)
            assert api.ours.post(f"{address}/deactivate").status_code == 200
            assert api.ours.post(f"{address}/reactivate").status_code == 200
            return decision

        monkeypatch.setattr(RowPolicy, "authorize", overtaken)
        assert refused(api.theirs.post(f"{address}/activate"), 409, "stale_connection")
        assert api.ours.get(address).json()["state"] == "OFFERED"
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

#: Ids of each type: those of the actors, and others.
IDS: dict[str, tuple[list[Any], list[Any]]] = {
    "UUID": (
        [UUID(int=2**127 + 5), UUID(int=2**127 + 7), UUID(int=5)],
        [None, UUID(int=0), UUID(int=2**128 - 1), UUID(int=4)],
    ),
    "text": (
        ["org_A", "org_B", "org_a"],
        [None, "", "ORG_A", "org_A ", " org_A", "org_", "org%", "org_A' OR '1'='1"],
    ),
}
STATES = [
    None,
    *State,
    *Status,
    *(state.capitalize() for state in State),
    "",
    "RUNNING ",
    "FROZEN",
    "OFFERED,RUNNING",
    "RUNNІNG",  # noqa: RUF001  # with a Ukrainian i
]
#: What may stand in a column of JSON; all but the last two on PostgreSQL, too.
SCOPES: list[Any] = [
    None,
    models.Value(None, models.JSONField()),  # the null of JSON
    "inquiry.read",
    {"inquiry.read": True},
    {"0": "inquiry.read"},
    ["inquiry.read"],
    ["account.read", "inquiry.read", "x.y"],
    [None, 5, 1.5, False, ["x"], {"a": "b"}, "inquiry.read"],
    [["inquiry.read"]],
    [{"inquiry.read": "inquiry.read"}],
    [],
    [5, None, "", "inquiry", "INQUIRY.READ", "inquiry.read ", '"inquiry.read"', "inquiry_read"],
    ["inquiry.read\0"],
    ["\0inquiry.read", "x"],
]
ASKED = ["inquiry.read", "account.read", "account.write", "ill-formed", "INQUIRY.READ", "", "x"]


def hostile_rows(kind: str) -> Iterator[tuple[object, object, object, object]]:
    """Pairs of hostile ids in one or two states, in every hostile state, and with all scopes."""
    known, others = IDS[kind]
    every, some = [*known, *others], [None, *known]
    yield from product(every, every, [None, "OFFERED", "RUNNING"], [["inquiry.read"]])
    yield from product(some, some, STATES, [["inquiry.read"]])
    yield from product(known[:2], known[:2], ["OFFERED", "RUNNING"], SCOPES)


NAMES = ("from_org_id", "to_org_id", "state", "scopes")

if TYPE_CHECKING:
    Text = models.TextField[str | None, str | None]


@contextmanager
def table_without_constraints(alias: str, kind: str) -> Generator[Any]:
    """A model with the same columns and no constraints, and with ids of this type."""
    id_field: Any = {"UUID": models.UUIDField, "text": models.TextField}[kind]
    with isolate_apps("partnerships"):

        class Loose(models.Model):
            from_org_id: Any = id_field(null=True)
            to_org_id: Any = id_field(null=True)
            state: "Text" = models.TextField(null=True)
            scopes: Any = models.JSONField(null=True)

            class Meta:
                app_label = "partnerships"

    with connections[alias].schema_editor() as editor:
        editor.create_model(Loose)
    yield Loose
    with connections[alias].schema_editor() as editor:
        editor.delete_model(Loose)


@contextmanager
def django_on(database: str) -> Generator[str]:
    """The alias of a database of this kind."""
    if database == "sqlite":
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


def questions_of(actor: Any) -> Iterator[tuple[models.Q, Callable[[Any], bool]]]:
    """Each filter for an actor, with the policy's answer for one row."""
    yield visible_to(actor), lambda row: bool(POLICY.decide(actor, "activate", row).roles)
    for action in Action:
        yield actionable_by(actor, action), partial(POLICY.can, actor, action)
    for scope in ASKED:
        yield readable_by(actor, scope), partial(may_read, actor, scope)


def may_read(actor: Any, scope: str, row: object) -> bool:
    return POLICY.decide_access(actor, scope, row).allowed


def actors(kind: str) -> list[Any]:
    """Those with ids of this type, and one that acts for nobody."""
    return [SimpleNamespace(organization_id=each) for each in [*IDS[kind][0], None]]


@pytest.mark.usefixtures("tables")
class TestFilters:
    """A filter selects exactly the rows that the policy permits; its negation selects the rest."""

    @pytest.mark.parametrize("kind", IDS)
    @pytest.mark.parametrize("database", ["sqlite", "postgresql"])
    def test_on_hostile_rows(self, database: str, kind: str) -> None:
        with django_on(database) as alias, table_without_constraints(alias, kind) as loose:
            rows = loose.objects.using(alias)
            made = hostile_rows(kind)
            if database == "postgresql":  # its texts have no NUL
                made = (row for row in made if "\\x00" not in str(row[3]))
            rows.bulk_create([loose(**dict(zip(NAMES, row, strict=True))) for row in made])
            stored = list(rows.all())
            assert len(stored) > 400
            for condition, answer in chain.from_iterable(map(questions_of, actors(kind))):
                expected = {row.pk for row in stored if answer(row)}
                assert set(rows.filter(condition).values_list("pk", flat=True)) == expected
                others = {row.pk for row in stored} - expected
                assert set(rows.exclude(condition).values_list("pk", flat=True)) == others

    @pytest.mark.parametrize("kind", IDS)
    def test_the_filters_are_not_empty(self, kind: str) -> None:
        """The test above does not compare empty results only."""
        rows = [SimpleNamespace(**dict(zip(NAMES, row, strict=True))) for row in hostile_rows(kind)]
        permitted = {
            (actor.organization_id, action)
            for actor in actors(kind)
            for action in Action
            for row in rows
            if POLICY.can(actor, action, row)
        }
        acting = [action for action in Action if action is not Action.CREATE]
        known, _ = IDS[kind]
        assert permitted == set(product(known, acting))
        granted = {
            (actor.organization_id, scope)
            for actor in actors(kind)
            for scope in ASKED
            for row in rows
            if may_read(actor, scope, row)
        }
        assert granted == {
            *product(known, ["inquiry.read"]),
            *product(known[:2], ["account.read"]),
        }

    def test_on_the_indexes(self) -> None:
        """No filter of the example reads the whole table."""
        actor: Any = SimpleNamespace(organization_id=UUID(int=5))
        inbound, outbound = "inbound (to_org_id=?", "(from_org_id=?)"
        for condition, indexes in (
            (visible_to(actor), [inbound, outbound]),
            (actionable_by(actor, Action.ACTIVATE), [f"{inbound} AND state=?)"]),
            (actionable_by(actor, Action.REACTIVATE), [outbound]),
            (actionable_by(actor, Action.DEACTIVATE), [f"{inbound} AND state=?)", outbound]),
            (readable_by(actor, "inquiry.read"), [f"{inbound} AND state=?)"]),
        ):
            plan = Partnership.objects.filter(condition).explain()
            assert "SCAN partnerships_partnership" not in plan
            assert all(index in plan for index in indexes), plan


# --- The database's own refusals -----------------------------------------------------------------


def row(source: Caller, destination: Caller, **changes: object) -> Partnership:
    values: dict[str, Any] = {
        "from_org": source.organization,
        "to_org": destination.organization,
        "scopes": ["inquiry.read"],
    }
    return Partnership(**{**values, **changes})


class TestConstraints:
    """The database rejects rows that no view would write."""

    @pytest.mark.parametrize(
        ("destination", "state", "constraint"),
        [
            ("stranger", "FROZEN", "known_state"),
            ("stranger", "running", "known_state"),
            ("stranger", "active", "known_state"),
            ("ours", "OFFERED", "not_with_oneself"),
            ("theirs", "OFFERED", "from_org_id"),
        ],
    )
    def test_what_must_not_be(
        self, api: Api, destination: str, state: str, constraint: str
    ) -> None:
        row(api.ours, api.theirs).save()
        before = everything()
        wrong = row(api.ours, getattr(api, destination), state=state)
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            wrong.save()
        assert everything() == before

    def test_what_may_be(self, api: Api) -> None:
        """The other direction is permitted."""
        row(api.ours, api.theirs).save()
        row(api.theirs, api.ours).save()
        assert Partnership.objects.count() == 2

    def test_an_organization_that_there_is_not(self, api: Api) -> None:
        wrong = row(api.ours, api.theirs, to_org=Organization(name="not saved"))
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            wrong.save()

    def test_a_row_that_somebody_made_grants_nothing_it_should_not(self, api: Api) -> None:
        """Its scopes may be any JSON value."""
        reader = api.theirs.actor
        for scopes in (None, "inquiry.read", {"inquiry.read": True}, 5, [5], []):
            made = row(api.ours, api.theirs, scopes=scopes, state=State.RUNNING)
            assert not POLICY.decide_access(reader, "inquiry.read", made)
        made = row(api.ours, api.theirs, state=State.RUNNING)
        assert POLICY.decide_access(reader, "inquiry.read", made)

    @pytest.mark.usefixtures("tables")
    def test_the_migration_makes_the_models(self) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)
        call_command("check", fail_level="WARNING")

    @pytest.mark.usefixtures("api")
    def test_a_new_key(self) -> None:
        key = managed(f"new_key {managed('new_organization Somebody')}")
        assert len(key) > 40
        assert not ApiKey.objects.filter(digest=key).exists()
        client = Client(headers={"Host": "localhost", "Authorization": f"Bearer {key}"})
        assert client.get("/partnerships").json() == {"data": []}

    @pytest.mark.parametrize("organization", [str(UUID(int=5)), "org_ABC123"])
    @pytest.mark.usefixtures("api")
    def test_a_key_for_nobody(self, organization: str) -> None:
        with pytest.raises(CommandError, match=organization):
            managed(f"new_key {organization}")


# --- The page ------------------------------------------------------------------------------------


MANAGE = "uv run --group web python docs/examples/django/manage.py "


def managed(line: str) -> str:
    """What a ``manage.py`` line of the page prints, run in this process."""
    printed = StringIO()
    call_command(*shlex.split(line.removeprefix(MANAGE)), stdout=printed)
    return printed.getvalue().strip()


def managed_first(lines: str) -> str:
    """The lines of a block, with what is set to the output of ``manage.py`` set to that output."""
    values: dict[str, str] = {}

    def run(line: re.Match[str]) -> str:
        values[line[1]] = managed(re.sub(r"\$(\w+)", lambda name: values[name[1]], line[2]))
        return f"{line[1]}={values[line[1]]}"

    return re.sub(rf"^(\w+)=\$\(({re.escape(MANAGE)}.*)\)$", run, lines, flags=re.MULTILINE)


def with_numbered_ids(text: str) -> str:
    """The text with its UUIDs numbered in the order in which they occur first."""
    ids: dict[str, int] = {}
    uuid = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    return re.sub(uuid, lambda found: f"id {ids.setdefault(found[0], len(ids))}", text)


@pytest.mark.usefixtures("curl", "api")
def test_the_commands_of_its_page() -> None:
    start, *asked = blocks("django.md", "console")
    migrate, serve = start.splitlines()
    assert "No migrations to apply." in managed(migrate)  # they have been, by the same command
    assert len(asked) == 3
    database = connections.settings["default"]["NAME"]
    with started(serve, "--noreload", DATABASE=database) as url:
        created, activated, denied = typed([managed_first(block) for block in asked], url)
    answers = with_numbered_ids(f"[{created}, {denied}]")
    page = with_numbered_ids(f"[{', '.join(blocks('django.md', 'json'))}]")
    assert json.loads(answers) == json.loads(page)
    taken = json.loads(activated)
    assert (taken["state"], taken["version"]) == ("RUNNING", 2)
    assert ApiKey.objects.count() == 5  # those of the page and of the three callers
