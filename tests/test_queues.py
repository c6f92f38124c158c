"""Every queue is declared, bounded, told at /metrics and explained in the documents."""

from __future__ import annotations

import ast
import gc
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from server.backplane import EventHub, Subscriber
from server.errors import Unavailable
from server.queues import QUEUES, Policy, Queue
from server.rtc.udp import UdpPort
from tests.source import ROOT, Module, modules
from tools import queues_table

UNWATCHED = {
    "server/bench",  # no part of a server
    "server/client",
    "server/speech/denoise.py",  # pure; as long as `denoise_awaited`
    "server/speech/captions.py",  # pure; as long as `captions`
    "server/speech/transcriber.py",
    "server/speech/offline.py",  # pure; of a file that is heard as a whole
    "server/speech/final.py",
    "server/inference/captioning/tape.py",  # as long as `caption_tape`
    "server/audio",  # pure; bounded windows, and `audio`
}
HOLDERS = {"deque", "Queue", "LifoQueue", "PriorityQueue", "SimpleQueue", "OrderedDict"}


def figure(name: str, **labels: str) -> float:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    found = re.search(rf"^{re.escape(f'{name}{{{inside}}}')} (\S+)$", generate_latest().decode(), re.MULTILINE)
    assert found is not None, f"{name}{{{inside}}}"
    return float(found[1])


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue("test_things", 3, Policy.OLDEST, holds="things", drop="Nothing.")
    yield queue
    del QUEUES["test_things"]


def test_length_limit_and_drops_are_told(queue: Queue) -> None:
    first: deque[int] = queue.watch(deque([1, 2]))
    second: deque[int] = queue.watch(deque([1]))
    queue.dropped += 5
    assert figure("clearcast_queue_length", queue="test_things") == 3
    assert figure("clearcast_queue_longest", queue="test_things") == 2
    assert figure("clearcast_queue_limit", queue="test_things") == 3
    assert figure("clearcast_queue_dropped_total", queue="test_things", policy="oldest") == 5
    first.append(3)
    assert figure("clearcast_queue_longest", queue="test_things") == 3
    del first
    gc.collect()
    assert queue.lengths() == [1]
    second.clear()
    assert figure("clearcast_queue_length", queue="test_things") == 0


def test_being_watched_keeps_nothing_alive(queue: Queue) -> None:
    for _ in range(1000):
        queue.watch(deque([1]))
    gc.collect()
    assert queue.lengths() == []
    assert queue._watched == {}


def test_a_name_is_given_once(queue: Queue) -> None:
    with pytest.raises(ValueError, match="test_things"):
        Queue("test_things", 1, Policy.NEWEST, holds="", drop="")


async def test_a_page_that_is_behind_shows() -> None:
    async def nothing(_: str, viewer: object) -> dict[str, object]:
        return {}

    hub = EventHub()
    hub.provide("streams", nothing)
    reader = Subscriber(limit=20)
    await hub.subscribe(reader, "streams")
    before = figure("clearcast_queue_dropped_total", queue="events", policy="reader")
    for _ in range(19):
        hub.publish("streams", "e", {})
    assert figure("clearcast_queue_longest", queue="events") == 20
    hub.publish("streams", "e", {})
    assert figure("clearcast_queue_dropped_total", queue="events", policy="reader") == before + 1


async def test_a_limit_that_is_a_setting_is_told_as_it_is_set() -> None:
    port = await UdpPort.open(max_pending=2)
    try:
        places = [port.admit(), port.admit()]
        assert figure("clearcast_queue_limit", queue="pending_peers") == 2
        assert figure("clearcast_queue_length", queue="pending_peers") >= 2
        before = QUEUES["pending_peers"].dropped
        with pytest.raises(Unavailable, match="Too many"):
            port.admit()
        assert QUEUES["pending_peers"].dropped == before + 1
        for give_back in places:
            give_back()
    finally:
        port.close()


def test_the_documents_list_every_queue() -> None:
    page = queues_table.TABLE.path.read_text()
    assert queues_table.TABLE.within(page) == page, "`make format` writes the table"
    for name, queue in QUEUES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert queue.drop.endswith("."), name
        assert queue.declared != 0


def unwatched(module: Module) -> list[str]:
    """Where something that may grow is made and neither watched nor bounded by itself."""
    watched = {
        id(argument)
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("watch", "measure")
        for argument in call.args
    }
    found = []
    for call in ast.walk(module.tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        declares = any(keyword.arg == "holds" for keyword in call.keywords)
        bounded = any(keyword.arg == "maxlen" for keyword in call.keywords)
        if name in HOLDERS and not declares and not bounded and id(call) not in watched:
            found.append(f"{module}:{call.lineno}")
    return found


def test_nothing_waits_unseen() -> None:
    found = [
        place for module in modules() if not str(module).startswith(tuple(UNWATCHED)) for place in unwatched(module)
    ]
    assert found == [], "declare a server.queues.Queue and .watch() it"


def test_the_guard_finds_what_nobody_watches(tmp_path: Path) -> None:
    path = tmp_path / "server" / "x.py"
    path.parent.mkdir()
    path.write_text("a = deque()\nb = asyncio.Queue(5)\nc = Q.watch(deque())\nd = deque(maxlen=3)\n")
    assert unwatched(Module(path, tmp_path)) == ["server/x.py:1", "server/x.py:2"]


def test_the_page_on_running_is_linked() -> None:
    assert "docs/operations.md" in (ROOT / "README.md").read_text()
