"""A small Git server over http for the demo and the tests: bare repositories, a login, and faults
that a forge shows on bad days.

It answers by `git http-backend`, so what a client sees is git's own protocol.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from sandbox.git_backend import backend, git, read_head, turned_down

_CHUNK = 1 << 16
#: The content type of the answer to a push.
_RESULT = "application/x-git-receive-pack-result"
_HOOK = """\
#!/bin/sh
cat >/dev/null
cat "$GIT_DIR/refusal.txt" >&2
exit 1
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was logged; `authorization` is what the client sent, for leak tests."""

    method: str
    path: str
    status: int
    authorization: str | None


class GitServer:
    """Serves the bare repositories below `root`, from `start` to `stop`; on 127.0.0.1 unless told.

    With `user` and `token` every request needs Basic login. The fault attributes may be set at
    any time and hold until they are set back.
    """

    def __init__(
        self,
        root: Path,
        *,
        user: str = "git",
        token: str | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.root, self.user, self.token = root, user, token
        self.requests: list[Request] = []
        #: Fault: cut the connection of so many pushes after they were executed.
        self.cut_answers = 0
        #: Fault: cut the connection of so many pushes before they are executed.
        self.cut_pushes = 0
        #: Fault: after a connection was cut, answer everything by this status.
        self.status_after_cut: int | None = None
        #: Fault: answer every request by 302 to this address (`http://host:port`).
        self.redirect_to: str | None = None
        #: Fault: answer every request by this status.
        self.status: int | None = None
        #: Fault: answer every request by 200 and this page, as a proxy or a login page does.
        self.page: bytes | None = None
        #: Fault: turn the next pushes down by these words, one each; nothing is written.
        self.turn_down: list[str] = []
        #: Called once, when a push has seen the branches and before it is executed: what another
        #: writer does just then.
        self.meanwhile: Callable[[], object] | None = None
        #: Fault: take requests and never answer, until `stop` or `resume`.
        self.hanging = False
        #: Fault: do so with the requests whose path ends like this.
        self.hang_at: str | None = None
        #: Requests that hang now.
        self.waiting = 0
        self._resumed = threading.Event()
        root.mkdir(parents=True, exist_ok=True)
        self._http = _Server((host, port), _Handler)
        self._http.git = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def url(self, name: str) -> str:
        """The clone URL of the repository `name` (`owner/name`)."""
        return f"{self.origin}/{name}.git"

    def start(self) -> GitServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.resume()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> GitServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create(self, name: str) -> Path:
        """The bare repository `name`, made now if it is not there."""
        path = self.root / f"{name}.git"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
            git(f"--git-dir={path}", "config", "http.receivepack", "true")
        return path

    def refuse(self, name: str, text: str, hook: str = "pre-receive") -> None:
        """Fault: let a hook (pre-receive or update) refuse every push to `name` with this text."""
        path = self.create(name)
        (path / "refusal.txt").write_text(text + "\n", encoding="utf-8")
        program = path / "hooks" / hook
        program.parent.mkdir(exist_ok=True)
        program.write_text(_HOOK, encoding="utf-8")
        program.chmod(0o755)

    def accept(self, name: str) -> None:
        """Take pushes to `name` again."""
        for hook in ("pre-receive", "update"):
            (self.create(name) / "hooks" / hook).unlink(missing_ok=True)

    def resume(self) -> None:
        """Let hanging requests go: their connections are closed without an answer."""
        self.hanging = False
        self._resumed.set()
        self._resumed = threading.Event()

    def wait_resumed(self) -> None:
        self.waiting += 1
        self._resumed.wait()
        self.waiting -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    git: GitServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of the server's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    #: Head and body go out apart; waiting for the client's acknowledgement costs 40 ms.
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    server_version = "sandbox-git"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """The request log of the server takes its place."""

    @property
    def _git_server(self) -> GitServer:
        assert isinstance(self.server, _Server)
        return self.server.git

    def _answer(self) -> None:
        server = self._git_server
        if server.hanging or (server.hang_at and self.path.endswith(server.hang_at)):
            server.wait_resumed()
            return self._cut()
        if server.redirect_to is not None:
            return self._short(302, {"Location": server.redirect_to + self.path})
        if server.status is not None:
            return self._short(server.status)
        if server.page is not None:
            return self._short(200, {"Content-Type": "text/html"}, server.page)
        return self._answer_git()

    def _answer_git(self) -> None:
        """As a Git server does."""
        if not self._logged_in():
            return self._short(401, {"WWW-Authenticate": 'Basic realm="git"'})
        if not self._known():
            return self._short(404)
        if self._due("cut_pushes"):
            return self._cut_answer()
        if self._is_push and self._let_others_write():
            return self._turned_down(self._git_server.turn_down.pop(0))
        with suppress(BrokenPipeError, ConnectionResetError):
            self._backend()
        return None

    def _known(self) -> bool:
        path = PurePosixPath(unquote(urlsplit(self.path).path).lstrip("/"))
        if ".." in path.parts:
            return False
        return any((self._git_server.root / above / "HEAD").exists() for above in path.parents)

    def _logged_in(self) -> bool:
        server = self._git_server
        if server.token is None:
            return True
        pair = base64.b64encode(f"{server.user}:{server.token}".encode()).decode()
        sent = self.headers.get("Authorization", "")
        return hmac.compare_digest(sent.encode(), f"Basic {pair}".encode())

    def _backend(self) -> None:
        with backend(self._variables()) as process:
            assert process.stdin and process.stdout
            feeder = threading.Thread(target=self._feed, args=(process.stdin,), daemon=True)
            feeder.start()
            status, headers = read_head(process.stdout)
            if self._due("cut_answers"):
                process.stdout.read()  # to its end: the push was executed
                return self._cut_answer()
            self._send(status, headers, process.stdout)
            feeder.join()
        return None

    def _due(self, fault: str) -> bool:
        """Whether this push meets the fault, which is then used up."""
        left = getattr(self._git_server, fault)
        if not self._is_push or left < 1:
            return False
        setattr(self._git_server, fault, left - 1)
        return True

    @property
    def _is_push(self) -> bool:
        return self.command == "POST" and self.path.endswith("/git-receive-pack")

    def _let_others_write(self) -> bool:
        """Lets another writer go first; whether this push is to be turned down."""
        server = self._git_server
        meanwhile, server.meanwhile = server.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return bool(server.turn_down)

    def _turned_down(self, words: str) -> None:
        answer = turned_down(b"".join(self._body()), words)
        self._whole(200, {"Content-Type": _RESULT}, answer)

    def _send(self, status: int, headers: list[tuple[str, str]], body: IO[bytes]) -> None:
        self._log(status)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while chunk := body.read(_CHUNK):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _short(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        for _ in self._body():
            pass
        self._whole(status, headers or {}, body)

    def _whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._log(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut_answer(self) -> None:
        # An answer has to begin: curl itself repeats a request that got none.
        self.send_response(200)
        self.send_header("Content-Type", _RESULT)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._cut()

    def _cut(self) -> None:
        self._log(0)
        self.close_connection = True
        server = self._git_server
        server.status = server.status_after_cut or server.status

    def _log(self, status: int) -> None:
        sent = self.headers.get("Authorization")
        self._git_server.requests.append(Request(self.command, self.path, status, sent))

    def _feed(self, pipe: IO[bytes]) -> None:
        with suppress(OSError, ValueError), pipe:  # the client went away
            for chunk in self._body():
                pipe.write(chunk)

    def _body(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0 and (chunk := self.rfile.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield chunk

    def _variables(self) -> dict[str, str]:
        server, parts = self._git_server, urlsplit(self.path)
        variables = {
            "GIT_PROJECT_ROOT": str(server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_USER": server.user,
        }
        if length := self.headers.get("Content-Length"):
            variables["CONTENT_LENGTH"] = length
        return variables


def main() -> None:
    """Serve a directory until interrupted: `python -m sandbox.git_server ROOT --port 8090`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--create", action="append", default=[], help="a repository to make")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with GitServer(options.root, port=options.port, host=options.host) as server:
        for name in options.create:
            server.create(name)
        ended.wait()


if __name__ == "__main__":
    main()
