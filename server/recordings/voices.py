"""Known voices: saved from a stream with consent, given to live streams, deleted for good."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from server.errors import Conflict, NotFound
from server.inference.diarization.thresholds import thresholds_of
from server.recordings.captions import CaptionDesk
from server.rooms.messages import CaptionAnswer, CaptionCommand, KnownVoice, SpeakerInfo, StreamInfo, VoicesKnown
from server.speech import voices
from server.speech.speakers import clean_name
from server.store.records import CaptionVersion, Page, Voice, VoicePrint
from server.store.store import Store
from server.store.voices import Met

LEAST_HEARD = 5.0
"""Seconds of a speaker that make a voice: less says too little of it."""


class LiveStreams(Protocol):
    """The media host, as far as it is told of voices."""

    def streams(self) -> list[StreamInfo]: ...

    async def change_captions(self, stream_id: str, command: CaptionCommand) -> CaptionAnswer: ...


class VoiceBook:
    """The voices that each owner has saved; live streams of the owner know of every change at once."""

    def __init__(self, store: Store, media: LiveStreams, captions: CaptionDesk) -> None:
        self._store = store
        self._media = media
        self._captions = captions

    async def known(self, owner: str) -> list[KnownVoice]:
        """What a stream of this owner is to know its speakers by."""
        found = await self._store.voices.all(owner)
        return [KnownVoice(voice.id, voice.name, voice.model, middle(voice)) for voice in found if voice.active]

    async def page(self, owner: str, limit: int, cursor: str | None, search: str | None = None) -> Page[Voice]:
        """Oldest first; all that match at once where something is looked for. Raises InvalidRequest."""
        if not search:
            return await self._store.voices.page(owner, limit=limit, cursor=cursor)
        wanted = search.casefold()
        found = await self._store.voices.all(owner)
        items = [voice for voice in found if wanted in f"{voice.name}\n{voice.description}".casefold()]
        return Page(items, len(items))

    async def met(self, voice: Voice) -> list[Met]:
        """Where it was met."""
        return await self._store.voices.met(voice.id)

    async def save(
        self,
        owner: str,
        stream_id: str,
        label: str,
        now: datetime,
        version: CaptionVersion | None = None,
        existing: str | None = None,
    ) -> Voice:
        """Keep what a speaker of a stream sounds like under the speaker's name; who it is has consented.

        Raises NotFound; Conflict where the speaker has no name, too little or two people were heard, there are too many
        voices, or the name is known by a voice that sounds like somebody else (`voice-differs`): unless `existing` says
        what becomes of that, "add" (both are one person) or "replace".
        """
        meant = await self._captions.version(stream_id, version)
        speaker, prints = await self._heard(stream_id, label, meant)
        if speaker.name is None:
            raise Conflict("Say first who this is: a voice is kept under a name.", code="speaker-unnamed")
        seconds = sum(heard.seconds for heard in prints)
        if seconds < LEAST_HEARD:
            raise _too_short(seconds)
        if _two_people(prints):
            raise Conflict(
                "What was joined here sounds like two people: take them apart, then save each.", code="voice-mixed"
            )
        known = await self._store.voices.named(owner, speaker.name)
        if existing is None and known is not None and _somebody_else(known, prints):
            raise _differs(known)
        replace = existing == "replace"
        voice = await self._store.voices.learn(owner, speaker.name, prints, now, replace=replace)
        await self._captions.link_voice(stream_id, speaker.label, voice.id, meant)
        await self._tell(owner)
        return voice

    async def _heard(self, stream_id: str, label: str, version: CaptionVersion) -> tuple[SpeakerInfo, list[VoicePrint]]:
        """Who a label is, merges followed, and what all labels of that speaker sound like."""
        speakers = {speaker.label: speaker for speaker in await self._captions.speakers(stream_id, version)}
        if label not in speakers:
            raise NotFound("There is no such speaker.", code="unknown-speaker")

        def root(speaker: SpeakerInfo) -> SpeakerInfo:
            while speaker.merged_into in speakers:
                speaker = speakers[speaker.merged_into]
            return speaker

        meant = root(speakers[label])
        prints = await self._captions.prints(stream_id, version)
        heard = [prints[other.label] for other in speakers.values() if root(other) is meant and other.label in prints]
        newest = heard[-1].model if heard else ""
        return meant, [item for item in heard if item.model == newest]

    async def learn(self, owner: str, name: str, heard: VoicePrint, now: datetime, existing: str | None) -> Voice:
        """Keep what a sample sounds like. Raises InvalidRequest, and Conflict as `save` does."""
        name = clean_name(name)
        if heard.seconds < LEAST_HEARD:
            raise _too_short(heard.seconds)
        known = await self._store.voices.named(owner, name)
        if existing is None and known is not None and _somebody_else(known, [heard]):
            raise _differs(known)
        voice = await self._store.voices.learn(owner, name, [heard], now, replace=existing == "replace")
        await self._tell(owner)
        return voice

    async def change(self, voice: Voice, values: Mapping[str, Any]) -> Voice:
        """Of name, description, active, verified those that are there. Raises InvalidRequest, Conflict."""
        values = dict(values)
        if "name" in values:
            values["name"] = clean_name(values["name"])
        changed = await self._store.voices.change(voice.id, **values)
        await self._tell(voice.owner)
        return changed

    async def merge(self, voice: Voice, into: Voice) -> Voice:
        """Both are one person's voice; returns what is left. Raises Conflict where they are one already."""
        if voice.id == into.id:
            raise Conflict("A voice cannot be merged with itself.", code="same-voice")
        kept = await self._store.voices.merge(voice.id, into.id)
        await self._tell(voice.owner)
        return kept

    async def likely(
        self, owner: str, stream_id: str, label: str, version: CaptionVersion | None = None
    ) -> list[tuple[Voice, float]]:
        """The owner's voices that a speaker may have, with how sure that is (see `confidence`), the surest first.

        Raises NotFound, and Conflict (`voice-forgotten`) where it is not known any more what the speaker sounds like.
        """
        _, prints = await self._heard(stream_id, label, await self._captions.version(stream_id, version))
        if not prints:
            raise Conflict(
                "What this speaker sounds like was kept for a week only. Have the recording heard again: then known "
                "voices are looked for as well.",
                code="voice-forgotten",
            )
        longest = max(prints, key=lambda heard: heard.seconds)
        alike = [
            voice for voice in await self._store.voices.all(owner) if voice.active and voice.model == longest.model
        ]
        sure = [(voice, confidence(voice, longest)) for voice in alike]
        return sorted(sure, key=lambda item: -item[1])

    async def assign(self, voice: Voice, stream_id: str, label: str, version: CaptionVersion | None = None) -> None:
        """Say that a speaker is who has this voice: they get its name. Raises NotFound, Conflict, InvalidRequest."""
        meant = await self._captions.version(stream_id, version)
        await self._captions.rename(stream_id, label, voice.name, meant)
        await self._captions.link_voice(stream_id, label, voice.id, meant)

    async def forget(self, voice: Voice) -> None:
        """Delete it for good. Past streams keep the names that it gave, live ones forget them."""
        await self._store.voices.forget(voice.id)
        await self._tell(voice.owner)

    async def _tell(self, owner: str) -> None:
        """Live streams of the owner know the voices as they are now."""
        known = VoicesKnown(await self.known(owner))
        for stream in self._media.streams():
            if stream.principal == owner:
                try:
                    await self._media.change_captions(stream.id, known)
                except (Conflict, NotFound):
                    continue  # it has no captions, or has just ended


def _too_short(seconds: float) -> Conflict:
    return Conflict(
        f"Only {seconds:.0f} s of this voice were heard; it takes {LEAST_HEARD:.0f}.", code="voice-too-short"
    )


def _differs(known: Voice) -> Conflict:
    return Conflict(
        f"This sounds like somebody else than the voice that is known as {known.name}: "
        "replace that one, add this one to it, or give this speaker another name.",
        code="voice-differs",
    )


def confidence(voice: Voice, heard: VoicePrint) -> float:
    """How sure it is that a voice was heard, 0 to 1: above 0.5 a speaker is named after it by itself."""
    apart = voices.distance(heard.centroid, np.asarray(middle(voice), np.float32))
    limit = thresholds_of(voice.model).voice
    return round(max(0.0, 1.0 - apart / (2 * limit)), 3)


def spread(voice: Voice) -> float:
    """How far apart its samples are, cosine distance: 0 where there is one, or all are alike."""
    pairs = combinations(voice.centroids, 2)
    return round(max((voices.distance(one, other) for one, other in pairs), default=0.0), 3)


def _two_people(prints: list[VoicePrint]) -> bool:
    """Whether labels that a person has merged sound further apart than one person does."""
    heard = [item for item in prints if item.seconds >= voices.LEAST_HEARD]
    return any(
        voices.distance(one.centroid, other.centroid) > thresholds_of(one.model).new + thresholds_of(one.model).margin
        for one, other in combinations(heard, 2)
    )


def _somebody_else(known: Voice, prints: list[VoicePrint]) -> bool:
    """Whether what was heard is further from all that a voice is known by than one person's is. Another model's
    centroids cannot be compared."""
    if known.model != prints[0].model:
        return False
    longest = max(prints, key=lambda heard: heard.seconds)
    nearest = min(voices.distance(longest.centroid, centroid) for centroid in known.centroids)
    return nearest > thresholds_of(known.model).new


def middle(voice: Voice) -> list[float]:
    """The centroid of all centroids, of unit length."""
    mean = voice.centroids.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return [float(value) for value in (mean / length if length > 0 else mean)]
