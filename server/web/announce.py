"""What happens, made into events that pages understand."""

from __future__ import annotations

from typing import Any

from server.backplane import EventHub
from server.inference.lane import DenoiserStatus
from server.rooms.messages import Levels, MediaEvent
from server.store.records import Recording
from server.web import views
from server.web.services import Services

STREAM_EVENTS = {"stream_started", "stream_state", "stream_updated", "stream_ended"}
SNAPSHOT_RECORDINGS = 20


class Announcer:
    """Publishes media events and changes of recordings; gives the snapshots of their topics."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._hub: EventHub = services.hub
        self._hub.provide("streams", self._streams)
        self._hub.provide("stream:", self._stream)
        self._hub.provide("recordings", self._recordings)
        self._hub.provide("system", self._system)

    async def media(self, event: MediaEvent) -> None:
        """Tell what the media host said; called after it was written down."""
        stream = event.stream
        if stream is None:
            self._hub.publish("streams", event.type, {"stream": None, "stage": event.stage, "detail": event.detail})
            return
        kind = "degraded" if event.type == "recording_failed" else event.type
        if event.type in STREAM_EVENTS:
            data: dict[str, Any] = (await views.stream_on(self._services, stream)).model_dump(mode="json")
        elif event.type == "listeners":
            data = {"id": stream.id, "listeners": stream.listeners, "listeners_peak": stream.listeners_peak}
        elif event.type == "publisher_replaced":
            data = {"stream": stream.id, "session": event.peer_id}
        else:
            data = {"stream": stream.id, "stage": event.stage or "recording", "detail": event.detail}
        self._hub.publish("streams", kind, data)
        self._hub.publish(f"stream:{stream.id}", kind, data)

    def levels(self, levels: Levels) -> None:
        """Tell whoever watches the stream just now how loud it is."""
        self._hub.pass_on(
            f"stream:{levels.stream_id}",
            "levels",
            lambda: {"at": levels.at, "step": levels.step, "in": levels.came, "out": levels.went},
        )

    def denoiser(self, status: DenoiserStatus) -> None:
        """Tell how the denoiser of this machine is, at every change."""
        kind = "degraded" if status.state == "degraded" else "recovered"
        self._hub.publish("system", kind, {"stage": "denoise", "detail": status.detail, **self._machine()})

    def recording(self, kind: str, recording: Recording) -> None:
        """Tell of a change in the library."""
        self._hub.publish("recordings", kind, views.recording(recording).model_dump(mode="json"))

    def _machine(self) -> dict[str, Any]:
        return {"denoise": views.denoise(self._services.denoise.status).model_dump(mode="json")}

    async def _streams(self, _topic: str) -> dict[str, Any]:
        live = self._services.media.streams()
        return {"items": [(await views.stream_on(self._services, item)).model_dump(mode="json") for item in live]}

    async def _stream(self, topic: str) -> dict[str, Any]:
        stream_id = topic.partition(":")[2]
        live = self._services.stream(stream_id)
        if live is not None:
            return {"stream": (await views.stream_on(self._services, live)).model_dump(mode="json")}
        stored = await self._services.store.stream(stream_id)
        channel = await self._services.channel(stored.channel_id)
        return {"stream": views.past_stream(stored, channel, self._services.actor).model_dump(mode="json")}

    async def _recordings(self, _topic: str) -> dict[str, Any]:
        page = await self._services.store.recordings(limit=SNAPSHOT_RECORDINGS)
        items = [views.recording(item, self._services.stream(item.stream_id)) for item in page.items]
        return {"items": [item.model_dump(mode="json") for item in items]}

    async def _system(self, _topic: str) -> dict[str, Any]:
        return self._machine()
