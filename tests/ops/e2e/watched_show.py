"""Services, gateway and servers of their own, watched by a real Prometheus with all rules."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml
from aiokafka import AIOKafkaProducer

from cohost import tokens
from cohost_schemas import topics
from cohost_schemas.topics import Topic
from demo.show_client import DemoEnvironment
from stack import Stack, components, ports, services, settings
from stack.processes.process import Process, run_concurrently
from stack.servers.livekit import LiveKit
from stack.services import ServiceProcess
from stack.settings import ComponentContext, StackSecrets
from tests.contract.polling import wait_until
from tests.ops import alert_rules

PREFIX = "watched."
LANES = topics.DEFAULT_PARTITIONS
ALERT_SECONDS = 90.0
_SERVERS = ("kafka", "postgres")


def write_quick_configuration(folder: Path) -> Path:
    """Write the configuration with a look every two seconds and four seconds in place of every `for`.

    The expressions stay as they are.
    """
    (folder / "rules").mkdir(parents=True)
    for name, rules in alert_rules.rule_files().items():
        for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "4s"
        (folder / "rules" / name).write_text(yaml.safe_dump(rules))
    config = yaml.safe_load((alert_rules.CONFIGURATION / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "2s", "evaluation_interval": "1s"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return folder


@dataclass
class WatchedShow:
    """Processes by name, and how to start each again; alerts as Prometheus has them."""

    stack: Stack
    parts: dict[str, ServiceProcess | LiveKit]
    processes: dict[str, Process]
    secrets: StackSecrets
    database_url: str
    prometheus_url: str
    well_since: float = 0.0

    @property
    def environment(self) -> DemoEnvironment:
        """Addresses and secrets for the demo's participants."""
        return DemoEnvironment(
            self.stack.kafka_bootstrap_servers,
            *(self.parts[name].address for name in ("invitations", "broadcast", "gateway")),
            self.secrets.jwt_secret,
            self.parts["livekit"].address,
            self.secrets.livekit_key,
            self.secrets.livekit_secret,
        )

    async def query(self, expression: str) -> list[dict[str, str]]:
        """Return the labels of each series of an instant query."""
        return [series["metric"] for series in (await self._ask("query", query=expression))["result"]]

    async def metric_names(self) -> set[str]:
        """Return the names of all metrics that Prometheus has."""
        return set(await self._ask("label/__name__/values"))

    async def _ask(self, path: str, **parameters: str) -> Any:
        async with httpx.AsyncClient(trust_env=False) as web:
            answer = await web.get(f"{self.prometheus_url}/api/v1/{path}", params=parameters)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    async def fired_alerts(self) -> set[str]:
        """Return the names of the alerts that have fired since everything was well at first."""
        seconds = int(time.time() - self.well_since)
        firing = f'max_over_time(ALERTS{{alertstate="firing"}}[{seconds}s])'
        fired = await self.query(f"count by (alertname) ({firing})")
        return {labels["alertname"] for labels in fired}

    async def wait_for_alert(self, name: str, **labels: str) -> None:
        """Wait until an alert with these labels is firing."""
        selector = "".join(f',{label}="{value}"' for label, value in labels.items())
        expression = f'ALERTS{{alertname="{name}",alertstate="firing"{selector}}}'
        await wait_until(partial(self.query, expression), f"{expression} to fire", ALERT_SECONDS)

    async def restart(self, name: str, part: ServiceProcess | LiveKit | None = None) -> None:
        """Start a process of the show again, perhaps with another configuration."""
        await self.processes[name].stop()
        self.processes[name] = await components.launch_component(part or self.parts[name])

    async def restart_livekit_with_another_key(self) -> StackSecrets:
        """Start LiveKit again with another key, which it also signs webhooks with, and return that."""
        livekit = self.parts["livekit"]
        assert isinstance(livekit, LiveKit)
        keys = settings.generate_secrets()
        await self.restart("livekit", replace(livekit, context=replace(livekit.context, secrets=keys)))
        return keys

    async def wait_until_well(self) -> None:
        """Wait until every process is up and ready, and owns its lanes, by scrapes from now on."""
        well = f"min(cohost_ready) == 1 and sum(up) == {len(self.parts)} and sum(cohost_lanes) == {2 * LANES}"
        expression = f"{well} and min(timestamp(up)) > {time.time() + 1}"
        await wait_until(partial(self.query, expression), "everything to be well", ALERT_SECONDS)

    async def send_records(self, topic: Topic, values: Iterable[bytes], key: str, lane: int) -> None:
        """Write records as a foreign program would, into a lane of its choice."""
        async with AIOKafkaProducer(bootstrap_servers=self.stack.kafka_bootstrap_servers) as producer:
            name, options = topic.full_name(PREFIX), {"key": key.encode(), "partition": lane}
            sent = [await producer.send(name, value, **options) for value in values]
            await asyncio.gather(*sent)

    @contextlib.asynccontextmanager
    async def open_transaction(self, topic: Topic, value: bytes, key: str, lane: int) -> AsyncIterator[None]:
        """Write a record in a transaction that stays open during the block, and abort it."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka_bootstrap_servers,
            transactional_id=secrets.token_hex(8),
            transaction_timeout_ms=300_000,
        ) as writer:
            await writer.begin_transaction()
            await writer.send_and_wait(topic.full_name(PREFIX), value, key=key.encode(), partition=lane)
            try:
                yield
            finally:
                await writer.abort_transaction()

    async def post_to_gateway(
        self, path: str, user: str, body: Any = None, wait_seconds: int = 0
    ) -> httpx.Response:
        """Post a command as a user, and wait for its outcome for so many seconds."""
        token = tokens.sign(self.secrets.jwt_secret, user)
        headers = {"Authorization": f"Bearer {token}", "Prefer": f"wait={wait_seconds}"}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as web:
            return await web.post(self.parts["gateway"].address + path, headers=headers, json=body)


@contextlib.asynccontextmanager
async def run_watched_show(folder: Path) -> AsyncIterator[WatchedShow]:
    """Run everything during the block; Prometheus looks at it once it is ready."""
    configuration = write_quick_configuration(folder / "configuration")
    async with Stack(components=_SERVERS, isolated=True) as stack, AsyncExitStack() as ending:
        numbers = {name: (ports.reserve_port(),) for name in services.PROCESS_PORTS}
        keys = settings.generate_secrets()
        context = ComponentContext(
            folder, settings.load_settings(isolated=True), keys, services.webhook_url(*numbers["broadcast"])
        )
        livekit = LiveKit(context, ports.reserve_ports((), len(components.COMPONENT_PORTS["livekit"])))
        database_url = await stack.create_service_database("watched")
        variables = {
            **stack.inherited,
            **services.service_variables(
                stack.kafka_bootstrap_servers, database_url, livekit.address, keys, PREFIX
            ),
            "COHOST_UNKNOWN_USERS": "accept",
        }
        parts: dict[str, ServiceProcess | LiveKit] = {"livekit": livekit}
        processes = {name: stack.process_of(name) for name in _SERVERS}

        async def start(name: str) -> None:
            if name != "livekit":
                parts[name] = ServiceProcess(name, numbers[name], dict(variables), folder / f"{name}.log")
            processes[name] = await components.launch_component(parts[name])
            ending.push_async_callback(stop, name)

        async def stop(name: str) -> None:
            await processes[name].stop()

        await start("livekit")
        await run_concurrently(*map(start, services.SERVICE_PORTS))
        variables |= services.url_variables(*(parts[name].address for name in services.SERVICE_PORTS))
        await start(services.GATEWAY)
        targets = {name: [part.metrics_address] for name, part in parts.items()}
        url = await ending.enter_async_context(stack.run_prometheus(targets, configuration))
        show = WatchedShow(stack, parts, processes, keys, database_url, url)
        await show.wait_until_well()
        # Until Prometheus has looked at everything for the first time, it is absent.
        quiet = 'absent(ALERTS{alertstate="firing"})'
        await wait_until(partial(show.query, quiet), "the alerts of the start to end", ALERT_SECONDS)
        show.well_since = time.time()
        yield show
