"""Known voices, from what is stored to what is answered."""

from __future__ import annotations

from collections.abc import Sequence

from server.clock import SAMPLE_RATE
from server.recordings.voices import spread
from server.store.records import Voice
from server.store.voices import Met
from server.web import voice_schemas as schemas


def voice(item: Voice) -> schemas.VoiceOut:
    return schemas.VoiceOut(**_values(item))


def detail(item: Voice, met: Sequence[Met]) -> schemas.VoiceDetail:
    recordings = [
        schemas.VoiceMet(
            recording_id=one.recording_id,
            title=one.title,
            created_at=one.created_at,
            label=one.label,
            seconds=round(one.length / SAMPLE_RATE, 1),
        )
        for one in met
    ]
    talk = round(sum(one.seconds for one in recordings), 1)
    return schemas.VoiceDetail(**_values(item), spread=spread(item), talk_s=talk, recordings=recordings)


def _values(item: Voice) -> dict[str, object]:
    names = ("id", "name", "created_at", "model", "consent_at", "description", "active", "verified")
    values: dict[str, object] = {name: getattr(item, name) for name in names}
    return values | {"seconds": round(item.seconds, 1), "samples": len(item.centroids)}
