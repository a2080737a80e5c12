"""The dashboard of the three processes: commands, lanes, outbox, HTTP and streams."""

from ops.grafana.http_sections import gateway_section, http_section, stream_section
from ops.grafana.lane_section import lane_section
from ops.grafana.layout import Page, Section, process_variables
from ops.grafana.panels import Limits, Series, graph, single_value
from ops.grafana.queries import PROCESSES, or_zero


def service_page() -> Page:
    """Return the page of the processes."""
    return Page(
        "cohost-service",
        "Co-Host: service",
        "Whether the processes of Co-Host do their work, and how fast: look at the first row, then down.",
        process_variables("cohost_http_seconds_count"),
        (
            _overview(),
            _commands(),
            lane_section(),
            http_section(),
            gateway_section(),
            stream_section(),
            _processes(),
        ),
    )


def _overview() -> Section:
    return Section(
        "Now",
        (
            single_value(
                "Processes up",
                "Copies that Prometheus reaches. One less than you started is a process that has ended: the "
                "last line of its log says why.",
                "none",
                Series(PROCESSES.total("up"), "up"),
                limits=Limits(1, is_minimum=True),
                runbooks=("process-gone",),
            ),
            single_value(
                "Parts not ready",
                "Parts of /readyz that are missing on any process: Kafka, Postgres, LiveKit, lanes or "
                "facts. The graph below names them.",
                "none",
                Series(or_zero(f"count({PROCESSES.select('cohost_ready')} == 0)"), "not ready"),
                limits=Limits(1),
                runbooks=("part-not-ready",),
            ),
            single_value(
                "Lanes without owner",
                "Lanes of both services that no worker reads: their commands wait. It takes a few seconds "
                "when a worker starts, and the session time-out when one is killed.",
                "none",
                Series("2 * scalar(cohost:partitions) - (sum(cohost_lanes) or vector(0))", "lanes"),
                limits=Limits(1),
                runbooks=("lanes-without-owner",),
            ),
            single_value(
                "Waiting records",
                "Records of all inputs that no worker has read. It rises for moments; it must come down "
                "again.",
                "short",
                Series(PROCESSES.total("cohost_lag_records"), "waiting"),
                limits=Limits(1000, yellow=300),
                runbooks=("commands-waiting",),
            ),
            single_value(
                "Oldest unread",
                "Age of the oldest record that a worker has not read. With few waiting records, somebody "
                "has left a Kafka transaction open.",
                "s",
                Series(PROCESSES.highest("cohost_oldest_unread_seconds"), "age"),
                limits=Limits(30, yellow=5),
                runbooks=("lane-stuck",),
            ),
            single_value(
                "Oldest unpublished",
                "Age of the oldest decision that is in Postgres and not in Kafka yet. Kafka takes "
                "transactions too slowly, or somebody else has an open one on a topic of the services.",
                "s",
                Series(PROCESSES.highest("cohost_outbox_oldest_seconds"), "age"),
                limits=Limits(15, yellow=3),
                runbooks=("outbox-stuck",),
            ),
            single_value(
                "Dead letters, 10 min",
                "Records that are not messages of Co-Host. Read them in the topics that end in dead-letters.",
                "short",
                Series(PROCESSES.increase("cohost_dead_letters_total", "10m"), "dead letters"),
                limits=Limits(1),
                runbooks=("dead-letters",),
            ),
            single_value(
                "Interruptions, 10 min",
                "Sessions that ended with an error. One after a restart of Kafka or Postgres is normal; one "
                "a minute is not.",
                "short",
                Series(or_zero(PROCESSES.increase("cohost_recoveries_total", "10m")), "interruptions"),
                limits=Limits(5, yellow=1),
                runbooks=("sessions-interrupted",),
            ),
        ),
    )


def _commands() -> Section:
    commands = "cohost_commands_total"
    return Section(
        "Commands",
        graphs=(
            graph(
                "Commands by outcome",
                "Commands that were accepted, and those that were rejected for any reason. Rejections are "
                "normal: two users decide at once, or a button is pressed twice.",
                "ops",
                Series(PROCESSES.rate(commands, 'outcome="accepted"', by="job"), "{{job}}: accepted"),
                Series(PROCESSES.rate(commands, 'outcome!="accepted"', by="job"), "{{job}}: rejected"),
            ),
            graph(
                "Commands by type",
                "What users and sweepers ask for. A type that stops while the others go on points to an app.",
                "ops",
                Series(PROCESSES.rate(commands, by="type"), "{{type}}"),
                stacked=True,
            ),
            graph(
                "Rejections by reason",
                "Why commands are rejected. invalid_command and unknown_command are faults of a producer; "
                "wrong_partition is a producer with another partitioner than murmur2.",
                "ops",
                Series(PROCESSES.rate(commands, 'outcome!="accepted"', by="outcome"), "{{outcome}}"),
                stacked=True,
                runbooks=("foreign-partitioner",),
            ),
            graph(
                "Dead letters by reason",
                "Records that are not messages of Co-Host, by what is wrong with them. Any value above 0 "
                "needs a person: no reader sees these records.",
                "cps",
                Series(PROCESSES.rate("cohost_dead_letters_total", by="job, reason"), "{{job}}: {{reason}}"),
                limits=Limits(0.001),
                runbooks=("dead-letters",),
            ),
            graph(
                "Time of a batch by stage, p99",
                "read is parsing, load is queries of Postgres, decide is processor time, commit is one "
                "Postgres transaction, publish is one Kafka transaction. The highest line says what to look "
                "at.",
                "s",
                Series(
                    PROCESSES.quantile(0.99, "cohost_stage_seconds", by="job, stage"), "{{job}}: {{stage}}"
                ),
                limits=Limits(0.5),
                runbooks=("slow-commits",),
            ),
            graph(
                "Records in a batch",
                "How many records are decided at once. It grows with the load, up to COHOST_MAX_RECORDS; at "
                "that value a worker has more to do than it can.",
                "short",
                Series(PROCESSES.quantile(0.5, "cohost_batch_records", by="job"), "{{job}}: median"),
                Series(PROCESSES.quantile(0.99, "cohost_batch_records", by="job"), "{{job}}: p99"),
            ),
        ),
    )


def _processes() -> Section:
    return Section(
        "Processes",
        graphs=(
            graph(
                "Processor time",
                "A process uses one core: close to 100 % it is at its limit, and another copy is needed.",
                "percentunit",
                Series(
                    PROCESSES.rate("process_cpu_seconds_total", by="job, instance"), "{{job}} {{instance}}"
                ),
                limits=Limits(0.9, yellow=0.7),
            ),
            graph(
                "Memory",
                "Resident memory. It grows to a bound that the page on operations gives, and stays there.",
                "bytes",
                Series(
                    PROCESSES.total("process_resident_memory_bytes", by="job, instance"),
                    "{{job}} {{instance}}",
                ),
                limits=Limits(1e9),
            ),
            graph(
                "Open descriptors",
                "Share of the descriptors that the process may open (ulimit -n). A quarter of them is for "
                "connections to its HTTP port.",
                "percentunit",
                Series(
                    f"{PROCESSES.total('process_open_fds', by='job, instance')}"
                    f" / {PROCESSES.total('process_max_fds', by='job, instance')}",
                    "{{job}} {{instance}}",
                ),
                limits=Limits(0.8),
            ),
        ),
    )
