"""The committed dashboards as their readers see them: JSON, panels, queries and variables."""

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
    """A query of a panel, of a variable or of an annotation, and where it stands."""

    place: str
    expression: str


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
            yield Query(place, target["expr"])


def query_variables(dashboard: Mapping[str, Any]) -> Iterator[Query]:
    """Return the query of each variable that has one."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield Query(f"{dashboard['title']} / ${variable['name']}", variable["query"]["query"])
