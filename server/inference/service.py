"""The denoise service of a machine: which engine runs, lanes for streams, and what to tell people about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from server import metrics
from server.config import Settings
from server.errors import ClearcastError, Unavailable
from server.inference.background_pull import BackgroundPull
from server.inference.denoise_kind import DenoiseKind
from server.inference.exchange.area import Area
from server.inference.exchange.host import HostEnd
from server.inference.file_denoise_service import SOCKET, FileDenoiseService
from server.inference.lane import DenoiseLane, DenoiserStatus
from server.inference.models import find_models
from server.inference.supervisor import WorkerEvent, WorkerLost, WorkerReady, WorkerSupervisor
from server.inference.worker import LOADER, WorkerConfig
from server.inference.worker_lane import WorkerLane
from server.log import get_logger

FALLBACK = "RNNoise"
DELAYS = {"DeepFilterNet3": 1440, "DeepFilterNet2": 2400, FALLBACK: 1440}
"""Lookahead in samples that each choice of model gives a stream, whichever engine stands in for it."""

MEMORY_CHANCES = 1
"""Times that a worker is started again as it was after taking too much memory."""

START_CHANCES = 3
"""Times in a row that a worker may fail to start before the fallback takes the lane."""

GPU_CHANCES = 2
"""Times that the worker may die or hang on the GPU before the processor takes over; an error of CUDA is enough once."""

AGAIN_S = 60.0
"""After a failure of the GPU or of the wanted engine, how often to look whether nobody is live and it can be tried."""

GPU_FAILED = "The GPU failed, so the noise is taken out by the processor for now."

FETCH_AGAIN_S = (60.0, 3600.0)
"""First and longest pause before a failed download is tried again."""

_UNUSABLE = {"model-corrupt": "cannot be used because its files are damaged", "model-missing": "is not installed"}
"""Errors of a worker that another try would not mend."""

log = get_logger(__name__)


class _Listeners:
    """Who wants to know of changes."""

    def __init__(self, status: DenoiserStatus) -> None:
        self.status = status
        self._listeners: list[Callable[[DenoiserStatus], None]] = []

    def subscribe(self, listener: Callable[[DenoiserStatus], None]) -> Callable[[], None]:
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def set(self, status: DenoiserStatus) -> None:
        before, self.status = self.status, status
        if status == before:
            return
        for listener in list(self._listeners):
            listener(status)


class OffDenoiseService:
    """What stands in the service's place when the setting is `off`."""

    delay = 0
    limit = None
    status = DenoiserStatus("off", None, detail="Noise removal is switched off by the operator.")

    def subscribe(self, listener: Callable[[DenoiserStatus], None]) -> Callable[[], None]:
        """Nothing ever changes."""
        return lambda: None

    def open(self) -> DenoiseLane:
        raise Unavailable("Noise removal is switched off on this server.", code="denoise-off")

    def flush(self) -> None:
        """Nothing waits."""

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to end."""


class WorkerDenoiseService:
    """Denoises in a worker process; for one event loop.

    `loader` replaces the way in which the worker gets its engine, see `WorkerConfig`.
    """

    def __init__(self, settings: Settings, *, loader: str = LOADER) -> None:
        if settings.denoise == "off":
            raise ValueError("use OffDenoiseService")
        self._settings = settings
        self._wanted: str = settings.denoise
        self._loader = loader
        self._listeners = _Listeners(DenoiserStatus("starting", None, detail="Noise removal is starting."))
        self._note = ""
        self._area: Area | None = None
        self._host: HostEnd | None = None
        self._supervisor: WorkerSupervisor[WorkerConfig] | None = None
        self._config: WorkerConfig | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._pulling = BackgroundPull(settings.cache_dir)
        self._folders: list[Path] = []
        self._too_large = 0
        self._not_started = 0
        self._gpu_losses = 0
        self._better: WorkerConfig | None = None
        """What is to be tried again once nobody is live."""
        self._again: asyncio.TimerHandle | None = None
        self._files = FileDenoiseService(settings.data_dir / SOCKET, self._for_files)

    @property
    def limit(self) -> int | None:
        """The setting, else what was measured; None until the worker has said so."""
        if self._settings.denoise_streams is not None:
            return self._settings.denoise_streams
        return self.status.streams_realtime

    @property
    def capacity(self) -> int:
        """Places in the exchange: one for every stream that there can be."""
        return self._settings.denoise_streams or self._settings.max_streams

    @property
    def delay(self) -> int:
        return DELAYS[self._wanted]

    @property
    def status(self) -> DenoiserStatus:
        return self._listeners.status

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return self._supervisor.pid if self._supervisor is not None else None

    def subscribe(self, listener: Callable[[DenoiserStatus], None]) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def open(self) -> WorkerLane:
        if self._host is None or (slot := self._host.open()) is None:
            raise Unavailable("All places for noise removal are taken.", code="denoise-full")
        return WorkerLane(self._host, slot)

    def flush(self) -> None:
        if self._host is not None:
            self._host.flush()

    async def start(self) -> None:
        """Choose an engine and start its worker; returns before that is ready (see `wait_ready`)."""
        self._area = Area.create(self.capacity)
        self._host = HostEnd(self._area)
        asyncio.get_running_loop().add_reader(self._area.descriptors.answers, self._answered)
        if self._wanted != FALLBACK:
            self._folders = await asyncio.to_thread(find_models, self._wanted, self._settings)
        engine, folder = self._next_engine("is not installed")
        self._config = self._worker_config(engine, folder)
        kind = DenoiseKind(self._host)
        self._supervisor = WorkerSupervisor(kind, self._config, self._on_worker, self._settings.denoise_memory_mb)
        self._supervisor.start()
        await self._files.start()

    async def wait_ready(self, timeout: float) -> bool:
        """Wait until the worker answers; False when it does not within `timeout` seconds."""
        ready = asyncio.Event()
        stop = self.subscribe(lambda status: ready.set() if status.state == "ready" else None)
        try:
            if self.status.state != "ready":
                await asyncio.wait_for(ready.wait(), timeout)
        except TimeoutError:
            return False
        finally:
            stop()
        return True

    async def close(self) -> None:
        self._pulling.stop()
        await self._files.close()
        if self._again is not None:
            self._again.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._supervisor is not None:
            await self._supervisor.stop()
        if self._area is not None:
            asyncio.get_running_loop().remove_reader(self._area.descriptors.answers)
            self._area.close()
            self._area = self._host = None

    # ---- the engine

    def _for_files(self) -> dict[str, Any]:
        """What a process for files begins with: the engine that live streams have just now."""
        config = self._config
        assert config is not None
        return {
            "engine": config.engine,
            "model_dir": config.model_dir,
            "levelling": config.levelling,
            "log_level": config.log_level,
            "log_format": config.log_format,
        }

    def _next_engine(self, why: str) -> tuple[str, Path | None]:
        """The wanted model from the next folder that has it, else the fallback with a word on why."""
        if self._folders:
            return self._wanted, self._folders.pop(0)
        if self._wanted != FALLBACK:
            remedy = "It is being fetched." if self._settings.models_download else self._by_hand()
            self._note = f"{self._wanted} {why}, so {FALLBACK} takes the noise out for now. {remedy}"
            log.warning(self._note)
            self._fetch_in_background()
        return FALLBACK, None

    def _by_hand(self) -> str:
        return f"The operator can run `clearcast models pull {self._wanted}`."

    def _worker_config(self, engine: str, folder: Path | None) -> WorkerConfig:
        settings = self._settings
        return WorkerConfig(
            engine=engine,
            model_dir=None if folder is None else str(folder.absolute()),
            device=settings.denoise_device,
            threads=settings.denoise_threads,
            capacity=self.capacity,
            levelling=settings.denoise_levelling,
            delay=self.delay,
            loader=self._loader,
            log_level=settings.log_level,
            log_format=settings.log_format,
        )

    def _use(self, engine: str, folder: Path | None) -> None:
        """Replace the worker; the original audio goes out until the new one answers."""
        self._config = self._worker_config(engine, folder)
        assert self._supervisor is not None
        self._listeners.set(DenoiserStatus("starting", None, detail="Noise removal is starting."))
        self._supervisor.restart(self._config)

    def _on_worker(self, event: WorkerEvent) -> None:
        assert self._config is not None
        assert self._supervisor is not None
        if isinstance(event, WorkerReady):
            self._on_ready(event)
            return
        if not isinstance(event, WorkerLost):
            return
        engine = self._config.engine
        if event.code in _UNUSABLE and engine != FALLBACK:
            log.warning("the model cannot be used", folder=self._config.model_dir, reason=event.message)
            self._use(*self._next_engine(_UNUSABLE[event.code]))
            return
        if engine != FALLBACK and (reason := self._given_up(event)):
            self._note = f"{engine} {reason}, so {FALLBACK} takes the noise out."
            log.warning(self._note)
            if event.code != "memory":
                self._try_later(self._config)
            self._use(FALLBACK, None)
            return
        if self._gpu_failed(event):
            self._note = GPU_FAILED
            self._try_later(self._config)
            self._config = replace(self._config, device="cpu", streams_realtime=None)
            self._supervisor.restart(self._config)
        detail = "Noise removal has stopped and is being started again; the original sound goes out meanwhile."
        if not event.was_ready:
            detail = f"Noise removal cannot be started; the original sound goes out. {event.message}"
        self._listeners.set(DenoiserStatus("degraded", engine, self.status.device, detail))

    def _given_up(self, lost: WorkerLost) -> str:
        """Why the engine is not tried any more; empty while it is."""
        if lost.code == "memory":
            self._too_large += 1
            limit = self._settings.denoise_memory_mb
            return f"takes more memory than it may ({limit} MB)" if self._too_large > MEMORY_CHANCES else ""
        self._not_started = 0 if lost.was_ready else self._not_started + 1
        return f"cannot be started ({lost.message})" if self._not_started >= START_CHANCES else ""

    def _gpu_failed(self, lost: WorkerLost) -> bool:
        """Whether the processor is to go on in place of the GPU."""
        if not lost.was_ready or not self.status.device.startswith("cuda"):
            return False
        self._gpu_losses += 1
        return lost.code == "internal" or (lost.code in ("crash", "hang") and self._gpu_losses >= GPU_CHANCES)

    def _on_ready(self, event: WorkerReady) -> None:
        assert self._config is not None
        self._not_started = 0
        about = event.about
        detail = " ".join(filter(None, (self._note, about["detail"])))
        # A worker that is started again while streams wait for it need not measure once more.
        self._config = replace(self._config, streams_realtime=about["streams_realtime"])
        if self._supervisor is not None:
            self._supervisor.next_config(self._config)
        self._listeners.set(
            DenoiserStatus(
                "ready", about["engine"], about["device"], detail, about["runtime"], about["streams_realtime"]
            )
        )

    def _try_later(self, failed: WorkerConfig) -> None:
        """Give what failed another chance after a while."""
        self._better = failed
        if self._again is not None:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._try_again)

    def _try_again(self) -> None:
        if self._host is None or self._better is None:
            return
        if self._host.in_use:  # the change would be heard, and the work is being done
            self._try_later(self._better)
            return
        better, self._better = self._better, None
        self._note = ""
        self._not_started = self._gpu_losses = 0
        log.info("what failed is tried again", engine=better.engine, device=self._settings.denoise_device)
        self._use(better.engine, None if better.model_dir is None else Path(better.model_dir))

    def _answered(self) -> None:
        assert self._host is not None
        seconds = self._host.answered()
        if seconds is not None:
            metrics.DENOISE_ROUND_TRIP.observe(seconds)

    # ---- fetching

    def _fetch_in_background(self) -> None:
        if self._settings.models_download and self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(), name="denoise-model-download")

    async def _fetch(self) -> None:
        """Fetch the wanted model, however long it takes, and move over to it."""
        pause, longest = FETCH_AGAIN_S
        while True:
            try:
                # What lies in the cache already was found and could not be used.
                folder = await self._pulling.pull(self._wanted, again=True)
            except ClearcastError as error:
                log.warning("the model could not be fetched", reason=error.message, again_in_s=pause)
                self._tell(
                    f"{self._wanted} could not be fetched, so {FALLBACK} takes the noise out for now. "
                    f"It is tried again later. {self._by_hand()}"
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
                continue
            log.info("the model has been fetched", model=self._wanted)
            self._note, self._better = "", None
            self._use(self._wanted, folder)
            return

    def _tell(self, note: str) -> None:
        self._note = note
        if self.status.state == "ready":
            self._listeners.set(replace(self.status, detail=note))
