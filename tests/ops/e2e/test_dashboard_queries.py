"""Every query of the dashboards has an answer on a Prometheus that observes a show and its failures."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ops import dashboards
from tests.ops.dashboards import Query
from tests.ops.e2e import observed_show
from tests.ops.e2e.observed_show import ObservedStack
from tests.ops.e2e.prometheus_reader import PrometheusReader

_SECONDS = 120
_WINDOW = "10s"
_LEGEND_LABEL = re.compile(r"\{\{(\w+)\}\}")
# These begin with the first failure, which no quiet system has.
_FAILURES = (
    f"rate(cohost_recoveries_total[{_WINDOW}])",
    f'rate(cohost_livekit_calls_total{{result!~"ok|not_found"}}[{_WINDOW}])',
    f'rate(cohost_http_seconds_count{{job="gateway",route!="-",status=~"5.."}}[{_WINDOW}])',
)

every_dashboard = pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)


@dataclass(frozen=True)
class Observation:
    """A show that was played, from its beginning to its end."""

    prometheus: PrometheusReader
    began_at: float
    ended_at: float

    async def select_all(self, dashboard: dict[str, Any], choice: dict[str, str]) -> dict[str, str]:
        """Return the value of each variable when all values of its query are selected."""
        variables = dict(choice)
        for query in dashboards.query_variables(dashboard):
            values = await self.prometheus.variable_values(_fill_variables(query.expression, variables))
            variables[query.place] = "|".join(values)
        return variables

    async def find_series(self, query: Query, variables: dict[str, str]) -> list[dict[str, str]]:
        """Return the series of a panel's query that have a number."""
        expression = _fill_variables(query.expression, variables)
        return await self.prometheus.range_series(expression, self.began_at, self.ended_at)


@pytest.fixture(scope="module")
async def observation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observation]:
    async with observed_show.run_observed_stack(tmp_path_factory.mktemp("observed")) as observed:
        await _wait_until(lambda: _is_scraped(observed.prometheus))
        await observed_show.play_show(observed)
        await _fail_once(observed)
        yield Observation(observed.prometheus, observed.began_at, time.time())


async def _is_scraped(prometheus: PrometheusReader) -> bool:
    return set((await prometheus.scraped_jobs()).values()) == {"up"}


async def _fail_once(observed: ObservedStack) -> None:
    """Stop Postgres and LiveKit until the metrics show it, and start them again."""
    for name in ("livekit", "postgres"):
        await observed.stack.process_of(name).stop()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:

        async def has_failed() -> bool:
            await http.get(f"{observed.services.broadcast_url}/readyz")
            await http.get(f"{observed.services.gateway_url}/readyz")
            found = [
                await observed.prometheus.range_series(expression, observed.began_at, time.time())
                for expression in _FAILURES
            ]
            return all(found)

        await _wait_until(has_failed)
    for name in ("postgres", "livekit"):
        await observed.stack.restart(name)


@every_dashboard
async def test_queries_use_known_metrics_only(path: Path, observation: Observation) -> None:
    known = await observation.prometheus.known_metrics()
    dashboard = dashboards.read_dashboard(path)
    unknown = {
        query.place: names
        for query in dashboards.panel_queries(dashboard)
        if (names := await _used_metrics(observation, query) - known)
    }
    assert unknown == {}


@every_dashboard
async def test_variables_have_values(path: Path, observation: Observation) -> None:
    for choice in dashboards.fixed_choices(dashboard := dashboards.read_dashboard(path)):
        assert [
            name for name, value in (await observation.select_all(dashboard, choice)).items() if not value
        ] == []


@every_dashboard
async def test_no_panel_is_empty(path: Path, observation: Observation) -> None:
    dashboard = dashboards.read_dashboard(path)
    empty = []
    for choice in dashboards.fixed_choices(dashboard):
        variables = await observation.select_all(dashboard, choice)
        empty += [
            (query.place, choice)
            for query in dashboards.panel_queries(dashboard)
            if not await observation.find_series(query, variables)
        ]
    assert empty == []


@every_dashboard
async def test_legends_name_labels_that_the_series_have(path: Path, observation: Observation) -> None:
    dashboard = dashboards.read_dashboard(path)
    variables = await observation.select_all(dashboard, next(dashboards.fixed_choices(dashboard)))
    wrong = {}
    for query in dashboards.panel_queries(dashboard):
        named = set(_LEGEND_LABEL.findall(query.legend))
        for labels in await observation.find_series(query, variables):
            if missing := named - labels.keys():
                wrong[query.place] = missing
    assert wrong == {}


async def _used_metrics(observation: Observation, query: Query) -> set[str]:
    expression = _fill_variables(query.expression, {})
    return await observation.prometheus.used_metrics(expression)


def _fill_variables(expression: str, variables: dict[str, str]) -> str:
    """Return the expression as Grafana sends it."""
    for name, value in {"__rate_interval": _WINDOW, **variables}.items():
        expression = expression.replace(f"${name}", value)
    return expression


async def _wait_until(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    async with asyncio.timeout(_SECONDS):
        while not await condition():
            await asyncio.sleep(0.2)
