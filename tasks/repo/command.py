"""The only place that runs git: a clean environment, a deadline, and errors that say what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from tasks.errors import ConfigError, TenantSyncError
from tasks.repo.credentials import Login
from tasks.repo.failure import expired, failure

#: Seconds between the polite and the hard end of a command that is stopped.
GRACE = 2.0
#: Bytes of stderr that are kept (its end): a server may talk for ever.
KEPT = 16 * 1024

#: Variables of the worker that git still sees: where programs and authorities are. Those of proxies
#: are read by `proxy_of`.
_INHERITED = ("PATH", "TMPDIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")

#: Tried one by one against the attacks in tests/integration/repo/test_attacks.py.
_CONFIG = (
    ("protocol.ext.allow", "never"),
    ("http.followRedirects", "false"),
    # One byte a second: a server that runs a long hook sends that much as a sign of life.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "false"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.quotePath", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("credential.helper", ""),
    ("transfer.fsckObjects", "true"),
    ("fetch.fsckObjects", "true"),
    # Harmless, and frozen in the history of many old repositories.
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    # Packs only, so that one geometric repack keeps the mirror small.
    ("transfer.unpackLimit", "1"),
    ("fastimport.unpackLimit", "1"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("safe.bareRepository", "explicit"),
    ("advice.pushUpdateRejected", "false"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a git command ended: its code, its bytes, and its words without secrets."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "surrogateescape").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """git as it is run for one repository.

    `home` is a private empty directory, `directory` the mirror (None: commands without one),
    `place` the canonical URL for messages, `timeout` the seconds for one command.
    """

    home: Path
    place: str
    allowed: tuple[str, ...]
    timeout: float
    directory: Path | None = None
    login: Login = field(default_factory=Login)

    def run(
        self, *arguments: str, stdin: Iterable[bytes] = (), accept: Collection[int] = (0,)
    ) -> Result:
        """Run one command to its end and give what it said.

        `stdin` is read in the calling thread, and what it raises ends the command. Raises the
        error of `failure` for any code that is not in `accept`, Unreachable when the time is over.
        """
        with self._running(arguments) as process, _Deadline(process, self.timeout) as deadline:
            out, err = _Drain(process.stdout), _Drain(process.stderr, KEPT)
            _feed(process.stdin, stdin)
            stdout, words = out.all(), self._words(err)
            code = process.wait()
        if deadline.passed:
            raise expired(_name(arguments), self.timeout, self.place)
        result = Result(code=code, stdout=stdout, stderr=words)
        if code not in accept:
            raise failure(_name(arguments), code, result.stderr, self.place)
        return result

    @contextmanager
    def stream(self, *arguments: str, stdin: bytes = b"") -> Iterator[Stream]:
        """Run one local command whose output is read as it comes; it ends with the block."""
        with self._running(arguments) as process:
            feeder = threading.Thread(target=_feed, args=(process.stdin, [stdin]), daemon=True)
            feeder.start()
            try:
                yield Stream(self, arguments, process, _Drain(process.stderr, KEPT))
            finally:
                _end(process)
                feeder.join()

    @contextmanager
    def _running(self, arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
        process = self._start(arguments)
        try:
            yield process
        finally:
            _end(process)
            _close(process)

    def _start(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        place = (f"--git-dir={self.directory}",) if self.directory else ()
        try:
            return subprocess.Popen(
                ("git", *place, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment(),
                cwd=self.home,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise ConfigError(
                f"git cannot be started in {self.home}: {error.strerror}; install git (2.39 or "
                "newer) where the worker runs and put it in PATH"
            ) from None

    def _words(self, said: _Drain) -> str:
        """What a command said to its end, without secrets."""
        return self.login.scrub(said.all(), cut=said.cut)

    def environment(self) -> dict[str, str]:
        """The whole environment of the command; nothing else of the worker's is seen by git."""
        chosen = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        settings = (*_CONFIG, *self.login.config)
        pairs = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings):
            pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return {
            "PATH": os.defpath,
            **chosen,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "SSH_ASKPASS": "false",
            "GIT_SSH_COMMAND": "false",
            "GIT_ALLOW_PROTOCOL": ":".join(self.allowed),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            **pairs,
            **self.login.environment,
        }


class Stream:
    """The output of a running command."""

    def __init__(
        self,
        git: Git,
        arguments: tuple[str, ...],
        process: subprocess.Popen[bytes],
        said: _Drain,
    ) -> None:
        self._git, self._arguments, self._process, self._said = git, arguments, process, said

    @property
    def stdout(self) -> BufferedReader:
        return cast(BufferedReader, self._process.stdout)

    def broken(self) -> TenantSyncError:
        """The error for output that ended too early; waits for the command's end."""
        words = self._git._words(self._said)
        return failure(_name(self._arguments), self._process.wait(), words, self._git.place)


class _Drain(threading.Thread):
    """Reads a pipe to its end, so that no command waits for its reader; `keep` bytes or all."""

    def __init__(self, pipe: IO[bytes] | None, keep: int | None = None) -> None:
        super().__init__(daemon=True)
        self._pipe, self._keep, self._read = cast(BufferedReader, pipe), keep, bytearray()
        #: Whether the beginning is not kept.
        self.cut = False
        self.start()

    def run(self) -> None:
        with suppress(ValueError, OSError):  # closed by _close
            while chunk := self._pipe.read1(1 << 16):
                self._read += chunk
                if self._keep is not None and len(self._read) > self._keep:
                    del self._read[: -self._keep]
                    self.cut = True

    def all(self) -> bytes:
        self.join()
        return bytes(self._read)


class _Deadline:
    """Stops the command when its time is over; `passed` tells that it did."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process, self.passed = process, False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(seconds,), daemon=True)

    def _watch(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            return
        self.passed = True
        _signal(self._process, signal.SIGTERM)
        if not self._ended.wait(GRACE):
            _signal(self._process, signal.SIGKILL)

    def __enter__(self) -> _Deadline:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _feed(pipe: IO[bytes] | None, chunks: Iterable[bytes]) -> None:
    """Write all chunks and close; a command that no longer reads says why by its exit code."""
    assert pipe is not None
    try:
        for chunk in chunks:
            pipe.write(chunk)
    except BrokenPipeError:
        pass
    finally:
        with suppress(BrokenPipeError):
            pipe.close()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal the whole group: git leaves its transport programs behind when it alone is killed."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, with all that it started."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    if process.poll() is None:
        _signal(process, signal.SIGKILL)
        process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _name(arguments: tuple[str, ...]) -> str:
    """The command's name: the first argument that is no `-c key=value`."""
    rest = list(arguments)
    while rest[0] == "-c":
        del rest[:2]
    return rest[0]
