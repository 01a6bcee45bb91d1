"""The skeletons: each speaks the line protocol, as an implementation without Connections."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import installed

from connect_core.conformance import Outcome, Profile, StdioPeer, load_vectors, run
from connect_core.conformance.skeleton import SKELETONS

#: What a language needs: the program, and the variable without which its tests may be skipped.
NEEDS = {
    "node": ("node", "CONNECT_CORE_REQUIRE_NODE"),
    "go": ("go", "CONNECT_CORE_REQUIRE_GO"),
    "java": ("javac", "CONNECT_CORE_REQUIRE_JAVA"),  # `java` alone may come without a compiler
    "rust": ("rustc", "CONNECT_CORE_REQUIRE_RUST"),
    "perl": ("perl", "CONNECT_CORE_REQUIRE_PERL"),
}
#: A compiler takes a while on a busy machine.
PATIENCE = 60.0


class Built(NamedTuple):
    """A skeleton, ready to run.

    Attributes:
        language: its language.
        command: what starts it.
    """

    language: str
    command: list[str]


def build(language: str, text: str, folder: Path) -> Built:
    """Put a skeleton's text into a folder, and build it there."""
    if language in NEEDS:
        program, required = NEEDS[language]
        installed(program, program, required)
    skeleton = SKELETONS[language]
    path = folder / skeleton.file
    path.write_text(text, encoding="utf-8")
    compilation, start = skeleton.commands(str(path))
    if language == "go":  # `go run` leaves its child behind
        compilation, start = ("go", "build", "-o", "peer", str(path)), ("./peer",)
    if compilation:
        subprocess.run(compilation, cwd=folder, check=True, timeout=PATIENCE)  # noqa: S603  # our own
    command = [str(folder / "peer")] if start == ("./peer",) else list(start)
    return Built(language, [sys.executable if word == "python3" else word for word in command])


#: What `create` returns in a skeleton, and what it returns once it gives the name back.
FILLED_IN = {
    "python": (
        'return {"outcome": "unsupported"}',
        'return {"outcome": "ok", "connection": request["name"]}',
    ),
    "node": (
        "return { outcome: 'unsupported' };",
        "return { outcome: 'ok', connection: name.toString() };",
    ),
    "go": (
        'Answer{"outcome": "unsupported"}',
        'Answer{"outcome": "ok", "connection": *request.Name}',
    ),
    "java": (
        'return Map.of("outcome", "unsupported");',
        'return Map.of("outcome", "ok", "connection", request.get("name"));',
    ),
    "rust": (
        'outcome("unsupported")',
        'outcome("ok") + ", \\"connection\\": " + &quoted(&_request["name"][0])',
    ),
    "perl": (
        "return { outcome => 'unsupported' };",
        "return { outcome => 'ok', connection => $request->{name} // die 'no name' };",
    ),
}
#: Texts that a careless reader or writer of JSON spoils.
TEXTS = [
    "",
    'quoted "text" \\ / \b\f\n\r\t',
    "".join(map(chr, range(0x20))) + "\x7f\x80\x85\x9f",
    "Söhne 🎉 \U0001d11e\U0010ffff\ufeff\ufffd",
    "line\u2028paragraph\u2029end",
    "1",
    "null",
    "\\ud83d \\u0041 \\n",
    "${name} $1 %s {}",
    '\\"' * 100_000,
    "[" * 100_000,
]
#: Lines that are no requests.
MALFORMED = [
    b"",
    b"hello",
    b"null",
    b'"close"',
    b"[]",
    b"{",
    b"{}",
    b'{"id": 1, "verb": "close"',
    b'{"id": 1, "verb": "close",}',
    b'{"id": 1, "verb": "close"} {}',
    b'{"id": 1 "verb": "close"}',
    b'{"id" 1, "verb": "close"}',
    b'{"id": 1, "verb": close}',
    b'{"id": 1, "verb": "close", "scopes": ["a.b",]}',
    b'{"id": 1, "verb": "close", "name": "\x01"}',
    b'{"id": 1, "verb": "close", "name": "\\x"}',
    b'{"id": 1, "verb": "close", "name": "\\u12"}',
    b'{"id": 1, "verb": "close", "name": "\\u+123"}',
    b'{"id": 1, "verb": "close", "name": "\\ud83d\xc3\xa9"',
    b'{"id": 1, "verb": "close", "name": "\xff"}',
    b'{"id": 1, "verb": "close", "name": "\xed\xa0\x80"}',
    b'{"id": 1, "verb": "close", "name": "\xc0\xaf"}',
    b'\xef\xbb\xbf{"id": 1, "verb": "close"}',
    b'{"id": 1, "verb": "close", "name": ' + b"[" * 100_000,
]

LANGUAGES = [
    pytest.param(each, marks=[] if each in ("python", "perl") else pytest.mark.stress)
    for each in SKELETONS
]


@pytest.fixture(scope="module", params=LANGUAGES)
def skeleton(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A skeleton as it comes."""
    text = SKELETONS[request.param].text()
    return build(request.param, text, tmp_path_factory.mktemp("skeleton"))


@pytest.fixture(scope="module", params=LANGUAGES)
def filled_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A skeleton whose `create` gives the name back as an id, and fails if there is none."""
    before, after = FILLED_IN[request.param]
    text = SKELETONS[request.param].text().replace(before, after, 1)
    assert after in text
    return build(request.param, text, tmp_path_factory.mktemp("filled-in"))


@pytest.fixture
def peer(skeleton: Built) -> Iterator[StdioPeer]:
    with StdioPeer(skeleton.command, timeout=PATIENCE) as started:
        yield started


def answers(peer: Built, lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """What a peer answers to these lines; it exits when they end."""
    done = subprocess.run(  # noqa: S603  # our own
        peer.command,
        input=b"".join(line + b"\n" for line in lines),
        stdout=subprocess.PIPE,
        check=True,
        timeout=PATIENCE,
    )
    written = done.stdout.split(b"\n")
    assert written.pop() == b""
    assert len(written) == len(lines)
    return [json.loads(line) for line in written]


class TestTheText:
    """Short, plain, and the same four functions everywhere."""

    @pytest.mark.parametrize("language", SKELETONS)
    def test_is_short(self, language: str) -> None:
        """Also where the language has no JSON, and the skeleton reads and writes its own."""
        lines = SKELETONS[language].text().splitlines()
        assert max(map(len, lines)) <= 100
        assert len(lines) < 80

    @pytest.mark.parametrize("language", SKELETONS)
    def test_says_what_is_to_be_filled_in(self, language: str) -> None:
        text = SKELETONS[language].text()
        for member in ("destination", "body", "scopes", "connection", "action", "scope", "state"):
            assert member in text.lower()
        assert '"The\n' in text or '"The line protocol"' in text
        assert "fill in the four functions" in text

    def test_each_file_is_a_skeleton(self) -> None:
        """And each skeleton has one."""
        from connect_core.conformance import skeleton

        folder = Path(skeleton.__file__).with_name("skeletons")
        there = {path.name for path in folder.iterdir() if path.is_file()}
        assert there == {each.file for each in SKELETONS.values()}


class TestTheProtocol:
    """Every verb has its answer, and nothing ends the process."""

    def test_there_is_no_connection(self, peer: StdioPeer) -> None:
        for _ in range(2):
            assert peer.create(by="org_A", destination="org_B").outcome is Outcome.UNSUPPORTED
            act = peer.act(by="org_A", connection="cxn_1", action="activate", expected_version=1)
            assert act.outcome is Outcome.NOT_FOUND
            share = peer.share(by="org_A", connection="cxn_1", scope="inquiry.read")
            assert share.outcome is Outcome.NOT_FOUND
            read = peer.read(by="org_A", connection="cxn_1")
            assert (read.outcome, read.state) == (Outcome.NOT_FOUND, None)
            peer.close()
            peer.close()

    def test_whatever_it_is_asked(self, peer: StdioPeer) -> None:
        longest = "org_" + "x" * 251
        for text in TEXTS:
            peer.create(by=longest, destination=longest * 2, name=text, scopes=[text, text, "a.b"])
            peer.create(by=longest, destination="org_B", source="org_C", scopes=[], allow_self=True)
            peer.create(by=longest, body=text)
            assert peer.share(by=longest, connection=text, scope=text).outcome is Outcome.NOT_FOUND
        for version in (1, 2**31 - 1, 2**63, 10**20):
            peer.act(by="org_A", connection="cxn_1", action="reactivate", expected_version=version)
        peer.close()

    def test_the_vectors_run(self, peer: StdioPeer) -> None:
        """It does not conform, but it does speak the protocol: nothing raises."""
        report = run(lambda: peer, Profile(name="skeleton"))
        assert len(report.results) == len(load_vectors())
        assert {each.result for each in report.results} <= {"pass", "fail", "could-not-test"}

    def test_requests_in_any_form(self, skeleton: Built) -> None:
        lines = [
            b'{"protocol": 1, "id": 1, "verb": "dance", "by": "org_A"}',
            b'{"protocol": 1, "id": 2, "by": "org_A"}',
            b'\t{ "verb":"close","id" : 3 ,"protocol":1 } \r',
            b'{"protocol": 1, "\\u0069d": 4, "verb": "\\u0063lose"}',
            b'{"protocol": 1, "id": 5, "verb": "create", "scopes": [ ], "allow_self": false}',
            b'{"protocol": 1, "id": 6, "verb": "create", "scopes": [ "a.b" , "a.c" ]}',
            b'{"protocol": 1, "id": 2147483648, "verb": "close"}',
        ]
        found = answers(skeleton, lines)
        assert {each.pop("protocol") for each in found} == {1}
        outcomes = {each["id"]: each.get("outcome") for each in found}
        assert outcomes.pop(2) in (None, "unsupported")
        assert outcomes == {
            1: "unsupported",
            3: "ok",
            4: "ok",
            5: "unsupported",
            6: "unsupported",
            2147483648: "ok",
        }

    def test_lines_that_are_no_requests(self, skeleton: Built) -> None:
        close = b'{"protocol": 1, "id": 7, "verb": "close"}'
        lines = [each for line in MALFORMED for each in (line, close)]
        found = answers(skeleton, lines)
        for line, failed, closed in zip(MALFORMED, found[::2], found[1::2], strict=True):
            assert closed == {"protocol": 1, "id": 7, "outcome": "ok"}
            assert set(failed) == {"protocol", "id", "error"}, line[:100]
            assert isinstance(failed["error"], str)
            assert failed["id"] in (None, 1)


class TestFilledIn:
    """What is filled in gets and gives every text as it is, and may fail."""

    def test_every_text_comes_back(self, filled_in: Built) -> None:
        """Whether it comes with escapes or without."""
        requests = [
            {"protocol": 1, "id": 1, "verb": "create", "by": "org_A", "name": text}
            for text in TEXTS
        ]
        for escaped in (True, False):
            lines = [json.dumps(each, ensure_ascii=escaped).encode() for each in requests]
            assert [each["connection"] for each in answers(filled_in, lines)] == TEXTS

    def test_a_failure_is_an_answer(self, filled_in: Built) -> None:
        lines = [
            b'{"protocol": 1, "id": 8, "verb": "create", "by": "org_A"}',
            b'{"protocol": 1, "id": 9, "verb": "create", "by": "org_A", "name": "x"}',
        ]
        failed, made = answers(filled_in, lines)
        assert (failed["protocol"], failed["id"], type(failed["error"])) == (1, 8, str)
        assert made == {"protocol": 1, "id": 9, "outcome": "ok", "connection": "x"}
