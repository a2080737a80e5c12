"""Report of the grants on a real LiveKit server."""

from bench import tables
from bench.environment import BenchEnvironment
from bench.measurements.livekit_grants import LiveKitGrantsResult, measure_livekit_grants
from bench.printing import PrintLine
from bench.result_shapes import LiveKitGrantsItem
from bench.results_file import round_figure

CLIENTS = {1: 100, 30: 50}
"""Numbers of clients, and how often each of them gets and loses its permissions."""


async def report_livekit_grants(
    environment: BenchEnvironment, seed: int, print_line: PrintLine
) -> list[LiveKitGrantsItem]:
    """Print what a call costs broadcast and a real LiveKit, and when a client has its permission."""
    items = []
    for clients, cycles in CLIENTS.items():
        print_line(f"\n{clients} clients of a real LiveKit, {cycles} times on stage and off it …")
        run = await environment.create_run("livekit", "broadcast")
        found = await measure_livekit_grants(run, clients, cycles, seed, paused=clients == 1)
        items.append(_describe_item(clients, found))
    print_line("\nfrom an acceptance to its outcome and to the permission at the client, in ms")
    print_line("CPU in µs of one call, without what idle processes use; alone: without our services")
    head = [
        *("clients", "calls/s", "outcome p50", "permission p50", "p99"),
        *("CPU: broadcast", "LiveKit", "LiveKit alone"),
    ]
    print_line(tables.format_table(head, list(map(_format_item, items))))
    return items


def _describe_item(clients: int, found: LiveKitGrantsResult) -> LiveKitGrantsItem:
    return {
        "clients": clients,
        "calls_per_second": round_figure(found.calls / found.seconds),
        "broadcast_us": round_figure(1e6 * found.worker_cpu),
        "livekit_us": round_figure(1e6 * found.livekit_cpu),
        "livekit_alone_us": round_figure(1e6 * found.livekit_alone),
        "outcome_p50_ms": round_figure(found.decided.p50),
        "permission_p50_ms": round_figure(found.permitted.p50),
        "permission_p99_ms": round_figure(found.permitted.p99),
    }


def _format_item(item: LiveKitGrantsItem) -> list[str]:
    return [
        str(item["clients"]),
        tables.format_number(item["calls_per_second"]),
        *(f"{item[each]:.0f}" for each in ("outcome_p50_ms", "permission_p50_ms", "permission_p99_ms")),
        *(f"{item[each]:.0f}" for each in ("broadcast_us", "livekit_us", "livekit_alone_us")),
    ]
