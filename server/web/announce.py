"""What happens, made into events that pages understand."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from server.accounts import NOBODY
from server.accounts.access import About, Viewer, about_recording, about_stream
from server.accounts.presence import OnAir
from server.backplane import EventHub
from server.errors import Unavailable
from server.inference.caption_lane import CaptionerStatus
from server.inference.lane import DenoiserStatus
from server.jobs.line import Line
from server.log import get_logger
from server.rooms.messages import (
    CaptionOutput,
    CaptionsStateTold,
    CaptionTold,
    Levels,
    MediaEvent,
    OffRecordTold,
    SpeakersTold,
    SpeakingTold,
    StreamInfo,
    StreamState,
)
from server.store.records import Job, Recording
from server.store.uploads import Upload
from server.web import caption_views, recording_views, upload_views, views
from server.web.services import Services

log = get_logger(__name__)

STREAM_EVENTS = {"stream_started", "stream_state", "stream_updated", "stream_ended"}
KEEPING = {"recording", "disk"}
"""Stages of which the words are told to the stream's owner alone."""
SNAPSHOT_RECORDINGS = 20
SNAPSHOT_JOBS = 20
SNAPSHOT_UPLOADS = 50


class Announcer:
    """Publishes media events and changes of recordings; gives the snapshots of their topics."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._telling: set[asyncio.Task[None]] = set()
        """Changes of recordings that are about to be told: a handful at most, each takes one query."""
        self._services: Services

    def serve(self, services: Services) -> None:
        """Show what these hold. To be called before anything happens."""
        self._services = services
        self._hub.provide("streams", self._streams)
        self._hub.provide("stream:", self._stream)
        self._hub.provide("recordings", self._recordings)
        self._hub.provide("system", self._system)
        self._hub.provide("captions:", self._captions)
        self._hub.provide("jobs", self._jobs)
        self._hub.provide("uploads", self._uploads)
        if services.settings.chat:
            self._hub.provide("chat:", self._chat)

    async def media(self, event: MediaEvent) -> None:
        """Tell what the media host said; called after it was written down."""
        stream = event.stream
        if stream is None:
            self._hub.publish("streams", event.type, {"stream": None, "stage": event.stage, "detail": event.detail})
            return
        await self.on_air(stream, begins=event.type == "stream_started")
        kind = "degraded" if event.type == "recording_failed" else event.type
        about = about_stream(stream)
        await self._services.access.rules(about.things)  # known from here on, so that subscribers can be told apart
        if event.type in STREAM_EVENTS:
            data: dict[str, Any] = views.for_all(await views.stream_on(self._services, stream))
        elif event.type == "listeners":
            data = {"id": stream.id, "listeners": stream.listeners, "listeners_peak": stream.listeners_peak}
        elif event.type == "publisher_replaced":
            data = {"stream": stream.id, "session": event.peer_id}
        else:
            stage = event.stage or "recording"
            data = {"stream": stream.id, "stage": stage, "detail": "" if stage in KEEPING else event.detail}
        self._hub.publish("streams", kind, data, about)
        self._hub.publish(f"stream:{stream.id}", kind, data)
        if data.get("stage") in KEEPING or (event.type in STREAM_EVENTS and stream.recording.detail):
            self._tell_owner(stream)
        if event.type == "stream_ended":
            if self._services.media.live_on(stream.channel_id) is None:
                self._services.guests.falls_silent(stream.channel_id)
            self._services.oversight.on_air(stream.channel_id)
            self._hub.let_go(f"captions:{stream.id}")  # half a megabyte for every stream that there ever was

    def _tell_owner(self, stream: StreamInfo) -> None:
        """How much room they have is nobody else's business."""
        kept = stream.recording
        data = {"stream": stream.id, "on": kept.on, "detail": kept.detail}
        self._hub.publish("streams", "recording_told", data, About("recording-words", stream.id, stream.principal))

    async def on_air(self, stream: StreamInfo, *, begins: bool = False) -> None:
        """Friends of whoever publishes see whether they are live; they are told when it `begins`."""
        community = self._services.community
        if stream.state is StreamState.ENDED:
            community.presence.ended(stream.id)
        elif stream.state is not StreamState.CONNECTING and self._services.settings.accounts:
            channel = await self._services.channel(stream.channel_id)
            now = OnAir(stream.id, stream.channel_id, stream.principal, channel.slug, stream.title)
            community.presence.began(now)
            if begins:
                community.notices.went_live(now)

    def levels(self, levels: Levels) -> None:
        """Tell whoever watches the stream just now how loud it is."""
        self._hub.pass_on(
            f"stream:{levels.stream_id}",
            "levels",
            lambda: {"at": levels.at, "step": levels.step, "in": levels.came, "out": levels.went},
        )

    def captions(self, told: CaptionOutput) -> None:
        """Tell what is said in a stream. What a later event says again, and what somebody sounds like, is not kept."""
        topic = f"captions:{told.stream_id}"
        match told:
            case CaptionTold(kind="interim"):
                self._hub.pass_on(topic, "caption", lambda: {"kind": told.kind, "caption": asdict(told.caption)})
            case CaptionTold():
                caption = asdict(told.caption.public())
                self._hub.publish(topic, "caption", {"kind": told.kind, "caption": caption})
            case SpeakersTold():
                self._hub.publish(topic, "speakers", {"speakers": [asdict(item) for item in told.speakers]})
            case SpeakingTold():
                self._hub.pass_on(topic, "speaking", lambda: {"speakers": told.speakers, "at": told.at})
            case OffRecordTold():
                self._hub.publish(topic, "off_record", {"on": told.on, "at": told.at})
            case CaptionsStateTold():
                self._hub.publish(topic, "captions_state", {"state": told.state, "detail": told.detail})

    def captioner(self, status: CaptionerStatus) -> None:
        """Tell how those are who write captions on this machine, at every change."""
        kind = "degraded" if status.state == "degraded" else "recovered"
        self._hub.publish("system", kind, {"stage": "captions", "detail": status.detail, **self._machine()})

    def job(self, kind: str, job: Job) -> None:
        """Tell how far a job is: `job_progress`, or `job_completed` for whatever has become of it."""
        about = About("job", job.id, job.owner)
        place = self._services.jobs.line.places.get(job.id)
        self._hub.publish("jobs", kind, caption_views.job(job, place).model_dump(mode="json"), about)

    def queue(self, line: Line, owners: set[str]) -> None:
        """Tell everybody who has a job in the queue how far it is."""
        for owner in owners:
            about = About("job", "", owner)
            self._hub.publish("jobs", "queue_update", caption_views.line(line, owner).model_dump(mode="json"), about)

    def upload(self, kind: str, upload: Upload) -> None:
        """Tell its owner what becomes of an upload."""
        about = About("upload", upload.id, upload.owner)
        if kind == "upload_removed":
            self._hub.publish("uploads", kind, {"id": upload.id}, about)
            return
        shown = upload_views.upload(upload, self._services.uploads, self._services.jobs)
        self._hub.publish("uploads", kind, shown.model_dump(mode="json"), about)

    def denoiser(self, status: DenoiserStatus) -> None:
        """Tell how the denoiser of this machine is, at every change."""
        kind = "degraded" if status.state == "degraded" else "recovered"
        self._hub.publish("system", kind, {"stage": "denoise", "detail": status.detail, **self._machine()})

    def recording(self, kind: str, recording: Recording) -> None:
        """Tell of a change in the library."""
        about = about_recording(recording)
        if self._services.access.knows(about):
            self._hub.publish("recordings", kind, recording_views.told(self._services, recording), about)
            return
        task = asyncio.create_task(self._look_up(kind, recording), name="recording told")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _look_up(self, kind: str, recording: Recording) -> None:
        about = about_recording(recording)
        try:
            await self._services.access.rules(about.things)
        except Unavailable as error:
            log.warning("a recording is told to its owner only", recording=recording.id, error=error.message)
        self._hub.publish("recordings", kind, recording_views.told(self._services, recording), about)

    def _machine(self) -> dict[str, Any]:
        return {
            "denoise": views.denoise(self._services.denoise.status).model_dump(mode="json"),
            "captions": views.captions(self._services.captions.status).model_dump(mode="json"),
        }

    async def _streams(self, _topic: str, viewer: Viewer) -> dict[str, Any]:
        live = self._services.media.streams()
        await viewer.know([about_stream(item) for item in live])
        seen = [item for item in live if viewer.sees(about_stream(item))]
        return {"items": [views.for_all(await views.stream_on(self._services, item, viewer.actor)) for item in seen]}

    async def _stream(self, topic: str, _viewer: Viewer) -> dict[str, Any]:
        stream_id = topic.partition(":")[2]
        live = self._services.stream(stream_id)
        if live is not None:
            return {"stream": views.for_all(await views.stream_on(self._services, live))}
        stored = await self._services.store.stream(stream_id)
        channel = await self._services.channel(stored.channel_id)
        return {"stream": views.for_all(views.past_stream(stored, channel, NOBODY))}

    async def _recordings(self, _topic: str, viewer: Viewer) -> dict[str, Any]:
        sight = await self._services.access.sight(viewer.actor)
        page = await self._services.store.recordings(limit=SNAPSHOT_RECORDINGS, sight=sight)
        return {"items": [recording_views.told(self._services, item) for item in page.items]}

    async def _system(self, _topic: str, _viewer: Viewer) -> dict[str, Any]:
        return self._machine()

    async def _captions(self, topic: str, _viewer: Viewer) -> dict[str, Any]:
        return caption_views.snapshot(await self._services.caption_desk.snapshot(topic.partition(":")[2]))

    async def _chat(self, topic: str, _viewer: Viewer) -> dict[str, Any]:
        return await self._services.chat.snapshot(topic.partition(":")[2])

    async def _uploads(self, _topic: str, viewer: Viewer) -> dict[str, Any]:
        services = self._services
        page = await services.store.uploads.page(viewer.actor.id, limit=SNAPSHOT_UPLOADS)
        items = [upload_views.upload(item, services.uploads, services.jobs) for item in page.items]
        return {"items": [item.model_dump(mode="json") for item in items]}

    async def _jobs(self, _topic: str, viewer: Viewer) -> dict[str, Any]:
        page = await self._services.store.jobs.page(viewer.actor.id, limit=SNAPSHOT_JOBS)
        line = self._services.jobs.line
        items = [caption_views.job(item, line.places.get(item.id)) for item in page.items]
        return {
            "items": [item.model_dump(mode="json") for item in items],
            "queue": caption_views.line(line, viewer.actor.id).model_dump(mode="json"),
        }
