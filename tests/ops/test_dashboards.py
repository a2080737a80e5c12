"""The dashboards are as Grafana needs them: whole, readable, placed without overlaps."""

import itertools
import json
import re
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from ops.grafana import __main__ as grafana
from stack.servers import prometheus
from tests.ops import dashboards

_COLUMNS = 24
_RUNBOOK = re.compile(r"runbook_url: .*docs/runbooks/([\w-]+\.md)")
_UNITS = {value for value in vars(units).values() if isinstance(value, str)}

every_dashboard = pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)


def test_the_written_dashboards_are_those_of_the_code() -> None:
    assert {path: path.read_text() for path in dashboards.FILES} == grafana.dashboard_files()
    assert len(dashboards.FILES) == 4


def test_check_names_an_outdated_file_and_writing_repairs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(grafana, "FOLDER", tmp_path)
    (tmp_path / "cohost-given-up.json").write_text("{}")
    assert grafana.main(["--check"]) == 1
    assert f"{tmp_path}/cohost-given-up.json is outdated" in capsys.readouterr().err
    assert grafana.main([]) == 0
    assert grafana.main(["--check"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in dashboards.FILES]


@every_dashboard
def test_a_dashboard_survives_the_model_of_grafana(path: Path) -> None:
    register_default_plugins()
    found = dashboards.read_dashboard(path)
    model = Dashboard.from_json(found)
    assert json.loads(json.dumps(model, cls=JSONEncoder)) == found


@every_dashboard
def test_a_dashboard_has_an_address_and_asks_for_its_data_source(path: Path) -> None:
    found = dashboards.read_dashboard(path)
    assert (found["uid"], found["editable"]) == (path.stem, False)
    variables = {variable["name"]: variable for variable in found["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    sources = {panel["datasource"]["uid"] for panel in dashboards.data_panels(found)}
    assert sources == {"${datasource}"}


@every_dashboard
def test_panels_say_what_they_show_and_what_to_look_for(path: Path) -> None:
    for panel in dashboards.data_panels(dashboards.read_dashboard(path)):
        defaults = panel["fieldConfig"]["defaults"]
        faults = [
            *(name for name in ("title", "description") if not panel.get(name, "").strip()),
            *(["unit"] if defaults.get("unit") not in _UNITS else []),
            *(["thresholds"] if not defaults.get("thresholds", {}).get("steps") else []),
            *(["legend"] if not all(target.get("legendFormat") for target in panel["targets"]) else []),
            *(["sentence"] if not panel["description"].endswith(".") else []),
        ]
        assert faults == [], panel["title"]


@every_dashboard
def test_panels_do_not_overlap_and_leave_no_gap(path: Path) -> None:
    panels = dashboards.read_dashboard(path)["panels"]
    covered: list[tuple[int, int]] = []
    for panel in panels:
        place = panel["gridPos"]
        xs = range(place["x"], place["x"] + place["w"])
        ys = range(place["y"], place["y"] + place["h"])
        covered += itertools.product(xs, ys)
    height = 1 + max(y for _, y in covered)
    assert sorted(covered) == sorted(itertools.product(range(_COLUMNS), range(height)))
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))


@every_dashboard
def test_titles_are_unique_in_a_section(path: Path) -> None:
    section: set[str] = set()
    for panel in dashboards.read_dashboard(path)["panels"]:
        section = set() if panel["type"] == "row" else section
        assert panel["title"] not in section
        section.add(panel["title"])


def test_panels_link_to_the_runbook_of_every_alert() -> None:
    rules = "".join(path.read_text() for path in (prometheus.CONFIGURATION / "rules").glob("*.yml"))
    linked = [dashboards.linked_runbooks(dashboards.read_dashboard(path)) for path in dashboards.FILES]
    assert set().union(*linked) == set(_RUNBOOK.findall(rules))
