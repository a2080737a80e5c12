"""Free ports on the loopback address."""

import asyncio
import random
import socket
from contextlib import closing, suppress

ADDRESS = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections.
RANGE = range(12_000, 30_000)

_given: dict[int, socket.socket] = {}


def choose(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else a random free one, and reserve it until it is given back.

    The port's UDP side stays bound meanwhile, so that other processes do not choose it.
    """
    dice = random.SystemRandom()
    port = preferred if preferred is not None else dice.choice(RANGE)
    while not _taken(port):
        port = dice.choice(RANGE)
    return port


def choose_all(preferred: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return `count` ports, the preferred ones where they are free."""
    return tuple(choose(port) for port in preferred or (None,) * count)


def give_back(*ports: int) -> None:
    """End the reservation of ports."""
    for port in ports:
        if held := _given.pop(port, None):
            held.close()


def let_go(port: int) -> None:
    """Unbind the UDP side of a port for the server that will use it; the port stays reserved."""
    if port in _given:
        _given[port].close()


def _taken(port: int) -> bool:
    """Reserve a port and return whether both TCP and UDP can be bound there."""
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
    """Return whether one of the addresses, given as `host:port,host:port`, accepts a connection."""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError, TimeoutError, ValueError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 5)
            writer.close()
            return True
    return False
