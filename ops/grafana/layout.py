"""Dashboards as sections of panels, with their variables, links and the annotations of alerts."""

import json
import math
from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from ops.grafana.panels import DATASOURCE

TAG = "co-host"
RUNBOOKS_URL = "/public/runbooks"
COLUMNS = 24
MOST_GRAPHS_ON_A_LINE = 3

GraphBuilder: TypeAlias = timeseries.Panel | text.Panel


@dataclass(frozen=True, slots=True)
class Section:
    """A titled row: single values side by side, and under them graphs, at most three on a line."""

    title: str
    values: tuple[stat.Panel, ...] = ()
    graphs: tuple[GraphBuilder, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard; `variables` are the names of its selections, each with its query and label."""

    uid: str
    title: str
    description: str
    variables: tuple[builders.QueryVariable | builders.CustomVariable, ...]
    sections: tuple[Section, ...]


def query_variable(name: str, label: str, query: str) -> builders.QueryVariable:
    """Return a variable whose values come from a query; at first it selects all of them."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )


def process_variables(metric: str) -> tuple[builders.QueryVariable, ...]:
    """Return the variables `job` and `instance`, for the processes that have a metric."""
    instances = f'label_values({metric}{{job=~"$job"}}, instance)'
    return (
        query_variable("job", "Service", f"label_values({metric}, job)"),
        query_variable("instance", "Instance", instances),
    )


def build_page(page: Page) -> models.Dashboard:
    """Return the dashboard of a page, with its panels placed and numbered."""
    builder = (
        builders.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(_datasource_variable())
        .link(_link_to_others())
        .annotation(_firing_alerts())
    )
    for variable in page.variables:
        builder.with_variable(variable)
    builder.with_variable(_runbooks_variable())
    for section in page.sections:
        _add_section(builder, section)
    dashboard = builder.build()
    for number, panel in enumerate(dashboard.panels or (), 1):
        panel.id_val = number
    return dashboard


def encode_dashboard(dashboard: models.Dashboard) -> str:
    """Return the JSON that Grafana reads, the same for the same dashboard."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _add_section(builder: builders.Dashboard, section: Section) -> None:
    builder.with_row(builders.Row(section.title))
    for value in section.values:
        builder.with_panel(value.span(COLUMNS // len(section.values)))
    for line in _even_lines(section.graphs):
        for graph in line:
            builder.with_panel(graph.span(COLUMNS // len(line)))


def _even_lines(graphs: tuple[GraphBuilder, ...]) -> list[tuple[GraphBuilder, ...]]:
    lines = math.ceil(len(graphs) / MOST_GRAPHS_ON_A_LINE)
    length = math.ceil(len(graphs) / max(1, lines))
    return [graphs[start : start + length] for start in range(0, len(graphs), max(1, length))]


def _datasource_variable() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _runbooks_variable() -> builders.TextBoxVariable:
    return (
        builders.TextBoxVariable("runbooks")
        .label("Runbooks")
        .description("The URL of the folder docs/runbooks, for the links of the panels.")
        .default_value(RUNBOOKS_URL)
        .hide(models.VariableHide.IN_CONTROLS_MENU)
    )


def _link_to_others() -> builders.DashboardLink:
    return (
        builders.DashboardLink("Co-Host")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(as_dropdown=True)
        .include_vars(include_vars=False)
        .keep_time(keep_time=True)
    )


def _firing_alerts() -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color("red")
        .expr('ALERTS{alertstate="firing"}')
        .title_format("{{alertname}}")
        .tag_keys("job,topic")
        .step("30s")
    )
