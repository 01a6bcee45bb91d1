"""A `System` in another process, in any language, over the line protocol.

A request is one line of JSON on the process's standard input; its answer is one line on its
standard output. Anything else is a `PeerError`: no answer within the time limit, a process that
exited, text that is not strict JSON, an answer to another request, another protocol.

This module does not judge answers. A `PeerError` is not a verdict: it ends the run, which then says
nothing about conformance.
"""

import atexit
import codecs
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import IO, Final, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from connect_core.conformance.execution import ImplementationError
from connect_core.conformance.subject import Answer, Outcome
from connect_core.conformance.transports.errors import PeerError
from connect_core.errors import InvalidDocumentError
from connect_core.jsonapi.reading import load_json

#: The number of the protocol that this kit speaks.
PROTOCOL: Final = 1
#: The longest line that is read, in bytes.
_LONGEST: Final = 1_000_000
#: How long a process may take to exit, in seconds.
_PATIENCE: Final = 2.0
#: How many lines are kept for the report, of each kind, and how much of each.
_LINES_KEPT: Final = 20
_LINE_KEPT: Final = 2_000
#: The time zone that the process runs in. It is far from UTC, by a number that no other one is.
_ZONE: Final = "Asia/Kathmandu"


class _Reply(BaseModel):
    """An answer as it was sent. More members are ignored."""

    model_config = ConfigDict(strict=True)

    protocol: int
    id: int
    outcome: str | None = None
    error: str | None = None
    connection: str | None = None
    state: dict[str, object] | None = None
    pointers: list[str] | None = None
    http: int | None = None


class StdioPeer:
    """A process that is a `System`. The same one serves all executions, one after another.

    Use it as a context manager, or call `stop`. What the process writes to its standard error is
    passed on to this process's, and the last of it is kept for the report. The process runs in
    another time zone than UTC, so that a local time that is passed off as UTC is seen.

    The process leads a session, and therefore a process group, of its own: it has no terminal, and
    Ctrl-C reaches only this process. At the end everything in the group is killed, also what the
    process started and left behind. Only a process that made a session or a group of its own
    escapes. (Windows has no such groups: there, only the process itself is killed.) If nobody calls
    `stop`, that happens when this process exits.

    Args:
        command: the command and its arguments. No shell is involved.
        timeout: the time limit for an answer, in seconds.

    Raises:
        PeerError: the command cannot be started.
    """

    def __init__(self, command: Sequence[str], timeout: float = 10.0) -> None:
        self._command = list(command)
        self._name = _shortened(shlex.join(command), 100)
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        """Start the process, and listen to it."""
        self._fault: PeerError | None = None
        #: The last lines that were sent and received, and what came on standard error.
        self._exchanged: deque[str] = deque(maxlen=_LINES_KEPT)
        self._errors: deque[str] = deque(maxlen=_LINES_KEPT)
        self._id = 0
        self._killed = False
        # In a thread: a signal interrupts the main thread only. Here, it could do so when there is
        # a process already, but nobody knows which.
        try:
            with ThreadPoolExecutor(max_workers=1) as starter:
                starter.submit(self._start).result()
        except (OSError, ValueError) as error:
            raise PeerError(f"{self._name} cannot be started: {error}") from error
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=16)
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._reporter = Thread(target=self._pass_on_errors, daemon=True)
        self._reporter.start()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # the command that the user asks for
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "TZ": _ZONE},
        )
        atexit.register(self._kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process: close its input, give it time to exit, and kill its whole group.

        Calling it again does nothing.
        """
        try:
            with suppress(OSError):
                self._input.close()
            self._wait(min(self._timeout, _PATIENCE))
        finally:  # also if Ctrl-C or a signal ends the waiting
            self._kill()
        self._wait(_PATIENCE)
        self._end_listening()

    def _wait(self, seconds: float) -> int | None:
        """Wait for the process; return its exit code, or None if it has not exited by then."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def _kill(self) -> None:
        """Kill the process and everything in its group, whether or not it has exited itself.

        This happens once: later, the number of the group may be somebody else's.
        """
        if self._killed:
            return
        self._killed = True
        atexit.unregister(self._kill)
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _end_listening(self) -> None:
        """Wait until the listener has seen the end of the output, but not for long.

        A process that escaped may hold the output open.
        """
        with suppress(queue.Empty):
            while True:  # the listener may wait for room for one more line
                self._lines.get_nowait()
        self._listener.join(_PATIENCE)
        self._reporter.join(_PATIENCE)

    def ready(self) -> "StdioPeer":
        """This peer, with a new process if the last one broke the protocol.

        Raises:
            PeerError: the command cannot be started again.
        """
        if self._fault is not None:
            self._begin()
        return self

    # --- The five verbs ---

    def create(
        self,
        *,
        by: str,
        destination: str | None = None,
        source: str | None = None,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        allow_self: bool = False,
        body: str | None = None,
    ) -> Answer:
        """See `System.create`."""
        return self._ask(
            "create",
            by=by,
            destination=destination,
            source=None if source == by else source,
            name=name,
            scopes=None if scopes is None else list(scopes),
            allow_self=allow_self or None,
            body=body,
        )

    def act(
        self, *, by: str, connection: str, action: str, expected_version: int | None = None
    ) -> Answer:
        """See `System.act`."""
        return self._ask(
            "act", by=by, connection=connection, action=action, expected_version=expected_version
        )

    def share(self, *, by: str, connection: str, scope: str) -> Answer:
        """See `System.share`."""
        return self._ask("share", by=by, connection=connection, scope=scope)

    def read(self, *, by: str, connection: str) -> Answer:
        """See `System.read`."""
        return self._ask("read", by=by, connection=connection)

    def close(self) -> None:
        """See `System.close`. The process keeps running, without any Connections."""
        answer = self._ask("close")
        if answer.outcome is not Outcome.OK:
            raise self._broken(f"answers {answer.outcome} to close, which cannot be refused")

    # --- The protocol ---

    def _ask(self, verb: str, **members: object) -> Answer:
        if self._fault is not None:
            raise self._fault
        self._id += 1
        given = {name: value for name, value in members.items() if value is not None}
        request = json.dumps({"protocol": PROTOCOL, "id": self._id, "verb": verb, **given})
        try:
            self._send(request)
            return self._answer(self._receive(request), request)
        except (KeyboardInterrupt, SystemExit):  # nobody will wait for the answer
            self._broken("was interrupted", request)
            raise

    def _send(self, request: str) -> None:
        self._exchanged.append(f"> {_shortened(request, _LINE_KEPT)}")
        try:
            self._input.write(request.encode() + b"\n")
            self._input.flush()
        except (OSError, ValueError):
            raise self._broken(f"takes no more requests{self._exit_code()}", request) from None

    def _receive(self, request: str) -> bytes:
        try:
            line = self._lines.get(timeout=self._timeout)
        except queue.Empty:
            raise self._broken(f"gave no answer within {self._timeout:g} s", request) from None
        if line:
            self._exchanged.append(f"< {_readable(line, _LINE_KEPT)}")
        if not line:
            raise self._broken(f"closed its output{self._exit_code()}", request)
        if len(line) > _LONGEST:
            raise self._broken(f"answered with a line of more than {_LONGEST} bytes", request)
        return line

    def _listen(self) -> None:
        """Read lines until the output ends, in a thread. An empty line marks the end.

        What comes after the process was killed is discarded.
        """
        with self._output:
            line = b"begin"
            while line:
                line = self._output.readline(_LONGEST + 1)
                if not self._killed:
                    self._lines.put(line)

    def _pass_on_errors(self) -> None:
        """Pass standard error on to this process's until it ends, in a thread; keep its end."""
        with cast("IO[bytes]", self._process.stderr) as errors:
            for line in iter(lambda: errors.readline(_LONGEST), b""):
                self._errors.append(f"! {_readable(line, _LINE_KEPT)}")
                with suppress(OSError, ValueError):  # it may be closed
                    sys.stderr.write(line.decode("utf-8", "backslashreplace"))
                    sys.stderr.flush()

    def _answer(self, line: bytes, request: str) -> Answer:
        try:
            reply = _Reply.model_validate(_json_in(line))
        except ValueError as error:
            raise self._broken(
                f"answered {_readable(line)!r}, which is not an answer ({_reason(error)})", request
            ) from None
        if reply.protocol != PROTOCOL:
            raise self._broken(
                f"speaks protocol {reply.protocol}, and this kit speaks {PROTOCOL}", request
            )
        if reply.id != self._id:
            raise self._broken(f"answered request {reply.id}, when {self._id} was due", request)
        if reply.error is not None:
            raise ImplementationError(reply.error)
        if reply.outcome is None:
            raise self._broken("answered with neither an outcome nor an error", request)
        try:
            outcome = Outcome(reply.outcome)
        except ValueError:
            raise self._broken(
                f"answered with the outcome {reply.outcome!r}, which does not exist", request
            ) from None
        return Answer(outcome, reply.connection, reply.state, reply.pointers, reply.http)

    def _exit_code(self) -> str:
        """The exit code in words, if the process has exited."""
        code = self._wait(0.5)
        return "" if code is None else f", having exited with {code}"

    def _broken(self, what: str, request: str | None = None) -> PeerError:
        """Kill the group, and return the error to raise, which every later call raises again."""
        self._kill()
        self.stop()
        cause = "" if request is None else f"; the request was {request}"
        self._fault = PeerError(f"{self._name} {what}{cause}")
        self._fault.transcript = (*self._exchanged, *self._errors)
        return self._fault


def _json_in(line: bytes) -> object:
    """The JSON value in a line of an answer, which has to be JSON as RFC 8259 has it.

    Raises:
        ValueError: it is not. The message says what to do.
    """
    if not line.endswith(b"\n"):
        raise ValueError("the output ends in the middle of a line")
    text = line[:-1]
    if text.startswith(codecs.BOM_UTF8):
        raise ValueError("it begins with a byte order mark")
    if text.endswith(b"\r"):
        raise ValueError("there is a carriage return before the line feed")
    if not text.strip():
        raise ValueError("an empty line; an answer is one object a line")
    if not text.lstrip().startswith(b"{"):
        raise ValueError("no JSON object; logs belong on standard error")
    try:
        value, repeated = load_json(text)
    except InvalidDocumentError as error:
        raise ValueError(
            f"no JSON: {error.problems[0].detail}; an answer is one object a line"
        ) from None
    if repeated:
        raise ValueError(f"{repeated[0].detail}, at {repeated[0].pointer}")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None
    return value


def _reason(error: ValueError) -> str:
    """Why a line is no answer, in words."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _readable(line: bytes, room: int = 200) -> str:
    return _shortened(line.decode("utf-8", "backslashreplace").rstrip("\n"), room)


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."
