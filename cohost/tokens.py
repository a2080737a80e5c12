"""Bearer tokens for the services' HTTP API, for programs that have the shared secret."""

import time
from typing import Any

import jwt

OPS_SCOPE = "cohost:ops"


def sign(secret: str, user_id: str, *, ops: bool = False, ttl: int = 600) -> str:
    """Return an HS256 token for a user, valid for `ttl` seconds; with `ops` it may read everything.

    client = cohost.Client(…, token=lambda: tokens.sign(secret, "alice"))
    """
    now = int(time.time())
    claims: dict[str, Any] = {"sub": user_id, "iat": now, "exp": now + ttl}
    if ops:
        claims["scope"] = OPS_SCOPE
    return jwt.encode(claims, secret, algorithm="HS256")
