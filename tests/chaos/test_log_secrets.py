"""What a whole server logs at its most talkative: nothing that lets somebody in or tells where somebody is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import aiohttp

from tests.chaos.scene import Ear, Speaker, own_channel, request, whole_server
from tests.rtc.peers import BROWSER_OFFER

PASSWORD = "OtSK0WpNtpUjkY4+86js7ZQl"
CREDENTIAL = "turn-credential-of-mine"
BEARER = "bearer-Of_somebody-4711"
FOREIGN = "f0reignT0ken_" + "aB3-x" * 6
ICE = json.dumps([{"urls": "turn:127.0.0.1:1", "username": "turn-user-17", "credential": CREDENTIAL}])
SDP = {"Content-Type": "application/sdp", "Authorization": f"Bearer {BEARER}"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def test_no_secret_gets_into_the_log(tmp_path: Path) -> None:
    secrets = {PASSWORD, CREDENTIAL, "turn-user-17", BEARER, FOREIGN}
    async with whole_server(tmp_path, log_level="debug", log_format="json", ice_servers=ICE) as server:
        slug = await own_channel(server)
        speaker, ear = await Speaker.start(server), await Ear.start(server)
        await ear.heard(0.2)
        secrets.add(speaker.publication.location.rpartition("/")[2])
        async with aiohttp.ClientSession(server.url) as http:
            async with http.post(f"/whep/{slug}", data=BROWSER_OFFER, headers=SDP) as response:
                assert response.status == 201
                session = response.headers["Location"]
                answer = await response.text()
            secrets |= {session.rpartition("/")[2], *re.findall(r"a=ice-pwd:(\S+)", answer)}
            for offer in (BROWSER_OFFER, BROWSER_OFFER.replace("m=audio", "m=nothing"), BROWSER_OFFER[:200], PASSWORD):
                resume = {"Clearcast-Resume-Token": FOREIGN}
                async with http.post(f"/whip/{slug}", data=offer, headers=SDP | resume) as response:
                    assert response.status in (400, 403, 409)
            for fragment in (
                f"a=ice-ufrag:ETEn\r\na=ice-pwd:{PASSWORD}\r\n",
                "a=ice-pwd:\x00",
                "a=candidate:1 1 udp x",
            ):
                async with http.patch(session, data=fragment, headers=FRAGMENT) as response:
                    assert response.status < 500
            async with http.delete(session, headers={"Authorization": f"Bearer {BEARER}"}) as response:
                assert response.status == 200
        await request(server, "POST", "/api/v1/channels", json={"name": "x", "token": FOREIGN})
        await speaker.stop()
        await ear.stop()
    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert {"request", "stream"} <= {line["event"] for line in lines}
    assert any("/whip/" in line.get("path", "") for line in lines)
    assert [secret for secret in secrets if secret in text] == []
    assert "a=fingerprint" not in text
