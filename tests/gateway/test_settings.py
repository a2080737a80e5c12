"""The gateway's settings: what is wrong is named in one line."""

import pytest
from pydantic import ValidationError

from cohost.kafka import security
from services.gateway.settings import GatewaySettings

GOOD = {
    "jwt_secret": "a secret of the tests, long enough for PyJWT",
    "invitations_url": "http://invitations:8081/",
    "broadcast_url": "https://broadcast.example.com/base",
}


def test_the_defaults() -> None:
    settings = GatewaySettings.model_validate(GOOD)
    assert (settings.http_port, settings.commands_per_minute, settings.cors_origins) == (8080, 120, ())
    assert settings.invitations_url == "http://invitations:8081"


def test_origins_are_separated_by_commas() -> None:
    settings = GatewaySettings.model_validate(
        {**GOOD, "cors_origins": "https://a.example.com, http://localhost:5173,,"}
    )
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:5173")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("invitations_url", None),
        ("broadcast_url", None),
        ("invitations_url", "invitations:8081"),
        ("invitations_url", "http://invitations:8081/?a=b"),
        ("broadcast_url", "http://user:secret@broadcast"),
        ("broadcast_url", "http://:8082"),
        ("cors_origins", "*"),
        ("cors_origins", "https://a.example.com/path"),
        ("cors_origins", "a.example.com"),
        ("commands_per_minute", "-1"),
        ("commands_per_minute", "many"),
        ("http_port", "0"),
        ("jwt_secret", "short"),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: str | None) -> None:
    given = {**GOOD, field: value}
    if value is None:
        del given[field]
    with pytest.raises(ValidationError) as raised:
        GatewaySettings.model_validate(given)
    line = security.describe_wrong_setting(raised.value)
    assert line.startswith(f"COHOST_{field.upper()}")
    assert "secret@" not in line
