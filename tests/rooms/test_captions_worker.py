"""Rooms and the real caption worker, its models scripted: it dies in mid-stream, and nobody's words are lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from server.audio.frame import Samples
from server.clock import PACKET, SAMPLE_RATE
from server.config import load_settings
from server.inference.captioning.service import WorkerCaptionService
from server.rooms.messages import CaptionsStateTold, CaptionTold, SpeakerRename
from tests.fakes import ManualClock
from tests.inference.captioning.scripted import LOADER, MODEL, install
from tests.rooms.hearing import ended_log, finals, told
from tests.rooms.sound import until
from tests.rooms.studio import Studio, heard
from tests.speech.scripted import sound, spoken

FIRST = "one two three four five six seven eight nine ten."
SECOND = "and then somebody else began to speak about the weather."
LINES = [*spoken(FIRST, start=0.5), *spoken(SECOND, start=6.0)]
AUDIO = sound(LINES, 10.0)


def said(at: int) -> Samples:
    piece = AUDIO[at : at + PACKET]
    return np.pad(piece, (0, PACKET - len(piece)))


def worker(tmp_path: Path) -> WorkerCaptionService:
    settings = load_settings(data_dir=tmp_path, models_dir=tmp_path / "models", captions=True, captions_model=MODEL)
    return WorkerCaptionService(settings, loader=LOADER)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[WorkerCaptionService]:
    await asyncio.to_thread(install, tmp_path / "models", LINES, speakers=["S1", "S2"])
    service = worker(tmp_path)
    yield service
    await service.close()


async def test_a_worker_that_is_killed_in_mid_stream_loses_no_word_and_no_name(
    tmp_path: Path, service: WorkerCaptionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 60.0)
    studio = Studio(tmp_path, captions=service)
    await studio.host.start()
    assert await service.wait_ready(60)
    _, listener = await studio.listen()
    await studio.publish(record=True)
    await studio.run(5, said)
    await until(lambda: len(studio.host.caption_snapshot("stream-1").speakers) == 2)
    await studio.host.change_captions("stream-1", SpeakerRename("S1", "Ann"))
    before = len(told(studio, CaptionTold))
    assert service.worker_pid is not None
    os.kill(service.worker_pid, signal.SIGKILL)
    await studio.run(5, said)
    await until(lambda: "degraded" in [state.state for state in told(studio, CaptionsStateTold)])
    await until(lambda: studio.live().captions.state == "ok", 60)
    log = await ended_log(studio)

    words = " ".join(caption.text for caption in finals(studio))
    assert words == f"{FIRST} {SECOND}"
    events = told(studio, CaptionTold)
    assert len(events) > before
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    ids = [caption.id for caption in finals(studio)]
    assert ids == list(range(1, len(ids) + 1))
    assert [line["speakers"] for line in log if line["type"] == "speakers"][-1][0]["name"] == "Ann"
    assert {line["type"] for line in log}.isdisjoint({"captions_gap"})
    spans = [(caption.start, caption.end) for caption in finals(studio)]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert len(heard(listener)[1]) > 9 * SAMPLE_RATE  # and there was no gap in what is heard
    await studio.host.close()


async def test_the_next_run_of_the_server_goes_on_with_what_the_lane_knew(
    tmp_path: Path, service: WorkerCaptionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.stream.TAIL", 60.0)
    monkeypatch.setattr("server.rooms.stream.TAIL_AT_SHUTDOWN", 60.0)
    first = Studio(tmp_path, captions=service)
    await first.host.start()
    assert await service.wait_ready(60)
    await first.publish(record=True)
    await first.run(4.5, said)
    await until(lambda: len(first.host.caption_snapshot("stream-1").speakers) == 2)
    await first.host.change_captions("stream-1", SpeakerRename("S2", "Bob"))
    await first.host.close()
    assert " ".join(caption.text for caption in finals(first)) == FIRST

    clock = ManualClock(77_000, first.clock.wall() + timedelta(seconds=0.9))
    again = Studio(tmp_path, clock=clock, captions=worker(tmp_path))
    await again.host.restore(await again.host.left())
    await again.host.start()
    await again.publish()
    await again.run(5, lambda at: said(at + round(5.4 * SAMPLE_RATE)))
    await until(lambda: len(again.host.caption_snapshot("stream-1").speakers) == 2)
    assert again.host.caption_snapshot("stream-1").speakers[1].name == "Bob"
    await ended_log(again)
    assert " ".join(caption.text for caption in finals(again)) == SECOND
    assert finals(again)[0].id == finals(first)[-1].id + 1
    assert {caption.speakers[0] for caption in finals(again)} <= {"S1", "S2"}
    await again.host.close()
