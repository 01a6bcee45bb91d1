"""Services behind HTTP: right ones pass in both forms, faulty ones do not, and what is none."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
from http_services import CONNECTIONS, FAULTY, Service, key_for
from servers import free_port, running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connect_core.conformance import (
    AsgiService,
    ConnectionConformance,
    HttpProfile,
    HttpService,
    KeyPool,
    Outcome,
    PeerError,
    Profile,
    Report,
    Result,
    System,
    explore,
    load_vectors,
    report_json,
    run,
    select,
)
from connect_core.conformance.profile import Answers
from connect_core.conformance.runner import run_vector
from connect_core.jsonapi import Representation

FORMS: tuple[Representation, ...] = ("guide", "current")
#: What `Service` has beyond the published operations.
HTTP = HttpProfile(history="{id}/history", share="{id}/data/{scope}")
OURS = Profile(name="ours", http=HTTP)
#: A few vectors about everything.
SOME = select(
    [
        *("story", "self", "http", "transition/pending", "outsider/pending"),
        *("identity/case/source/pending", "identity/longest", "identity/too-long"),
        *("documents/valid/complete", "documents/written/pending", "documents/not-json/form"),
        *("documents/invalid/destination", "documents/several-problems", "history/activate/*"),
        *("expected-version/pending", "times/activate/*", "scopes/one", "scopes/default"),
        "scopes/over-a-deactivation/inactive/default",
        *("scopes/refused/empty*", "independence/chain"),
    ]
)
#: The statuses of a wrong role and a wrong status, where errors have no codes.
STATUSES = [(403, 409), (409, 403), (409, 409), (404, 422), (403, 403)]

every_form = pytest.mark.parametrize("form", FORMS)


def opened(service: Service, profile: HttpProfile = HTTP) -> AsgiService:
    return AsgiService(service.app, key_for, Profile(http=profile))


def report_of(service: Service, profile: HttpProfile = HTTP, among: Any = SOME) -> Report:
    """The report of a service in this process, which claims all that HTTP can carry."""
    with opened(service, profile) as asked:
        return run(asked.system, asked.profile, among=among)


def reasons(report: Report) -> set[str]:
    return {each.reason for each in report.results if each.result is Result.NOT_CLAIMED}


def answering(status: int) -> Starlette:
    """An application that answers every creation with this status."""

    def answer(_: Request) -> Response:
        return Response(status_code=status)

    return Starlette(routes=[Route(CONNECTIONS, answer, methods=["POST"])])


class TestRightServices:
    """They pass, whatever is open, with codes and without."""

    @every_form
    def test_in_both_forms(self, form: Representation) -> None:
        report = report_of(Service(form))
        assert report.passed, report.sentence()
        assert report.answers["CXN-OPEN-002"] == ["hidden"]
        assert report.answers["CXN-OPEN-003"] == ["409"]
        assert report.answers["CXN-OPEN-005"] == ["never"]
        assert report.answers["CXN-OPEN-006"] == (
            ["kept", "suspended"] if form == "current" else ["kept"]
        )

    def test_names_that_the_published_form_cannot_send(self) -> None:
        """It takes none, so that nothing is known of those that are refused."""
        report = report_of(Service("current", None), among=select(["names/refused"]))
        assert [each.result for each in report.results] == [Result.NOT_CLAIMED] * 2
        assert {each.reason for each in report.results} == {"The published form takes no name."}

    @pytest.mark.parametrize("statuses", STATUSES)
    def test_without_codes(self, statuses: tuple[int, int]) -> None:
        """As published. The statuses leave open what is meant, but not everything is possible."""
        report = report_of(Service("current", statuses))
        assert report.passed, report.sentence()
        role, status = map(str, statuses)
        assert status in report.answers["CXN-OPEN-003"]
        assert role in report.answers["CXN-OPEN-007"]

    @every_form
    def test_what_cannot_be_seen_does_not_count(self, form: Representation) -> None:
        report = report_of(Service(form), HttpProfile())
        assert report.passed
        results = {each.vector.id: each for each in report.results}
        assert results["story/accept"].result is Result.NOT_CLAIMED
        assert results["story/accept"].reason.endswith(
            "The profile names no path to read data over HTTP."
        )
        found = {each.requirement.id: each.result for each in report.requirements()}
        assert found["CXN-SHAR-001"] is Result.NOT_CLAIMED
        assert found["CXN-HIST-001"] is Result.NOT_CLAIMED
        assert found["CXN-LIFE-001"] is Result.PASS
        assert found["CXN-CREA-004"] is Result.NOT_CLAIMED  # it needs `named-source`
        due = Result.PASS if form == "guide" else Result.NOT_CLAIMED
        assert found["CXN-SCOP-002"] is due
        assert found["CXN-DOCS-001"] is due

    def test_creations_that_take_no_scopes(self) -> None:
        report = report_of(Service(), HttpProfile(scopes=False))
        assert report.passed
        assert "Over HTTP the creation takes no scopes here." in reasons(report)
        results = {each.vector.id: each.result for each in report.results}
        assert results["transition/pending/create/source"] is Result.PASS

    @pytest.mark.stress
    @pytest.mark.parametrize(
        ("form", "statuses"),
        [
            ("guide", None),
            ("current", (403, 409)),
            pytest.param("guide", (403, 409), marks=pytest.mark.long),
            pytest.param("current", None, marks=pytest.mark.long),
        ],
    )
    def test_every_vector(self, form: Representation, statuses: tuple[int, int] | None) -> None:
        report = report_of(Service(form, statuses), among=load_vectors())
        assert report.passed, report.sentence()
        assert report.counts()[Result.PASS] == (470 if form == "guide" else 274)

    @pytest.mark.stress
    @pytest.mark.parametrize(
        ("form", "statuses"),
        [
            ("guide", None),
            pytest.param("current", (403, 409), marks=pytest.mark.long),
        ],
    )
    def test_exploring(self, form: Representation, statuses: tuple[int, int] | None) -> None:
        with opened(Service(form, statuses)) as asked:
            done = explore(asked.system, asked.profile, examples=15, steps=50, seed=1)
        assert done.result is Result.PASS, done.describe()

    def test_over_a_socket(self) -> None:
        with running(Service().app) as base, HttpService(f"{base}/", key_for) as asked:
            report = run(asked.system, asked.profile, among=select(["story", "self"]))
            assert report.exit_code == 0
            asked.stop()  # and again at the end

    def test_below_a_prefix(self) -> None:
        inner = Service()
        outer = Starlette()
        outer.mount("/x/y", inner.app)
        with AsgiService(outer, key_for, OURS) as asked, pytest.raises(PeerError, match="HTTP 404"):
            asked.system()
        prefixed = HttpProfile(activate="/api/v1/connect/connections/{id}/activate")
        with AsgiService(inner.app, key_for, Profile(http=prefixed), root_path="/x") as asked:
            report = run(asked.system, asked.profile, among=select(["http/ok/pending"]))
        assert report.passed


class TestFaultyServices:
    """Each is found by the vector that is named after its fault, and by the exploration."""

    @every_form
    @pytest.mark.parametrize("name", FAULTY)
    def test_a_vector_finds_it(self, name: str, form: Representation) -> None:
        fault = FAULTY[name]
        if form == "current" and not fault.in_current_form:
            assert "documents" not in Profile().over_http(form).claims
            return
        found = self._result(fault(form), fault)
        assert found.result in (Result.FAIL, Result.ERROR), found.describe()

    @pytest.mark.parametrize("name", FAULTY)
    def test_without_codes(self, name: str) -> None:
        fault = FAULTY[name]
        found = self._result(fault("guide", (403, 409)), fault)
        due = (Result.FAIL, Result.ERROR) if fault.without_codes else (Result.PASS,)
        assert found.result in due, found.describe()

    @staticmethod
    def _result(service: Service, fault: type[Service]) -> Any:
        (vector,) = (each for each in load_vectors() if each.id == fault.found_by)
        with opened(service) as asked:
            return run_vector(asked.system, vector, asked.profile, Answers({}))

    def test_there_are_more_than_twelve(self) -> None:
        assert len(FAULTY) > 12

    @pytest.mark.stress
    @pytest.mark.parametrize("name", FAULTY)
    def test_the_exploration_finds_it(self, name: str) -> None:
        """Except for what only documents show that are not JSON."""
        unseen = ("FailsOnMalformed",)
        examples = 2 if name in unseen else 40
        with opened(FAULTY[name]()) as asked:
            done = explore(asked.system, asked.profile, examples=examples, steps=50, seed=1)
        # Some faults end in a 500: then it is an error that is found.
        assert (done.finding is not None) is (name not in unseen), done.sentence()


class TestKeys:
    """They are sent, and never shown."""

    def test_no_report_has_one(self) -> None:
        """Not even if the service repeats it."""

        class Repeats(Service):
            """Its errors say who asked, and how."""

            def read(self, request: Request, _: bytes, /) -> Response:
                key = request.headers["Authorization"].removeprefix("Bearer ")
                return self.refused(403, key, key)

        with opened(Repeats()) as asked:
            report = run(asked.system, Profile(), among=SOME[:5])
            assert "secret-key" not in repr(asked) + repr(asked.system())
        assert not report.passed
        assert "secret-key" not in report_json(report)
        assert "secret-key" not in repr(report)

    def test_a_short_key_is_no_secret(self) -> None:
        """It may be part of any word; to hide it would change the answers."""

        class ShortKeys(Service):
            """An organization's key is the last letter of its id."""

            def create(self, request: Request, _: bytes, /) -> Response:
                key = request.headers["Authorization"].removeprefix("Bearer ")
                assert len(key) == 1
                return self.refused(403, key, key)

        with AsgiService(ShortKeys().app, lambda each: each[-1]) as asked:
            answer = asked.system().create(by="org_r", destination="org_B")
        assert answer.outcome is Outcome.WRONG_ROLE

    def test_what_a_pool_cannot_provide_is_left_out(self) -> None:
        """Whatever is called."""
        pool = KeyPool((f"org_{each}", key_for(f"org_{each}")) for each in range(9))
        with AsgiService(Service().app, pool, OURS) as asked:
            system = asked.system()
            created = system.create(by="org_A", destination="org_B")
            by, there = "org_a", str(created.connection)
            answers = [
                system.create(by="org_a", destination="org_B"),
                system.create(by="org_A", destination="org_b"),
                system.create(by="org_A", body='{"x": "org_b"}'),
                system.act(by=by, connection=there, action="activate"),
                system.share(by=by, connection=there, scope="a.b"),
                system.read(by=by, connection=there),
            ]
        assert {each.outcome for each in answers} == {Outcome.UNSUPPORTED}
        assert all(each.reason.endswith("differ by case alone.") for each in answers)

    def test_a_key_that_is_not_accepted(self) -> None:
        app = answering(401)
        with (
            AsgiService(app, key_for) as asked,
            pytest.raises(PeerError, match=r"the key is not accepted \(HTTP 401\)$") as refused,
        ):
            asked.system()
        assert "secret-key" not in str(refused.value)

    def test_a_pool(self) -> None:
        """What it cannot provide does not count; its keys are used up in the end."""
        pool = KeyPool((f"org_{each}", key_for(f"org_{each}")) for each in range(9))
        with AsgiService(Service().app, pool, OURS) as asked:
            names = ["identity/case/source/pending", "identity/longest/source", "story/accept"]
            report = run(asked.system, asked.profile, among=select(names))
            assert report.passed
            assert reasons(report) == {
                "The given keys are not those of two organizations whose ids differ by case alone.",
                "None of the given keys is that of an organization whose id has 255 characters.",
            }
            report = run(asked.system, asked.profile, among=select(["transition", "walk"]))
        (reason,) = (each.reason for each in report.results if each.result is Result.BROKEN)
        assert reason.startswith("the 9 organizations are used up")

    @every_form
    def test_a_pool_that_was_used_before(self, form: Representation) -> None:
        """Pairs that an earlier run connected are not used again; a long list has several pages."""
        service = Service(form)
        keys = [(f"org_{each}", key_for(f"org_{each}")) for each in range(40)]
        with AsgiService(service.app, KeyPool(keys), OURS) as asked:
            before = run(asked.system, asked.profile, among=select(["http"]))
        assert before.passed
        with AsgiService(service.app, KeyPool(keys), OURS) as asked:
            assert run(asked.system, asked.profile, among=select(["http/created"])).passed

    def test_a_pool_whose_connections_cannot_be_listed(self) -> None:
        class Hides(Service):
            """There is no list."""

            def list(self, _: Request, __: bytes, /) -> Response:
                return self.refused(403, "Forbidden", "wrong_role")

        pool = KeyPool((f"org_{each}", key_for(f"org_{each}")) for each in range(3))
        with (
            AsgiService(Hides().app, pool) as asked,
            pytest.raises(PeerError, match="the Connections of org_0 cannot be listed, so") as told,
        ):
            asked.system()
        assert "secret-key" not in str(told.value)

    def test_a_pool_provides_no_document_with_long_ids(self) -> None:
        pool = KeyPool((f"org_{each}", key_for(f"org_{each}")) for each in range(9))
        with AsgiService(Service().app, pool, OURS) as asked:
            names = ["documents/valid/destination-longest", "documents/written/longest-ids"]
            report = run(asked.system, asked.profile, among=select(names))
        assert [each.result for each in report.results] == [Result.NOT_CLAIMED] * 2

    def test_a_pool_that_explores(self) -> None:
        pool = KeyPool((f"org_{each}", key_for(f"org_{each}")) for each in range(20))
        with AsgiService(Service().app, pool, OURS) as asked:
            done = explore(
                lambda: asked.system(related=False),
                asked.profile,
                examples=3,
                steps=10,
                seed=1,
            )
        assert done.runs == 3
        assert done.finding is None


class TestCalls:
    """How each call is made, and what its answer becomes."""

    @pytest.fixture
    def system(self) -> Iterator[System]:
        with opened(Service()) as asked:
            yield asked.system()

    def test_the_source_is_who_acts(self, system: System) -> None:
        answer = system.create(by="org_A", source="org_C", destination="org_B")
        assert answer.outcome is Outcome.UNSUPPORTED
        assert answer.reason == "Over HTTP the source is the organization that acts."
        assert system.create(by="org_A", source="org_A", destination="org_B").http == 201

    def test_the_guides_documents_are_not_sent_to_the_published_form(self) -> None:
        with opened(Service("current")) as asked:
            answer = asked.system().create(by="org_A", body="{")
        assert answer.outcome is Outcome.UNSUPPORTED
        assert answer.reason.startswith("The service has the published form of the documents")

    def test_nobody_asks_for_a_self_connection(self, system: System) -> None:
        answer = system.create(by="org_A", destination="org_A", allow_self=True)
        assert (answer.outcome, answer.http) == (Outcome.SELF_CONNECTION, 422)

    def test_a_state_has_the_names_of_the_execution(self, system: System) -> None:
        created = system.create(by="org_A", destination="org_b", name="Partner", scopes=["a.b"])
        assert created.connection is not None
        answer = system.read(by="org_b", connection=created.connection)
        assert answer.state is not None
        document: Any = answer.state["document"]
        attributes = document["data"]["attributes"]
        assert (answer.state["source"], answer.state["destination"]) == ("org_A", "org_b")
        assert (attributes["organization-id"], attributes["creator-id"]) == ("org_A", "api_A")
        assert answer.state["scopes"] == ["a.b"]
        assert answer.state["version"] == 1
        assert answer.state["events"] == [
            {
                "version": 1,
                "action": "create",
                "previous_status": None,
                "status": "pending",
                "organization": "org_A",
            }
        ]

    def test_scopes_that_a_creation_cannot_say(self) -> None:
        """They are left out if they are valid, and nothing is said of them then."""
        with opened(Service(), HttpProfile(share="{id}/data/{scope}", scopes=False)) as asked:
            system = asked.system()
            refused = system.create(by="org_A", destination="org_B", scopes=["A"])
            assert refused.reason == "Over HTTP the creation takes no scopes here."
            created = system.create(by="org_A", destination="org_B", scopes=["a.b"])
            default = system.create(
                by="org_A", destination="org_C", scopes=["inquiry.read", "account.read"]
            )
            one, other = str(created.connection), str(default.connection)
            assert system.share(by="org_B", connection=one, scope="a.b").reason == refused.reason
            assert system.share(by="org_C", connection=other, scope="a.b").http == 403
            read = system.read(by="org_A", connection=one)
            assert sorted(read.unseen) == ["document", "scopes"]
            assert read.reason == refused.reason
            assert system.read(by="org_A", connection=other).unseen == frozenset()

    def test_a_creator_that_changes_is_shown_as_it_is(self) -> None:
        """It fails the vectors about documents."""

        class Changes(Service):
            """The creator is somebody else each time."""

            def read(self, request: Request, body: bytes, /) -> Response:
                document = json.loads(bytes(super().read(request, body).body))
                self.reads = getattr(self, "reads", 0) + 1
                document["data"]["attributes"]["creator-id"] = f"api_{self.reads}"
                return JSONResponse(document)

        report = report_of(Changes(), among=select(["documents/written/pending"]))
        assert report.results[0].result is Result.FAIL

    def test_a_path_that_refuses_a_reader(self) -> None:
        profile = HttpProfile(history="{id}/nowhere")
        report = report_of(Service(), profile, select(["times/activate/*"])[:1])
        assert report.results[0].result is Result.ERROR
        assert "/nowhere: the history is refused to an organization that may read (HTTP 404)" in (
            report.results[0].reason
        )

    def test_a_history_that_is_refused(self) -> None:
        class Hides(Service):
            """Nobody may read the history."""

            def history(self, _: Request, __: bytes, /) -> Response:
                return self.refused(403, "Forbidden", "wrong_role")

        report = report_of(Hides(), among=select(["history/activate/*"])[:1])
        assert "the history is refused to an organization that may read (HTTP 403)" in (
            report.results[0].reason
        )

    @pytest.mark.parametrize(
        ("read", "what"),
        [
            (lambda: Response(status_code=502), "the service failed (HTTP 502)"),
            (lambda: RedirectResponse("/x"), "it answers with a redirect, which no operation does"),
            (lambda: Response("<p>", 200, media_type="text/html"), "the media type is text/html"),
            (lambda: Response(status_code=200), "the media type is missing, not JSON"),
            (lambda: Response("{", 200, media_type="application/json"), "the body is not JSON"),
            (lambda: JSONResponse([1]), "the body is not an object"),
            (lambda: JSONResponse({}), "the member 'data' is missing"),
            (lambda: JSONResponse({"data": {"type": "x"}}), "the type is 'x', not connect/conn"),
            (lambda: _resource(type="connect/connection"), "this is the current form, and a cre"),
            (lambda: _resource(id="cxn_other"), "it shows another Connection, cxn_other"),
            (lambda: JSONResponse({"errors": []}, 404), "there is no error in 'errors'"),
            (lambda: JSONResponse({}, 404), "the member 'errors' is missing"),
            (lambda: JSONResponse({"errors": [{"title": "I'm a teapot"}]}, 418), "says nothing"),
        ],
    )
    def test_what_is_no_answer_is_an_error_in_words(
        self, read: Callable[[], Response], what: str
    ) -> None:
        class Strange(Service):
            """Its reads answer otherwise."""

            def read(self, _: Request, __: bytes, /) -> Response:
                return read()

        report = report_of(Strange(), among=select(["story/accept"]))
        # A story reads nothing back before its first call of another organization.
        (result,) = report_of(Strange(), among=select(["times/activate/*"])[:1]).results
        assert report.counts()[Result.ERROR] + report.counts()[Result.PASS] == 1
        assert result.result is Result.ERROR
        assert what in result.reason
        assert f"GET {CONNECTIONS}/cxn_" in result.reason


def _resource(**changes: object) -> Response:
    attributes: dict[str, object] = {}
    data = {"type": "connect/connections", "id": "cxn_1", "attributes": attributes, **changes}
    return JSONResponse({"data": data})


class TestDetection:
    """Which form the documents have, and whether there is a service at all."""

    @every_form
    def test_the_form(self, form: Representation) -> None:
        with opened(Service(form)) as asked:
            assert asked.representation == form
            assert asked.representation == form

    @pytest.mark.parametrize("status", [404, 405, 307])
    def test_nothing_is_there(self, status: int) -> None:
        app = answering(status)
        with (
            AsgiService(app, key_for) as asked,
            pytest.raises(PeerError, match=f"HTTP {status}; give the URL below which /api/v1"),
        ):
            asked.system()

    def test_a_service_that_refuses_everything_fails(self) -> None:
        class Refuses(Service):
            """Nobody may do anything."""

            def create(self, _: Request, __: bytes, /) -> Response:
                return self.refused(403, "Forbidden", "wrong_role")

        report = report_of(Refuses(), among=select(["transition/none/create/source"]))
        assert report.exit_code == 1


@pytest.fixture(scope="module")
def asked() -> Iterator[AsgiService]:
    """A service for the pytest class, as long as its tests."""
    with opened(Service()) as service:
        yield service


@pytest.mark.stress
class TestTheClassForPytest(ConnectionConformance):
    """It needs no server."""

    profile = OURS.over_http()
    exploration = (12, 50)
    exploration_seconds = None
    seed = 1

    @pytest.fixture(autouse=True)
    def _take_the_service(self, asked: AsgiService) -> None:
        self.service = asked

    def make_system(self) -> System:
        return self.service.system()

    @pytest.mark.long
    def test_explorer(self, request: pytest.FixtureRequest) -> None:
        super().test_explorer(request)


class TestNetwork:
    """A service that cannot be reached ends the run; one that is silent fails."""

    @staticmethod
    def _raising(error: type[httpx.HTTPError]) -> Any:
        class Raises(HttpService):
            """Its transport fails from the second request on."""

            def _open_transport(self, opened: object) -> httpx.BaseTransport:  # noqa: ARG002  # the base names it so
                requests = 0

                def answer(_: httpx.Request) -> httpx.Response:
                    nonlocal requests
                    requests += 1
                    if requests == 1:
                        return httpx.Response(403)
                    raise error("what happened")

                return httpx.MockTransport(answer)

        return Raises("http://service.invalid", key_for)

    @pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError])
    def test_it_cannot_be_reached(self, error: type[httpx.HTTPError]) -> None:
        with self._raising(error) as asked:
            report = run(asked.system, Profile(), among=select(["story"]))
        (found,) = report.results
        assert found.result is Result.BROKEN
        assert found.reason == "http://service.invalid cannot be reached: what happened"

    def test_it_hangs_up(self) -> None:
        with self._raising(httpx.RemoteProtocolError) as asked:
            report = run(asked.system, Profile(), among=select(["story/accept"]))
        (result,) = report.results
        assert result.result is Result.ERROR
        assert result.reason.endswith(f"POST {CONNECTIONS}: no answer: what happened")

    def test_it_does_not_answer(self) -> None:
        """Once is an error; again and again ends the run."""
        with self._raising(httpx.ReadTimeout) as asked:
            report = run(asked.system, Profile(), among=select(["story/accept"]))
            assert report.results[0].reason.endswith(f"{CONNECTIONS}: no answer within 10 s")
            report = run(asked.system, Profile(), among=select(["story"]), shuffle=0)
        assert report.exit_code == 2
        assert report.results[-1].reason.endswith("no answer within 10 s, 3 times in a row")

    def test_an_application_that_does_not_answer(self) -> None:
        async def silent(*_: object) -> None:
            await anyio.sleep_forever()

        with (
            AsgiService(silent, key_for, timeout=0.05) as asked,
            pytest.raises(PeerError, match=r"cannot be tested: POST .*: no answer within 0\.05 s"),
        ):
            asked.system()

    def test_an_application_that_fails(self) -> None:
        """What it raises is the error of the call, with its traceback."""

        class Fails(Service):
            """Its reads raise."""

            def read(self, _: Request, __: bytes, /) -> Response:
                raise ZeroDivisionError("in the application")

        (result,) = report_of(Fails(), among=select(["transition/none/create/source"])).results
        assert result.result is Result.ERROR
        assert result.reason.endswith("ZeroDivisionError: in the application")
        assert "http_services.py" in result.traceback

    def test_a_port_where_nothing_listens(self) -> None:
        with free_port() as listening:
            base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with HttpService(base, key_for) as asked, pytest.raises(PeerError, match="cannot be reach"):
            asked.system()

    def test_a_limited_rate(self) -> None:
        app = answering(429)
        with (
            AsgiService(app, key_for) as asked,
            pytest.raises(PeerError, match=r"limits the rate of requests \(HTTP 429\); lift"),
        ):
            asked.system()


class TestArguments:
    """What is wrong is refused in words, when the service is made."""

    @pytest.mark.parametrize(
        ("base", "what"),
        [
            ("", "'' is not a URL such as http://127.0.0.1:8000"),
            ("127.0.0.1:8000", "is not a URL such as http://127.0.0.1:8000"),
            ("ftp://host", "'ftp://host' is not a URL"),
            ("http://", "'http://' is not a URL"),
            ("http://host?x=1", "is not a URL"),
            ("http://host#x", "is not a URL"),
            ("http://[::1", "the base is not a URL such as http://127.0.0.1:8000"),
            ("http://host/api/v1/", "give the URL below which /api/v1 stands, without that"),
            ("http://host/api/v1/connect/connections", "give the URL below which /api/v1"),
        ],
    )
    def test_a_base_that_is_none(self, base: str, what: str) -> None:
        with pytest.raises(ValueError, match="URL") as refused:
            HttpService(base, key_for)
        assert what in str(refused.value)

    def test_a_password_is_not_repeated(self) -> None:
        with pytest.raises(ValueError, match="a user or a password") as refused:
            HttpService("http://us:hidden@host", key_for)
        assert "hidden" not in str(refused.value)

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
    def test_a_time_limit_that_is_none(self, timeout: float) -> None:
        with pytest.raises(ValueError, match="must be a number of seconds above 0"):
            HttpService("http://host", key_for, timeout=timeout)

    def test_keys_that_are_none(self) -> None:
        with pytest.raises(TypeError, match="keys is 'dict'; it must make keys, or have some"):
            HttpService("http://host", {})  # type: ignore[arg-type]

    def test_an_application_that_is_none(self) -> None:
        with pytest.raises(TypeError, match="the application is str, which cannot be called"):
            AsgiService("app", key_for)  # type: ignore[arg-type]

    def test_headers_of_the_profile_are_sent(self) -> None:
        seen: list[str | None] = []

        class Looks(Service):
            """It remembers a header of each creation."""

            def create(self, request: Request, body: bytes, /) -> Response:
                seen.append(request.headers.get("Persona-Version"))
                return super().create(request, body)

        profile = HttpProfile(headers={"Persona-Version": "2025-12-08"})
        assert report_of(Looks(), profile, select(["transition/none/create/source"])).passed
        assert seen == ["2025-12-08"] * 2
