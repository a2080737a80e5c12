"""Samples of a process' stack, a few hundred per second of its processor time, counted by step.

The kernel sends a signal when the process has used another `SAMPLE_SECONDS`, and Python runs its handler at
the next call or loop of the main thread. That costs less than 1 % of the time, whatever a step calls, and no
code has to know of it. Timers around the steps would cost more than some of the steps.
"""

import mmap
import signal
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from bench.cost.steps import STEPS, Step, find_step

SAMPLE_SECONDS = 0.004
"""Processor time between two samples: the tick of most kernels, which check the timer no more often."""

_COUNTER_BYTES = 8


class StepCounters:
    """Numbers of samples by step, in a file that other processes may read meanwhile."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_COUNTER_BYTES * len(STEPS)))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._counts = memoryview(self._memory).cast("Q")

    def count_sample(self, step: Step) -> None:
        """Count a sample."""
        self._counts[_INDICES[step]] += 1

    def read_counts(self) -> Counter[Step]:
        """Return the samples so far."""
        return Counter(dict(zip(STEPS, self._counts, strict=True)))


_INDICES = {step: index for index, step in enumerate(STEPS)}


class StepSampler:
    """Samples the process' main thread during a block."""

    def __init__(self, counters: StepCounters) -> None:
        self._counters = counters

    def __enter__(self) -> Self:
        self._previous = signal.signal(signal.SIGPROF, self._on_signal)
        # Without this, system calls that the signal interrupts would fail in libraries written in C.
        signal.siginterrupt(signal.SIGPROF, False)  # noqa: FBT003 - it has no names for its arguments
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A signal without a handler would end the process.
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._previous)

    def _on_signal(self, _: int, frame: FrameType | None) -> None:
        self._counters.count_sample(find_step(frame))
