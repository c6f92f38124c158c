"""Everything that a server may be sent and should not be, while somebody is live and somebody listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from server.bench.local import LocalServer
from tests.chaos.scene import Ear, Speaker, own_channel, recording_of, request, whole_server
from tests.rtc.peers import BROWSER_OFFER, damaged

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
JSON = {"Content-Type": "application/json"}
AUDIO_AT = BROWSER_OFFER.index("m=audio")
CANDIDATE = "a=candidate:{0} 1 udp 2122260223 192.0.2.77 {0} typ host\r\n"

Case = tuple[str, str, dict[str, str], bytes | str, set[int]]


def offers(url: str) -> list[Case]:
    """What is no offer, posted where offers belong."""
    only_video = BROWSER_OFFER[:AUDIO_AT] + BROWSER_OFFER[BROWSER_OFFER.index("m=application") :]
    crowded = BROWSER_OFFER.replace("a=ice-options:trickle\r\n", "".join(CANDIDATE.format(n) for n in range(1, 1001)))
    binary = random.Random(2).randbytes(20_000)
    section = BROWSER_OFFER[AUDIO_AT : BROWSER_OFFER.index("m=application")]
    head, data = BROWSER_OFFER[: BROWSER_OFFER.index("m=video")], BROWSER_OFFER[BROWSER_OFFER.index("m=application") :]
    bodies: list[tuple[dict[str, str], bytes | str, set[int]]] = [
        (SDP, head + data, {400}),
        (SDP, head + data * 20, {400}),
        (SDP, head + section * 100, {400, 413}),
        (SDP, head + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 100, {400}),
        (SDP, BROWSER_OFFER + "a=" + "x" * 1_000_000 + "\r\n", {413}),
        (SDP, "", {400}),
        (SDP, "hello", {400}),
        (SDP, "v=0\r\n" * 1_000, {400}),
        (SDP, BROWSER_OFFER[: AUDIO_AT + 60], {400}),
        (SDP, only_video, {400}),
        (SDP, crowded, {400}),
        (SDP, BROWSER_OFFER + "a=x:y\r\n" * 20_000, {413}),
        (SDP, b"\xff" * 3_000_000, {413}),
        (SDP, binary, {400}),
        (SDP, b"\x00" * 100, {400}),
        ({"Content-Type": "text/plain"}, BROWSER_OFFER, {415}),
        ({}, BROWSER_OFFER, {415}),
        ({**SDP, "Accept": "text/html"}, BROWSER_OFFER, {406}),
    ]
    return [("POST", url, headers, body, statuses) for headers, body, statuses in bodies]


def texts(path: str, method: str, name: str) -> list[Case]:
    """Bodies that are not what a route of the API wants."""
    bodies: list[tuple[bytes, set[int]]] = [
        (b"", {400}),
        (b"{", {400}),
        (b"[" * 100_000, {400}),
        (b'{"x": NaN}', {400}),
        (b"\xff\xfe\x00", {400}),
        (b'{"%s": "\\ud800"}' % name.encode(), {400}),
        (b'{"%s": "\xe2\x28"}' % name.encode(), {400}),
        (json.dumps({name: "x" * 10_000}).encode(), {400}),
        (json.dumps({name: "a\0b"}).encode(), {400}),
        (json.dumps({name: ["x"] * 40_000}).encode(), {400}),
        (json.dumps({name: "x" * 5_000_000}).encode(), {413}),
        (b'{"%s": %s}' % (name.encode(), b"9" * 5_000), {400}),
    ]
    return [(method, path, JSON, body, statuses) for body, statuses in bodies]


def addresses(recording: str) -> list[Case]:
    """Paths that lead out of a folder, and things that are not there."""
    up = ("..%2f", "%2e%2e/", "..%5c", "....//", "%252e%252e%252f")
    paths = [f"/static/{step * 8}etc/passwd" for step in up] + ["/static/%00", "/static//etc/passwd", "/static/."]
    paths += [f"/api/v1/recordings/{step * 3}/audio" for step in up]
    paths += ["/api/v1/recordings/.bin/audio", "/api/v1/recordings/%00/audio", f"/api/v1/recordings/{'a' * 3000}"]
    paths += ["/api/v1/streams/nothing", "/api/v1/channels/nobody", f"/api/v1/recordings/{recording}x/peaks"]
    return [("GET", path, {}, b"", {400, 404}) for path in paths]


def ranges(recording: str) -> list[Case]:
    """Parts of a file that there are not."""
    audio = f"/api/v1/recordings/{recording}/audio"
    return [
        ("GET", audio, {"Range": "bytes=99999999-"}, b"", {416}),
        ("GET", audio, {"Range": "bytes=5-2"}, b"", {416, 200}),
        ("GET", audio, {"Range": "chapters=1-2"}, b"", {416, 200}),
        ("GET", audio, {"Range": "bytes=" + "0-1," * 2_000}, b"", {416, 200, 400}),
        ("GET", audio + "?version=secret", {}, b"", {400}),
        ("GET", audio + "?download=perhaps", {}, b"", {400}),
    ]


async def failures(http: aiohttp.ClientSession, server: LocalServer, cases: list[Case]) -> list[str]:
    """What was answered otherwise than with one of the expected statuses and a problem document."""
    found = []
    for method, path, headers, body, statuses in cases:
        told = f"{method} {path[:90]} {str(headers)[:60]} {body[:40]!r}"
        url = URL(server.url + path, encoded=True)
        # Without `skip_auto_headers` the client would name a content type of its own.
        async with http.request(
            method, url, headers=headers, data=body or None, skip_auto_headers=["Content-Type"], allow_redirects=False
        ) as response:
            text = await response.text(errors="replace")
        if response.status not in statuses:
            found.append(f"{told}: {response.status}, not {statuses}: {text[:100]}")
        elif response.status >= 400:
            problem: dict[str, Any] = json.loads(text) if response.content_type == "application/problem+json" else {}
            if problem.get("status") != response.status or not problem.get("detail") or not problem.get("code"):
                found.append(f"{told}: {response.status} {response.content_type}: {text[:100]}")
    return found


async def finished_recording(server: LocalServer) -> str:
    speaker = await Speaker.start(server, "second")
    await speaker.said(0.5)
    await speaker.stop()
    await recording_of(server, speaker.id)
    return speaker.id


def everything(slug: str, session: str, stream: str, recording: str) -> list[Case]:
    """What is to be refused: of a channel, of a peer that has not connected, of a stream and of a recording."""
    return [
        # The peer is given up after half a minute.
        ("PATCH", session, FRAGMENT, CANDIDATE.format(1) * 1_000, {413}),
        ("PATCH", session, FRAGMENT, CANDIDATE.format(1) * 100, {400, 413}),
        ("PATCH", session, FRAGMENT, b"\xff\x00", {400}),
        ("PATCH", session + "x", FRAGMENT, "", {404}),
        ("DELETE", "/whip/second/" + session.rpartition("/")[2], {}, b"", {404}),
        *offers("/whip/second"),
        *offers("/whep/second"),
        ("POST", f"/whip/{slug}", SDP, BROWSER_OFFER, {409}),
        ("POST", "/whip/nobody", SDP, BROWSER_OFFER, {404}),
        ("POST", "/whep/nobody", SDP, BROWSER_OFFER, {404}),
        ("POST", "/whip/second?title=" + "x" * 10_000, SDP, BROWSER_OFFER, {400}),
        ("POST", "/whip/second?title=%ff%00", SDP, BROWSER_OFFER, {400}),
        *texts("/api/v1/channels", "POST", "name"),
        *texts(f"/api/v1/streams/{stream}", "PATCH", "title"),
        *texts(f"/api/v1/recordings/{recording}", "PATCH", "title"),
        *addresses(recording),
        *ranges(recording),
        ("GET", "/api/v1/streams?limit=0", {}, b"", {400}),
        ("GET", "/api/v1/streams?cursor=%ff", {}, b"", {400}),
        ("GET", "/api/v1/recordings?cursor=" + "A" * 199, {}, b"", {400}),
        ("PROPFIND", "/api/v1/me", {}, b"", {405}),
    ]


async def send_noise(http: aiohttp.ClientSession, server: LocalServer) -> None:
    """Offers that were damaged, and what is no HTTP at all."""
    chaos = random.Random(4)
    for _ in range(60):  # what is left of an offer is answered or refused
        body = damaged(BROWSER_OFFER, chaos, chaos.randrange(1, 30)).encode("utf-8", "replace")
        async with http.post(f"{server.url}/whep/second", data=body, headers=SDP) as response:
            assert response.status in (201, 400), await response.text()
    for noise in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", chaos.randbytes(5_000), b"GET /?" + b"A" * 100_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(noise)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            assert b"200 OK" not in await asyncio.wait_for(reader.read(200), 60)
        writer.close()


@pytest.mark.slow
async def test_nothing_that_is_sent_disturbs_who_is_live(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server, aiohttp.ClientSession() as http:
        await request(server, "POST", "/api/v1/channels", json={"name": "Second", "slug": "second"})
        recording = await finished_recording(server)
        ear = await Ear.start(server)
        speaker = await Speaker.start(server)
        slug = await own_channel(server)
        async with http.post(f"{server.url}/whep/second", data=BROWSER_OFFER, headers=SDP) as response:
            session = response.headers["Location"]
        cases = everything(slug, session, speaker.id, recording)
        assert "\n".join(await failures(http, server, cases)) == ""
        await send_noise(http, server)

        stream = await server.get(f"/api/v1/streams/{speaker.id}")
        assert stream["state"] == "live"
        assert [item["id"] for item in (await server.get("/api/v1/streams?state=live"))["items"]] == [speaker.id]
        await speaker.stop()
        await ear.stop()
        ear.assert_whole()
