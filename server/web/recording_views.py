"""Recordings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence

from server.accounts import NOBODY, Actor
from server.rooms.messages import StreamInfo
from server.store.people_records import Access
from server.store.records import Recording, RecordingState
from server.web import recording_schemas as schemas
from server.web.schemas import Owner
from server.web.services import Services
from server.web.views import own, seconds


async def show(services: Services, actor: Actor, item: Recording) -> schemas.RecordingOut:
    """One recording as the actor sees it."""
    return (await show_all(services, actor, [item]))[0]


async def show_all(services: Services, actor: Actor, recordings: Sequence[Recording]) -> list[schemas.RecordingOut]:
    """As the actor sees them, in a constant number of queries."""
    mine = {("recording", item.id) for item in recordings if item.owner == actor.id}
    rules = await services.access.rules(mine)
    shown = []
    for item in recordings:
        rule, live = rules.get(("recording", item.id)), services.stream(item.stream_id)
        shown.append(recording(item, live, actor, rule.access if rule is not None else None))
    return shown


def recording(
    item: Recording, live: StreamInfo | None = None, actor: Actor = NOBODY, access: Access | None = None
) -> schemas.RecordingOut:
    """A recording; `live` is its stream while that goes on, for the length so far."""
    base = f"/api/v1/recordings/{item.id}"
    length = live.position if live is not None and item.state == RecordingState.RECORDING else item.length
    return schemas.RecordingOut(
        id=item.id,
        stream_id=item.stream_id,
        title=item.title,
        host=item.host,
        channel=schemas.RecordingChannel(slug=item.channel_slug, name=item.channel_name),
        created_at=item.created_at,
        duration_s=seconds(length),
        size_bytes=item.size_bytes,
        state=item.state,
        detail=item.detail,
        audio_url=f"{base}/audio",
        raw_url=f"{base}/audio?version=raw" if item.has_raw else None,
        download_url=f"{base}/audio?download=1",
        peaks_url=f"{base}/peaks",
        owner=Owner(id=item.owner, display_name=item.host),
        access=own(access, item.owner, actor),
    )
