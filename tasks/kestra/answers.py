"""What does an answer of the server mean: its message, cleaned, and the error that it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tasks import jsontext
from tasks.errors import (
    Busy,
    LoginRefused,
    NotFound,
    Refused,
    TenantSyncError,
    Unreachable,
    Unsupported,
)
from tasks.hiding import hidden
from tasks.visible import visible

#: Characters of a server's message that are kept: enough for a stack of constraints.
MESSAGE_LIMIT = 2000
#: An absolute path of the server's own disk: messages about missing files show it.
_SERVER_PATH = re.compile(r"(?<![\w'\":/])/(?:[^\s/'\"]+/){2,}[^\s'\"]*")


class NoConnection(Unreachable):
    """The connection was never made, so the request was never sent."""


class TooSlow(Unreachable):
    """The answer did not come in time; what was asked may still happen."""


class Forbidden(LoginRefused):
    """403: the login is known, and may not do this."""


class Throttled(Busy):
    """429: the request was turned away before anything was done."""


class ServerFailed(Busy):
    """500: the server met an error of its own while it did what was asked."""


class NamesCollide(ServerFailed):
    """500 for an archive in which two entries would have one name; it stays so when repeated."""


def is_away(error: Exception) -> bool:
    """Whether nobody serves there now: no answer, or 429, 502, 503, 504. A 500 is about the request
    that met it."""
    return isinstance(error, (Unreachable, Busy)) and not isinstance(error, ServerFailed)


def is_answer(error: Exception) -> bool:
    """Whether the server itself has answered: by a refusal, or by an error of its own."""
    refusals = (LoginRefused, NotFound, Refused, Unsupported, ServerFailed)
    return isinstance(error, refusals)


def server_message(body: bytes, secrets: Collection[str] = ()) -> str:
    """The `message` and `_embedded.errors` of an error body, on one line or a few; "" without.

    `secrets` are the forms of secrets that are hidden (`tasks.hiding.forms`).

    The messages of an HTML page or of another body are not shown: they tell nothing of Kestra.
    """
    try:
        value = jsontext.parse(body)
    except ValueError:
        return ""
    if not isinstance(value, dict):
        return ""
    parts = [str(value.get("message") or "")]
    parts += [text for text in _embedded(value) if text not in parts[0]]
    return clean(hidden("; ".join(part for part in parts if part), secrets))


def _embedded(value: dict[str, object]) -> list[str]:
    embedded = value.get("_embedded")
    errors = embedded.get("errors") if isinstance(embedded, dict) else None
    if not isinstance(errors, list):
        return []
    found = []
    for error in errors:
        if isinstance(error, dict) and error.get("message"):
            place = error.get("path")
            found.append(f"{place}: {error['message']}" if place else str(error["message"]))
    return found


def clean(message: str) -> str:
    """A message of the server with its control characters shown, cut to `MESSAGE_LIMIT`."""
    text = visible(message.replace("\r\n", "\n").strip())
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + " ..."


def masked(message: str) -> str:
    """A 404 message without the paths of the server's own disk."""
    return _SERVER_PATH.sub("(a path of the server)", message)


def retry_after(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (a number or a date); None without."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        moment = moment_of(header)
        seconds = math.nan if moment is None else (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def moment_of(header: str) -> datetime | None:
    """The time that a header tells (RFC 9110, 5.6.7), with its zone; None for anything else."""
    try:
        moment = parsedate_to_datetime(header)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def refusal(
    *,
    asked: str,
    status: int,
    body: bytes,
    after: str | None,
    login: str,
    secrets: Collection[str] = (),
) -> TenantSyncError:
    """The error that an answer of 400 and above is.

    `asked` names server, method and path, `login` who asked; `after` is the Retry-After header;
    `secrets` are the forms of secrets that are hidden where the server says them back.
    """
    said = server_message(body, secrets)
    if status == 404:
        said = masked(said)
    heard = f"{asked} answered {status}" + (f": {said}" if said else "")
    if status == 429 or status >= 500:
        return _busy(status, heard, retry_after(after))
    return _refusals(status, said)(f"{heard}. {_remedy(status, said, login)}")


def _busy(status: int, heard: str, after: float | None) -> Busy:
    if status == 429:
        return Throttled(f"{heard}. The server asks for fewer requests", after)
    if status == 500:
        kind = NamesCollide if "duplicate entry" in heard else ServerFailed
        return kind(f"{heard}. The log of the server says more", after)
    return Busy(f"{heard}. The server or a proxy before it is not ready", after)


def _wrong_tenant(status: int, said: str) -> bool:
    return status == 400 and "Tenant must be" in said


def _refusals(status: int, said: str) -> Callable[[str], TenantSyncError]:
    if status == 403:
        return Forbidden
    if status == 401:
        return LoginRefused
    if status == 404 or _wrong_tenant(status, said):
        return NotFound
    if status in {405, 501}:
        return Unsupported
    return Refused


def _remedy(status: int, said: str, login: str) -> str:
    if status == 401:
        return (
            f"Check the login of this server in kestra: of the configuration: {login} is not "
            "accepted (the Enterprise Edition takes API tokens only since 2.0: use token)"
        )
    if status == 403:
        return f"Give {login} the rights to read and write here"
    if _wrong_tenant(status, said):
        return "Set tenant: main, the only tenant of an open-source server"
    if status == 404:
        return "Check the url and tenant of this server in kestra: of the configuration"
    if status == 405:
        return "This server does not offer the call"
    return "Mend what the server names, then ask again"
