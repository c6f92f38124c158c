"""Events by topic, numbered, with a short memory so that a page that was away for a moment misses nothing.

`seq` counts the events of one topic from 1; `epoch` changes whenever that count starts anew. A subscriber that
names the last (epoch, seq) it saw gets what came after it, or a snapshot when that is no longer known. An event may
say what it is about: then it goes only to those subscribers who may see that, and the others' numbers have holes.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from server.clock import iso
from server.errors import InvalidRequest
from server.metrics import EVENTS_SENT
from server.queues import Policy, Queue

RING = 256
"""Events of a topic that are remembered."""
PERSONAL_RING = 32
"""The same of a personal topic, of which there is one for each person who is there."""
QUEUE = 512
"""Events that may wait for one subscriber; over that the subscriber is dropped."""
PASSING_ROOM = 16
"""Events that may wait for a subscriber who is still given passing ones."""
TOPICS = 2048
"""Topics remembered; beyond that the longest unused one without subscribers is forgotten."""

WAITING = Queue(
    "events",
    QUEUE,
    Policy.READER,
    holds="events for one page that it has not taken",
    drop="A page did not read: it was cut off, and comes back to a snapshot.",
)
PASSING = Queue(
    "passing_events",
    PASSING_ROOM,
    Policy.NEWEST,
    holds="events that were waiting when a level or another passing event came",
    drop="A page is behind: it saw a picture of the sound less.",
)
REMEMBERED = Queue(
    "topic",
    RING,
    Policy.FORGET,
    holds="events of a topic kept for pages that come back",
    drop="Who was away for longer gets a snapshot.",
)
KNOWN = Queue(
    "topics",
    TOPICS,
    Policy.FORGET,
    holds="topics whose count and memory are kept",
    drop="Who comes back to it gets a snapshot.",
)


class Viewer(Protocol):
    """Who subscribes, as far as it decides what they are sent."""

    def sees(self, about: Any) -> bool | None:
        """Whether they may see what an event is about; None where that cannot be said at once."""
        ...


ATTEMPTS = 3
"""Snapshots that are made for one subscriber while what may be seen changes under them."""

Snapshot = Callable[[str, Any], Awaitable[dict[str, Any]]]
"""Gives the state behind a topic as a subscriber's viewer sees it. Raises NotFound when there is no such thing."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a subscriber has read a topic."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event as it is sent; `text` is its JSON, made once for all subscribers."""

    type: str
    topic: str
    epoch: str
    seq: int
    text: str
    about: Any = None
    """What is asked of a subscriber's viewer; None for what everybody who may follow the topic sees."""


class _Topic:
    """One topic's count, memory and subscribers."""

    def __init__(self, ring: int = RING) -> None:
        self.epoch = secrets.token_hex(6)
        self.seq = 0
        self.ring: deque[Envelope] = REMEMBERED.watch(deque(maxlen=ring))
        self.subscribers: set[Subscriber] = set()
        self.coming = 0
        """Subscribers whose snapshot is being made."""

    def remember(self, envelope: Envelope) -> None:
        REMEMBERED.dropped += len(self.ring) == self.ring.maxlen
        self.ring.append(envelope)

    def tail(self, after: int, subscriber: Subscriber) -> list[Envelope] | None:
        """The events after `after` that the subscriber may see.

        None when some of them are forgotten, `after` lies in the future, or it cannot be said whether one may be seen.
        """
        if after > self.seq or after < self.seq - len(self.ring):
            return None
        new = [(envelope, subscriber.sees(envelope)) for envelope in self.ring if envelope.seq > after]
        return None if any(seen is None for _, seen in new) else [envelope for envelope, seen in new if seen]


class Subscriber:
    """One reader with a bounded queue.

    Reads with `get`. When it is too slow `lagging` is set and `on_drop` called, once. Without a `viewer` everything
    may be seen.
    """

    def __init__(
        self, limit: int = QUEUE, on_drop: Callable[[], None] = lambda: None, viewer: Viewer | None = None
    ) -> None:
        self._on_drop = on_drop
        self.viewer = viewer
        self._queue: deque[Envelope] = WAITING.watch(deque())
        PASSING.watch(self._queue)
        self._limit = limit
        self._wake = asyncio.Event()
        self.topics: dict[str, Any] = {}
        """What each is about, as whoever subscribed has said."""
        self.lagging = False
        self.finished = False

    def sees(self, envelope: Envelope) -> bool | None:
        """Whether an event may be told here; None where nobody can say at once."""
        return envelope.about is None or self.viewer is None or self.viewer.sees(envelope.about)

    def put(self, envelope: Envelope) -> None:
        """Queue an event; once the queue is over its limit nothing more is taken."""
        if self.lagging or self.finished:
            return
        if len(self._queue) >= self._limit:
            self.lagging = True
            self._queue.clear()
            WAITING.dropped += 1
            self._on_drop()
        else:
            self._queue.append(envelope)
        self._wake.set()

    def offer(self, envelope: Envelope) -> None:
        """Queue a passing event unless others wait: those matter more."""
        if len(self._queue) >= PASSING_ROOM:
            PASSING.dropped += 1
        else:
            self.put(envelope)

    def finish(self) -> None:
        """Take nothing more: after what waits `get` says None."""
        self.finished = True
        self._wake.set()

    async def get(self) -> Envelope | None:
        """The next event; None when the subscriber has been dropped for being too slow, or has finished."""
        while not self._queue:
            if self.lagging or self.finished:
                return None
            self._wake.clear()
            await self._wake.wait()
        EVENTS_SENT.inc()
        return self._queue.popleft()


class EventHub:
    """All topics of this process. Everything happens on the event loop."""

    def __init__(self) -> None:
        self._topics: OrderedDict[str, _Topic] = KNOWN.watch(OrderedDict())
        self._snapshots: dict[str, Snapshot] = {}
        self._personal: set[str] = set()

    def provide(self, topic: str, snapshot: Snapshot) -> None:
        """Say where the snapshots of `topic` come from; a topic that ends in ":" stands for all that begin so."""
        self._snapshots[topic] = snapshot

    def provide_personal(self, kind: str, snapshot: Snapshot) -> None:
        """The same of a topic that is another one for everybody; `snapshot` is asked for `<kind>:<id of a user>`."""
        self._personal.add(kind)
        self._snapshots[f"{kind}:"] = snapshot

    def inside(self, topic: str, user_id: str) -> str:
        """What a topic that `user_id` names is called here. Raises InvalidRequest where it would be somebody else's."""
        kind, colon, _ = topic.partition(":")
        if kind not in self._personal:
            return topic
        if colon or not user_id:
            raise _no_topic(topic)
        return f"{kind}:{user_id}"

    def publish(self, topic: str, type_: str, data: dict[str, Any], about: Any = None) -> Envelope:
        """Number an event, remember it and hand it to everybody who subscribed and may see what it is about."""
        entry = self._topic(topic)
        entry.seq += 1
        envelope = _envelope(type_, topic, entry.epoch, entry.seq, data, about)
        entry.remember(envelope)
        for subscriber in entry.subscribers:
            if subscriber.sees(envelope):
                subscriber.put(envelope)
        return envelope

    def tell_people(self, kind: str, user_ids: Iterable[str], type_: str, data: dict[str, Any]) -> int:
        """Number an event on the personal topics of those people who follow theirs; returns how many do.

        Nothing is kept for the others: whoever comes back after that gets a snapshot. `data` is made JSON once.
        """
        text, time, told = _json(data), iso(datetime.now(UTC)), 0
        for user_id in user_ids:
            topic = f"{kind}:{user_id}"
            entry = self._topics.get(topic)
            if entry is None:
                continue
            entry.seq += 1
            if not entry.subscribers and not entry.coming:
                entry.ring.clear()
                continue
            envelope = Envelope(
                type_, topic, entry.epoch, entry.seq, _text(type_, kind, entry.epoch, entry.seq, time, text)
            )
            entry.remember(envelope)
            for subscriber in entry.subscribers:
                subscriber.put(envelope)
            told += 1
        return told

    def followed(self, topic: str) -> bool:
        """Whether anybody follows a topic just now."""
        entry = self._topics.get(topic)
        return entry is not None and bool(entry.subscribers)

    def tell(self, subscriber: Subscriber, topic: str, type_: str, data: dict[str, Any]) -> None:
        """Tell one subscriber of a topic something that nobody else is told; it is not numbered."""
        entry = self._topics.get(topic)
        if entry is not None and subscriber in entry.subscribers:
            subscriber.put(_envelope(type_, self._shown(topic), entry.epoch, entry.seq, data))

    def pass_on(self, topic: str, type_: str, data: Callable[[], dict[str, Any]]) -> None:
        """Tell those who are there just now: not numbered, not remembered, left out where a subscriber is behind.

        It carries the number of the event before it. `data` is asked only when somebody listens.
        """
        entry = self._topics.get(topic)
        if entry is None or not entry.subscribers:
            return
        envelope = _envelope(type_, topic, entry.epoch, entry.seq, data())
        for subscriber in entry.subscribers:
            subscriber.offer(envelope)

    def let_go(self, topic: str) -> None:
        """Remember nothing of what was said on a topic that is nearly over; who comes back gets a snapshot."""
        entry = self._topics.get(topic)
        if entry is not None:
            entry.ring.clear()

    def begin_anew(self, topic: str) -> None:
        """Who comes back to a topic gets a snapshot: what may be seen of it has changed."""
        entry = self._topics.get(topic)
        if entry is not None:
            entry.epoch = secrets.token_hex(6)
            entry.ring.clear()

    def subscribers(self, topic: str) -> list[Subscriber]:
        """Who follows a topic just now."""
        entry = self._topics.get(topic)
        return list(entry.subscribers) if entry is not None else []

    async def refresh(self, subscriber: Subscriber, topic: str) -> None:
        """Send a snapshot to somebody who follows the topic: what they may see has changed."""
        if topic in subscriber.topics:
            about = subscriber.topics[topic]
            self.unsubscribe(subscriber, [topic])
            await self.subscribe(subscriber, topic, about=about)

    async def subscribe(
        self, subscriber: Subscriber, topic: str, position: Position | None = None, about: Any = None
    ) -> None:
        """Send what was missed, or a snapshot, then everything new. `about` is kept in `subscriber.topics`.

        Raises InvalidRequest for an unknown topic, NotFound where its subject does not exist.
        """
        provider = self._provider(topic)
        entry = self._topic(topic)
        known = position is not None and position.epoch == entry.epoch
        tail = entry.tail(position.seq, subscriber) if position is not None and known else None
        if tail is None:
            tail = await self._from_now(subscriber, topic, provider)
            entry = self._topic(topic)
        if subscriber.finished:
            return
        for envelope in tail:
            subscriber.put(envelope)
        subscriber.topics[topic] = about
        entry.subscribers.add(subscriber)

    async def _from_now(self, subscriber: Subscriber, topic: str, provider: Snapshot) -> list[Envelope]:
        """A snapshot, and what happened while it was made: it comes again after it, since events carry whole states."""
        for _ in range(ATTEMPTS):
            entry = self._topic(topic)
            seen, epoch = entry.seq, entry.epoch
            entry.coming += 1
            try:
                data = await provider(topic, subscriber.viewer)
            finally:
                entry.coming -= 1
            entry = self._topic(topic)
            if entry.epoch == epoch:
                break
            seen = entry.seq
        missed = [envelope for envelope in entry.ring if envelope.seq > seen and subscriber.sees(envelope)]
        return [_envelope("snapshot", self._shown(topic), entry.epoch, seen, data), *missed]

    def unsubscribe(self, subscriber: Subscriber, topics: Iterable[str] | None = None) -> None:
        """Stop sending `topics`, all of them by default."""
        for topic in list(subscriber.topics if topics is None else topics):
            subscriber.topics.pop(topic, None)
            entry = self._topics.get(topic)
            if entry is not None:
                entry.subscribers.discard(subscriber)

    def _provider(self, topic: str) -> Snapshot:
        kind, colon, subject = topic.partition(":")
        provider = self._snapshots.get(f"{kind}:" if colon else kind)
        if provider is None or (colon and not subject):
            raise _no_topic(topic)
        return provider

    def _shown(self, topic: str) -> str:
        """What those who follow a topic call it."""
        kind = topic.partition(":")[0]
        return kind if kind in self._personal else topic

    def _topic(self, topic: str) -> _Topic:
        entry = self._topics.get(topic)
        if entry is None:
            self._forget()
            personal = topic.partition(":")[0] in self._personal
            entry = self._topics[topic] = _Topic(PERSONAL_RING if personal else RING)
        self._topics.move_to_end(topic)
        return entry

    def _forget(self) -> None:
        if len(self._topics) < TOPICS:
            return
        for topic, entry in self._topics.items():
            if not entry.subscribers:
                del self._topics[topic]
                KNOWN.dropped += 1
                return


def _no_topic(topic: str) -> InvalidRequest:
    return InvalidRequest(f"There is no topic “{topic[:80]}”.", code="unknown-topic")


def _envelope(type_: str, topic: str, epoch: str, seq: int, data: dict[str, Any], about: Any = None) -> Envelope:
    return Envelope(
        type_, topic, epoch, seq, _text(type_, topic, epoch, seq, iso(datetime.now(UTC)), _json(data)), about
    )


def _text(type_: str, topic: str, epoch: str, seq: int, time: str, data: str) -> str:
    """An event as JSON, of data that is JSON already."""
    head = _json({"type": type_, "topic": topic, "epoch": epoch, "seq": seq, "time": time})
    return f'{head[:-1]},"data":{data}}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
