"""Other servers are told: signed, in full, again when they were away, after a restart too, and never elsewhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server import webhooks
from server.app import running
from server.config import load_settings
from server.errors import SettingsError
from server.store.deliveries import Delivery
from server.store.records import Recording, StoredStream
from server.store.store import Store
from server.webhooks import Webhooks
from tests.fakes import ManualClock
from tests.recordings.writing import STARTED, write_recording

SECRET = "whsec_" + base64.b64encode(b"a key of 24 random bytes").decode()


class OtherServer:
    """A server that is told, and answers as it is made to."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.elsewhere = 0
        app = web.Application()
        app.router.add_post("/hook", self._take)
        app.router.add_post("/elsewhere", self._wrong)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def _wrong(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response(status=204)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/hook"))


@pytest.fixture
async def other() -> AsyncIterator[OtherServer]:
    server = OtherServer()
    await server.server.start_server()
    yield server
    await server.server.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'clearcast.db'}")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tried again at once, and as often as ever."""
    monkeypatch.setattr(webhooks, "RETRY_AFTER_S", (0.0,) * len(webhooks.RETRY_AFTER_S))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def over(store: Store) -> Delivery:
    """The only delivery, once nothing more is done about it."""
    async with asyncio.timeout(20):
        while True:
            found = (await store.deliveries.page()).items
            if found and found[0].state != "waiting":
                return found[0]
            await asyncio.sleep(0.01)


def hooks(store: Store, other: OtherServer) -> Webhooks:
    return Webhooks(store.deliveries, ManualClock(), [other.url], SECRET)


async def test_what_comes_is_whole_and_signed(store: Store, other: OtherServer) -> None:
    told = hooks(store, other)
    told.start()
    told.put("recording.ready", {"id": "r1", "title": "Prüfung 試験"})
    await until(lambda: other.came)
    headers, body = other.came[0]
    assert json.loads(body)["type"] == "recording.ready"
    assert json.loads(body)["data"] == {"id": "r1", "title": "Prüfung 試験"}
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mark = hmac.new(b"a key of 24 random bytes", content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mark).decode()}"
    assert (await over(store)).state == "delivered"
    await told.close()


@pytest.mark.usefixtures("quick")
async def test_a_server_that_was_away_hears_it_later_under_the_same_id(store: Store, other: OtherServer) -> None:
    other.answers = [500, 503]
    told = hooks(store, other)
    told.start()
    told.put("stream.ended", {"id": "s1"})
    delivery = await over(store)
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 3, 204)
    assert len({headers["webhook-id"] for headers, _ in other.came}) == 1
    await told.close()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("answer", "attempts"), [(410, 1), (500, len(webhooks.RETRY_AFTER_S) + 1)])
async def test_it_is_given_up_some_time(store: Store, other: OtherServer, answer: int, attempts: int) -> None:
    other.answers = [answer] * 50
    told = hooks(store, other)
    told.start()
    told.put("job.failed", {"id": "j1"})
    delivery = await over(store)
    assert (delivery.state, delivery.attempts) == ("failed", attempts)
    assert delivery.error == f"It answered {answer}."
    await told.close()


async def test_nobody_is_told_who_is_not_named(store: Store, other: OtherServer) -> None:
    other.answers = [307]
    told = hooks(store, other)
    told.start()
    told.put("stream.started", {"id": "s1"})
    await until(lambda: other.came)
    async with asyncio.timeout(20):
        while (await store.deliveries.page()).items[0].attempts == 0:
            await asyncio.sleep(0.01)
    await told.close()
    assert other.elsewhere == 0


async def test_what_was_not_sent_is_sent_by_the_next_run(store: Store, other: OtherServer) -> None:
    told = hooks(store, other)
    told.put("stream.started", {"id": "s1"})  # it ends before it could do anything
    told.start()
    await told.close()
    told = hooks(store, other)
    told.start()
    assert (await over(store)).state == "delivered"
    assert len(other.came) == 1
    await told.close()


async def test_a_server_that_nobody_answers_for_is_told_of(store: Store) -> None:
    told = Webhooks(store.deliveries, ManualClock(), ["http://127.0.0.1:9/hook"], SECRET)
    told.start()
    told.put("stream.started", {"id": "s1"})
    async with asyncio.timeout(20):
        while not (found := (await store.deliveries.page()).items) or not found[0].error:
            await asyncio.sleep(0.01)
    assert found[0].error.startswith("It could not be reached")
    assert found[0].due_at > datetime.fromtimestamp(0, UTC)
    await told.close()


async def test_a_server_tells_of_what_happens_in_it(tmp_path: Path, other: OtherServer) -> None:
    settings = load_settings(
        data_dir=tmp_path / "data", port=0, ice_udp_port=0, denoise="off", captions=False,
        webhook_urls=[other.url], webhook_secret=SECRET,
    )  # fmt: skip
    async with running(settings) as server:
        home, store = server.services.default_channel, server.services.store
        await store.save_stream(
            StoredStream("abc", home.id, home.owner, "Anna", "Talk", "ended", STARTED, STARTED, recorded=True)
        )
        write_recording(settings.recordings_dir, "abc", 2.0)
        await store.save_recording(Recording("abc", "abc", "Talk", "", "", "", "", STARTED, "finishing"))
        server.services.library.finish("abc")
        await until(lambda: other.came)
    said = json.loads(other.came[0][1])
    assert said["type"] == "recording.ready"
    assert (said["data"]["id"], said["data"]["state"]) == ("abc", "ready")
    assert said["data"]["duration_s"] == pytest.approx(2.0, abs=0.01)  # the encoder's delay is not part of it


@pytest.mark.parametrize("url", ["ftp://example.org/x", "example.org", "https://"])
def test_addresses_that_cannot_be_are_told_at_the_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CLEARCAST_WEBHOOK_URLS", f"https://user:pass@example.org/hook, {url}")
    monkeypatch.setenv("CLEARCAST_WEBHOOK_SECRET", SECRET)
    with pytest.raises(SettingsError, match=r"the 2\. is no address") as told:
        load_settings()
    assert "pass" not in str(told.value)


def test_requests_are_never_sent_unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARCAST_WEBHOOK_URLS", "https://example.org/hook")
    with pytest.raises(SettingsError, match="CLEARCAST_WEBHOOK_SECRET"):
        load_settings()
