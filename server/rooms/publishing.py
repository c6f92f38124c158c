"""Who publishes on this machine: connections come, are joined with their streams, and go."""

from __future__ import annotations

import itertools
import secrets
from functools import partial

from server.errors import ClearcastError, NotFound, Unavailable
from server.log import get_logger
from server.rooms.audience import Audience
from server.rooms.background import Background
from server.rooms.limits import check_denoiser, closing, too_many_streams
from server.rooms.messages import DenoiseMode, MediaEvent, PeerAnswer, PublishGrant
from server.rooms.peers import Peer, PeerFactory, ReceivedAudio, ReceivedPacket
from server.rooms.stream import FAILED, Stream
from server.rooms.surroundings import Publisher, Surroundings
from server.rooms.titles import clean_title

log = get_logger(__name__)


class Publishing:
    """The connections that audio comes from.

    `streams` are those of the host that have not ended, by id; whoever publishes on a channel without one adds one.
    """

    def __init__(
        self,
        peers: PeerFactory,
        streams: dict[str, Stream],
        audience: Audience,
        around: Surroundings,
        background: Background,
    ) -> None:
        self._peers = peers
        self._streams = streams
        self._audience = audience
        self._around = around
        self._background = background
        self._publishers: dict[str, Publisher] = {}
        self._offers = itertools.count()
        self._opening = 0
        self._opening_denoised = 0
        self.closing = False
        """Whether nobody may publish anew."""

    def stream_on(self, channel_id: str) -> Stream | None:
        """The stream of a channel that has not ended."""
        return next((stream for stream in self._streams.values() if stream.channel.id == channel_id), None)

    async def publish(self, offer: str, grant: PublishGrant) -> PeerAnswer:
        """Answer a publisher's offer; see `MediaHost.publish`."""
        publisher = Publisher(peer_id=secrets.token_urlsafe(16), number=next(self._offers))
        self._check(publisher, grant)
        self._opening += 1
        denoised = grant.denoise.denoises
        music = self._is_music(grant)
        self._opening_denoised += denoised
        try:
            hear = partial(self._hear, publisher)
            publisher.peer = await self._peers.publisher(
                offer, hear, partial(self._heard_of, publisher), hear if music else None
            )
        finally:
            self._opening -= 1
            self._opening_denoised -= denoised
        try:
            if publisher.lost or music is not self._is_music(grant):
                raise Unavailable("The connection was lost before it stood.", retry_after=1)
            self._check(publisher, grant)  # much may have happened while the offer was answered
            stream = self._admit(publisher, grant)
        except ClearcastError:
            self.close(publisher)
            raise
        return PeerAnswer(publisher.peer_id, publisher.peer.answer, stream.id, stream.resume_token)

    def peer(self, peer_id: str) -> Peer | None:
        """The connection of that id; None for a listener's, or one that is gone."""
        publisher = self._publishers.get(peer_id)
        return publisher.peer if publisher is not None else None

    def leave(self, peer_id: str) -> Stream | None:
        """A publisher says goodbye. The stream that is over with it; None where another connection goes on with it.

        Raises NotFound.
        """
        publisher = self._publishers.pop(peer_id, None)
        if publisher is None or publisher.stream is None:
            raise NotFound("There is no such session; it may have ended.")
        if publisher.stream.leave(publisher):
            return publisher.stream
        self.close(publisher)
        return None

    def replaced(self, publisher: Publisher) -> None:
        """Another connection has taken this one's place."""
        self._publishers.pop(publisher.peer_id, None)
        self.close(publisher)
        if publisher.stream is not None:
            event = MediaEvent("publisher_replaced", publisher.stream.info, peer_id=publisher.peer_id)
            self._around.emit(event)

    def forget(self, stream: Stream) -> None:
        """The stream is over for its publishers."""
        for held in [held for held in self._publishers.values() if held.stream is stream]:
            del self._publishers[held.peer_id]

    def close(self, publisher: Publisher) -> None:
        """Close the connection, where there is one yet."""
        if publisher.peer is not None:
            self._background.spawn(publisher.peer.close())

    # ---- private

    def _check(self, publisher: Publisher, grant: PublishGrant) -> None:
        if self.closing:
            raise closing()
        clean_title(grant.title)
        settings, denoise = self._around.settings, self._around.denoise
        stream = self.stream_on(grant.channel_id)
        if stream is not None:
            stream.check(publisher, grant, self._around.clock.samples())
        elif len(self._streams) + self._opening >= settings.max_streams:
            raise too_many_streams()
        elif grant.denoise.denoises and settings.denoise != "off":
            denoised = sum(stream.denoised for stream in self._streams.values())
            check_denoiser(denoise.limit, denoised + self._opening_denoised)

    def _is_music(self, grant: PublishGrant) -> bool:
        """Whether packets are to be passed on as they come; a stream that goes on goes on as it began."""
        stream = self.stream_on(grant.channel_id)
        return stream.music if stream is not None else grant.denoise is DenoiseMode.MUSIC

    def _admit(self, publisher: Publisher, grant: PublishGrant) -> Stream:
        """The peer is there: join it with its stream."""
        stream = self.stream_on(grant.channel_id)
        new = stream is None
        if stream is None:
            stream = Stream(grant, self._audience.channel(grant.channel_id), self._around)
            stream.captions.open(0)
            self._streams[stream.id] = stream
        else:
            stream.captions.know(grant)
        stream.attach(publisher, self._around.clock.samples())
        for held in [held for held in self._publishers.values() if held.stream is stream and not stream.seats(held)]:
            del self._publishers[held.peer_id]
        self._publishers[publisher.peer_id] = publisher
        if new:
            self._around.emit(MediaEvent("stream_state", stream.info))
        return stream

    def _hear(self, publisher: Publisher, audio: ReceivedAudio | ReceivedPacket) -> None:
        stream = publisher.stream
        if stream is None:
            return
        try:
            stream.hear(publisher, audio)
        except Exception:  # the boundary of one stream: it ends, the others go on
            log.exception("a stream failed", stream=stream.id)
            self._around.over(stream, FAILED)

    def _heard_of(self, publisher: Publisher, state: str) -> None:
        publisher.lost = publisher.lost or state == "lost"
        if state == "lost":  # whoever published may still say that it is over, while the stream waits
            self.close(publisher)
        if publisher.stream is not None:
            publisher.stream.peer_state(publisher, state)
