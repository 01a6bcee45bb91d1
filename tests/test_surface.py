"""The public surface: exactly these names, each documented, none of which needs an extra."""

import ast
import enum
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

import connect_core
from connect_core import conformance, strategies
from connect_core.adapters import sql

SOURCE = ROOT / "src" / "connect_core"

#: Constants, classes, functions: ``__all__`` holds them in this order.
NAMES = """
    DEFAULT_SCOPES READING_ROLE SHARING_STATUS AccessDeniedError Action Actor ActorId ActorLike
    ActorType Cell Change ConnectError Connection ConnectionEvent ConnectionId ConnectionLifecycle
    ConnectionLike
    ConnectionNotFoundError ConnectionService ConnectionStore CreateRequest Decision Denial
    Direction DuplicateConnectionError DynamicRow ForbiddenTransitionError IdempotencyKey
    IdempotencyKeyReusedError IdempotencyRecord InMemoryStore InvalidDocumentError
    InvalidHistoryError InvalidIdempotencyKeyError InvalidRecordError InvalidTransitionError
    NotAPartyError Organization OrganizationId Page Parties Position Problem Role RowPolicy Scope
    Selection SelfConnectionError SharingConnectionLike StaleConnectionError Standing Status
    Step StoreUnavailableError Terms TransitionError Wording
    actions allowed_actions authorize authorize_access authorize_create can connection_document
    decide decide_access decide_create decision_table error_document list_document
    parse_connection parse_create permitting_statuses replay roles_of steps_to
"""


def test_all_is_exact() -> None:
    assert connect_core.__all__ == NAMES.split()
    modules = {path.stem for path in SOURCE.iterdir()} | {"TYPE_CHECKING", "import_module"}
    assert all(hasattr(connect_core, name) for name in connect_core.__all__)
    public = {name for name in vars(connect_core) if not name.startswith("_")}
    assert public - modules == set(NAMES.split())


#: The public names of the kit, in the same order.
KIT = """
    Answer AsgiService BrokenSystemError ConnectionConformance Exchange Exploration HttpProfile
    HttpService InvalidProfileError InvalidVectorsError KeyPool Outcome PeerError Profile
    ReferenceSystem Report Requirement RequirementResult Result ServiceSystem Specification
    StdioPeer System Vector VectorResult Verdict explore key_command load_specification load_vectors
    read_keys read_profile read_vectors report_dict report_html report_json report_junit run select
"""


def test_the_kit_is_exact_and_documented() -> None:
    assert conformance.__all__ == KIT.split()
    assert [name for name in KIT.split() if not inspect.getdoc(getattr(conformance, name))] == []
    assert [name for name in strategies.__all__ if name not in dir(strategies)] == []


#: What the documentation imports, or names by its path, besides the package, the kit and the
#: strategies. Modules may move; these stay.
DOCUMENTED = {
    "connect_core.adapters.arrow": "ArrowStreamLike Decisions decide_access_many decide_many",
    "connect_core.adapters.sql": """
        ApiKey ApiKeys BrowserSession BrowserSessions DecisionColumns Enforcement History JsonValue
        KeyStatus NewApiKey NewBrowserSession SqlConnectionStore Tables UtcTime actionable api_keys
        browser_sessions configure_engine connection_events connections decision_columns enforcement
        idempotency_keys impossible_events keys_metadata metadata open_engine readable sql_text
        tables_for visible
    """,
    "connect_core.conformance.case": "Exchange",
    "connect_core.conformance.profile": "Answers",
    "connect_core.conformance.specification": "MatrixRow OpenPoint",
    "connect_core.conformance.vectors": "ActStep Alternative Check CreateStep ReadStep ShareStep",
    "connect_core.connection": "Connection replay",
    "connect_core.identifiers": "ConnectionId",
    "connect_core.jsonapi": "connection_document error_document parse_create",
    "connect_core.lifecycle": "ConnectionLifecycle",
    "connect_core.parties": "Actor",
    "connect_core.policy": "Cell Decision Denial Step decide",
    "connect_core.service": "ConnectionService",
}


@pytest.mark.parametrize("module", DOCUMENTED)
def test_documented_names_can_be_imported(module: str) -> None:
    found = import_module(module)
    assert [name for name in DOCUMENTED[module].split() if not hasattr(found, name)] == []


def test_the_core_imports_two_libraries() -> None:
    """No module of the core imports anything but these and the standard library."""
    permitted = {
        "connect_core",
        "pydantic",
        "pydantic_core",
        "statemachine",
        "typing_extensions",  # for type checkers; pydantic needs it anyway
        *sys.stdlib_module_names,
    }
    for path in core_modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [str(node.module)]
            assert {name.partition(".")[0] for name in names} <= permitted, path


def core_modules() -> list[Path]:
    """The package's files that need no extra, except the command's entry point."""
    apart = {"adapters", "conformance", "strategies", "__main__.py"}
    found = [
        path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in apart
    ]
    assert len(found) > 20
    return found


def test_no_file_is_long() -> None:
    """A module holds one idea."""
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > 450} == {}


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'connect_core' has no attribute 'expire'"):
        connect_core.expire  # type: ignore[attr-defined]  # noqa: B018  # that is the point


def public_things() -> list[tuple[str, Any]]:
    """Every public name with its object, and the public members of classes."""
    things: list[tuple[str, Any]] = []
    for name in connect_core.__all__:
        value = getattr(connect_core, name)
        things.append((name, value))
        if inspect.isclass(value) and not issubclass(value, enum.Enum):
            things += [
                (f"{name}.{member}", attribute)
                for member, attribute in vars(value).items()
                if not member.startswith("_")
                and (
                    inspect.isfunction(attribute) or isinstance(attribute, (property, classmethod))
                )
            ]
    return things


def test_every_name_is_documented() -> None:
    undocumented = [
        name
        for name, thing in public_things()
        if not isinstance(thing, frozenset) and not inspect.getdoc(thing)
    ]
    assert undocumented == []
    assert len(public_things()) > len(NAMES.split())


def test_every_member_of_an_enumeration_says_what_it_means() -> None:
    """It says so in a ``#:`` comment in the line above."""
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and any(
                isinstance(base, ast.Name) and base.id == "StrEnum" for base in node.bases
            ):
                for member in node.body:
                    if isinstance(member, ast.Assign):
                        assert lines[member.lineno - 2].strip().startswith("#:"), lines[
                            member.lineno - 1
                        ]


def test_what_could_be_mixed_up_is_given_by_name() -> None:
    """Actors, organizations and times are keyword-only wherever there are several."""
    by_name: dict[Callable[..., object], int] = {
        connect_core.Connection.create: 8,
        connect_core.Connection.activate: 2,
        connect_core.Connection.deactivate: 2,
        connect_core.Connection.reactivate: 2,
        connect_core.decide_create: 4,
        connect_core.authorize_create: 4,
        connect_core.RowPolicy: 8,
        connect_core.RowPolicy.decide_create: 4,
        connect_core.RowPolicy.authorize_create: 4,
        connect_core.parse_connection: 1,
        connect_core.connection_document: 2,
        connect_core.error_document: 1,
        connect_core.list_document: 4,
        connect_core.parse_create: 3,
        connect_core.ConnectionStore.page: 3,
        connect_core.ConnectionService: 2,
        connect_core.ConnectionService.create: 6,
        connect_core.ConnectionService.activate: 3,
        connect_core.ConnectionService.deactivate: 3,
        connect_core.ConnectionService.reactivate: 3,
        connect_core.ConnectionService.refuse: 3,
        connect_core.ConnectionService.take: 3,
        connect_core.ConnectionService.get: 1,
        connect_core.ConnectionService.find: 3,
        connect_core.ConnectionService.list: 11,
        connect_core.ConnectionService.count: 2,
        connect_core.ConnectionService.history: 1,
        connect_core.ConnectionService.authorize_access: 1,
        sql.Transactions: 4,
        sql.AsyncTransactions: 4,
        sql.tables_for: 3,
        sql.enforcement: 2,
    }
    for function, count in by_name.items():
        parameters = inspect.signature(function).parameters.values()
        assert [p.kind for p in parameters].count(inspect.Parameter.KEYWORD_ONLY) == count


def test_enumerations_are_lower_case_text() -> None:
    for kind in (connect_core.Status, connect_core.Action, connect_core.Role):
        for member in kind:
            assert issubclass(kind, enum.StrEnum)
            assert member.value == member.name.lower()
    assert " ".join(connect_core.Denial.__members__) == (
        "NOT_A_PARTY WRONG_ROLE WRONG_STATUS ALREADY_EXISTS SELF_CONNECTION UNKNOWN_STATUS "
        "NOT_ACTIVE SCOPE_NOT_GRANTED WRONG_DIRECTION"
    )


def test_a_star_import_without_extras() -> None:
    """It works in a fresh interpreter that can import nothing that an extra installs."""
    program = (
        "import sys\n"
        "for name in ('typer', 'rich', 'sqlalchemy', 'platformdirs', 'hypothesis', 'pytest',\n"
        "             'starlette', 'httpx', 'pyarrow'):\n"
        "    sys.modules[name] = None\n"
        "from connect_core import *\n"
        "print(sorted(name for name in dir() if not name.startswith('_') and name != 'sys'))\n"
    )
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(done.stdout) == sorted([*NAMES.split(), "name"])


def test_two_places_read_a_clock() -> None:
    """`history.utc_now` and the minting of ids; everything else takes the time as an argument.

    Three modules of the kit measure how long a run or an exploration takes, the HTTP handler how
    long a request takes, and an engine how long a connection was idle; they know no time of day.
    """
    readers = sorted(
        path.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1]
        in {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
        and (path.name, ast.unparse(node.func)) not in MEASURING
    )
    assert readers == ["history.py", "identifiers.py"]


#: The calls with which a length of time is measured.
MEASURING = {
    ("engine.py", "monotonic"),
    ("handler.py", "perf_counter"),
    ("kit.py", "time.monotonic"),
    ("logs.py", "perf_counter"),
    ("runner.py", "monotonic"),
    ("trace.py", "time.monotonic"),
    ("visit.py", "perf_counter"),
}


def test_only_the_lifecycle_names_a_transition() -> None:
    """No other module of the core has a rule of its own about a role, an action or a status.

    These may name single members: the policy, its answers and their wording, which treat creation
    separately, the commands, which are named after actions, and the directions of a list, which
    stand for roles.
    """
    allowed = {
        "lifecycle.py": None,
        "wording.py": {"Action.REACTIVATE"},
        "answers.py": {"Action.CREATE"},
        "policy.py": {"Action.CREATE", "Status.ACTIVE"},
        "row_policy.py": {"Status.ACTIVE"},
        "connection.py": {
            "Action.CREATE",
            "Action.ACTIVATE",
            "Action.DEACTIVATE",
            "Action.REACTIVATE",
        },
        "history.py": {"Action.CREATE"},
        "parties.py": {"Role.SOURCE", "Role.DESTINATION"},
        "service.py": {
            "Action.CREATE",
            "Action.ACTIVATE",
            "Action.DEACTIVATE",
            "Action.REACTIVATE",
        },
        "store.py": {"Role.SOURCE", "Role.DESTINATION"},
    }
    for path in core_modules():
        permitted = allowed.get(path.name, set[str]())
        if permitted is None:
            continue
        named = {
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in {"Action", "Role", "Status"}
            and node.attr.isupper()
        }
        assert named == permitted, path.name


def test_the_runtime_dependencies_are_two() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == ["pydantic>=2.5", "python-statemachine>=3.2"]


def test_it_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()
