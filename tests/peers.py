"""Programs that speak the line protocol, and programs that break it.

`PEER` is an independent implementation in JavaScript, `PERL_PEER` one in Perl. `ANSWERING` is a few
lines of Python; the peers that break the protocol are variants of it.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from support import ROOT

#: The second implementation, for Node.js.
PEER: Final = ROOT / "tests" / "node" / "peer.mjs"
#: The third implementation, for Perl.
PERL_PEER: Final = ROOT / "tests" / "perl" / "peer.pl"

_FRAME = """\
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    answer = {{"protocol": 1, "id": request["id"], "outcome": "ok", "connection": "cxn_1"}}
    {what}
    print(json.dumps(answer), flush=True)
"""


def program(what: str) -> list[str]:
    """A peer that runs the statements `what` and then answers `ok`, for each request."""
    return [sys.executable, "-c", _FRAME.format(what=what)]


ANSWERING = program("pass")
HANGS = program("time.sleep(60)")
HANGS_LATER = program("time.sleep(60 if request['id'] == 3 else 0)")
CRASHES = program("os._exit(7)")
RAISES = program("raise SystemExit('no more')")
CLOSES_ITS_OUTPUT = program("os.close(1); time.sleep(60)")
PRINTS_GARBAGE = program("print('hello'); continue")
PRINTS_BYTES = program("os.write(1, bytes([0xff, 10])); continue")
PRINTS_WITHOUT_END = program("os.write(1, b'x' * 2000000); continue")
PRINTS_A_LIST = program("answer = [answer]")
SAYS_NOTHING = program("print(); continue")
ANSWERS_OUT_OF_ORDER = program("answer['id'] += 1")
ANSWERS_TWICE = program("print(json.dumps(answer))")
SPEAKS_ANOTHER_PROTOCOL = program("answer['protocol'] = 2")
HAS_NO_PROTOCOL = program("del answer['protocol']")
HAS_NO_OUTCOME = program("del answer['outcome']")
HAS_ANOTHER_OUTCOME = program("answer['outcome'] = 'fine'")
GIVES_A_NUMBER_FOR_AN_ID = program("answer['connection'] = 1")
GIVES_TEXT_FOR_HTTP = program("answer['http'] = '200'")
DOES_NOT_CLOSE = program("answer['outcome'] = 'denied' if request['verb'] == 'close' else 'ok'")
TAKES_NO_MORE = program("os.close(0); print(json.dumps(answer), flush=True); time.sleep(60)")
FAILS_ON_ITS_OWN = program("answer = {'protocol': 1, 'id': request['id'], 'error': 'no disk'}")
DOES_NOT_EXIT = [
    sys.executable,
    "-c",
    "import signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "sys.stdin.close()\n"
    "time.sleep(60)\n",
]

#: Peers that give no valid answer, and the error that each one causes.
MALFORMED = {
    "hangs": (HANGS, "gave no answer within 1 s; the request was"),
    "hangs-later": (
        HANGS_LATER,
        'gave no answer within 5 s; the request was {"protocol": 1, "id": 3',
    ),
    "crashes": (CRASHES, "closed its output, having exited with 7"),
    "raises": (RAISES, "closed its output, having exited with 1"),
    "closes-its-output": (CLOSES_ITS_OUTPUT, "closed its output; the request was"),
    "prints-garbage": (PRINTS_GARBAGE, "answered 'hello', which is not an answer (no JSON object"),
    "prints-bytes": (PRINTS_BYTES, "which is not an answer (no JSON object"),
    "prints-without-end": (PRINTS_WITHOUT_END, "answered with a line of more than 1000000 bytes"),
    "prints-a-list": (PRINTS_A_LIST, "which is not an answer (no JSON object"),
    "says-nothing": (SAYS_NOTHING, "answered '', which is not an answer (an empty line"),
    "answers-out-of-order": (ANSWERS_OUT_OF_ORDER, "answered request 2, when 1 was due"),
    "answers-twice": (ANSWERS_TWICE, "answered request 1, when 2 was due"),
    "speaks-another-protocol": (
        SPEAKS_ANOTHER_PROTOCOL,
        "speaks protocol 2, and this kit speaks 1",
    ),
    "has-no-protocol": (HAS_NO_PROTOCOL, "which is not an answer (protocol: Field required)"),
    "has-no-outcome": (HAS_NO_OUTCOME, "answered with neither an outcome nor an error"),
    "has-another-outcome": (
        HAS_ANOTHER_OUTCOME,
        "answered with the outcome 'fine', which does not exist",
    ),
    "gives-a-number-for-an-id": (GIVES_A_NUMBER_FOR_AN_ID, "which is not an answer (connection: "),
    "gives-text-for-http": (GIVES_TEXT_FOR_HTTP, "which is not an answer (http: "),
    "does-not-close": (DOES_NOT_CLOSE, "answers denied to close, which cannot be refused"),
}


def timeout_for(name: str) -> int:
    """The seconds that one of `MALFORMED` may take. A busy machine is slow to start a process."""
    return {"hangs": 1, "hangs-later": 5}.get(name, 30)


class Lifetime:
    """Shows when a command, and everything that it started, has ended.

    All of them hold a named pipe open.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lifetime"
        os.mkfifo(self._path)
        self._pipe = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        self._begun = False

    def of(self, command: Sequence[str], *, child: str = "sleep 100") -> list[str]:
        """The command, after it has started a child that outlives it and shares its output."""
        script = f'exec 3>"$0"; echo >&3; {child} & exec "$@"'
        return ["sh", "-c", script, str(self._path), *command]

    def has_begun(self) -> bool:
        """Wait until the command has begun, or has said something; False if it does not."""
        return self._wait(lambda data: bool(data))

    def has_ended(self) -> bool:
        """Wait until all has ended that began; False if something has not after some seconds."""
        assert self._begun or self.has_begun()
        return self._wait(lambda data: data == b"")

    def _wait(self, due: Callable[[bytes], bool]) -> bool:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                data = os.read(self._pipe, 100)
            except BlockingIOError:
                data = None
            self._begun = self._begun or bool(data)
            if data is not None and due(data):
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._pipe)
