"""A small world for the walk of access: an owner with something for everybody, and somebody in every role."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from server.accounts.actions import Scope
from server.accounts.links import BETWEEN
from server.accounts.sessions import Caller
from server.store.chat_records import ChatKind, ChatMessage
from server.store.collections import Collection
from server.store.ids import new_id
from server.store.people_records import Access, AccessRule, User
from server.store.records import Channel, Job, JobState, Recording, StoredStream, VoicePrint
from server.store.uploads import Upload
from server.web.identity import COOKIE
from server.web.routing import Route
from tests.people import Town, town

LIVE = "live-"
"""Begins the ids of the owner's streams that are live; the others are over and recorded."""
THINGS = {
    "anonymous": "friends",
    "anonymous, public": "public",
    "stranger": "friends",
    "stranger, public": "public",
    "friend": "friends",
    "group member": "group",
    "selected": "selected",
    "blocked, public": "public",
    "link": "link",
}
"""Whose access is tried in each role; the owner, administrators and tokens of the owner try what is private."""
SCOPES = {
    "read token": {Scope.READ},
    "publish token": {Scope.PUBLISH},
    "API key": {Scope.READ, Scope.LISTEN, Scope.WRITE},
}
SAMPLE = {"label": "S1", "number": "1", "peer": "nobody.00", "path": "js/app.js"}
"""What stands in an address where it does not matter."""


class World:
    """Everybody and everything; the owner is Olga."""

    def __init__(self, place: Town) -> None:
        self.place = place
        self.services = place.services
        self.users: dict[str, User] = {}
        self.link = ""
        self._made: dict[str, str] = {}

    # ---- people

    async def settle(self) -> None:
        """Let everybody in and give Olga something of every kind."""
        names = ("ruth", "olga", "stranger", "friend", "member", "selected", "blocked", "spare")
        for name in names:  # Ruth is the first, and so the administrator
            person = await self.place.add(name)
            self.users[name] = await self.services.store.users.get(person.id)
        friends, now = self.services.store.friends, self.services.clock.wall()
        await friends.ask(self.users["friend"].id, self.owner, now)
        await friends.accept(self.owner, self.users["friend"].id, now)
        for name in ("member", "spare"):  # only friends are put into groups
            await friends.ask(self.users[name].id, self.owner, now)
            await friends.accept(self.owner, self.users[name].id, now)
        self.group = (await self.services.store.groups.add(self.owner, "Choir", now)).id
        await self.services.store.groups.include(self.group, self.users["member"].id)
        await friends.block(self.owner, self.users["blocked"].id, now)
        self.services.circles.changed(*(user.id for user in self.users.values()))
        await self._picture()
        for access in Access:
            await self._things(access)

    @property
    def owner(self) -> str:
        return self.users["olga"].id

    async def headers(self, role: str) -> dict[str, str]:
        """What somebody in that role sends along, with credentials that are fresh."""
        olga, accounts = self.users["olga"], self.services.accounts
        if role.startswith("anonymous"):
            return {}
        if role == "link":
            return {"Clearcast-Link": self.link}
        if role in ("read token", "publish token"):
            return bearer((await accounts.tokens.begin(olga, "walk", SCOPES[role])).access_token)
        if role == "API key":
            return bearer((await accounts.keys.create(olga, "walk", SCOPES[role]))[1])
        if role == "stream key":
            return bearer((await accounts.keys.new_stream_key(olga.id))[0])
        token = await self.services.sessions.start(self.users[self.name(role)], Caller())
        return {"Cookie": f"{COOKIE}={token}"}

    @staticmethod
    def name(role: str) -> str:
        """Who is in a role; Olga, where it is a token of hers."""
        others = {"administrator": "ruth", "group member": "member"}
        return others.get(role, role.split(",", maxsplit=1)[0] if role in THINGS else "olga")

    async def _acquaint(self, path: str, name: str) -> None:
        """Have the spare person be to somebody what the address is about: a friend, who asks, or who is asked."""
        if "/friends/" not in path or name not in self.users:
            return
        friends, now = self.services.store.friends, self.services.clock.wall()
        me, spare = self.users[name].id, self.users["spare"].id
        await friends.part(me, spare)
        await friends.unblock(me, spare)
        asking = (spare, me) if path.endswith(("accept", "decline")) else (me, spare)
        await friends.withdraw(*asking)
        await friends.withdraw(*reversed(asking))
        await friends.ask(*asking, now)
        if "/requests/" not in path:
            await friends.accept(spare, me, now)
        self.services.circles.changed(me, spare)

    # ---- things

    async def _things(self, access: Access) -> None:
        """A channel, a stream that is over, its recording, and a stream that is live, for some."""
        store, book, now = self.services.store, self.services.access, self.services.clock.wall()
        channel = Channel(f"channel-{access}", f"olga-{access}", "Talks", "Olga", self.owner, now)
        await store.add_channel(channel)
        over = StoredStream(access.value, channel.id, self.owner, "Olga", "Talk", "ended", now, now, recorded=True)
        await store.save_stream(over)
        await store.save_recording(Recording(over.id, over.id, "Talk", "", "", "", "", now, "ready"))
        rule = self._rule(access)
        for kind, id_ in (("channel", channel.id), ("stream", over.id), ("recording", over.id)):
            await book.put((kind, id_), rule)
        await book.put(("stream", LIVE + access), rule)
        await self._collection(access)
        if access is Access.LINK:  # it opens what is on the channel too
            links = (book.link(thing, rule) for thing in (("channel", channel.id), ("collection", over.id)))
            self.link = BETWEEN.join(map(str, links))

    def _rule(self, access: Access) -> AccessRule:
        return AccessRule(
            access,
            people=frozenset({self.users["selected"].id} if access is Access.SELECTED else ()),
            groups=frozenset({self.group} if access is Access.GROUP else ()),
        )

    async def _collection(self, access: Access) -> None:
        now = self.services.clock.wall()
        await self.services.store.collections.remove(access.value)
        await self.services.store.collections.add(Collection(access.value, self.owner, "Talks", "", now))
        await self.services.access.put(("collection", access.value), self._rule(access))

    async def address(self, route: Route, role: str, *, there: bool = True) -> str:
        """The route's address with something of Olga's in it, or with what is not there."""
        values = {name: await self._value(route.path, name, role) for name in parts(route)}
        if not there:
            values[parts(route)[0]] = "nothing"
        return re.sub(r"\{(\w+)(:[^}]*)?\}", lambda found: values[found[1]], route.path)

    async def _value(self, path: str, name: str, role: str) -> str:
        if name in SAMPLE:
            return SAMPLE[name]
        thing = THINGS.get(role, "private")
        if name == "slug":
            return f"olga-{thing}"
        if name == "user":
            await self._acquaint(path, self.name(role))
            return self.users["spare"].id
        if name == "message":
            return await self._message(thing)
        for beginning, find in self._subjects().items():
            if path.startswith(beginning):
                if beginning not in self._made:
                    self._made[beginning] = await find()
                return self._made[beginning]
        return thing

    def _subjects(self) -> dict[str, Callable[[], Awaitable[str]]]:
        """What of Olga's is meant by `{id}`, by how the path begins."""
        return {
            "/api/v1/jobs/": self._job,
            "/api/v1/uploads/": self._upload,
            "/api/v1/voices/": self._voice,
            "/api/v1/account/sessions/": self._session,
            "/api/v1/invitations/": self._invitation,
            "/api/v1/account/keys/": self._key,
            "/api/v1/account/programs/": self._program,
            "/api/v1/groups/": self._group,
            "/api/v1/people/": self._olga,
            "/api/v1/admin/users/": self._spare,
        }

    async def _picture(self) -> None:
        at = self.services.clock.wall()
        await self.services.store.users.change(self.owner, avatar=b"a picture", avatar_at=at)

    async def _olga(self) -> str:
        return self.owner

    async def _spare(self) -> str:
        return self.users["spare"].id

    async def _group(self) -> str:
        name = new_id()
        return str((await self.services.store.groups.add(self.owner, name, self.services.clock.wall())).id)

    async def _key(self) -> str:
        return str((await self.services.accounts.keys.create(self.users["olga"], "walk", {Scope.READ}))[0].id)

    async def _program(self) -> str:
        return str((await self.services.accounts.tokens.begin(self.users["olga"], "walk", {Scope.READ})).family)

    async def _job(self) -> str:
        job = Job(new_id(), "final-pass", "private", self.owner, self.services.clock.wall(), state=JobState.DONE)
        await self.services.store.jobs.add(job)
        return job.id

    async def _upload(self) -> str:
        now = self.services.clock.wall()
        upload = Upload(new_id(), self.owner, "talk.wav", 9, now, now)
        await self.services.store.uploads.add(upload)
        return upload.id

    async def _voice(self) -> str:
        heard = VoicePrint("model", np.ones(2, np.float32), 9.0)
        voice = await self.services.store.voices.learn(self.owner, "Anna", [heard], self.services.clock.wall())
        return str(voice.id)

    async def _session(self) -> str:
        await self.services.sessions.start(self.users["olga"], Caller())
        return str((await self.services.sessions.of_user(self.owner))[0].id)

    async def _invitation(self) -> str:
        token = (await self.headers("owner"))["Cookie"].split("=", 1)[1]
        actor = await self.services.sessions.actor(token)
        return str((await self.services.accounts.invitations.create(actor, "", 7, Caller()))[0].id)

    async def _message(self, thing: str) -> str:
        at = self.services.clock.wall()
        message = ChatMessage(new_id(), thing, 0, self.owner, "Olga", ChatKind.TEXT, "Hello", at)
        return str((await self.services.store.chat.add(message)).id)

    async def mend(self, route: Route) -> None:
        """Put back what a request that was allowed took away."""
        part = "/".join(route.path.split("/")[:4])
        self._made = {path: id_ for path, id_ in self._made.items() if not path.startswith(f"{part}/")}
        if route.path.endswith("/avatar"):
            await self._picture()
        if route.path.startswith("/api/v1/recordings/"):
            for access in Access:
                await self.services.store.change_recording(access.value, deleted_at=None)
        if route.path.startswith("/api/v1/collections/"):
            await self._collection(Access.PRIVATE)  # whoever may take one away has a private one


def parts(route: Route) -> list[str]:
    """Names of the parts of an address that vary."""
    return [name for name, _ in re.findall(r"\{(\w+)(:[^}]*)?\}", route.path)]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(
    http: aiohttp.ClientSession, route: Route, address: str, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer. A body is sent that means nothing: it is looked at only once the gate is passed."""
    sent = dict(headers)
    body = None
    if route.accepts is not None:
        sent["Content-Type"] = route.accepts.replace("*", "png")
        body = b'{"unheard_of":1}'
    async with http.request(route.method, address, headers=sent, data=body, allow_redirects=False) as response:
        if response.content_type == "text/event-stream":  # has no end
            return response.status, {}
        text = await response.read()
    found = json.loads(text) if response.content_type.endswith("json") else {}
    found.pop("request_id", None)
    return response.status, found


@asynccontextmanager
async def world(data_dir: Path) -> AsyncIterator[World]:
    """A server with accounts on, without limits on how often it may be asked."""
    async with town(data_dir, rate_limits="off") as place:
        made = World(place)
        await made.settle()
        yield made
