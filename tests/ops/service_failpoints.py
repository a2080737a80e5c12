"""A service as its module runs it, with failpoints at which it sends itself a signal.

`python -m tests.ops.service_failpoints services.broadcast.app`. A failpoint is armed by a file of its name
in the folder `TEST_POINTS`, whose text is the signal; the file is removed when the failpoint is reached.
"""

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from messaging.batch.committer import BatchCommitter
from messaging.outbox.publisher import OutboxPublisher
from messaging.processor import Processor
from services.runtime import process

FAILPOINTS_FOLDER = "TEST_POINTS"
DECIDED = "decided"
BEFORE_COMMIT = "before commit"
AFTER_COMMIT = "after commit"


def install_failpoints(folder: Path, processor: type[Processor[Any]]) -> None:
    """Wrap what runs before and in the transaction of a batch that publishes something, and after it."""
    save, enqueue = processor.save, OutboxPublisher.enqueue_batches
    write = BatchCommitter._write_batch  # noqa: SLF001 - the batch is not known elsewhere
    publishes = False

    async def write_batch(self: Any, batch: Any) -> None:
        nonlocal publishes
        publishes = bool(batch.outbox_batches)
        if publishes:
            _hit_failpoint(folder / DECIDED)
        await write(self, batch)

    async def save_changes(self: Any, connection: Any, changes: Any) -> None:
        await save(self, connection, changes)
        if publishes:
            _hit_failpoint(folder / BEFORE_COMMIT)

    async def enqueue_batches(self: Any, batches: Any) -> None:
        if batches:
            _hit_failpoint(folder / AFTER_COMMIT)
        await enqueue(self, batches)

    BatchCommitter._write_batch = write_batch  # type: ignore[method-assign] # noqa: SLF001 - the same
    processor.save = save_changes  # type: ignore[method-assign]
    OutboxPublisher.enqueue_batches = enqueue_batches  # type: ignore[method-assign]


def _hit_failpoint(point: Path) -> None:
    if point.exists():
        number = signal.Signals[point.read_text()]
        point.unlink()
        os.kill(os.getpid(), number)


def main(module: str) -> None:
    """Run the application of this module with failpoints."""
    app = importlib.import_module(module)
    name = "InvitationsProcessor" if "invitations" in module else "BroadcastProcessor"
    install_failpoints(Path(os.environ[FAILPOINTS_FOLDER]), getattr(app, name))
    process.run_app(app.create)


if __name__ == "__main__":
    main(sys.argv[1])
