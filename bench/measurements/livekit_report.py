"""Report of the grants on a real LiveKit server."""

from collections.abc import Callable
from statistics import median

from bench import tables
from bench.environment import BenchEnvironment
from bench.measurements.livekit_grants import measure_livekit_grants

CLIENTS = {1: 100, 30: 50}
"""Numbers of clients, and how often each of them gets and loses its permissions."""


async def report_livekit_grants(
    environment: BenchEnvironment, seed: int, print_line: Callable[[str], None]
) -> None:
    """Print what a call costs broadcast and a real LiveKit, and when a client has its permission."""
    rows = []
    for clients, cycles in CLIENTS.items():
        print_line(f"\n{clients} clients of a real LiveKit, {cycles} times on stage and off it …")
        run = await environment.create_run("livekit", "broadcast")
        found = await measure_livekit_grants(run, clients, cycles, seed, paused=clients == 1)
        permitted = found.permitted
        rows.append(
            [
                str(clients),
                tables.format_number(found.calls / found.seconds),
                f"{median(found.decided):.0f}",
                *(f"{ms:.0f}" for ms in (median(permitted), permitted[len(permitted) * 99 // 100])),
                *(f"{1e6 * cpu:.0f}" for cpu in (found.worker_cpu, found.livekit_cpu, found.livekit_alone)),
            ]
        )
    print_line("\nfrom an acceptance to its outcome and to the permission at the client, in ms")
    print_line("CPU in µs of one call, without what idle processes use; alone: without our services")
    head = [
        *("clients", "calls/s", "outcome p50", "permission p50", "p99"),
        *("CPU: broadcast", "LiveKit", "LiveKit alone"),
    ]
    print_line(tables.format_table(head, rows))
