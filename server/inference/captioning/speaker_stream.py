"""Who speaks in one stream, inside the worker: audio collected for the diarizer, which works in its own thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from server.audio.frame import AudioFrame, Samples
from server.clock import SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, LaneItem, Turns, Urgency, VoicePrints
from server.inference.captioning.models import Diarizer, Who
from server.log import get_logger
from server.speech.heard import RATIO, Ear, Heard
from server.speech.processor import Failure, Request

STEP = SAMPLE_RATE // 10
"""New audio that is worth waking the diarizer for."""
MOST = 30 * SAMPLE_RATE
"""Audio that is handed over at once, at most."""
MOST_OF_A_FILE = 4 * SAMPLE_RATE
"""The same of a file: live streams wait no longer than that takes."""
BACKLOG = 60 * SAMPLE_RATE
"""Audio of a live stream that waits for the diarizer at most; then nobody says who spoke in it."""

log = get_logger(__name__)


class SpeakerStream:
    """Audio in; turns, revisions and voices collect in `said`. At most one request is open."""

    def __init__(
        self, diarizer: Diarizer, options: CaptionOptions, voices: VoicePrints | None, ask: Callable[[Request], None]
    ) -> None:
        self.said: list[LaneItem] = []
        self.live = options.urgency is Urgency.LIVE
        self.done = False
        self.offset = 0
        self._diarizer = diarizer
        self._options = options
        self._voices = voices
        self._ask = ask
        self._ids = itertools.count(1)
        self._ear = Ear()
        self._stream: Any = None
        """Of the diarizer; None until audio is heard, and after it failed. It has heard everything to `_stream_end`."""
        self._stream_end = 0
        self._taken = 0
        self._waiting: list[Samples] = []
        self._next = 0
        """48 kHz index of the first sample that waits."""
        self._end = 0
        self._open = False
        self._ended = False
        self._reached = 0

    @property
    def needed(self) -> int:
        """Audio from this sample (48 kHz) on is to be kept: of a file, never begun again, what is not heard."""
        return self._reached if self.live else self._taken

    def push(self, frame: AudioFrame, now: int) -> None:
        """The next audio. Raises ValueError when it does not follow."""
        self.offset = now - frame.end
        self._hear(self._ear.push(frame))
        if self.live and self._end - self._next > BACKLOG:
            self._give_up()
        self._next_request()

    def flush(self) -> None:
        self._ended = True
        self._hear(self._ear.flush())
        self._next_request()

    def answer(self, request: Request, value: list[LaneItem] | Failure) -> None:
        """What the diarizer said of the audio that was asked about."""
        self._open = False
        self._taken = int(request.options["end"] or 0)
        if isinstance(value, Failure):
            self._stream = None
            self._tell([Turns((), self._taken)])
        else:
            self._tell(value)
        if request.options["ended"]:
            self.done = True
            return
        self._next_request()

    def prepare(self, request: Request) -> tuple[Any, Heard | None]:
        """What the diarizer is to hear for a request. In its thread. Raises InvalidRequest."""
        start, end = int(request.options["start"] or 0), int(request.options["end"] or 0)
        if self._stream is None or self._stream_end != start:
            self._stream = self._diarizer.open(self._options, start, self._voices)
        self._stream_end = end
        return self._stream, None if request.options["ended"] else Heard(start, request.arrays[0])

    def conclude(self) -> list[Who]:
        """What is said of a file that the models have heard to its end. In any thread."""
        return self._diarizer.conclude(self._stream)

    def _hear(self, heard: Heard) -> None:
        if not len(heard.samples):
            return
        if not self._waiting:
            self._next = heard.start
        self._waiting.append(heard.samples)
        self._end = heard.end

    def _next_request(self) -> None:
        waiting = self._end - self._next if self._waiting else 0
        if self._open or self.done or not (self._ended or waiting >= STEP):
            return
        samples = np.concatenate([np.zeros(0, np.float32), *self._waiting])
        most = (MOST if self.live else MOST_OF_A_FILE) // RATIO
        taken, rest = samples[:most], samples[most:]
        start, self._next = self._next, self._next + RATIO * len(taken)
        self._waiting = [rest] if len(rest) else []
        self._open = True
        self._ask(
            Request(
                next(self._ids),
                "speakers",
                (taken,),
                deadline=self._next + SAMPLE_RATE // 2,
                droppable=False,
                options={"start": start, "end": self._next, "ended": not len(taken)},
            )
        )

    def _give_up(self) -> None:
        """Too slow: go on with what comes, and with the voices that are known."""
        log.warning("diarization is too slow, audio is left out", seconds=(self._end - self._next) // SAMPLE_RATE)
        self._waiting, self._next = [], self._end
        self._tell([Turns((), self._end)])

    def _tell(self, items: Sequence[LaneItem]) -> None:
        for item in items:
            if isinstance(item, VoicePrints):
                self._voices = item
            if isinstance(item, Turns):
                if item.watermark <= self._reached:
                    continue  # of audio that was given up meanwhile
                self._reached = item.watermark
            self.said.append(item)
