"""Local Kafka, Postgres and LiveKit as plain processes, for the demo, the tests and the benchmarks."""

from stack.local import Stack
from stack.process import StartError

__all__ = ["Stack", "StartError"]
