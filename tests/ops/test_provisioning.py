"""Grafana and the Kafka UI of docker-compose.yml find what they need, and answer on the machine alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

_REPOSITORY = Path(__file__).parents[2]
_PROVISIONING = _REPOSITORY / "ops" / "grafana" / "provisioning"
_RELEASE = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+")

every_tool = pytest.mark.parametrize("name", ["grafana", "kafka-ui"])


def _read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(_read_yaml(_REPOSITORY / "docker-compose.yml")["services"])


@every_tool
def test_a_tool_is_optional_pinned_and_local(name: str, services: dict[str, Any]) -> None:
    tool = services[name]
    assert tool["profiles"] == ["observe"]
    assert _RELEASE.fullmatch(tool["image"])
    assert [port.partition(":")[0] for port in tool["ports"]] == ["127.0.0.1"]


def test_grafana_finds_its_dashboards_and_runbooks(services: dict[str, Any]) -> None:
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in services["grafana"]["volumes"])
    (provider,) = _read_yaml(_PROVISIONING / "dashboards" / "co-host.yml")["providers"]
    assert mounts == {
        "./ops/grafana/provisioning": "/etc/grafana/provisioning",
        "./ops/grafana/dashboards": provider["options"]["path"],
        "./docs/runbooks": "/usr/share/grafana/public/runbooks",
    }
    assert [folder for folder in mounts if not (_REPOSITORY / folder).is_dir()] == []
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (_REPOSITORY / "ops" / "grafana" / "dashboards" / home.name).is_file()


def test_the_data_source_is_the_prometheus_that_scrapes_so_often(services: dict[str, Any]) -> None:
    (source,) = _read_yaml(_PROVISIONING / "datasources" / "prometheus.yml")["datasources"]
    assert services["prometheus"]["ports"][0].endswith(":9090")
    assert source["url"] == "http://prometheus:9090"
    scraping = _read_yaml(_REPOSITORY / "ops" / "prometheus" / "prometheus.yml")["global"]
    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]


def test_grafana_has_viewers_only(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_the_kafka_ui_reads_committed_records_and_writes_none(services: dict[str, Any]) -> None:
    environment = services["kafka-ui"]["environment"]
    assert environment["KAFKA_CLUSTERS_0_CONSUMERPROPERTIES_ISOLATION_LEVEL"] == "read_committed"
    assert environment["KAFKA_CLUSTERS_0_READONLY"] == "true"
