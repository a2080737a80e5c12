"""Ports on the loopback address that nobody listens on."""

import asyncio
import random
import socket
from contextlib import closing, suppress

ADDRESS = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections.
RANGE = range(12_000, 30_000)

_given: dict[int, socket.socket] = {}


def choose(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else any that is; none is given twice until it is given back.

    The port's UDP side is held meanwhile, so that it is not free for other processes that choose.
    """
    dice = random.SystemRandom()
    port = preferred if preferred is not None else dice.choice(RANGE)
    while not _taken(port):
        port = dice.choice(RANGE)
    return port


def choose_all(preferred: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return as many ports, the preferred ones where they are free."""
    return tuple(choose(port) for port in preferred or (None,) * count)


def give_back(*ports: int) -> None:
    """Let the ports be chosen again."""
    for port in ports:
        if port in _given:
            _given.pop(port).close()


def let_go(port: int) -> None:
    """Stop holding a port whose UDP side is about to be used; it stays given."""
    if port in _given:
        _given[port].close()


def _taken(port: int) -> bool:
    """Take a port if both TCP and UDP can be bound there."""
    if port in _given:
        return False
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as attempt:
        # Connections of a server that just ended must not make its port look taken.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            attempt.bind((ADDRESS, port))
            held.bind((ADDRESS, port))
        except OSError:
            held.close()
            return False
    _given[port] = held
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
