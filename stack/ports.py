"""Ports on the loopback address that nobody listens on."""

import asyncio
import random
import socket
from contextlib import closing, suppress

ADDRESS = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections.
RANGE = range(12_000, 30_000)

_given: set[int] = set()


def choose(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else any that is; none is given twice by one process."""
    dice = random.SystemRandom()
    port = preferred if preferred is not None else dice.choice(RANGE)
    while port in _given or not is_free(port):
        port = dice.choice(RANGE)
    _given.add(port)
    return port


def choose_all(preferred: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return as many ports, the preferred ones where they are free."""
    return tuple(choose(port) for port in preferred or (None,) * count)


def give_back(*ports: int) -> None:
    """Let the ports be chosen again."""
    _given.difference_update(ports)


def is_free(port: int) -> bool:
    """Tell whether both TCP and UDP can be bound there."""
    return _binds(port, socket.SOCK_STREAM) and _binds(port, socket.SOCK_DGRAM)


def _binds(port: int, kind: socket.SocketKind) -> bool:
    with closing(socket.socket(socket.AF_INET, kind)) as attempt:
        if kind == socket.SOCK_STREAM:
            # Connections of a server that just ended must not make its port look taken.
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((ADDRESS, port))
        except OSError:
            return False
    return True


async def accepts(addresses: str) -> bool:
    """Tell whether one of the addresses, given as `host:port,host:port`, takes a connection."""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError, TimeoutError, ValueError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 5)
            writer.close()
            return True
    return False
