"""Reads of Prometheus, as Grafana makes them."""

import math
import re
from collections.abc import Iterator
from typing import Any

import httpx

_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class PrometheusReader:
    """Queries of one Prometheus."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def scraped_jobs(self) -> dict[str, str]:
        """Return the health of each target by its job."""
        found = await self._read("targets", {"state": "active"})
        return {target["labels"]["job"]: target["health"] for target in found["activeTargets"]}

    async def known_metrics(self) -> set[str]:
        """Return the names of all series."""
        return set(await self._read("label/__name__/values", {}))

    async def used_metrics(self, expression: str) -> set[str]:
        """Return the names that an expression mentions. Raises `AssertionError` if it has a fault."""
        return set(_selector_names(await self._read("parse_query", {"query": expression})))

    async def variable_values(self, query: str) -> list[str]:
        """Return the values of a variable with a query of `label_values`."""
        matched = _LABEL_VALUES.fullmatch(query)
        assert matched, query
        found = await self._read(f"label/{matched['label']}/values", {"match[]": matched["selector"]})
        return list(found)

    async def range_series(self, expression: str, begin: float, end: float) -> list[dict[str, str]]:
        """Return the labels of the series that have a number at any time between the two."""
        period = {"start": str(begin), "end": str(end), "step": "1"}
        found = await self._read("query_range", {"query": expression, **period})
        return [dict(one["metric"]) for one in found["result"] if _has_number(one["values"])]

    async def _read(self, path: str, parameters: dict[str, str]) -> Any:
        answer = await self._http.get(f"/api/v1/{path}", params=parameters)
        assert answer.is_success, f"{parameters}: {answer.text}"
        return answer.json()["data"]


def _has_number(values: list[tuple[float, str]]) -> bool:
    return any(math.isfinite(float(value)) for _, value in values)


def _selector_names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for child in node:
            yield from _selector_names(child)
    elif isinstance(node, dict):
        if node.get("type") in ("vectorSelector", "matrixSelector"):
            yield node["name"]
        for child in node.values():
            yield from _selector_names(child)
