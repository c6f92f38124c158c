"""A whole server: settings in, everything started and stopped in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from server import __version__
from server.accounts.home import default_channel
from server.accounts.opening import Accounts, open_accounts
from server.accounts.passwords import Passwords
from server.audio.opus import library_version
from server.clock import SystemClock
from server.config import Settings
from server.inference.caption_lane import CaptionService
from server.inference.lane import DenoiseService
from server.log import configure_logging, get_logger, say
from server.masking import secret_values
from server.process import allow_many_files, keep_files_private, raise_priority
from server.recordings.caption_journal import CaptionJournal
from server.recordings.indexing import keep_indexed
from server.recordings.recover import Recovered, may_go_on, recover
from server.recordings.tidy import keep_tidy, tidy
from server.rooms.host import MediaHost
from server.rooms.saved import SavedStream
from server.running import run
from server.store.database import database_url
from server.store.folder import lock_folder, prepare_folders
from server.store.records import Channel
from server.store.store import Store
from server.web import tls
from server.web.binding import Door, bind
from server.web.identity import is_loopback
from server.web.oversight import watch_over
from server.web.server import announce_closing, make_app
from server.web.services import Services
from server.wiring import Parts, put_together

SHUTDOWN = 5.0
"""Seconds that open requests get to finish."""
KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle between requests, and take for the head of one: longer than proxies keep
theirs, far from the hour that aiohttp would wait."""
MAX_LINE = 32 * 1024
"""Bytes of a request line: room for a title that is refused with a clear word."""

log = get_logger(__name__)


class Server:
    """One running server. `start`, then `close`; `url` is where a browser on this machine finds it."""

    def __init__(
        self,
        settings: Settings,
        *,
        self_signed: bool = False,
        denoise: DenoiseService | None = None,
        captions: CaptionService | None = None,
        passwords: Passwords | None = None,
    ) -> None:
        self.settings = settings
        self.recovered = Recovered()
        self.first_link: str | None = None
        """Where the first account is made, while there is none."""
        self.waiting = 0
        """Streams of an earlier run whose publishers it waited for when it started."""
        self.pair: tls.Pair | None = None
        self.self_signed = self_signed
        self._denoise = denoise
        self._captions = captions
        self._passwords = passwords
        self._stack = AsyncExitStack()
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None
        self.services: Services
        self.port = 0

    @property
    def url(self) -> str:
        host = self.settings.host
        name = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1", "::1") else host  # noqa: S104 - compared, not bound
        return f"{'https' if self.pair else 'http'}://{name}:{self.port}"

    async def start(self) -> None:
        """Raises ClearcastError with a line for the operator where the server cannot start."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Everybody told, streams and recordings left for the next run to go on with, everything let go."""
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self.settings
        await asyncio.to_thread(prepare_folders, settings)
        await asyncio.to_thread(library_version)  # finding libopus reads the disk; later it is there already
        self._socket = await asyncio.to_thread(bind, settings.host, settings.port)
        self._stack.callback(self._socket.close)
        self.port = self._socket.getsockname()[1]
        self._stack.callback(os.close, await asyncio.to_thread(lock_folder, settings))
        context = await self._tls()

        store = Store(database_url(settings.database_url, settings.data_dir))
        self._stack.push_async_callback(store.close)
        await store.open()
        channel = await default_channel(store)

        clock = SystemClock()
        accounts = await open_accounts(settings, store, clock, self._passwords)
        self._stack.push_async_callback(accounts.close)
        accounts.keeping.start()
        self._stack.push_async_callback(self._stop_serving)
        await self._wire(store, clock, accounts, channel, context is not None)
        self.first_link = await self.services.first.link()
        self._runner = web.AppRunner(
            make_app(self.services),
            access_log=None,
            shutdown_timeout=SHUTDOWN,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MAX_LINE,
            handle_signals=False,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        loop = asyncio.get_running_loop()
        door = Door(self._runner.server, self.settings.max_connections_per_address, self.settings.trusted_proxies)
        self._listening = await loop.create_server(door, sock=self._socket, ssl=context)

    async def _stop_serving(self) -> None:
        # After the media host and the journal: pages hear that their streams wait before they are cut off.
        if self._listening is not None:
            self._listening.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _wire(self, store: Store, clock: SystemClock, accounts: Accounts, channel: Channel, secure: bool) -> None:
        """Put the parts together, and put in order what an earlier run left."""
        settings = self.settings
        denoise, captions = self._denoise or make_denoise(settings), self._captions or make_captions(settings)
        parts = put_together(settings, store, clock, accounts, denoise, captions)
        self.services = services = parts.services(channel, secure)
        parts.announcer.serve(services)
        for close in parts.closing():
            self._stack.push_async_callback(close)
        self._stack.callback(denoise.subscribe(parts.announcer.denoiser))
        self._stack.callback(captions.subscribe(parts.announcer.captioner))
        await self._begin(services, parts)

    async def _begin(self, services: Services, parts: Parts) -> None:
        """Streams and jobs of an earlier run go on; when the server closes, everybody is told first."""
        await services.leaving.go_on()
        self._stack.push_async_callback(services.export_desk.conversions.close)
        await services.export_desk.conversions.start()
        self._stack.push_async_callback(services.leaving.close)
        self._stack.push_async_callback(watch_over(services))
        left = await self._recover(services, parts.media, parts.caption_journal)
        self._stack.push_async_callback(services.community.close)
        await services.community.start()
        self._stack.push_async_callback(announce_closing, services)
        self._stack.callback(parts.media.drain)
        await parts.media.start()
        await parts.media.restore(left)
        self._stack.push_async_callback(services.quotas.close)
        services.quotas.start()
        await services.jobs.start()
        parts.webhooks.start()
        self._stack.push_async_callback(services.upload_progress.close)
        await services.upload_progress.start()
        await parts.finishing.recovered(self.recovered.streams)
        await parts.finishing.catch_up()

    async def _recover(
        self, services: Services, media: MediaHost, caption_journal: CaptionJournal
    ) -> Sequence[SavedStream]:
        """Put in order what an earlier run left, then begin to write down; returns the streams that may go on."""
        store, library = services.store, services.library
        left = [stream for stream in await media.left() if await may_go_on(store, stream.id, stream.channel_id)]
        waiting = {stream.id for stream in left}
        self.recovered = await recover(store, library, services.default_channel, waiting)
        await caption_journal.fill_in(self.recovered.streams | waiting)
        days = self.settings.retention_days
        await tidy(library, store, datetime.now(UTC), days)
        tidying = asyncio.create_task(keep_tidy(library, store, days), name="tidy")
        self._stack.push_async_callback(_cancel, tidying)
        indexing = asyncio.create_task(keep_indexed(store), name="index")
        self._stack.push_async_callback(_cancel, indexing)
        self.waiting = len(left)
        services.journal.start()
        caption_journal.start()
        return left

    async def _tls(self) -> ssl.SSLContext | None:
        settings = self.settings
        if self.self_signed:
            self.pair = await asyncio.to_thread(tls.self_signed, settings.data_dir, settings.host)
        elif settings.tls_certificate is not None and settings.tls_key is not None:
            self.pair = tls.Pair(settings.tls_certificate, settings.tls_key)
        if self.pair is None:
            return None
        context = await asyncio.to_thread(tls.make_context, self.pair)
        watching = asyncio.create_task(tls.watch(context, self.pair), name="certificate")
        self._stack.push_async_callback(_cancel, watching)
        return context


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def running(
    settings: Settings, **options: DenoiseService | CaptionService | bool | None
) -> AsyncIterator[Server]:
    """A server for the length of a block: for the demo, benches and tests."""
    server = Server(settings, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def make_denoise(settings: Settings) -> DenoiseService:
    """The denoise service that the settings ask for."""
    from server.inference.service import OffDenoiseService, WorkerDenoiseService

    return OffDenoiseService() if settings.denoise == "off" else WorkerDenoiseService(settings)


def make_captions(settings: Settings) -> CaptionService:
    """The same for captions."""
    from server.inference.captioning.service import OffCaptionService, WorkerCaptionService

    return WorkerCaptionService(settings) if settings.captions else OffCaptionService()


def serve(settings: Settings, *, self_signed: bool = False) -> int:
    """Run a server until SIGINT or SIGTERM; returns the exit status. Raises ClearcastError when it cannot start."""
    prepare(settings)
    raise_priority()
    return run(lambda stop: _serve(Server(settings, self_signed=self_signed), stop))


def prepare(settings: Settings) -> None:
    """What holds for the whole process."""
    configure_logging(settings.log_level, settings.log_format, secret_values(settings))
    allow_many_files()
    keep_files_private()


async def _serve(server: Server, stop: asyncio.Event) -> int:
    await server.start()
    gc.freeze()  # what is there stays: to look through it all each time would hold the event loop for 60 ms and more
    await asyncio.to_thread(greet, server)
    await stop.wait()
    say("Closing; streams and recordings go on when the server is back within five minutes …")
    await server.close()
    return 0


def greet(server: Server) -> None:
    """Tell the person who started it what they need to know."""
    settings, status = server.settings, server.services.denoise.status
    say(f"Clearcast {__version__} is running. Open {server.url}")
    if server.pair is not None:
        for name in network_names(settings.host, tls.addresses()):
            say(f"  on your network   https://{f'[{name}]' if ':' in name else name}:{server.port}")
    elif not is_loopback(settings.host):
        say("  Other machines get no microphone over plain HTTP: start with --tls self-signed, or set a certificate.")
    if server.pair is not None and server.self_signed:
        say(f"  certificate       made by this server; SHA-256 {tls.fingerprint(server.pair.certificate)}")
    first = server.services.first
    first.announce(lambda link: say(f"Nobody has an account any more. The first one is made at {server.url}{link}"))
    if server.first_link is not None:
        say(f"  first account     {server.url}{server.first_link}")
    elif not settings.accounts and not is_loopback(settings.host):
        say("  Whoever reaches this address may do everything here: with CLEARCAST_ACCOUNTS=true people sign in.")
    engine = f"{status.engine} on {status.device or 'this machine'}" if status.engine else status.state
    say(f"  noise removal     {'starting' if status.state == 'starting' else status.detail or engine}")
    say(f"  recordings        {settings.recordings_dir.absolute()}")
    found = server.recovered
    if found.recordings or found.failed:
        lost = f", {found.failed} could not be saved" if found.failed else ""
        say(f"  recovered         {found.recordings} recordings of an earlier run{lost}")
    if server.waiting:
        say(
            f"  waiting           {server.waiting} streams, {settings.reconnect_s} s, for their publishers to come back"
        )


def network_names(host: str, known: list[str]) -> list[str]:
    """Those of this machine's names and addresses that others can reach a server on `host` by, the surest first."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return []
    others = [name for name in known if not is_loopback(name) and (host == "::" or ":" not in name)]
    return sorted(others, key=lambda name: not (":" in name or name.replace(".", "").isdigit()))
