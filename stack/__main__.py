"""The local stack at the command line: `python -m stack up|down|status|wipe`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from stack import kept, services
from stack.errors import StartError

ROOT = services.REPOSITORY / ".stack"


def main(words: list[str] | None = None) -> int:
    """Do what the words say; 0 is that all is well."""
    arguments = _parser().parse_args(words)
    stack = kept.Kept(arguments.root.resolve())
    try:
        return asyncio.run(_do(stack, arguments))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("interrupted\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of data, logs and `env`")
    actions = parser.add_subparsers(dest="action", required=True)
    up = actions.add_parser("up", help="start what does not run, and write `env`")
    up.add_argument("--parts-only", action="store_true", help="without the two services")
    down = actions.add_parser("down", help="end everything; the data stay")
    down.add_argument("--wipe", action="store_true", help="remove the data as well")
    actions.add_parser("status", help="say what runs where; the exit status is 1 unless all is up")
    actions.add_parser("wipe", help="the same as down --wipe")
    return parser


async def _do(stack: kept.Kept, arguments: argparse.Namespace) -> int:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if arguments.action == "up":
        await stack.up(with_services=not arguments.parts_only)
    elif arguments.action in ("down", "wipe"):
        await stack.down(wipe=arguments.action == "wipe" or arguments.wipe)
        return 0
    lines = await stack.status()
    for line in lines:
        sys.stdout.write(_row(line))
    env = arguments.root / "env"
    if env.exists():
        sys.stdout.write(f"the variables: {env}\n")
    return 0 if arguments.action == "up" or all(line.state in ("up", "elsewhere") for line in lines) else 1


def _row(line: kept.Line) -> str:
    pid = f"pid {line.pid}" if line.pid else ""
    return f"{line.name:<12} {line.state:<14} {pid:<12} {line.address}".rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
