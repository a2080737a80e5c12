"""The tasks of a session, any of which can end it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from messaging.errors import NotConfirmed


class SessionTasks:
    """Runs tasks until they are cancelled. The first error is set on `failure`."""

    def __init__(self) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def fail(self, error: BaseException) -> None:
        """Set the error on `failure`, unless there was one before."""
        if not self.failure.done():
            self.failure.set_exception(error)

    async def cancel(self) -> None:
        """Cancel all tasks and `failure`, and wait for the tasks."""
        self.failure.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            # If we cancelled it, `failure` is already done; a task cancelled by a library is a failure.
            self.fail(NotConfirmed("a task of the session was cancelled unexpectedly"))
        elif (error := task.exception()) is not None:
            self.fail(error)
