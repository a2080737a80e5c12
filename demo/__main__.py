"""`python -m demo`: start everything, run the demo, and exit 1 if any expected step did not happen."""

import argparse
import asyncio
import contextlib
import logging
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from demo import context, steps
from demo.claims import Claim
from demo.context import DemoContext
from demo.http_client import open_http_client
from demo.kafka_client import open_kafka_client
from demo.show_client import DemoEnvironment, ShowClient
from demo.timeline import Timeline
from stack import Stack, StartError

PREFIX = f"demo-{secrets.token_hex(4)}."
"""New in every run: an external Kafka still contains the topics of the last run."""

_GRACE_SECONDS = "30"


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--http", action="store_true", help="play it through the gateway, by HTTP and SSE alone"
    )
    arguments = parser.parse_args()
    # The clients log every transient error of a broker that is just starting; the demo prints what matters.
    logging.disable(logging.CRITICAL)
    try:
        return asyncio.run(_run(http=arguments.http))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("\ninterrupted\n")
        return 130


async def _run(*, http: bool) -> int:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _start_environment() as house, _open_client(house, http=http) as client:
        playing = await _run_demo(house, client)
    playing.timeline.print_lines(_summary_lines(playing))
    return 1 if playing.claims.unverified else 0


@contextlib.asynccontextmanager
async def _start_environment() -> AsyncIterator[DemoEnvironment]:
    began = time.monotonic()
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": _GRACE_SECONDS}
    _print_line("Starting Kafka, Postgres and LiveKit (a first run fetches and builds them) …")
    async with Stack() as up:
        _print_line(f"Ready after {time.monotonic() - began:.1f} s. Starting the services …")
        async with up.run_services(PREFIX, extra_env=grace, with_gateway=True) as running:
            _print_line(
                f"Everything is ready after {time.monotonic() - began:.1f} s. The demo's clock starts now."
            )
            yield DemoEnvironment(
                up.kafka_bootstrap_servers,
                running.invitations_url,
                running.broadcast_url,
                running.gateway_url,
                running.jwt_secret,
                up.livekit_url,
                up.livekit_api_key,
                up.livekit_api_secret,
            )


def _open_client(house: DemoEnvironment, *, http: bool) -> AbstractAsyncContextManager[ShowClient]:
    if http:
        return open_http_client(house.gateway_url, house.jwt_secret)
    return open_kafka_client(house.kafka, PREFIX)


async def _run_demo(house: DemoEnvironment, client: ShowClient) -> DemoContext:
    session = DemoContext(house, client, Timeline())
    try:
        await context.run_steps(session, steps.STEPS)
    finally:
        await session.close()
    await context.verify_outcomes(session)
    return session


def _summary_lines(context: DemoContext) -> list[tuple[bool, str]]:
    broken = context.claims.unverified
    verdict = f"{len(broken)} of {len(Claim)} claims not verified" if broken else "every claim is verified"
    return [
        (True, ""),
        *context.claims.table(),
        (True, ""),
        (not broken, f"Result: {verdict}."),
        *((False, f"MISSING: {claim}") for claim in broken),
    ]


def _print_line(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the show


if __name__ == "__main__":
    sys.exit(main())
