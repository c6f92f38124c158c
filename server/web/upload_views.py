"""Uploads, as the API and the events show them."""

from __future__ import annotations

from server.jobs.service import JobService
from server.store.records import Job
from server.store.uploads import LOST, Upload, UploadState, duplicate_of
from server.uploads.desk import UploadDesk
from server.web import upload_schemas as schemas


def upload(item: Upload, desk: UploadDesk, jobs: JobService) -> schemas.UploadOut:
    """With the job that is about it just now."""
    current = jobs.current(item.id, item.recording_id) if item.state != UploadState.DONE else None
    found = item.diagnosis or {}
    return schemas.UploadOut(
        id=item.id,
        name=item.name,
        size=item.size,
        received=item.received,
        state=item.state,
        detail=item.detail,
        batch=item.batch,
        options=schemas.known_options(dict(item.options)),
        diagnosis=schemas.DiagnosisOut.model_validate(found) if "format" in found else None,
        duplicate_of=duplicate_of(item),
        recording_id=item.recording_id if item.state not in LOST else None,
        job=_job(current, jobs) if current is not None else None,
        created_at=item.created_at,
        expires_at=desk.expires_at(item) if item.state == UploadState.RECEIVING else None,
    )


def _job(item: Job, jobs: JobService) -> schemas.UploadJobOut:
    place = jobs.line.places.get(item.id)
    return schemas.UploadJobOut(
        id=item.id,
        kind=item.kind,
        progress=item.progress,
        step=item.step,
        position=place.position if place is not None else None,
        wait_s=place.wait_s if place is not None else None,
    )
