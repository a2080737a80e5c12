"""HTTP routes (contract, section 5): the stage, and broadcast data to connect with."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Query

from schemas import answers
from schemas.types import Badge, GrantStatus, Role
from services.broadcast import admission, rights
from services.broadcast.creation import Creation
from services.broadcast.livekit import LiveKit
from services.broadcast.settings import Settings
from services.broadcast.state import Member, Stage
from services.hosting import auth, paths, problems


def router(pool: asyncpg.Pool, livekit: LiveKit, creation: Creation, settings: Settings) -> APIRouter:
    """Return the router of `/v1/rooms`."""
    routes = APIRouter(tags=["broadcast"])

    @routes.get("/v1/rooms/{roomId}/stage", responses=problems.responses(404, 422))
    async def stage(room_id: paths.RoomId) -> answers.Stage:
        """Return the host and the co-hosts on stage, to anyone with a token."""
        found = await admission.look(pool, room_id)
        return answers.Stage(room_id=room_id, status=found.room.status, items=_items(found))

    @routes.get("/v1/rooms/{roomId}/broadcast-data", responses=problems.responses(403, 404, 409, 422, 503))
    async def broadcast_data(
        room_id: paths.RoomId,
        caller: auth.Identified,
        as_: Annotated[Literal["viewer"] | None, Query(alias="as")] = None,
    ) -> answers.BroadcastData:
        """Return what is needed to connect with the caller's own rights, or with a viewer's."""
        found = await admission.look(pool, room_id)
        admission.role(found, caller.user_id, as_viewer=as_ == "viewer")
        present = await admission.open_room(pool, creation, found)
        role = admission.role(present, caller.user_id, as_viewer=as_ == "viewer")
        return _data(livekit, settings.server_url, present, caller.user_id, role)

    return routes


def _data(livekit: LiveKit, server_url: str, stage: Stage, user_id: str, role: Role) -> answers.BroadcastData:
    room_id = stage.room.room_id
    badge = None if role == "viewer" else role
    permissions = rights.VIEWER if badge is None else rights.wanted(stage, user_id)
    token = livekit.token(room_id, user_id, permissions, badge)
    return answers.BroadcastData(
        room_id=room_id,
        user_id=user_id,
        role=role,
        server_url=server_url,
        token=token.text,
        expires_at=token.expires_at,
        livekit_room=room_id,
        permissions=permissions,
    )


def _items(stage: Stage) -> tuple[answers.OnStage, ...]:
    room = stage.room
    host = [_item(stage, stage.member(room.host_id), "host", room.host_since)] if room.open else []
    seated = [
        _item(stage, member, "coHost", member.seat.since)
        for member in stage.members.values()
        if member.seat is not None and stage.badge(member.user_id) == "coHost"
    ]
    return (*host, *sorted(seated, key=lambda item: (item.since, item.user_id)))


def _item(stage: Stage, member: Member, badge: Badge, since: str) -> answers.OnStage:
    presence = member.presence
    return answers.OnStage(
        user_id=member.user_id,
        role=badge,
        badge=badge,
        invitation_id=member.seat.invitation_id if member.seat is not None and badge == "coHost" else None,
        since=since,
        grant=_grant(member, badge),
        connection=presence.state,
        grace_ends_at=presence.grace_ends_at,
        tracks=presence.tracks,
        hard_muted=rights.hard_muted(stage, member.user_id),
    )


def _grant(member: Member, badge: Badge) -> GrantStatus:
    if member.failed:
        return "failed"
    there = member.settled if badge == "host" or member.seat is None else member.seat.provisioned
    return "provisioned" if there else "pending"
