"""Fetching models while the server runs, in a thread that does not hold up the end of the program."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from server.errors import ClearcastError
from server.inference.models import pull


class BackgroundPull:
    """For one event loop."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where models are kept."""
        self._folder = folder
        self._stop = threading.Event()

    async def pull(self, name: str, *, again: bool = False) -> Path:
        """See `models.pull`, whose errors this raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Path] = loop.create_future()

        def settle(result: Path | None, error: ClearcastError | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            elif result is not None:
                done.set_result(result)

        def run() -> None:
            result, failure = None, None
            try:
                result = pull(name, self._progress, folder=self._folder, again=again)
            except _Stopped:
                return
            except ClearcastError as error:
                failure = error
            if not self._stop.is_set():
                loop.call_soon_threadsafe(settle, result, failure)

        threading.Thread(target=run, name="model-download", daemon=True).start()
        return await done

    def stop(self) -> None:
        """The server closes: the rest of the download can wait for its next run."""
        self._stop.set()

    def _progress(self, done: int, total: int | None) -> None:
        if self._stop.is_set():
            raise _Stopped


class _Stopped(Exception):
    """Nobody waits any more."""
