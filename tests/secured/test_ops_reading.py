"""What the gateway shows ops of the log, with its documented ACLs and with less."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from cohost.kafka.connection import KafkaConnection
from services.gateway.ops.log_view import LogView
from tests.secured import documented_acls
from tests.secured.documented_acls import Acl
from tests.secured.secured_broker import SecuredBroker

SECONDS = 30
COMMANDS, DEAD_LETTERS = "invitations.commands", "broadcast.dead-letters"


@contextlib.asynccontextmanager
async def read_as_gateway(secured: SecuredBroker) -> AsyncIterator[LogView]:
    """Read during the block, once it is known what may be read."""
    view = LogView(
        KafkaConnection(secured.address, documented_acls.PREFIX, secured.client_options("gateway"))
    )
    reading = asyncio.create_task(view.run())
    view.activity.begin_events()
    try:
        async with asyncio.timeout(SECONDS):
            while view.activity.since is None:
                await asyncio.sleep(0.05)
        yield view
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await view.close()


async def unreadable_of_history(view: LogView) -> tuple[str, ...]:
    async with asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(TimeoutError):
                return (await view.history.read_newest("room", 10)).unreadable


async def test_the_gateway_may_read_all_that_it_shows_ops(secured: SecuredBroker) -> None:
    async with read_as_gateway(secured) as view:
        assert view.activity.unreadable == ()
        assert await unreadable_of_history(view) == ()


async def test_what_the_gateway_may_not_read_is_left_out_and_named(secured: SecuredBroker) -> None:
    def reading(topic: str) -> Acl:
        return Acl("gateway", "Read", "topic", documented_acls.PREFIX + topic)

    # It may write commands, and so describe them; of the dead letters it does not even learn that they exist.
    async with (
        secured.deny_acl(reading(COMMANDS)),
        secured.deny_acl(reading(DEAD_LETTERS)),
        read_as_gateway(secured) as view,
    ):
        assert view.activity.unreadable == (DEAD_LETTERS,)
        assert await unreadable_of_history(view) == (COMMANDS,)
