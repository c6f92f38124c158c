"""What the server holds, as the API shows it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.accounts import NOBODY, Actor
from server.clock import HOP, SAMPLE_RATE
from server.inference.caption_lane import CaptionerStatus
from server.inference.lane import DenoiserStatus
from server.rooms.messages import StreamInfo, StreamState
from server.store.people_records import Access
from server.store.records import Channel, StoredStream
from server.web import schemas
from server.web.services import Services


def seconds(length: int) -> float:
    """Samples at 48 kHz as seconds, to the hop."""
    return round(length // HOP * HOP / SAMPLE_RATE, 2)


def live_stream(stream: StreamInfo, channel: Channel, actor: Actor, access: Access | None = None) -> schemas.StreamOut:
    """A stream that the media host holds; `access` is shown to its owner."""
    return schemas.StreamOut(
        id=stream.id,
        channel=schemas.StreamChannel(id=channel.id, slug=channel.slug, name=channel.name),
        host=stream.host_name,
        title=stream.title,
        state=stream.state.value,
        started_at=stream.started_at,
        ended_at=stream.ended_at,
        end_reason=stream.end_reason,
        duration_s=seconds(stream.position),
        listeners=stream.listeners,
        listeners_peak=stream.listeners_peak,
        reconnect_by=stream.reconnect_by,
        denoise=schemas.StreamDenoise(
            mode=stream.denoise.mode.value,
            engine=stream.denoise.engine,
            state=stream.denoise.state,
            detail=stream.denoise.detail,
            strength=stream.denoise.strength,
            post_filter=stream.denoise.post_filter,
        ),
        recording=schemas.StreamRecording(
            on=stream.recording.on,
            id=stream.recording.id,
            detail=stream.recording.detail if stream.principal == actor.id else "",
        ),
        captions=schemas.StreamCaptions(
            state=stream.captions.state,
            detail=stream.captions.detail,
            language=stream.captions.language,
            off_record=stream.captions.off_record,
        ),
        sources=stream.sources,
        owner=schemas.Owner(id=stream.principal, display_name=stream.host_name),
        access=own(access, stream.principal, actor),
        you_own=stream.principal == actor.id,
    )


def past_stream(
    stream: StoredStream, channel: Channel, actor: Actor, access: Access | None = None
) -> schemas.StreamOut:
    """A stream that only the database knows; whatever was written last, it is over."""
    return schemas.StreamOut(
        id=stream.id,
        channel=schemas.StreamChannel(id=channel.id, slug=channel.slug, name=channel.name),
        host=stream.host,
        title=stream.title,
        state=StreamState.ENDED.value,
        started_at=stream.started_at,
        ended_at=stream.ended_at,
        end_reason=stream.end_reason,
        duration_s=seconds(stream.length),
        listeners=0,
        listeners_peak=stream.listeners_peak,
        reconnect_by=None,
        denoise=schemas.StreamDenoise(mode=stream.denoise_mode, engine=stream.denoise_engine, state="off", detail=""),
        recording=schemas.StreamRecording(on=False, id=stream.id if stream.recorded else None, detail=""),
        captions=schemas.StreamCaptions(state="off", detail="", language=stream.language, off_record=False),
        sources=["main"],
        owner=schemas.Owner(id=stream.owner, display_name=stream.host),
        access=own(access, stream.owner, actor),
        you_own=stream.owner == actor.id,
    )


async def stream_on(services: Services, stream: StreamInfo, actor: Actor = NOBODY) -> schemas.StreamOut:
    """A live stream together with its channel, as nobody in particular sees it unless somebody is named."""
    return live_stream(stream, await services.channel(stream.channel_id), actor)


def for_all(shown: BaseModel) -> dict[str, Any]:
    """A stream or a recording in an event, which is the same for everybody: whose it is tells the owner's id."""
    return shown.model_dump(mode="json", exclude={"you_own", "access"})


def own(access: Access | None, owner: str, actor: Actor) -> Access | None:
    """Who may hear it, where its owner asks."""
    return access if owner == actor.id else None


def channel(
    item: Channel, stream: schemas.StreamOut | None, actor: Actor, access: Access | None = None
) -> schemas.ChannelOut:
    """A channel and what is on it, as far as the actor may see that."""
    return schemas.ChannelOut(
        id=item.id,
        slug=item.slug,
        name=item.name,
        host=item.host,
        whip_url=f"/whip/{item.slug}",
        whep_url=f"/whep/{item.slug}",
        listen_path=f"/listen/{item.slug}",
        owner=schemas.Owner(id=item.owner, display_name=item.host),
        access=own(access, item.owner, actor),
        stream=stream,
    )


def denoise(status: DenoiserStatus) -> schemas.DenoiseOut:
    return schemas.DenoiseOut(
        state=status.state,
        engine=status.engine,
        device=status.device,
        detail=status.detail,
        runtime=status.runtime,
        streams_realtime=status.streams_realtime,
    )


def captions(status: CaptionerStatus) -> schemas.CaptionsOut:
    return schemas.CaptionsOut(
        state=status.state,
        recogniser=status.recogniser,
        diarizer=status.diarizer,
        translates=status.translates,
        detail=status.detail,
    )
