"""Three MariaDB nodes with Galera on the loopback interface, in a folder that is removed.

Each node has ports and a data directory of its own and reads none of the machine's settings, so
that a MariaDB that already runs is left alone. `install` adds Debian's packages that are missing.

No node outlives this process: `cluster` ends them all, and if the process is killed, the kernel
kills them with it. Only then does the folder stay behind, under the system's temporary folder.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

#: How many nodes there are.
NODES: Final = 3
#: The database of the races.
DATABASE: Final = "races"
#: The longest that a node may take to start, to join or to stop, in seconds.
PATIENCE: Final = 180.0

_HOST: Final = "127.0.0.1"
_PROVIDER: Final = "/usr/lib/galera/libgalera_smm.so"
#: What the nodes need, as programs or files, with Debian's package of each.
_NEEDED: Final = {
    _PROVIDER: "galera-4",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
    "rsync": "rsync",
    "setpriv": "util-linux",
    "ss": "iproute2",  # for the script that copies a node's data
    "wsrep_sst_rsync": "mariadb-server",
}
#: The user that the servers run as if this process is root's. Root's own rsync would give up its
#: rights, and then could not write into the data directory.
_USER: Final = "mysql"

_SETTINGS: Final = """\
[mysqld]
datadir = {directory}/data
tmpdir = {directory}/tmp
socket = {directory}/socket
pid-file = {directory}/pid
log-error = {directory}/log.err
bind-address = {host}
port = {ports.sql}
skip-name-resolve
max-connections = 100
innodb-buffer-pool-size = 128M
innodb-lock-wait-timeout = 10
innodb-flush-log-at-trx-commit = 2

# What Galera demands
binlog-format = ROW
default-storage-engine = InnoDB
innodb-autoinc-lock-mode = 2
wsrep-on = ON
wsrep-provider = {provider}
wsrep-provider-options = {options}
wsrep-cluster-name = connect-core
wsrep-cluster-address = gcomm://{members}
wsrep-node-name = node{number}
wsrep-node-address = {host}:{ports.group}
wsrep-node-incoming-address = {host}:{ports.sql}
wsrep-sst-method = rsync
wsrep-sst-receive-address = {host}:{ports.copy}
wsrep-slave-threads = 2
"""


class Ports(NamedTuple):
    """The ports of a node.

    Attributes:
        sql: for clients.
        group: for the messages of the group.
        missed: on which it receives the changes that it missed (IST).
        copy: on which it receives a copy of another node's data (SST).
    """

    sql: int
    group: int
    missed: int
    copy: int


class Node:
    """A node of the cluster, running or not. Only the main thread may start one.

    Attributes:
        number: 1 for the first.
        url: of its database `DATABASE`, for SQLAlchemy.
    """

    def __init__(self, number: int, directory: Path, ports: Sequence[Ports]) -> None:
        self.number = number
        self._ports = ports[number - 1]
        server = f"mariadb+pymysql://root@{_HOST}:{self._ports.sql}"
        self.url = f"{server}/{DATABASE}"
        self._server = create_engine(
            server,
            connect_args={"connect_timeout": 5, "read_timeout": 30},
            poolclass=NullPool,
        )
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        for each in (directory, self._data, directory / "tmp"):
            each.mkdir()
            _hand_over(each)
        options = {
            "gmcast.listen_addr": f"tcp://{_HOST}:{self._ports.group}",
            "ist.recv_addr": f"{_HOST}:{self._ports.missed}",
            "gcache.size": "256M",  # of changes that are kept for nodes that missed them
            "pc.recovery": "false",  # the first node always founds a new cluster
        }
        self._settings = directory / "settings.cnf"
        self._settings.write_text(
            _SETTINGS.format(
                directory=directory,
                host=_HOST,
                members=",".join(f"{_HOST}:{each.group}" for each in ports),
                number=number,
                options=";".join(f"{name}={value}" for name, value in options.items()),
                ports=self._ports,
                provider=_PROVIDER,
            )
        )

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._directory / "log.err"

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def found(self) -> None:
        """Start it as the first node of a new cluster, with an empty database."""
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--wsrep-on=OFF"]
        self._call("mariadb-install-db", *options)
        self._start("--wsrep-new-cluster")
        with self._server.connect() as session:
            session.exec_driver_sql(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")

    def join(self) -> None:
        """Start it and wait until it has joined, with a copy of another node's data (SST)."""
        self._start()

    def rejoin(self) -> None:
        """Start it after `kill`, and wait until it has caught up.

        It gets the changes that it missed (IST), or a copy of all data if they are too many.
        """
        log = self._directory / "recovery.err"
        log.unlink(missing_ok=True)
        self._call("mariadbd", "--wsrep-recover", f"--log-error={log}")
        *_, position = re.findall(r"Recovered position: (\S+)", log.read_text())
        self._start(f"--wsrep-start-position={position}")

    def erase(self) -> None:
        """Remove the data of a node that does not run."""
        shutil.rmtree(self._data)
        self._data.mkdir()
        _hand_over(self._data)

    def kill(self) -> None:
        """SIGKILL, as from a power cut that leaves the disk as it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            _kill_group(self._process.pid)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: it neither answers nor closes a connection."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on, unaware that time has passed."""
        self._running.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            finally:
                self.kill()

    def wait_until_ready(self) -> None:
        """Wait until it is in step with the others and serves clients.

        Raises:
            RuntimeError: it has ended, or takes too long; the message has the end of its log.
        """
        self.wait_for("wsrep_ready", "ON")
        self.wait_for("wsrep_local_state_comment", "Synced")

    def wait_for(self, name: str, value: str) -> None:
        """Wait until one of the server's status variables has this value.

        Raises:
            RuntimeError: as for `wait_until_ready`.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._has(name, value):
            if self._running.poll() is not None or time.monotonic() > deadline:
                end = self.log.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"{name} of node {self.number} does not become {value}:\n{end}")
            time.sleep(0.1)

    def status(self, name: str) -> str:
        """The value of one of the server's status variables."""
        with self._server.connect() as session:
            query = f"SHOW GLOBAL STATUS LIKE '{name}'"
            return str(session.exec_driver_sql(query).one()[1])

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"node {self.number} does not run"
        return self._process

    def _has(self, name: str, value: str) -> bool:
        try:
            return self.status(name) == value
        except DBAPIError:
            return False

    def _start(self, *options: str) -> None:
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own command
                self._command("mariadbd", *options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that what it has started can be killed, too
            )
        self.wait_until_ready()

    def _call(self, program: str, *options: str) -> None:
        command = self._command(program, *options)
        subprocess.run(  # noqa: S603  # our own command
            command, check=True, capture_output=True, timeout=PATIENCE
        )

    def _command(self, program: str, *options: str) -> list[str]:
        drop = [f"--reuid={_USER}", f"--regid={_USER}", "--init-groups"] if _is_root() else []
        run = ["setpriv", *drop, "--pdeathsig", "KILL", program]
        return [*run, f"--defaults-file={self._settings}", *options]


def install() -> None:
    """Install Debian's packages that are missing. It needs root's rights only if some are."""
    missing = {package for each, package in _NEEDED.items() if shutil.which(each) is None}
    if Path(_PROVIDER).exists():
        missing.discard(_NEEDED[_PROVIDER])
    if missing:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", *sorted(missing)]):
            subprocess.run(  # noqa: S603  # our own list of packages
                ["apt-get", "--quiet", *command],  # noqa: S607  # whichever is installed
                check=True,
                env=environment,
            )


@contextmanager
def cluster() -> Generator[list[Node]]:
    """Three nodes that run, with an empty database `DATABASE`. All of it is gone afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="connect-core-cluster-")))
        _hand_over(directory)
        ports = _free_ports()
        nodes = [Node(each + 1, directory / f"node{each + 1}", ports) for each in range(NODES)]
        for node in nodes:
            stack.callback(node.kill)
        first, *others = nodes
        first.found()
        for node in others:
            node.join()
        yield nodes


def _free_ports() -> list[Ports]:
    """Ports that are free now. Nobody keeps them free until the nodes use them."""
    with ExitStack() as stack:
        free: list[int] = []
        for _ in range(NODES * len(Ports._fields)):
            taken = stack.enter_context(socket.socket())
            taken.bind((_HOST, 0))
            free.append(taken.getsockname()[1])
    each = [iter(free)] * len(Ports._fields)
    return [Ports(*four) for four in zip(*each, strict=True)]


def _is_root() -> bool:
    return os.geteuid() == 0


def _hand_over(directory: Path) -> None:
    """Give a folder to the user that the servers run as."""
    if _is_root():
        shutil.chown(directory, _USER, _USER)


def _kill_group(leader: int) -> None:
    """Kill what a server has started, such as the script that copies data."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
