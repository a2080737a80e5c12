"""Data of the gateway's result that is saved."""

from bench.gateway.commands import CapacityResult, CommandsResult
from bench.gateway.streams import StreamsResult
from bench.result_shapes import GatewayCapacity, GatewayData
from bench.results_file import round_figure


def describe_gateway(commands: CommandsResult, streams: StreamsResult) -> GatewayData:
    """Return the data of commands and of live streams."""
    return {
        "latency": [
            {"path": name, "rate": rate, "p50_ms": round_figure(each.p50), "p99_ms": round_figure(each.p99)}
            for (rate, name), each in commands.latency.items()
        ],
        "capacity": [_describe_capacity(name, each) for name, each in commands.capacity.items()],
        "streams": {
            "clients": streams.clients,
            "rooms": streams.rooms,
            "deliveries_per_second": round_figure(streams.deliveries / streams.seconds),
            "bytes_per_client": round_figure((streams.bytes_with - streams.bytes_before) / streams.clients),
            "us_per_delivery": round_figure(
                1e6 * (streams.cpu - streams.idle_cpu) * streams.seconds / streams.deliveries
            ),
            "reader_p99_ms": round_figure(streams.reader.p99),
            "delivery_p99_ms": round_figure(streams.delivery.p99),
        },
    }


def _describe_capacity(name: str, found: CapacityResult) -> GatewayCapacity:
    return {
        "path": name,
        "in_flight": found.in_flight,
        "commands_per_second": round_figure(found.per_second),
        "server_us": round_figure(1e6 * found.server_cpu / found.commands),
        "worker_us": round_figure(1e6 * found.worker_cpu / found.commands),
    }
