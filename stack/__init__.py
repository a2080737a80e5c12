"""The local Kafka, Postgres and LiveKit as plain processes, for the demo, the tests and the benchmarks."""

from stack.errors import StartError
from stack.local import Stack

__all__ = ["Stack", "StartError"]
