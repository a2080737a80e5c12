"""Write the table of alerts in the operations page again: `python -m tests.ops`."""

from tests.ops import alert_rules

alert_rules.PAGE.write_text(alert_rules.page_with_table(alert_rules.PAGE.read_text()))
