"""The topics, their broker settings, and their names under a prefix (contract, section 2)."""

from dataclasses import dataclass

_DAY_MS = 24 * 60 * 60 * 1000
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """A topic without its prefix, and the settings with which it is created. One instance per topic."""

    suffix: str
    config: tuple[tuple[str, str], ...]

    def full_name(self, prefix: str) -> str:
        """Return the topic's name on the broker, with the prefix."""
        return prefix + self.suffix

    @property
    def is_compacted(self) -> bool:
        """Return whether the broker may remove records between others, so that sequences have gaps."""
        return ("cleanup.policy", "compact") in self.config


def _delete_policy(days: int | None, *extra_settings: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    retention = -1 if days is None else days * _DAY_MS
    return (("cleanup.policy", "delete"), ("retention.ms", str(retention)), *extra_settings)


_BROKER_CLOCK = ("message.timestamp.type", "LogAppendTime")
# A reader that was away for less than a week sees what was deleted meanwhile.
_COMPACTED = (("cleanup.policy", "compact"), ("delete.retention.ms", str(7 * _DAY_MS)))
_FACT_SETTINGS = (*_COMPACTED, ("min.compaction.lag.ms", str(7 * _DAY_MS)), _BROKER_CLOCK)
_LARGE_RECORDS = ("max.message.bytes", str(2 * _MEBIBYTE))

ROOMS = Topic("rooms", _FACT_SETTINGS)
USERS = Topic("users", _FACT_SETTINGS)
INVITATION_COMMANDS = Topic("invitations.commands", _delete_policy(7, _BROKER_CLOCK))
INVITATION_EVENTS = Topic("invitations.events", _delete_policy(None))
INVITATION_REJECTIONS = Topic("invitations.rejections", _delete_policy(30))
INVITATION_DEAD_LETTERS = Topic("invitations.dead-letters", _delete_policy(30, _LARGE_RECORDS))
BROADCAST_COMMANDS = Topic("broadcast.commands", _delete_policy(7, _BROKER_CLOCK))
BROADCAST_SIGNALS = Topic("broadcast.signals", _delete_policy(7))
BROADCAST_EVENTS = Topic("broadcast.events", _delete_policy(None))
BROADCAST_REJECTIONS = Topic("broadcast.rejections", _delete_policy(30))
BROADCAST_DEAD_LETTERS = Topic("broadcast.dead-letters", _delete_policy(30, _LARGE_RECORDS))
BADGES = Topic("badges", _COMPACTED)

ALL: tuple[Topic, ...] = (
    ROOMS,
    USERS,
    INVITATION_COMMANDS,
    INVITATION_EVENTS,
    INVITATION_REJECTIONS,
    INVITATION_DEAD_LETTERS,
    BROADCAST_COMMANDS,
    BROADCAST_SIGNALS,
    BROADCAST_EVENTS,
    BROADCAST_REJECTIONS,
    BROADCAST_DEAD_LETTERS,
    BADGES,
)
BROKER_CLOCK_REQUIRED: tuple[Topic, ...] = (ROOMS, INVITATION_COMMANDS, BROADCAST_COMMANDS)
COMPACTION_REQUIRED: tuple[Topic, ...] = (ROOMS, USERS)
DEAD_LETTERS: tuple[Topic, ...] = (INVITATION_DEAD_LETTERS, BROADCAST_DEAD_LETTERS)

DEFAULT_PREFIX = "cohost."
DEFAULT_PARTITIONS = 12
