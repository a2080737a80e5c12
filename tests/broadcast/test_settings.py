"""Broadcast's settings: a wrong one ends the process with one line that names it."""

import pytest

from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.settings import BroadcastSettings
from services.runtime import settings

SOUND = {
    "COHOST_DATABASE_URL": "postgresql://localhost/cohost",
    "COHOST_JWT_SECRET": "a secret of the tests, and of nobody else",
    "COHOST_LIVEKIT_URL": "ws://127.0.0.1:7880",
    "COHOST_LIVEKIT_API_KEY": "key",
    "COHOST_LIVEKIT_API_SECRET": "a secret of LiveKit, and of nobody else",
}


def load(monkeypatch: pytest.MonkeyPatch, **more: str) -> BroadcastSettings:
    for name, value in {**SOUND, **more}.items():
        monkeypatch.setenv(name, value)
    return settings.load_settings(BroadcastSettings)


def test_omitted_settings_have_the_contracts_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(monkeypatch)
    found = (loaded.http_port, loaded.server_url, loaded.seat_timeouts)
    assert found == (8082, "ws://127.0.0.1:7880", SeatTimeouts(grace_seconds=60, no_show_seconds=0))


def test_clients_may_get_another_livekit_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        load(monkeypatch, COHOST_LIVEKIT_PUBLIC_URL="wss://live.example").server_url == "wss://live.example"
    )


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (None, ("egress", "ingress", "agent")),
        ("agent, sip,agent", ("agent", "sip")),
        ("", ()),
    ],
)
def test_the_kinds_that_are_no_people_may_be_set(
    monkeypatch: pytest.MonkeyPatch, value: str | None, kinds: tuple[str, ...]
) -> None:
    more = {} if value is None else {"COHOST_LIVEKIT_KINDS": value}
    assert load(monkeypatch, **more).livekit_kinds == kinds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COHOST_LIVEKIT_KINDS", "standard"),
        ("COHOST_LIVEKIT_KINDS", "egress,robot"),
        ("COHOST_LIVEKIT_KINDS", "egress;agent"),
        ("COHOST_LIVEKIT_URL", ""),
        ("COHOST_LIVEKIT_URL", "127.0.0.1:7880"),
        ("COHOST_LIVEKIT_URL", "ws://127.0.0.1:http"),
        ("COHOST_LIVEKIT_URL", "ws://127.0.0.1:99999"),
        ("COHOST_LIVEKIT_URL", "ws://a..b:7880"),
        ("COHOST_LIVEKIT_API_KEY", ""),
        ("COHOST_LIVEKIT_API_SECRET", ""),
        ("COHOST_LIVEKIT_API_SECRET", "change-me-livekit"),
        ("COHOST_LIVEKIT_API_SECRET", "x" * 31),
        ("COHOST_LIVEKIT_API_SECRET", SOUND["COHOST_JWT_SECRET"]),
        ("COHOST_LIVEKIT_API_KEY", "key\n"),
        ("COHOST_LIVEKIT_API_SECRET", "secret of LiveKit\n"),
        ("COHOST_RECONNECT_GRACE_SECONDS", "-1"),
        ("COHOST_NO_SHOW_SECONDS", "soon"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(monkeypatch, **{name: value})
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n"), said.split(":")[0]) == (2, 1, name)


def test_the_example_secret_is_refused_outside_development(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(
        monkeypatch, COHOST_LIVEKIT_API_SECRET="change-me-livekit", COHOST_ENVIRONMENT="development"
    )
    assert loaded.livekit_api_secret.get_secret_value() == "change-me-livekit"


def test_weak_secrets_are_accepted_in_development(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = {"COHOST_JWT_SECRET": "x", "COHOST_LIVEKIT_API_SECRET": "x"}
    assert load(monkeypatch, **weak, COHOST_ENVIRONMENT="development").server_url == "ws://127.0.0.1:7880"
