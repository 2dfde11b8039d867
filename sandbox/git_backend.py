"""Runs git for the Git server: `git http-backend` as a CGI program, in a clean environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def backend(variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The running program for one request, with the request's CGI variables."""
    process = subprocess.Popen(
        ("git", "http-backend"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment() | variables,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdout:
            process.stdout.close()
        process.wait()


def read_head(pipe: IO[bytes]) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers of the program's answer; the body is next in the pipe."""
    status, headers = 200, []
    while line := pipe.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return status, headers


def turned_down(push: bytes, words: str) -> bytes:
    """The answer to a push of one ref, as receive-pack gives it when it does not write the ref."""
    ref = push[4:].split(b"\0", 1)[0].split()[2].decode()
    report = _line(b"unpack ok\n") + _line(f"ng {ref} {words}\n".encode()) + b"0000"
    return _line(b"\x01" + report) + b"0000"


def _line(content: bytes) -> bytes:
    """One line of git's protocol: its length in four hex digits goes first."""
    return b"%04x" % (len(content) + 4) + content


def _environment() -> dict[str, str]:
    """A clean environment: settings of whoever runs the server change nothing."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def git(*arguments: str) -> None:
    """Run one git command; raises CalledProcessError when it fails."""
    subprocess.run(
        ("git", *arguments), env=_environment(), check=True, stdin=subprocess.DEVNULL, timeout=60
    )
