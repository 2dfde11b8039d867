"""A server that comes back answers LOADING until it has read what it had saved."""

from __future__ import annotations

import redis

from tests.integration.redis.conftest import Server, until
from workers.broker import AWAY, connect

#: So many that it answers while it loads, each a millisecond.
COMMANDS = 4000


def test_a_server_that_still_loads_is_waited_for(server: Server) -> None:
    with connect(server.url) as client:
        filling = client.pipeline(transaction=False)
        for number in range(COMMANDS):
            filling.set("filling", number)
        filling.execute()
    server.kill()
    server.launch("--key-load-delay", "1000")
    with connect(server.url, patience=0) as impatient, connect(server.url) as patient:
        until(lambda: _is_loading(impatient), 20)
        assert patient.get("filling") == str(COMMANDS - 1)
    assert issubclass(redis.BusyLoadingError, AWAY)


def _is_loading(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        pass
    return False
