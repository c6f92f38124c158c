"""What a voice sounds like, from a few seconds of one person speaking: heard by the models of the caption worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from server.audio.frame import Samples
from server.errors import Conflict, Unavailable
from server.inference.caption_lane import CaptionOptions, Ear, Urgency
from server.jobs.hearing import OpenFile, hear
from server.store.records import VoicePrint

LIMIT_S = 60.0
"""How long that may take: live streams come first."""
ONE_VOICE = 0.8
"""Share of what was heard that is the one person's; the rest may be a cough."""


@dataclass(frozen=True, slots=True)
class VoiceSamples:
    """Asks the caption worker, through a lane for files."""

    open_file: OpenFile

    async def heard(self, samples: Samples) -> VoicePrint:
        """What whoever speaks in it sounds like; `samples` has the shape (n,), 48 kHz mono.

        Raises Conflict where nobody or more than one person speaks, Unavailable.
        """
        audio = iter([samples])
        options = CaptionOptions(urgency=Urgency.FILE)
        try:
            async with asyncio.timeout(LIMIT_S):
                found = await hear(
                    self.open_file, options, {Ear.WORDS: audio, Ear.SPEAKERS: audio}, _nobody, len(samples)
                )
        except TimeoutError:
            raise Unavailable(
                "Live streams need the processor just now. Try again in a minute.", code="busy", retry_after=60
            ) from None
        prints = found.prints
        if prints is None or not prints.seconds:
            raise Conflict("Nobody could be heard speaking in this sample.", code="voice-too-short")
        label = max(prints.seconds, key=lambda one: prints.seconds[one])
        if prints.seconds[label] < ONE_VOICE * sum(prints.seconds.values()):
            raise Conflict("More than one person speaks in this sample: one alone, please.", code="voice-mixed")
        return VoicePrint(prints.model, prints.centroids[label], prints.seconds[label])


async def _nobody(_share: float) -> None:
    """Nobody is told how far it is: it takes seconds."""
