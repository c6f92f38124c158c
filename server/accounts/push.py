"""Web Push: a browser is told while the page is closed (RFC 8030), through the service of its maker.

What is said is encrypted for the browser (RFC 8291) and signed with a key of this installation (RFC 8292). Off unless
the operator names a contact, and for everybody who has not asked for it. The addresses come from browsers, so nothing
is ever sent inside one's own network: names are looked up and checked for every connection.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import json
import os
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.clock import Clock
from server.errors import Conflict, InvalidRequest, Unavailable
from server.log import get_logger
from server.queues import Policy, Queue
from server.store.ids import new_id
from server.store.notices import PushTable
from server.store.people_records import PushSubscription

MAX_WAITING = 2_000
AT_ONCE = 4
"""Messages that are sent at the same time."""
TTL = 4 * 3600
"""Seconds that the service keeps a message for a browser that is not there."""
PATIENCE = 10.0
"""Seconds that a push service may take."""
EXPIRY = 12 * 3600
"""Seconds for which a signature holds (RFC 8292, section 2: at most 24 hours)."""
MAX_ENDPOINT = 1000
POINT, SECRET = 65, 16
"""Bytes of a browser's public key and of its secret (RFC 8291, section 3)."""
GONE = (404, 410)
"""RFC 8030, section 7.3."""
TUNNELS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
"""Addresses that carry another one inside."""
WAITING = Queue(
    "push",
    MAX_WAITING,
    Policy.OLDEST,
    holds="messages for browsers whose page is closed",
    drop="The push services are too slow: somebody sees it when the page is open again.",
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What a browser shows; `path` is where a click leads."""

    title: str
    body: str
    path: str


class PushService:
    """Sends messages to browsers. `start`, then `close`."""

    def __init__(self, table: PushTable, clock: Clock, data_dir: Path, contact: str | None, *, private: bool) -> None:
        self._table = table
        self._clock = clock
        self._path = data_dir / "vapid.pem"
        self._contact = contact
        self._private = private
        """Whether push services may be in one's own network, and without TLS."""
        self._key: ec.EllipticCurvePrivateKey | None = None
        self.public_key: str | None = None
        """What browsers subscribe with; None where this server sends nothing."""
        self._waiting: deque[tuple[PushSubscription, Message]] = WAITING.watch(deque())
        self._room = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="push")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises Unavailable where the key cannot be read."""
        if self._contact is None:
            return
        self._key = await asyncio.to_thread(load_key, self._path)
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.public_key = base64.urlsafe_b64encode(point).decode().rstrip("=")
        self._task = asyncio.create_task(self._run(), name="push")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def subscribe(self, user_id: str, endpoint: str, keys: Mapping[str, str]) -> None:
        """Tell this browser from now on. Raises InvalidRequest, Conflict where this server sends nothing."""
        if self.public_key is None:
            raise Conflict("Messages to closed pages are off on this server.", code="push-off")
        check_endpoint(endpoint, private=self._private)
        kept = {name: _checked_key(keys, name, length) for name, length in (("p256dh", POINT), ("auth", SECRET))}
        await self._table.put(PushSubscription(new_id(), user_id, endpoint, kept, self._clock.wall()))

    async def browsers(self, user_id: str) -> int:
        """How many of somebody's browsers are told."""
        return len(await self._table.of([user_id]))

    async def unsubscribe(self, user_id: str, endpoint: str | None = None) -> None:
        """Tell one of somebody's browsers nothing more, or none of them."""
        await self._table.forget(user_id, endpoint)

    async def send(self, user_ids: Sequence[str], message: Message) -> None:
        """Have all browsers of some people told; nobody waits for that."""
        for subscription in await self._table.of(user_ids) if user_ids else []:
            if len(self._waiting) >= MAX_WAITING:
                WAITING.dropped += 1
                self._waiting.popleft()
            self._waiting.append((subscription, message))
        self._wake.set()

    async def _run(self) -> None:
        resolver = aiohttp.ThreadedResolver() if self._private else PublicResolver()
        connector = aiohttp.TCPConnector(resolver=resolver, limit=AT_ONCE, use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http,
            asyncio.TaskGroup() as sending,
        ):
            while True:
                while self._waiting:
                    await self._room.acquire()
                    sending.create_task(self._send(http, *self._waiting.popleft()))
                self._wake.clear()
                await self._wake.wait()

    async def _send(self, http: aiohttp.ClientSession, to: PushSubscription, message: Message) -> None:
        try:
            check_endpoint(to.endpoint, private=self._private)
            loop = asyncio.get_running_loop()
            headers, body = await loop.run_in_executor(self._threads, self._sealed, to, message)
            async with http.post(to.endpoint, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
            if status in GONE:
                await self._table.forget(to.user_id, to.endpoint)
            elif status >= 400:
                log.info("a push service refused a message", service=urlsplit(to.endpoint).hostname, status=status)
        except (aiohttp.ClientError, OSError, TimeoutError, InvalidRequest, Unavailable, ValueError) as error:
            log.info("a message was not sent", service=urlsplit(to.endpoint).hostname, error=type(error).__name__)
        finally:
            self._room.release()

    def _sealed(self, to: PushSubscription, message: Message) -> tuple[dict[str, str], bytes]:
        """Headers and encrypted body of a message. Runs in a thread."""
        from py_vapid import Vapid02
        from pywebpush import WebPusher

        body = json.dumps(asdict(message), ensure_ascii=False).encode()
        sealed = WebPusher({"endpoint": to.endpoint, "keys": dict(to.keys)}).encode(body, "aes128gcm")["body"]
        parts = urlsplit(to.endpoint)
        expiry = int(self._clock.wall().timestamp()) + EXPIRY
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": expiry, "sub": self._contact}
        headers = dict(Vapid02(self._key).sign(claims))
        return headers | {"TTL": str(TTL), "Content-Encoding": "aes128gcm", "Urgency": "normal"}, bytes(sealed)


class PublicResolver(AbstractResolver):
    """Finds addresses in the public internet only, at the very moment of a connection."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError where there are none."""
        found = [item for item in await self._inner.resolve(host, port, family) if is_public(item["host"])]
        if not found:
            raise OSError(f"{host} has no public address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def is_public(address: str) -> bool:
    """Whether an IP address lies in the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return found.is_global and not found.is_multicast and not any(found in tunnel for tunnel in TUNNELS)


def check_endpoint(endpoint: str, *, private: bool) -> None:
    """Raises InvalidRequest for an address that nothing is sent to."""
    wrong = InvalidRequest("This is no address of a push service.", code="invalid-endpoint")
    if len(endpoint) > MAX_ENDPOINT or not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint:
        raise wrong
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.username is not None or parts.password is not None or "\\" in endpoint:
        raise wrong
    if private and parts.scheme in ("http", "https"):
        return
    literal = ":" in host or host.rpartition(".")[2].isdigit() or host.rpartition(".")[2].startswith("0x")
    if parts.scheme != "https" or "." not in host or (literal and not is_public(host)):
        raise wrong


def _checked_key(keys: Mapping[str, str], name: str, length: int) -> str:
    """One of a browser's keys. Raises InvalidRequest."""
    text = keys.get(name, "").rstrip("=")
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if name == "p256dh":
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), value)
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        value = b""
    if len(value) != length:
        raise InvalidRequest(f"{name} is no key of a browser.", code="invalid-push-key")
    return text


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key that messages are signed with; made where there is none. Blocks. Raises Unavailable."""
    try:
        if not path.exists():
            _make_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Unavailable(
            f"{path} cannot be read: it holds the key that messages to browsers are signed with. Restore it, or delete "
            "it: a new one is made, and everybody has to switch messages on again.",
            code="push-key",
        )
    return key


def _make_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
