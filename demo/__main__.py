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

import cohost
from cohost import audit, tokens
from demo import context, steps
from demo.claims import Claim
from demo.context import DemoContext, DemoEnvironment
from demo.timeline import Timeline
from stack import Stack, StartError

PREFIX = f"demo-{secrets.token_hex(4)}."
"""New in every run: an external Kafka still contains the topics of the last run."""

_GRACE_SECONDS = "30"


def main() -> int:
    """Run the demo and return the exit status."""
    argparse.ArgumentParser(prog="python -m demo", description=__doc__).parse_args()
    # The clients log every transient error of a broker that is just starting; the demo prints what matters.
    logging.disable(logging.CRITICAL)
    try:
        return asyncio.run(_run())
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("\ninterrupted\n")
        return 130


async def _run() -> int:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _start_environment() as house:
        playing = await _run_demo(house)
    playing.timeline.print_lines(_summary_lines(playing))
    return 1 if playing.claims.unverified else 0


@contextlib.asynccontextmanager
async def _start_environment() -> AsyncIterator[DemoEnvironment]:
    began = time.monotonic()
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": _GRACE_SECONDS}
    _print_line("Starting Kafka, Postgres and LiveKit (a first run fetches and builds them) …")
    async with Stack() as up:
        _print_line(f"Ready after {time.monotonic() - began:.1f} s. Starting the two services …")
        async with up.run_services(PREFIX, extra_env=grace) as running:
            _print_line(
                f"Everything is ready after {time.monotonic() - began:.1f} s. The demo's clock starts now."
            )
            yield DemoEnvironment(
                up.kafka_bootstrap_servers,
                running.invitations_url,
                running.broadcast_url,
                running.jwt_secret,
                up.livekit_url,
                up.livekit_api_key,
                up.livekit_api_secret,
            )


async def _run_demo(house: DemoEnvironment) -> DemoContext:
    timeline = Timeline()
    token = tokens.sign(house.jwt_secret, context.HOST, ops=True)
    async with cohost.Client(
        house.kafka,
        prefix=PREFIX,
        invitations_url=house.invitations_url,
        broadcast_url=house.broadcast_url,
        token=token,
        source="/demo",
    ) as client:
        session = DemoContext(house, client, timeline)
        async with (
            client.events(room_id=context.ROOM) as events,
            client.badges(room_id=context.ROOM) as badges,
        ):
            following = [
                asyncio.create_task(timeline.follow_events(events)),
                asyncio.create_task(timeline.follow_badges(badges)),
            ]
            try:
                await context.run_steps(session, steps.STEPS)
            finally:
                await session.close()
                for task in following:
                    task.cancel()
                for ended in await asyncio.gather(*following, return_exceptions=True):
                    if isinstance(ended, Exception):
                        timeline.print_failure(f"reading the topics failed: {ended!r}")
    await _audit_topics(session)
    return session


async def _audit_topics(context: DemoContext) -> None:
    context.timeline.print_step("the audit reads all topics again, from the beginning")
    report = await audit.audit(context.environment.kafka, PREFIX)
    for violation in report.violations:
        context.timeline.print_failure(violation)
    if not report.violations and report.commands:
        context.claims.mark_verified(Claim.AUDITED, f"{report.commands} commands, {report.outcomes} outcomes")


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
