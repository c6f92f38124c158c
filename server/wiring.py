"""The parts of a server and who tells whom: built here, started and stopped by `server.app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from server.accounts.opening import Accounts
from server.backplane import EventHub
from server.clock import Clock
from server.config import Settings
from server.inference.caption_lane import CaptionService
from server.inference.captioning.file_lane import open_file_lane
from server.inference.captioning.service import SOCKET
from server.inference.lane import DenoiseService
from server.jobs.making import Finishing
from server.jobs.service import JobService
from server.jobs.voice_samples import VoiceSamples
from server.outside import Outside
from server.recordings.caption_journal import CaptionJournal
from server.recordings.captions import CaptionDesk
from server.recordings.chat import Chat
from server.recordings.files import RecordingFolders
from server.recordings.journal import Journal
from server.recordings.library import Library
from server.recordings.voices import VoiceBook
from server.rooms.cleaning import Cleaner
from server.rooms.host import MediaHost
from server.rooms.messages import CaptionOutput, MediaEvent
from server.store.people_records import Access
from server.store.records import Channel, Job
from server.store.store import Store
from server.uploads.becoming import Becoming
from server.uploads.desk import UploadDesk
from server.uploads.folders import UploadFolders
from server.uploads.progress import UploadProgress
from server.web.announce import Announcer
from server.web.chat_schemas import told
from server.web.services import Services
from server.webhooks import Webhooks

Told = TypeVar("Told")


@dataclass(frozen=True)
class Parts:
    """What a server is made of, before anything runs."""

    settings: Settings
    clock: Clock
    store: Store
    hub: EventHub
    accounts: Accounts
    announcer: Announcer
    denoise: DenoiseService
    captions: CaptionService
    library: Library
    journal: Journal
    caption_journal: CaptionJournal
    media: MediaHost
    chat: Chat
    jobs: JobService
    finishing: Finishing
    webhooks: Webhooks
    job_followers: list[Callable[[Job], None]]
    """Whoever is told of each change of a job, after the pages."""

    def services(self, channel: Channel, secure: bool) -> Services:
        """What routes work with; `channel` is whose no other was named."""
        desk = CaptionDesk(self.store, self.media, self.caption_journal, self.announcer.captions)
        services = Services(
            settings=self.settings,
            clock=self.clock,
            media=self.media,
            denoise=self.denoise,
            captions=self.captions,
            sound_check=Cleaner(self.denoise),
            hub=self.hub,
            store=self.store,
            journal=self.journal,
            library=self.library,
            caption_desk=desk,
            voices=VoiceBook(self.store, self.media, desk),
            voice_samples=VoiceSamples(partial(open_file_lane, self.settings.data_dir / SOCKET)),
            jobs=self.jobs,
            chat=self.chat,
            accounts=self.accounts,
            default_channel=channel,
            secure=secure,
        )
        self._take_uploads(services)
        return services

    def _take_uploads(self, services: Services) -> None:
        """What people bring: `services` hold who may hear what comes of it."""
        now, store, announce = self.clock.wall, self.store, self.announcer.upload

        async def begin(stream_id: str, channel_id: str, access: Access | None) -> None:
            if self.settings.accounts:  # where there are none, everybody hears everything
                await services.access.begin(stream_id, channel_id, access)

        becoming = Becoming(store, begin, services.access.forget, self.announcer.recording)
        folders = UploadFolders(self.settings.uploads_dir)
        services.uploads = UploadDesk(
            self.settings, store, folders, self.jobs, becoming, announce, services.quotas.check_upload, now
        )
        services.upload_progress = UploadProgress(
            store, services.uploads, becoming, announce, self.announcer.recording, self.finishing.uploaded, now
        )
        self.job_followers.append(services.upload_progress.job_told)

    def closing(self) -> list[Callable[[], Awaitable[None]]]:
        """What ends the parts; the last is to be called first."""
        told = (self.webhooks.close, self.jobs.close, self.library.close)
        return [*told, self.caption_journal.close, self.journal.close, self.media.close]


def both(first: Callable[[str, Told], None], second: Callable[[str, Told], None]) -> Callable[[str, Told], None]:
    """One call for two who are told the same."""

    def tell(kind: str, what: Told) -> None:
        first(kind, what)
        second(kind, what)

    return tell


def put_together(
    settings: Settings,
    store: Store,
    clock: Clock,
    accounts: Accounts,
    denoise: DenoiseService,
    captions: CaptionService,
) -> Parts:
    """Build the parts, and say who hears what of whom."""
    hub = EventHub()
    announcer, chat = Announcer(hub), Chat(store.chat, hub, told)
    webhooks = Webhooks(store.deliveries, clock, settings.webhook_urls, settings.webhook_secret)
    outside = Outside(webhooks)
    folders, bin_days = RecordingFolders(settings.recordings_dir), timedelta(days=settings.bin_days)
    library = Library(store, folders, both(announcer.recording, outside.recording), bin_days)
    caption_journal = CaptionJournal(store, library.files)
    followers: list[Callable[[Job], None]] = []

    def job_told(kind: str, job: Job) -> None:
        announcer.job(kind, job)
        outside.job(kind, job)
        for follower in followers:
            follower(job)

    jobs = JobService(settings, store, job_told, announcer.queue)
    finishing = Finishing(jobs, store, lambda: captions.status)

    async def media_happened(event: MediaEvent) -> None:
        await announcer.media(event)
        outside.media(event)
        if event.type == "stream_ended" and event.stream is not None:
            for over in (caption_journal.over, finishing.over, chat.over):
                await over(event.stream)

    def said(output: CaptionOutput) -> None:
        announcer.captions(output)
        caption_journal.put(output)

    journal = Journal(store, library, media_happened)
    media = MediaHost(
        settings, clock, denoise, journal.put, captions=captions, on_levels=announcer.levels,
        on_captions=said, on_listener=accounts.guests.told,
    )  # fmt: skip
    return Parts(
        settings=settings, clock=clock, store=store, hub=hub, accounts=accounts, announcer=announcer, denoise=denoise,
        captions=captions, library=library, journal=journal, caption_journal=caption_journal, media=media, chat=chat,
        jobs=jobs, finishing=finishing, webhooks=webhooks, job_followers=followers,
    )  # fmt: skip
