"""Who the speakers of one stream are: labels that were met, what people call them, which known voices they have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from server.inference.caption_lane import VoicePrints
from server.inference.diarization.thresholds import thresholds_of
from server.rooms.messages import (
    CaptionCommand,
    KnownVoice,
    SpeakerInfo,
    SpeakerMerge,
    SpeakerRename,
    SpeakerUnmerge,
    SpeakerVoice,
    VoicesKnown,
    speaker_infos,
)
from server.speech.speakers import SpeakerName, SpeakerNames
from server.speech.voices import EnrolledVoice, VoiceBook, VoiceLimits


class StreamSpeakers:
    """Every method that may change something says whether it did."""

    def __init__(self, known: Iterable[SpeakerName] = (), voices: Sequence[KnownVoice] = ()) -> None:
        """`known`: what `names` said when an earlier run of the server wrote it down."""
        self._names = SpeakerNames(known)
        self._voices = {voice.id: voice for voice in voices}
        self._book = VoiceBook(_enrolled(voices))

    @property
    def names(self) -> list[SpeakerName]:
        """In the order in which they first spoke."""
        return self._names.all()

    @property
    def infos(self) -> list[SpeakerInfo]:
        return speaker_infos(self._names.all())

    def meet(self, labels: Iterable[str]) -> bool:
        """These speak."""
        before = len(self._names.all())
        for label in labels:
            self._names.meet(label)
        return len(self._names.all()) != before

    def hear(self, prints: VoicePrints) -> bool:
        """What they sound like so far: whoever has a known voice is called what that is called."""
        before = self._names.all()
        free = {entry.label: entry for entry in before if entry.merged_into is None and entry.source != "person"}
        asked = {label: prints.centroids[label] for label in free.keys() & prints.centroids.keys()}
        thresholds = thresholds_of(prints.model)
        limits = VoiceLimits(thresholds.voice, thresholds.margin)
        named = {label: entry.voice for label, entry in free.items() if entry.voice is not None}
        for label, voice in self._book.look(prints.model, asked, prints.seconds, limits, named).items():
            if voice is None:
                self._names.unrecognise(label)
            else:
                self._names.recognise(label, self._voices[voice].name, voice)
        return self._names.all() != before

    def check(self, labels: Iterable[str]) -> None:
        """Raises NotFound where one of them was never met."""
        for label in labels:
            self._names.resolve(label)

    def change(self, command: CaptionCommand) -> bool:
        """A person says who somebody is. Raises NotFound, InvalidRequest, Conflict."""
        before = self._names.all()
        match command:
            case SpeakerRename(label, None):
                self._names.forget(label)
            case SpeakerRename(label, str(name)):
                self._names.rename(label, name)
            case SpeakerMerge(label, into):
                self._names.merge(label, into)
            case SpeakerUnmerge(label):
                self._names.unmerge(label)
            case SpeakerVoice(label, None):
                voice = self._names.resolve(label).voice
                if voice is not None:
                    self._names.forget_voice(voice)
            case SpeakerVoice(label, str(voice)):
                self._names.saved_as(label, voice)
            case VoicesKnown(voices):
                self._know(voices)
        return self._names.all() != before

    def _know(self, voices: Sequence[KnownVoice]) -> None:
        """The owner's voices have changed: what a voice was called goes where it goes, and follows its new name."""
        self._voices = {voice.id: voice for voice in voices}
        self._book.know(_enrolled(voices))
        for entry in self._names.all():
            if entry.voice is None or entry.merged_into is not None:
                continue
            voice = self._voices.get(entry.voice)
            if voice is None:
                self._names.forget_voice(entry.voice)
            else:
                self._names.recognise(entry.label, voice.name, voice.id)


def _enrolled(voices: Iterable[KnownVoice]) -> Iterator[EnrolledVoice]:
    for voice in voices:
        yield EnrolledVoice(voice.id, voice.model, np.asarray(voice.centroid, np.float32))
