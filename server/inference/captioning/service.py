"""The caption service of a machine: which models hear, lanes for streams, and what to tell people about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from server import metrics
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import ClearcastError, ModelCorrupt, Unavailable
from server.inference.background_pull import BackgroundPull
from server.inference.caption_lane import (
    CaptionerStatus,
    CaptionLane,
    CaptionOptions,
    LaneMemory,
    OnItems,
)
from server.inference.captioning.abilities import Abilities, abilities
from server.inference.captioning.caption_kind import HANG_S, CaptionKind
from server.inference.captioning.choice import Hardware, diarizer_config, worker_config
from server.inference.captioning.finding import Found, find
from server.inference.captioning.lines import Lines
from server.inference.captioning.settings import LOADER, CaptionWorkerConfig
from server.inference.known_models import MODELS, ModelSpec
from server.inference.supervisor import WorkerEvent, WorkerLost, WorkerReady, WorkerSaid, WorkerSupervisor
from server.log import get_logger

SOCKET = "captions.sock"
"""In the data folder: where other processes of this machine find the worker."""

PULL = "The operator can run `clearcast models pull`."
NO_DIARIZER = "Captions do not say who speaks: the models of diarization are not installed."

FETCH_AGAIN_S = (60.0, 3600.0)
"""First and longest pause before failed downloads are tried again."""

log = get_logger(__name__)

Listener = Callable[[CaptionerStatus], None]


class OffCaptionService:
    """What stands in the service's place when captions are switched off."""

    status = CaptionerStatus("off", detail="Captions are switched off by the operator.")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Nothing ever changes."""
        return lambda: None

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        raise Unavailable("Captions are switched off on this server.", code="captions-off")

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to end."""


class WorkerCaptionService:
    """Hears in a worker process; for one event loop. `loader` replaces the way in which the worker gets its models."""

    def __init__(self, settings: Settings, *, loader: str = LOADER, hang_s: float = HANG_S) -> None:
        if not settings.captions:
            raise ValueError("use OffCaptionService")
        self._settings = settings
        self._loader = loader
        self._kind = CaptionKind(hang_s)
        self._lines = Lines()
        self._listeners: list[Listener] = []
        self._status = CaptionerStatus("starting", detail="Captions are starting.")
        self._supervisor: WorkerSupervisor[CaptionWorkerConfig] | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._pulling = BackgroundPull(settings.cache_dir)
        self._fetching: asyncio.Task[None] | None = None
        self._missing: tuple[ModelSpec, ...] = ()
        self._abilities = Abilities()
        self._hearing: list[int] = []
        """Lanes whose windows the recogniser took last."""
        self._gave_up = False
        """Whether a model could not be fetched."""

    @property
    def status(self) -> CaptionerStatus:
        return self._status

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._supervisor.pid if self._supervisor is not None else None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def open(
        self, options: CaptionOptions, start: int, on_items: OnItems, memory: LaneMemory | None = None
    ) -> CaptionLane:
        if self._supervisor is None:
            raise Unavailable(self._status.detail or "Captions cannot be had.", code="captions-off")
        self._abilities.check(options)
        return self._lines.open(options, start, on_items, memory)

    async def start(self) -> None:
        """Find models and start the worker; returns before that is ready (see `wait_ready`)."""
        await self._look()
        if self._missing and self._settings.models_download:
            self._fetching = asyncio.create_task(self._fetch(), name="captions-model-download")

    async def wait_ready(self, timeout: float) -> bool:
        """Wait until the worker answers; False when it does not within `timeout` seconds."""
        try:
            await asyncio.wait_for(self._lines.ready.wait(), timeout)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        self._pulling.stop()
        tasks = [task for task in (self._fetching, self._connecting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._supervisor is not None:
            await self._supervisor.stop()
            self._supervisor = None
        self._lines.close()
        self._kind.close()

    # ---- the models

    async def _look(self) -> None:
        """Find models, and have the worker use them. What is missing is said."""
        try:
            found, config, self._abilities = await asyncio.to_thread(self._find)
        except ModelCorrupt as error:
            self._set(replace(self._status, state="degraded", detail=f"Captions are off: {error.message}"))
            return
        self._missing = found.missing
        if config is None:
            self._set(replace(self._status, state="degraded", detail=self._off(found)))
            return
        if self._supervisor is None:
            limit = self._settings.captions_memory_mb
            self._supervisor = WorkerSupervisor(self._kind, config, self._on_worker, limit)
            self._supervisor.start()
        else:
            self._supervisor.restart(config)

    def _find(self) -> tuple[Found, CaptionWorkerConfig | None, Abilities]:
        """Reads the disk."""
        settings, hardware = self._settings, Hardware.here()
        found = find(settings, hardware)
        if found.folder is None:
            return found, None, Abilities()
        diarizer = None
        if found.segmentation is not None and found.embedding is not None:
            diarizer = diarizer_config(settings, found.segmentation, found.embedding)
        config = worker_config(settings, found.name, found.folder, hardware, diarizer)
        config = replace(config, loader=self._loader, socket=str((settings.data_dir / SOCKET).absolute()))
        return found, config, abilities(found.name, found.folder)

    def _off(self, found: Found) -> str:
        """Why there are no words, and what to do."""
        if found.name not in MODELS:
            return f"Captions are off: there is no Whisper model {found.name}."
        if self._settings.models_download and not self._gave_up:
            size = MODELS[found.name].size // 1_000_000
            return f"Captions are off: the Whisper model is being fetched ({size} MB)."
        return f"Captions are off: the Whisper model is not installed. {PULL}"

    async def _fetch(self) -> None:
        """Fetch what is missing, one model after the other, however long that takes, and use what has come."""
        pause, longest = FETCH_AGAIN_S
        while self._missing:
            came = False
            for spec in self._missing:
                try:
                    await self._pulling.pull(spec.name)
                except ClearcastError as error:
                    log.warning("a model could not be fetched", model=spec.name, reason=error.message, again_in_s=pause)
                else:
                    log.info("a model has been fetched", model=spec.name)
                    came = True
            self._gave_up = not came
            if came or self._supervisor is None:
                await self._look()
            if not came:
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    # ---- the worker

    def _on_worker(self, event: WorkerEvent) -> None:
        if isinstance(event, WorkerReady):
            self._connecting = asyncio.create_task(self._connect(event.about), name="captions-connect")
        elif isinstance(event, WorkerSaid):
            if event.message["event"] == "figures":
                self._figures(event.message)
            elif event.message["event"] == "hearing":
                self._hearing = event.message["lanes"]
            elif event.message["event"] == "changed" and self._status.state != "starting":
                detail = self._detail(self._status.diarizer, event.message["detail"])
                self._set(replace(self._status, device=event.message["device"], detail=detail))
        else:
            self._on_lost(event)

    async def _connect(self, about: Any) -> None:
        ours = self._kind.take()
        if ours is None:
            return
        await self._lines.connect(ours)
        nobody = self._settings.diarization and about["diarizer"] is None
        detail = self._detail(about["diarizer"], about["detail"])
        state = "degraded" if nobody or about["recogniser"] is None else "ready"
        recogniser, able = about["recogniser"], self._abilities.translates
        self._set(CaptionerStatus(state, recogniser, about["diarizer"], about["device"], detail, able))

    def _detail(self, diarizer: str | None, detail: str) -> str:
        """What the worker says that a person should know, and that nobody says who speaks."""
        nobody = self._settings.diarization and diarizer is None
        return detail or (f"{NO_DIARIZER} {PULL}" if nobody else "")

    def _on_lost(self, lost: WorkerLost) -> None:
        if lost.was_ready and lost.code in ("crash", "hang"):
            self._lines.died_of(self._hearing)
        self._hearing = []
        self._lines.cut()
        detail = "Captions have stopped and are being started again; nothing that is said is lost."
        if not lost.was_ready:
            detail = f"Captions cannot be started; it is tried again. {lost.message}"
        self._set(replace(self._status, state="degraded", detail=detail))

    def _figures(self, message: Any) -> None:
        metrics.CAPTIONS_STREAMS.set(message["streams"])
        metrics.CAPTIONS_BACKLOG.set(self._lines.backlog / SAMPLE_RATE)
        metrics.CAPTIONS_BUSY.set(message["busy"])
        metrics.CAPTIONS_STEP.set(message["step"] / SAMPLE_RATE)
        metrics.CAPTIONS_DROPPED.set(message["dropped"])
        metrics.CAPTIONS_RTF.set(message["rtf"])

    def _set(self, status: CaptionerStatus) -> None:
        before, self._status = self._status, status
        if status != before:
            for listener in list(self._listeners):
                listener(status)
