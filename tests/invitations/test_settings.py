"""The settings of invitations."""

import os

import pytest

from services.invitations.domain.state import Policy
from services.invitations.settings import InvitationsSettings
from services.runtime import settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("COHOST_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("COHOST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("COHOST_JWT_SECRET", "a secret of the tests, long enough for PyJWT")


def test_the_policy_defaults_follow_the_contract() -> None:
    loaded = settings.load_settings(InvitationsSettings)
    assert (loaded.invitation_policy(), loaded.http_port) == (
        Policy(accept_unknown_users=False, max_pending=100),
        8081,
    )


def test_the_policy_is_set_by_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHOST_UNKNOWN_USERS", "accept")
    monkeypatch.setenv("COHOST_MAX_PENDING", "7")
    assert settings.load_settings(InvitationsSettings).invitation_policy() == Policy(
        accept_unknown_users=True, max_pending=7
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COHOST_UNKNOWN_USERS", "maybe"),
        ("COHOST_MAX_PENDING", "0"),
        ("COHOST_MAX_PENDING", "1001"),
        ("COHOST_MAX_PENDING", "many"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        settings.load_settings(InvitationsSettings)
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(variable)
