"""Workers of both services, replaced when they are killed, and the servers under them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from stack import Stack, ports
from stack.components import ComponentName
from stack.processes import process
from stack.processes.process import Process
from stack.services import ServiceProcess

WORKERS = {"invitations": 3, "broadcast": 2}

_ACTIONS = ("kill", "stop", "pause")
_LONGEST_PAUSE = {"kafka": 8.0, "postgres": 6.0, "worker": 6.0}


class WorkerExited(Exception):
    """A worker exited though nobody ended it; the text has the end of its log."""


@dataclass
class ChaosFleet:
    """The running workers; `faults` counts what was done to them and to the servers.

    `environment` is that of the workers; `report` receives a line for each fault.
    """

    stack: Stack
    environment: Mapping[str, str]
    report: Callable[[str], None]
    workers: list[tuple[ServiceProcess, Process]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    async def start(self) -> None:
        """Start the workers, without waiting until they are ready."""
        for name, count in WORKERS.items():
            for _ in range(count):
                port = ports.reserve_port()
                log = self.stack.root / "workers" / f"{name}-{port}.log"
                service = ServiceProcess(name, (port,), self.environment, log)
                self.workers.append((service, await _start_process(service)))

    async def wait_ready(self) -> None:
        """Wait until every worker is ready. Raises `StartError` if one exits."""
        for service, worker in self.workers:
            await worker.wait_until_ready(service.is_ready)

    async def stop(self) -> None:
        """End the workers."""
        await asyncio.gather(*(worker.stop() for _, worker in self.workers))
        ports.release_ports(*(service.ports[0] for service, _ in self.workers))

    def check_alive(self) -> None:
        """Raise `WorkerExited` if a worker has exited by itself."""
        for service, worker in self.workers:
            if not worker.is_alive:
                msg = f"{service.name} exited; the end of its log:\n{worker.log_tail()}"
                raise WorkerExited(msg)

    async def inject_fault(self, random: Random) -> None:
        """Do one thing, chosen at random, to a worker or to a server; a server runs again afterwards."""
        target = random.choices(["worker", "kafka", "postgres"], [6, 2, 2])[0]
        action = random.choice(_ACTIONS)
        seconds = random.uniform(0.1, _LONGEST_PAUSE[target])
        self.faults[f"{target} {action}"] += 1
        self.report(f"{action} {target}" + (f" for {seconds:.1f} s" if action == "pause" else ""))
        if target == "worker":
            await self._harm_worker(random.randrange(len(self.workers)), action, seconds)
        elif target == "kafka":
            await self._harm_server("kafka", action, seconds)
        else:
            await self._harm_server("postgres", action, seconds)

    async def _harm_worker(self, index: int, action: str, seconds: float) -> None:
        service, worker = self.workers[index]
        if action == "pause":
            await _pause(worker, seconds)
            return
        await (asyncio.to_thread(worker.kill) if action == "kill" else worker.stop())
        self.workers[index] = (service, await _start_process(service))

    async def _harm_server(self, name: ComponentName, action: str, seconds: float) -> None:
        server = self.stack.process_of(name)
        if action == "pause":
            await _pause(server, seconds)
            return
        if action == "kill":
            await asyncio.to_thread(server.kill)
        await self.stack.restart(name)


async def _start_process(service: ServiceProcess) -> Process:
    return process.start_program(await service.prepare_program())


async def _pause(paused: Process, seconds: float) -> None:
    paused.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        paused.resume()
