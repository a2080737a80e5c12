"""The topics of the contract's table and their settings."""

from cohost_schemas import topics
from cohost_schemas.export import catalog

DAYS = {days: str(days * 86_400_000) for days in (7, 30)}
CLOCK = {"message.timestamp.type": "LogAppendTime"}
FACTS = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": DAYS[7],
    "delete.retention.ms": DAYS[7],
    **CLOCK,
}
WEEK = {"cleanup.policy": "delete", "retention.ms": DAYS[7]}
MONTH = {"cleanup.policy": "delete", "retention.ms": DAYS[30]}
FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1"}
LARGE = {"max.message.bytes": "2097152"}

TABLE = {
    "cohost.rooms": FACTS,
    "cohost.users": FACTS,
    "cohost.invitations.commands": WEEK | CLOCK,
    "cohost.invitations.events": FOR_EVER,
    "cohost.invitations.rejections": MONTH,
    "cohost.invitations.dead-letters": MONTH | LARGE,
    "cohost.broadcast.commands": WEEK | CLOCK,
    "cohost.broadcast.signals": WEEK,
    "cohost.broadcast.events": FOR_EVER,
    "cohost.broadcast.rejections": MONTH,
    "cohost.broadcast.dead-letters": MONTH | LARGE,
    "cohost.badges": {"cleanup.policy": "compact", "delete.retention.ms": DAYS[7]},
}


def test_the_topics_are_those_of_the_contract() -> None:
    assert {topic.full_name(topics.DEFAULT_PREFIX): dict(topic.config) for topic in topics.ALL} == TABLE


def test_commands_and_rooms_must_have_the_brokers_clock() -> None:
    assert {topic.suffix for topic in topics.BROKER_CLOCK_REQUIRED} == {
        "rooms",
        "invitations.commands",
        "broadcast.commands",
    }


def test_every_topic_but_the_dead_letters_has_its_content() -> None:
    dead = {topics.INVITATION_DEAD_LETTERS, topics.BROADCAST_DEAD_LETTERS}
    assert set(catalog.MODELS_BY_TOPIC) == set(topics.ALL) - dead
