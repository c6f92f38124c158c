"""What the caption worker writes of a live stream is what the simulated clock says it writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.audio.frame import AudioFrame, Samples
from server.bench.caption_figures import finals
from server.bench.captions import simulate
from server.clock import PACKET, SAMPLE_RATE
from server.config import Settings
from server.inference.caption_lane import CaptionOptions, Ear, LaneItem
from server.inference.captioning.service import WorkerCaptionService
from server.speech.captions import Caption, Captions
from server.speech.processor import Watermark, Word
from server.speech.transcriber import Interim
from tests.inference.captioning.helpers import Said
from tests.inference.helpers import until
from tests.machine import once_in
from tests.talks import NANO, TALK_TWO, read_talk

LENGTH = round(8.7 * SAMPLE_RATE)
"""Three sentences."""


class Reader(Said):
    """Makes captions of what a lane says, as a live stream does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self._captions = Captions()
        self._captions.diarized = False
        self._finals: dict[int, Caption] = {}

    def __call__(self, items: Sequence[LaneItem]) -> None:
        super().__call__(items)
        for item in items:
            if isinstance(item, Word | Interim | Watermark):
                self._hear(item)

    def _hear(self, item: Word | Interim | Watermark) -> None:
        for event in self._captions.hear(item, self.now):
            if event.type != "interim":
                self._finals[event.caption.id] = event.caption

    def finals(self) -> list[Caption]:
        """In the end."""
        for event in self._captions.finish():
            self._finals[event.caption.id] = event.caption
        return [caption for _, caption in sorted(self._finals.items()) if caption.final]


def written(captions: Sequence[Caption]) -> list[tuple[int, int, list[tuple[str, int, int]]]]:
    """Captions to the letter and to the sample."""
    return [
        (caption.start, caption.end, [(word.text, word.start, word.end) for word in caption.words])
        for caption in captions
    ]


async def live(service: WorkerCaptionService, talk: Samples) -> list[Caption]:
    """The final captions of a talk that goes through the worker as it is said, packet by packet."""
    reader = Reader()
    lane = service.open(CaptionOptions(), 0, reader)
    began = time.monotonic()
    for begin in range(0, len(talk), PACKET):
        reader.now = min(len(talk), begin + PACKET)
        await asyncio.sleep(max(0.0, began + reader.now / SAMPLE_RATE - time.monotonic()))
        lane.push(Ear.WORDS, AudioFrame(begin, talk[begin : begin + PACKET]))
    lane.finish()
    await until(lambda: reader.finished, 60)
    return reader.finals()


@pytest.mark.slow
async def test_final_captions_are_the_same_live_and_on_the_simulated_clock(tmp_path: Path) -> None:
    """To the sample, where the worker keeps up: a machine that stands still for a second makes it skip an interim."""
    talk = (await asyncio.to_thread(read_talk, TALK_TWO))[:LENGTH]
    settings = Settings(
        data_dir=tmp_path, captions=True, captions_model=str(NANO), captions_step_ms=1_000, diarization=False
    )
    stream, _ = await asyncio.to_thread(simulate, NANO, talk, settings)
    expected = written(finals(stream.told))
    assert [len(words) for _, _, words in expected] == [7, 8, 9]
    service = WorkerCaptionService(settings)
    await service.start()

    async def same(_attempt: int) -> None:
        assert written(await live(service, talk)) == expected

    try:
        assert await service.wait_ready(120)
        await once_in(3, same)
    finally:
        await service.close()
