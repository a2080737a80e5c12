"""A peer: how its processes are started, and how far it has come, as seen from outside."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bench import outcomes
from bench.environment import BenchRun
from stack.processes import process
from stack.processes.process import Process, Program
from stack.services import REPOSITORY


class PeerTraffic(NamedTuple):
    """The traffic that a peer gets: rooms and seed of its facts, and the number of commands in its topics."""

    rooms: int
    seed: int
    commands: int


PrepareProgram = Callable[[BenchRun, PeerTraffic], Awaitable[Program]]
Launch = Callable[[BenchRun, PeerTraffic], AbstractAsyncContextManager[Process]]


async def _install_nothing() -> None:
    """Do nothing: what the peer needs is here."""


@dataclass(frozen=True)
class Peer:
    """A program that is measured beside the pipeline; `launch` runs it for the duration of a block.

    It drains `max_commands` at most. `group` is the suffix of the consumer group whose offsets it commits in
    the transactions of its outcomes; None if it writes without transactions: then outcomes can be counted.
    `install` fetches or builds what it needs, and raises `StartError`.
    `is_ordered` tells whether it decides the commands of a room in their order, so that the expected outcomes
    are what it must give.
    """

    name: str
    launch: Launch
    max_commands: int
    group: str | None
    guarantees: str
    is_ordered: bool = True
    install: Callable[[], Awaitable[object]] = _install_nothing


def run_program(prepare: PrepareProgram) -> Launch:
    """Return the `launch` of a program that is ended with the block."""

    @contextlib.asynccontextmanager
    async def launch(run: BenchRun, made: PeerTraffic) -> AsyncIterator[Process]:
        started = process.start_program(await prepare(run, made))
        try:
            yield started
        finally:
            await started.stop()

    return launch


def python_program(
    run: BenchRun, module: str, options: Mapping[str, object], python: str = sys.executable
) -> Program:
    """Return the program `python -m module` with these options."""
    return Program(
        name=module,
        command=(python, "-m", module, json.dumps(options)),
        folder=REPOSITORY,
        log=run.stack.root / f"{run.prefix}{module}.log",
        environment=run.stack.inherited,
    )


class PeerProgress:
    """Counts the commands whose outcomes a read_committed reader has, without reading them."""

    def __init__(
        self, peer: Peer, run: BenchRun, reader: AIOKafkaConsumer, admin: AIOKafkaAdminClient
    ) -> None:
        self._group = None if peer.group is None else run.prefix + peer.group
        self._reader = reader
        self._admin = admin
        self._outputs = outcomes.topic_partitions(run)
        self._inputs = outcomes.command_partitions(run)

    async def count_decided(self) -> int:
        """Return the number of commands decided so far."""
        if self._group is None:
            return sum((await self._reader.end_offsets(self._outputs)).values())
        try:
            found = await self._admin.list_consumer_group_offsets(self._group, partitions=self._inputs)
        except KafkaError:
            # The group has no coordinator until its first member has asked for it.
            return 0
        return sum(max(0, position.offset) for position in found.values())
