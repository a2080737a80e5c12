"""The background stack on the command line: `python -m stack up|down|status|wipe|promtool`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from stack import StartError, background, services, settings
from stack.servers import prometheus

ROOT = services.REPOSITORY / ".stack"


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status; 0 means success."""
    arguments = _parser().parse_args(argv)
    try:
        return asyncio.run(_run_action(background.BackgroundStack(arguments.root.resolve()), arguments))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("interrupted\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of data, logs and `env`")
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start everything that does not run, and write `env`")
    up.add_argument("--parts-only", action="store_true", help="without the services and the gateway")
    up.add_argument("--observe", action="store_true", help="with Prometheus, which scrapes all of it")
    promtool = actions.add_parser("promtool", help="run Prometheus' tool, such as `promtool check rules …`")
    promtool.add_argument("words", nargs=argparse.REMAINDER)
    actions.add_parser("down", help="stop everything; the data are kept")
    actions.add_parser("status", help="show the state of everything; exit with 1 unless all is up")
    actions.add_parser("wipe", help="stop everything and remove the data")
    return parser


async def _run_action(stack: background.BackgroundStack, arguments: argparse.Namespace) -> int:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if arguments.action == "promtool":
        return await _run_promtool(arguments.words)
    if arguments.action in ("down", "wipe"):
        await stack.down(wipe=arguments.action == "wipe")
        return 0
    if arguments.action == "up":
        await stack.up(with_services=not arguments.parts_only, with_prometheus=arguments.observe)
        if unbuilt := services.unbuilt_pages():
            sys.stderr.write(f"not built: {', '.join(unbuilt)}. `make web` does, with Node.js 20.19.\n")
    lines = await stack.status()
    for line in lines:
        pid = f"pid {line.pid}" if line.pid else ""
        sys.stdout.write(f"{line.name:<12} {line.state:<14} {pid:<12} {line.address}".rstrip() + "\n")
    if (arguments.root / "env").exists():
        sys.stdout.write(f"the variables: {arguments.root / 'env'}\n")
    return 0 if arguments.action == "up" or all(line.state in ("up", "elsewhere") for line in lines) else 1


async def _run_promtool(words: list[str]) -> int:
    built = await prometheus.build_prometheus(settings.load_settings())
    running = await asyncio.create_subprocess_exec(built / "promtool", *words)
    return await running.wait()


if __name__ == "__main__":
    sys.exit(main())
