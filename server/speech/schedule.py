"""Whose request a model answers next, and how often streams may ask: one model, many streams, little processor."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from server.clock import SAMPLE_RATE
from server.speech.processor import Request
from server.speech.transcriber import LONGEST_STEP, SHORTEST_STEP

Stream = TypeVar("Stream", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Stream]):
    """A request of a stream. `due` is its deadline on the server's clock, in 48 kHz samples."""

    stream: Stream
    request: Request
    due: int


@dataclass(slots=True)
class Turn(Generic[Stream]):
    """What to do now: `work` goes to the model in one batch, `stale` is answered with `Failure(dropped=True)`."""

    work: list[Waiting[Stream]] = field(default_factory=list)
    stale: list[Waiting[Stream]] = field(default_factory=list)


class RequestQueue(Generic[Stream]):
    """Requests of all streams to one model.

    What must be done comes first, earliest deadline first. Then what may be dropped, of the stream that was served
    longest ago, so that no stream starves for another; what is past its deadline is dropped. A processor has at most
    one request to a model open, so the queue is no longer than the number of streams; nothing else is bounded here.
    """

    def __init__(self) -> None:
        self._waiting: list[Waiting[Stream]] = []
        self._served: dict[Stream, int] = {}
        self._turns = 0
        self.dropped = 0
        """Requests that were stale before their turn came."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, stream: Stream, request: Request, due: int) -> None:
        self._waiting.append(Waiting(stream, request, due))
        self._served.setdefault(stream, 0)

    def leave(self, stream: Stream) -> None:
        """The stream is gone, and nobody waits for its answers."""
        self._waiting = [entry for entry in self._waiting if entry.stream != stream]
        self._served.pop(stream, None)

    def take(self, now: int, most: int = 1, alike: Callable[[Request], Hashable] | None = None) -> Turn[Stream]:
        """The next batch of at most `most` requests that are `alike`, at `now` on the server's clock."""
        turn = Turn[Stream]()
        turn.stale = [entry for entry in self._waiting if entry.request.droppable and entry.due < now]
        self.dropped += len(turn.stale)
        ready = sorted((entry for entry in self._waiting if entry not in turn.stale), key=self._rank)
        kind = alike(ready[0].request) if ready and alike else None
        turn.work = [entry for entry in ready if alike is None or alike(entry.request) == kind][:most]
        self._waiting = [entry for entry in ready if entry not in turn.work]
        if turn.work:
            self._turns += 1
            self._served.update({entry.stream: self._turns for entry in turn.work})
        return turn

    def _rank(self, entry: Waiting[Stream]) -> tuple[bool, int, int]:
        droppable = entry.request.droppable
        return droppable, self._served[entry.stream] if droppable else 0, entry.due


class Pace:
    """How long a step of every stream has to be so that the model keeps up and keeps some time for itself.

    A pass costs about the same however little audio is new, so half the steps are half the work.
    """

    def __init__(self, busy: float = 0.7) -> None:
        """`busy`: the share of time, in (0, 1], that the model may work."""
        if not 0 < busy <= 1:
            raise ValueError("a share of time lies between 0 and 1")
        self._busy = busy
        self._cost = 0.0

    def spent(self, samples: int, streams: int) -> None:
        """A batch of so many streams took `samples` of the server's clock."""
        cost = samples / max(1, streams)
        # Follows a slower machine at once and a faster one slowly: one lucky pass means nothing.
        weight = 0.5 if cost > self._cost else 0.1
        self._cost += weight * (cost - self._cost)

    def step(self, speaking: int) -> int:
        """Samples between two decodings of a stream while so many streams speak; 0.5 to 3 s, in tenths."""
        wanted = self._cost * max(1, speaking) / self._busy
        tenth = SAMPLE_RATE // 10
        return max(SHORTEST_STEP, min(LONGEST_STEP, round(wanted / tenth) * tenth))
