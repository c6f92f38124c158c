"""The caption worker with a real recogniser: a talk is written down, and killing the worker costs no word."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import InvalidRequest
from server.inference.caption_lane import CaptionOptions, Ear
from server.inference.captioning.service import WorkerCaptionService
from server.speech.vad import SpeechStart
from tests.inference.captioning.helpers import Said, push
from tests.inference.helpers import until
from tests.talks import NANO, TALK_TWO, read_talk

TEXT = (
    "The number is twelve six six twenty. I will repair the red music with Carol. "
    "The city is small but the table is green."
)


@pytest.fixture(scope="module")
def talk() -> Samples:
    return read_talk(TALK_TWO)[: round(8.7 * SAMPLE_RATE)]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[WorkerCaptionService]:
    settings = Settings(data_dir=tmp_path, captions=True, captions_model=str(NANO), diarization=False)
    service = WorkerCaptionService(settings)
    await service.start()
    yield service
    await service.close()


async def test_a_talk_is_written_down_although_its_worker_is_killed(
    service: WorkerCaptionService, talk: Samples
) -> None:
    assert await service.wait_ready(300)
    await until(lambda: service.status.state == "ready")
    assert (service.status.recogniser, service.status.device) == ("whisper-nano", "cpu")
    said = Said()
    lane = service.open(CaptionOptions(), 0, said)

    await push(lane, talk[: 5 * SAMPLE_RATE], ears=[Ear.WORDS])
    await until(lambda: bool(said.of(SpeechStart)), 300)
    assert service.worker_pid is not None
    os.kill(service.worker_pid, signal.SIGKILL)
    await push(lane, talk[5 * SAMPLE_RATE :], start=5 * SAMPLE_RATE, ears=[Ear.WORDS])
    lane.finish()
    await until(lambda: said.finished, 300)
    assert said.text == TEXT
    assert said.in_order()


async def test_options_that_the_model_cannot_follow_are_refused(service: WorkerCaptionService) -> None:
    with pytest.raises(InvalidRequest, match="does not translate"):
        service.open(CaptionOptions(translate=True), 0, Said())
    with pytest.raises(InvalidRequest, match="does not know the language 'fr'"):
        service.open(CaptionOptions(language="fr"), 0, Said())
