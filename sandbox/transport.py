"""Which connection a request came on, so that it can be reset."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol


class Transports:
    """The open connections of one server, by the client's address."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Note a new connection."""
        self._open[_peer(transport)] = transport

    def remove(self, transport: asyncio.Transport) -> None:
        """Forget a closed connection."""
        self._open.pop(_peer(transport), None)

    def reset(self, scope: Scope) -> None:
        """Reset the connection of a request: the client sees ECONNRESET, not an end."""
        transport = self._open.get(tuple(scope["client"]))
        if transport is None:
            return
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _peer(transport: asyncio.Transport) -> tuple[str, int]:
    peer = transport.get_extra_info("peername")
    return (peer[0], peer[1])


def protocol_for(transports: Transports) -> type[asyncio.Protocol]:
    """The HTTP protocol that keeps `transports` up to date."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            transports.add(transport)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            transports.remove(self.transport)
            super().connection_lost(exc)

    return Protocol
