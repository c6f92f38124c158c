"""What other servers are told by webhooks: which events there are, and what each says."""

from __future__ import annotations

from typing import Any

from server.clock import SAMPLE_RATE
from server.rooms.messages import MediaEvent, StreamInfo
from server.store.records import Job, JobState, Recording
from server.webhooks import Webhooks

EVENTS = ("stream.started", "stream.ended", "recording.ready", "job.failed")
"""All that there are, documented in docs/webhooks.md."""


class Outside:
    """Hears what everybody here is told, and passes on what the outside may know."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def media(self, event: MediaEvent) -> None:
        """Of the media host."""
        if event.stream is not None and event.type in ("stream_started", "stream_ended"):
            self._webhooks.put(event.type.replace("_", "."), _stream(event.stream))

    def recording(self, kind: str, recording: Recording) -> None:
        """Of the library."""
        if kind == "recording_ready":
            self._webhooks.put("recording.ready", _recording(recording))

    def job(self, kind: str, job: Job) -> None:
        """Of the jobs."""
        if kind == "job_completed" and job.state == JobState.FAILED:
            self._webhooks.put("job.failed", _job(job))


def _stream(stream: StreamInfo) -> dict[str, Any]:
    return {
        "id": stream.id,
        "channel_id": stream.channel_id,
        "title": stream.title,
        "host": stream.host_name,
        "owner": stream.principal,
        "started_at": stream.started_at.isoformat(),
        "duration_s": round(stream.position / SAMPLE_RATE, 3),
        "recording_id": stream.recording.id,
        "end_reason": stream.end_reason,
    }


def _recording(recording: Recording) -> dict[str, Any]:
    return {
        "id": recording.id,
        "stream_id": recording.stream_id,
        "title": recording.title,
        "owner": recording.owner,
        "origin": recording.origin,
        "state": str(recording.state),
        "duration_s": round(recording.length / SAMPLE_RATE, 3),
        "size_bytes": recording.size_bytes,
        "created_at": recording.created_at.isoformat(),
    }


def _job(job: Job) -> dict[str, Any]:
    names = ("id", "kind", "subject", "owner", "attempts", "error")
    return {name: getattr(job, name) for name in names}
