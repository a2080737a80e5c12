"""Example data of each result that has a plot or a table: rounded figures that nothing was measured for."""

from bench.ladder import ladder_report
from bench.ladder.open_loop_run import RateResult
from bench.measurements.latency import summarize_latency
from bench.result_shapes import (
    CostData,
    CostItem,
    DrainData,
    GrantsData,
    GrowthData,
    GrowthSeries,
    LatencyData,
    PeerResult,
    PeersData,
    Spread,
)

_STEPS = {
    "consume": 6.0,
    "parse": 5.0,
    "validate": 2.0,
    "load": 3.0,
    "decide": 9.0,
    "encode": 5.0,
    "outbox": 1.0,
    "commit": 9.0,
    "produce": 4.0,
    "event loop": 3.0,
    "other": 0.7,
    "Postgres": 20.0,
    "Kafka": 15.0,
}


def cost_data() -> CostData:
    whole = sum(_STEPS.values())
    return {
        "commands": 30_000,
        "rounds": 5,
        "steps": [_cost_item(name, us) for name, us in _STEPS.items()],
        "passthrough": [
            _cost_item("passthrough's process", 4.5),
            _cost_item("passthrough's Kafka", 2.2),
        ],
        "whole": _cost_item("a command", whole),
        "whole_passthrough": _cost_item("a passthrough", 6.7),
    }


def latency_data() -> LatencyData:
    own = [
        _rate_result(rate, scale)
        for rate, scale in ((10, 1), (100, 1.1), (1_000, 2), (5_000, 4), (10_000, 7))
    ]
    plain = [_rate_result(10, 0.8), _rate_result(100, 2.5)]
    return {
        "seconds": 10,
        "ladder": [
            *ladder_report.describe_rungs(ladder_report.PIPELINE, own),
            *ladder_report.describe_rungs(ladder_report.PLAIN_HANDLER, plain),
        ],
        "knee": 14_000,
        "knee_p99_limit_ms": 100,
        "steps": [{"name": name, "p50_ms": 1.5, "p99_ms": 4} for name in ("sent", "in Kafka", "whole")],
    }


def peers_data() -> PeersData:
    return {
        "commands": 100_000,
        "latency_rate": 100,
        "relay_kills": {
            "kills": 5,
            "commands": 2_000,
            "without_outcome": 0,
            "with_several": 41,
            "violations": 41,
        },
        "peers": [
            _peer("pipeline", 14_000, (35, 20, 15), 9.5, 21, "exactly once"),
            _peer("plain handler", 420, (1_100, 700, 150), 12, 60, "at least once, order of a partition"),
            _peer("polling relay", 2_600, (180, 160, 40), 55, 110, "at least once"),
            _peer("Kafka Streams, 100 ms", 21_000, (30, 0, 25), 60, 120, "exactly once"),
            _peer("Kafka Streams, 10 ms", 16_000, (45, 0, 45), 14, 30, "exactly once"),
            _peer("Quix Streams", 900, (800, 0, 60), None, None, "at least once"),
        ],
    }


def drain_data() -> DrainData:
    return {
        "drains": [
            {
                "name": name,
                "commands": commands,
                "commands_per_second": per_second,
                "cpu_us": {"process": process, "postgres": 20, "kafka": 15},
                "accepted": 0.68,
            }
            for name, commands, per_second, process in (
                ("one worker", 100_000, 14_000, 35.5),
                ("plain handler", 2_000, 420, 1_100),
            )
        ]
    }


def grants_data() -> GrantsData:
    return {
        "seats": 10_000,
        "grants": [
            {
                "name": name,
                "grants_per_second": per_second,
                "cpu_us": {"process": 900, "postgres": 120, "kafka": 80},
                "livekit_us": 600,
                "p50_ms": p50,
                "p99_ms": p99,
            }
            for name, per_second, p50, p99 in (
                ("all at once", 830, None, None),
                ("500 a second", 500, 30, 70),
            )
        ],
        "livekit": [
            {
                "clients": 30,
                "calls_per_second": 410,
                "broadcast_us": 900,
                "livekit_us": 700,
                "livekit_alone_us": 500,
                "outcome_p50_ms": 12,
                "permission_p50_ms": 35.5,
                "permission_p99_ms": 80,
            }
        ],
    }


def growth_data() -> GrowthData:
    counts = [1e3, 1e5, 1e6, 1e7]
    return {
        "series": [
            _series("worker", "invitations", "µs/command", counts, [40, 41, 42, 44]),
            _series("Postgres", "invitations", "µs/command", counts, [20, 21, 22, 25]),
            _series("Kafka", "invitations", "µs/command", counts, [15, 15, 15, 16]),
            _series("worker's memory", "invitations", "MB", counts, [90, 120, 130, 131]),
            _series("take-over", "rooms", "s", counts[:3], [0.4, 0.9, 4]),
            _series("Postgres", "invitations", "MB", counts, [30, 200, 1_900, 19_000]),
            _series("start", "invitations", "s", counts, [1, 1, 1.1, 1.2]),
            _series("a command", "rooms", "µs/command", counts[:3], [70, 71, 75]),
            _series("worker's memory", "rooms", "MB", counts[:3], [90, 110, 140]),
            _series("a command by several workers", "workers", "µs/command", [1, 2, 4], [70, 80, 95]),
            _series("calls to LiveKit", "rooms", "calls/s", [1e3, 1e4], [17, 167]),
            _series("comparison with LiveKit", "rooms", "processors", [1e3, 1e4], [0.02, 0.2]),
            _series("drain", "workers", "commands/s", [1, 2, 4], [14_000, 19_000, 20_000]),
        ],
        "notes": ["One hot room with 20 % of the traffic: p99 21 ms."],
    }


def _series(name: str, x_name: str, unit: str, x: list[float], y: list[float]) -> GrowthSeries:
    return {"name": name, "x_name": x_name, "unit": unit, "x": x, "y": y}


def _cost_item(name: str, us: float) -> CostItem:
    return {"name": name, "us": _spread(us), "ratio": _spread(round(us / 6.7, 2))}


def _spread(value: float) -> Spread:
    return {"lowest": 0.9 * value, "median": value, "highest": 1.2 * value}


def _rate_result(rate: int, scale: float) -> RateResult:
    latencies = [
        scale * (6 + 4 * (number % 10) / 10 + 30 * (number / 10_000) ** 20) for number in range(10_000)
    ]
    return RateResult(rate, summarize_latency(latencies), measurer_cpu=rate / 50_000, sender_p99=1.2)


def _peer(  # noqa: PLR0913, PLR0917 - a row
    name: str,
    per_second: float,
    cpu: tuple[float, float, float],
    p50: float | None,
    p99: float | None,
    guarantees: str,
) -> PeerResult:
    process, postgres, kafka = cpu
    return {
        "name": name,
        "commands_per_second": per_second,
        "cpu_us": {"process": process, "postgres": postgres, "kafka": kafka},
        "latency_rate": None if p50 is None else 100 if per_second > 500 else 50,
        "p50_ms": p50,
        "p99_ms": p99,
        "guarantees": guarantees,
        "note": "",
    }
