"""When to tell people that a stream is not being denoised, and when that it is again."""

from __future__ import annotations

from functools import partial

from server import metrics
from server.clock import SAMPLE_RATE
from server.inference.lane import DenoiserStatus
from server.rooms.amount import DenoiseAmount
from server.rooms.messages import DenoiseInfo, DenoiseMode, StreamState

RAISE_AFTER = SAMPLE_RATE // 2
"""Samples that it must be bad before anybody is told: a single late hop is not news."""

CLEAR_AFTER = SAMPLE_RATE
"""Samples that it must be good before anybody is told: what comes and goes is told once."""

LATE = "The denoiser cannot keep up: the original audio goes out for now."
FULL = "All places of the denoiser are taken: the original audio goes out (CLEARCAST_DENOISE_STREAMS)."
SWITCHED_OFF = "Denoising is switched off on this server (CLEARCAST_DENOISE)."


class Alarm:
    """A condition with hysteresis, in samples of any one timeline."""

    def __init__(self, raise_after: int = RAISE_AFTER, clear_after: int = CLEAR_AFTER) -> None:
        self._after = {True: raise_after, False: clear_after}
        self._since: int | None = None
        self.raised = False

    def update(self, now: int, bad: bool) -> bool:
        """Note how it is at `now`; True when `raised` changed by it."""
        if bad == self.raised:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < self._after[bad]:
            return False
        self.raised, self._since = bad, None
        return True


def denoise_info(
    mode: DenoiseMode, wanted: DenoiseMode, status: DenoiserStatus, late: bool, lane: bool, amount: DenoiseAmount
) -> DenoiseInfo:
    """The denoiser as one stream has it.

    `wanted` is the mode that was asked for, `late` whether the stream's alarm is raised, `lane` whether it has a
    place in the denoiser, `amount` how much of the noise is taken out.
    """
    info = partial(DenoiseInfo, mode, strength=amount.strength, post_filter=amount.post_filter)
    if not mode.denoises:
        detail = SWITCHED_OFF if wanted.denoises else ""
        return info(None, "off", detail)
    if status.state == "starting":
        return info(status.engine, "starting", status.detail)
    if status.state == "degraded":
        return info(status.engine, "degraded", status.detail or LATE)
    if late:
        detail = " ".join(filter(None, (LATE if lane else FULL, status.detail)))
        return info(status.engine, "degraded", detail)
    return info(status.engine, "ok", status.detail)


def count_states(states: list[StreamState]) -> None:
    """Bring the metric up to date: the state of every stream that has not ended."""
    for state in (StreamState.CONNECTING, StreamState.LIVE, StreamState.RECONNECTING):
        metrics.STREAMS.labels(state).set(states.count(state))
