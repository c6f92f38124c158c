"""The caption service and its worker process: whatever becomes of the worker, no word is lost and none said twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from server.audio.frame import AudioFrame
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import Unavailable
from server.inference.caption_lane import CaptionerStatus, CaptionOptions, Ear, Refused, Turns, Urgency, VoicePrints
from server.inference.captioning.engine import MOST_STREAMS
from server.inference.captioning.file_lane import open_file_lane
from server.inference.captioning.finding import NEEDED
from server.inference.captioning.service import SOCKET, OffCaptionService, WorkerCaptionService
from server.inference.known_models import MODELS
from server.speech.transcriber import Gap, Interim
from tests.inference.captioning.helpers import Said, push
from tests.inference.captioning.scripted import LOADER, MODEL, install
from tests.inference.helpers import until
from tests.inference.publisher import Publisher
from tests.speech.scripted import sound, spoken

S = SAMPLE_RATE
WORDS = "one two three four five six seven eight nine ten eleven twelve"
LINES = [
    *spoken(WORDS, start=0.5),
    *spoken("and then somebody else began to speak about the weather", start=6.0),
    *spoken("it will be fine tomorrow", start=10.0),
]
TEXT = f"{WORDS} and then somebody else began to speak about the weather it will be fine tomorrow"
AUDIO = sound(LINES, 13.0)
SPEAKERS = ["S1", "S2"]


class Service(WorkerCaptionService):
    """With everything that it said of its state."""

    def __init__(self, settings: Settings, **more: Any) -> None:
        super().__init__(settings, **more)
        self.told: list[CaptionerStatus] = []
        self.subscribe(self.told.append)

    @property
    def states(self) -> list[str]:
        return [status.state for status in self.told]

    def strike(self, number: int) -> None:
        assert self.worker_pid is not None
        os.kill(self.worker_pid, number)


Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    begun: list[Service] = []

    async def begin(ready: bool = True, hang_s: float = 60.0, **faults: Any) -> Service:
        models = await asyncio.to_thread(install, tmp_path / "models", LINES, **{"speakers": SPEAKERS, **faults})
        settings = Settings(data_dir=tmp_path, models_dir=models, captions=True, captions_model=MODEL)
        begun.append(Service(settings, loader=LOADER, hang_s=hang_s))
        await begun[-1].start()
        if ready:
            assert await begun[-1].wait_ready(120)
        return begun[-1]

    yield begin
    for service in begun:
        await service.close()


async def heard(service: Service, at: dict[int, Callable[[], Any]] | None = None) -> Said:
    """The whole audio through one lane."""
    said = Said()
    lane = service.open(CaptionOptions(), 0, said)
    await push(lane, AUDIO, at=at)
    lane.finish()
    await until(lambda: said.finished, 120)
    assert said.in_order()
    return said


def who(said: Said) -> list[tuple[int, int, str]]:
    """Turns, joined where one follows the other."""
    joined: list[tuple[int, int, str]] = []
    for turn in (turn for turns in said.of(Turns) for turn in turns.turns):
        if joined and joined[-1][1:] == (turn.start, turn.speaker):
            joined[-1] = (joined[-1][0], turn.end, turn.speaker)
        else:
            joined.append((turn.start, turn.end, turn.speaker))
    return joined


async def test_a_lane_says_words_and_speakers_and_that_it_is_over(start: Start) -> None:
    service = await start()
    assert service.status == CaptionerStatus("ready", MODEL, "script", "cpu")
    said = await heard(service)
    assert said.text == TEXT
    assert who(said) == [(i * 2 * S, min((i + 1) * 2 * S, len(AUDIO)), SPEAKERS[i % 2]) for i in range(7)]
    assert not said.of(Gap)
    await until(lambda: REGISTRY.get_sample_value("clearcast_captions_step_seconds") == 0.5)
    await until(lambda: REGISTRY.get_sample_value("clearcast_captions_backlog_seconds") == 0)


async def test_without_models_of_diarization_words_are_heard_and_that_is_said(start: Start) -> None:
    service = await start(speakers=None)
    await until(lambda: service.status.state == "degraded")
    assert (service.status.recogniser, service.status.diarizer) == (MODEL, None)
    assert "do not say who speaks" in service.status.detail and "`clearcast models pull`" in service.status.detail
    said = await heard(service)
    assert said.text == TEXT and not said.of(Turns)


async def test_a_killed_worker_loses_no_word_and_repeats_none(start: Start) -> None:
    service = await start()
    said = await heard(service, {3 * S: lambda: service.strike(signal.SIGKILL)})
    assert said.text == TEXT
    assert who(said)[-1][1] == len(AUDIO)
    assert [turn[0] for turn in who(said)] == sorted({turn[0] for turn in who(said)}), "nobody speaks twice"
    assert "degraded" in service.states and service.states[-1] == "ready"
    assert next(status for status in service.told if status.state == "degraded").detail.startswith(
        "Captions have stopped"
    )


async def test_a_worker_that_dies_in_the_middle_of_a_window_is_no_loss_either(start: Start) -> None:
    service = await start(die_at=7.0)
    said = await heard(service)
    assert said.text == TEXT
    assert "degraded" in service.states


async def test_what_ends_every_worker_is_left_out_and_the_rest_is_heard(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.inference.captioning.lane.DEATHS", 1)  # how often is tested with the lane
    service = await start(die_at=7.0, die_always=True)
    said = await heard(service)
    gaps = said.of(Gap)
    assert gaps and gaps[0].start <= 7 * S < gaps[-1].end
    assert said.text.startswith(WORDS)
    assert not said.text.endswith("weather")


async def test_four_streams_at_once_load_each_model_once(start: Start, tmp_path: Path) -> None:
    service = await start()
    said = await asyncio.gather(*(heard(service) for _ in range(4)))
    assert [one.text for one in said] == [TEXT] * 4
    loads = await asyncio.to_thread((tmp_path / "models" / MODEL / "loads").read_text)
    assert loads.count("once") == 1


async def test_a_stopped_worker_is_noticed_and_replaced(start: Start) -> None:
    service = await start(hang_s=2.0)
    said = await heard(service, {3 * S: lambda: service.strike(signal.SIGSTOP)})
    assert said.text == TEXT
    assert "degraded" in service.states


async def test_a_worker_that_takes_too_much_memory_is_replaced(start: Start) -> None:
    service = await start()
    assert service._supervisor is not None
    service._supervisor._memory_mb = 1
    await until(lambda: "degraded" in service.states)
    service._supervisor._memory_mb = None
    assert (await heard(service)).text == TEXT


async def test_what_is_said_while_the_worker_cannot_start_is_heard_afterwards(start: Start, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    service = await start(ready=False, while_missing=str(mark))
    said = Said()
    lane = service.open(CaptionOptions(), 0, said)
    for begin in range(0, len(AUDIO), 4800):
        for ear in Ear:
            lane.push(ear, AudioFrame(begin, AUDIO[begin : begin + 4800]))
    lane.finish()
    await until(lambda: "degraded" in service.states)
    assert "cannot be started" in service.status.detail and "script is not to be had" in service.status.detail
    assert lane.backlog == len(AUDIO)
    await asyncio.to_thread(mark.touch)
    await until(lambda: said.finished, 120)
    assert said.text == TEXT


async def test_of_what_nobody_hears_a_minute_is_kept(start: Start, tmp_path: Path) -> None:
    service = await start(ready=False, while_missing=str(tmp_path / "mark"))
    said = Said()
    lane = service.open(CaptionOptions(), 0, said)
    for begin in range(0, 80 * S, S):
        lane.push(Ear.WORDS, AudioFrame(begin, np.zeros(S, np.float32)))
    assert 60 * S <= lane.backlog <= 66 * S
    assert said.of(Gap)[0].start == 0
    assert said.of(Gap)[-1].end == 80 * S - lane.backlog
    assert said.in_order()
    lane.close()


async def test_a_later_run_goes_on_where_this_one_ended(start: Start) -> None:
    service = await start()
    first, half = Said(), 5 * S
    lane = service.open(CaptionOptions(), 0, first)
    await push(lane, AUDIO[:half])
    lane.finish()
    await until(lambda: first.finished, 120)
    memory = lane.memory
    second = Said()
    later = service.open(CaptionOptions(), half, second, memory)
    assert later.memory.values["committed"][-1][2] == f" {first.text.split()[-1]}"
    await push(later, AUDIO[half:], start=half)
    later.finish()
    await until(lambda: second.finished, 120)
    assert f"{first.text} {second.text}" == TEXT
    assert second.of(VoicePrints)


async def test_another_process_is_heard_by_the_same_worker(start: Start, tmp_path: Path) -> None:
    service = await start()
    path = tmp_path / SOCKET
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
    said, lost = Said(), list[str]()
    lane = await open_file_lane(path, CaptionOptions(urgency=Urgency.FILE), said, lost.append)
    await push(lane, AUDIO, ahead=len(AUDIO))
    lane.finish()
    await until(lambda: said.finished, 120)
    assert said.text == TEXT
    assert not said.of(Interim)
    assert lane.backlog == 0
    lane.close()
    other = await open_file_lane(path, CaptionOptions(urgency=Urgency.FILE), said, lost.append)
    service.strike(signal.SIGKILL)
    await until(lambda: lost == ["The process that makes captions has stopped."])
    other.close()


async def test_a_lane_more_than_the_worker_hears_is_told_so_and_the_others_go_on(start: Start) -> None:
    service = await start()
    others = [service.open(CaptionOptions(), 0, Said()) for _ in range(MOST_STREAMS)]
    said = Said()
    service.open(CaptionOptions(), 0, said)
    await until(lambda: bool(said.items))
    assert said.items == [Refused("The caption worker hears no more streams.")]
    for lane in others:
        lane.close()
    assert (await heard(service)).text == TEXT


async def test_a_connection_that_talks_nonsense_is_cut_off_alone(start: Start, tmp_path: Path) -> None:
    service = await start()
    stranger = await asyncio.to_thread(_stranger, tmp_path / SOCKET)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(stranger, b"\xff" * 64)
    while await asyncio.wait_for(loop.sock_recv(stranger, 4096), 30):
        pass
    stranger.close()
    assert (await heard(service)).text == TEXT
    assert service.states[-1] == "ready"


def _stranger(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.connect(os.path.relpath(path))
    found.setblocking(False)
    return found


async def test_where_nothing_hears_a_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No process makes captions"):
        await open_file_lane(tmp_path / SOCKET, CaptionOptions(urgency=Urgency.FILE), Said(), print)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    """The registry's Whisper comes from here; nothing lies in the cache."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    publisher = Publisher()
    spec = MODELS["base"]
    loose = tuple(replace(file, urls=(publisher.url(f"/{file.name}"),)) for file in spec.loose)
    monkeypatch.setitem(MODELS, "base", replace(spec, loose=loose))
    yield publisher
    publisher.close()


async def test_a_missing_model_is_said_fetched_and_used(publisher: Publisher, tmp_path: Path) -> None:
    publisher.pause.clear()
    for name in (*NEEDED, "vocabulary.txt"):
        publisher.files[f"/{name}"] = b"{}"
    publisher.files["/model.bin"] = b"weights"
    service = Service(
        Settings(data_dir=tmp_path, captions=True, captions_model="base", diarization=False),
        loader="tests.inference.captioning.scripted:load_bare",
    )
    try:
        await service.start()
        assert service.status.state == "degraded" and service.status.recogniser is None
        assert service.status.detail == "Captions are off: the Whisper model is being fetched (148 MB)."
        with pytest.raises(Unavailable, match="being fetched"):
            service.open(CaptionOptions(), 0, Said())
        publisher.pause.set()
        assert await service.wait_ready(120)
        await until(lambda: service.status.state == "ready")
        assert service.status.recogniser == "base"
        service.open(CaptionOptions(), 0, Said()).close()
    finally:
        await service.close()


@pytest.mark.parametrize("download", [True, False])
async def test_a_model_that_cannot_be_had_switches_captions_off_with_a_clear_line(
    publisher: Publisher, tmp_path: Path, download: bool
) -> None:
    service = Service(
        Settings(data_dir=tmp_path, captions=True, captions_model="base", diarization=False, models_download=download)
    )
    try:
        await service.start()
        line = "Captions are off: the Whisper model is not installed. The operator can run `clearcast models pull`."
        await until(lambda: service.status.detail == line)
        assert service.status.state == "degraded"
        assert service.worker_pid is None
    finally:
        await service.close()


async def test_captions_that_are_off_say_so() -> None:
    service = OffCaptionService()
    await service.start()
    assert service.status.state == "off" and "switched off" in service.status.detail
    with pytest.raises(Unavailable, match="switched off"):
        service.open(CaptionOptions(), 0, Said())
    await service.close()
