"""The sandbox answers the recorded conversations as the live server did."""

from __future__ import annotations

import time

import httpx
import pytest

from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Settings
from tests.contract.preconditions import (
    AFTER_EXPIRY,
    CHECKS_LEFT_OUT,
    LEFT_OUT,
    PRECONDITIONS,
    SETTINGS,
    WORDING,
)
from tests.contract.recorded import Exchange, ask_again, differences, exchanges

CHECKS = list(dict.fromkeys(one.check for one in exchanges()))
#: Seconds to wait for a key to expire.
PATIENCE = 10


def conversation(check: str) -> list[Exchange]:
    """All exchanges of a check and, where it is part of the long conversation, of those before."""
    last = max(one.number for one in exchanges() if one.check == check)
    return [
        one
        for one in exchanges()
        if one.check == check
        or (one.number < last and not check.startswith("x.") and not one.check.startswith("x."))
    ]


@pytest.mark.parametrize("check", [check for check in CHECKS if check not in CHECKS_LEFT_OUT])
def test_the_sandbox_answers_as_recorded(check: str) -> None:
    settings = SETTINGS.get(check, Settings(wrong_password_seconds=0))
    found = []
    with SandboxServer(settings) as server, httpx.Client(base_url=server.url) as client:
        for exchange in conversation(check):
            if exchange.number in PRECONDITIONS:
                server.apply(PRECONDITIONS[exchange.number])
            if exchange.check in CHECKS_LEFT_OUT or exchange.number in LEFT_OUT:
                continue
            response = ask(client, exchange, compared=exchange.check == check)
            if exchange.check == check:
                beginning = WORDING.get(exchange.number, (None,))[0]
                found += [
                    f"{exchange}\n    {one}" for one in differences(exchange, response, beginning)
                ]
    assert not found, "\n".join(found)


def ask(client: httpx.Client, exchange: Exchange, compared: bool) -> httpx.Response:
    """Send a recorded request, and again until a key that it waits for has expired."""
    deadline = time.monotonic() + PATIENCE
    while True:
        response = ask_again(client, exchange, login(exchange))
        late = exchange.number in AFTER_EXPIRY and compared
        if not late or time.monotonic() > deadline or not any(differences(exchange, response)):
            return response


def login(exchange: Exchange) -> httpx.Auth | None:
    """The login of a recorded request; `custom` ones were wrong on purpose."""
    if exchange.request["auth"] == "none":
        return None
    if exchange.request["auth"] == "basic-ok":
        return httpx.BasicAuth(DEFAULT_USER, DEFAULT_PASSWORD)
    return httpx.BasicAuth(DEFAULT_USER, "Wrong-Password1")


def test_every_recorded_exchange_is_replayed_or_named_with_its_reason() -> None:
    numbers = {one.number for one in exchanges()}
    assert len(numbers) == 538
    assert set(LEFT_OUT) | set(WORDING) | set(PRECONDITIONS) <= numbers
    assert set(CHECKS_LEFT_OUT) <= set(CHECKS)
    assert all(reason for reason in (*CHECKS_LEFT_OUT.values(), *LEFT_OUT.values()))
