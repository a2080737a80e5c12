"""Valid and invalid data of the models, sentence by sentence of the contract."""

from typing import Any

import pytest
from pydantic import ValidationError

from cohost_schemas import commands, envelope, events, facts, rejections
from cohost_schemas.export import catalog
from cohost_schemas.types import Message, build_message

IDS = {"roomId": "room-1", "userId": "bob", "actorId": "alice"}
ANSWER = {"roomId": "room-1", "invitationId": "i-1", "actorId": "bob"}


def read(model: type[Message], data: dict[str, Any]) -> Message:
    return model.model_validate(envelope.without_nulls(data), by_alias=True, by_name=False)


def refused(model: type[Message], data: Any) -> bool:
    try:
        model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize("identifier", ["a", "x" * 64, "AZaz09._:@-", "...", ".a", "..a", "a..", "." * 64])
def test_an_id_that_follows_the_rule_is_accepted(identifier: str) -> None:
    assert read(commands.LeaveStage, {"roomId": identifier, "actorId": identifier}) == commands.LeaveStage(
        room_id=identifier, actor_id=identifier
    )


@pytest.mark.parametrize(
    "identifier",
    [
        ".",
        "..",
        "",
        "x" * 65,
        "." * 65,
        ".." + "x" * 63,
        "a b",
        "a/b",
        "ä",
        "a\n",
        "\na",
        "a\x00",
        "\ud800",
        "\uff21",
        "٣",
        5,
        None,
        ["a"],
    ],
)
def test_an_id_that_breaks_the_rule_is_refused(identifier: object) -> None:
    assert refused(commands.LeaveStage, {"roomId": identifier, "actorId": "alice"})


@pytest.mark.parametrize("identifier", [".", ".."])
def test_what_is_stored_as_dots_stays_readable(identifier: str) -> None:
    room = {"roomId": identifier, "hostId": identifier, "status": "live", "open": True, "maxCoHosts": 5}
    assert not refused(events.StageChanged, room)
    assert not refused(commands.ExcludeUser, {"roomId": identifier, "userId": identifier})
    assert refused(facts.RoomChanged, {**room, "roomId": "room-1"})
    assert refused(facts.UserChanged, {"userId": "bob", "status": "active", "blockedUserIds": [identifier]})


@pytest.mark.parametrize(("number", "seconds"), [(600.0, 600), (10.0, 10), (604_800.0, 604_800)])
def test_a_number_with_a_zero_fraction_is_an_integer(number: float, seconds: int) -> None:
    sent = read(commands.SendInvitation, {**IDS, "expiresInSeconds": number})
    assert (type(vars(sent)["expires_in_seconds"]), vars(sent)["expires_in_seconds"]) == (int, seconds)
    room = {"roomId": "room-1", "hostId": "alice", "status": "live", "maxCoHosts": number / 600}
    if seconds == 600:
        assert repr(vars(read(facts.RoomChanged, room))["max_co_hosts"]) == "1"


@pytest.mark.parametrize("seconds", [10, 604_800])
def test_an_expiry_within_its_bounds_is_taken(seconds: int) -> None:
    sent = read(commands.SendInvitation, {**IDS, "expiresInSeconds": seconds})
    assert sent == commands.SendInvitation(
        room_id="room-1", user_id="bob", actor_id="alice", expires_in_seconds=seconds
    )


@pytest.mark.parametrize(
    "seconds", [9, 604_801, -1, 0, "60", "600", 60.5, 9.0, 604_801.0, True, [60], {}, float("inf"), 10**400]
)
def test_an_expiry_out_of_bounds_or_of_another_json_type_is_refused(seconds: object) -> None:
    assert refused(commands.SendInvitation, {**IDS, "expiresInSeconds": seconds})


@pytest.mark.parametrize("message", ["", "😀" * 280, "é" * 280, "two\nlines", "\x01"])
def test_a_message_counts_code_points(message: str) -> None:
    assert not refused(commands.SendInvitation, {**IDS, "message": message})


@pytest.mark.parametrize("message", ["😀" * 281, "a\x00", "\ud83d", 5, ["text"]])
def test_a_message_that_is_too_long_or_not_text_is_refused(message: object) -> None:
    assert refused(commands.SendInvitation, {**IDS, "message": message})


@pytest.mark.parametrize("label", ["a", "😀" * 40, "two\nlines"])
def test_a_label_has_one_to_forty_code_points(label: str) -> None:
    assert not refused(commands.SendInvitation, {**IDS, "label": label})


@pytest.mark.parametrize("label", ["", "😀" * 41, "a\x00", "\ud83d", 5, ["text"]])
def test_a_label_that_is_empty_too_long_or_not_text_is_refused(label: object) -> None:
    assert refused(commands.SendInvitation, {**IDS, "label": label})


@pytest.mark.parametrize("seconds", [9, 604_801, "60", 60.5, True])
def test_resending_has_the_same_bounds_of_the_expiry(seconds: object) -> None:
    assert refused(commands.ResendInvitation, {**ANSWER, "expiresInSeconds": seconds})
    assert not refused(commands.ResendInvitation, {**ANSWER, "expiresInSeconds": 10})
    assert not refused(commands.ResendInvitation, {**ANSWER, "expiresInSeconds": 604_800})


@pytest.mark.parametrize("users", [["bob"], [f"user-{number}" for number in range(100)]])
def test_an_order_lists_up_to_a_hundred_users(users: list[str]) -> None:
    arranged = read(commands.ArrangeStage, {"roomId": "room-1", "actorId": "alice", "userIds": users})
    assert arranged == commands.ArrangeStage(room_id="room-1", actor_id="alice", user_ids=tuple(users))


@pytest.mark.parametrize(
    "users",
    [
        [],
        ["bob", "bob"],
        [f"user-{number}" for number in range(101)],
        "bob",
        {"bob": 1},
        ["bo b"],
        [5],
        [None],
    ],
)
def test_an_order_that_is_empty_repeats_a_user_or_is_no_list_of_ids_is_refused(users: object) -> None:
    assert refused(commands.ArrangeStage, {"roomId": "room-1", "actorId": "alice", "userIds": users})


@pytest.mark.parametrize("hard", [1, 0, "true", [True]])
def test_a_boolean_is_true_or_false_and_nothing_else(hard: object) -> None:
    assert refused(commands.MuteCoHost, {**IDS, "source": "camera", "hard": hard})


def test_null_equals_absent() -> None:
    without = commands.SendInvitation(room_id="room-1", user_id="bob", actor_id="alice")
    assert read(commands.SendInvitation, {**IDS, "expiresInSeconds": None, "message": None}) == without
    room = {"roomId": "room-1", "hostId": "alice", "status": "live"}
    assert read(facts.RoomChanged, {**room, "maxCoHosts": None}) == read(facts.RoomChanged, room)
    user = {"userId": "bob", "status": "active"}
    assert read(facts.UserChanged, {**user, "blockedUserIds": None}) == read(facts.UserChanged, user)


@pytest.mark.parametrize("model", catalog.COMMANDS, ids=lambda model: model.__name__)
def test_a_command_refuses_unknown_fields(model: type[Message]) -> None:
    data = catalog.load_example(model)["data"]
    assert not refused(model, data)
    assert refused(model, {**data, "expires_in_seconds": 60})
    assert refused(model, {**data, "surprise": False})


@pytest.mark.parametrize("model", catalog.COMMANDS, ids=lambda model: model.__name__)
def test_a_command_needs_every_required_field(model: type[Message]) -> None:
    data = catalog.load_example(model)["data"]
    for name in data:
        without = {key: value for key, value in data.items() if key != name}
        assert refused(model, without) == (name not in ("expiresInSeconds", "message", "label", "hard"))


@pytest.mark.parametrize("data", [None, [], "text", 5, True])
def test_data_that_is_not_an_object_is_refused(data: object) -> None:
    assert refused(commands.LeaveStage, data)


def test_an_invitation_of_an_older_version_was_sent_once_and_not_seen() -> None:
    data = catalog.load_example(events.InvitationSent)["data"]
    older = {name: data[name] for name in data if name not in ("label", "timesSent", "resentAt", "seenAt")}
    sent = read(events.InvitationSent, older)
    assert sent.model_dump(include={"label", "times_sent", "resent_at", "seen_at"}) == {
        "label": None,
        "times_sent": 1,
        "resent_at": None,
        "seen_at": None,
    }


def test_a_built_message_equals_a_validated_one_and_shares_nothing_with_its_copy() -> None:
    fields = {"room_id": "room-1", "user_id": "bob", "actor_id": "alice"}
    built = build_message(commands.RemoveCoHost, dict(fields))
    assert built == commands.RemoveCoHost(**fields)
    copied = built.model_copy(update={"user_id": "carol"})
    assert (copied.user_id, copied.model_fields_set) == ("carol", {"user_id"})
    assert (built.user_id, built.model_fields_set) == ("bob", set())


def test_facts_ignore_unknown_fields() -> None:
    room = {"roomId": "room-1", "hostId": "alice", "status": "live"}
    assert read(facts.RoomChanged, {**room, "theme": "dark"}) == read(facts.RoomChanged, room)


@pytest.mark.parametrize("seats", [-1, 101, 5.5, 101.0, "5", True])
def test_a_number_of_seats_out_of_bounds_is_refused(seats: object) -> None:
    room = {"roomId": "room-1", "hostId": "alice", "status": "live", "maxCoHosts": seats}
    assert refused(facts.RoomChanged, room)


@pytest.mark.parametrize("blocked", ["bob", {"bob": 1}, ["bo b"], [5], [None], 5])
def test_blocked_users_are_a_list_of_ids(blocked: object) -> None:
    assert refused(facts.UserChanged, {"userId": "bob", "status": "active", "blockedUserIds": blocked})


def test_at_most_ten_thousand_users_are_blocked() -> None:
    user = {"userId": "bob", "status": "active", "blockedUserIds": ["eve"] * 10_000}
    assert len(read(facts.UserChanged, user).blocked_user_ids) == 10_000
    user["blockedUserIds"] = ["eve"] * 10_001
    assert refused(facts.UserChanged, user)


@pytest.mark.parametrize(
    "time",
    ["2026-01-01T12:00:00Z", "2026-01-01T12:00:00.000+00:00", "٢٠٢٦-01-01T12:00:00.000Z", "", 5],
)
def test_a_timestamp_has_its_one_form(time: object) -> None:
    data = {"roomId": "r", "userId": "u", "invitationId": "i", "reason": "left"}
    assert refused(events.CoHostLeft, {**data, "leftAt": time})
    assert not refused(events.CoHostLeft, {**data, "leftAt": "2026-01-01T12:00:00.000Z"})


def test_every_reason_has_a_message() -> None:
    assert tuple(rejections.REJECTION_MESSAGES) == rejections.REJECTION_REASONS


def test_an_answer_carries_no_user() -> None:
    assert refused(commands.AcceptInvitation, {**ANSWER, "userId": "bob"})
