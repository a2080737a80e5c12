"""An HTTP server of a JWK set, whose answers a test chooses."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class SigningKey:
    """A key with which an issuer signs tokens."""

    def __init__(self, kid: str) -> None:
        self._kid = kid
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._private.public_key())), "kid": self._kid}

    def headers(self, user_id: str = "alice") -> dict[str, str]:
        """Return a request's headers with a token by this key."""
        claims = {"sub": user_id, "exp": 4_000_000_000}
        token = jwt.encode(claims, self._private, "ES256", headers={"kid": self._kid})
        return {"Authorization": f"Bearer {token}"}


class KeyServer:
    """Answer each request with `answer`, or not at all if it is None."""

    def __init__(self) -> None:
        self.answer: bytes | None = None
        self.requests: list[bytes] = []
        self._unanswered: list[asyncio.StreamWriter] = []
        self.url = ""

    def serve_keys(self, *keys: SigningKey) -> None:
        """Answer with the keys from now on."""
        self.serve_body(json.dumps({"keys": [key.public for key in keys]}).encode())

    def serve_body(self, body: bytes, status: str = "200 OK", headers: str = "") -> None:
        """Answer with this body from now on."""
        head = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        self.answer = head.encode() + body

    def close_unanswered(self) -> None:
        """Close the connections of the requests without an answer."""
        for writer in self._unanswered:
            writer.close()

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if self.answer is None:
            self._unanswered.append(writer)
            await reader.read()
        else:
            writer.write(self.answer)
            # The client may leave before the end.
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def running_key_server() -> AsyncIterator[KeyServer]:
    """Run a key server during the block."""
    found = KeyServer()
    listening = await asyncio.start_server(found.handle_connection, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/keys"
    try:
        yield found
    finally:
        listening.close()
