"""The section about lanes: owners, waiting records, the outbox, and what interrupts them."""

from ops.grafana.layout import Section
from ops.grafana.panels import Limits, Series, graph
from ops.grafana.queries import PROCESSES, aggregate


def lane_section() -> Section:
    """Return the panels of the workers' lanes."""
    return Section(
        "Lanes and outbox",
        graphs=(
            graph(
                "Lanes owned",
                "Stacked, each service must reach the number of partitions. A gap is a lane without an "
                "owner: its commands wait.",
                "short",
                Series(PROCESSES.total("cohost_lanes", by="job, instance"), "{{job}} {{instance}}"),
                stacked=True,
                runbooks=("lanes-without-owner",),
            ),
            graph(
                "Waiting records by topic",
                "Records that no worker has read. It rises for moments; a line that only rises needs more "
                "workers.",
                "short",
                Series(PROCESSES.total("cohost_lag_records", by="topic"), "{{topic}}"),
                limits=Limits(1000),
                runbooks=("commands-waiting",),
            ),
            graph(
                "Oldest unread record by topic",
                "Seconds that the oldest unread record waits. If it grows in step with the clock while few "
                "records wait, a writer has left a transaction open on that topic.",
                "s",
                Series(PROCESSES.highest("cohost_oldest_unread_seconds", by="topic"), "{{topic}}"),
                limits=Limits(30),
                runbooks=("lane-stuck",),
            ),
            graph(
                "Interruptions by cause",
                "Sessions that ended with an error, by the error's name. The log event is pipeline "
                "interrupted.",
                "cpm",
                Series(
                    f"60 * {PROCESSES.rate('cohost_recoveries_total', by='job, cause')}",
                    "{{job}}: {{cause}}",
                ),
                limits=Limits(3),
                runbooks=("sessions-interrupted",),
            ),
            graph(
                "Oldest unpublished decision",
                "Age of the oldest decision that is in Postgres and not in Kafka yet. The page on Kafka and "
                "Postgres shows the lanes.",
                "s",
                Series(PROCESSES.highest("cohost_outbox_oldest_seconds", by="job"), "{{job}}"),
                limits=Limits(15),
                runbooks=("outbox-stuck",),
            ),
            graph(
                "Readiness by part",
                "Parts of /readyz, at the lowest of all copies. A line at no says what a process waits for.",
                "bool_yes_no",
                Series(aggregate("min", PROCESSES.select("cohost_ready"), "job, part"), "{{job}}: {{part}}"),
                runbooks=("part-not-ready",),
            ),
        ),
    )
