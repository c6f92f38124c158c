"""Who is how far from the front of the queue, and how long that will take by what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from server.store.records import Job, JobState

AUDIO = "audio_s"
"""In a job's parameters: seconds of the audio that it is about, where they are known."""
REMEMBERED = 20
"""Jobs of each kind by which the next ones are estimated."""
UNKNOWN_S = 60.0
"""What a job is thought to take while nothing was measured and its audio is not known."""
UNKNOWN_SPEED = 4.0
"""Times real time, the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """A job's place in the queue."""

    position: int
    """1 for the next one."""
    wait_s: float
    """Until it begins, estimated."""


@dataclass(frozen=True, slots=True)
class Line:
    """The queue at a moment."""

    waiting: int = 0
    running: int = 0
    workers: int = 1
    limit: int = 0
    places: Mapping[str, Place] = field(default_factory=dict)
    """Of jobs that wait, by id."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Whose they are."""

    def of(self, owner: str) -> dict[str, Place]:
        """The places of one person's jobs."""
        return {job_id: place for job_id, place in self.places.items() if self.owners[job_id] == owner}


class Speeds:
    """How long jobs of each kind took."""

    def __init__(self) -> None:
        self._took: dict[str, list[tuple[float, float | None]]] = {}

    def learn(self, job: Job) -> None:
        """A job is done."""
        if job.state != JobState.DONE or job.started_at is None or job.ended_at is None:
            return
        took = (job.ended_at - job.started_at).total_seconds()
        self._took.setdefault(job.kind, []).append((took, _audio_s(job)))
        del self._took[job.kind][:-REMEMBERED]

    def estimate(self, job: Job) -> float:
        """How long the whole job will take, in seconds."""
        known, audio = self._took.get(job.kind, []), _audio_s(job)
        if audio is not None:
            alike = [(took, length) for took, length in known if length]
            if not alike:
                return audio / UNKNOWN_SPEED
            return audio * sum(took for took, _ in alike) / sum(length for _, length in alike)
        return sum(took for took, _ in known) / len(known) if known else UNKNOWN_S

    def left(self, job: Job, now: datetime) -> float:
        """How long a running job will still take."""
        whole = self.estimate(job)
        if job.started_at is not None and job.progress > 0:
            whole = max(whole, (now - job.started_at).total_seconds() / job.progress)
        return whole * (1.0 - job.progress)


def _audio_s(job: Job) -> float | None:
    value = (job.parameters or {}).get(AUDIO)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def line_of(jobs: Iterable[Job], speeds: Speeds, workers: int, limit: int, now: datetime) -> Line:
    """Jobs that are not over, as they will be begun: the highest priority first, then whoever came first."""
    unfinished = list(jobs)
    running = [job for job in unfinished if job.state == JobState.RUNNING]
    waiting = sorted(
        (job for job in unfinished if job.state == JobState.QUEUED), key=lambda job: (-job.priority, job.created_at)
    )
    free_at = sorted([speeds.left(job, now) for job in running] + [0.0] * max(0, workers - len(running)))[:workers]
    places: dict[str, Place] = {}
    for number, job in enumerate(waiting, start=1):
        begins = free_at.pop(0)
        places[job.id] = Place(number, round(begins, 1))
        free_at = sorted([*free_at, begins + speeds.estimate(job)])
    owners = {job.id: job.owner for job in waiting}
    return Line(len(waiting), len(running), workers, limit, places, owners)
