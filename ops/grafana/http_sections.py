"""Sections about HTTP: all requests, the gateway's commands, and its live streams."""

from ops.grafana.layout import Section
from ops.grafana.panels import Limits, Series, graph
from ops.grafana.queries import PROCESSES

_TIMED_ROUTES = 'route!~".*/stream|/readyz"'


def http_section() -> Section:
    """Return the panels of all HTTP interfaces."""
    requests = "cohost_http_seconds_count"
    return Section(
        "HTTP",
        graphs=(
            graph(
                "Requests by status",
                "All requests, those of Prometheus too. 401 is a missing or wrong token, 409 a rejected "
                "command, 429 a user who sends too much, 503 something that is away.",
                "reqps",
                Series(PROCESSES.rate(requests, by="job, status"), "{{job}}: {{status}}"),
                stacked=True,
            ),
            graph(
                "Time of a request, p99",
                "Without streams, which last as long as their clients stay, and /readyz, which waits for "
                "what is away. Commands over HTTP wait for their outcome.",
                "s",
                Series(PROCESSES.quantile(0.99, "cohost_http_seconds", _TIMED_ROUTES, by="job"), "{{job}}"),
                limits=Limits(1),
                runbooks=("slow-http",),
            ),
            graph(
                "Requests not served",
                "Answers with 5xx: 503 of a route means that Kafka or a service is away, on route - that "
                "there are more connections than the process serves, and 500 is a fault with a traceback in "
                "the log.",
                "reqps",
                Series(
                    PROCESSES.rate(requests, 'status=~"5.."', by="job, route, status"),
                    "{{job}} {{route}}: {{status}}",
                ),
                limits=Limits(0.001),
                runbooks=("gateway-unavailable", "http-refused"),
            ),
        ),
    )


def gateway_section() -> Section:
    """Return the panels of commands over HTTP."""
    outcome_seconds = "cohost_gateway_outcome_seconds"
    return Section(
        "Commands of the gateway",
        graphs=(
            graph(
                "Commands over HTTP by outcome",
                "What apps are answered. pending means that no outcome came within the time that the app "
                "asked to wait; unavailable that Kafka did not take the command.",
                "ops",
                Series(PROCESSES.rate("cohost_gateway_commands_total", by="outcome"), "{{outcome}}"),
                stacked=True,
            ),
            graph(
                "From request to outcome",
                "Seconds from the request to the outcome in Kafka: the time that a user waits for a button.",
                "s",
                Series(PROCESSES.quantile(0.5, outcome_seconds), "median"),
                Series(PROCESSES.quantile(0.99, outcome_seconds), "p99"),
                limits=Limits(1),
                runbooks=("late-outcomes",),
            ),
            graph(
                "Users held back",
                "Requests beyond COHOST_COMMANDS_PER_MINUTE. A steady line is an app that sends in a loop, "
                "or a limit that is too low.",
                "reqps",
                Series(
                    PROCESSES.rate("cohost_gateway_commands_limited_total", by="instance"), "{{instance}}"
                ),
                runbooks=("users-held-back",),
            ),
        ),
    )


def stream_section() -> Section:
    """Return the panels of live streams."""
    return Section(
        "Live streams (SSE)",
        graphs=(
            graph(
                "Open streams",
                "Clients that are connected, by kind. A sudden drop is a gateway that was restarted, or a "
                "proxy that cuts connections; clients come back by themselves.",
                "short",
                Series(PROCESSES.total("cohost_streams", by="kind"), "{{kind}}"),
                stacked=True,
            ),
            graph(
                "Streams ended by reason",
                "slow is a reader that does not keep up, expired its token, position_lost a log without the "
                "place to resume from, stopped a gateway that shuts down.",
                "cps",
                Series(PROCESSES.rate("cohost_streams_ended_total", by="reason"), "{{reason}}"),
                stacked=True,
                runbooks=("streams-end-early",),
            ),
            graph(
                "Events given to streams",
                "Each record is read once per gateway and given to every stream that may see it. Resumed "
                "streams read older records from Kafka again.",
                "eps",
                Series(PROCESSES.rate("cohost_stream_records_total"), "records read"),
                Series(PROCESSES.rate("cohost_stream_events_total"), "events given to clients"),
                Series(PROCESSES.rate("cohost_stream_past_reads_total"), "reads of older records"),
            ),
        ),
    )
