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
from demo import scenes, show
from demo.claims import Claim
from demo.show import House, Show
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
        return asyncio.run(_perform())
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("\ninterrupted\n")
        return 130


async def _perform() -> int:
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _house() as house:
        playing = await _play(house)
    playing.timeline.lines(_summary(playing))
    return 1 if playing.claims.broken else 0


@contextlib.asynccontextmanager
async def _house() -> AsyncIterator[House]:
    began = time.monotonic()
    grace = {"COHOST_RECONNECT_GRACE_SECONDS": _GRACE_SECONDS}
    _say("Starting Kafka, Postgres and LiveKit (a first run fetches and builds them) …")
    async with Stack() as up:
        _say(f"Ready after {time.monotonic() - began:.1f} s. Starting the two services …")
        async with up.services(PREFIX, extra_env=grace) as running:
            _say(f"Everything is ready after {time.monotonic() - began:.1f} s. The demo's clock starts now.")
            yield House(
                up.kafka_bootstrap_servers,
                running.invitations_url,
                running.broadcast_url,
                running.jwt_secret,
                up.livekit_url,
                up.livekit_api_key,
                up.livekit_api_secret,
            )


async def _play(house: House) -> Show:
    timeline = Timeline()
    token = tokens.sign(house.jwt_secret, show.HOST, ops=True)
    async with cohost.Client(
        house.kafka,
        prefix=PREFIX,
        invitations_url=house.invitations_url,
        broadcast_url=house.broadcast_url,
        token=token,
        source="/demo",
    ) as client:
        playing = Show(house, client, timeline)
        async with client.events(room_id=show.ROOM) as events, client.badges(room_id=show.ROOM) as badges:
            following = [
                asyncio.create_task(timeline.follow_events(events)),
                asyncio.create_task(timeline.follow_badges(badges)),
            ]
            try:
                await show.play(playing, scenes.ALL)
            finally:
                await playing.close()
                for task in following:
                    task.cancel()
                for ended in await asyncio.gather(*following, return_exceptions=True):
                    if isinstance(ended, Exception):
                        timeline.wrong(f"reading the topics failed: {ended!r}")
    await _audit(playing)
    return playing


async def _audit(playing: Show) -> None:
    playing.timeline.say("the audit reads all topics again, from the beginning")
    report = await audit.audit(playing.house.kafka, PREFIX)
    for violation in report.violations:
        playing.timeline.wrong(violation)
    if not report.violations and report.commands:
        playing.claims.kept(Claim.AUDITED, f"{report.commands} commands, {report.outcomes} outcomes")


def _summary(playing: Show) -> list[tuple[bool, str]]:
    broken = playing.claims.broken
    verdict = f"{len(broken)} of {len(Claim)} claims not verified" if broken else "every claim is verified"
    return [
        (True, ""),
        *playing.claims.table(),
        (True, ""),
        (not broken, f"Result: {verdict}."),
        *((False, f"MISSING: {claim}") for claim in broken),
    ]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the show


if __name__ == "__main__":
    sys.exit(main())
