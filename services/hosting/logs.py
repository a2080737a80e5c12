"""Logs: one JSON object a line on standard output, for people where that is a terminal."""

import logging
import sys
import time

import structlog

_QUIET_SECONDS = 30
# Below these levels they speak of themselves. `cohost.consumer` is FastStream's: it warns of what is meant.
_LIBRARIES = {
    **dict.fromkeys(("aiokafka", "asyncio", "faststream", "httpcore", "httpx", "uvicorn"), logging.WARNING),
    "cohost.consumer": logging.ERROR,
}


class Seldom(logging.Filter):
    """Lets aiokafka repeat itself once in a while: without Kafka it says 170 lines a second."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the line is due."""
        if not record.name.startswith("aiokafka"):
            return True
        now = time.monotonic()
        line = (record.name, record.msg)
        if self._quiet.get(line, now) > now:
            return False
        self._quiet[line] = now + _QUIET_SECONDS
        return True


def configure(level: str) -> None:
    """Send everything that is logged in this process to standard output."""
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
    handler.addFilter(Seldom())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendered()],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, least in _LIBRARIES.items():
        logging.getLogger(name).setLevel(max(least, logging.getLogger().level))
    logging.captureWarnings(capture=True)


def _rendered() -> list[structlog.typing.Processor]:
    # No traceback with the values of variables: tokens and secrets are among them.
    if sys.stdout.isatty():
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
