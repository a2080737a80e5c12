"""A stack that stays when its starter has gone, until it is taken down."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from stack import cache, data, exports, keys, ledger, parts, ports, process, services, settings
from stack.errors import StartError
from stack.place import Place

State: TypeAlias = Literal["up", "elsewhere", "not answering", "down"]
# A part that runs but is busy, or was stopped for a moment, gets that long to answer.
SECONDS = 10
# All that lies in the folder besides the data; nothing else in it is ours to remove.
FOLDERS = ("livekit", "services")
FILES = ("env", "env.partial", "keys.json", "postgres.log", "running.json", "running.partial")


@dataclass(frozen=True, slots=True)
class Line:
    """Where one part or service runs, and whether it does."""

    name: str
    state: State
    address: str = ""
    pid: int | None = None
    log: str = ""


class Kept:
    """The stack in a folder; every method may be called from another process than the last."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._settings = settings.load()
        self._ledger = ledger.Ledger(root)
        self._new: list[tuple[str, process.Process]] = []

    async def up(self, *, with_services: bool = True) -> None:
        """Start what does not run; if that fails, what this call has started is ended again."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with cache.locked(self._root / "lock"):
            self._keys = keys.load(self._root)
            try:
                await self._up(with_services=with_services)
            except BaseException:
                await self._undo()
                raise
            await asyncio.gather(*(running.set_free() for _, running in self._new))

    async def down(self, *, wipe: bool = False) -> None:
        """End everything, services first; the data stay unless they are to be wiped."""
        if not self._root.exists():
            return
        async with cache.locked(self._root / "lock"):
            await self._end(*services.PORTS)
            await self._end(*parts.NAMES)
            exports.remove(self._root)
            if wipe:
                await asyncio.to_thread(self._wipe)

    async def status(self) -> list[Line]:
        """Say what runs where."""
        self._keys = keys.find(self._root) or keys.Keys("", "", "")
        of_parts = [self._part_line(name) for name in parts.NAMES]
        return await asyncio.gather(*of_parts, *map(self._service_line, services.PORTS))

    async def _up(self, *, with_services: bool) -> None:
        own = [name for name in parts.NAMES if name in data.NAMES and not self._elsewhere(name)]
        both = len(own) == len(data.NAMES)
        if both and not data.belong_together(self._root):
            whose = "the data of Kafka and Postgres"
            raise StartError(
                whose, f"in {self._root} do not belong together; `python -m stack wipe` removes them"
            )
        http = {name: self._http_port(name) for name in services.PORTS}
        webhooks = (services.webhook(http["broadcast"]),)
        addresses = await process.together(*(self._part_up(name, webhooks) for name in parts.NAMES))
        if both:
            data.marry(self._root)
        else:
            for name in own:
                data.lend(self._root, name)
        variables = self._variables(dict(zip(parts.NAMES, addresses, strict=True)))
        urls = {f"COHOST_{name.upper()}_URL": services.url(port) for name, port in http.items()}
        if with_services:
            await process.together(*(self._service_up(*where, variables) for where in http.items()))
        exports.write(self._root, {**variables, **urls})

    def _elsewhere(self, name: parts.Name) -> str | None:
        return parts.elsewhere(name, self._settings)

    def _http_port(self, name: str) -> int:
        entry = self._ledger.get(name)
        if entry and entry.alive:
            return entry.ports[0]
        return ports.choose(entry.ports[0] if entry else services.PORTS[name])

    async def _part_up(self, name: parts.Name, webhooks: tuple[str, ...]) -> str:
        address = self._elsewhere(name)
        if address:
            await parts.check(name, self._settings)
            return address
        told = list(webhooks) if name == "livekit" else []
        entry = self._ledger.get(name)
        if entry and entry.alive and entry.digest == ledger.digest(told):
            part = parts.at(name, self._place(webhooks), entry.ports)
            if await soon(part):
                return part.address
        await self._end(name)
        wanted = entry.ports if entry else parts.DEFAULTS[name]
        place = self._place(webhooks, wanted)
        part, _ = await parts.start(partial(parts.create, name, place), partial(self._part_started, told))
        return part.address

    def _part_started(self, told: list[str], part: parts.Part, running: process.Process) -> None:
        self._started(part.name, running, part.ports, told)

    def _started(self, name: str, running: process.Process, numbers: tuple[int, ...], told: object) -> None:
        self._ledger.write(name, ledger.entry(running, numbers, told))
        self._new.append((name, running))

    def _place(self, webhooks: tuple[str, ...] = (), wanted: tuple[int, ...] = ()) -> Place:
        return Place(
            self._root,
            self._settings,
            self._keys,
            keep=True,
            webhooks=webhooks,
            wanted=wanted,
            measuring=True,
        )

    def _variables(self, addresses: Mapping[parts.Name, str]) -> dict[str, str]:
        shared = services.variables(
            addresses["kafka"], addresses["postgres"], addresses["livekit"], self._keys
        )
        given = {name: value for name, value in self._settings.given.items() if name != "COHOST_HTTP_PORT"}
        return {**shared, **given}

    async def _service_up(self, name: str, port: int, variables: Mapping[str, str]) -> None:
        log = self._root / "services" / f"{name}.log"
        copy = services.Copy(name, port, {**self._settings.inherited, **variables}, log)
        entry = self._ledger.get(name)
        if entry and entry.alive and entry.digest == ledger.digest(dict(variables)) and await soon(copy):
            return
        await self._end(name)
        running = await process.start(copy.program())
        self._started(name, running, copy.ports, dict(variables))
        await running.answers(copy.answers)

    async def _end(self, *names: str) -> None:
        entries = [(name, self._ledger.get(name)) for name in names]
        await asyncio.gather(*(entry.end() for _, entry in entries if entry))

    async def _undo(self) -> None:
        await asyncio.gather(*(running.stop() for _, running in reversed(self._new)))

    def _wipe(self) -> None:
        data.wipe(self._root)
        for name in FOLDERS:
            shutil.rmtree(self._root / name, ignore_errors=True)
        for name in FILES:
            (self._root / name).unlink(missing_ok=True)

    async def _part_line(self, name: parts.Name) -> Line:
        address = self._elsewhere(name)
        if address:
            try:
                await parts.check(name, self._settings)
            except StartError:
                return Line(name, "not answering", _shown(address))
            return Line(name, "elsewhere", _shown(address))
        entry = self._ledger.get(name)
        if not entry or not entry.alive:
            return Line(name, "down")
        part = parts.at(name, self._place(), entry.ports)
        state: State = "up" if await part.answers() else "not answering"
        return Line(name, state, _shown(part.address), entry.pid, entry.log)

    async def _service_line(self, name: str) -> Line:
        entry = self._ledger.get(name)
        if not entry or not entry.alive:
            return Line(name, "down")
        url = services.url(entry.ports[0])
        state: State = "up" if await services.ready(url) else "not answering"
        return Line(name, state, url, entry.pid, entry.log)


async def soon(asked: parts.Part | services.Copy) -> bool:
    """Tell whether what runs already answers in time."""
    try:
        async with asyncio.timeout(SECONDS):
            while not await asked.answers():
                await asyncio.sleep(process.PAUSE)
    except TimeoutError:
        return False
    return True


def _shown(address: str) -> str:
    """Return an address without its password."""
    found = urlsplit(address)
    return found._replace(netloc=found.netloc.rpartition("@")[2]).geturl() if found.password else address
