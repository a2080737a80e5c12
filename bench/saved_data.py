"""Data of results that are saved, from what was measured."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.cpu import CpuUsage
from bench.measurements.grants import GrantsResult
from bench.measurements.traces import TracedDrain
from bench.result_shapes import CpuMicroseconds, DrainItem, GrantsItem, Spread, TracesItem
from bench.results import Measurement
from bench.results_file import round_figure

_SPREAD_DIGITS = 4


def describe_spread(values: Sequence[float]) -> Spread:
    """Return the lowest, the median and the highest."""
    return {
        "lowest": round_figure(min(values), _SPREAD_DIGITS),
        "median": round_figure(median(values), _SPREAD_DIGITS),
        "highest": round_figure(max(values), _SPREAD_DIGITS),
    }


def describe_cpu(usage: CpuUsage) -> CpuMicroseconds:
    """Return processor time in µs; `usage` is that of one command in µs."""
    return {
        "process": round_figure(usage.worker),
        "postgres": round_figure(usage.postgres),
        "kafka": round_figure(usage.kafka),
    }


def describe_drain(name: str, measured: Measurement, accepted: float) -> DrainItem:
    """Return a drain's data."""
    return {
        "name": name,
        "commands": measured.commands,
        "commands_per_second": round_figure(measured.per_second),
        "cpu_us": describe_cpu(measured.cpu_microseconds),
        "accepted": round_figure(accepted),
    }


def describe_grants(name: str, result: GrantsResult) -> GrantsItem:
    """Return the data of grants; a burst has no latencies."""
    measured, latency = result.measurement, result.latency
    return {
        "name": name,
        "grants_per_second": round_figure(measured.per_second),
        "cpu_us": describe_cpu(measured.cpu_microseconds),
        "livekit_us": round_figure(1e6 * result.livekit_cpu / measured.commands),
        "p50_ms": None if latency is None else round_figure(latency.p50),
        "p99_ms": None if latency is None else round_figure(latency.p99),
    }


def describe_traces(name: str, base: str, rounds: Sequence[Mapping[str, TracedDrain]]) -> TracesItem:
    """Return the data of a variant of traces, with ratios to the variant `base` of the same round."""
    costs = [found[name].measurement.cpu_microseconds for found in rounds]
    bases = [found[base].measurement.cpu_microseconds for found in rounds]
    pairs = list(zip(costs, bases, strict=True))
    return {
        "name": name,
        "cpu_us": describe_cpu(CpuUsage(*map(median, zip(*costs, strict=True)))),
        "ratio_process": describe_spread([own.worker / other.worker for own, other in pairs]),
        "ratio_all": describe_spread([sum(own) / sum(other) for own, other in pairs]),
    }
