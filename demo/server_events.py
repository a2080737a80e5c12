"""Server-Sent Events, as a browser reads them."""

from collections.abc import AsyncIterator
from typing import NamedTuple


class ServerEvent(NamedTuple):
    """An event of a stream; `position` is its id, or an empty string."""

    name: str
    data: str
    position: str


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """Yield each event of a stream of bytes; comments and events without data are left out."""
    fields: dict[str, str] = {}
    async for line in _split_lines(chunks):
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
        elif fields:
            if "data" in fields:
                yield ServerEvent(fields.get("event", "message"), fields["data"], fields.get("id", ""))
            fields = {}


async def _split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    # Not `str.splitlines`: JSON may contain characters that end a line for it, and not for a stream.
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()
