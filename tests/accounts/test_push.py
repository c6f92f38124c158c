"""Web Push, against a push service of the test's own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import http_ece
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.accounts.push import Message, PublicResolver, PushService, check_endpoint, is_public, load_key
from server.clock import SystemClock
from server.errors import Conflict, InvalidRequest, Unavailable
from server.store import notices
from server.store.store import Store
from tests.store.people import add_people

CONTACT = "mailto:anna@example.org"
HELLO = Message("Ben is live", "Bees 🐝", "/listen/ben")


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


class Browser:
    """Has keys, and reads what was sent to it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)

    @property
    def keys(self) -> dict[str, str]:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return {"p256dh": text(point), "auth": text(self.secret)}

    def read(self, body: bytes) -> Any:
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"))


class FakeService:
    """A push service that answers each address with the status that stands in it."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[str, dict[str, str], bytes]] = asyncio.Queue()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.put_nowait((request.path, dict(request.headers), await request.read()))
        status = int(request.match_info["status"])
        return web.Response(status=status, headers={"Location": f"{self.url}/201/elsewhere"} if status == 307 else {})


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    fake = FakeService()
    app = web.Application()
    app.router.add_post("/{status}/{id}", fake.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@pytest.fixture
async def push(store: Store, tmp_path: Path) -> AsyncIterator[PushService]:
    await add_people(store, "anna", "ben")
    running = PushService(store.push, SystemClock(), tmp_path, CONTACT, private=True)
    await running.start()
    yield running
    await running.close()


async def test_a_browser_reads_what_only_it_can_read_signed_by_this_server(
    push: PushService, service: FakeService, tmp_path: Path
) -> None:
    browser = Browser()
    await push.subscribe("anna", f"{service.url}/201/1", browser.keys)
    await push.send(["anna", "ben"], HELLO)
    _, headers, body = await asyncio.wait_for(service.got.get(), 30)
    assert browser.read(body) == {"title": "Ben is live", "body": "Bees 🐝", "path": "/listen/ben"}
    assert b"Bees" not in body
    assert (headers["Content-Encoding"], headers["TTL"]) == ("aes128gcm", "14400")
    scheme, _, rest = headers["Authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(","))
    key = await asyncio.to_thread(load_key, tmp_path / "vapid.pem")
    claims = jwt.decode(parts["t"], key.public_key(), ["ES256"], audience=service.url)
    assert (scheme, claims["sub"], parts["k"]) == ("vapid", CONTACT, push.public_key)
    assert (tmp_path / "vapid.pem").stat().st_mode & 0o777 == 0o600


async def test_browsers_that_are_gone_are_forgotten_and_redirects_are_not_followed(
    push: PushService, service: FakeService
) -> None:
    for status in (404, 410, 500, 307):
        await push.subscribe("anna", f"{service.url}/{status}/1", Browser().keys)
    await push.send(["anna"], HELLO)
    for _ in range(4):
        await asyncio.wait_for(service.got.get(), 30)
    async with asyncio.timeout(30):
        while await push.browsers("anna") > 2:
            await asyncio.sleep(0.01)
    await push.send(["anna"], HELLO)
    paths = [(await asyncio.wait_for(service.got.get(), 30))[0] for _ in range(2)]
    assert sorted(paths) == ["/307/1", "/500/1"]
    assert service.got.empty()


async def test_a_browser_belongs_to_whoever_uses_it_now_and_there_are_few(
    push: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MAX_BROWSERS", 2)
    for number in range(3):
        await push.subscribe("anna", f"https://push.example/{number}", Browser().keys)
    assert await push.browsers("anna") == 2
    await push.subscribe("ben", "https://push.example/2", Browser().keys)
    assert (await push.browsers("anna"), await push.browsers("ben")) == (1, 1)
    await push.unsubscribe("ben", "https://push.example/other")
    assert await push.browsers("ben") == 1
    await push.unsubscribe("ben")
    assert await push.browsers("ben") == 0


async def test_without_a_contact_nothing_is_sent_and_no_key_is_made(store: Store, tmp_path: Path) -> None:
    push = PushService(store.push, SystemClock(), tmp_path, None, private=False)
    await push.start()
    assert push.public_key is None
    with pytest.raises(Conflict):
        await push.subscribe("anna", "https://push.example/1", Browser().keys)
    await push.close()
    assert not (tmp_path / "vapid.pem").exists()


def test_the_key_stays_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vapid.pem"
    assert load_key(path).private_numbers() == load_key(path).private_numbers()
    path.write_text("not a key")
    with pytest.raises(Unavailable, match=r"vapid\.pem"):
        load_key(path)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/1", "https://127.0.0.1/1", "https://10.0.0.1/", "https://[::1]/", "https://localhost/",
        "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest", "https://0x7f000001/", "https://2130706433/",
        "https://user:word@push.example/", "file:///etc/passwd", "https://", "https://a b.example/", "https://é.example",
        "https://push.example:99999/", "https://[fe80::1%25eth0]/", "https://[64:ff9b::7f00:1]/", "gopher://x.example/",
        "https://0x7f.1/", "https://127.1/", "https://push.example/" + "x" * 1000,
    ],
)  # fmt: skip
def test_addresses_inside_are_refused(endpoint: str) -> None:
    with pytest.raises(InvalidRequest):
        check_endpoint(endpoint, private=False)


def test_addresses_of_push_services_are_taken() -> None:
    for endpoint in (
        "https://fcm.googleapis.com/fcm/send/abc:DEF",
        "https://updates.push.services.mozilla.com/wpush/v2/x",
    ):
        check_endpoint(endpoint, private=False)
    assert is_public("2606:4700::1111")
    assert not any(map(is_public, ("192.168.1.1", "100.64.0.1", "224.0.0.1", "0.0.0.0", "fd00::1", "nonsense")))


async def test_a_public_name_of_a_private_address_is_not_reached() -> None:
    resolver = PublicResolver()
    with pytest.raises(OSError, match="no public address"):
        await resolver.resolve("localhost", 443)
    await resolver.close()


@pytest.mark.parametrize(
    "change", [{"auth": "AAAA"}, {"p256dh": "AAAA"}, {"auth": "!"}, {"p256dh": text(b"\x04" * 65)}]
)
async def test_keys_that_are_none_are_refused(push: PushService, change: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        await push.subscribe("anna", "https://push.example/1", Browser().keys | change)
