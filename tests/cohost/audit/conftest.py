import pytest

from cohost_schemas import topics
from tests.cohost.audit.forged import OTHER_ROOM, ROOM, Log


@pytest.fixture
def log() -> Log:
    """A log without violations that has one of everything."""
    log = Log()
    log.write(topics.ROOMS, "fact-1", "RoomChanged", ROOM, hostId="alice", status="live")
    log.event("fact-1", "StageChanged")
    log.command("send-1", name="SendInvitation")
    log.event("send-1", "InvitationExpired")
    log.event("send-1", "InvitationSent")
    log.command("leave-1", OTHER_ROOM)
    log.rejection("leave-1", OTHER_ROOM)
    log.tombstone(ROOM)
    log.event("forged.rooms:0:1", "StageChanged")
    bad = log.append(topics.INVITATION_COMMANDS, 0, b"key", b"no json", [("trace", b"1")])
    log.dead_letter(bad)
    log.command("leave-2")
    log.rejection("leave-2")
    return log
