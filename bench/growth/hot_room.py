"""One room with very many pending invitations that gets a fifth of the commands."""

from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

from bench import worker
from bench.environment import BenchEnvironment
from bench.growth import stored_rows
from bench.growth.growth_point import GrowthPoint, GrowthRound
from bench.growth.stored_rows import StoredSize
from bench.measurements import latency
from bench.measurements.latency import LatencyResult
from bench.workload import command_mix, open_loop, traffic_producer
from bench.workload.open_loop import OutcomeTimes
from bench.workload.simulated_room import ACCEPTED, PlannedCommand
from cohost_schemas import ids

PENDING = 10_000
SHARE = 0.2
RATE = 300
SECONDS = 15

_ROOMS = 20_000
_ROUNDS = 3
_HOT_ROOM = 0
_LATE_SECONDS = 60


class HotRoomResult(NamedTuple):
    """Rounds of drains, and the latency at a steady rate; each without the hot room and with it."""

    usual: list[GrowthRound]
    hot: list[GrowthRound]
    usual_latency: LatencyResult
    hot_latency: LatencyResult
    unexpected: list[str]

    def median_costs(self) -> tuple[float, float]:
        """Return the processor time of a command in µs without and with the hot room."""
        usual, hot = (
            median(sum(each.drain.cpu_microseconds) for each in rounds) for rounds in (self.usual, self.hot)
        )
        return usual, hot


async def measure_hot_room(environment: BenchEnvironment, seed: int) -> HotRoomResult:
    """Measure drains and latency without and with the hot room, in turn."""
    point = await GrowthPoint.prepare(environment, StoredSize(1_000, _ROOMS), seed)
    usual: list[GrowthRound] = []
    hot: list[GrowthRound] = []
    for _ in range(_ROUNDS):
        usual.append(await point.measure_round(usual_command))
        await crowd_room(point)
        hot.append(await point.measure_round(next_command))
    usual_latency = await _measure_latency(point, usual_command)
    await crowd_room(point)
    hot_latency = await _measure_latency(point, next_command)
    return HotRoomResult(usual, hot, usual_latency, hot_latency, await point.find_unexpected())


async def crowd_room(point: GrowthPoint) -> None:
    """Store as many pending invitations in the hot room as are missing: commands may send 1000 at most."""
    room = point.room(_HOT_ROOM)
    free = [
        user
        for user in (f"user-{number}" for number in range(2 * PENDING))
        if user not in room.pending and user not in room.seats and user not in room.users
    ][: PENDING - len(room.pending)]
    connection = await point.run.connect_database()
    try:
        added = [ids.uuid7(point.random.getrandbits) for _ in free]
        await connection.execute(stored_rows.INSERT_CROWD, room.room_id, free, added)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    room.pending |= dict(zip(free, added, strict=True))


def usual_command(point: GrowthPoint) -> PlannedCommand:
    """Return a command to any other room."""
    return command_mix.next_command(point.room(point.random.randrange(_HOT_ROOM + 1, point.size.rooms)))


def next_command(point: GrowthPoint) -> PlannedCommand:
    """Return a command, one in five of them to the hot room, where nobody can be invited any more."""
    if point.random.random() >= SHARE:
        return usual_command(point)
    room = point.room(_HOT_ROOM)
    while True:
        command = command_mix.next_command(room)
        if command.name != "SendInvitation" or command.expected != ACCEPTED:
            return command
        del room.pending[command.data["userId"]]


async def _measure_latency(
    point: GrowthPoint, make_command: Callable[[GrowthPoint], PlannedCommand]
) -> LatencyResult:
    """Return the latency of a new worker at a steady rate, without its first seconds."""
    async with (
        traffic_producer.TrafficProducer(point.run.bootstrap_servers, point.run.prefix) as producer,
        worker.run_worker(point.run) as process,
        OutcomeTimes.record(point.run) as arrivals,
    ):
        await process.wait_ready()
        commands = _iterate_commands(point, make_command)
        await open_loop.send_at_rate(producer.send_command, commands, RATE, latency.WARM_UP_SECONDS * RATE)
        due = await open_loop.send_at_rate(producer.send_command, commands, RATE, SECONDS * RATE)
        await arrivals.wait_for(due.keys(), _LATE_SECONDS)
    return latency.summarize_latency(arrivals.latencies(due))


def _iterate_commands(
    point: GrowthPoint, make_command: Callable[[GrowthPoint], PlannedCommand]
) -> Iterator[PlannedCommand]:
    """Yield commands, which are counted as sent."""
    while True:
        command = make_command(point)
        point.sent.append(command)
        yield command
