"""The committed dashboards as their readers see them: JSON, panels, queries and variables."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.grafana.__main__ import FOLDER

FILES = sorted(FOLDER.glob("*.json"))
_PLACELESS = ("row", "text")


@dataclass(frozen=True)
class Query:
    """A query of a panel or of a variable, and where it stands; a variable's has no legend."""

    place: str
    expression: str
    legend: str = ""


def read_dashboard(path: Path) -> dict[str, Any]:
    """Return a dashboard's JSON."""
    return dict(json.loads(path.read_text()))


def data_panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the panels that show data."""
    return [panel for panel in dashboard["panels"] if panel["type"] not in _PLACELESS]


def panel_queries(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Return every query of every panel."""
    for panel in data_panels(dashboard):
        for target in panel["targets"]:
            place = f"{dashboard['title']} / {panel['title']} / {target['refId']}"
            yield Query(place, target["expr"], target["legendFormat"])


def query_variables(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Return the query of each variable that has one, in their order; the place is the variable's name."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Query(variable["name"], variable["query"]["query"])


def fixed_choices(dashboard: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Return each choice of values for the variables that offer a fixed list, the initial one first."""
    variables = [each for each in dashboard["templating"]["list"] if each["type"] == "custom"]
    offered = [
        [(variable["name"], choice.partition(" : ")[2]) for choice in variable["query"].split(", ")]
        for variable in variables
    ]
    return map(dict, itertools.product(*offered))


def linked_runbooks(dashboard: Mapping[str, Any]) -> set[str]:
    """Return the names of the runbooks that its panels link to."""
    links = [link["url"] for panel in data_panels(dashboard) for link in panel["links"]]
    assert all(url.startswith("${runbooks}/") for url in links), links
    return {url.removeprefix("${runbooks}/") for url in links}
