"""The line protocol: requests, answers, and peers that violate it."""

import io
import json
import os
import queue
import re
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
            assert explore(lambda: peer, examples=2, steps=20, seed=1).finding is None
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]
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
        with StdioPeer(command, timeout=peers.timeout_for(name)) as peer:
            report = run(lambda: peer, among=select(["story"]))
        (found,) = report.results
        assert (found.result, report.exit_code) == (Result.BROKEN, 2)
        assert message in found.reason
        assert found.reason.startswith(sys.executable)
        assert found.transcript[0].startswith('> {"protocol": 1, "id": 1, "verb": "create"')
        assert time.monotonic() - begun < 30  # and not the 60 s that some of them sleep

    def test_they_end_an_exploration(self) -> None:
        with StdioPeer(peers.HANGS, timeout=0.5) as peer:
            found = explore(lambda: peer, examples=20, steps=20, seed=1)
        assert found.result is Result.BROKEN
        assert "gave no answer within 0.5 s" in found.reason
        assert found.transcript[-1].startswith('> {"protocol": 1, "id": 1')

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
        with StdioPeer(peers.HANGS, timeout=0.5) as peer:
            report = run(lambda: peer, profile, among=ONE)
        assert report.counts() == {Result.BROKEN: 1}


#: Lines that are no answers, and why. Most of them are if they are read less strictly.
ANSWER = '{"protocol": 1, "id": 1, "outcome": "ok"'
NOT_STRICT = {
    "a log": (b"listening on 80\n", "no JSON object; logs belong on standard error"),
    "a list": (f"[{ANSWER}}}]\n".encode(), "no JSON object; logs belong on standard error"),
    "a mark": (b"\xef\xbb\xbf" + f"{ANSWER}}}\n".encode(), "it begins with a byte order mark"),
    "a blank line": (b" \n", "an empty line; an answer is one object a line"),
    "several lines": (b'{\n"protocol": 1}\n', "an answer is one object a line"),
    "two objects": (f"{ANSWER}}} {ANSWER}}}\n".encode(), "an answer is one object a line"),
    "a line ending of Windows": (
        f"{ANSWER}}}\r\n".encode(),
        "there is a carriage return before the line feed",
    ),
    "a member twice": (
        f'{ANSWER}, "outcome": "ok"}}\n'.encode(),
        "the member 'outcome' stands twice, at /outcome",
    ),
    "a member twice inside": (
        f'{ANSWER}, "state": {{"a": 1, "a": 1}}}}\n'.encode(),
        "the member 'a' stands twice, at /state/a",
    ),
    "no number": (f'{ANSWER}, "state": {{"a": NaN}}}}\n'.encode(), "no JSON: "),
    "no end": (f'{ANSWER}, "state": {{"a": -Infinity}}}}\n'.encode(), "no JSON: "),
    "a comma": (f"{ANSWER},}}\n".encode(), "no JSON: "),
    "half of a pair": (
        f'{ANSWER}, "connection": "cxn_\\ud800"}}\n'.encode(),
        "half of a surrogate pair",
    ),
    "no UTF-8": (f'{ANSWER}, "connection": "\u00e9"}}\n'.encode("latin-1"), "no JSON: "),
    "half of a line": (ANSWER.encode(), "the output ends in the middle of a line"),
    "a text for a number": (
        b'{"protocol": "1", "id": 1}\n',
        "protocol: Input should be a valid integer",
    ),
}


def writing(data: bytes) -> list[str]:
    """A peer that writes these bytes after the first request, and exits."""
    code = f"import os, sys; sys.stdin.readline(); os.write(1, {data!r})"
    return [sys.executable, "-c", code]


class TestStrictness:
    """An answer is one line of JSON as RFC 8259 has it. The message says what helps."""

    @pytest.mark.parametrize("name", NOT_STRICT)
    def test_what_is_no_answer(self, name: str) -> None:
        data, reason = NOT_STRICT[name]
        with StdioPeer(writing(data), timeout=30) as peer, pytest.raises(PeerError) as refused:
            peer.read(by="org_A", connection="cxn_1")
        assert re.search(rf"which is not an answer \(.*{re.escape(reason)}", str(refused.value))
        request = '; the request was {"protocol": 1, "id": 1, "verb": "read", "by": "org_A"'
        assert request in str(refused.value)

    @pytest.mark.parametrize(
        "text",
        [
            f"{ANSWER}}}",
            f' \t{ANSWER} , "x": 1.5e3}} ',
            f'{ANSWER}, "advice": "\\ud83d\\ude00 \u00e9 \u2028"}}',
            f'{ANSWER}, "state": null, "pointers": null}}',
        ],
    )
    def test_what_is_one(self, text: str) -> None:
        with StdioPeer(writing(f"{text}\n".encode()), timeout=30) as peer:
            assert peer.read(by="org_A", connection="cxn_1") == Answer(Outcome.OK)


def broken(peer: StdioPeer) -> PeerError:
    """The error with which a peer breaks when it is asked."""
    with pytest.raises(PeerError) as told:
        peer.read(by="org_A", connection="cxn_1")
    return told.value


class TestTranscript:
    """The last lines that were sent and received, and what came on standard error."""

    def test_a_line_that_is_no_answer(self) -> None:
        code = (
            "import sys; sys.stderr.buffer.write(b'one\\n\\xfftwo\\n'); sys.stderr.flush(); "
            "sys.stdin.readline(); print('{}')"
        )
        with StdioPeer([sys.executable, "-c", code], timeout=30) as peer:
            error = broken(peer)
        assert error.transcript == (
            '> {"protocol": 1, "id": 1, "verb": "read", "by": "org_A", "connection": "cxn_1"}',
            "< {}",
            "! one",
            r"! \xfftwo",
        )

    def test_no_answer(self) -> None:
        """There is only what was sent."""
        with StdioPeer(peers.CRASHES, timeout=30) as peer:
            (sent,) = broken(peer).transcript
        assert sent.startswith('> {"protocol": 1')

    def test_only_the_last_lines_are_kept(self) -> None:
        noisy = "[print(n, file=sys.stderr) for n in range(50)], sys.stderr.flush()"
        what = f"request['id'] == 21 and (({noisy}), print('stop', flush=True), time.sleep(60))"
        with StdioPeer(peers.program(what), timeout=30) as peer:
            for _ in range(20):
                peer.read(by="org_A", connection="cxn_1")
            transcript = broken(peer).transcript
        assert len(transcript) == 40
        assert transcript[19] == "< stop"
        assert json.loads(transcript[18][2:])["id"] == 21
        assert transcript[20:] == tuple(f"! {number}" for number in range(30, 50))

    def test_long_lines_are_shortened(self) -> None:
        what = "print('e' * 5000, file=sys.stderr, flush=True); print('x' * 5000); continue"
        with StdioPeer(peers.program(what), timeout=30) as peer:
            with pytest.raises(PeerError) as told:
                peer.create(by="org_A", body="b" * 5000)
            lines = told.value.transcript
        assert [line[0] for line in lines] == [">", "<", "!"]
        assert {len(line) for line in lines} == {2002}
        assert all(line.endswith("...") for line in lines)

    def test_standard_error_is_passed_on(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Also when nothing is wrong, and what is no UTF-8."""
        what = "sys.stderr.buffer.write(b'caf\\xc3\\xa9 \\xff\\n'); sys.stderr.flush()"
        with StdioPeer(peers.program(what), timeout=30) as peer:
            peer.read(by="org_A", connection="cxn_1")
        assert capsys.readouterr() == ("", "caf\u00e9 \\xff\n")

    def test_standard_error_that_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is kept all the same."""
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stderr", closed)
        what = "print('one', file=sys.stderr, flush=True); print('x'); continue"
        with StdioPeer(peers.program(what), timeout=30) as peer:
            assert broken(peer).transcript[-1] == "! one"


class TestProcess:
    """Where a process runs, and another one after it."""

    def test_its_time_zone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is no whole number of hours from UTC. The rest of the environment is ours."""
        monkeypatch.setenv("TZ", "UTC")
        monkeypatch.setenv("CONNECT_CORE_TEST", "kept")
        what = "answer['state'] = dict(os.environ) | {'offset': time.localtime(0).tm_gmtoff}"
        with StdioPeer(peers.program(what), timeout=30) as peer:
            state = peer.read(by="org_A", connection="cxn_1").state
        assert state is not None
        assert (state["TZ"], state["CONNECT_CORE_TEST"]) == ("Asia/Kathmandu", "kept")
        assert state["offset"] != 0

    def test_ready(self, tmp_path: Path) -> None:
        """After a break there is a new process; before one it is the same."""
        started = tmp_path / "started"
        what = (
            "open(sys.argv[1], 'a').write('.') if request['id'] == 1 else None; "
            "request['by'] == 'org_B' and os._exit(3)"
        )
        with StdioPeer([*peers.program(what), str(started)], timeout=30) as peer:
            assert peer.ready() is peer
            for _ in range(2):
                assert peer.ready().read(by="org_A", connection="cxn_1").outcome is Outcome.OK
            assert started.read_text() == "."
            for number in (1, 2):
                with pytest.raises(PeerError, match="having exited with 3") as told:
                    peer.read(by="org_B", connection="cxn_1")
                assert len(told.value.transcript) == (5 if number == 1 else 3)
                assert peer.ready() is peer
                answer = peer.ready().read(by="org_A", connection="cxn_1")
                assert answer.outcome is Outcome.OK
            assert started.read_text() == "..."

    def test_keep_going(self) -> None:
        """A run with new processes: each vector breaks its own."""
        with StdioPeer(peers.CRASHES, timeout=30) as peer:
            report = run(peer.ready, among=select(["story"]), keep_going=True)
        assert report.counts() == {Result.BROKEN: 4}
        assert {len(each.transcript) for each in report.results} == {1}

    def test_a_command_that_is_gone(self, tmp_path: Path) -> None:
        command = tmp_path / "peer"
        command.write_text("#!/bin/sh\nexit 1\n")
        command.chmod(0o700)
        with StdioPeer([str(command)], timeout=30) as peer:
            broken(peer)
            command.unlink()
            with pytest.raises(PeerError, match="peer cannot be started: "):
                peer.ready()


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
        with StdioPeer(lifetime.of(peers.HANGS), timeout=2) as peer:
            assert explore(lambda: peer, examples=2, steps=2).result is Result.BROKEN
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
