"""Recordings, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from server.accounts import NOBODY, Actor
from server.clock import SAMPLE_RATE
from server.recordings.caption_forms import names_shown
from server.recordings.facts import Facts
from server.recordings.library import KEEP_BINNED
from server.recordings.speakers import speakers_of
from server.rooms.messages import StreamInfo
from server.speech.searching import in_utf16
from server.store.library import FoundRecording
from server.store.people_records import Access
from server.store.records import Recording, RecordingState
from server.web import recording_schemas as schemas
from server.web.schemas import Owner
from server.web.services import Services
from server.web.views import for_all, own, seconds


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
        access = rule.access if rule is not None else None
        shown.append(recording(item, live, actor, access, services.library.keep_binned))
    return shown


async def show_found(
    services: Services, actor: Actor, found: Sequence[FoundRecording], *, searched: bool
) -> list[schemas.ListedRecording]:
    """What a list has found, with the captions that say so where something was searched for."""
    shown = await show_all(services, actor, [item.recording for item in found])
    return [
        schemas.ListedRecording(**dict(out), matches=matches(item, actor) if searched else None)
        for out, item in zip(shown, found, strict=True)
    ]


def matches(found: FoundRecording, actor: Actor) -> list[schemas.MatchOut]:
    """Captions in which something was found; what was trimmed away is shown to the owner alone."""
    excerpts, kept = found.excerpts, found.recording
    names = names_shown(excerpts.speakers)
    return [
        schemas.MatchOut(
            number=item.number,
            start_s=exact(item.start),
            end_s=exact(item.end),
            speaker=names.get(item.label or ""),
            text=item.text,
            marks=in_utf16(item.text, item.marks),
        )
        for item in excerpts.captions
        if kept.owner == actor.id or kept.plays(item.start, item.end)
    ]


async def detail(
    services: Services, actor: Actor, item: Recording, *, speakers: bool = True
) -> schemas.RecordingDetail:
    """One recording with all that is known of it; without who talks how long where nobody wants to know."""
    shown, found = await show(services, actor, item), Facts.from_json(item.facts)
    told = facts(found, own=item.owner == actor.id) if found is not None else None
    talk = await speakers_of(services.store, item.stream_id) if speakers else []
    shares = [schemas.SpeakerShare.model_validate(one, from_attributes=True) for one in talk]
    return schemas.RecordingDetail(**dict(shown), speakers=shares, facts=told)


def facts(item: Facts, *, own: bool) -> schemas.FactsOut:
    """What was found when it was finished; how many listened, its owner sees alone."""
    return schemas.FactsOut(
        loudness=schemas.LoudnessOut(**asdict(item.loudness)) if item.loudness is not None else None,
        gaps=[schemas.GapOut(start_s=exact(gap.start), end_s=exact(gap.end), kind=gap.kind) for gap in item.gaps],
        denoise=[
            schemas.DenoiseSpanOut(
                start_s=exact(span.start), end_s=exact(span.end), mode=span.mode, strength=span.strength
            )
            for span in item.denoise
        ],
        models=[schemas.ModelOut(**asdict(model)) for model in item.models],
        listeners=[(exact(at), count) for at, count in item.listeners] if own else [],
    )


def told(services: Services, item: Recording) -> dict[str, Any]:
    """A recording in an event, which is the same for everybody."""
    live = services.stream(item.stream_id)
    return for_all(recording(item, live, keep_binned=services.library.keep_binned))


def _trim(item: Recording) -> schemas.Trim | None:
    if item.trim_start is None or item.trim_end is None:
        return None
    return schemas.Trim(start_s=exact(item.trim_start), end_s=exact(item.trim_end))


def exact(sample: int) -> float:
    """Samples at 48 kHz as seconds, so exactly that the sample can be found again."""
    return round(sample / SAMPLE_RATE, 6)


def recording(
    item: Recording,
    live: StreamInfo | None = None,
    actor: Actor = NOBODY,
    access: Access | None = None,
    keep_binned: timedelta = KEEP_BINNED,
) -> schemas.RecordingOut:
    """A recording; `live` is its stream while that goes on, for the length so far."""
    base = f"/api/v1/recordings/{item.id}"
    length = live.position if live is not None and item.state == RecordingState.RECORDING else item.length
    trim = _trim(item)
    return schemas.RecordingOut(
        id=item.id,
        stream_id=item.stream_id,
        title=item.title,
        host=item.host,
        channel=schemas.RecordingChannel(slug=item.channel_slug, name=item.channel_name),
        description=item.description,
        origin=item.origin,
        language=item.language,
        created_at=item.created_at,
        duration_s=seconds(length),
        plays_s=seconds(length) if trim is None else round(trim.end_s - trim.start_s, 2),
        trim=trim,
        size_bytes=item.size_bytes,
        state=item.state,
        detail=item.detail if item.owner == actor.id else "",
        audio_url=f"{base}/audio",
        raw_url=f"{base}/audio?version=raw" if item.has_raw else None,
        download_url=f"{base}/audio?download=1",
        peaks_url=f"{base}/peaks",
        spectrogram_url=f"{base}/spectrogram",
        binned_at=item.deleted_at,
        gone_at=item.deleted_at + keep_binned if item.deleted_at is not None else None,
        owner=Owner(id=item.owner, display_name=item.host),
        access=own(access, item.owner, actor),
    )
