"""A real ClickHouse server for the tests, from the library that npm carries.

In: an empty folder, optionally a configuration file. Out: a running server with ClickHouse's own HTTP and TCP
listeners on free loopback ports.
Guaranteed: it runs in a process of its own that ends with this one, is ended by its pid alone, and can be killed and
started again on the same folder. Missing in it: users and grants, ON CLUSTER, replicated tables, asynchronous inserts.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
_PACKAGES = {"x86_64": "lib-linux-x64-gnu", "aarch64": "lib-linux-arm64-gnu"}
_LISTEN_FOR_EVER = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(1) FROM numbers(100000000) "
    "SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0, max_execution_time=0 FORMAT Null"
)
_PR_SET_PDEATHSIG = 1
# Below the ports that Linux gives to outgoing connections, which begin at 32768.
_RANGES, _PORTS_IN_RANGE = 64, 340
_FIRST_PORT = 10_000 + os.getpid() % _RANGES * _PORTS_IN_RANGE
_ports = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + _PORTS_IN_RANGE))
_START_WITHIN_S = 60


class ServerMissing(Exception):
    """The library is not installed, or there is none for this platform."""


def library() -> Path:
    """Find `libchdb.so` under `.tools`.

    Raises:
        ServerMissing: with what to do about it.
    """
    package = _PACKAGES.get(platform.machine()) if sys.platform == "linux" else None
    if package is None:
        raise ServerMissing(f"no server library for {sys.platform} on {platform.machine()}")
    path = ROOT / ".tools" / "node_modules" / "@chdb" / package / "libchdb.so"
    if not path.exists():
        raise ServerMissing(f"{path} is missing: run `make .tools/.npm`")
    return path


def free_port() -> int:
    """Return a loopback port that nothing listens on just now, and another one each time.

    Not one that the kernel proposes: it gives those to outgoing connections too, also while a killed process is away
    that shall come back on its port, and a client that keeps knocking there may even be connected to itself. Each run
    of the tests looks in a range of its own.
    """
    for port in itertools.islice(_ports, _PORTS_IN_RANGE):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"something listens on each port from {_FIRST_PORT} on")


class ClickHouseServer:
    """One server process.

    Attributes:
        path: its folder; kept when it stops.
        http_port, tcp_port: kept over a restart.
    """

    def __init__(
        self, path: Path, config_file: Path | None = None, http_port: int = 0, tcp_port: int = 0
    ) -> None:
        self.path = path
        self.config_file = config_file
        self.http_port = http_port or free_port()
        self.tcp_port = tcp_port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None
        return self._process.pid

    def dsn(self, database: str = "stitchline") -> str:
        """Return the address of one database on it."""
        return f"clickhouse://127.0.0.1:{self.http_port}/{database}"

    def start(self) -> Self:
        """Start the process and wait until it answers.

        Raises:
            RuntimeError: it ended or did not answer in time; the message holds its output.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        log = self.path.with_suffix(".log")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(library()), *self._arguments()], stdout=output, stderr=output
            )
        self._wait_until_it_answers(log)
        return self

    def kill(self) -> None:
        """End it as a power cut would; nothing is flushed."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    stop = kill  # the server catches no signal, and what it acknowledged is on disk

    def restart(self) -> Self:
        """Kill it and start it again on the same folder and ports."""
        self.kill()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        config = [f"--config-file={self.config_file}"] if self.config_file else []
        return [
            "clickhouse",
            f"--path={self.path}",
            f"--http_port={self.http_port}",
            f"--tcp_port={self.tcp_port}",
            "--listen_host=127.0.0.1",
            *config,
            f"--query={_LISTEN_FOR_EVER}",
        ]

    def _wait_until_it_answers(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_WITHIN_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/ping", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the ClickHouse server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _serve(library_path: str, arguments: list[str]) -> None:
    """Become the server; returns only when it could not start."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    library = ctypes.CDLL(library_path)
    library.chdb_query_cmdline.restype = ctypes.c_void_p
    library.chdb_result_error.restype = ctypes.c_char_p
    library.chdb_result_error.argtypes = [ctypes.c_void_p]
    encoded = (ctypes.c_char_p * len(arguments))(*[os.fsencode(argument) for argument in arguments])
    result = library.chdb_query_cmdline(len(arguments), encoded)
    sys.exit(f"ended: {library.chdb_result_error(result) if result else 'without a result'}")


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])
