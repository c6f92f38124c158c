"""What every stream of a media host shares, and the connection that audio comes from."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.clock import Clock
from server.config import Settings
from server.inference.caption_lane import CaptionerStatus, CaptionService
from server.inference.lane import DenoiseService
from server.rooms.disk import DiskWatch
from server.rooms.encode import EncodeQueue
from server.rooms.messages import CaptionOutput, Levels, MediaEvent
from server.rooms.peers import Peer
from server.rooms.saved import SavedStream

if TYPE_CHECKING:
    from server.rooms.stream import Stream


@dataclass(slots=True, eq=False)
class Publisher:
    """One connection that audio comes from; replaced when its principal posts again."""

    peer_id: str
    number: int = 0
    """Counts the offers of this machine's publishers in the order in which they came."""
    peer: Peer | None = None
    lost: bool = False
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every stream of a media host shares."""

    settings: Settings
    clock: Clock
    denoise: DenoiseService
    captions: CaptionService | None
    encoding: EncodeQueue
    disk: Executor
    room: DiskWatch
    emit: Callable[[MediaEvent], None]
    levels: Callable[[Levels], None]
    told: Callable[[CaptionOutput], None]
    """Says what is said, and what becomes of it."""
    over: Callable[[Stream, str], None]
    """Ends a stream for a reason that lies in the stream itself; safe to call at any time."""
    replaced: Callable[[Publisher], None]
    """Another connection has taken this one's place in its stream."""
    keep: Callable[[SavedStream], None]
    """Writes down what a later run of the server must know of a stream."""

    @property
    def captioner(self) -> CaptionerStatus | None:
        """Who writes captions on this machine; None where nobody does."""
        return self.captions.status if self.captions is not None else None
