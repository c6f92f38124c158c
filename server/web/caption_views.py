"""Captions, speakers, voices and jobs, as the API and the events show them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from server.jobs.line import Line, Place
from server.rooms.messages import CaptionInfo, CaptionsSnapshot, SpeakerInfo
from server.store.records import Job
from server.web import caption_schemas as schemas


def caption(item: CaptionInfo, *, owned: bool) -> schemas.CaptionOut:
    """A caption; others than the stream's owner see of a hidden one only that it is hidden."""
    return schemas.CaptionOut.model_validate(item if owned else item.public(), from_attributes=True)


def speaker(item: SpeakerInfo) -> schemas.SpeakerOut:
    return schemas.SpeakerOut.model_validate(item, from_attributes=True)


def speakers(items: list[SpeakerInfo]) -> schemas.SpeakerList:
    return schemas.SpeakerList(speakers=[speaker(item) for item in items])


def snapshot(item: CaptionsSnapshot) -> dict[str, Any]:
    """What begins the topic of a stream's captions. Everybody may follow it."""
    return {
        "stream": item.stream_id,
        "state": {"state": item.state.state, "detail": item.state.detail},
        "off_record": item.state.off_record,
        "language": item.state.language,
        "speakers": [asdict(one) for one in item.speakers],
        "captions": [asdict(one.public()) for one in item.captions],
        "position": item.position,
    }


def job(item: Job, place: Place | None = None) -> schemas.JobOut:
    return schemas.JobOut(
        id=item.id,
        kind=item.kind,
        subject=item.subject,
        state=item.state,
        progress=item.progress,
        step=item.step,
        attempts=item.attempts,
        error=item.error,
        created_at=item.created_at,
        started_at=item.started_at,
        ended_at=item.ended_at,
        result=dict(item.result) if item.result is not None else None,
        reached=item.reached,
        position=place.position if place is not None else None,
        wait_s=place.wait_s if place is not None else None,
    )


def line(item: Line, owner: str) -> schemas.LineOut:
    """The queue as one person may see it."""
    own = item.of(owner).items()
    return schemas.LineOut(
        waiting=item.waiting,
        running=item.running,
        workers=item.workers,
        limit=item.limit,
        items=[schemas.PlaceOut(id=job_id, position=place.position, wait_s=place.wait_s) for job_id, place in own],
    )
