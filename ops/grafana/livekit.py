"""The dashboard of LiveKit: what Co-Host asks of it, and how it is itself."""

from ops.grafana.layout import Page, Section, process_variables, query_variable
from ops.grafana.panels import Limits, Series, graph, single_value
from ops.grafana.queries import PROCESSES, Selection, or_zero

_CALLS = "cohost_livekit_calls_total"
_FAILED = 'result!~"ok|not_found"'
_SERVER = Selection('instance=~"$livekit"')


def livekit_page() -> Page:
    """Return the page of LiveKit."""
    return Page(
        "cohost-livekit",
        "Co-Host: LiveKit",
        "Whether LiveKit does what broadcast asks it to do, and how busy LiveKit is itself.",
        (
            *process_variables("cohost_livekit_unfinished"),
            query_variable("livekit", "LiveKit", "label_values(livekit_room_total, instance)"),
        ),
        (_overview(), _calls(), _comparison(), _server(), _media()),
    )


def _overview() -> Section:
    return Section(
        "Now",
        (
            single_value(
                "Out of sync",
                "Users and rooms for whom LiveKit is not yet as it should be; each worker counts those of "
                "all lanes. It must come back to 0 within seconds.",
                "short",
                Series(PROCESSES.highest("cohost_livekit_unfinished"), "out of sync"),
                limits=Limits(100, yellow=10),
                runbooks=("livekit-out-of-sync",),
            ),
            single_value(
                "Failed calls, 10 min",
                "Calls that LiveKit refused, or did not answer in time. They are tried again.",
                "short",
                Series(or_zero(PROCESSES.increase(_CALLS, "10m", _FAILED)), "failed"),
                limits=Limits(10, yellow=1),
                runbooks=("livekit-calls-fail",),
            ),
            single_value(
                "Longest time without a look",
                "Seconds since the room that waits the longest was compared with LiveKit.",
                "s",
                Series(PROCESSES.highest("cohost_livekit_oldest_look_seconds"), "age"),
                limits=Limits(120, yellow=60),
                runbooks=("rooms-not-compared",),
            ),
            single_value(
                "Intruders, 10 min",
                "Participants who had rights without a seat. Somebody else has LiveKit's key, or a kind of "
                "participant is missing in COHOST_LIVEKIT_KINDS.",
                "short",
                Series(PROCESSES.increase("cohost_intruders_total", "10m"), "intruders"),
                limits=Limits(1),
                runbooks=("intruders",),
            ),
            single_value(
                "Rooms on LiveKit",
                "Rooms that are open on all nodes.",
                "short",
                Series(_SERVER.total("livekit_room_total"), "rooms"),
            ),
            single_value(
                "Participants",
                "Connected hosts, co-hosts and viewers.",
                "short",
                Series(_SERVER.total("livekit_participant_total"), "participants"),
            ),
        ),
    )


def _calls() -> Section:
    seconds = "cohost_livekit_seconds"
    return Section(
        "Calls of broadcast",
        graphs=(
            graph(
                "Calls by method",
                "UpdateParticipant grants and revokes rights; ListParticipants and ListRooms compare.",
                "reqps",
                Series(PROCESSES.rate(_CALLS, by="method"), "{{method}}"),
                stacked=True,
            ),
            graph(
                "Failed calls by result",
                "Why calls fail: ClientConnectorError and TimeoutError are a LiveKit that is away, "
                "unauthorized is a key that it refuses, resource_exhausted a limit on the rate of calls.",
                "reqps",
                Series(PROCESSES.rate(_CALLS, _FAILED, by="method, result"), "{{method}}: {{result}}"),
                limits=Limits(0.001),
                runbooks=("livekit-calls-fail",),
            ),
            graph(
                "Time of a call, p99",
                "Seconds until LiveKit answers. COHOST_LIVEKIT_TIMEOUT_SECONDS ends a call.",
                "s",
                Series(PROCESSES.quantile(0.99, seconds, by="method"), "{{method}}"),
                limits=Limits(1),
            ),
        ),
    )


def _comparison() -> Section:
    return Section(
        "Work, webhooks and comparison",
        graphs=(
            graph(
                "Out of sync",
                "Grants, revocations and rooms to delete; each worker counts those of all lanes. A line "
                "that does not come down is a LiveKit that is away or too slow.",
                "short",
                Series(PROCESSES.highest("cohost_livekit_unfinished", by="instance"), "{{instance}}"),
                limits=Limits(100),
                runbooks=("livekit-out-of-sync",),
            ),
            graph(
                "Webhooks by result",
                "written became a signal, ignored is of no interest, unsigned has a wrong signature, "
                "unavailable could not be written to Kafka.",
                "reqps",
                Series(PROCESSES.rate("cohost_livekit_webhooks_total", by="result"), "{{result}}"),
                stacked=True,
                runbooks=("webhooks-refused",),
            ),
            graph(
                "Longest time without a look",
                "Each open room is compared every COHOST_COMPARISON_SECONDS. Four times that means that "
                "lost webhooks and old rights are found late.",
                "s",
                Series(
                    PROCESSES.highest("cohost_livekit_oldest_look_seconds", by="instance"), "{{instance}}"
                ),
                limits=Limits(120),
                runbooks=("rooms-not-compared",),
            ),
        ),
    )


def _server() -> Section:
    return Section(
        "LiveKit itself",
        graphs=(
            graph(
                "Rooms and participants",
                "What LiveKit holds. Rooms that stay after the shows have ended are rooms that others made.",
                "short",
                Series(_SERVER.total("livekit_room_total"), "rooms"),
                Series(_SERVER.total("livekit_participant_total"), "participants"),
            ),
            graph(
                "Joins by state",
                "From the signal connection to media. signal_connected without rtc_active is a client whose "
                "media does not reach LiveKit: a firewall.",
                "cps",
                Series(_SERVER.rate("livekit_participant_join_total", by="state"), "{{state}}"),
            ),
            graph(
                "Requests to LiveKit by status",
                "Calls of all programs that have LiveKit's key, as LiveKit counts them. More than broadcast "
                "makes are somebody else's.",
                "reqps",
                Series(
                    _SERVER.rate("livekit_node_twirp_request_status", by="method, status"),
                    "{{method}}: {{status}}",
                ),
                stacked=True,
            ),
        ),
    )


def _media() -> Section:
    return Section(
        "Media",
        graphs=(
            graph(
                "Published tracks",
                "Microphones, cameras and screens that are published now.",
                "short",
                Series(_SERVER.total("livekit_track_published_total", by="kind"), "{{kind}}"),
                stacked=True,
            ),
            graph(
                "Media traffic",
                "Bytes of media that LiveKit receives and sends.",
                "Bps",
                Series(_SERVER.rate("livekit_packet_bytes", by="direction"), "{{direction}}"),
            ),
            graph(
                "Packets lost, p95",
                "Share of the packets that are lost, of all but the worst 1 in 20 tracks. Above a few "
                "percent people hear it.",
                "percent",
                Series(
                    _SERVER.quantile(0.95, "livekit_packet_loss_percent", by="direction"), "{{direction}}"
                ),
                limits=Limits(5),
            ),
            graph(
                "Connection quality, median",
                "LiveKit's score of its participants' connections, from 1 (bad) to 5. A drop on all nodes "
                "is a network, on one of them the node.",
                "none",
                Series(_SERVER.quantile(0.5, "livekit_quality_score", by="instance"), "{{instance}}"),
            ),
            graph(
                "Processor time of LiveKit",
                "Cores that a node uses. Media stutters before they are all in use.",
                "none",
                Series(_SERVER.rate("process_cpu_seconds_total", by="instance"), "{{instance}}: cores"),
            ),
        ),
    )
