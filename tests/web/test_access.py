"""Who may hear what: rules, links, bans, the audience; and what is cut off when the right to it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from server.accounts.actions import Scope
from server.rooms.messages import StreamChange
from server.store.people_records import Access, AccessRule
from server.store.records import Recording, StoredStream
from tests.people import Person, Town, town
from tests.web.conftest import SDP
from tests.web.test_events import subscribe
from tests.web.test_routes import problem

Offer = Callable[[str], Awaitable[str]]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Town]:
    async with town(tmp_path / "data") as running:
        yield running


async def befriend(place: Town, one: Person, other: Person) -> None:
    await place.services.store.friends.ask(one.id, other.id, place.services.clock.wall())
    await place.services.store.friends.accept(other.id, one.id, place.services.clock.wall())
    place.services.circles.changed(one.id, other.id)


async def go_live(person: Person, offer: Offer, **query: str) -> str:
    """The id of a stream that this person has begun."""
    data = await offer("sendonly")
    async with person.http.post(f"/whip/{person.channel}", data=data, headers=SDP, params=query) as response:
        assert response.status == 201, await response.text()
        return response.headers["Clearcast-Stream"]


async def listen(http: aiohttp.ClientSession, slug: str, offer: Offer, **headers: str) -> aiohttp.ClientResponse:
    data = await offer("recvonly")
    async with http.post(f"/whep/{slug}", data=data, headers={**SDP, **headers}) as response:
        await response.read()
        return response


async def kept(place: Town, owner: Person, name: str, access: Access) -> str:
    """A recording of the past, for some."""
    services = place.services
    channel = await services.store.channel_by_slug(owner.channel)
    at = services.clock.wall()
    stream = StoredStream(name, channel.id, owner.id, owner.name, name, "ended", at, at, recorded=True)
    await services.store.save_stream(stream)
    await services.store.save_recording(Recording(name, name, name, "", "", "", "", at, "ready"))
    for kind in ("stream", "recording"):
        await services.access.put((kind, name), AccessRule(access))
    return name


async def until(condition: Callable[[], Any], limit: float = 30) -> None:
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.01)


async def told(page: aiohttp.ClientWebSocketResponse, kind: str, topic: str = "") -> dict[str, Any]:
    """The next event of a kind."""
    while True:
        event = await page.receive_json(timeout=30)
        if event["type"] == kind and topic in ("", event.get("topic")):
            return event  # type: ignore[no-any-return]


async def test_a_stream_is_for_friends_unless_its_owner_says_otherwise(place: Town, offer: Offer) -> None:
    anna, ben, cleo = [await place.add(name) for name in ("anna", "ben", "cleo")]
    await befriend(place, anna, ben)
    stream = await go_live(anna, offer)
    for person, status in ((anna, 200), (ben, 200), (cleo, 404)):
        async with person.http.get(f"/api/v1/streams/{stream}") as response:
            assert response.status == status
        async with person.http.get("/api/v1/streams", params={"state": "live"}) as response:
            items = (await response.json())["items"]
            assert [item["id"] for item in items] == ([stream] if status == 200 else [])
            assert [item["access"] for item in items] == {"anna": ["friends"], "ben": [None], "cleo": []}[person.name]
        async with person.http.get(f"/api/v1/channels/{anna.channel}") as response:
            assert response.status == status
    assert (await listen(ben.http, anna.channel, offer)).status == 201
    assert (await listen(cleo.http, anna.channel, offer)).status == 404
    async with ben.http.get(f"/api/v1/streams/{stream}/access") as response:
        await problem(response, 403)
    async with anna.http.put(f"/api/v1/streams/{stream}/access", json={"access": "public"}) as response:
        assert await response.json() == {
            "access": "public", "people": [], "groups": [], "locked": False, "link": None
        }  # fmt: skip
    assert (await listen(cleo.http, anna.channel, offer)).status == 201
    async with anna.http.get(f"/api/v1/streams/{stream}/listeners") as response:
        items = (await response.json())["items"]
    assert [item["person"] for item in items] == [
        {"id": ben.id, "display_name": "Ben"},
        {"id": cleo.id, "display_name": "Cleo"},
    ]


async def test_who_is_no_friend_any_more_is_cut_off_at_once(place: Town, offer: Offer) -> None:
    """A real connection, the topics of the stream, and the long answer with its captions."""
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    await befriend(place, anna, ben)
    stream = await go_live(anna, offer)
    peer = RTCPeerConnection()
    peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    async with ben.http.post(f"/whep/{anna.channel}", data=peer.localDescription.sdp, headers=SDP) as response:
        session = response.headers["ETag"].strip('"')
        await peer.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
    await until(lambda: peer.connectionState == "connected")
    page = await subscribe(ben.http, "streams", f"stream:{stream}", f"captions:{stream}")
    for _ in range(3):
        assert (await page.receive_json(timeout=30))["type"] == "snapshot"
    captions = await ben.http.get(f"/api/v1/streams/{stream}/captions/events")
    assert captions.status == 200
    await until(lambda: len(place.services.readers) == 1)

    began = asyncio.get_running_loop().time()
    await place.services.store.friends.part(anna.id, ben.id)
    place.services.circles.changed(anna.id, ben.id)
    await place.services.oversight.settle()
    assert place.services.guests.on(place.services.media.stream(stream).channel_id) == []
    assert asyncio.get_running_loop().time() - began < 1
    assert (await told(page, "removed", f"stream:{stream}"))["data"] == {"reason": "access", "session": session}
    assert (await told(page, "snapshot", "streams"))["data"] == {"items": []}
    async with asyncio.timeout(30):
        await captions.content.read()
    await until(lambda: peer.connectionState == "closed")
    place.services.hub.publish(f"captions:{stream}", "caption", {})
    await page.send_json({"type": "subscribe", "topics": [{"topic": f"stream:{stream}"}]})
    assert (await told(page, "error"))["data"]["code"] == "unknown-stream"
    await page.close()
    await peer.close()


@pytest.mark.parametrize("how", ["private", "banned", "blocked", "removed", "signed out", "disabled", "link renewed"])
async def test_listeners_lose_their_connection_with_their_right(place: Town, offer: Offer, how: str) -> None:
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    services = place.services
    stream = await go_live(anna, offer, access="link" if how == "link renewed" else "public")
    channel = services.media.stream(stream).channel_id
    access = f"/api/v1/streams/{stream}/access"
    async with anna.http.get(access) as response:
        link = ((await response.json())["link"] or "").partition("#link=")[2]
    page = await subscribe(ben.http, *([f"stream:{stream}"] if how != "link renewed" else []))
    assert (await listen(ben.http, anna.channel, offer, **{"Clearcast-Link": link})).status == 201
    (guest,) = services.guests.on(channel)
    match how:
        case "private":
            await anna.http.put(access, json={"access": "private"})
        case "banned":
            async with anna.http.put(f"/api/v1/channels/{anna.channel}/bans/{ben.id}") as response:
                assert response.status == 204
        case "blocked":
            await services.store.friends.block(anna.id, ben.id, services.clock.wall())
            services.circles.changed(anna.id, ben.id)
        case "removed":
            async with anna.http.delete(f"/api/v1/streams/{stream}/listeners/{guest.peer_id}") as response:
                assert response.status == 204
        case "signed out":
            await ben.http.post("/api/v1/auth/sign-out")
        case "disabled":
            await services.administration.disable(guest.actor, ben.id, True, "")
        case "link renewed":
            await anna.http.post(f"{access}/link")
    await until(lambda: not services.guests.on(channel), limit=5)
    if how in ("signed out", "disabled"):
        while (message := await page.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == aiohttp.WSCloseCode.POLICY_VIOLATION
    elif how != "link renewed":
        reason = {"private": "access", "blocked": "access"}.get(how, how)
        assert (await told(page, "removed"))["data"] == {"reason": reason, "session": guest.peer_id}
    status = 201 if how == "removed" else 401 if how in ("signed out", "disabled") else 404
    if how not in ("signed out", "disabled"):
        assert (await listen(ben.http, anna.channel, offer, **{"Clearcast-Link": link})).status == status
    await page.close()


async def test_a_locked_stream_keeps_who_is_there(place: Town, offer: Offer) -> None:
    anna, ben, cleo = [await place.add(name) for name in ("anna", "ben", "cleo")]
    stream = await go_live(anna, offer, access="public")
    answer = await listen(ben.http, anna.channel, offer)
    async with anna.http.put(f"/api/v1/streams/{stream}/access", json={"access": "public", "locked": True}) as response:
        assert (await response.json())["locked"] is True
    data = await offer("recvonly")
    async with cleo.http.post(f"/whep/{anna.channel}", data=data, headers=SDP) as response:
        assert (await problem(response, 403))["code"] == "locked"
    await place.services.oversight.settle()
    assert [guest.actor.id for guest in place.services.guests.everybody()] == [ben.id]
    async with ben.http.delete(answer.headers["Location"]) as response:
        assert response.status == 200


async def test_a_link_lets_in_whoever_has_it_until_it_is_made_anew(place: Town, offer: Offer) -> None:
    anna = await place.add("anna")
    recording = await kept(place, anna, "talk", Access.LINK)
    guest = await place.client()
    async with guest.get(f"/api/v1/recordings/{recording}") as response:
        await problem(response, 401)
    async with anna.http.get(f"/api/v1/recordings/{recording}/access") as response:
        path, _, key = (await response.json())["link"].partition("#link=")
    assert path == f"/recordings/{recording}"
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), "r.talk", "", "r.talk." + "é" * 22):
        async with guest.post("/api/v1/links/open", json={"key": wrong}) as response:
            assert (await problem(response, 404))["code"] == "unknown-link"
    async with guest.post("/api/v1/links/open", json={"key": key}) as response:
        assert response.status == 204
        assert "HttpOnly" in response.headers["Set-Cookie"] and "SameSite=Lax" in response.headers["Set-Cookie"]
    async with guest.get(f"/api/v1/recordings/{recording}") as response:
        assert (await response.json())["access"] is None
    async with anna.http.post(f"/api/v1/recordings/{recording}/access/link") as response:
        renewed = (await response.json())["link"].partition("#link=")[2]
    async with guest.get(f"/api/v1/recordings/{recording}") as response:
        await problem(response, 401)
    async with guest.get(f"/api/v1/recordings/{recording}", headers={"Clearcast-Link": renewed}) as response:
        assert response.status == 200


async def test_lists_are_counted_and_parted_by_what_one_may_see(place: Town) -> None:
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    for number in range(6):
        await kept(place, anna, f"talk{number}", Access.PUBLIC if number % 2 else Access.PRIVATE)
    for person, total in ((anna, 6), (ben, 3)):
        found: list[str] = []
        params: dict[str, str] = {"limit": "2", "owner": anna.id}
        while True:
            async with person.http.get("/api/v1/recordings", params=params) as response:
                page = await response.json()
            assert page["total"] == total
            found += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            params["cursor"] = page["next"]
        assert len(found) == len(set(found)) == total


async def test_a_channel_without_a_rule_goes_by_what_its_owner_wants_for_everything(place: Town, offer: Offer) -> None:
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    for access, status in (("public", 200), ("private", 404)):
        async with anna.http.patch("/api/v1/account/profile", json={"preferences": {"access": access}}) as response:
            assert response.status == 200, await response.text()
        async with ben.http.get(f"/api/v1/channels/{anna.channel}") as response:
            assert response.status == status
    stream = await go_live(anna, offer)
    async with anna.http.get(f"/api/v1/streams/{stream}/access") as response:
        assert (await response.json())["access"] == "private"


@pytest.mark.parametrize("how", ["revoked", "rotated", "expired"])
async def test_whoever_came_in_with_a_key_goes_with_it(place: Town, offer: Offer, how: str) -> None:
    """Socket, long answer and connection, all opened with an API key; another key's stay."""
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    services, user = place.services, await place.services.store.users.get(ben.id)
    stream = await go_live(anna, offer, access="public")
    channel, scopes = services.media.stream(stream).channel_id, {Scope.READ, Scope.LISTEN}
    end = services.clock.wall() + timedelta(seconds=2 if how == "expired" else 3600)
    key, text = await services.keys.create(user, "radio", scopes, end)
    _, other = await services.keys.create(user, "stays", scopes)
    pages, readers, programs = [], [], []
    for secret in (text, other):
        programs.append(http := await place.client(headers={"Authorization": f"Bearer {secret}"}))
        pages.append(await subscribe(http, "streams"))
        readers.append(await http.get(f"/api/v1/streams/{stream}/captions/events"))
        assert (await listen(http, anna.channel, offer)).status == 201
    assert len(services.guests.on(channel)) == 2
    began = asyncio.get_running_loop().time()
    if how == "revoked":
        await services.keys.revoke(key)
    elif how == "rotated":
        await services.keys.rotate(key)
    while (message := await pages[0].receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert message.data == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert how != "expired" or services.clock.wall() >= end  # and not before
    assert how == "expired" or asyncio.get_running_loop().time() - began < 1
    async with asyncio.timeout(30):
        await readers[0].content.read()
    await until(lambda: len(services.guests.on(channel)) == 1)
    async with programs[0].get("/api/v1/me") as response:
        await problem(response, 401)
    assert not pages[1].closed and (await told(pages[1], "snapshot"))["topic"] == "streams"
    async with programs[1].get("/api/v1/me") as response:
        assert response.status == 200


async def test_how_much_room_somebody_has_is_told_to_nobody_else(place: Town, offer: Offer) -> None:
    """Whoever listens sees that it is not recorded, and no word of why: on the air, in events, afterwards."""
    anna, ben = [await place.add(name) for name in ("anna", "ben")]
    await befriend(place, anna, ben)
    stream = await go_live(anna, offer, record="true")
    pages = {person.name: await subscribe(person.http, "streams", f"stream:{stream}") for person in (anna, ben)}
    for page in pages.values():
        await told(page, "snapshot", f"stream:{stream}")
    words = "the storage of this account is full (5.0 GB of 5.0 GB are used)"
    await place.services.media.update(stream, StreamChange(record=False, recording_detail=words))
    assert (await told(pages["anna"], "recording_told"))["data"] == {"stream": stream, "on": False, "detail": words}
    again = await subscribe(ben.http, "streams")
    assert words not in await again.receive_str(timeout=30)
    async with anna.http.post(f"/api/v1/streams/{stream}/end") as response:
        assert response.status < 300
    heard = []
    while not heard or heard[-1]["type"] != "stream_ended":
        heard.append(await pages["ben"].receive_json(timeout=30))
    assert "stream_updated" in {event["type"] for event in heard}
    assert words not in json.dumps(heard)
    past = await kept(place, anna, "past", Access.FRIENDS)
    await place.services.store.change_recording(past, detail=words)
    for person, seen in ((anna, words), (ben, "")):
        async with person.http.get(f"/api/v1/recordings/{past}") as response:
            assert (await response.json())["detail"] == seen
