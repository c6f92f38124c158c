"""How many speakers somebody says there are."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import InvalidRequest
from server.inference.caption_lane import CaptionOptions

MOST_SPEAKERS = 20
"""Speakers that one stream is told apart into; whoever comes later counts as the one they are most like."""


@dataclass(frozen=True, slots=True)
class SpeakerHints:
    """Both ends are included. Raises `InvalidRequest` where they make no sense."""

    fewest: int = 1
    most: int = MOST_SPEAKERS

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= MOST_SPEAKERS or not 1 <= self.most <= MOST_SPEAKERS:
            raise InvalidRequest(f"The number of speakers is between 1 and {MOST_SPEAKERS}.")
        if self.fewest > self.most:
            raise InvalidRequest("There cannot be more speakers at least than at most.")

    @classmethod
    def of(cls, options: CaptionOptions) -> SpeakerHints:
        """An expected number is a limit both ways. Raises `InvalidRequest`."""
        if options.speakers is not None:
            return cls(options.speakers, options.speakers)
        fewest = 1 if options.min_speakers is None else options.min_speakers
        return cls(fewest, MOST_SPEAKERS if options.max_speakers is None else options.max_speakers)
