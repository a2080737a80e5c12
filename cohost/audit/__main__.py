"""`python -m cohost.audit`: print the audit report; exit with 1 on a violation, with 2 on a failure.

The Kafka address and credentials come from the services' environment variables (COHOST_KAFKA_…).
"""

import argparse
import asyncio
import sys
from pathlib import Path

from aiokafka.errors import KafkaError

from cohost.audit import settings
from cohost.audit.report import Report
from cohost.audit.report_file import write_report
from cohost.audit.run import UnusableTopics, audit


def main() -> int:
    """Run the audit with the command line's options and return the exit status."""
    parser = argparse.ArgumentParser("python -m cohost.audit", description="Prove exactly-once from the log.")
    try:
        defaults = settings.load_settings()
        security = defaults.kafka_options()
    except ValueError as error:
        return _print_failure(error)
    parser.add_argument(
        "--bootstrap", default=defaults.kafka_bootstrap_servers, help="Kafka's bootstrap servers"
    )
    parser.add_argument("--prefix", default=defaults.topic_prefix, help="the topics' prefix")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the report to this file as JSON, too"
    )
    options = parser.parse_args()
    try:
        report = asyncio.run(audit(options.bootstrap, options.prefix, security=security))
    except (UnusableTopics, KafkaError, OSError) as error:
        return _print_failure(error)
    sys.stdout.write(format_report(report))
    if options.report is not None:
        try:
            write_report(report, options.report)
        except OSError as error:
            return _print_failure(error, "the report cannot be written")
    return 1 if report.violations else 0


def _print_failure(reason: object, what: str = "the log cannot be read") -> int:
    sys.stderr.write(f"{what}: {reason}\n")
    return 2


def format_report(report: Report) -> str:
    """Return the report as readable text."""
    counts = (
        ("commands", report.commands),
        ("outcomes", report.outcomes),
        ("events", report.events),
        ("rejections", report.rejections),
        ("dead letters", report.dead_letters),
    )
    lines = [f"{name:<14}{count:>12,}" for name, count in counts]
    lines += [f"not checked: {reason}" for reason in report.unchecked]
    lines += [f"VIOLATION: {violation}" for violation in report.violations]
    verdict = "every promise that could be checked was kept" if report.unchecked else "every promise was kept"
    lines.append("broken promises, see above" if report.violations else verdict)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
