"""A Kafka that is slow and not dead: a proxy in front of a broker delays exactly one kind of request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiokafka.protocol import API_KEYS

from stack import components, ports, settings
from stack.servers.kafka import Kafka
from stack.settings import ComponentContext

DELAY_SECONDS = 7.0
"""Longer than the pipeline's time-outs of a transaction and of a request."""

_CONFIG = """\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SLOW://127.0.0.1:{behind}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SLOW://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SLOW:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""
_SIZE_BYTES, _API_KEY_BYTES = 4, 2


@dataclass
class SlowKafka:
    """A broker at `direct_address`, and behind the proxy at `slow_address`.

    Requests named `slow_request`, by Kafka's names, reach the broker late; `delayed` counts them.
    """

    direct_address: str
    slow_address: str
    slow_request: str | None = None
    delayed: int = 0

    def delay_requests(self, name: str | None) -> None:
        """Delay the requests of this name from now on, or none."""
        self.slow_request = name
        self.delayed = 0

    async def forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter, port: int) -> None:
        """Forward a client's connection to the broker's port."""
        from_broker, broker = await asyncio.open_connection(ports.ADDRESS, port)
        tasks = [
            asyncio.create_task(self._forward_requests(client, broker)),
            asyncio.create_task(_copy(from_broker, to_client)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in (broker, to_client):
                writer.close()

    async def _forward_requests(self, client: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = await client.readexactly(_SIZE_BYTES)
                request = await client.readexactly(int.from_bytes(size))
                if API_KEYS.get(int.from_bytes(request[:_API_KEY_BYTES])) == self.slow_request:
                    self.delayed += 1
                    await asyncio.sleep(DELAY_SECONDS)
                broker.write(size + request)
                await broker.drain()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()


@contextlib.asynccontextmanager
async def run_slow_kafka(folder: Path) -> AsyncIterator[SlowKafka]:
    """Run a broker and the proxy in front of it."""
    behind, proxy = ports.reserve_ports((), 2)
    context = ComponentContext(folder, settings.load_settings(isolated=True), settings.generate_secrets())

    def create() -> Kafka:
        port, controller = ports.reserve_ports((), 2)
        config = _CONFIG.format(port=port, controller=controller, behind=behind, proxy=proxy)
        return Kafka(context, (port, controller), extra_config=config)

    component, process = await components.start_component(create)
    slow = SlowKafka(component.address, f"{ports.ADDRESS}:{proxy}")
    server = await asyncio.start_server(
        lambda client, to_client: slow.forward(client, to_client, behind), ports.ADDRESS, proxy
    )
    try:
        yield slow
    finally:
        server.close()
        process.kill()
        await process.stop()
        ports.release_ports(*component.ports, behind, proxy)
