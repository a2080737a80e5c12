"""HTTP routes (contract, section 5): the stage, and broadcast data to connect with."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Query, Response

from cohost_schemas import answers
from cohost_schemas.types import Badge, GrantStatus, Role
from services.broadcast.domain import connections, permissions
from services.broadcast.domain.state import Member, Stage
from services.broadcast.http import join
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.settings import BroadcastSettings
from services.runtime.http import auth, path_params, problems
from services.runtime.http.auth import Caller

# LiveKit's own presets for 720 and 360 lines.
_PUBLISH_DEFAULTS = answers.PublishDefaults(
    video_max_bitrate=1_700_000, video_max_framerate=30, simulcast=True
)
_LOW_DEFAULTS = answers.PublishDefaults(video_max_bitrate=450_000, video_max_framerate=20, simulcast=False)


def create_stage_router(
    pool: asyncpg.Pool, livekit: LiveKitClient, provisioner: RoomProvisioner, settings: BroadcastSettings
) -> APIRouter:
    """Return the router of `/v1/rooms`."""
    routes = APIRouter(tags=["broadcast"])

    @routes.get("/v1/rooms/{roomId}/stage", responses=problems.problem_responses(404, 422))
    async def stage(room_id: path_params.RoomId) -> answers.Stage:
        """Return the host and the co-hosts on stage, to anyone with a token."""
        found = await join.load_stage(pool, room_id)
        return answers.Stage(room_id=room_id, status=found.room.status, items=stage_items(found))

    @routes.get(
        "/v1/rooms/{roomId}/broadcast-data", responses=problems.problem_responses(403, 404, 409, 422, 503)
    )
    async def broadcast_data(
        room_id: path_params.RoomId,
        caller: auth.AuthenticatedCaller,
        response: Response,
        requested_role: Annotated[Literal["viewer"] | None, Query(alias="as")] = None,
    ) -> answers.BroadcastData:
        """Return what is needed to connect with the caller's own rights, or with a viewer's."""
        response.headers["Cache-Control"] = "no-store"
        current, role = await join.prepare_join(
            pool, provisioner, room_id, caller.user_id, as_viewer=requested_role == "viewer"
        )
        return _broadcast_data(livekit, settings.server_url, current, caller, role)

    return routes


def _broadcast_data(
    livekit: LiveKitClient, server_url: str, stage: Stage, caller: Caller, role: Role
) -> answers.BroadcastData:
    room_id, user_id = stage.room.room_id, caller.user_id
    badge = None if role == "viewer" else role
    granted = permissions.VIEWER if badge is None else permissions.desired_for(stage, user_id)
    identity = permissions.join_identity(stage, user_id, badge)
    token = livekit.create_token(room_id, identity, granted, badge, caller.name)
    is_bad = stage.member_or_empty(user_id).quality.is_bad
    return answers.BroadcastData(
        room_id=room_id,
        user_id=user_id,
        role=role,
        server_url=server_url,
        token=token.text,
        expires_at=token.expires_at,
        livekit_room=room_id,
        permissions=granted,
        publish_defaults=None if badge is None else _LOW_DEFAULTS if is_bad else _PUBLISH_DEFAULTS,
    )


def stage_items(stage: Stage) -> tuple[answers.OnStage, ...]:
    """Return the host and then the co-hosts in their speaking order."""
    room = stage.room
    host = (
        [_stage_item(stage, stage.member_or_empty(room.host_id), "host", room.host_since, 0)]
        if room.is_open
        else []
    )
    co_hosts = [
        (member, seat) for member, seat in stage.seated_members if stage.badge_of(member.user_id) == "coHost"
    ]
    seated = [
        _stage_item(stage, member, "coHost", seat.since, order)
        for order, (member, seat) in enumerate(co_hosts, 1)
    ]
    return (*host, *seated)


def _stage_item(stage: Stage, member: Member, badge: Badge, since: str, order: int) -> answers.OnStage:
    presence = member.presence
    seat = member.seat if badge == "coHost" else None
    return answers.OnStage(
        user_id=member.user_id,
        role=badge,
        badge=badge,
        invitation_id=seat.invitation_id if seat is not None else None,
        since=since,
        grant=_grant_status(member, badge),
        connection=presence.state,
        grace_ends_at=presence.grace_ends_at,
        tracks=tuple(
            answers.Track(sid=track.sid, source=track.source, muted=track.muted) for track in presence.tracks
        ),
        published=connections.media_of(presence.tracks).published,
        hard_muted=permissions.hard_muted_sources(stage, member.user_id),
        label=seat.label if seat is not None else None,
        order=order,
    )


def _grant_status(member: Member, badge: Badge) -> GrantStatus:
    if member.failing:
        return "failed"
    is_provisioned = (
        member.has_rights_in_sync if badge == "host" or member.seat is None else member.seat.provisioned
    )
    return "provisioned" if is_provisioned else "pending"
