"""Friends over HTTP and the event socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.store import friends as friends_module
from tests.people import Person, Town, town
from tests.store.plans import Plans
from tests.web.test_routes import problem


class Page:
    """A page that follows one's friends and notices."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.snapshots: dict[str, Any] = {}

    @classmethod
    async def open(cls, person: Person) -> Page:
        socket = await person.http.ws_connect("/api/v1/events")
        topics = [{"topic": "friends"}, {"topic": "notifications"}]
        await socket.send_json({"type": "subscribe", "topics": topics})
        page = cls(socket)
        for _ in topics:
            event = await socket.receive_json(timeout=30)
            assert event["type"] == "snapshot", event
            page.snapshots[event["topic"]] = event["data"]
        return page

    async def next(self, *types: str) -> list[dict[str, Any]]:
        """Waits until one event of each of these types has come; their data, in this order."""
        found: dict[str, dict[str, Any]] = {}
        while set(types) - set(found):
            event = await self.socket.receive_json(timeout=30)
            assert event["topic"] in ("friends", "notifications") or event["type"] == "heartbeat"
            if event["type"] in types:
                found.setdefault(event["type"], event["data"])
        return [found[type_] for type_ in types]

    async def silence(self) -> list[dict[str, Any]]:
        """Everything that has been told up to now, but who is here."""
        await self.socket.send_json({"type": "subscribe", "topics": [{"topic": "no such topic"}]})
        told = []
        while (event := await self.socket.receive_json(timeout=30))["type"] != "error":
            told.append(event)
        return [event for event in told if event["type"] not in ("presence", "heartbeat")]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    """No request of these tests may read a whole table."""
    async with town(tmp_path / "data") as running:
        plans = Plans(running.services.store)
        yield running
        assert await plans.scans() == []


async def get(person: Person, path: str) -> Any:
    async with person.http.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def do(person: Person, method: str, path: str, status: int = 204, **body: Any) -> Any:
    async with person.http.request(method, path, json=body or None) as response:
        assert response.status == status, await response.text()
        return await response.json(content_type=None) if status != 204 else None


async def befriend(one: Person, other: Person) -> None:
    await do(one, "POST", "/api/v1/friends/requests", 200, to=other.id)
    await do(other, "POST", f"/api/v1/friends/requests/{one.id}/accept", 200)


def ids(people: list[dict[str, Any]]) -> list[str]:
    return [person["id"] for person in people]


async def test_two_people_become_friends_and_both_pages_show_it(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben")
    annas, bens = await Page.open(anna), await Page.open(ben)
    assert annas.snapshots["friends"] == {"items": [], "requests": {"received": [], "sent": []}}
    assert annas.snapshots["notifications"] == {"items": [], "unread": 0}

    (found,) = (await get(anna, "/api/v1/people?search=BE"))["items"]
    assert (found["id"], found["relation"], found["presence"]) == (ben.id, "none", None)
    asked = await do(anna, "POST", "/api/v1/friends/requests", 200, to=ben.id)
    assert (asked["id"], asked["relation"]) == (ben.id, "requested")
    (mine,) = await annas.next("requests")
    assert (ids(mine["sent"]), mine["received"]) == ([ben.id], [])
    request, notice = await bens.next("friend_request", "notification")
    assert (request["person"]["id"], request["person"]["relation"]) == (anna.id, "asks")
    assert (notice["kind"], notice["data"]["person"]["display_name"]) == ("friend_request", "Anna")
    assert ids((await get(ben, "/api/v1/friends/requests"))["received"]) == [anna.id]

    friend = await do(ben, "POST", f"/api/v1/friends/requests/{anna.id}/accept", 200)
    assert (friend["relation"], friend["presence"]) == ("friend", "online")
    for page, other in ((annas, ben), (bens, anna)):
        (added,) = await page.next("friend_added")
        assert (added["person"]["id"], added["person"]["presence"]) == (other.id, "online")
    (notice,) = await annas.next("notification")
    assert notice["kind"] == "friend_accepted"
    listed = await get(anna, "/api/v1/friends")
    assert (listed["total"], listed["next"], ids(listed["items"])) == (1, None, [ben.id])
    assert listed["items"][0]["channel"] == "ben"
    # The request has been answered: Ben is not reminded of it.
    assert (await get(ben, "/api/v1/notifications"))["items"] == []

    found = await get(anna, "/api/v1/notifications")
    assert (found["unread"], found["total"]) == (1, 1)
    await do(anna, "POST", "/api/v1/notifications/read", up_to=found["items"][0]["id"])
    await annas.next("notifications_read")
    found = await get(anna, "/api/v1/notifications")
    assert (found["unread"], found["items"][0]["read_at"] is None) == (0, False)

    await do(ben, "DELETE", f"/api/v1/friends/{anna.id}")
    assert await annas.next("friend_removed") == [{"id": ben.id}]
    assert await bens.next("friend_removed") == [{"id": anna.id}]
    assert (await get(anna, f"/api/v1/people/{ben.id}"))["presence"] is None
    async with ben.http.delete(f"/api/v1/friends/{anna.id}") as response:
        assert (await problem(response, 404))["code"] == "unknown-friend"


async def test_requests_are_declined_cancelled_and_cross(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben")
    page = await Page.open(anna)
    path = "/api/v1/friends/requests"
    await do(ben, "POST", path, 200, to=anna.id)
    await page.next("friend_request")
    await do(anna, "POST", f"{path}/{ben.id}/decline")
    assert await page.next("requests") == [{"received": [], "sent": []}]
    async with anna.http.post(f"{path}/{ben.id}/accept") as response:
        assert (await problem(response, 404))["code"] == "unknown-request"

    await do(ben, "POST", path, 200, to=anna.id)
    await do(ben, "DELETE", f"{path}/{anna.id}")
    assert await get(anna, path) == {"received": [], "sent": []}
    assert (await get(anna, "/api/v1/notifications"))["items"] == []

    both = (do(anna, "POST", path, 200, to=ben.id), do(ben, "POST", path, 200, to=anna.id))
    assert {person["relation"] for person in await asyncio.gather(*both)} & {"friend"}
    for one, other in ((anna, ben), (ben, anna)):
        assert ids((await get(one, "/api/v1/friends"))["items"]) == [other.id]
        assert await get(one, path) == {"received": [], "sent": []}


async def test_who_is_blocked_sees_nobody_and_is_told_nothing(place: Town) -> None:
    anna, ben, carl = [await place.add(name) for name in ("anna", "ben", "carl")]
    await befriend(anna, ben)
    await do(carl, "POST", "/api/v1/friends/requests", 200, to=anna.id)
    bens, carls = await Page.open(ben), await Page.open(carl)
    await do(anna, "PUT", f"/api/v1/blocks/{ben.id}")
    await do(anna, "PUT", f"/api/v1/blocks/{carl.id}")

    # A friend is gone, a request is gone: no more than after the end of a friendship.
    assert [(event["type"], event["data"]) for event in await bens.silence()] == [("friend_removed", {"id": anna.id})]
    assert [event["type"] for event in await carls.silence()] == ["requests"]
    for other in (ben, carl):
        nobody = f"/api/v1/people/{anna.id}", "/api/v1/people/nobody"
        answers = []
        for path in nobody:
            async with other.http.get(path) as response:
                answers.append(await problem(response, 404))
        assert answers[0]["code"] == answers[1]["code"]
        assert answers[0]["detail"] == answers[1]["detail"]
        assert (await get(other, "/api/v1/people?search=anna"))["items"] == []
        assert (await get(other, "/api/v1/friends"))["items"] == []
        assert (await get(other, "/api/v1/notifications"))["items"] == []
        for method, path, body in (
            ("POST", "/api/v1/friends/requests", {"to": anna.id}),
            ("PUT", f"/api/v1/blocks/{anna.id}", None),
            ("POST", f"/api/v1/friends/requests/{anna.id}/accept", None),
        ):
            async with other.http.request(method, path, json=body) as response:
                assert (await problem(response, 404))["code"] in ("unknown-person", "unknown-request")

    assert (await get(anna, "/api/v1/people?search=ben"))["items"] == []
    blocked = (await get(anna, "/api/v1/blocks"))["items"]
    assert [(item["id"], item["relation"], item["presence"]) for item in blocked] == [
        (ben.id, "blocked", None), (carl.id, "blocked", None),
    ]  # fmt: skip
    async with anna.http.post("/api/v1/friends/requests", json={"to": ben.id}) as response:
        assert (await problem(response, 409))["code"] == "blocked"
    await do(anna, "DELETE", f"/api/v1/blocks/{ben.id}")
    assert (await get(ben, f"/api/v1/people/{anna.id}"))["relation"] == "none"
    assert await bens.silence() == []


async def test_presence_is_told_to_friends_only_and_ends_a_while_after_the_last_connection(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben, carl = [await place.add(name) for name in ("anna", "ben", "carl")]
    await befriend(anna, ben)
    bens, carls = await Page.open(ben), await Page.open(carl)
    (friend,) = bens.snapshots["friends"]["items"]
    assert friend["presence"] == "offline"

    monkeypatch.setattr("server.accounts.presence.GRACE", 0.3)
    first, second = await Page.open(anna), await Page.open(anna)
    assert await bens.next("presence") == [{"id": anna.id, "presence": "online", "live": None}]
    await first.socket.close()
    await asyncio.sleep(0.5)  # longer than somebody without any connection is still here
    assert (await get(ben, f"/api/v1/people/{anna.id}"))["presence"] == "online"
    await second.socket.close()
    assert await bens.next("presence") == [{"id": anna.id, "presence": "offline", "live": None}]
    assert (await get(ben, "/api/v1/friends"))["items"][0]["presence"] == "offline"
    assert (await get(carl, f"/api/v1/people/{anna.id}"))["presence"] is None
    assert await carls.silence() == []


async def test_nobody_follows_anybody_else(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben")
    nobody = await place.client()
    for http in (nobody, ben.http):
        socket = await http.ws_connect("/api/v1/events")
        for topic in (f"friends:{anna.id}", f"notifications:{anna.id}", "friends:", "notifications:x"):
            await socket.send_json({"type": "subscribe", "topics": [{"topic": topic}]})
            answer = await socket.receive_json(timeout=30)
            assert (answer["type"], answer["data"]["code"]) == ("error", "unknown-topic")
    socket = await nobody.ws_connect("/api/v1/events")
    await socket.send_json({"type": "subscribe", "topics": [{"topic": "friends"}]})
    assert (await socket.receive_json(timeout=30))["type"] == "error"
    for path in ("people?search=a", f"people/{anna.id}", "friends", "friends/requests", "blocks", "groups", "push"):
        async with nobody.get(f"/api/v1/{path}") as response:
            await problem(response, 401)


async def test_groups_are_their_owners_own(place: Town) -> None:
    anna, ben, carl = [await place.add(name) for name in ("anna", "ben", "carl")]
    await befriend(anna, ben)
    group = await do(anna, "POST", "/api/v1/groups", 201, name="  Band 🎸 ")
    assert (group["name"], group["members"]) == ("Band 🎸", [])
    await do(anna, "PUT", f"/api/v1/groups/{group['id']}/members/{ben.id}")
    assert (await place.services.circles.of(ben.id)).groups == {group["id"]}
    async with anna.http.put(f"/api/v1/groups/{group['id']}/members/{carl.id}") as response:
        await problem(response, 404)
    for method, path, body in (
        ("PATCH", "", {"name": "Mine"}), ("DELETE", "", None), ("PUT", f"/members/{ben.id}", None),
        ("DELETE", f"/members/{ben.id}", None),
    ):  # fmt: skip
        async with ben.http.request(method, f"/api/v1/groups/{group['id']}{path}", json=body) as response:
            assert (await problem(response, 404))["code"] == "unknown-group"
    assert (await get(ben, "/api/v1/groups"))["items"] == []
    for name in ("x" * 1_000_000, "", "   ", "a\x00b", 7):
        async with anna.http.post("/api/v1/groups", json={"name": name}) as response:
            assert response.status in (400, 413)
    assert (await do(anna, "PATCH", f"/api/v1/groups/{group['id']}", 200, name="فرقة"))["members"] == [ben.id]
    await do(anna, "DELETE", f"/api/v1/groups/{group['id']}/members/{ben.id}")
    assert (await place.services.circles.of(ben.id)).groups == frozenset()
    await do(anna, "DELETE", f"/api/v1/groups/{group['id']}")
    assert (await get(anna, "/api/v1/groups"))["items"] == []


async def test_bad_requests_are_answered_in_words_and_change_nothing(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = await place.add("anna"), await place.add("ben")
    path = "/api/v1/friends/requests"
    for to, status, code in (
        (anna.id, 400, "yourself"), ("nobody", 404, "unknown-person"), ("' or 1=1 --", 400, "invalid-request"),
        ("a" * 100, 400, "invalid-request"), (None, 400, "invalid-request"), ("../x", 400, "invalid-request"),
    ):  # fmt: skip
        async with anna.http.post(path, json={"to": to}) as response:
            assert (await problem(response, status))["code"] == code
    async with anna.http.put(f"/api/v1/blocks/{anna.id}") as response:
        assert (await problem(response, 400))["code"] == "yourself"
    for query in ("", "?search=", "?search=%20", f"?search={'x' * 81}", "?search=a&other=b"):
        async with anna.http.get(f"/api/v1/people{query}") as response:
            await problem(response, 400)
    for text in ("%25", "_", "'", "%00", "%F0%9F%8E%A4", "%E2%80%AEgnp", "\\"):
        assert (await get(anna, f"/api/v1/people?search={text}"))["items"] == []
    for cursor in ("x", "%3D", "fHw"):
        async with anna.http.get(f"/api/v1/friends?cursor={cursor}") as response:
            await problem(response, 400)
    async with anna.http.post("/api/v1/notifications/read", json={"up_to": "nothing"}) as response:
        await problem(response, 404)
    assert await get(anna, path) == {"received": [], "sent": []}

    monkeypatch.setattr(friends_module, "MAX_SENT", 0)
    async with anna.http.post(path, json={"to": ben.id}) as response:
        assert (await problem(response, 409))["code"] == "too-many-requests-sent"


async def test_somebody_is_found_by_a_new_name_at_once(place: Town) -> None:
    anna, ben = await place.add("anna"), await place.add("ben", display_name="Бенедикт Ölmez")
    for text in ("бен", "olm", "ben"):
        assert ids((await get(anna, f"/api/v1/people?search={text}"))["items"]) == [ben.id]
    await place.services.store.users.change(ben.id, display_name="Sven")
    assert (await get(anna, "/api/v1/people?search=olm"))["items"] == []
    assert ids((await get(anna, "/api/v1/people?search=sv"))["items"]) == [ben.id]


async def test_another_name_or_picture_is_seen_by_friends_at_once(place: Town) -> None:
    anna, ben, cleo = [await place.add(name) for name in ("anna", "ben", "cleo")]
    await befriend(anna, ben)
    page, stranger = await Page.open(ben), await Page.open(cleo)
    await do(anna, "PATCH", "/api/v1/account/profile", 200, display_name="Änna", bio="Bees.")
    (changed,) = await page.next("friend_changed")
    assert changed == {"id": anna.id, "name": "anna", "display_name": "Änna", "avatar": None, "bio": "Bees."}
    assert [event["type"] for event in await stranger.silence()] == []
