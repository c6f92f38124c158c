"""What a later run of the server must know of a stream's captions, to go on with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.inference.caption_lane import CaptionOptions
from server.rooms.messages import CaptionWishes, PublishGrant
from server.speech.captions import Caption
from server.speech.speakers import SpeakerName

TOLD_SINCE = 100
"""Captions that a server which was cut off may have told after it wrote down how many there were."""
EVENTS_SINCE = 5_000
"""The same, of events."""


@dataclass(frozen=True, slots=True)
class SavedCaptions:
    """Small and plain; `lane` is the lane's own memory."""

    wanted: bool = True
    options: CaptionOptions = field(default_factory=CaptionOptions)
    language: str | None = None
    """As it was heard."""
    next_id: int = 1
    next_seq: int = 1
    names: list[SpeakerName] = field(default_factory=list)
    tail: list[Caption] = field(default_factory=list)
    """The last finals."""
    lane: Mapping[str, Any] = field(default_factory=dict)

    def counted_on(self, stopped: bool) -> tuple[int, int]:
        """The next caption's id and the next event's number. None is used twice, whatever was told and not written."""
        return (self.next_id, self.next_seq) if stopped else (self.next_id + TOLD_SINCE, self.next_seq + EVENTS_SINCE)


def caption_options(grant: PublishGrant) -> CaptionOptions:
    """How a stream is to be heard."""
    return CaptionOptions(
        language=grant.language,
        translate=grant.translate,
        vocabulary=grant.vocabulary,
        speakers=grant.speakers,
        min_speakers=grant.min_speakers,
        max_speakers=grant.max_speakers,
    )


def caption_wishes(options: CaptionOptions) -> CaptionWishes:
    """What is kept of that with the stream, for whoever hears its recording. An expected number counts both ways."""
    return CaptionWishes(
        vocabulary=options.vocabulary,
        translated=options.translate,
        fewest_speakers=options.speakers or options.min_speakers,
        most_speakers=options.speakers or options.max_speakers,
    )
