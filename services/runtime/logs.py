"""Logging: one JSON object per line on standard output, or readable lines on a terminal."""

import logging
import sys

import structlog
from cachetools import TTLCache

_QUIET_SECONDS = 30
_MAX_QUIET_LINES = 1000
# Below these levels libraries log their internals. `cohost.consumer` is FastStream's logger: it warns about
# settings that are intended.
_LIBRARY_LEVELS = {
    **dict.fromkeys(("aiokafka", "asyncio", "faststream", "httpcore", "httpx", "uvicorn"), logging.WARNING),
    "opentelemetry": logging.WARNING,
    "sse_starlette": logging.WARNING,
    "cohost.consumer": logging.ERROR,
}


# Without Kafka aiokafka logs 170 lines per second. HTTP clients can make uvicorn log at any rate, asyncio
# logs it each time that a connection cannot be accepted, and OpenTelemetry while a collector is away.
_REPETITIVE_LOGGERS = ("aiokafka", "asyncio", "opentelemetry", "uvicorn")


class RateLimitFilter(logging.Filter):
    """Pass each repeated line of a repetitive library once in 30 s."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet: TTLCache[tuple[str, object], None] = TTLCache(_MAX_QUIET_LINES, _QUIET_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line may be logged now."""
        if not record.name.startswith(_REPETITIVE_LOGGERS):
            return True
        # The further lines of asyncio's messages name objects by their addresses.
        line = (record.name, str(record.msg).partition("\n")[0])
        if line in self._quiet:
            return False
        self._quiet[line] = None
        return True


def configure_logging(level: str) -> None:
    """Send all logs of this process to standard output."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(RateLimitFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers()],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, minimum in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(max(minimum, logging.getLogger().level))
    logging.captureWarnings(capture=True)


def _renderers() -> list[structlog.typing.Processor]:
    # No traceback with the values of variables: they include tokens and secrets.
    if sys.stdout.isatty():
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
