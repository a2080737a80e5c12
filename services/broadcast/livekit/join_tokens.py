"""Read what LiveKit's join tokens grant, in terms of our own models; others may have signed them."""

import time
from collections.abc import Collection
from typing import Any, NamedTuple

import jwt

from cohost_schemas.events import Permissions
from services.broadcast.domain import permissions
from services.broadcast.livekit import mapping

_LEEWAY_SECONDS = 60
"""LiveKit's clock, which renews tokens, may be ahead of ours."""

_STANDARD_KIND = "standard"
_JOIN_GRANTS = frozenset(
    {"roomJoin", "room", "canPublish", "canPublishData", "canSubscribe", "canPublishSources"}
)
_HARMLESS_CLAIMS = frozenset(
    {"iss", "sub", "exp", "nbf", "iat", "jti", "identity", "name", "kind", "kindDetails", "metadata"}
)


class JoinGrant(NamedTuple):
    """The grant of a token: the right to join a room as this identity, with these permissions.

    `has_more` is set if it grants more than broadcast's own tokens can, such as an administrator's rights.
    """

    room_id: str
    identity: str
    kind: str
    permissions: Permissions
    badge: str
    has_more: bool


def read_join_token(token: str, key: str, secret: str) -> JoinGrant | None:
    """Return what a token grants; None if it is not valid or lets nobody join a room."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            issuer=key,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "sub"]},
        )
        return _to_grant(claims) if claims["exp"] > time.time() else None
    except (jwt.PyJWTError, ValueError, TypeError):
        return None


def _to_grant(claims: dict[str, Any]) -> JoinGrant | None:
    """Return a token's grant. Raises `ValueError` for values that LiveKit does not write."""
    video, attributes = _object(claims.get("video")), _object(claims.get("attributes"))
    if video.get("roomJoin") is not True or not claims["sub"]:
        return None
    # The server's defaults: what is missing is allowed.
    can_publish = _flag(video.get("canPublish"), default=True)
    sources = _names(video.get("canPublishSources"))
    return JoinGrant(
        room_id=_text(video.get("room")),
        identity=claims["sub"],
        kind=_text(claims.get("kind")).lower() or _STANDARD_KIND,
        permissions=Permissions(
            can_publish=can_publish,
            can_publish_data=_flag(video.get("canPublishData"), default=can_publish),
            can_subscribe=_flag(video.get("canSubscribe"), default=True),
            can_publish_sources=tuple(
                source
                for source in permissions.ALL_SOURCES
                if can_publish and (not sources or source in sources)
            ),
        ),
        badge=_text(attributes.get(mapping.BADGE_ATTRIBUTE)),
        has_more=not sources.issubset(permissions.ALL_SOURCES)
        or _has_others(video, _JOIN_GRANTS)
        or _has_others(claims, _HARMLESS_CLAIMS | {"video", "attributes"}),
    )


def _has_others(values: dict[str, Any], known: Collection[str]) -> bool:
    return any(_is_granted(value) for name, value in values.items() if name not in known)


def _is_granted(value: Any) -> bool:
    """Return whether anything in a claim is set: LiveKit writes unset grants as empty objects or false."""
    if isinstance(value, dict):
        return any(map(_is_granted, value.values()))
    return bool(value)


def _flag(value: Any, *, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _names(value: Any) -> set[str]:
    listed = [] if value is None else value
    if not isinstance(listed, list):
        raise TypeError
    return {_text(name).lower() for name in listed}


def _object(value: Any) -> dict[str, Any]:
    found = {} if value is None else value
    if not isinstance(found, dict):
        raise TypeError
    return found
