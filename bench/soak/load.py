"""The load of a soak: mixed commands and invitations that nobody answers, at a steady rate."""

import time
from collections.abc import Iterator

from bench.workload import open_loop
from bench.workload.open_loop import OutcomeTimes
from bench.workload.simulated_room import PlannedCommand
from bench.workload.traffic import EXPIRY_SECONDS, Traffic
from bench.workload.traffic_producer import TrafficProducer

EXPIRING_SHARE = 20
"""One command in this many sends an invitation that expires."""

_PIECE_SECONDS = 5


def mix_in_expiring(made: Traffic) -> Iterator[PlannedCommand]:
    """Yield the traffic's commands, mixed with invitations of each room in turn that expire unanswered."""
    commands = made.iterate_commands()
    while True:
        for room in made.rooms:
            for _ in range(EXPIRING_SHARE - 1):
                yield next(commands)
            # The last one of this user must have expired by now: the rooms' turns are longer than that.
            yield room.new_command(
                "SendInvitation",
                userId=f"late-{room.room_id}",
                actorId=room.host_id,
                expiresInSeconds=EXPIRY_SECONDS,
            )


class SteadyLoad:
    """Sends commands until cancelled, and knows the latency of those that have an outcome."""

    def __init__(self, arrivals: OutcomeTimes) -> None:
        self._arrivals = arrivals
        self._due: dict[str, float] = {}

    async def send_commands(self, producer: TrafficProducer, made: Traffic, rate: int) -> None:
        """Send `rate` commands a second until cancelled."""
        commands = mix_in_expiring(made)
        while True:
            self._due |= await open_loop.send_at_rate(
                producer.send_command, commands, rate, rate * _PIECE_SECONDS
            )

    def take_latencies(self) -> list[float]:
        """Return the latency in ms of each command with an outcome since the last call."""
        arrived = self._arrivals.arrived_at
        answered = self._due.keys() & arrived.keys()
        found = [1000 * (arrived.pop(id_) - self._due.pop(id_)) for id_ in answered]
        self._forget_sweepers(arrived)
        return found

    def _forget_sweepers(self, arrived: dict[str, float]) -> None:
        """Drop the outcomes of commands that the service sent itself: those of the load are never as old."""
        now = time.monotonic()
        for id_ in [id_ for id_, at in arrived.items() if at < now - 4 * _PIECE_SECONDS]:
            del arrived[id_]
