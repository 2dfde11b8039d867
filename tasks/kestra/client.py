"""How one request reaches Kestra: login, addresses, timeouts, tries and typed errors."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import httpx
import stamina

from tasks import jsontext
from tasks.channel import fault, opening, pieces, turned_away
from tasks.circuit import Circuit
from tasks.connections import KestraConnection
from tasks.errors import (
    ConfigError,
    Doubtful,
    LoginRefused,
    Passing,
    Refused,
    TenantSyncError,
    Unreachable,
    Unsafe,
)
from tasks.hiding import forms, hidden
from tasks.kestra.answers import NoConnection, TooSlow, is_answer, is_away, refusal
from tasks.kestra.calls import Call, Repeat
from tasks.kestra.connections import Connections
from tasks.kestra.tries import ATTEMPTS, TRYING_TIME, Waits
from tasks.network import proxy_of
from tasks.visible import visible_line

#: Called with the longest time in seconds that the request may take, before each try of a write;
#: raises LeaseLost when the lease of the lane would not outlast it.
Guard = Callable[[float], None]

#: Bytes of one answer, unpacked: it is held in memory. A bulk answer is an archive or a file; JSON
#: takes up to twenty times its length as Python values; of an error only words are wanted.
BULK_LIMIT, ANSWER_LIMIT, ERROR_LIMIT = 1 << 30, 128 << 20, 1 << 20
#: Redirects of one read, on the same origin.
REDIRECTS = 3

_Thing = TypeVar("_Thing")
_Found = TypeVar("_Found")


class Client:
    """The connections of one process to one server and tenant; safe to use from many threads."""

    def __init__(self, connection: KestraConnection, circuit: Circuit) -> None:
        self.connection = connection
        self._circuit = circuit
        parts = urlsplit(connection.url)
        self._origin = (parts.scheme, parts.netloc)
        self._lock = threading.Lock()
        self._connections = Connections(connection)
        self._login: str | None = None
        self._secrets: tuple[str, ...] = ()
        #: The `Date` header of the last answer: the clock of the server, or of a proxy before it.
        self.date: str | None = None

    def __repr__(self) -> str:
        return f"Client({self.connection.url}, tenant {self.connection.tenant})"

    def close(self) -> None:
        """Closes the connections; a later request opens new ones."""
        self._connections.close()

    def send(self, call: Call, guard: Guard | None = None) -> bytes:
        """The body of the answer to a request that the server accepted.

        Raises the errors of `tasks.errors` that the answer or its absence means; `guard` is
        called before each try and its error is passed on.
        """
        try:
            body = self._tried(call, guard)
        except TenantSyncError as error:
            if isinstance(error, Passing) and is_away(error):
                error.server = self.connection.url
                self._circuit.failed(self.connection.url, error.message)
            elif is_answer(error) and call.tenant:
                self._circuit.answered(self.connection.url)
            raise
        # What needs no tenant is answered from memory, even by a server that serves nothing else.
        if call.tenant:
            self._circuit.answered(self.connection.url)
        return body

    def _tried(self, call: Call, guard: Guard | None) -> bytes:
        waits = Waits(call)
        for attempt in stamina.retry_context(waits.next, attempts=ATTEMPTS, timeout=TRYING_TIME):
            with attempt:
                if guard is not None:
                    guard(self.longest(call))
                return self._exchange(call)
        raise AssertionError("the last try returns or raises")

    def read(self, call: Call) -> object:
        """The JSON value that the server answers. Raises Doubtful when it is none."""
        return self.parse(call, self.send(call))

    def parse(self, call: Call, body: bytes) -> object:
        """The JSON value of a body. Raises Doubtful when it is none."""
        try:
            return jsontext.parse(body)
        except ValueError:
            raise Doubtful(self._strange(call, "something that is no JSON")) from None

    def hidden(self, text: str) -> str:
        """A text of the server without the secrets that it was told."""
        return hidden(text, self._told)

    @property
    def _told(self) -> tuple[str, ...]:
        """The forms of all secrets that an answer may say back."""
        proxy = proxy_of(self.connection, self.connection.url, os.environ)
        return self._secrets if proxy is None else (*self._secrets, *proxy.secrets)

    def longest(self, call: Call) -> float:
        """Seconds that one try of a request may take at most."""
        return self.connection.bulk_timeout if call.bulk else self.connection.timeout

    def each(self, call: Callable[[_Thing], _Found], things: Iterable[_Thing]) -> list[_Found]:
        """`call` of each thing in order, on as many threads as there are connections."""
        known = list(things)
        if len(known) < 2:
            return [call(thing) for thing in known]
        with ThreadPoolExecutor(min(self.connection.connections, len(known))) as pool:
            try:
                return list(pool.map(call, known))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _exchange(self, call: Call) -> bytes:
        try:
            status, headers, body = self._follow(call)
        except httpx.RequestError as error:
            raise self._unanswered(call, error) from None
        if status == 407 and (proxy := proxy_of(self.connection, self.connection.url, os.environ)):
            # A proxy reads plain http requests and answers some of them itself.
            found = turned_away(proxy, self.connection.url, "407")
            raise type(found)(f"{self._asked(call)}: {found.message}")
        self.date = headers.get("date")
        if status >= 400:
            raise self._refused(call, status, headers, body)
        if headers.get("content-type", "").startswith("text/html"):
            # Kestra answers files as octets, whatever is in them.
            raise Doubtful(self._strange(call, "an HTML page"))
        return body

    def _unanswered(self, call: Call, error: httpx.RequestError) -> TenantSyncError:
        """What a request that got no answer met."""
        if found := fault(error, self.connection, self.connection.url):
            kind = NoConnection if isinstance(found, Unreachable) else type(found)
            return kind(f"{self._asked(call)}: {found.message}")
        if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout)):
            return NoConnection(self._silence(call, "no connection in time"))
        if isinstance(error, httpx.TimeoutException):
            return TooSlow(self._silence(call, f"no answer within {self.longest(call):g} s"))
        if isinstance(error, httpx.ConnectError):
            return NoConnection(self._silence(call, f"no connection ({error})"))
        if isinstance(error, httpx.DecodingError):
            return Doubtful(f"{self._asked(call)}: the answer cannot be unpacked")
        cause = f"the connection broke ({type(error).__name__})"
        return Unreachable(self._silence(call, cause))

    def _follow(self, call: Call) -> tuple[int, httpx.Headers, bytes]:
        url = self._url(call)
        for _ in range(REDIRECTS + 1):
            status, headers, body = self._once(call, url)
            if status not in {301, 302, 303, 307, 308}:
                return status, headers, body
            url = self._redirected(call, url, headers.get("location", ""))
        raise Refused(f"{self._asked(call)} redirects more than {REDIRECTS} times; check the url")

    def _redirected(self, call: Call, url: str, location: str) -> str:
        try:
            there = urlsplit(urljoin(url, location))
            httpx.URL(there.geturl())  # it knows more of what is no address
        except (ValueError, httpx.InvalidURL):
            raise Refused(
                f"{self._asked(call)} redirects to something that is no address; set url to the "
                "address of Kestra itself"
            ) from None
        if call.method != "GET" or (there.scheme, there.netloc) != self._origin:
            shown = self.hidden(visible_line(f"{there.scheme}://{there.hostname}"))
            raise Refused(
                f"{self._asked(call)} redirects to {shown}, which is not followed; set url to the "
                "address of Kestra itself"
            )
        return there.geturl()

    def _once(self, call: Call, url: str) -> tuple[int, httpx.Headers, bytes]:
        timeouts, end = self._timeouts(call), time.monotonic() + self.longest(call)
        with self._connections.one(timeouts.pool or 0) as http:
            request = http.build_request(
                call.method,
                url,
                headers=self._headers(call),
                content=call.content,
                # Sent in pieces: of bytes the rest would be copied after each piece that is taken.
                files=[
                    (u.field, (u.filename, io.BytesIO(u.content), u.content_type))
                    for u in call.uploads
                ]
                or None,
                timeout=timeouts,
            )
            response = http.send(request, stream=True)
            try:
                return response.status_code, response.headers, self._body(call, response, end)
            finally:
                response.close()

    def _body(self, call: Call, response: httpx.Response, end: float) -> bytes:
        failed = response.status_code >= 300
        limit = ERROR_LIMIT if failed else BULK_LIMIT if call.bulk else ANSWER_LIMIT
        body = io.BytesIO()
        try:
            for piece in pieces(response, limit):
                body.write(piece)
                if time.monotonic() > end:
                    late = "the whole answer took too long"
                    raise httpx.ReadTimeout(late, request=response.request)
        except Doubtful as error:
            if not failed:
                raise Doubtful(f"{self._asked(call)}: {error.message}") from None
            return b""  # its status says what it means
        return body.getvalue()

    def _timeouts(self, call: Call) -> httpx.Timeout:
        """Bounds of the phases; those of a write sum up to what its guard was told."""
        total, most = self.longest(call), self.connection.connect_timeout
        if call.repeat is Repeat.READ:
            return httpx.Timeout(total, connect=min(most, total))
        steps, tunnel = opening(self.connection, self.connection.url)
        connect = min(most, total / (12 if tunnel else 6) / steps)
        if tunnel:  # the proxy is asked, and answers, within the same bounds
            part = total / 12
            return httpx.Timeout(connect=connect, pool=part, write=part, read=total / 3)
        return httpx.Timeout(connect=connect, pool=total / 6, write=total / 6, read=total / 2)

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {}
        login = self._logged_in()
        if login:
            headers["Authorization"] = login
        if call.content_type is not None:
            headers["Content-Type"] = call.content_type
        return headers

    def _logged_in(self) -> str | None:
        connection = self.connection
        with self._lock:
            if self._login is None and connection.token is not None:
                token = connection.token.resolve()
                if not (token.isascii() and token.isprintable()):
                    raise ConfigError(
                        f"secret: {connection.token} holds a character that no token has, perhaps "
                        "a line end; write the token alone"
                    )
                self._login, self._secrets = f"Bearer {token}", forms(token)
            elif self._login is None and connection.password is not None:
                password = connection.password.resolve()
                pair = base64.b64encode(f"{connection.username}:{password}".encode()).decode()
                self._login = f"Basic {pair}"
                self._secrets = forms(password, connection.username or "")
            return self._login

    def _login_name(self) -> str:
        connection = self.connection
        if connection.token is not None:
            return f"the token of {connection.token}"
        return f"user {connection.username}" if connection.username else "a request without a login"

    def _url(self, call: Call) -> str:
        if any(segment in {"", ".", ".."} for segment in call.path):
            raise Unsafe(f"{call}: {call.path!r} is no address in Kestra")
        tenant = (self.connection.tenant,) if call.tenant else ()
        path = "/".join(quote(segment, safe="") for segment in ("api", "v1", *tenant, *call.path))
        query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in call.query)
        return f"{self.connection.url.rstrip('/')}/{path}" + (f"?{query}" if query else "")

    def _asked(self, call: Call) -> str:
        return f"Kestra {self.connection.url} (tenant {self.connection.tenant}): {call}"

    def _strange(self, call: Call, what: str) -> str:
        return (
            f"{self._asked(call)} answered {what}; is there a proxy or a login page before "
            "Kestra? Set url to the address of Kestra itself"
        )

    def _silence(self, call: Call, cause: str) -> str:
        proxy = proxy_of(self.connection, self.connection.url, os.environ)
        way = f" through {proxy}" if proxy is not None else ""
        return f"{self._asked(call)}: {cause}{way}. Is Kestra up, and is the url right?"

    def _refused(self, call: Call, status: int, headers: httpx.Headers, body: bytes) -> Exception:
        error = refusal(
            asked=self._asked(call),
            status=status,
            body=body,
            after=headers.get("retry-after"),
            login=self._login_name(),
            secrets=self._told,
        )
        if isinstance(error, LoginRefused):
            # The secret may have been renewed: the next request reads it again.
            with self._lock:
                self._login = None
        return error
