"""The denoise worker as its supervisor sees it: shared memory handed down, its pulse in that memory."""

from __future__ import annotations

from server import metrics
from server.inference.exchange.area import Control, WorkerState
from server.inference.exchange.host import HostEnd
from server.inference.supervisor import Launch
from server.inference.worker import WorkerConfig


class DenoiseKind:
    """See `WorkerKind`."""

    name = "denoise"
    module = "server.inference.worker"
    start_s = 60.0
    hang_s = 1.0
    ready = metrics.DENOISE_READY
    restarts = metrics.DENOISE_RESTARTS

    def __init__(self, host: HostEnd) -> None:
        self._host = host

    def begin(self, config: WorkerConfig) -> Launch:
        self._host.area.control[Control.STATE] = WorkerState.STARTING
        return Launch(config.to_json(), self._host.area.descriptors, config.threads)

    def begun(self) -> None:
        """The memory stays."""

    def beats(self) -> int:
        return int(self._host.area.control[Control.HEARTBEAT])
