"""The script of invitations' log: facts of the platform and commands of its users."""

from typing import Any

from tests.golden.script import Script, cloud_event

COMMANDS = "invitations.commands"
HOST = "alice"
TRACE = {
    "correlationid": 'corr \u00e9 "1"',
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": 'vendor="a\\b"',
}


class Platform(Script):
    """Facts of the platform and commands of its users."""

    topics = ("rooms", "users", COMMANDS)

    def room(
        self, room: str, status: str = "live", host: str = HOST, seats: int | None = None, **more: Any
    ) -> None:
        """Tell of a room."""
        data = {"roomId": room, "hostId": host, "status": status, **more}
        if seats is not None:
            data["maxCoHosts"] = seats
        self.put("rooms", room, cloud_event("RoomChanged", self.id("fact"), room, data))

    def user(self, user: str, status: str = "active", **more: Any) -> None:
        """Tell of a user."""
        data = {"userId": user, "status": status, **more}
        self.put("users", user, cloud_event("UserChanged", self.id("fact"), user, data))

    def do(self, kind: str, room: str, /, id_: str | None = None, *, more: Any = None, **data: Any) -> str:
        """Give a command; return its id. `more` are other attributes of its CloudEvent."""
        id_ = id_ or self.id()
        event = cloud_event(kind, id_, room, {"roomId": room, **data}, **(more or {}))
        self.put(COMMANDS, room, event)
        return id_

    def send(self, room: str, user: str, id_: str | None = None, *, actor: str = HOST, **data: Any) -> str:
        """Invite a user."""
        return self.do("SendInvitation", room, id_, userId=user, actorId=actor, **data)

    def answer(self, kind: str, room: str, invitation: str, actor: str, id_: str | None = None) -> str:
        """Accept, decline or cancel."""
        return self.do(f"{kind}Invitation", room, id_, invitationId=invitation, actorId=actor)

    def seat(self, room: str, user: str, host: str = HOST) -> str:
        """Invite a user who accepts; return the invitation's id."""
        invitation = self.send(room, user, actor=host)
        self.answer("Accept", room, invitation, user)
        return invitation
