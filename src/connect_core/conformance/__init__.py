"""The conformance kit: checks an implementation against the specification.

It has the specification as data, test vectors, a runner and a random exploration. It does not know
how an implementation works inside: it sees a `System` with five verbs.

In Python, subclass `ConnectionConformance` in your tests, or call `run` and `explore` yourself. In
any other language, implement the line protocol and use ``connect-core conformance run``. A service
that has the published HTTP operations is called over HTTP. The kit needs the extra ``testing``.
"""

from connect_core.conformance.execution import BrokenSystemError, Exchange
from connect_core.conformance.exploration import explore
from connect_core.conformance.kit import ConnectionConformance
from connect_core.conformance.profile import (
    HttpProfile,
    InvalidProfileError,
    Profile,
    read_profile,
)
from connect_core.conformance.report import report_dict, report_html, report_json, report_junit
from connect_core.conformance.results import (
    Exploration,
    Report,
    RequirementResult,
    Result,
    VectorResult,
    Verdict,
)
from connect_core.conformance.runner import run, select
from connect_core.conformance.specification import (
    Requirement,
    Specification,
    load_specification,
)
from connect_core.conformance.subject import (
    Answer,
    Outcome,
    ReferenceSystem,
    ServiceSystem,
    System,
)
from connect_core.conformance.transports.asgi import AsgiService
from connect_core.conformance.transports.errors import PeerError
from connect_core.conformance.transports.http import HttpService
from connect_core.conformance.transports.organizations import KeyPool, key_command, read_keys
from connect_core.conformance.transports.stdio import StdioPeer
from connect_core.conformance.vectors import (
    InvalidVectorsError,
    Vector,
    load_vectors,
    read_vectors,
)

__all__ = [
    "Answer",
    "AsgiService",
    "BrokenSystemError",
    "ConnectionConformance",
    "Exchange",
    "Exploration",
    "HttpProfile",
    "HttpService",
    "InvalidProfileError",
    "InvalidVectorsError",
    "KeyPool",
    "Outcome",
    "PeerError",
    "Profile",
    "ReferenceSystem",
    "Report",
    "Requirement",
    "RequirementResult",
    "Result",
    "ServiceSystem",
    "Specification",
    "StdioPeer",
    "System",
    "Vector",
    "VectorResult",
    "Verdict",
    "explore",
    "key_command",
    "load_specification",
    "load_vectors",
    "read_keys",
    "read_profile",
    "read_vectors",
    "report_dict",
    "report_html",
    "report_json",
    "report_junit",
    "run",
    "select",
]
