"""What one try of a write may take at most, the opening of its connection included: its guard was
told the whole, and a lease is asked for no more."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.channel import opening
from tasks.circuit import Unheard
from tasks.connections import KestraConnection
from tasks.kestra.calls import Call, Repeat
from tasks.kestra.client import Client

PROXY = {"proxy": "http://p:1"}
SECURE = {"proxy": "https://p:1"}


@pytest.mark.parametrize(
    ("url", "fields", "steps", "tunnel"),
    [
        ("http://k", {}, 1, False),
        ("https://k", {}, 2, False),
        ("http://k", PROXY, 1, False),
        ("http://k", SECURE, 2, False),
        ("https://k", PROXY, 2, True),
        ("https://k", SECURE, 3, True),
    ],
)
@pytest.mark.parametrize("connect", [0.1, 10, 300])
def test_the_steps_of_a_write_end_within_its_time(
    url: str, fields: dict[str, Any], steps: int, tunnel: bool, connect: float
) -> None:
    given = {"url": url, "connectTimeout": connect, **fields}
    connection = KestraConnection.model_validate(given)
    assert opening(connection, url) == (steps, tunnel)
    client = Client(connection, Unheard())
    for call in (
        Call(method="POST", path=("flows",), repeat=Repeat.ONCE),
        Call(method="POST", path=("flows", "import"), repeat=Repeat.SAFE, bulk=True),
    ):
        times = client._timeouts(call)
        assert times.connect and times.pool and times.write and times.read
        asked = 2 if tunnel else 1
        longest = times.pool + steps * times.connect + asked * (times.write + times.read)
        assert longest <= client.longest(call) + 1e-9
        assert times.connect <= connect
