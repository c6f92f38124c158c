"""What is said in a stream, as `clearcast listen --captions` prints it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from server.client import captions, commands
from server.client.captions import CaptionPrinter, follow
from server.client.demo import NANO, with_captions
from server.config import Settings
from server.errors import ClearcastError

TOPIC = "captions:one"


def caption(number: int, text: str, *speakers: str, final: bool = True, hidden: bool = False) -> dict[str, Any]:
    return {
        "type": "caption",
        "data": {
            "kind": "final" if final else "interim",
            "caption": {"id": number, "text": text, "speakers": list(speakers), "final": final, "hidden": hidden},
        },
    }


def speaker(label: str, number: int, name: str | None = None, into: str | None = None) -> dict[str, Any]:
    return {"label": label, "number": number, "name": name, "merged_into": into}


def test_lines_are_final_and_have_names() -> None:
    lines: list[str] = []
    shown: list[str] = []
    printer = CaptionPrinter(lines.append, shown.append)
    snapshot = {"speakers": [speaker("S1", 1)], "captions": [caption(4, "Before you came.", "S1")["data"]["caption"]]}
    printer.take({"type": "snapshot", "data": snapshot})
    printer.take(caption(5, "Good mor", "S1", final=False))
    printer.take({"type": "speakers", "data": {"speakers": [speaker("S1", 1, "Ada"), speaker("S2", 2)]}})
    printer.take(caption(6, "and y", final=False))
    printer.take(caption(5, "Good morning.", "S1"))
    printer.take(caption(5, "Good morning!", "S1"))  # corrected: it was printed already
    printer.take(caption(6, "", final=False))
    printer.take(caption(6, "And you?", "S2", "S1"))
    printer.take(caption(7, "", "S2", hidden=True))
    printer.take({"type": "speakers", "data": {"speakers": [speaker("S1", 1, "Ada"), speaker("S2", 2, into="S1")]}})
    printer.take(caption(8, "Me again.", "S2"))
    printer.take(caption(9, "Who is that?"))
    assert lines == [
        "Speaker 1: Before you came.",
        "Ada: Good morning.",
        "Speaker 2 and Ada: And you?",
        "Ada: Me again.",
        "Who is that?",
    ]
    assert shown[1:4] == ["Good mor", "Good mor and y", "and y"] and shown[-1] == ""


@pytest.fixture
async def events() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A server that tells one event and hangs up; its address and what it was asked for."""
    asked: list[dict[str, Any]] = []

    async def socket(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        message = await answer.receive_json()
        asked.append(message["topics"][0])
        await answer.send_json({"type": "heartbeat"})
        if message["topics"][0]["topic"] != TOPIC:
            await answer.send_json({"type": "error", "data": {"code": "not-found", "detail": "There is none."}})
        seq = len(asked)
        await answer.send_json({"type": "caption", "topic": TOPIC, "epoch": "e", "seq": seq, "data": {"at": seq}})
        await answer.close()
        return answer

    app = web.Application()
    app.router.add_get("/api/v1/events", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


async def test_a_connection_that_is_lost_goes_on_where_it_was(
    events: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions, "FIRST_PAUSE_S", 0.01)
    url, asked = events
    heard = []
    async with asyncio.timeout(20):
        async for event in follow(url, TOPIC):
            heard.append(event["data"]["at"])
            if len(heard) == 3:
                break
    assert heard == [1, 2, 3]
    assert asked[1:] == [{"topic": TOPIC, "epoch": "e", "seq": 1}, {"topic": TOPIC, "epoch": "e", "seq": 2}]


async def test_a_topic_that_is_refused_is_no_reason_to_try_again(events: tuple[str, list[dict[str, Any]]]) -> None:
    with pytest.raises(ClearcastError, match="There is none"):
        async for _ in follow(events[0], "captions:other"):
            pass


async def test_each_stream_of_a_channel_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    streams = iter([None, {"id": "a"}, {"id": "a"}, {"id": "b"}])
    done = asyncio.Event()

    async def get_json(_http: Any, _url: str) -> dict[str, Any]:
        return {"stream": next(streams, {"id": "b"})}

    async def told(_server: str, topic: str, *_: Any) -> AsyncIterator[dict[str, Any]]:
        yield caption(1, topic)
        if topic == "captions:b":
            done.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(commands, "get_json", get_json)
    monkeypatch.setattr(commands, "follow", told)
    monkeypatch.setattr(commands, "POLL_S", 0.01)
    following = asyncio.create_task(commands.print_captions("http://x", "talk", CaptionPrinter(lines.append)))
    async with asyncio.timeout(20):
        await done.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert lines == ["captions:a", "captions:b"]


@pytest.mark.parametrize("there", [False, True])
def test_the_demo_writes_captions_on_a_machine_without_models(
    tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = Settings(data_dir=tmp_path, models_dir=tmp_path, captions=True, captions_model=str(tmp_path / "base"))
    if there:
        shutil.copytree(NANO, tmp_path / "base")
    assert with_captions(settings).captions_model == (str(tmp_path / "base") if there else str(NANO))


def test_a_demo_without_captions_stays_without(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, models_dir=tmp_path, captions=False)
    assert with_captions(settings) == settings
