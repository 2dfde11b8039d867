"""How is JSON of outside read? As RFC 8259 has it, or not at all: what Python takes besides it, or
breaks at, is refused alike."""

from __future__ import annotations

import json
import re
from typing import NoReturn

#: Half of a pair of surrogates, written as an escape; a whole pair is an ordinary character.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """The value of a JSON text. Raises ValueError for anything that is none, for NaN and infinite
    numbers, for strings that are no Unicode text, for numbers of more digits than Python converts
    (4,300) and for a nesting deeper than its stack."""
    try:
        text = body.decode("utf-8-sig")
        value: object = json.loads(text, parse_constant=_no_number, parse_float=_number)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number
