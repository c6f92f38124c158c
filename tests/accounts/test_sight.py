"""Two ways of saying who may see what agree in any world: `may_see` of one thing, and lists, which say it in SQL."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from server.accounts import NOBODY, Actor, may_see
from server.accounts.access import About, AccessBook
from server.accounts.circles import Circles
from server.accounts.gate import Role
from server.accounts.links import LinkMaker
from server.store.access import PREFERENCE
from server.store.database import database_url
from server.store.people_records import Access, AccessRule, Thing
from server.store.people_schema import (
    AccessGrantRow,
    AccessRuleRow,
    BanRow,
    BlockRow,
    FriendshipRow,
    GroupMemberRow,
    GroupRow,
    UserRow,
)
from server.store.records import Channel, StoredStream
from server.store.schema import ChannelRow, RecordingRow, StreamRow
from server.store.store import Store
from tests.store.rows import NOW

PEOPLE = ["anna", "ben", "cleo", "dora"]
GROUPS = ["choir", "band"]
TABLES = [
    *(AccessGrantRow, AccessRuleRow, BanRow, BlockRow, FriendshipRow, GroupMemberRow, GroupRow),
    *(RecordingRow, StreamRow, ChannelRow, UserRow),
]
HOMES = [f"home-{name}" for name in PEOPLE]
TALKS = [f"talk-{name}" for name in PEOPLE]
THINGS: list[Thing] = [
    *(("channel", id_) for id_ in HOMES),
    *((kind, id_) for kind in ("stream", "recording") for id_ in TALKS),
]

people, pairs = st.sampled_from(PEOPLE), st.sets(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)))
numbers = st.sampled_from([0, 0, 0, 1])
rules = st.builds(
    AccessRule,
    st.sampled_from([*Access, Access.LINK]),
    st.frozensets(people),
    st.frozensets(st.sampled_from(GROUPS)),
    numbers,
    st.booleans(),
)


@dataclass
class World:
    """Everybody has a channel and a recorded stream on it. What has no rule goes by its owner's wish, or is private."""

    wishes: dict[str, Access | None]
    rules: dict[Thing, AccessRule]
    friends: set[tuple[str, str]]
    blocks: set[tuple[str, str]]
    members: set[tuple[str, str]]
    bans: set[tuple[str, str]]
    links: dict[str, set[tuple[Thing, int]]]
    """Whose links each has opened, with the number that they had: the link may have been made anew since."""


worlds = st.builds(
    World,
    wishes=st.fixed_dictionaries({name: st.none() | st.sampled_from(Access) for name in PEOPLE}),
    rules=st.fixed_dictionaries({}, optional=dict.fromkeys(THINGS, rules)),
    friends=pairs.map(lambda found: {(low, high) for low, high in found if low < high}),
    blocks=pairs.map(lambda found: {(one, other) for one, other in found if one != other}),
    members=st.sets(st.tuples(st.sampled_from(GROUPS), people)),
    bans=st.sets(st.tuples(st.sampled_from(HOMES), people)),
    links=st.fixed_dictionaries(
        {name: st.sets(st.tuples(st.sampled_from(THINGS), numbers), min_size=5) for name in ["", *PEOPLE]}
    ),
)


async def build(store: Store, world: World) -> None:
    """Instead of whatever the store held."""
    homes = [Channel(home, home, name, name, name, NOW) for home, name in zip(HOMES, PEOPLE, strict=True)]
    talks = [
        StoredStream(talk, home.id, home.owner, "", "Talk", "ended", NOW)
        for talk, home in zip(TALKS, homes, strict=True)
    ]
    async with store._database.write() as session:
        for table in TABLES:
            await session.execute(delete(table))
        for rows in (
            [user(name, wish) for name, wish in world.wishes.items()],
            [ChannelRow(**asdict(home)) for home in homes],
            [StreamRow(**asdict(talk)) for talk in talks],
            [kept(talk) for talk in talks],
            [GroupRow(id=id_, owner=PEOPLE[0], name=id_, created_at=NOW) for id_ in GROUPS],
            [FriendshipRow(low=low, high=high, created_at=NOW) for low, high in world.friends],
            [BlockRow(blocker=one, blocked=other, created_at=NOW) for one, other in world.blocks],
            [GroupMemberRow(group_id=group, user_id=name) for group, name in world.members],
            [BanRow(channel_id=home, user_id=name, created_at=NOW) for home, name in world.bans],
        ):
            session.add_all(rows)
            await session.flush()
    await store.access.put_all(world.rules)


def user(name: str, wish: Access | None) -> UserRow:
    preferences = {PREFERENCE: wish.value} if wish is not None else {}
    return UserRow(
        id=name, name=name, display_name=name, password="", administrator=False, created_at=NOW, bio="",
        preferences=preferences,
    )  # fmt: skip


def kept(talk: StoredStream) -> RecordingRow:
    return RecordingRow(
        id=talk.id, stream_id=talk.id, title="", created_at=NOW, state="ready", detail="", length=0, size_bytes=0,
        has_raw=False,
    )  # fmt: skip


async def compare(store: Store, world: World) -> None:
    maker = LinkMaker(bytes(32))
    book = AccessBook(store.access, Circles(store.friends.circle), maker)
    for name in ["", *PEOPLE]:
        links = frozenset(maker.make(thing, number) for thing, number in world.links.get(name, ()))
        actor = replace(Actor(name, name, Role.MEMBER) if name else NOBODY, links=links)
        sight = await book.sight(actor)
        listed = {
            *(("channel", item.id) for item in (await store.channels(sight=sight)).items),
            *(("stream", item.id) for item in (await store.streams(sight=sight)).items),
            *(("recording", item.id) for item in (await store.recordings(sight=sight)).items),
        }
        subjects = [about(kind, id_) for kind, id_ in THINGS]
        assert listed == {
            (found.kind, found.id) for found in await book.about_all(actor, subjects) if may_see(actor, found)
        }


def about(kind: str, id_: str) -> About:
    number = (HOMES if kind == "channel" else TALKS).index(id_)
    return About(kind, id_, PEOPLE[number], HOMES[number])


def test_lists_hold_what_may_be_seen_and_nothing_else(tmp_path: Path) -> None:
    store = Store(database_url(None, tmp_path))
    with asyncio.Runner() as runner:
        runner.run(store.open())

        @settings(max_examples=60, deadline=None, derandomize=True)
        @given(worlds)
        def agree(world: World) -> None:
            runner.run(build(store, world))
            runner.run(compare(store, world))

        try:
            agree()
        finally:
            runner.run(store.close())
