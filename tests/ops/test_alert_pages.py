"""The alert rules, the operations page and the runbooks say the same."""

import re
from typing import Any

import pytest
import yaml

from tests.docs import markdown
from tests.ops import alert_rules

HEADINGS = ["What it means", "How to see it", "What to do", "How it was tried"]
PAGES = sorted(alert_rules.RUNBOOKS.glob("*.md"))

every_rule = pytest.mark.parametrize("rule", alert_rules.alert_rules(), ids=lambda rule: rule["alert"])
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def page_name(alert: str) -> str:
    """Return `lane-stuck` for `LaneStuck`, and `livekit-calls-fail` for `LiveKitCallsFail`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert.replace("LiveKit", "Livekit")).lower()


def test_the_operations_page_has_the_table_of_the_rules() -> None:
    page = alert_rules.PAGE.read_text()
    assert page == alert_rules.page_with_table(page), "run `python -m tests.ops`"


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert [page.stem for page in PAGES] == sorted(map(page_name, alert_rules.alert_names()))


@every_rule
def test_an_alert_says_what_it_is_and_where_its_runbook_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert sorted(rule["annotations"]) == ["description", "runbook_url", "summary"]
    assert alert_rules.runbook_path(rule) == f"docs/runbooks/{page_name(rule['alert'])}.md"


@every_page
def test_a_runbook_has_the_alerts_name_and_four_parts(page: Any) -> None:
    titles = re.findall(r"^(#+) (.*)$", page.read_text(), re.MULTILINE)
    (_, name), *parts = titles
    assert page_name(name) == page.stem
    assert parts == [("##", heading) for heading in HEADINGS]


@every_page
def test_a_runbook_says_which_test_tried_it(page: Any) -> None:
    last = page.read_text().partition(f"## {HEADINGS[-1]}\n")[2]
    assert markdown.named_tests(last), "name the test that makes the alert fire"


@every_page
def test_a_runbook_reads_committed_records_alone(page: Any) -> None:
    commands = re.findall(r"kafka-console-consumer\.sh(?:.*\\\n)*.*", page.read_text())
    assert [command for command in commands if "--isolation-level read_committed" not in command] == []


def test_every_alert_has_a_unit_test() -> None:
    files = [yaml.safe_load(path.read_text()) for path in (alert_rules.CONFIGURATION / "tests").glob("*.yml")]
    checks = [check for file in files for test in file["tests"] for check in test["promql_expr_test"]]
    fired = {
        name
        for check in checks
        if check.get("exp_samples")
        for name in re.findall(r'alertname="(\w+)"', check["expr"])
    }
    assert fired == set(alert_rules.alert_names())
