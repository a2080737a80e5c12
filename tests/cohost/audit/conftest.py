import pytest

from cohost_schemas import topics
from tests.cohost.audit.forged_log import OTHER_ROOM, ROOM, ForgedLog


@pytest.fixture
def log() -> ForgedLog:
    """A log without violations that has one of everything."""
    log = ForgedLog()
    log.append_input(topics.ROOMS, "fact-1", "RoomChanged", ROOM, hostId="alice", status="live")
    log.append_output("fact-1", "StageChanged")
    log.append_command("send-1", name="SendInvitation")
    log.append_output("send-1", "InvitationExpired")
    log.append_output("send-1", "InvitationSent")
    log.append_command("leave-1", OTHER_ROOM)
    log.append_rejection("leave-1", OTHER_ROOM)
    log.append_tombstone(ROOM)
    log.append_output("forged.rooms:0:1", "StageChanged")
    bad = log.append_record(topics.INVITATION_COMMANDS, 0, b"key", b"no json", [("trace", b"1")])
    log.append_dead_letter(bad)
    log.append_command("leave-2")
    log.append_rejection("leave-2")
    return log
