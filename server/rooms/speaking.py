"""Who is speaking just now: told before there is any text."""

from __future__ import annotations

from server.clock import SAMPLE_RATE
from server.inference.caption_lane import Turns
from server.rooms.messages import UNKNOWN_SPEAKER
from server.speech.vad import SpeechEnd, SpeechStart

LATELY = SAMPLE_RATE // 4
"""A turn that ends so shortly before the diarizer's watermark, 250 ms in 48 kHz samples, may well go on."""


class Speaking:
    """Follows the voice gate, which is quick, and the diarizer, which knows who it is."""

    def __init__(self) -> None:
        self.labels: tuple[str, ...] = ()
        """Who speaks: `UNKNOWN_SPEAKER` while nobody knows, empty in silence."""
        self._gated = False
        self._voice = False

    def gate(self, item: SpeechStart | SpeechEnd) -> bool:
        """Somebody began or stopped to speak. Whether `labels` changed."""
        self._gated, self._voice = True, isinstance(item, SpeechStart)
        return self._set((UNKNOWN_SPEAKER,) if self._voice else ())

    def turns(self, item: Turns) -> bool:
        """The diarizer says who it is. Whether `labels` changed."""
        if self._gated and not self._voice:
            return False
        going_on = [turn for turn in item.turns if turn.end >= item.watermark - LATELY]
        labels = tuple(dict.fromkeys(turn.speaker for turn in sorted(going_on, key=lambda turn: turn.start)))
        if not labels and self._gated:
            return False  # the voice is heard before the diarizer sees it
        return self._set(labels)

    def stop(self) -> bool:
        """Nobody is to be shown. Whether `labels` changed."""
        self._voice = False
        return self._set(())

    def _set(self, labels: tuple[str, ...]) -> bool:
        before, self.labels = self.labels, labels
        return labels != before
