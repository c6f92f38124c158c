"""The queue of jobs: which are to be done now, and which later. It holds ids only; the rows say what they are."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huey import Huey, SqliteHuey

from server.config import Settings
from server.errors import Unavailable
from server.log import get_logger

FILE = "jobs.db"
"""In the data folder. Apart from the database: whoever waits for a job locks nobody else out."""
POLL_S = 1.0
"""How long a waiting worker sleeps at most before it looks again."""

log = get_logger(__name__)


def open_queue(settings: Settings) -> JobQueue:
    """The queue that the settings ask for. Blocks. Raises Unavailable."""
    path = settings.data_dir / FILE
    try:
        return JobQueue(_in_file(path))
    except sqlite3.OperationalError as error:
        raise Unavailable(f"The queue of jobs {path} cannot be used: {error}.", code="jobs") from error
    except sqlite3.DatabaseError:
        # Nothing is lost: the rows know what is to be done, and the worker puts it in again.
        log.warning("the queue of jobs was damaged and begins anew", path=str(path))
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            (settings.data_dir / name).unlink(missing_ok=True)
        return JobQueue(_in_file(path))


def _in_file(path: Path) -> Huey:
    return SqliteHuey("clearcast", filename=str(path), results=False, timeout=30)


class JobQueue:
    """Every method blocks: call it in a thread. All raise Unavailable where the queue cannot be reached."""

    def __init__(self, huey: Huey) -> None:
        self._huey = huey
        self._work: Callable[[str], None] = _nothing
        self._task = huey.task(name="job")(self._do)

    def put(self, job_id: str, delay_s: float = 0.0, priority: int = 0) -> None:
        """Have a job done, after `delay_s` seconds at the earliest; of those that wait the highest priority first."""
        with _told():
            if delay_s > 0:
                self._task.schedule((job_id,), delay=delay_s, priority=priority)
            else:
                self._task(job_id, priority=priority)

    def known(self) -> set[str]:
        """Ids of the jobs that wait, now or for their time."""
        with _told():
            return {task.args[0] for task in [*self._huey.pending(), *self._huey.scheduled()]}

    def consume(self, work: Callable[[str], None], workers: int = 1) -> None:
        """Do jobs, each in one of `workers` threads, until SIGTERM or SIGINT comes to the process."""
        self._work = work
        logging.getLogger("huey").setLevel(logging.WARNING)
        self._huey.create_consumer(workers=workers, periodic=False, max_delay=POLL_S, check_worker_health=False).run()

    def close(self) -> None:
        self._huey.storage.close()

    def _do(self, job_id: str) -> None:
        self._work(job_id)


def _nothing(job_id: str) -> None:
    raise RuntimeError(f"job {job_id} was taken by a process that does no jobs")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"The queue of jobs takes nothing just now: {error}.", code="jobs", retry_after=5) from error
