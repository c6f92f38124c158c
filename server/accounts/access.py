"""Who may hear what: rules kept in memory, and how an actor stands to what they are about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from server.accounts.circles import Circle, Circles
from server.accounts.gate import Actor, Resource, Role, Standing, may_see
from server.accounts.links import LinkMaker, parse
from server.accounts.presence import OnAir
from server.queues import Policy, Queue
from server.rooms.messages import StreamInfo
from server.store.access import AccessTable
from server.store.people_records import Access, AccessRule, Sight, Thing
from server.store.records import Recording, StoredStream

RULES = 4096
CACHED = Queue(
    "access_rules",
    RULES,
    Policy.FORGET,
    holds="who may hear a channel, a stream or a recording, kept from the database",
    drop="It is read from the database again.",
)

NO_CIRCLE = Circle()
"""Of whoever has not signed in."""


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about, or anything else that somebody may or may not see.

    Kinds without rules of their own, jobs say, are their owner's only.
    """

    kind: str
    id: str
    owner: str
    channel_id: str = ""

    @property
    def thing(self) -> Thing:
        return self.kind, self.id

    @property
    def things(self) -> list[Thing]:
        """Itself and its channel, whose link opens what is on it too."""
        if self.kind not in RULED:
            return []
        return [self.thing] if self.kind in ALONE else [self.thing, ("channel", self.channel_id)]


def about_stream(stream: StreamInfo | StoredStream) -> About:
    """A stream, live or stored."""
    owner = stream.principal if isinstance(stream, StreamInfo) else stream.owner
    return About("stream", stream.id, owner, stream.channel_id)


def about_recording(recording: Recording) -> About:
    return About("recording", recording.id, recording.owner, recording.channel_id)


RULED = frozenset({"channel", "stream", "recording", "collection"})
"""Kinds of things that have rules."""
ALONE = frozenset({"channel", "collection"})
"""Those that are on no channel."""


@dataclass(frozen=True, slots=True)
class Change:
    """A rule is another one now."""

    thing: Thing
    before: AccessRule


Changed = Callable[[Change], None]


class AccessBook:
    """Rules, and how actors stand to what they are about. Where there are no accounts everybody sees everything.

    Rules are kept in memory; every change goes through here.
    """

    def __init__(self, table: AccessTable, circles: Circles, links: LinkMaker, *, accounts: bool = True) -> None:
        self.accounts = accounts
        self._table = table
        self._circles = circles
        self._links = links
        self._rules: OrderedDict[Thing, AccessRule] = CACHED.watch(OrderedDict())
        self._changes = 0
        self._listeners: list[Changed] = []

    # ---- rules

    async def rules(self, things: Collection[Thing]) -> dict[Thing, AccessRule]:
        """The rule of each of `things`, in a constant number of queries; none where all are known.

        Where there are no accounts there are no rules.
        """
        if not self.accounts:
            return {}
        known = {thing: self._rules[thing] for thing in things if thing in self._rules}
        missing = [thing for thing in things if thing not in known]
        while missing:
            before = self._changes
            loaded = await self._table.rules(missing)
            if before == self._changes:  # else what was read may be what was before the change
                self._keep(loaded)
                return known | loaded
        for thing in known:
            self._rules.move_to_end(thing)
        return known

    async def rule(self, kind: str, id_: str) -> AccessRule:
        """Who may hear one thing."""
        return (await self.rules([(kind, id_)]))[kind, id_]

    def knows(self, about: About) -> bool:
        """Whether its rules are in memory."""
        return not self.accounts or all(thing in self._rules for thing in about.things)

    async def put(self, thing: Thing, rule: AccessRule) -> None:
        """Have another rule from now on, and tell whoever follows."""
        before = await self.rule(*thing)
        await self._table.put(thing, rule)
        self._changes += 1
        self._keep({thing: rule})
        self._tell(Change(thing, before))

    async def begin(self, stream_id: str, channel_id: str, access: Access | None) -> None:
        """A stream, and the recording that it may have, go by their channel's rule at first, or by `access`."""
        rule = replace(await self.rule("channel", channel_id), locked=False)
        if access is not None and access is not rule.access:
            rule = AccessRule(access)
        rules: dict[Thing, AccessRule] = {("stream", stream_id): rule, ("recording", stream_id): rule}
        await self._table.put_all(rules)
        self._changes += 1
        self._keep(rules)

    async def forget(self, stream_id: str) -> None:
        """A stream that never began needs no rule."""
        things: list[Thing] = [("stream", stream_id), ("recording", stream_id)]
        await self._table.forget(things)
        self._changes += 1
        for thing in things:
            self._rules.pop(thing, None)

    def default_changed(self) -> None:
        """Somebody's wish for all that is theirs has changed, by which channels go that have no rule."""
        self._changes += 1
        for thing in [thing for thing in self._rules if thing[0] == "channel"]:
            self._tell(Change(thing, self._rules.pop(thing)))

    def follow(self, listener: Changed) -> None:
        """`listener` is called on the event loop after each change, and must not wait."""
        self._listeners.append(listener)

    def link(self, thing: Thing, rule: AccessRule) -> str | None:
        """The link that opens something; None where none does."""
        return self._links.make(thing, rule.link_number) if rule.access is Access.LINK else None

    async def opens(self, link: str) -> bool:
        """Whether a link lets anybody in anywhere."""
        found = parse(link)
        if found is None:
            return False
        return self._opened([link], found.thing, await self.rule(*found.thing))

    def _keep(self, rules: dict[Thing, AccessRule]) -> None:
        for thing, rule in rules.items():
            self._rules[thing] = rule
            self._rules.move_to_end(thing)
        while len(self._rules) > RULES:
            self._rules.popitem(last=False)
            CACHED.dropped += 1

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)

    # ---- actors

    async def circle(self, actor: Actor) -> Circle:
        """Whom an actor knows."""
        return await self._circles.of(actor.id) if actor.role not in (Role.NOBODY, Role.LOCAL) else NO_CIRCLE

    async def about(self, actor: Actor, kind: str, id_: str, owner: str, channel_id: str = "") -> Resource:
        """A channel, stream or recording, and how the actor stands to it."""
        return (await self.about_all(actor, [About(kind, id_, owner, channel_id)]))[0]

    async def about_all(self, actor: Actor, subjects: Collection[About]) -> list[Resource]:
        """The same for several, in a constant number of queries."""
        if not self.accounts:
            return [_local(actor, item) for item in subjects]
        circle = await self.circle(actor)
        rules = await self.rules({thing for item in subjects for thing in item.things})
        return [self._resource(actor, circle, item, rules) for item in subjects]

    def resource(self, actor: Actor, circle: Circle, about: About, rule: AccessRule | None = None) -> Resource | None:
        """What `about` says, without asking the database: None where the rules are not in memory.

        `rule` is taken for the thing's own where it is given.
        """
        if not self.accounts:
            return _local(actor, about)
        if not self.knows(about):
            return None
        rules = (
            self._rules
            if rule is None
            else {**{thing: self._rules[thing] for thing in about.things}, about.thing: rule}
        )
        return self._resource(actor, circle, about, rules)

    def _resource(self, actor: Actor, circle: Circle, about: About, rules: Mapping[Thing, AccessRule]) -> Resource:
        if about.kind not in RULED:
            return Resource(about.kind, about.id, about.owner)
        rule = rules[about.thing]
        standing = Standing(
            friend=about.owner in circle.friends,
            selected=actor.id in rule.people,
            member=not circle.groups.isdisjoint(rule.groups),
            linked=any(self._opened(actor.links, thing, rules[thing]) for thing in about.things),
            barred=about.owner in circle.barred or about.things[-1][1] in circle.bans,
        )
        return Resource(about.kind, about.id, about.owner, rule.access, standing, rule.locked)

    def _opened(self, links: Iterable[str], thing: Thing, rule: AccessRule) -> bool:
        return rule.access is Access.LINK and self._links.opens(links, thing, rule.link_number)

    async def viewer(self, actor: Actor) -> Viewer:
        """Somebody who looks for longer."""
        return Viewer(self, actor, await self.circle(actor))

    async def visible(self, viewer: str, streams: Collection[OnAir]) -> set[str]:
        """Ids of those of some streams that somebody may know of, in a constant number of queries."""
        if not self.accounts:
            return {stream.stream_id for stream in streams}
        actor = Actor(viewer, "", Role.MEMBER)
        found = await self.about_all(
            actor, [About("stream", item.stream_id, item.owner, item.channel_id) for item in streams]
        )
        return {item.id for item in found if may_see(actor, item)}

    async def sight(self, actor: Actor) -> Sight | None:
        """The actor as lists ask for it; None where everybody sees everything."""
        if not self.accounts:
            return None
        rules = await self.rules({found.thing for link in actor.links if (found := parse(link)) is not None})
        return Sight(
            actor.id, frozenset(thing for thing, rule in rules.items() if self._opened(actor.links, thing, rule))
        )


def _local(actor: Actor, about: About) -> Resource:
    """Without accounts everybody is the one local user, who sees everything."""
    access = Access.PRIVATE if actor.role is Role.NOBODY else Access.PUBLIC
    return Resource(about.kind, about.id, about.owner, access)


class Viewer:
    """An actor who looks for longer than a request, and can be asked at once what they may see."""

    def __init__(self, book: AccessBook, actor: Actor, circle: Circle = NO_CIRCLE) -> None:
        self.actor = actor
        self._book = book
        self._circle = circle

    def sees(self, about: About) -> bool | None:
        """Whether the actor may know of it; None where that is not known without asking the database."""
        if about.owner == self.actor.id:
            return True
        resource = self._book.resource(self.actor, self._circle, about)
        return may_see(self.actor, resource) if resource is not None else None

    def saw(self, about: About, before: AccessRule) -> bool | None:
        """The same under the rule that held before."""
        resource = self._book.resource(self.actor, self._circle, about, before)
        return may_see(self.actor, resource) if resource is not None else None

    async def know(self, subjects: Collection[About]) -> None:
        """Have `sees` know of these."""
        await self._book.rules({thing for about in subjects for thing in about.things})

    async def refresh(self) -> None:
        """Somebody became a friend, or ceased to be one."""
        self._circle = await self._book.circle(self.actor)
