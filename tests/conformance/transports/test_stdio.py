"""The line protocol: requests, answers, and peers that violate it."""

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peers
import pytest
from peers import PEER, Lifetime
from schemas import validator

from connect_core.conformance import (
    Answer,
    Outcome,
    PeerError,
    Profile,
    Result,
    StdioPeer,
    explore,
    load_vectors,
    run,
    select,
)

#: A peer that answers with the request itself, as the id of a Connection.
ECHO = peers.program("answer['connection'] = line")
ONE = select(["story/accept"])


def sent(verb: str, **call: Any) -> Any:
    """The request that a peer receives for a call."""
    with StdioPeer(ECHO) as peer:
        answer = getattr(peer, verb)(**call)
        assert answer.connection is not None
        return json.loads(answer.connection)


class TestRequests:
    """Requests follow the schema, and have no null members."""

    def test_a_creation(self) -> None:
        assert sent("create", by="org_A", destination="org_B") == {
            "protocol": 1,
            "id": 1,
            "verb": "create",
            "by": "org_A",
            "destination": "org_B",
        }

    def test_a_creation_with_everything(self) -> None:
        call = {
            "by": "org_C",
            "destination": "org_B",
            "source": "org_A",
            "name": "Partner \u2028",
            "scopes": ("a.b", "a.b"),
            "allow_self": True,
        }
        request = sent("create", **call)
        assert request == {
            "protocol": 1,
            "id": 1,
            "verb": "create",
            **call,
            "scopes": ["a.b", "a.b"],
        }

    def test_the_source_is_sent_only_if_somebody_else_acts(self) -> None:
        assert "source" not in sent("create", by="org_A", source="org_A", destination="org_B")

    def test_an_empty_list_of_scopes_is_sent(self) -> None:
        assert sent("create", by="org_A", destination="org_B", scopes=())["scopes"] == []

    def test_a_document(self) -> None:
        request = sent("create", by="org_A", body='{"data": "\\ud800"}')
        assert request["body"] == '{"data": "\\ud800"}'
        assert "destination" not in request

    def test_the_others(self) -> None:
        call = {"by": "org_A", "connection": "cxn_1"}
        assert sent("act", **call, action="activate", expected_version=2) == {
            "protocol": 1,
            "id": 1,
            "verb": "act",
            **call,
            "action": "activate",
            "expected_version": 2,
        }
        assert sent("share", **call, scope="")["scope"] == ""
        assert sent("read", **call)["verb"] == "read"

    def test_every_request_follows_the_schema(self, node: str, tmp_path: Path) -> None:
        """So does every answer of the second implementation."""
        log = tmp_path / "log"
        tap = (
            "import subprocess, sys\n"
            f"peer = subprocess.Popen([{node!r}, {str(PEER)!r}], stdin=-1, stdout=-1)\n"
            f"log = open({str(log)!r}, 'wb', 0)\n"
            "for line in sys.stdin.buffer:\n"
            "    peer.stdin.write(line); peer.stdin.flush()\n"
            "    answer = peer.stdout.readline()\n"
            "    log.write(line + answer)\n"
            "    sys.stdout.buffer.write(answer); sys.stdout.buffer.flush()\n"
            "peer.stdin.close(); peer.wait(); peer.stdout.close()\n"
        )
        with StdioPeer([sys.executable, "-c", tap]) as peer:
            assert run(lambda: peer).conforms
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        assert len(lines) > 2 * len(load_vectors())
        problems = validator("protocol")
        for line in lines[:2000] + lines[-500:]:
            assert problems(line) == []
        assert {line["verb"] for line in lines[::2]} == {"create", "act", "share", "read", "close"}


class TestAnswers:
    """What the kit accepts as an answer."""

    @pytest.mark.parametrize(
        ("what", "due"),
        [
            ("pass", Answer(Outcome.OK, "cxn_1")),
            ("answer['http'] = 201", Answer(Outcome.OK, "cxn_1", http=201)),
            ("answer['pointers'] = ['']", Answer(Outcome.OK, "cxn_1", pointers=[""])),
            ("answer['state'] = {'a': [1]}", Answer(Outcome.OK, "cxn_1", state={"a": [1]})),
            ("answer['advice'] = 'none'", Answer(Outcome.OK, "cxn_1")),
            ("answer['outcome'] = 'stale'", Answer(Outcome.STALE, "cxn_1")),
        ],
    )
    def test_an_answer(self, what: str, due: Answer) -> None:
        with StdioPeer(peers.program(what)) as peer:
            assert peer.read(by="org_A", connection="cxn_1") == due

    def test_a_failure_is_an_error_and_the_run_goes_on(self) -> None:
        with StdioPeer(peers.FAILS_ON_ITS_OWN) as peer:
            report = run(lambda: peer, among=select(["story"]))
        assert report.counts() == {Result.ERROR: 4}
        assert report.results[0].reason.endswith("ImplementationError: no disk")

    def test_requests_are_numbered(self) -> None:
        with StdioPeer(ECHO) as peer:
            for number in (1, 2, 3):
                answer = peer.read(by="org_A", connection="cxn_1")
                assert json.loads(str(answer.connection))["id"] == number


class TestMalformedPeers:
    """Never a hang, and never a pass."""

    @pytest.mark.parametrize("name", peers.MALFORMED)
    def test_they_end_the_run(self, name: str) -> None:
        command, message = peers.MALFORMED[name]
        begun = time.monotonic()
        with (
            pytest.raises(PeerError) as refused,
            StdioPeer(command, timeout=peers.timeout_for(name)) as peer,
        ):
            run(lambda: peer, among=ONE)
        assert message in str(refused.value)
        assert str(refused.value).startswith(sys.executable)
        assert time.monotonic() - begun < 30  # and not the 60 s that some of them sleep

    def test_they_end_an_exploration(self) -> None:
        with (
            pytest.raises(PeerError, match="gave no answer within"),
            StdioPeer(peers.HANGS_LATER, timeout=0.5) as peer,
        ):
            explore(lambda: peer, examples=20, steps=20)

    def test_a_command_that_does_not_exist(self) -> None:
        with pytest.raises(PeerError, match="nowhere-at-all cannot be started: "):
            StdioPeer(["nowhere-at-all"])

    def test_a_peer_that_takes_no_more(self) -> None:
        with StdioPeer(peers.TAKES_NO_MORE, timeout=30) as peer:
            peer.read(by="org_A", connection="cxn_1")
            with pytest.raises(PeerError, match="takes no more requests; the request was"):
                peer.read(by="org_A", connection="cxn_1")

    def test_every_later_call_raises_the_same_error(self) -> None:
        with StdioPeer(peers.CRASHES, timeout=30) as peer:
            with pytest.raises(PeerError) as first:
                peer.read(by="org_A", connection="cxn_1")
            with pytest.raises(PeerError) as second:
                peer.close()
        assert second.value is first.value

    def test_a_peer_that_does_not_exit_is_killed(self) -> None:
        begun = time.monotonic()
        with StdioPeer(peers.DOES_NOT_EXIT, timeout=0.5):
            pass
        assert time.monotonic() - begun < 30  # and not the 60 s that it would take

    def test_a_known_failure_does_not_excuse_it(self) -> None:
        profile = Profile(known_failures={"story/accept": "it hangs"})
        with pytest.raises(PeerError), StdioPeer(peers.HANGS, timeout=0.5) as peer:
            run(lambda: peer, profile, among=ONE)


@pytest.fixture
def lifetime(tmp_path: Path) -> Iterator[Lifetime]:
    made = Lifetime(tmp_path)
    yield made
    made.close()


class TestProcessGroup:
    """Nothing that a peer started is left behind."""

    def test_what_it_started_is_killed_at_the_end(self, lifetime: Lifetime) -> None:
        """Also if the process itself exits as soon as its input is closed."""
        with StdioPeer(lifetime.of(peers.ANSWERING), timeout=30) as peer:
            peer.read(by="org_A", connection="cxn_1")
        assert lifetime.has_ended()

    @pytest.mark.parametrize("command", [peers.DOES_NOT_EXIT, ["sh", "-c", "sleep 100; true"]])
    def test_what_does_not_exit_is_killed_with_it(
        self, lifetime: Lifetime, command: list[str]
    ) -> None:
        with StdioPeer(lifetime.of(command), timeout=0.5):
            assert lifetime.has_begun()
        assert lifetime.has_ended()

    @pytest.mark.parametrize(
        "command", [["true"], peers.HANGS, peers.CRASHES, peers.PRINTS_GARBAGE]
    )
    def test_an_error_kills_at_once(self, lifetime: Lifetime, command: list[str]) -> None:
        """Also what a process left behind that has exited, with its output still open."""
        peer = StdioPeer(lifetime.of(command), timeout=2)
        try:
            assert lifetime.has_begun()
            with pytest.raises(PeerError):
                peer.read(by="org_A", connection="cxn_1")
            assert lifetime.has_ended()
        finally:
            peer.stop()

    def test_an_error_in_an_exploration(self, lifetime: Lifetime) -> None:
        with (
            pytest.raises(PeerError),
            StdioPeer(lifetime.of(peers.HANGS_LATER), timeout=2) as peer,
        ):
            explore(lambda: peer, examples=2, steps=2)
        assert lifetime.has_ended()

    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_while_it_answers(
        self,
        lifetime: Lifetime,
        interrupt: type[BaseException],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It is killed at once: the answer to the interrupted call cannot be waited for."""

        def interrupted(*_: object, **options: object) -> bytes:
            raise interrupt if "timeout" in options else queue.Empty

        with StdioPeer(lifetime.of(peers.HANGS), timeout=60) as peer:
            assert lifetime.has_begun()
            with monkeypatch.context() as patched:
                patched.setattr(queue.Queue, "get", interrupted)
                with pytest.raises(interrupt):
                    peer.read(by="org_A", connection="cxn_1")
            assert lifetime.has_ended()
            with pytest.raises(PeerError, match="was interrupted; the request was"):
                peer.close()

    def test_an_interrupt_while_it_exits(
        self, lifetime: Lifetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C a second time: nothing is waited for, but everything is killed."""

        def interrupted(*_: object) -> int:
            raise KeyboardInterrupt

        peer = StdioPeer(lifetime.of(peers.DOES_NOT_EXIT), timeout=60)
        assert lifetime.has_begun()
        with monkeypatch.context() as patched:
            patched.setattr(subprocess.Popen, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                peer.stop()
        assert lifetime.has_ended()
        peer.stop()

    def test_a_group_is_killed_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After that, its number may be somebody else's."""
        killed: list[int] = []
        monkeypatch.setattr(os, "killpg", lambda _, number: killed.append(number))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        peer = StdioPeer(peers.CRASHES, timeout=30)
        with pytest.raises(PeerError):
            peer.read(by="org_A", connection="cxn_1")
        peer.stop()
        peer.stop()
        assert killed == [signal.SIGKILL]

    @pytest.mark.parametrize("error", [PermissionError, ProcessLookupError])
    def test_a_group_that_cannot_be_killed(
        self, lifetime: Lifetime, error: type[OSError], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A command such as `sudo` can only be told to exit. Nothing may be left of another."""

        def refused(group: int, number: int) -> None:
            raise error(group, number)

        monkeypatch.setattr(os, "killpg", refused)
        with StdioPeer(lifetime.of(peers.ANSWERING, child="true"), timeout=30) as peer:
            peer.read(by="org_A", connection="cxn_1")
        assert lifetime.has_ended()

    def test_one_that_nobody_stops(self, lifetime: Lifetime) -> None:
        """It is killed when the process exits that started it."""
        code = (
            "import sys; from connect_core.conformance import StdioPeer; "
            "StdioPeer(sys.argv[1:], timeout=60).read(by='org_A', connection='cxn_1')"
        )
        command = [sys.executable, "-c", code, *lifetime.of(peers.ANSWERING)]
        subprocess.run(command, check=True)  # noqa: S603  # our own interpreter
        assert lifetime.has_ended()

    def test_an_interrupt_while_it_starts(self) -> None:
        """There is no process that nobody knows of. It would hold the standard error open."""
        code = (
            "from concurrent.futures import Future\n"
            "from connect_core.conformance import StdioPeer\n"
            "def interrupted(*_): raise KeyboardInterrupt\n"
            "Future.result = interrupted\n"
            "StdioPeer(['sleep', '100'])"
        )
        done = subprocess.run(  # noqa: S603  # our own interpreter
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr.rstrip().endswith("KeyboardInterrupt")

    def test_where_there_are_no_groups(
        self, lifetime: Lifetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process itself is killed."""
        peer = StdioPeer(lifetime.of(peers.DOES_NOT_EXIT, child="true"), timeout=0.5)
        assert lifetime.has_begun()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "platform", "win32")
            peer.stop()
        assert lifetime.has_ended()

    def test_what_makes_a_session_of_its_own_escapes(
        self, lifetime: Lifetime, tmp_path: Path
    ) -> None:
        """It may hold the output open. Stopping does not wait for it for long."""
        written = tmp_path / "pid"
        escaping = (
            "import os, pathlib, sys, time; os.setsid(); path = pathlib.Path(sys.argv[1]);"
            "path.with_suffix('.new').write_text(str(os.getpid()));"
            "path.with_suffix('.new').rename(path); time.sleep(100)"
        )
        child = shlex.join([sys.executable, "-c", escaping, str(written)])
        with StdioPeer(lifetime.of(["sleep", "100"], child=child), timeout=0.1):
            end = time.monotonic() + 30
            while not written.exists() and time.monotonic() < end:
                time.sleep(0.02)
            begun = time.monotonic()
        os.kill(int(written.read_text()), signal.SIGKILL)  # it is still there
        assert time.monotonic() - begun < 30  # and not the 100 s of the others
        assert lifetime.has_ended()

    def test_the_listener_ends(self) -> None:
        """Also if there is more output than anybody asked for."""
        before = set(threading.enumerate())
        with StdioPeer(peers.program("print('x\\n' * 5000)"), timeout=30) as peer:
            with pytest.raises(PeerError):
                peer.read(by="org_A", connection="cxn_1")
            assert set(threading.enumerate()) <= before
