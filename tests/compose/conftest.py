"""Fixtures: the containers, and the demo connected to them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

import cohost
from cohost import tokens
from demo import context
from demo.context import DemoContext
from demo.timeline import Timeline
from tests.compose.compose_project import ComposeProject, run_compose_project

CLIENT_TIMEOUT_SECONDS = 60


@pytest.fixture(scope="session")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ComposeProject]:
    async with run_compose_project(tmp_path_factory.mktemp("compose")) as project:
        yield project


@pytest.fixture(scope="session")
async def running_demo(project: ComposeProject) -> AsyncIterator[DemoContext]:
    """The demo against the containers, with its events recorded."""
    house, timeline = await project.demo_environment(), Timeline()
    async with cohost.Client(
        house.kafka,
        invitations_url=house.invitations_url,
        broadcast_url=house.broadcast_url,
        token=lambda: tokens.sign(house.jwt_secret, context.HOST, ops=True),
        source="/tests",
        timeout=CLIENT_TIMEOUT_SECONDS,
    ) as client:
        running_demo = DemoContext(house, client, timeline)
        async with (
            client.events(room_id=context.ROOM) as events,
            client.badges(room_id=context.ROOM) as badges,
        ):
            following = [
                asyncio.create_task(timeline.follow_events(events)),
                asyncio.create_task(timeline.follow_badges(badges)),
            ]
            yield running_demo
            await running_demo.close()
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
