"""What the media host tells of voices, as it is kept; what labels are read as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from server.rooms.messages import VoicesHeard
from server.speech.speakers import SpeakerName
from server.store.records import VoicePrint


def kept_prints(told: VoicesHeard) -> Mapping[str, VoicePrint]:
    """What speakers sound like, by label."""
    return {
        label: VoicePrint(told.model, np.asarray(centroid, np.float32), told.seconds.get(label, 0.0))
        for label, centroid in told.centroids.items()
    }


def names_shown(speakers: Sequence[SpeakerName]) -> dict[str, str]:
    """What each label is read as, merges followed: a name, or “Speaker 2”."""
    known = {speaker.label: speaker for speaker in speakers}
    numbers = {speaker.label: number for number, speaker in enumerate(speakers, 1)}
    shown = {}
    for label, met in known.items():
        entry = met
        while entry.merged_into in known:
            entry = known[entry.merged_into]
        shown[label] = entry.name or f"Speaker {numbers[entry.label]}"
    return shown
