"""The audit: prove exactly-once from the log alone; needs only read access to the topics.

    report = await audit.audit("127.0.0.1:9092", "cohost.")
    assert report.violations == []

`python -m cohost.audit` does the same and prints the report.
"""

from cohost.audit.report import Report
from cohost.audit.run import audit

__all__ = ["Report", "audit"]
