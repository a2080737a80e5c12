"""Local LiveKit: one server, built once from its source."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt

from stack import cache, ports, toolchain
from stack.processes import process
from stack.settings import ComponentContext

VERSION = "1.13.5"
MODULE = f"github.com/livekit/livekit-server/cmd/server@v{VERSION}"


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A server on four ports: for its API, for media over TCP and over UDP, and for its metrics."""

    context: ComponentContext
    ports: tuple[int, ...]

    name = "livekit"

    @property
    def address(self) -> str:
        """The URL for clients and services."""
        return f"ws://{ports.ADDRESS}:{self.ports[0]}"

    @property
    def metrics_address(self) -> str:
        """Host and port of its Prometheus metrics."""
        return f"{ports.ADDRESS}:{self.ports[3]}"

    async def prepare_program(self) -> process.Program:
        """Build LiveKit if it is missing, write its configuration, and return the program to run."""
        doing = f"building LiveKit {VERSION} (about 90 s, once)"
        built = await cache.build_once(
            self.context.settings.cache_folder, f"livekit-{VERSION}", doing, self._build_server
        )
        folder = self.context.root / self.name
        folder.mkdir(parents=True, exist_ok=True)
        ports.unbind_udp(self.ports[2])
        config = folder / "config.yaml"
        config.touch(mode=0o600)
        # Every JSON document is a YAML document.
        config.write_text(json.dumps(self.server_config(), indent=2))
        return process.Program(
            name="LiveKit",
            command=(str(built / "server"), "--config", str(config)),
            folder=folder,
            log=folder / "log",
            environment=self.context.settings.inherited,
            # After one signal it waits for its participants; it stores nothing that a kill could harm.
            stop_timeout=0.5,
        )

    async def is_ready(self) -> bool:
        """Return whether this server lists its rooms; another one on the port has another key."""
        keys = self.context.secrets
        claims = {"iss": keys.livekit_key, "exp": int(time.time()) + 60, "video": {"roomList": True}}
        token = jwt.encode(claims, keys.livekit_secret, algorithm="HS256")
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                answer = await client.post(
                    f"http://{ports.ADDRESS}:{self.ports[0]}/twirp/livekit.RoomService/ListRooms",
                    headers={"Authorization": f"Bearer {token}"},
                    json={},
                )
        except httpx.HTTPError:
            return False
        return answer.is_success

    def server_config(self) -> dict[str, object]:
        """Return the server's configuration."""
        keys = self.context.secrets
        api, tcp, udp, metrics = self.ports
        return {
            "port": api,
            "bind_addresses": [ports.ADDRESS],
            "prometheus": {"port": metrics},
            "rtc": {
                "tcp_port": tcp,
                "udp_port": udp,
                "node_ip": ports.ADDRESS,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "ips": {"includes": ["127.0.0.0/8"]},
            },
            "keys": {keys.livekit_key: keys.livekit_secret},
            "room": {"auto_create": False},
            "webhook": {"api_key": keys.livekit_key, "urls": [self.context.webhook_url]},
        }

    async def _build_server(self, target: Path) -> None:
        command = (str(toolchain.find_go()), "install", MODULE)
        options = {"GOBIN": str(target), "GOFLAGS": "-buildvcs=false"}
        environment = {**self.context.settings.inherited, **options}
        await process.run_program(
            process.Program("the build of LiveKit", command, target, target / "log", environment)
        )
