"""The seam between a live stream and the denoiser.

A stream knows nothing of models, batches or processes: it puts hops into a lane and takes what came of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from server.audio.frame import Samples
from server.queues import Policy, Queue

RING = 16
"""Hops a ring holds, 160 ms. A full ring refuses the newest: it would be too late by far."""

REQUESTS = Queue(
    "denoise_requests",
    RING,
    Policy.NEWEST,
    holds="hops of a stream on their way to the denoiser",
    drop="The denoiser is gone or far behind: these hops went out with their noise.",
)
ANSWERS = Queue(
    "denoise_results",
    f"{RING} for each place in the denoiser",
    Policy.NEWEST,
    holds="clean hops of all streams on their way back",
    drop="The event loop stood still; what it did not take was too late.",
)


@dataclass(frozen=True, slots=True)
class DenoiserStatus:
    """What the denoise service can do just now."""

    state: str
    """"off" (by setting), "starting", "ready", "degraded" (worker down, coming back)."""
    engine: str | None
    """"DeepFilterNet3", "DeepFilterNet2" or "RNNoise"; None while off."""
    device: str = ""
    """"cpu", "cuda:0"; empty while unknown."""
    detail: str = ""
    """What a person should know and do; empty while all is well."""
    runtime: str = field(default="", compare=False)
    """How the engine is run: "torch.jit", "CUDA graphs"; empty while unknown."""
    streams_realtime: int | None = field(default=None, compare=False)
    """Streams that were measured to keep their deadline on this machine; None while unknown."""


class DenoiseLane(Protocol):
    """One stream's way through the denoiser. Never blocks; safe on the event loop."""

    def submit(self, index: int, samples: Samples) -> None:
        """Hand over hop `index` (480 samples). Indices grow by one; a hop is dropped when the ring is full."""
        ...

    def collect(self) -> list[tuple[int, Samples]]:
        """The answers that came since the last call, as (index of the hop submitted, 480 samples), in order.

        The answer to hop i is the clean audio that ends `delay` samples before hop i ends.
        """
        ...

    def reset(self) -> None:
        """Forget everything heard: the next hop is the first of a new piece of audio."""
        ...

    def post_filter(self, on: bool) -> None:
        """Whether what is left of the noise is attenuated a little more; for engines that can."""
        ...

    def close(self) -> None:
        """Give the slot back."""
        ...


class DenoiseService(Protocol):
    """All lanes of this machine."""

    @property
    def delay(self) -> int:
        """Lookahead of every lane in samples, a multiple of 480; fixed once the service has started."""
        ...

    @property
    def status(self) -> DenoiserStatus: ...

    def subscribe(self, listener: Callable[[DenoiserStatus], None]) -> Callable[[], None]:
        """Call `listener` on the event loop at every change of status; returns the way to stop it."""
        ...

    @property
    def limit(self) -> int | None:
        """Streams that can be denoised at once; None while that is not known or where it does not matter."""
        ...

    def open(self) -> DenoiseLane:
        """A lane for one stream. Raises Unavailable when all are taken."""
        ...

    def flush(self) -> None:
        """Wake the worker once for everything submitted since the last call; called once a tick."""
        ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...
