"""Local Prometheus: one server and its tool `promtool`, built once from their source."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from stack import cache, ports, toolchain
from stack.processes import process
from stack.settings import ComponentContext, Settings

VERSION = "3.13.5"
MODULE = "github.com/prometheus/prometheus@v0.313.5"
MODULE_SUM = "h1:5/kewqSFNlHQa9NqZxrOkXCBlEuJOvb+8gFOUxSWFv0="
CONFIGURATION = Path(__file__).resolve().parents[2] / "ops" / "prometheus"
# Without the clients of clouds that could list targets: they are most of the code.
BUILD_OPTIONS = (
    *("-tags", "remove_all_sd,enable_dns_sd,netgo", "-trimpath"),
    *("-ldflags", f"-s -w -X github.com/prometheus/common/version.Version={VERSION}"),
)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server on one port. It scrapes `targets`, which are addresses by job, and evaluates the rules.

    `configuration` is a folder with `prometheus.yml` and `rules/`; the targets replace its `scrape.yml`.
    """

    context: ComponentContext
    ports: tuple[int, ...]
    targets: Mapping[str, Sequence[str]]
    configuration: Path = CONFIGURATION

    name = "prometheus"

    @property
    def address(self) -> str:
        """The URL of its HTTP interface; this build has no pages to look at."""
        return f"http://{ports.ADDRESS}:{self.ports[0]}"

    @property
    def config_files(self) -> dict[str, str]:
        """The texts of its configuration by path."""
        jobs = [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in self.targets.items()
        ]
        rules = sorted((self.configuration / "rules").glob("*.yml"))
        return {
            "prometheus.yml": (self.configuration / "prometheus.yml").read_text(),
            # Every JSON document is a YAML document.
            "scrape.yml": json.dumps({"scrape_configs": jobs}, indent=2),
            **{f"rules/{path.name}": path.read_text() for path in rules},
        }

    async def prepare_program(self) -> process.Program:
        """Build Prometheus if it is missing, write its configuration, and return the program to run."""
        built = await build_prometheus(self.context.settings)
        folder = self.context.root / self.name
        shutil.rmtree(folder / "config", ignore_errors=True)
        (folder / "config" / "rules").mkdir(parents=True)
        for path, text in self.config_files.items():
            (folder / "config" / path).write_text(text)
        return process.Program(
            name="Prometheus",
            command=(
                str(built / "prometheus"),
                f"--config.file={folder / 'config' / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={ports.ADDRESS}:{self.ports[0]}",
            ),
            folder=folder,
            log=folder / "log",
            environment=self.context.settings.inherited,
        )

    async def is_ready(self) -> bool:
        """Return whether it has read its data and runs with this very configuration."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                ready = await client.get(f"{self.address}/-/ready")
                flags = await client.get(f"{self.address}/api/v1/status/flags")
        except httpx.HTTPError:
            return False
        data = str(self.context.root / self.name / "data")
        return ready.is_success and flags.is_success and flags.json()["data"]["storage.tsdb.path"] == data


async def build_prometheus(settings: Settings) -> Path:
    """Return the folder of `prometheus` and `promtool`, which are built if they are missing."""
    doing = f"building Prometheus {VERSION} (two minutes or three, once)"
    return await cache.build_once(
        settings.cache_folder,
        f"prometheus-{VERSION}",
        doing,
        lambda target: _build_programs(settings, target),
    )


async def _build_programs(settings: Settings, target: Path) -> None:
    """Build both programs in the module's own folder.

    `go install` refuses a module that replaces another one. There the versions and checksums of all other
    modules are those of the release.
    """
    module = await _download_module(settings, target)
    packages = ("./cmd/prometheus", "./cmd/promtool")
    await _run_go(settings, target / "log", module, "build", *BUILD_OPTIONS, "-o", f"{target}/", *packages)


async def _download_module(settings: Settings, target: Path) -> Path:
    """Return the folder of the module's source. Raises `StartError` if its checksum is another one."""
    log = target / "module.json"
    await _run_go(settings, log, target, "mod", "download", "-json", MODULE)
    output = log.read_text()
    found: dict[str, Any] = json.loads(output[output.index("{\n") :])
    if found["Sum"] != MODULE_SUM:
        raise process.StartError(MODULE, f"has the checksum {found['Sum']} instead of {MODULE_SUM}")
    return Path(found["Dir"])


async def _run_go(settings: Settings, log: Path, folder: Path, *words: str) -> None:
    # The module's workspace names folders that are not part of it.
    options = {"GOFLAGS": "-buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
    command = (str(toolchain.find_go()), *words)
    await process.run_program(
        process.Program("the build of Prometheus", command, folder, log, {**settings.inherited, **options})
    )
