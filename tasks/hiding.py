"""In which forms may a server say a secret back, and how is a foreign text shown without them?"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterator
from urllib.parse import quote, quote_plus

#: What stands in place of a secret.
MASK = "***"
#: A form shorter than this is hidden only where it stands alone: as a part of words it would
#: take ordinary texts to pieces.
_LONG = 8
_USER_INFO = re.compile(r"(?<=//)[^/\s@]{1,500}@")


def forms(secret: str, user: str = "") -> tuple[str, ...]:
    """The secret as it is, and as URLs, JSON, HTML, login headers and dumps write it; none of an
    empty one. `user` is the name that goes before it in a Basic login."""
    return tuple(dict.fromkeys(_forms(secret, user))) if secret else ()


def hidden(text: str, said: Collection[str]) -> str:
    """The text with each of these forms masked, in whatever case it is written."""
    patterns = [_pattern(form) for form in sorted(said, key=len, reverse=True) if form]
    if not patterns:
        return text
    return re.sub("|".join(patterns), MASK, text, flags=re.IGNORECASE)


def without_login(text: str) -> str:
    """A text in which no address has a user or password."""
    return _USER_INFO.sub("", text)


def without_rest(text: str, said: Collection[str]) -> str:
    """A text whose beginning was cut off, without the end of a form that it begins with."""
    begin = text.lstrip("\ufffd")  # half of a character
    rests = [form[start:] for form in said for start in range(1, len(form))]
    longest = max((rest for rest in rests if begin.startswith(rest)), key=len, default="")
    return begin[len(longest) :]


def _forms(secret: str, user: str) -> Iterator[str]:
    yield secret
    # A variable that is no UTF-8 holds surrogates.
    for spelt in (quote, quote_plus):
        yield from (spelt(secret, safe=safe, errors="surrogateescape") for safe in ("", "/"))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield html.escape(secret)
    for whole in (secret, f"{user}:{secret}"):
        octets = whole.encode(errors="surrogateescape")
        for encoded in (base64.b64encode(octets), base64.urlsafe_b64encode(octets)):
            yield from (encoded.decode(), encoded.decode().rstrip("="))
        yield octets.hex()


def _pattern(form: str) -> str:
    plain = re.escape(form)
    if len(form) >= _LONG:
        return plain
    return rf"(?<![^\W_]){plain}(?![^\W_])"
