"""Settings of the exporter, read from the environment."""

from typing import ClassVar

from services.runtime import settings


class ExporterSettings(settings.ProcessSettings):
    """The settings that every process has, but for callers' tokens: no route asks for one."""

    needs_token_keys: ClassVar[bool] = False

    http_port: settings.Port = 8083
