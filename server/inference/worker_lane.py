"""A stream's lane through the denoise worker."""

from __future__ import annotations

from server import metrics
from server.audio.frame import Samples
from server.inference.exchange.host import HostEnd
from server.speech.denoise import SilenceWatch


class WorkerLane:
    """One stream's slot in the exchange."""

    def __init__(self, host: HostEnd, slot: int) -> None:
        self._host = host
        self._slot = slot
        self._silence = SilenceWatch()
        self._open = True

    def submit(self, index: int, samples: Samples) -> None:
        if not self._open:
            return
        if self._silence.resumes(samples):
            self._host.reset(self._slot)
        if not self._host.submit(self._slot, index, samples):
            metrics.DENOISE_HOPS.labels("dropped").inc()

    def collect(self) -> list[tuple[int, Samples]]:
        return self._host.collect(self._slot) if self._open else []

    def reset(self) -> None:
        if self._open:
            self._host.reset(self._slot)

    def post_filter(self, on: bool) -> None:
        if self._open:
            self._host.post_filter(self._slot, on)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._host.close(self._slot)
