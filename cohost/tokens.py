"""Bearer tokens for the services' HTTP API, for programs that have the shared secret."""

import time
from typing import Any

import jwt

OPS_SCOPE = "cohost:ops"
PLATFORM_SCOPE = "cohost:platform"


def sign(secret: str, user_id: str, *, ops: bool = False, platform: bool = False, ttl: int = 600) -> str:
    """Return an HS256 token for a user, valid for `ttl` seconds.

    With `ops` it may read everything, with `platform` it may write facts through the gateway.

    client = cohost.Client(…, token=lambda: tokens.sign(secret, "alice"))
    """
    now = int(time.time())
    claims: dict[str, Any] = {"sub": user_id, "iat": now, "exp": now + ttl}
    scopes = [scope for scope, has_it in ((OPS_SCOPE, ops), (PLATFORM_SCOPE, platform)) if has_it]
    if scopes:
        claims["scope"] = " ".join(scopes)
    return jwt.encode(claims, secret, algorithm="HS256")
