"""Taking the noise out of a short piece of audio, through a lane beside those of live streams."""

from __future__ import annotations

import asyncio

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP
from server.errors import Unavailable
from server.inference.lane import DenoiseLane, DenoiseService
from server.speech.denoise import silent

AHEAD = (6, 3, 1)
"""Hops that may wait in the lane, at each attempt. A batch takes one hop of every lane, so a live hop waits for one
step at most; the worker throws away what has waited for 100 ms, and a piece with a hole in it is tried again."""

PAUSE_S = 0.004
QUIET_S = 0.03
"""After a long silence the first hops have no answers; without one for this long, the next hop is given."""
LONGEST_S = 30.0
PATIENCE_S = 2.0
"""Without an answer for this long, the denoiser is gone or has no time."""

STARTING = "Noise removal is still starting. Try again in a moment."
BUSY = "Somebody else is checking their sound just now. Try again in a few seconds."
NO_TIME = "Noise removal has no time for a sound check just now. Try again in a moment."


class Cleaner:
    """One piece at a time, faster than it was spoken; nothing is kept."""

    def __init__(self, service: DenoiseService) -> None:
        self._service = service
        self._busy = False

    async def clean(self, samples: Samples) -> Samples:
        """The clean audio for `samples`, shape (n,), mono 48 kHz, in place: sample for sample.

        Raises Unavailable: switched off, starting, busy with another piece, too slow.
        """
        if self._service.status.state not in ("ready", "off"):
            raise Unavailable(STARTING, code="denoise-not-ready", retry_after=5)
        if self._busy:
            raise Unavailable(BUSY, code="sound-check-busy", retry_after=3)
        self._busy = True
        try:
            lane = self._service.open()
            try:
                for ahead in AHEAD:
                    if (clean := await self._run(lane, samples, ahead)) is not None:
                        return clean
                    lane.reset()
                raise Unavailable(NO_TIME, code="denoise-busy", retry_after=5)
            finally:
                lane.close()
        finally:
            self._busy = False

    async def _run(self, lane: DenoiseLane, samples: Samples, ahead: int) -> Samples | None:
        """One attempt; None when a hop was lost. Raises Unavailable when nothing is answered any more."""
        behind = self._service.delay // HOP
        count = -(-len(samples) // HOP)
        hops = np.zeros((count + behind, HOP), np.float32)
        hops.reshape(-1)[: len(samples)] = samples
        clean: dict[int, Samples] = {}
        # The answer to hop i is about hop i - behind; answers come in order, what is passed over never comes.
        given, reached = 0, 0
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        end, deadline = quiet_since + LONGEST_S, quiet_since + PATIENCE_S
        while reached < count:
            upto = max(given, reached + behind + ahead)
            if loop.time() - quiet_since > QUIET_S:  # it has heard all of this and answers to none of it
                upto, quiet_since = given + 1, loop.time()
            for index in range(given, min(len(hops), upto)):
                lane.submit(index, hops[index])
            given = max(given, min(len(hops), upto))
            self._service.flush()
            await asyncio.sleep(PAUSE_S)
            answers = {index - behind: answer for index, answer in lane.collect() if index >= behind}
            clean.update(answers)
            if answers:
                reached, quiet_since = max(answers) + 1, loop.time()
                deadline = min(end, loop.time() + PATIENCE_S)
            if loop.time() > deadline:
                raise Unavailable(NO_TIME, code="denoise-busy", retry_after=5)
        for number in set(range(count)) - clean.keys():
            # The lane starts afresh when a long silence ends, and answers for the last of that silence are lost.
            if not silent(hops[number]):
                return None
            clean[number] = hops[number]
        whole: Samples = np.concatenate([clean[number] for number in range(count)])[: len(samples)]
        return whole
