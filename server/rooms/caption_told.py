"""What happens in a stream's captions, told to whoever reads along and written into the event log, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from server import metrics
from server.inference.caption_lane import VoicePrints
from server.rooms.eventlog import EventLog
from server.rooms.messages import (
    CaptionInfo,
    CaptionOutput,
    CaptionsStateTold,
    CaptionTold,
    OffRecordTold,
    SpeakerInfo,
    SpeakersTold,
    SpeakingTold,
    VoicesHeard,
    caption_info,
)
from server.rooms.off_record import KIND
from server.speech.captions import CaptionEvent


class CaptionTeller:
    """Says everything about one stream; the event log gets what is to last, so that it is complete by itself."""

    def __init__(self, stream_id: str, events: EventLog, told: Callable[[CaptionOutput], None]) -> None:
        self._stream_id = stream_id
        self._events = events
        self._told = told

    def captions(self, events: Iterable[CaptionEvent]) -> None:
        for event in events:
            info = caption_info(event.caption)
            if event.type != "interim":
                self._events.add("caption", info.start, kind=event.type, seq=event.seq, caption=_line(info))
            metrics.CAPTIONS.labels(event.type).inc()
            self._told(CaptionTold(self._stream_id, event.type, event.seq, info))

    def speakers(self, speakers: Sequence[SpeakerInfo], at: int) -> None:
        self._events.add("speakers", at, speakers=[asdict(speaker) for speaker in speakers])
        self._told(SpeakersTold(self._stream_id, list(speakers)))

    def speaking(self, labels: Iterable[str], at: int) -> None:
        self._told(SpeakingTold(self._stream_id, list(labels), at))

    def voices(self, prints: VoicePrints) -> VoicesHeard:
        """Not for the event log: what somebody sounds like is deleted with the captions alone, or kept with consent."""
        centroids = {label: [float(value) for value in centroid] for label, centroid in prints.centroids.items()}
        heard = VoicesHeard(self._stream_id, prints.model, centroids, dict(prints.seconds))
        self._told(heard)
        return heard

    def language(self, language: str, at: int) -> None:
        self._events.add("language", at, language=language)

    def gap(self, start: int, end: int, reason: str) -> None:
        """Speech that was not written down."""
        metrics.CAPTION_GAPS.inc(max(0, end - start))
        self._events.add("captions_gap", start, end=end, reason=reason)

    def off_record(self, on: bool, at: int) -> None:
        self._events.add("off_record", at, on=on)
        self._told(OffRecordTold(self._stream_id, on, at))

    def nothing_kept(self, start: int, end: int) -> None:
        """A span that was off the record is over."""
        self._events.add("gap", start, end=end, kind=KIND)

    def state(self, state: str, detail: str, at: int) -> None:
        self._events.add("captions_state", at, state=state, detail=detail)
        self._told(CaptionsStateTold(self._stream_id, state, detail))


def _line(caption: CaptionInfo) -> dict[str, Any]:
    """A caption in the event log: its JSON, with probabilities to the hundredth."""
    line = asdict(caption)
    for word in line["words"]:
        word["probability"] = round(word["probability"], 2)
    return line
