"""Who is calling."""

from __future__ import annotations

import base64
import binascii
import re
from hmac import compare_digest

from .settings import Login

_COOKIE = re.compile(r'\bBASIC_AUTH="?([^;"]+)"?')


class WrongPasswordError(Exception):
    """The user is known, the password is not his."""


def who_calls(headers: dict[str, str], logins: tuple[Login, ...]) -> Login | None:
    """The login behind a request's `Authorization` or `BASIC_AUTH` cookie, None where unknown."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _by_token(rest.strip(), logins)
    if scheme.lower() == "basic":
        return _by_password(rest.strip(), logins)
    cookie = _COOKIE.search(headers.get("cookie", ""))
    return _by_password(cookie[1], logins) if cookie else None


def _by_token(token: str, logins: tuple[Login, ...]) -> Login | None:
    for login in logins:
        if login.token is not None and compare_digest(login.token.encode(), token.encode()):
            return login
    return None


def _by_password(encoded: str, logins: tuple[Login, ...]) -> Login | None:
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    for login in logins:
        if login.name == name and login.password is not None:
            if compare_digest(login.password.encode(), password.encode()):
                return login
            raise WrongPasswordError
    return None
