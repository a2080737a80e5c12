"""The audit: what the log itself proves of exactly-once, for anyone who may read the topics.

    report = await audit.audit("127.0.0.1:9092", "cohost.")
    assert report.violations == []

`python -m cohost.audit` does the same and prints what it found.
"""

from cohost.audit.findings import Report
from cohost.audit.run import audit

__all__ = ["Report", "audit"]
