"""WHIP (RFC 9725) and WHEP: what is answered to whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.config import IceServer
from server.web.handlers.signalling import ice_link
from tests.web.test_routes import problem

Offer = Callable[..., Awaitable[str]]
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
BOTH = pytest.mark.parametrize(("kind", "direction"), [("whip", "sendonly"), ("whep", "recvonly")])


@BOTH
async def test_an_offer_is_answered(http: aiohttp.ClientSession, offer: Offer, kind: str, direction: str) -> None:
    offered = await offer(direction)
    async with http.post(f"/{kind}/studio", data=offered, headers=SDP) as response:
        text = await response.text()
        assert response.status == 201, text
        assert response.headers["Content-Type"] == "application/sdp"  # some clients compare the whole header
        assert text.startswith("v=0")
        assert response.headers["ETag"].startswith('"')
        assert response.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
        location = response.headers["Location"]
        assert location.startswith(f"/{kind}/studio/")
        assert ("Clearcast-Stream" in response.headers) == (kind == "whip")
        etag = response.headers["ETag"]

    ufrag = next(line for line in offered.splitlines() if line.startswith("a=ice-ufrag:"))
    pwd = next(line for line in offered.splitlines() if line.startswith("a=ice-pwd:"))
    fragment = f"{ufrag}\r\n{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=end-of-candidates\r\n"
    async with http.patch(location, data=fragment, headers=FRAGMENT) as response:
        assert response.status == 204, await response.text()
    restart = fragment.replace(ufrag, "a=ice-ufrag:another")
    async with http.patch(location, data=restart, headers=FRAGMENT) as response:
        assert (await problem(response, 422))["code"] == "restart-unsupported"
    async with http.patch(location, data=fragment, headers={**FRAGMENT, "If-Match": '"another"'}) as response:
        assert (await problem(response, 412))["code"] == "precondition-failed"
    async with http.patch(location, data=fragment, headers={**FRAGMENT, "If-Match": "*"}) as response:
        assert (await problem(response, 422))["code"] == "restart-unsupported"
    async with http.patch(location, data=fragment, headers=SDP) as response:
        await problem(response, 415)
    async with http.patch(location, data=b"\xff\x00", headers={**FRAGMENT, "If-Match": etag}) as response:
        await problem(response, 400)
    async with http.get(location) as response:
        await problem(response, 405)
        assert "DELETE" in response.headers["Allow"]
    other = location.replace("/whip/", "/whep/") if kind == "whip" else location.replace("/whep/", "/whip/")
    for wrong in (other, location[:-1], location.split(".")[0], location.replace("studio/", "studio/x")):
        async with http.delete(wrong) as response:
            await problem(response, 404)  # the right to listen ends no stream
    async with http.delete(location) as response:
        assert response.status == 200
    async with http.delete(location) as response:
        await problem(response, 404)
    async with http.patch(location, data=fragment, headers=FRAGMENT) as response:
        await problem(response, 404)


@BOTH
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param("not sdp", SDP, 400, id="malformed"),
        pytest.param("", SDP, 400, id="empty"),
        pytest.param("v=0\r\n" * 10, SDP, 400, id="hollow"),
        pytest.param(b"\xff\xfe\x00", SDP, 400, id="bytes"),
        pytest.param("v=0", {"Content-Type": "application/json"}, 415, id="type"),
        pytest.param("v=0\r\n" + "a=x\r\n" * 20_000, SDP, 413, id="huge"),
        pytest.param("v=0", {**SDP, "Accept": "text/html"}, 406, id="accept"),
    ],
)
async def test_offers_that_cannot_be_answered(
    http: aiohttp.ClientSession, kind: str, direction: str, body: Any, headers: dict[str, str], status: int
) -> None:
    async with http.post(f"/{kind}/studio", data=body, headers=headers) as response:
        await problem(response, status)


async def test_a_huge_offer_without_a_length_is_cut_off(http: aiohttp.ClientSession) -> None:
    async def endless() -> Any:
        for _ in range(200):
            yield b"a=x\r\n" * 1_000

    async with http.post("/whip/studio", data=endless(), headers=SDP) as response:
        await problem(response, 413)


@BOTH
async def test_an_offer_without_audio(http: aiohttp.ClientSession, offer: Offer, kind: str, direction: str) -> None:
    async with http.post(f"/{kind}/studio", data=await offer(direction, "video"), headers=SDP) as response:
        body = await problem(response, 400)
    assert "audio" in body["detail"]


@BOTH
async def test_an_unknown_channel(http: aiohttp.ClientSession, offer: Offer, kind: str, direction: str) -> None:
    async with http.post(f"/{kind}/nobody", data=await offer(direction), headers=SDP) as response:
        assert (await problem(response, 404))["code"] == "unknown-channel"


async def test_a_live_channel_takes_no_second_publisher(http: aiohttp.ClientSession, offer: Offer) -> None:
    first, second = await offer(), await offer()  # a second of silence would let the other one in
    async with http.post("/whip/studio", data=first, headers=SDP) as response:
        assert response.status == 201
    async with http.post("/whip/studio", data=second, headers=SDP) as response:
        body = await problem(response, 409)
    assert body["code"] == "channel-live"


async def test_the_resume_token_takes_a_stream_over_at_once(http: aiohttp.ClientSession, offer: Offer) -> None:
    async with http.post("/whip/studio", data=await offer(), headers=SDP) as response:
        token, stream_id = response.headers["Clearcast-Resume-Token"], response.headers["Clearcast-Stream"]
    async with http.post("/whep/studio", data=await offer("recvonly"), headers=SDP) as response:
        assert "Clearcast-Resume-Token" not in response.headers
    page = await http.ws_connect("/api/v1/events")
    await page.send_json({"type": "subscribe", "topics": [{"topic": f"stream:{stream_id}"}]})
    snapshot = await page.receive_json(timeout=30)
    assert token not in str(snapshot)
    headers = {**SDP, "Clearcast-Resume-Token": token}
    etags = []
    for _ in range(2):
        async with http.post("/whip/studio", data=await offer(), headers=headers) as response:
            assert response.status == 201
            assert response.headers["Clearcast-Resume-Token"] == token
            assert response.headers["Clearcast-Stream"] == stream_id
            etags.append(response.headers["ETag"])
    replaced = {"stream": stream_id, "session": etags[0].strip('"')}
    while (said := await page.receive_json(timeout=30))["data"] != replaced:
        pass
    assert said["type"] == "publisher_replaced"
    async with http.post(
        "/whip/studio", data=await offer(), headers={**SDP, "Clearcast-Resume-Token": token[::-1]}
    ) as response:
        refused = await problem(response, 403)
    assert refused["code"] == "resume-refused"
    async with http.post(
        "/whip/studio", data=await offer(), headers={**SDP, "Clearcast-Resume-Token": " "}
    ) as response:
        assert (await problem(response, 409))["code"] == "channel-live"
    await page.close()


async def test_limits_say_when_to_come_back(start: Callable[..., Any], offer: Offer) -> None:
    server: Server = await start(max_streams=1, max_listeners=1)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.post("/api/v1/channels", json={"name": "Second"}) as response:
            assert response.status == 201
        for path, direction in (("/whip/{}", "sendonly"), ("/whep/{}", "recvonly")):
            for slug, status in (("studio", 201), ("second" if "whip" in path else "studio", 503)):
                async with http.post(path.format(slug), data=await offer(direction), headers=SDP) as response:
                    assert response.status == status
                    assert status == 201 or int(response.headers["Retry-After"]) > 0


async def test_those_who_open_connections_and_never_come_are_bounded(start: Callable[..., Any], offer: Offer) -> None:
    server: Server = await start(max_pending_peers=2)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        for status in (201, 201, 503):
            async with http.post("/whep/studio", data=await offer("recvonly"), headers=SDP) as response:
                assert response.status == status
                refusal = await response.text() if status == 503 else ""
        assert '"too-many-pending"' in refusal
        assert int(response.headers["Retry-After"]) > 0


async def test_the_wishes_of_a_publisher(server: Server, http: aiohttp.ClientSession, offer: Offer) -> None:
    query = {"title": "Über 你好", "denoise": "bypassed", "record": "false", "vendor": "ignored"}
    async with http.post("/whip/studio", params=query, data=await offer(), headers=SDP) as response:
        assert response.status == 201
        stream_id = response.headers["Clearcast-Stream"]
    async with http.get(f"/api/v1/streams/{stream_id}") as response:
        stream = await response.json()
    assert (stream["title"], stream["denoise"]["mode"], stream["recording"]["on"]) == ("Über 你好", "bypassed", False)
    async with http.post("/whip/studio", params={"denoise": "sometimes"}, data="v=0", headers=SDP) as response:
        await problem(response, 400)


@pytest.mark.parametrize("path", ["/whip/studio", "/whep/studio", "/whip/never-heard-of"])
async def test_options_say_what_may_be_sent(http: aiohttp.ClientSession, path: str) -> None:
    async with http.options(path) as response:
        assert response.status == 204
        assert response.headers["Accept-Post"] == "application/sdp"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_ice_servers_are_handed_out(start: Callable[..., Any], offer: Offer) -> None:
    turn = {"urls": "turn:turn.example.org:3478?transport=udp", "username": 'a"b', "credential": "c"}
    server: Server = await start(ice_servers=[{"urls": "stun:stun.example.org"}, turn])
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.options("/whep/studio") as response:
            links = response.headers.getall("Link")
        async with http.get("/api/v1/config") as response:
            assert (await response.json())["ice_servers"] == [{"urls": "stun:stun.example.org"}, turn]
    assert links[0] == '<stun:stun.example.org>; rel="ice-server"'
    assert links[1].endswith('rel="ice-server"; username="a\\"b"; credential="c"; credential-type="password"')
    assert ice_link(IceServer(urls="stun:x")) == '<stun:x>; rel="ice-server"'
    strange = IceServer(urls="turn:x", username="a\r\nX-Evil: b", credential="s\\ecret")
    assert ice_link(strange).endswith('; username="aX-Evil: b"; credential="s\\\\ecret"; credential-type="password"')


async def test_other_sites_may_not_call_unless_they_are_listed(start: Callable[..., Any], offer: Offer) -> None:
    server: Server = await start(cors_origins=["https://friend.example"])
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.options("/whip/studio", headers={**preflight, "Origin": "https://friend.example"}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://friend.example"
            assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
            allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
            assert {"If-Match", "Clearcast-Resume-Token"} <= set(allowed)
        async with http.options("/whip/studio", headers={**preflight, "Origin": "https://other.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        headers = {**SDP, "Origin": "https://friend.example"}
        async with http.post("/whip/studio", data=await offer(), headers=headers) as response:
            assert response.status == 201
            exposed = response.headers["Access-Control-Expose-Headers"]
            assert {"Location", "ETag", "Link", "Clearcast-Resume-Token", "Retry-After"} <= set(exposed.split(", "))
        async with http.post(
            "/whip/studio", data="v=0", headers={**SDP, "Origin": "https://other.example"}
        ) as response:
            await problem(response, 403)
            assert "Access-Control-Allow-Origin" not in response.headers
