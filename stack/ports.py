"""Free ports on the loopback address."""

import asyncio
import random
import socket
from contextlib import closing, suppress

ADDRESS = "127.0.0.1"
# Below the range from which systems take the ports of outgoing connections.
PORT_RANGE = range(12_000, 30_000)

_reserved: dict[int, socket.socket] = {}


def reserve_port(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else a random free one, and reserve it until it is given back.

    The port's UDP side stays bound meanwhile, so that other processes do not choose it.
    """
    random_source = random.SystemRandom()
    port = preferred if preferred is not None else random_source.choice(PORT_RANGE)
    while not _try_reserve(port):
        port = random_source.choice(PORT_RANGE)
    return port


def reserve_ports(preferred: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return `count` ports, the preferred ones where they are free."""
    return tuple(reserve_port(port) for port in preferred or (None,) * count)


def release_ports(*ports: int) -> None:
    """End the reservation of ports."""
    for port in ports:
        if held := _reserved.pop(port, None):
            held.close()


def unbind_udp(port: int) -> None:
    """Unbind the UDP side of a port for the server that will use it; the port stays reserved."""
    if port in _reserved:
        _reserved[port].close()


def _try_reserve(port: int) -> bool:
    """Reserve a port and return whether both TCP and UDP can be bound there."""
    if port in _reserved:
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
    _reserved[port] = held
    return True


async def accepts_connection(addresses: str) -> bool:
    """Return whether one of the addresses, given as `host:port,host:port`, accepts a connection."""
    for address in addresses.split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError, TimeoutError, ValueError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), 5)
            writer.close()
            return True
    return False
