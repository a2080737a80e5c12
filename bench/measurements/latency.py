"""Latencies in milliseconds, kept in a HdrHistogram."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

WARM_UP_SECONDS = 3

_LONGEST_MS = 600_000
_SIGNIFICANT_DIGITS = 3
_PERCENTILES = (0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 99.999, 100)


@dataclass(frozen=True)
class LatencyResult:
    """Percentiles of latencies in milliseconds.

    `spectrum` has pairs of a percentile and its milliseconds, up to the longest at 100.
    """

    commands: int
    p50: float
    p99: float
    longest: float
    spectrum: Sequence[tuple[float, float]] = ()


def summarize_latency(milliseconds: Iterable[float]) -> LatencyResult:
    """Return the percentiles of latencies in any order; there must be at least one."""
    histogram = HdrHistogram(1, 1000 * _LONGEST_MS, _SIGNIFICANT_DIGITS)
    for value in milliseconds:
        histogram.record_value(max(1, round(1000 * value)))
    count = histogram.get_total_count()
    p50, p99, longest = (histogram.get_value_at_percentile(each) / 1000 for each in (50, 99, 100))
    return LatencyResult(count, p50, p99, longest, _spectrum_of(histogram))


def _spectrum_of(histogram: HdrHistogram) -> list[tuple[float, float]]:
    """Return pairs of a percentile and its ms, without percentiles that need more values."""
    count = histogram.get_total_count()
    return [
        (percentile, histogram.get_value_at_percentile(percentile) / 1000)
        for percentile in _PERCENTILES
        # Above the last but one value there is only the longest.
        if percentile == 100 or count * (100 - percentile) >= 100  # noqa: PLR2004 - per cent
    ]
