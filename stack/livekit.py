"""One LiveKit server on the loopback address, built once from its source."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt

from stack import cache, ports, process, toolchain
from stack.place import Place

VERSION = "1.13.5"
MODULE = f"github.com/livekit/livekit-server/cmd/server@v{VERSION}"
PORTS = (7880, 7881, 7882)


@dataclass(frozen=True, slots=True)
class LiveKit:
    """A server on three ports: its API's, and those for media over TCP and UDP."""

    place: Place
    port: int
    tcp: int
    udp: int

    name = "livekit"

    @property
    def folder(self) -> Path:
        """Where configuration and log lie."""
        return self.place.root / self.name

    @property
    def address(self) -> str:
        """The URL that clients and services take."""
        return f"ws://{ports.ADDRESS}:{self.port}"

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that it takes."""
        return (self.port, self.tcp, self.udp)

    async def program(self) -> process.Program:
        """Build LiveKit where it is missing, write its configuration, and return what to run."""
        doing = f"building LiveKit {VERSION} (about 90 s, once)"
        built = await cache.obtain(self.place.settings.cache, f"livekit-{VERSION}", doing, self._build)
        self.folder.mkdir(parents=True, exist_ok=True)
        ports.let_go(self.udp)
        config = self.folder / "config.yaml"
        config.touch(mode=0o600)
        # Every JSON document is a YAML document.
        config.write_text(json.dumps(self.config(), indent=2))
        return process.Program(
            name="LiveKit",
            command=(str(built / "server"), "--config", str(config)),
            folder=self.folder,
            log=self.folder / "log",
            environment=self.place.settings.inherited,
            # Asked once, it waits for its participants to leave; it keeps nothing that a kill could harm.
            patience=0.5,
            remove=() if self.place.keep else (self.folder,),
            within=self.place.temporary,
        )

    async def answers(self) -> bool:
        """Ask for the rooms; a server with another key is none of ours."""
        return await reachable(self.address, self.place.keys.livekit_key, self.place.keys.livekit_secret)

    def config(self) -> dict[str, object]:
        """Return what the server is told."""
        keys, webhooks = self.place.keys, list(self.place.webhooks)
        report = {"webhook": {"api_key": keys.livekit_key, "urls": webhooks}} if webhooks else {}
        return {
            "port": self.port,
            "bind_addresses": [ports.ADDRESS],
            "rtc": {
                "tcp_port": self.tcp,
                "udp_port": self.udp,
                "node_ip": ports.ADDRESS,
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "ips": {"includes": ["127.0.0.0/8"]},
            },
            "keys": {keys.livekit_key: keys.livekit_secret},
            "room": {"auto_create": False},
            **report,
        }

    async def _build(self, target: Path) -> None:
        await process.run(
            process.Program(
                name="the build of LiveKit",
                command=(str(toolchain.go()), "install", MODULE),
                folder=target,
                log=target / "log",
                environment={
                    **self.place.settings.inherited,
                    "GOBIN": str(target),
                    "GOFLAGS": "-buildvcs=false",
                },
            )
        )


async def reachable(url: str, key: str, secret: str) -> bool:
    """Tell whether a LiveKit answers that knows this key."""
    claims = {"iss": key, "exp": int(time.time()) + 60, "video": {"roomList": True}}
    token = jwt.encode(claims, secret, algorithm="HS256")
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            answer = await client.post(
                f"{re.sub('^ws', 'http', url)}/twirp/livekit.RoomService/ListRooms",
                headers={"Authorization": f"Bearer {token}"},
                json={},
            )
    except httpx.HTTPError:
        return False
    return answer.is_success
