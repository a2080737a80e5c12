"""Local Kafka, Postgres and LiveKit as plain processes, for the demo, the tests and the benchmarks."""

from stack.local_stack import Stack
from stack.processes.process import StartError

__all__ = ["Stack", "StartError"]
