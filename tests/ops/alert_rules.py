"""The alert rules of `ops/prometheus`, and the table of the operations page, which is made of them."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = REPOSITORY / "ops" / "prometheus"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
PAGE = REPOSITORY / "docs" / "operations.md"

_BASE = "{{ $externalLabels.runbooks }}"
_HEADER = "| alert | severity | expression | meaning |\n|---|---|---|---|\n"
_TABLE = re.compile(re.escape(_HEADER) + r"(\|.*\n)*")


def rule_files() -> dict[str, Any]:
    """Return the contents of each file of rules by its name."""
    return {path.name: yaml.safe_load(path.read_text()) for path in (CONFIGURATION / "rules").glob("*.yml")}


def all_rules() -> list[dict[str, Any]]:
    """Return all rules, in the order of their files."""
    return [
        rule
        for _, rules in sorted(rule_files().items())
        for group in rules["groups"]
        for rule in group["rules"]
    ]


def alert_rules() -> list[dict[str, Any]]:
    """Return the rules that alert."""
    return [rule for rule in all_rules() if "alert" in rule]


def alert_names() -> list[str]:
    """Return the names of the alerts, each once."""
    return list(dict.fromkeys(rule["alert"] for rule in alert_rules()))


def runbook_path(rule: dict[str, Any]) -> str:
    """Return the path of an alert's runbook in the repository."""
    url = str(rule["annotations"]["runbook_url"])
    assert url.startswith(_BASE), url
    return url.removeprefix(_BASE)


def page_with_table(page: str) -> str:
    """Return the operations page with the table of the rules as they are."""
    assert len(_TABLE.findall(page)) == 1, "the page has no table of alerts"
    return _TABLE.sub(lambda _: _HEADER + "".join(_table_rows()), page)


def _table_rows() -> Iterator[str]:
    for name, group in groupby(alert_rules(), key=lambda rule: rule["alert"]):
        rules = list(group)
        first = rules[0]
        link = f"[{name}]({Path(runbook_path(first)).relative_to('docs')})"
        expressions = " or ".join(map(_expression_cell, rules))
        meaning = first["annotations"]["description"]
        yield f"| {link} | {first['labels']['severity']} | {expressions} | {meaning} |\n"


def _expression_cell(rule: dict[str, Any]) -> str:
    expression = " ".join(rule["expr"].split()).replace("|", "\\|")
    return f"`{expression}`" + (f" for {rule['for']}" if "for" in rule else "")
