"""The Quix Streams peer: an environment that pip installs once from locked requirements, and its program."""

import dataclasses
import hashlib
import sys
from pathlib import Path

from bench.environment import BenchRun
from bench.peers import peer
from bench.peers.peer import PeerTraffic
from stack import cache, services, settings
from stack.processes import process
from stack.processes.process import Program

REQUIREMENTS = Path(__file__).with_name("quix") / "requirements.txt"
MODULE = "bench.peers.quix.application"


async def install_environment() -> Path:
    """Return the Python of the peer's environment, which is no part of the project's own."""
    found = settings.load_settings(isolated=True)

    async def build(target: Path) -> None:
        async def run(*command: str) -> None:
            await process.run_program(Program("pip", command, target, target / "log", found.inherited))

        await run(sys.executable, "-m", "venv", str(target))
        locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(REQUIREMENTS))
        await run(str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", *locked)

    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    name = f"quix-peer-{digest}"
    folder = await cache.build_once(found.cache_folder, name, "installing Quix Streams (once)", build)
    return folder / "bin" / "python"


async def prepare_quix(run: BenchRun, made: PeerTraffic) -> Program:
    """Return the application's program."""
    options = {
        "bootstrap_servers": run.bootstrap_servers,
        "prefix": run.prefix,
        "rooms": made.rooms,
        "seed": made.seed,
        "state_folder": str(run.stack.root / f"{run.prefix}state"),
    }
    program = peer.python_program(run, MODULE, options, str(await install_environment()))
    # The project is not installed there.
    path = f"{services.REPOSITORY}:{services.REPOSITORY / 'schemas'}"
    return dataclasses.replace(program, environment={**program.environment, "PYTHONPATH": path})
