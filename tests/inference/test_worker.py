"""What the worker does with a batch, and its loop, in this process; the process itself is in test_supervisor."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from server.errors import ModelCorrupt
from server.inference.exchange.area import Area, Control
from server.inference.exchange.host import HostEnd
from server.inference.exchange.worker import WorkerEnd
from server.inference.worker import Lanes, WorkerConfig, load, serve, warm_up
from tests.inference.helpers import hop, install
from tests.inference.scripted import GAIN, Scripted


def config(**changes: object) -> WorkerConfig:
    values = {
        "engine": "DeepFilterNet3",
        "model_dir": None,
        "device": "cpu",
        "threads": 1,
        "capacity": 4,
        "delay": 1440,
        "loader": "tests.inference.scripted:load",
        **changes,
    }
    return WorkerConfig(**values)  # type: ignore[arg-type]


class Both:
    """Both ends of an exchange and a scripted engine between them."""

    def __init__(self, area: Area, delay: int = 1440, engine_delay: int = 1440) -> None:
        self.host = HostEnd(area)
        self.end = WorkerEnd(area)
        self.engine = Scripted("scripted", "cpu", area.capacity, engine_delay)
        self.lanes = Lanes(self.end, self.engine, delay)

    def run(self) -> None:
        self.host.flush()
        self.lanes.drop_closed()
        while (batch := self.end.take(0)) is not None:
            self.lanes.run(batch)

    def say(self, slot: int, *indices: int) -> list[tuple[int, float]]:
        """Submit hops that contain their index + 1 and return the answers' index and value."""
        for index in indices:
            self.host.submit(slot, index, hop(index + 1))
        self.run()
        return [(index, float(samples[0])) for index, samples in self.host.collect(slot)]


@pytest.fixture
def area() -> Iterator[Area]:
    area = Area.create(4)
    yield area
    area.close()


def test_an_answer_holds_the_audio_that_ends_a_delay_before_its_hop(area: Area) -> None:
    both = Both(area)
    slot = both.host.open()
    assert both.say(slot, *range(8)) == [(index, GAIN * (index - 3 + 1)) for index in range(3, 8)]


def test_an_engine_with_less_lookahead_answers_ahead_under_the_same_labels(area: Area) -> None:
    both = Both(area, delay=2400, engine_delay=960)
    slot = both.host.open()
    assert both.say(slot, 0, 1, 2, 3) == [(index, GAIN * (index - 5 + 1)) for index in (5, 6)]


def test_an_engine_with_more_lookahead_than_streams_have_is_refused(area: Area) -> None:
    with pytest.raises(ValueError, match="2400"):
        Both(area, delay=1440, engine_delay=2400)


def test_after_a_lost_hop_answers_wait_until_their_audio_is_whole(area: Area) -> None:
    both = Both(area)
    slot = both.host.open()
    both.say(slot, *range(5))
    assert [index for index, _ in both.say(slot, *range(6, 12))] == [9, 10, 11]


def test_a_reset_touches_one_slot_and_no_other(area: Area) -> None:
    both = Both(area)
    one, two = both.host.open(), both.host.open()
    both.say(one, *range(5))
    both.say(two, *range(5))
    both.host.reset(one)
    assert both.say(one, *range(5, 10)) == [(index, GAIN * (index - 2)) for index in (8, 9)]
    assert both.say(two, *range(5, 10)) == [(index, GAIN * (index - 2)) for index in range(5, 10)]


def test_slots_of_closed_streams_go_back_to_the_engine(area: Area) -> None:
    both = Both(area)
    for _ in range(3):
        slots = [both.host.open() for _ in range(4)]
        for slot in slots:
            both.say(slot, 0)
        for slot in slots:
            both.host.close(slot)
        both.run()
        assert len(both.engine._free) == 4


def test_warming_up_leaves_every_slot_free() -> None:
    engine = Scripted("scripted", "cpu", 5, 1440)
    warm_up(engine, 5)
    assert len(engine._free) == 5


def test_a_device_that_fails_is_given_up_for_the_processor() -> None:
    engine, detail = load(config(device="auto", loader="tests.inference.scripted:load_on_gpu"))
    assert engine.device == "cpu"
    assert "processor" in detail


def test_a_damaged_model_is_not_tried_on_the_processor(tmp_path: Path) -> None:
    install(tmp_path, config="broken")
    with pytest.raises(ModelCorrupt):
        load(config(device="auto", model_dir=str(tmp_path / "DeepFilterNet3")))


def test_the_loop_answers_beats_and_ends_with_its_control_socket(area: Area) -> None:
    both = Both(area)
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=serve, args=(both.end, both.lanes, theirs, 60_000))
    thread.start()
    slot = both.host.open()
    for index in range(4):
        both.host.submit(slot, index, hop(index))
    both.host.flush()
    deadline = time.monotonic() + 60
    answers: list[tuple[int, np.ndarray]] = []
    while not answers and time.monotonic() < deadline:
        time.sleep(0.005)
        answers = both.host.collect(slot)
    assert [index for index, _ in answers] == [3]
    beats = area.control[Control.HEARTBEAT]
    while area.control[Control.HEARTBEAT] <= beats and time.monotonic() < deadline:
        time.sleep(0.005)
    assert area.control[Control.HEARTBEAT] > beats
    ours.close()
    thread.join(60)
    assert not thread.is_alive()
    theirs.close()


def test_the_process_dies_with_its_parent_however_that_ends() -> None:
    """A parent that is killed leaves no worker behind."""
    program = (
        "import asyncio, os, signal, tempfile, pathlib\n"
        "from server.inference.service import WorkerDenoiseService\n"
        "from tests.inference.helpers import SCRIPTED, offline\n"
        "async def main():\n"
        "    folder = pathlib.Path(tempfile.mkdtemp())\n"
        "    settings = offline(folder, denoise='RNNoise', data_dir=folder)\n"
        "    service = WorkerDenoiseService(settings, loader=SCRIPTED)\n"
        "    await service.start()\n"
        "    assert await service.wait_ready(30)\n"
        "    print(service.worker_pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, timeout=60, text=True, check=False
    )
    worker = int(done.stdout)
    deadline = time.monotonic() + 60
    while _runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_config_survives_the_way_to_the_process() -> None:
    assert WorkerConfig(**json.loads(config(delay=2400).to_json())) == config(delay=2400)


def test_a_stream_whose_slot_breaks_twice_is_moved_to_another(area: Area) -> None:
    both = Both(area)
    both.engine = Scripted("scripted", "cpu", area.capacity + 2, 1440)
    both.lanes = Lanes(both.end, both.engine, 1440)
    slot = both.host.open()
    assert slot is not None
    both.host.post_filter(slot, True)
    both.say(slot, *range(5))
    old = int(both.lanes._held[slot])
    both.engine.broken = [old]
    assert both.say(slot, 5) == []
    assert int(both.lanes._held[slot]) == old
    assert both.say(slot, 6) == []
    new = int(both.lanes._held[slot])
    both.engine.broken = []
    assert new != old
    assert both.engine.sharp[new]
    assert [index for index, _ in both.say(slot, 7, 8, 9, 10, 11)] == [10, 11]
    both.host.close(slot)
    both.run()
    assert old not in both.engine._free
    assert new in both.engine._free


def test_the_post_filter_follows_its_stream(area: Area) -> None:
    both = Both(area)
    slot = both.host.open()
    assert slot is not None
    both.say(slot, 0)
    held = int(both.lanes._held[slot])
    assert both.engine.sharp[held] is False
    both.host.post_filter(slot, True)
    both.say(slot, 1)
    assert both.engine.sharp[held] is True
