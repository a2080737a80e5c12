"""The house style of panels: graphs over time, and single values."""

from dataclasses import dataclass
from typing import TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import FieldColorModeId, Threshold, ThresholdsMode

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS = "${runbooks}"
"""The variable with the URL of the folder of the runbooks."""

GRAPH_HEIGHT = 8
STAT_HEIGHT = 4

PanelBuilder: TypeAlias = timeseries.Panel | stat.Panel


@dataclass(frozen=True, slots=True)
class Series:
    """A query and its legend, in which `{{label}}` stands for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Values from which on a panel is yellow, and red; with `is_minimum`, below which it is."""

    red: float
    yellow: float | None = None
    is_minimum: bool = False

    def steps(self) -> list[Threshold]:
        """Return the colours of Grafana, from the lowest value to the highest."""
        warning = [] if self.yellow is None else [Threshold(self.yellow, "yellow")]
        if not self.is_minimum:
            return [Threshold(None, "green"), *warning, Threshold(self.red, "red")]
        if self.yellow is None:
            return [Threshold(None, "red"), Threshold(self.red, "green")]
        return [Threshold(None, "red"), Threshold(self.red, "yellow"), Threshold(self.yellow, "green")]


def graph(  # noqa: PLR0913 - a panel has these parts
    title: str,
    description: str,
    unit: str,
    *series: Series,
    limits: Limits | None = None,
    runbooks: tuple[str, ...] = (),
    stacked: bool = False,
) -> timeseries.Panel:
    """Return a graph over time; its limits are dashed lines."""
    panel = (
        timeseries.Panel()
        .height(GRAPH_HEIGHT)
        .min(0)
        .fill_opacity(40 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_table_legend())
        .tooltip(_sorted_tooltip())
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if limits:
        dashed = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(dashed)
    _describe(panel, title, description, unit=unit, limits=limits, runbooks=runbooks)
    for number, one in enumerate(series):
        panel.with_target(_range_query(one, number))
    return panel


def single_value(  # noqa: PLR0913 - a panel has these parts
    title: str,
    description: str,
    unit: str,
    series: Series,
    *,
    limits: Limits | None = None,
    runbooks: tuple[str, ...] = (),
) -> stat.Panel:
    """Return the last value, in the colour of its limits, over a small graph."""
    panel = (
        stat.Panel()
        .height(STAT_HEIGHT)
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
        .color_scheme(_color_by(limits))
    )
    _describe(panel, title, description, unit=unit, limits=limits, runbooks=runbooks)
    return panel.with_target(_range_query(series, 0))


def _describe(  # noqa: PLR0913 - a panel has these parts
    panel: PanelBuilder,
    title: str,
    description: str,
    *,
    unit: str,
    limits: Limits | None,
    runbooks: tuple[str, ...],
) -> None:
    panel.title(title).description(description).unit(unit).datasource(DATASOURCE)
    steps = limits.steps() if limits else [Threshold(None, "green")]
    panel.thresholds(dashboard_builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    panel.links([_runbook_link(name) for name in runbooks])


def _runbook_link(name: str) -> dashboard_builders.DashboardLink:
    link = dashboard_builders.DashboardLink(f"Runbook: {name}").url(f"{RUNBOOKS}/{name}.md")
    return link.target_blank(target_blank=True)


def _range_query(series: Series, number: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(chr(ord("A") + number))
        .datasource(DATASOURCE)
        .expr(series.expression)
        .legend_format(series.legend)
        .range()
    )


def _color_by(limits: Limits | None) -> dashboard_builders.FieldColor:
    color = dashboard_builders.FieldColor()
    if limits:
        return color.mode(FieldColorModeId.THRESHOLDS)
    return color.mode(FieldColorModeId.FIXED).fixed_color("blue")


def _table_legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )


def _sorted_tooltip() -> common_builders.VizTooltipOptions:
    return (
        common_builders.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
