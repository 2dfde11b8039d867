"""How does a message come from its queue to its worker, and back, while Redis takes no writes?"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from kombu.transport import virtual
from kombu.transport.redis import QoS

from workers.broker import AWAY, away

log = logging.getLogger(__name__)

#: KEYS the index and the hash of unacknowledged messages; ARGV tag, time, message.
#: A full server refuses what takes memory, unless its script has written something before (Redis
#: `scriptVerifyOOM`: "only if this is the first write in the context of this script"). The message
#: has just left its queue, so it takes no more memory than before; refused, it would be lost.
_TAKE = """
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
"""


class Unacked(QoS):
    """What a worker has taken and not yet acknowledged, as kombu keeps it."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Notes a message that was just taken from its queue, on a full server too."""
        to = message.delivery_info
        noted = json.dumps([message._raw, to["exchange"], to["routing_key"]])
        keys = [self.unacked_index_key, self.unacked_key]
        channel: Any = self.channel
        with channel.conn_or_acquire() as client:
            take = client.register_script(_TAKE)
            take(keys=keys, args=[delivery_tag, time.time(), noted], client=client)
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledges a message; where Redis does not hear it, see `_forget`."""
        try:
            super().ack(delivery_tag)
        except AWAY as error:
            self._forget(delivery_tag, "acknowledged", error)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Gives a message back; where Redis does not take it, see `_forget`."""
        try:
            super().reject(delivery_tag, requeue=requeue)
        except AWAY as error:
            self._forget(delivery_tag, "given back", error)

    def _forget(self, delivery_tag: str, what: str, error: Exception) -> None:
        """The worker gives no further sign of life for a message, so that it is delivered again
        like that of a worker that died; and it takes another in its place."""
        log.warning("message %s is not %s: %s", delivery_tag, what, away(error))
        virtual.QoS.ack(self, delivery_tag)
