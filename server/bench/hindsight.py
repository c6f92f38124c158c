"""A recording after its final pass: heard again by the policies for files, and joined with what was told live."""

from __future__ import annotations

from collections.abc import Sequence

from server.audio.frame import Samples
from server.bench import caption_figures as figures
from server.bench.caption_figures import Told
from server.bench.simulated import Hearing, SimulatedStream
from server.inference.caption_lane import LaneItem
from server.jobs.hearing import Heard
from server.speech.captions import Caption
from server.speech.final import Account, final_account, live_turns
from server.speech.speaker_mapping import map_speakers
from server.speech.speakers import SpeakerName


class RecordedStream(SimulatedStream):
    """A file as the caption worker hears it for the final pass; nothing is told before its end."""

    def __init__(self, samples: Samples, hearing: Hearing, for_speakers: Samples | None = None) -> None:
        """The options of `hearing` say that it is a file."""
        super().__init__(samples, hearing, for_speakers=for_speakers)
        self.account = Heard()

    def _hear_one(self, item: LaneItem, now: int) -> None:
        self.account.take(item)


def final_captions(told: Sequence[Told], heard: Heard) -> tuple[Caption, ...]:
    """The second account of a stream of which no person has changed anything, by the rules of the final pass."""
    captions = tuple(figures.finals(told))
    labels = dict.fromkeys(speaker for caption in captions for speaker in caption.speakers)
    live = Account(captions, tuple(map(SpeakerName, labels)))
    mapping = map_speakers(live_turns(live.captions), heard.turns)
    return final_account(heard.words, heard.turns, live, mapping, heard.gaps).captions
