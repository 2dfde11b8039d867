"""How a GitHub App logs in: its key signs a statement, which is exchanged for a token of an hour.

See docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App" and "Generating an
installation access token for a GitHub App".
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import jwt

from tasks import jsontext
from tasks.channel import asked, channel, fault
from tasks.connections import GithubApp, RepositoryConnection
from tasks.errors import (
    Busy,
    ConfigError,
    Doubtful,
    LoginRefused,
    NotFound,
    Refused,
    TenantSyncError,
    Unreachable,
)
from tasks.hiding import forms, hidden
from tasks.repo.url import Url
from tasks.visible import visible_line

#: Seconds for the exchange, which GitHub answers in well under one.
_TIMEOUT = 30.0
#: Seconds of a statement: GitHub takes at most 600, and advises to begin a minute before now.
_LIFE, _BEFORE = 540, 60
#: Seconds before its end at which a token is not used any more: the longest push must fit.
_MARGIN = 300.0
#: Characters of GitHub's own words that are repeated.
_QUOTED = 300


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    #: Seconds since the epoch.
    ends: float


class Tokens:
    """The tokens of one App for one repository, kept in memory alone. Safe for many threads."""

    def __init__(self, connection: RepositoryConnection, app: GithubApp, url: Url) -> None:
        self._connection, self._app = connection, app
        self._repository = url.path.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1]
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def current(self) -> str:
        """A token that lives for some minutes more; asks GitHub for one where none is at hand.

        Raises what the exchange meets: ConfigError, LoginRefused, NotFound, Refused, Busy,
        Unreachable.
        """
        with self._lock:
            if self._token is None or self._token.ends - _MARGIN < time.time():
                self._token = self._exchanged()
            return self._token.text

    def drop(self) -> None:
        """Forget a token that the server does not accept any more."""
        with self._lock:
            self._token = None

    def _exchanged(self) -> _Token:
        statement = self._statement()
        address = f"{self._app.api_url.rstrip('/')}/app/installations/{self._app.installation_id}"
        try:
            with channel(self._connection, self._app.api_url) as http:
                request = http.build_request(
                    "POST",
                    f"{address}/access_tokens",
                    headers={
                        "Authorization": f"Bearer {statement}",
                        "Accept": "application/vnd.github+json",
                        "X-GitHub-Api-Version": "2022-11-28",
                    },
                    json={"repositories": [self._repository]},
                    timeout=httpx.Timeout(_TIMEOUT, connect=self._connection.connect_timeout),
                )
                status, body = asked(http, request)
        except httpx.RequestError as error:
            raise self._unanswered(error) from None
        except Doubtful as error:
            raise Doubtful(f"{self._place}: {error.message}; is apiUrl right?") from None
        if status != 201:
            raise self._refused(status, body, statement)
        return self._token_of(body)

    def _statement(self) -> str:
        """Who we are, signed, for ten minutes."""
        now = int(time.time())
        claims = {"iss": self._app.app_id, "iat": now - _BEFORE, "exp": now + _LIFE}
        key = self._app.private_key.resolve()
        try:
            return jwt.encode(claims, key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise ConfigError(
                f"githubApp: {self._app.private_key} holds no RSA private key without passphrase; "
                "store the .pem file that GitHub gave, as it is"
            ) from None

    def _token_of(self, body: bytes) -> _Token:
        try:
            value: Any = jsontext.parse(body)
            token = str(value["token"])
            ends = datetime.fromisoformat(str(value["expires_at"])).timestamp()
        except (ValueError, KeyError, TypeError, OverflowError):
            raise Doubtful(
                f"{self._place} answered no token; is apiUrl the one of a GitHub?"
            ) from None
        if not (token.isascii() and token.isprintable()):
            raise Doubtful(f"{self._place} answered a token with characters that no token has")
        return _Token(token, ends)

    def _unanswered(self, error: httpx.RequestError) -> TenantSyncError:
        found = fault(error, self._connection, self._app.api_url)
        if found is not None:
            return type(found)(f"{self._place}: {found.message}")
        why = str(error) or type(error).__name__
        return Unreachable(f"{self._place} cannot be reached: {why}. Is apiUrl right?")

    def _refused(self, status: int, body: bytes, statement: str) -> TenantSyncError:
        kind, remedy = _meaning(status)
        return kind(f"{self._place} answered {status}{_said(body, statement)}. {remedy}")

    @property
    def _place(self) -> str:
        app = self._app
        return f"GitHub App {app.app_id}, installation {app.installation_id} at {app.api_url}"


def _meaning(status: int) -> tuple[type[TenantSyncError], str]:
    if status == 401:
        return LoginRefused, (
            "Check that appId and privateKey belong to one App, and the clock of this machine"
        )
    if status == 404:
        return NotFound, "Check installationId and apiUrl, and whether the App is still installed"
    if status == 429 or status >= 500:
        return Busy, "GitHub does not serve now"
    if status == 422:
        return Refused, "Give the installation access to this repository"
    return Refused, "Check the rights of the App, and whether its installation is suspended"


def _said(body: bytes, statement: str) -> str:
    """GitHub's own words, without the statement where they repeat it."""
    try:
        value: Any = jsontext.parse(body)
        text = visible_line(hidden(str(value["message"]), forms(statement)))
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {text[:_QUOTED]}"
