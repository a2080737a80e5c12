"""Broadcast as `services.broadcast` runs it, with failpoints at which it dies, stops or waits.

A failpoint is "before" or "after" a LiveKit call, named by its method, or a record written outside the
transactions, named by its type. A test arms one by a file of that name in the folder `TEST_POINTS`; its
text is the action and a text that the call's arguments must contain. When a signal is sent, the file is
renamed to `….reached`. While a file with the action `wait` exists, calls wait and add to `….reached`.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from messaging.producer import AtLeastOnceProducer
from services.broadcast import app
from services.broadcast.livekit.client import LiveKitClient
from services.runtime import process

FAILPOINTS_FOLDER = "TEST_POINTS"
METHOD_NAMES = {
    "set_rights": "UpdateParticipant",
    "get_participant": "GetParticipant",
    "remove_participant": "RemoveParticipant",
    "mute_track": "MutePublishedTrack",
    "send_data": "SendData",
    "create_room": "CreateRoom",
    "delete_room": "DeleteRoom",
    "list_rooms": "ListRooms",
    "list_participants": "ListParticipants",
}


def install_failpoints(folder: Path) -> None:
    """Wrap every LiveKit call and every written record with its failpoints."""
    for name, method in METHOD_NAMES.items():
        _wrap_method(LiveKitClient, name, folder, lambda _, method=method: method)
    _wrap_method(AtLeastOnceProducer, "send_message", folder, lambda arguments: type(arguments[3]).__name__)


def _wrap_method(owner: Any, name: str, folder: Path, point_of: Callable[[tuple[Any, ...]], str]) -> None:
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def watched(*arguments: Any, **options: Any) -> Any:
        point = point_of(arguments)
        await _hit_failpoint(folder / f"before {point}", arguments)
        result = await original(*arguments, **options)
        await _hit_failpoint(folder / f"after {point}", arguments)
        return result

    setattr(owner, name, watched)


async def _hit_failpoint(point: Path, arguments: tuple[Any, ...]) -> None:
    if not point.exists():
        return
    action, about = point.read_text().split()
    # A resync lists all rooms, so its call names none.
    is_concerned = len(arguments) == 1 if about == "all" else about in repr(arguments[1:])
    if is_concerned and action == "wait":
        await _wait_at_failpoint(point)
    elif is_concerned:
        point.rename(f"{point}.reached")
        os.kill(os.getpid(), signal.Signals[action])


async def _wait_at_failpoint(point: Path) -> None:
    reached = Path(f"{point}.reached")
    reached.write_text("|" + (reached.read_text() if reached.exists() else ""))
    while point.exists():
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    install_failpoints(Path(os.environ[FAILPOINTS_FOLDER]))
    process.run_app(app.create)
