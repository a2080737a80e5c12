"""Shapes of the `data` of saved results: what `write_result` is given, and what plots and tables read.

What has an order is a list: the keys of objects are sorted in the files.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class Spread(TypedDict):
    """The lowest, the median and the highest of some rounds."""

    lowest: float
    median: float
    highest: float


class CpuMicroseconds(TypedDict):
    """Processor time of one command in µs; a component that is not used has 0."""

    process: float
    postgres: float
    kafka: float


class CostItem(TypedDict):
    """A step or a server: its µs for one command, and their multiple of a passthrough's."""

    name: str
    us: Spread
    ratio: Spread


class CostData(TypedDict):
    """`cost.json`: the steps of a command and the servers, in order, and the passthrough beside them."""

    commands: int
    rounds: int
    steps: Sequence[CostItem]
    passthrough: Sequence[CostItem]
    whole: CostItem
    whole_passthrough: CostItem


class LatencyRung(TypedDict):
    """One rate of the ladder, in ms; a rate that was not held has none.

    `spectrum` has pairs of a percentile and its ms, up to the longest, which is at 100. `measurer_cpu` is the
    share of one processor that the measurement's sender and reader took, `sender_p99_ms` how late it sent.
    """

    name: str
    rate: int
    commands: int
    p50_ms: float | None
    p99_ms: float | None
    longest_ms: float | None
    spectrum: Sequence[tuple[float, float]]
    measurer_cpu: float | None
    sender_p99_ms: float | None


class StepLatency(TypedDict):
    """A step of a command at low load, in ms; the last one, `whole`, is all of them."""

    name: str
    p50_ms: float
    p99_ms: float


class LatencyData(TypedDict):
    """`latency.json`: the ladder of pipeline and plain handler, the knee, and a command by step."""

    seconds: float
    ladder: Sequence[LatencyRung]
    knee: int | None
    knee_p99_limit_ms: float
    steps: Sequence[StepLatency]


class PeerResult(TypedDict):
    """A program that people would use instead, or the pipeline itself, which is the first one.

    Latencies are those at its `latency_rate`, the common one or else the highest it holds; null if none.
    """

    name: str
    commands_per_second: float
    cpu_us: CpuMicroseconds
    latency_rate: int | None
    p50_ms: float | None
    p99_ms: float | None
    guarantees: str
    note: str


class RelayKillsResult(TypedDict):
    """Commands of the outbox peer after kills of its relay: without an outcome, and with more than one."""

    kills: int
    commands: int
    without_outcome: int
    with_several: int
    violations: int


class PeersData(TypedDict):
    """`peers.json`: the same commands on the same topics, each by one process."""

    commands: int
    latency_rate: int
    peers: Sequence[PeerResult]
    relay_kills: RelayKillsResult


class GrowthSeries(TypedDict):
    """A figure over a count; series with the same `x_name` and `unit` share a panel of the plot.

    `x_name` says what is counted (`invitations`, `rooms`, `workers`, `minutes`), `unit` is that of `y`
    (`µs/command`, `MB`, `s`, `ms`).
    """

    name: str
    x_name: str
    unit: str
    x: Sequence[float]
    y: Sequence[float]


class GrowthData(TypedDict):
    """`growth.json` and `soak.json`: the series, and notes that the page prints below the plot."""

    series: Sequence[GrowthSeries]
    notes: NotRequired[Sequence[str]]


class DrainItem(TypedDict):
    """A drain by one program."""

    name: str
    commands: int
    commands_per_second: float
    cpu_us: CpuMicroseconds
    accepted: float


class DrainData(TypedDict):
    """`drain.json`: one worker beside the plain handlers."""

    drains: Sequence[DrainItem]


class GrantsItem(TypedDict):
    """Grants by one broadcast worker, all at once or at a rate; a burst has no latencies."""

    name: str
    grants_per_second: float
    cpu_us: CpuMicroseconds
    livekit_us: float
    p50_ms: float | None
    p99_ms: float | None


class LiveKitGrantsItem(TypedDict):
    """Grants on a real LiveKit, in µs of one call, and ms from an acceptance to outcome and permission."""

    clients: int
    calls_per_second: float
    broadcast_us: float
    livekit_us: float
    livekit_alone_us: float
    outcome_p50_ms: float
    permission_p50_ms: float
    permission_p99_ms: float


class GrantsData(TypedDict):
    """`grants.json`: calls to a fake LiveKit server, and to a real one if that was measured."""

    seats: int
    grants: Sequence[GrantsItem]
    livekit: Sequence[LiveKitGrantsItem]


class KillsData(TypedDict):
    """`kills.json`: what the audit found after kills under load."""

    commands: int
    outcomes: int
    kills: int
    violations: int


class TracesItem(TypedDict):
    """A variant of traces; ratios are to the same round's drain without traces."""

    name: str
    cpu_us: CpuMicroseconds
    ratio_process: Spread
    ratio_all: Spread


class TracesData(TypedDict):
    """`traces.json`: what traces cost a worker."""

    rounds: int
    variants: Sequence[TracesItem]


class GatewayLatency(TypedDict):
    """Latency of commands by a path at a rate."""

    path: str
    rate: int
    p50_ms: float
    p99_ms: float


class GatewayCapacity(TypedDict):
    """The most commands that one path can take."""

    path: str
    in_flight: int
    commands_per_second: float
    server_us: float
    worker_us: float


class GatewayData(TypedDict):
    """`gateway.json`: commands over HTTP, and clients of live streams."""

    latency: Sequence[GatewayLatency]
    capacity: Sequence[GatewayCapacity]
    streams: Mapping[str, float]
