"""A model at its desk: one thread that answers the requests of all streams, one batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from server.inference.captioning.models import Answers
from server.log import get_logger
from server.speech.processor import Failure, Request
from server.speech.schedule import RequestQueue

Stream = TypeVar("Stream", bound=Hashable)

NEVER = 1 << 62
"""Due date of what has none."""

log = get_logger(__name__)


class Desk(Generic[Stream]):
    """For one event loop, which a model never holds up.

    `deliver(stream, request, value)` is called for each answer. Live streams come before files whatever these wait
    for. The queue is as long as there are streams: each has one open request to a model.
    """

    def __init__(
        self,
        name: str,
        answers: Answers,
        deliver: Callable[[Stream, Request, Any], None],
        now: Callable[[], int],
        *,
        most: int = 1,
        alike: Callable[[Request], Hashable] | None = None,
        begins: Callable[[Sequence[Stream]], None] = lambda streams: None,
        spent: Callable[[int, int], None] | None = None,
    ) -> None:
        """`now` is the clock in 48 kHz samples.

        `begins(streams)` is told whom each batch is for, `spent(samples, streams)` what it cost on the clock.
        """
        self.name = name
        self._answers = answers
        self._deliver = deliver
        self._now = now
        self._most = most
        self._alike = alike
        self._begins = begins
        self._spent = spent
        self._since: int | None = None
        self._live = RequestQueue[Stream]()
        self._files = RequestQueue[Stream]()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._task: asyncio.Task[None] | None = None
        self._wake: asyncio.Handle | None = None
        self.failures = 0
        self.busy = 0
        """Samples of the clock that were spent working."""

    def __len__(self) -> int:
        return len(self._live) + len(self._files)

    @property
    def at_it(self) -> int:
        """How long the model has been at its present batch, samples of the clock."""
        return 0 if self._since is None else self._now() - self._since

    @property
    def dropped(self) -> int:
        return self._live.dropped + self._files.dropped

    def ask(self, stream: Stream, request: Request, due: int | None) -> None:
        """`due` on the clock of `now`; None for a file."""
        if due is None:
            self._files.put(stream, request, NEVER)
        else:
            self._live.put(stream, request, due)
        self._look_again()

    def leave(self, stream: Stream) -> None:
        self._live.leave(stream)
        self._files.leave(stream)

    def close(self) -> None:
        """Take nothing more; what runs is not waited for."""
        if self._wake is not None:
            self._wake.cancel()
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look_again(self) -> None:
        if self._wake is None and self._task is None:
            self._wake = asyncio.get_running_loop().call_soon(self._take)

    def _take(self) -> None:
        self._wake = None
        turn = (self._live if len(self._live) else self._files).take(self._now(), self._most, self._alike)
        if turn.work:
            work = [(entry.stream, entry.request) for entry in turn.work]
            self._task = asyncio.create_task(self._work(work), name=f"{self.name}-batch")
        for entry in turn.stale:
            self._deliver(entry.stream, entry.request, Failure("stale", dropped=True))
        if len(self):
            self._look_again()

    async def _work(self, work: Sequence[tuple[Stream, Request]]) -> None:
        self._since = began = self._now()
        self._begins([stream for stream, _ in work])
        loop = asyncio.get_running_loop()
        values = await loop.run_in_executor(self._thread, self._ask, [request for _, request in work])
        self._since = None
        cost = self._now() - began
        self.busy += cost
        if self._spent is not None:
            self._spent(cost, len(work))
        self._task = None
        for (stream, request), value in zip(work, values, strict=True):
            self._deliver(stream, request, value)
        if len(self):
            self._look_again()

    def _ask(self, requests: Sequence[Request]) -> list[Any]:
        """In the model's thread. A window that breaks a batch fails alone."""
        try:
            return self._answers(requests)
        except Exception as error:  # noqa: BLE001 - whatever a model raises: the policy goes on without this answer
            if len(requests) > 1:
                return [value for request in requests for value in self._ask([request])]
            self.failures += 1
            log.warning("a model failed", model=self.name, reason=f"{type(error).__name__}: {error}")
            return [Failure(f"{type(error).__name__}: {error}")]
