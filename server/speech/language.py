"""Which language a stream is in: said beforehand, or heard and then kept."""

from __future__ import annotations

from server.clock import SAMPLE_RATE
from server.speech.decoded import Decoded

_ENOUGH = 3 * SAMPLE_RATE
"""Audio after which one confident answer is enough."""
_SURE = 0.5


class LanguageChoice:
    """A model changes its mind about the language with every breath; listeners do not want to see that.

    Kept is the first language that is heard with confidence in three seconds of audio, or three times in a row.
    """

    def __init__(self, fixed: str | None = None) -> None:
        self.kept = fixed
        self._last: str | None = None
        self._times = 0

    def hear(self, decoded: Decoded, length: int) -> None:
        """Take the language of an answer about `length` samples (48 kHz)."""
        if self.kept is not None or decoded.language is None or not decoded.words():
            return
        self._times = self._times + 1 if decoded.language == self._last else 1
        self._last = decoded.language
        if self._times >= 3 or (length >= _ENOUGH and decoded.language_probability >= _SURE):
            self.kept = decoded.language
