"""Settings of the gateway, read from the environment (contract, section 8)."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from services.runtime import settings
from services.runtime.settings import has_valid_host

_match_service_url = re.compile(r"https?://[^\s/@?#]+(/[^\s?#]*)?").fullmatch
_match_origin = re.compile(r"https?://[^\s/@?#*,]+").fullmatch


def _validate_service_url(value: str) -> str:
    if _match_service_url(value) is None or not has_valid_host(value):
        msg = "must be a URL such as http://localhost:8081"
        raise ValueError(msg)
    return value.rstrip("/")


def _split_origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(origin.strip() for origin in value.split(",") if origin.strip()))


def _validate_origin(value: str) -> str:
    if _match_origin(value) is None or not has_valid_host(value):
        msg = "must be origins such as https://app.example.com, separated by commas"
        raise ValueError(msg)
    return value


ServiceUrl = Annotated[str, AfterValidator(_validate_service_url)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_validate_origin)], ...], NoDecode, BeforeValidator(_split_origins)
]


class GatewaySettings(settings.ProcessSettings):
    """The settings that every process has, and those of the gateway."""

    http_port: settings.Port = 8080
    invitations_url: ServiceUrl
    broadcast_url: ServiceUrl
    cors_origins: Origins = ()
    commands_per_minute: Annotated[int, Field(ge=0)] = 120
    audit_report: Path | None = None
