"""The clients of the gateway's benchmark: what they send, and what they notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from bench.gateway import command_requests
from bench.gateway.command_paths import GatewayPath
from bench.gateway.http_connections import HttpAnswer, HttpConnections
from bench.gateway.stream_clients import StreamClient, StreamLog
from bench.workload import traffic
from bench.workload.simulated_room import PlannedCommand

SENT = PlannedCommand("c-1", "SendInvitation", "r", {"userId": "bob", "actorId": "alice"}, "accepted")
ACCEPTED = PlannedCommand(
    "c-2", "AcceptInvitation", "r", {"invitationId": "c-1", "actorId": "bob"}, "accepted"
)
REFUSED = PlannedCommand("c-3", "LeaveStage", "r", {"actorId": "carol"}, "not_co_host")


def http_answer(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} Any\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class AnsweringServer:
    """Answers each request with the next of its answers, in two parts."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.requests: list[bytes] = []
        self.connection_count = 0
        self._answers = iter(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests.append(head)
                answer = next(self._answers)
                for part in (answer[:20], answer[20:]):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()


@contextlib.asynccontextmanager
async def run_server(*answers: bytes) -> AsyncIterator[tuple[AnsweringServer, str]]:
    answering = AnsweringServer(answers)
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    async with server:
        yield answering, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        pytest.param(SENT, "POST /v1/rooms/r/invitations", id="send"),
        pytest.param(ACCEPTED, "POST /v1/rooms/r/invitations/i-1/accept", id="accept"),
        pytest.param(REFUSED, "DELETE /v1/rooms/r/co-hosts/carol", id="leave"),
    ],
)
def test_commands_are_requests_of_the_contract(command: PlannedCommand, line: str) -> None:
    request = command_requests.gateway_request(command, "i-1", "t", host="h", with_key=True).decode()
    assert request.splitlines()[:5] == [
        f"{line} HTTP/1.1",
        "Host: h",
        "Authorization: Bearer t",
        "Prefer: wait=30",
        f"Idempotency-Key: {command.id}",
    ]


def test_commands_over_http_are_those_that_users_send() -> None:
    commands = traffic.generate_traffic(20, seed=1).iterate_commands(over_http=True)
    assert {next(commands).name for _ in range(2_000)} == {
        *("SendInvitation", "AcceptInvitation", "DeclineInvitation", "CancelInvitation"),
        *("LeaveStage", "RemoveCoHost"),
    }


async def test_connections_are_used_again() -> None:
    async with run_server(http_answer(200, "{}"), http_answer(409, "")) as (server, url):
        connections = HttpConnections(url)
        request = command_requests.bare_request(SENT, host=connections.host)
        assert await connections.send_request(request) == HttpAnswer(200, b"{}")
        assert await connections.send_request(request) == HttpAnswer(409, b"")
        connections.close()
    assert server.connection_count == 1


async def test_a_rooms_commands_follow_each_other_with_the_gateways_ids() -> None:
    answers = (
        http_answer(201, '{"commandId":"i-9"}'),
        http_answer(409, '{"reason":"room_full"}'),
        http_answer(409, '{"reason":"not_co_host"}'),
    )
    async with run_server(*answers) as (server, url):
        path = GatewayPath("gateway", url, "secret-of-at-least-thirty-two-bytes", with_key=False)
        path.sign_tokens(["alice", "bob", "carol"])
        for sending in [await path.send_command(command) for command in (SENT, ACCEPTED, REFUSED)]:
            await sending
        path.connections.close()
    assert [request.split()[1] for request in server.requests] == [
        b"/v1/rooms/r/invitations",
        b"/v1/rooms/r/invitations/i-9/accept",
        b"/v1/rooms/r/co-hosts/carol",
    ]
    assert path.unexpected == ["gateway, AcceptInvitation c-2: room_full, not accepted"]
    assert path.finished_at.keys() == {"c-1", "c-2", "c-3"}


async def test_stream_clients_note_each_event_once_complete() -> None:
    log = StreamLog()
    client = StreamClient(b"", log)
    client.data_received(
        b'HTTP/1.1 200 OK\r\n\r\n10\r\nevent: ready\ndata: {}\nid: 0\n\n\r\n9\r\ndata: {"id":"ev'
    )
    assert client.is_ready.done()
    assert list(log.numbers) == []
    client.data_received(b'ent-7","x":1}\n\n\r\n9\r\ndata: {"id":"event-8"}\n\n\r\n')
    assert list(log.numbers) == [7, 8]
    assert not log.errors


async def test_stream_clients_count_repeated_events_and_ends() -> None:
    log = StreamLog()
    client = StreamClient(b"", log)
    client.data_received(b'event: ready\n\ndata: {"id":"event-7"}\n\ndata: {"id":"event-7"}\n\n')
    client.connection_lost(None)
    assert log.errors == {"event out of order or repeated": 1, "stream ended": 1}
