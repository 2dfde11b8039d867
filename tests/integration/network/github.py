"""The one call of GitHub's API that an App needs: it checks the signed statement as GitHub does,
and hands out tokens that a Git server then takes."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt

from sandbox.git_server import GitServer


@dataclass(frozen=True)
class Asked:
    """One exchange: what was asked, and what it was answered."""

    statement: str
    body: dict[str, Any]
    status: int


@dataclass
class GitHub:
    """An App with one installation; every token that it hands out is the one that `git` takes."""

    public_key: str
    git: GitServer
    app_id: str = "Iv23liTest"
    installation: int = 4711
    #: Repositories that the installation may reach.
    repositories: tuple[str, ...] = ("flows",)
    #: Seconds that a token lives.
    life: float = 3600
    #: Answer everything by this status.
    status: int | None = None
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.github = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def exchanged(self, path: str, statement: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and answer for one exchange."""
        if self.status is not None:
            return self.status, {"message": f"no: {statement}"}
        try:
            claims = jwt.decode(statement, self.public_key, algorithms=["RS256"], leeway=0)
        except jwt.PyJWTError as error:
            return 401, {"message": f"A JSON web token could not be decoded: {error}"}
        if claims["iss"] != self.app_id or not 0 < claims["exp"] - claims["iat"] <= 600:
            return 401, {"message": "'Issuer' or 'Expiration time' claim is wrong"}
        if path != f"/api/v3/app/installations/{self.installation}/access_tokens":
            return 404, {"message": "Not Found"}
        if set(body["repositories"]) - set(self.repositories):
            return 422, {"message": "There is at least one repository that does not exist"}
        token = f"ghs_inst4llation{len(self.asked)}.s3cret"
        self.git.user, self.git.token = "x-access-token", token
        ends = datetime.now(UTC) + timedelta(seconds=self.life)
        return 201, {"token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    github: GitHub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, _Server)
        github = self.server.github
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        statement = self.headers["Authorization"].removeprefix("Bearer ")
        status, answer = github.exchanged(self.path, statement, body)
        github.asked.append(Asked(statement, body, status))
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: the calls are in `asked`."""
