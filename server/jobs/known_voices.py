"""Known voices in a whole recording: who is met only in hindsight may be somebody whom the owner has saved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from server.recordings.voices import middle
from server.speech.speakers import SpeakerName, SpeakerNames
from server.speech.voices import LOOKS, EnrolledVoice, VoiceBook, VoiceLimits
from server.store.records import Voice, VoicePrint


def named_by_voice(
    speakers: Sequence[SpeakerName],
    new: Collection[str],
    prints: Mapping[str, VoicePrint],
    voices: Sequence[Voice],
    limits: VoiceLimits,
) -> list[SpeakerName]:
    """All speakers, those of the labels `new` named where they have a known voice.

    The others were there live: a voice was asked then, or a person has taken its name away.
    """
    names = SpeakerNames(speakers)
    called = {voice.id: voice.name for voice in voices}
    book = VoiceBook(EnrolledVoice(voice.id, voice.model, np.asarray(middle(voice), np.float32)) for voice in voices)
    asked = {label: heard for label, heard in prints.items() if label in new}
    centroids = {label: heard.centroid for label, heard in asked.items()}
    seconds = {label: heard.seconds for label, heard in asked.items()}
    for model in sorted({heard.model for heard in asked.values()}):
        own = {label: centroids[label] for label, heard in asked.items() if heard.model == model}
        for _ in range(LOOKS):  # live, one look may err; here nothing more will be heard
            found = book.look(model, own, seconds, limits, {})
        for label, voice in found.items():
            if voice is not None:
                names.recognise(label, called[voice], voice)
    return names.all()
