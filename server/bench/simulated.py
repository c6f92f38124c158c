"""The live caption pipeline on a simulated clock: real policies, real or scripted models, any number of streams.

Audio comes in packets as it would live; a request takes as long as `cost` says. With a cost of nothing the figures
are the policy's own. An hour passes in seconds, and the same figures come out on every machine.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.audio.frame import AudioFrame, Samples
from server.bench.caption_figures import Told
from server.clock import PACKET, SAMPLE_RATE
from server.inference.caption_lane import CaptionOptions, LaneItem, TurnRevision, Turns
from server.inference.captioning.heard_stream import HeardStream
from server.inference.captioning.models import Diarizer, Who
from server.inference.captioning.speaker_stream import SpeakerStream
from server.speech.captions import CaptionEvent, Captions
from server.speech.processor import Failure, Request, SpeakerTurn, Watermark, Word
from server.speech.schedule import Pace, RequestQueue
from server.speech.transcriber import Gap, Interim, Resume, TranscriberSettings

SPEAKERS = "speakers"
"""Model of the requests that a stream's own diarizer answers."""

Answer = Callable[[Request], Any]
Cost = Callable[[Request, float], float]
"""Seconds that a request takes on the simulated machine; given those that it just took on this one."""


def free(_request: Request, _measured: float) -> float:
    """Compute takes no time: what is left is the policy's own delay."""
    return 0.0


def as_measured(_request: Request, measured: float) -> float:
    """The simulated machine is as fast as this one."""
    return measured


@dataclass(frozen=True, slots=True)
class Hearing:
    """How streams are heard: options of each, settings of the recogniser, who says who speaks (None: nobody)."""

    options: CaptionOptions = field(default_factory=CaptionOptions)
    settings: TranscriberSettings = field(default_factory=TranscriberSettings)
    diarizer: Diarizer | None = None


class SimulatedStream:
    """One stream: audio in, caption events out, on its own timeline from sample 0."""

    def __init__(
        self, samples: Samples, hearing: Hearing | None = None, starts: int = 0, for_speakers: Samples | None = None
    ) -> None:
        """`samples` at 48 kHz; the first is said at `starts` on the clock. `for_speakers` is what the diarizer hears
        instead, as long as `samples`."""
        hearing = hearing or Hearing()
        self.samples, self.starts = samples, starts
        self.for_speakers = samples if for_speakers is None else for_speakers
        self.asked: list[Request] = []
        self.heard = HeardStream(hearing.options, hearing.settings, Resume(), self.asked.append)
        self.speakers: SpeakerStream | None = None
        self._diarizer = hearing.diarizer
        if hearing.diarizer is not None:
            self.speakers = SpeakerStream(hearing.diarizer, hearing.options, None, self.asked.append)
        self.captions = Captions()
        self.captions.diarized = self.speakers is not None
        self.told: list[Told] = []
        self.gaps: list[Gap] = []
        self.turns: list[SpeakerTurn] = []
        """As they were first told."""
        self.who_items: list[Turns | TurnRevision] = []
        self.backlog = 0
        """The most audio, in 48 kHz samples, that waited to be decided."""
        self.steps: list[int] = []
        """The step, in 48 kHz samples, at every packet while somebody spoke."""
        self.done_at: int | None = None
        """When, on its own timeline, everything was said."""

    def push(self, begin: int, end: int, clock: int, step: int) -> None:
        """The next packet has been said."""
        if self.heard.speaking:
            self.heard.step(step)
            self.steps.append(step)
        self.heard.push(AudioFrame(begin, self.samples[begin:end]), clock)
        self.backlog = max(self.backlog, self.heard.backlog)
        if self.speakers is not None:
            self.speakers.push(AudioFrame(begin, self.for_speakers[begin:end]), clock)

    def flush(self) -> None:
        self.heard.flush()
        if self.speakers is not None:
            self.speakers.flush()

    def answer(self, request: Request, value: Any) -> None:
        half = self.speakers if request.model == SPEAKERS else self.heard
        assert half is not None
        half.answer(request, value)

    def who(self, request: Request) -> list[Who]:
        """The diarizer's answer."""
        assert self.speakers is not None and self._diarizer is not None
        said = self._diarizer.hear([self.speakers.prepare(request)])[0]
        return [*said, *(self.speakers.conclude() if request.options["ended"] else [])]

    def hear(self, now: int) -> list[Request]:
        """Tell what there is to be told at `now` on the stream's timeline; returns what it asks since the last time."""
        for half in (self.heard, self.speakers):
            if half is not None:
                said, half.said = half.said, []
                for item in said:
                    self._hear_one(item, now)
        self._tell(self.captions.pass_time(now), now)
        done = self.heard.done and (self.speakers is None or self.speakers.done)
        if done and self.done_at is None:
            self.done_at = now
            self._tell(self.captions.finish(), now)
        asked = self.asked[:]
        self.asked.clear()
        return asked

    def _hear_one(self, item: LaneItem, now: int) -> None:
        match item:
            case Word() | Interim() | Watermark():
                self._tell(self.captions.hear(item, now), now)
            case Turns(turns, watermark):
                self.who_items.append(item)
                self.turns += turns
                for turn in turns:
                    self._tell(self.captions.turn(turn, now), now)
                self._tell(self.captions.turn(Watermark(watermark), now), now)
            case TurnRevision(start, end, turns):
                self.who_items.append(item)
                self._tell(self.captions.revise(start, end, turns, now), now)
            case Gap():
                self.gaps.append(item)

    def _tell(self, events: Sequence[CaptionEvent], now: int) -> None:
        self.told += [Told(now / SAMPLE_RATE, event.type, event.caption) for event in events]


@dataclass(eq=False)
class _Thread:
    """What answers one request after the other."""

    queue: RequestQueue[int] = field(default_factory=RequestQueue[int])
    busy: bool = False


class Simulation:
    """Streams that share one model for each kind of request."""

    def __init__(self, models: dict[str, Answer], cost: Cost = free, *, one_processor: bool = False) -> None:
        """`models` by the name that requests give; each has a thread of its own unless there is but one processor."""
        self._models = models
        self._cost = cost
        shared = _Thread()
        self._threads = {name: shared if one_processor else _Thread() for name in (*models, SPEAKERS)}
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()
        self._pace = Pace()
        self._streams: list[SimulatedStream] = []
        self.compute = 0.0
        """Seconds of processor time that the models took on this machine."""
        self.busy = 0.0
        """Seconds that the recogniser took on the simulated one."""
        self.passes = 0
        """Windows that the recogniser heard."""

    @property
    def dropped(self) -> int:
        """Requests for interim text that were stale before their turn came."""
        return self._threads["transcribe"].queue.dropped

    def run(self, streams: Sequence[SimulatedStream]) -> None:
        """Play all streams to their ends."""
        self._streams = list(streams)
        for number in range(len(self._streams)):
            self._push(number, 0)
        while self._events:
            now, _, action = heapq.heappop(self._events)
            action(now)

    def _at(self, when: int, action: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), action))

    def _push(self, number: int, begin: int) -> None:
        """Plan the packet that begins there, for when it has been said."""
        stream = self._streams[number]
        end = min(begin + PACKET, len(stream.samples))

        def packet(now: int) -> None:
            stream.push(begin, end, now, self._pace.step(sum(other.heard.speaking for other in self._streams)))
            if end < len(stream.samples):
                self._push(number, end)
            else:
                self._go_on(number, now)
                stream.flush()
            self._go_on(number, now)

        self._at(stream.starts + end, packet)

    def _go_on(self, number: int, now: int) -> None:
        """Tell what a stream says, and take its requests to the models."""
        stream = self._streams[number]
        for request in stream.hear(now - stream.starts):
            thread = self._threads[request.model]
            thread.queue.put(number, request, stream.starts + request.deadline)
            self._serve(thread, now)

    def _serve(self, thread: _Thread, now: int) -> None:
        if thread.busy or not len(thread.queue):
            return
        turn = thread.queue.take(now)
        for entry in turn.stale:
            self._streams[entry.stream].answer(entry.request, Failure("stale", dropped=True))
            self._go_on(entry.stream, now)
        for entry in turn.work:
            thread.busy = True
            value, cost = self._compute(entry.stream, entry.request)
            self._at(now + cost, self._answered(thread, entry.stream, entry.request, value))

    def _compute(self, number: int, request: Request) -> tuple[Any, int]:
        """The answer, and how many samples of the simulated clock it takes."""
        stream = self._streams[number]
        started = time.process_time()
        value = stream.who(request) if request.model == SPEAKERS else self._models[request.model](request)
        measured = time.process_time() - started
        cost = round(self._cost(request, measured) * SAMPLE_RATE)
        self.compute += measured
        if request.model == "transcribe":
            self.passes += 1
            self.busy += cost / SAMPLE_RATE
            self._pace.spent(cost, 1)
        return value, cost

    def _answered(self, thread: _Thread, number: int, request: Request, value: Any) -> Callable[[int], None]:
        def answered(now: int) -> None:
            thread.busy = False
            self._streams[number].answer(request, value)
            self._go_on(number, now)
            self._serve(thread, now)

        return answered
