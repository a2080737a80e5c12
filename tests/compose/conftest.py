"""Fixtures: the containers, and the demo connected to them."""

from collections.abc import AsyncIterator

import pytest

from cohost_schemas import topics
from demo.context import DemoContext
from demo.kafka_client import open_kafka_client
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
    house = await project.demo_environment()
    async with open_kafka_client(house.kafka, topics.DEFAULT_PREFIX, CLIENT_TIMEOUT_SECONDS) as client:
        running_demo = DemoContext(house, client, Timeline())
        yield running_demo
        await running_demo.close()
