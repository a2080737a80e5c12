"""The dashboard of Kafka and Postgres, as the services see them."""

from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.models.text import TextMode

from ops.grafana.layout import Page, Section, process_variables
from ops.grafana.panels import Limits, Series, graph, single_value
from ops.grafana.queries import PROCESSES

_BUSY = PROCESSES.select("cohost_postgres_connections", 'state="busy"')
_LIMIT = PROCESSES.select("cohost_postgres_connections_limit")
_LEFT_OUT = """\
The services measure what Kafka and Postgres do *for them*: the time of a transaction, the age of what waits,
the busy connections. How the servers are themselves (replicas in sync, disks, locks, vacuum) is not here: add
Kafka's JMX exporter and `postgres_exporter`, which come with dashboards of their own.
"""


def kafka_and_postgres_page() -> Page:
    """Return the page of the two stores."""
    return Page(
        "cohost-kafka-postgres",
        "Co-Host: Kafka and Postgres",
        "Which of the two holds the services up. Publishing is Kafka, loading and committing is Postgres.",
        process_variables("cohost_stage_seconds_count"),
        (_overview(), _kafka_writes(), _kafka_reads(), _postgres()),
    )


def _overview() -> Section:
    return Section(
        "Now",
        (
            single_value(
                "Kafka transaction, p99",
                "Seconds that Kafka needs to store a batch of events. Above half a second, commands are "
                "late.",
                "s",
                Series(_stage(0.99, "publish"), "publish"),
                limits=Limits(0.5, yellow=0.2),
                runbooks=("slow-commits",),
            ),
            single_value(
                "Postgres transaction, p99",
                "Seconds that Postgres needs to commit a batch. Above half a second, commands are late.",
                "s",
                Series(_stage(0.99, "commit"), "commit"),
                limits=Limits(0.5, yellow=0.2),
                runbooks=("slow-commits",),
            ),
            single_value(
                "Committed, not published",
                "Batches that are in Postgres and not in Kafka yet, the most of any lane.",
                "short",
                Series(PROCESSES.highest("cohost_outbox_segments"), "batches"),
                limits=Limits(4, yellow=2),
                runbooks=("outbox-stuck",),
            ),
            single_value(
                "Postgres connections in use",
                "Share of the connections that a worker may open. At 100 % its batches wait for one.",
                "percentunit",
                Series(
                    f"max({_BUSY} / ignoring (state) {_LIMIT})",
                    "busy",
                ),
                limits=Limits(0.9, yellow=0.7),
            ),
        ),
    )


def _kafka_writes() -> Section:
    return Section(
        "Kafka: what the services write",
        graphs=(
            graph(
                "Time of a Kafka transaction",
                "From the begin of a transaction to its confirmed end. A slow disk or a missing replica "
                "raises both lines, a single slow partition only the p99.",
                "s",
                Series(_stage(0.5, "publish", by="job"), "{{job}}: median"),
                Series(_stage(0.99, "publish", by="job"), "{{job}}: p99"),
                limits=Limits(0.5),
                runbooks=("slow-commits",),
            ),
            graph(
                "Kafka transactions",
                "Transactions per second. Waiting batches are merged into one transaction, so that the line "
                "flattens when Kafka is slow.",
                "ops",
                Series(PROCESSES.rate("cohost_stage_seconds_count", 'stage="publish"', by="job"), "{{job}}"),
            ),
            graph(
                "Outbox batches waiting, by lane",
                "The lanes whose batches wait to be published. One lane alone is a partition without a "
                "leader, or with a transaction that does not end.",
                "short",
                Series(
                    f"topk(10, {PROCESSES.highest('cohost_outbox_segments', by='job, lane')})",
                    "{{job}} lane {{lane}}",
                ),
                limits=Limits(4),
                runbooks=("outbox-stuck",),
            ),
        ),
    )


def _kafka_reads() -> Section:
    return Section(
        "Kafka: what the services read",
        graphs=(
            graph(
                "Records read",
                "Input records per second that were decided.",
                "rps",
                Series(PROCESSES.rate("cohost_batch_records_sum", by="job"), "{{job}}"),
            ),
            graph(
                "Oldest unread record, by lane",
                "The lanes that wait the longest. One lane whose line rises in step with the clock, while "
                "few records wait, has an open transaction of a foreign writer.",
                "s",
                Series(
                    f"topk(10, {PROCESSES.highest('cohost_oldest_unread_seconds', by='topic, lane')})",
                    "{{topic}} lane {{lane}}",
                ),
                limits=Limits(30),
                runbooks=("lane-stuck",),
            ),
            graph(
                "Interruptions by cause",
                "Errors that ended a session. Names of Kafka's errors begin with what happened there, those "
                "of Postgres contain Connection, Postgres or SQL.",
                "cpm",
                Series(
                    f"60 * {PROCESSES.rate('cohost_recoveries_total', by='job, cause')}",
                    "{{job}}: {{cause}}",
                ),
                limits=Limits(3),
                runbooks=("sessions-interrupted",),
            ),
        ),
    )


def _postgres() -> Section:
    stages = 'stage=~"load|commit"'
    return Section(
        "Postgres",
        graphs=(
            graph(
                "Time of a Postgres transaction",
                "Seconds of a commit with all its writes. A slow synchronous replica raises both lines.",
                "s",
                Series(_stage(0.5, "commit", by="job"), "{{job}}: median"),
                Series(_stage(0.99, "commit", by="job"), "{{job}}: p99"),
                limits=Limits(0.5),
                runbooks=("slow-commits",),
            ),
            graph(
                "Time of loading a batch",
                "Seconds of the queries for rooms and invitations that are not in memory. High after a "
                "takeover, low otherwise.",
                "s",
                Series(_stage(0.5, "load", by="job"), "{{job}}: median"),
                Series(_stage(0.99, "load", by="job"), "{{job}}: p99"),
                limits=Limits(0.5),
            ),
            graph(
                "Batches",
                "Batches per second that were loaded, and transactions that were committed: an idle worker "
                "has one a second, by which it renews its lease.",
                "ops",
                Series(
                    PROCESSES.rate("cohost_stage_seconds_count", stages, by="job, stage"),
                    "{{job}}: {{stage}}",
                ),
            ),
            graph(
                "Connections to Postgres",
                "Open connections by state. Busy ones are in a query or a transaction; the sum over all "
                "copies must fit into max_connections.",
                "short",
                Series(PROCESSES.total("cohost_postgres_connections", by="job, state"), "{{job}}: {{state}}"),
                Series(PROCESSES.total("cohost_postgres_connections_limit", by="job"), "{{job}}: limit"),
            ),
            text.Panel()
            .title("What is not here")
            .description("Where to look for the servers' own numbers.")
            .height(8)
            .mode(TextMode.MARKDOWN)
            .content(_LEFT_OUT),
        ),
    )


def _stage(share: float, stage: str, by: str = "") -> str:
    return PROCESSES.quantile(share, "cohost_stage_seconds", f'stage="{stage}"', by=by)
