"""The caption service of a machine: which models hear, lanes for streams, and what to tell people about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from server import metrics
from server.clock import SAMPLE_RATE
from server.config import Settings
from server.errors import Unavailable
from server.inference.caption_lane import (
    CaptionerStatus,
    CaptionLane,
    CaptionOptions,
    LaneMemory,
    OnItems,
)
from server.inference.captioning.caption_kind import HANG_S, CaptionKind
from server.inference.captioning.choice import Hardware, model_name, worker_config
from server.inference.captioning.lines import Lines
from server.inference.captioning.settings import LOADER, CaptionWorkerConfig
from server.inference.supervisor import WorkerEvent, WorkerLost, WorkerReady, WorkerSaid, WorkerSupervisor
from server.log import get_logger

SOCKET = "captions.sock"
"""In the data folder: where other processes of this machine find the worker."""

NO_DIARIZER = "Captions do not say who speaks: the models of diarization are not installed."

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


@dataclass(frozen=True, slots=True)
class _Heard:
    """The model that was found, and what the service must know of it."""

    name: str
    config: CaptionWorkerConfig


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
        self._name = ""

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
        return self._lines.open(options, start, on_items, memory)

    async def start(self) -> None:
        """Choose models and start the worker; returns before that is ready (see `wait_ready`)."""
        found = await asyncio.to_thread(self._find)
        if found is None:
            return
        self._begin(found)

    async def wait_ready(self, timeout: float) -> bool:
        """Wait until the worker answers; False when it does not within `timeout` seconds."""
        try:
            await asyncio.wait_for(self._lines.ready.wait(), timeout)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.stop()
            self._supervisor = None
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        self._lines.close()
        self._kind.close()

    # ---- the models

    def _find(self) -> _Heard | None:
        """Reads the disk."""
        hardware = Hardware.here()
        name = model_name(self._settings, hardware)
        folder = _folder(name, self._settings)
        if folder is None:
            return None
        config = worker_config(self._settings, name, folder, hardware, None)
        return _Heard(
            config.recogniser,
            replace(config, loader=self._loader, socket=str((self._settings.data_dir / SOCKET).absolute())),
        )

    def _begin(self, found: _Heard) -> None:
        self._name = found.name
        self._supervisor = WorkerSupervisor(
            self._kind, found.config, self._on_worker, self._settings.captions_memory_mb
        )
        self._supervisor.start()

    # ---- the worker

    def _on_worker(self, event: WorkerEvent) -> None:
        if isinstance(event, WorkerReady):
            self._connecting = asyncio.create_task(self._connect(event.about), name="captions-connect")
        elif isinstance(event, WorkerSaid):
            if event.message["event"] == "figures":
                self._figures(event.message)
        else:
            self._on_lost(event)

    async def _connect(self, about: Any) -> None:
        ours = self._kind.take()
        if ours is None:
            return
        await self._lines.connect(ours)
        nobody = self._settings.diarization and about["diarizer"] is None
        detail = " ".join(filter(None, (NO_DIARIZER if nobody else "", about["detail"])))
        state = "degraded" if nobody or about["recogniser"] is None else "ready"
        self._set(CaptionerStatus(state, about["recogniser"], about["diarizer"], about["device"], detail))

    def _on_lost(self, lost: WorkerLost) -> None:
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

    def _set(self, status: CaptionerStatus) -> None:
        before, self._status = self._status, status
        if status != before:
            for listener in list(self._listeners):
                listener(status)


def _folder(name: str, settings: Settings) -> Path | None:
    """The folder of a Whisper model."""
    places = [Path(name)] if "/" in name else []
    places += [folder / name for folder in (settings.models_dir, settings.cache_dir) if folder is not None]
    return next((place for place in places if (place / "model.bin").is_file()), None)
