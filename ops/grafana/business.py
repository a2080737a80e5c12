"""The dashboard of the business: invitations, seats, and the way on air."""

from grafana_foundation_sdk.builders.dashboard import CustomVariable
from grafana_foundation_sdk.models.dashboard import VariableOption

from ops.grafana.layout import Page, Section
from ops.grafana.panels import Limits, Series, graph, single_value
from ops.grafana.queries import WINDOW, Selection, aggregate

_SOURCE = Selection('job=~"$source"')
_SERVICES = "invitations|broadcast"
_SENT = "cohost_invitations_sent_total"
_ENDED = "cohost_invitations_ended_total"
_ANSWER_SECONDS = "cohost_invitation_answer_seconds"
_SEATS_ENDED = "cohost_seats_ended_total"
_STEP_SECONDS = "cohost_seat_step_seconds"
_ACCEPTED_IN_HOUR = _SOURCE.increase(_ENDED, "1h", 'outcome="accepted"')
_PUBLISHING_IN_HOUR = _SOURCE.increase(f"{_STEP_SECONDS}_bucket", "1h", 'step="publishing"', by="le")


def business_page() -> Page:
    """Return the page of the business."""
    return Page(
        "cohost-business",
        "Co-Host: business",
        "What hosts, co-hosts and viewers experience. The numbers are those of the services, or of the "
        "exporter, which counts the same from the topics alone: choose one of them as the source.",
        (_source_variable(),),
        (_now(), _invitations(), _way_on_air(), _stage(), _exporter()),
    )


def _source_variable() -> CustomVariable:
    return (
        CustomVariable("source")
        .label("Source")
        .description("The services themselves, or the exporter that reads their topics.")
        .values(f"Services : {_SERVICES}, Exporter : exporter")
        .current(VariableOption(text="Services", value=_SERVICES, selected=True))
    )


def _now() -> Section:
    return Section(
        "Now",
        (
            single_value(
                "Pending invitations",
                "Invitations that wait for an answer.",
                "short",
                Series(_SOURCE.total("cohost_invitations_pending"), "pending"),
            ),
            single_value(
                "Seats",
                "Co-hosts who have a seat on a stage.",
                "short",
                Series(_SOURCE.total("cohost_seats"), "seats"),
            ),
            single_value(
                "Connected co-hosts",
                "Co-hosts who are connected to LiveKit. Many seats without a connection are users who "
                "accept and then cannot join.",
                "short",
                Series(_SOURCE.total("cohost_co_hosts_connected"), "connected"),
            ),
            single_value(
                "In grace",
                "Co-hosts who have lost their connection and whose seat is kept for now. Many at once are a "
                "network or a LiveKit node that failed.",
                "short",
                Series(_SOURCE.total("cohost_co_hosts_in_grace"), "in grace"),
                limits=Limits(50, yellow=10),
            ),
            single_value(
                "Acceptance, 1 h",
                "Share of the invitations ended in the last hour that were accepted.",
                "percentunit",
                Series(
                    f"{_ACCEPTED_IN_HOUR} / ({_SOURCE.increase(_ENDED, '1h')} > 0)",
                    "accepted",
                ),
            ),
            single_value(
                "Accepted to publishing, median",
                "Seconds from the acceptance to the first track, of half of the co-hosts in the last hour.",
                "s",
                Series(
                    f"histogram_quantile(0.5, {_PUBLISHING_IN_HOUR})",
                    "median",
                ),
                limits=Limits(30, yellow=10),
            ),
        ),
    )


def _invitations() -> Section:
    return Section(
        "Invitations",
        graphs=(
            graph(
                "Invitations by end",
                "How invitations end, per minute. More expired ones than usual are invitations that nobody "
                "sees: a push service or a screen that fails.",
                "cpm",
                Series(f"60 * {_SOURCE.rate(_ENDED, by='outcome')}", "{{outcome}}"),
                stacked=True,
            ),
            graph(
                "Sent and pending",
                "Invitations sent per minute, and those that wait for an answer. Pending ones that only "
                "grow are not answered and do not expire: look at the sweeper.",
                "short",
                Series(f"60 * {_SOURCE.rate(_SENT)}", "sent per minute"),
                Series(_SOURCE.total("cohost_invitations_pending"), "pending"),
            ),
            graph(
                "Time to answer",
                "Seconds from sending to the answer of the user, of half of the invitations and of 9 in 10.",
                "s",
                Series(_SOURCE.quantile(0.5, _ANSWER_SECONDS, by="outcome"), "{{outcome}}: median"),
                Series(_SOURCE.quantile(0.9, _ANSWER_SECONDS, by="outcome"), "{{outcome}}: 9 in 10"),
            ),
        ),
    )


def _way_on_air() -> Section:
    return Section(
        "From accepting to being on air",
        graphs=(
            graph(
                "Time to each step, median",
                "Seconds from the acceptance until the rights are granted, the co-host is connected, and "
                "the first track is published. Granting is our part, the rest the app's.",
                "s",
                Series(_SOURCE.quantile(0.5, _STEP_SECONDS, by="step"), "{{step}}"),
            ),
            graph(
                "Time to each step, p95",
                "The same for the slowest 1 in 20. granted above a second: see the dashboard of LiveKit.",
                "s",
                Series(_SOURCE.quantile(0.95, _STEP_SECONDS, by="step"), "{{step}}"),
            ),
            graph(
                "Co-hosts that reach each step",
                "Per minute. A gap between two lines is co-hosts who are lost between the steps.",
                "cpm",
                Series(f"60 * {_SOURCE.rate(f'{_STEP_SECONDS}_count', by='step')}", "{{step}}"),
            ),
        ),
    )


def _stage() -> Section:
    return Section(
        "On stage",
        graphs=(
            graph(
                "Co-hosts",
                "Seats, and how many of their co-hosts are connected, in grace, or muted hard by the host.",
                "short",
                Series(_SOURCE.total("cohost_seats"), "seats"),
                Series(_SOURCE.total("cohost_co_hosts_connected"), "connected"),
                Series(_SOURCE.total("cohost_co_hosts_in_grace"), "in grace"),
                Series(_SOURCE.total("cohost_co_hosts_hard_muted"), "muted hard"),
            ),
            graph(
                "Seats ended by reason",
                "Per minute. Seats that end because co-hosts did not come back are lost to connections.",
                "cpm",
                Series(f"60 * {_SOURCE.rate(_SEATS_ENDED, by='reason')}", "{{reason}}"),
                stacked=True,
            ),
            graph(
                "Changes of connection quality",
                "Reported connections that became of this quality, per minute. A wave of poor or lost is a "
                "network or a LiveKit node in trouble.",
                "cpm",
                Series(f"60 * {_SOURCE.rate('cohost_quality_changes_total', by='quality')}", "{{quality}}"),
                stacked=True,
            ),
            graph(
                "Recordings ended by status",
                "Recordings that LiveKit's egress has finished, per minute; failed ones are lost.",
                "cpm",
                Series(f"60 * {_SOURCE.rate('cohost_recordings_ended_total', by='status')}", "{{status}}"),
                stacked=True,
            ),
        ),
    )


def _exporter() -> Section:
    records = "cohost_exporter_records_total"
    return Section(
        "Exporter",
        graphs=(
            graph(
                "Events counted",
                "Events that the exporter has read and counted, by topic. Empty without an exporter.",
                "eps",
                Series(aggregate("sum", f"rate({records}[{WINDOW}])", "topic"), "{{topic}}"),
            ),
            graph(
                "Events not counted",
                "Sequences that are missing in the log, and records that this version cannot read, since "
                "the exporter started. Anything above 0 is a log that was damaged, or a newer version of "
                "the services.",
                "short",
                Series("sum by (topic) (cohost_exporter_missing_records_total)", "{{topic}}: missing"),
                Series("sum by (topic) (cohost_exporter_unreadable_records_total)", "{{topic}}: unreadable"),
                limits=Limits(1),
                runbooks=("events-missing",),
            ),
        ),
    )
