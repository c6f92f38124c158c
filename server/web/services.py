"""What the routes work with, put together by `server.app`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aiohttp import web

from server.accounts.access import AccessBook, Viewer
from server.accounts.administration import Administration
from server.accounts.audit import AuditBook
from server.accounts.circles import Circles
from server.accounts.community import Community
from server.accounts.endings import Endings
from server.accounts.first import FirstAccount
from server.accounts.gate import Actor, local_actor
from server.accounts.guests import Guest, Guests
from server.accounts.home import default_channel
from server.accounts.keys import Keys
from server.accounts.opening import Accounts
from server.accounts.sessions import Sessions
from server.accounts.tokens import Tokens
from server.accounts.users import People
from server.audio.frame import Samples
from server.backplane import EventHub, Subscriber
from server.clock import Clock
from server.config import Settings
from server.errors import NotFound
from server.inference.caption_lane import CaptionerStatus
from server.inference.lane import DenoiserStatus
from server.jobs.service import JobService
from server.jobs.voice_samples import VoiceSamples
from server.queues import Policy, Queue
from server.recordings.captions import CaptionDesk
from server.recordings.chat import Chat
from server.recordings.export import Exports
from server.recordings.exports.accounts import TranscriptDesk
from server.recordings.exports.conversions import Conversions
from server.recordings.exports.desk import ExportDesk
from server.recordings.journal import Journal
from server.recordings.leaving import Leaving
from server.recordings.library import Library
from server.recordings.quota import Quotas
from server.recordings.voices import VoiceBook
from server.rooms.messages import ListenGrant, PeerAnswer, PublishGrant, StreamChange, StreamInfo
from server.store.records import Channel
from server.store.store import Store
from server.uploads.desk import UploadDesk
from server.uploads.progress import UploadProgress
from server.web.allowance import Allowance
from server.web.announce_people import PeopleAnnouncer
from server.web.body import BodyRoom
from server.web.limits import Limits

MAX_SOCKETS = 2000
SOCKETS = Queue(
    "event_sockets",
    MAX_SOCKETS,
    Policy.NEWEST,
    holds="pages and programs that follow events",
    drop="A page was answered 503 and asked to come again in 30 s.",
)

MAX_READERS = 1000
READERS = Queue(
    "event_readers",
    MAX_READERS,
    Policy.NEWEST,
    holds="programs that follow captions as server-sent events",
    drop="A program was answered 503 and asked to come again in 30 s.",
)

MAX_CHANNELS = 2000
CHANNELS = Queue(
    "channels",
    MAX_CHANNELS,
    Policy.FORGET,
    holds="channels that were live, kept from the database",
    drop="The channel is read from the database again.",
)


class Media(Protocol):
    """The commands of the media host that routes send."""

    async def publish(self, offer: str, grant: PublishGrant) -> PeerAnswer: ...

    async def listen(self, offer: str, grant: ListenGrant) -> PeerAnswer: ...

    async def trickle(self, peer_id: str, fragment: str) -> None: ...

    async def remove(self, peer_id: str, reason: str) -> None: ...

    async def end(self, stream_id: str, reason: str) -> None: ...

    async def update(self, stream_id: str, change: StreamChange) -> StreamInfo: ...

    def streams(self) -> list[StreamInfo]: ...

    def stream(self, stream_id: str) -> StreamInfo | None: ...

    def live_on(self, channel_id: str) -> StreamInfo | None: ...


class Watchful(Protocol):
    """Looks after what is open: closes what has lost its right."""

    def on_air(self, channel_id: str) -> None: ...

    async def remove(self, guest: Guest, reason: str) -> None: ...

    async def settle(self) -> None: ...


class SoundCheck(Protocol):
    """Takes the noise out of a short piece of audio, beside what is live."""

    async def clean(self, samples: Samples) -> Samples: ...


class Denoise(Protocol):
    """What the pages are told about the denoiser."""

    @property
    def status(self) -> DenoiserStatus: ...


class Captioner(Protocol):
    """What the pages are told about captions."""

    @property
    def status(self) -> CaptionerStatus: ...


class Follower(Subscriber):
    """Somebody who follows events, and what they may see of them."""

    def __init__(self, viewer: Viewer, *, on_drop: Callable[[], None], sole: bool = False) -> None:
        super().__init__(on_drop=on_drop, viewer=viewer)
        self.viewer: Viewer = viewer
        self.sole = sole
        """Whether there is only one topic, without which nothing is left to say."""


@dataclass(frozen=True, eq=False)
class EventReader:
    """Somebody who is sent events in one long answer."""

    response: web.StreamResponse
    subscriber: Follower


@dataclass
class Services:
    """Everything a route may need. One object per server, never global."""

    settings: Settings
    clock: Clock
    media: Media
    denoise: Denoise
    captions: Captioner
    sound_check: SoundCheck
    hub: EventHub
    store: Store
    journal: Journal
    library: Library
    caption_desk: CaptionDesk
    voices: VoiceBook
    voice_samples: VoiceSamples
    jobs: JobService
    chat: Chat
    accounts: Accounts
    default_channel: Channel
    circles: Circles = field(init=False)
    leaving: Leaving = field(init=False)
    exports: Exports = field(init=False)
    quotas: Quotas = field(init=False)
    export_desk: ExportDesk = field(init=False)
    transcripts: TranscriptDesk = field(init=False)
    community: Community = field(init=False)
    access: AccessBook = field(init=False)
    oversight: Watchful = field(init=False)
    uploads: UploadDesk = field(init=False)
    upload_progress: UploadProgress = field(init=False)
    secure: bool = False
    """Whether the server itself speaks TLS."""
    sockets: set[web.WebSocketResponse] = field(default_factory=set)
    """Event sockets that are open."""
    readers: set[EventReader] = field(default_factory=set)
    """Long answers with events that are open."""
    started_at: datetime = field(init=False)
    followers: set[Follower] = field(default_factory=set)
    """Who follows events, on a socket or in a long answer; as many as these."""
    closing: bool = False
    """Whether the server goes down: nobody new is let in."""
    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Signs the addresses of WHIP and WHEP sessions; sessions end with the process, and so does it."""
    chat_allowance: Allowance = field(default_factory=lambda: Allowance(10, 10.0))
    """Messages and reactions in ten seconds, by stream and writer."""
    bodies: BodyRoom = field(default_factory=BodyRoom)
    """What is being uploaded."""
    actor: Actor = field(default_factory=local_actor)
    """Everybody, where there are no accounts."""
    limits: Limits = field(init=False)
    """How often everybody may ask for what."""
    channels: dict[str, Channel] = field(default_factory=dict)
    """By id, of every channel that was live since the start."""

    def __post_init__(self) -> None:
        self.started_at = self.clock.wall()
        self.leaving = Leaving(self.store, self.library.files, self.clock, self.media, self._gone)
        self.exports = Exports(self.store, self.library.files, self.caption_desk)
        conversions = Conversions(self.library.files, self.settings.exports_cache_mb, self.settings.disk_reserve_mb)
        self.export_desk = ExportDesk(self.library.files, self.caption_desk, conversions)
        self.transcripts = TranscriptDesk(self.store, self.caption_desk, conversions)
        self.circles = Circles(self.store.friends.circle)
        self.quotas = Quotas(self.store, self.library.files, self.media, self.settings.quota_gb)
        announcer = PeopleAnnouncer(self.hub)
        self.access = AccessBook(self.store.access, self.circles, self.accounts.links, accounts=self.settings.accounts)
        self.community = Community(self.settings, self.store, self.clock, self.circles, self.access, announcer)
        announcer.serve(self.community.friends, self.community.notices)
        SOCKETS.watch(self.sockets)
        READERS.watch(self.readers)
        self.limits = Limits(self.settings.rate_limits)
        CHANNELS.measure(self, lambda services: len(services.channels))

    @property
    def people(self) -> People:
        return self.accounts.people

    @property
    def sessions(self) -> Sessions:
        return self.accounts.sessions

    @property
    def audit(self) -> AuditBook:
        return self.accounts.audit

    @property
    def endings(self) -> Endings:
        return self.accounts.endings

    @property
    def administration(self) -> Administration:
        return self.accounts.administration

    @property
    def tokens(self) -> Tokens:
        return self.accounts.tokens

    @property
    def keys(self) -> Keys:
        return self.accounts.keys

    @property
    def guests(self) -> Guests:
        return self.accounts.guests

    @property
    def first(self) -> FirstAccount:
        return self.accounts.first

    def stream(self, stream_id: str) -> StreamInfo | None:
        """A stream of which more is known than the database says: one that is live, or has just ended."""
        return self.media.stream(stream_id) or self.journal.ends().get(stream_id)

    async def _gone(self, user_id: str) -> None:
        self.community.gone(user_id)
        await self.owners_changed()
        await self.first.again()

    async def owners_changed(self) -> None:
        """What is remembered of whose channels are is no longer true."""
        self.channels.clear()
        self.default_channel = await default_channel(self.store)

    async def channel(self, channel_id: str) -> Channel:
        """A channel by id, from memory after the first time. Raises NotFound."""
        found = await self.channels_by_id([channel_id])
        if channel_id not in found:
            raise NotFound("There is no such channel.", code="unknown-channel")
        return found[channel_id]

    async def channels_by_id(self, channel_ids: Collection[str]) -> dict[str, Channel]:
        """Those that there are, in one query at most."""
        found = {id_: self.channels[id_] for id_ in channel_ids if id_ in self.channels}
        missing = [id_ for id_ in channel_ids if id_ not in found]
        for channel in await self.store.channels_by_id(missing) if missing else []:
            found[channel.id] = self.channels[channel.id] = channel
            if len(self.channels) > MAX_CHANNELS:
                CHANNELS.dropped += 1
                del self.channels[next(iter(self.channels))]
        return found


SERVICES = web.AppKey("services", Services)
