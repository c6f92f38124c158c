"""A real browser publishes and listens: what no library of ours can prove about itself."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from tests.client.conftest import Relay
from tests.conftest import LaunchChromium, new_page
from tests.rtc.peers import until
from tests.wire import LossyWire

CONNECT = """
async ([kind, url]) => {
  const peer = new RTCPeerConnection();
  window[kind] = peer;
  if (kind === "whip") {
    const audio = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
    const stream = await navigator.mediaDevices.getUserMedia({audio});
    peer.addTransceiver(stream.getAudioTracks()[0], {direction: "sendonly"});
  } else {
    peer.addTransceiver("audio", {direction: "recvonly"});
    peer.ontrack = ({track}) => {
      const element = document.body.appendChild(document.createElement("audio"));
      element.srcObject = new MediaStream([track]);
      element.play();
    };
  }
  await peer.setLocalDescription();
  const response = await fetch(url, {
    method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp,
  });
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  return response.status;
}
"""

HEARD = """
async () => {
  for (const report of (await window.whep.getStats()).values()) {
    if (report.type === "inbound-rtp") {
      return {
        received: report.packetsReceived, total: report.totalSamplesReceived, concealed: report.concealedSamples,
        silent: report.silentConcealedSamples, nacks: report.nackCount || 0, energy: report.totalAudioEnergy,
      };
    }
  }
  return null;
}
"""


async def test_chromium_publishes_listens_and_gets_lost_packets_again(
    relay: Relay, launch_chromium: LaunchChromium
) -> None:
    browser = await launch_chromium()
    page = await new_page(browser, permissions=["microphone"])
    await page.goto(f"{relay.url}/api/v1/me")

    assert await page.evaluate(CONNECT, ["whip", f"{relay.url}/whip/main"]) == 201
    await until(lambda: len(relay.audio) > 50, timeout=60)
    steps = np.diff([audio.rtp_time for audio in relay.audio])
    assert set(steps.tolist()) == {960}
    assert all(audio.samples.shape == (960,) for audio in relay.audio)
    levels = [float(np.sqrt(np.mean(audio.samples**2))) for audio in relay.audio]
    assert max(levels) > 0.01  # it beeps

    wire = LossyWire()
    relay.wire = wire
    assert await page.evaluate(CONNECT, ["whep", f"{relay.url}/whep/main"]) == 201
    await until(lambda: relay.listeners and relay.listeners[0].sent > 25, timeout=60)
    wire.loss = 0.05
    for _ in range(5):  # a busy machine may cost some sound as well
        before: dict[str, Any] = await page.evaluate(HEARD)
        enough = wire.lost + 8
        await until(lambda enough=enough: wire.lost >= enough, timeout=60)  # type: ignore[misc]
        after: dict[str, Any] = await page.evaluate(HEARD)
        concealed = (after["concealed"] - before["concealed"]) / (after["total"] - before["total"])
        if concealed < 0.03:
            break
    wire.close()
    assert after["nacks"] > before["nacks"]
    assert concealed < 0.03  # without repair it would be more than the loss
    assert after["energy"] > before["energy"]


HIDDEN = """
async ([kind, url]) => {
  const peer = new RTCPeerConnection();
  window[kind] = peer;
  if (kind === "whip") {
    const context = new AudioContext();
    const tone = context.createOscillator();
    const target = context.createMediaStreamDestination();
    tone.connect(target);
    tone.start();
    peer.addTransceiver(target.stream.getAudioTracks()[0], {direction: "sendonly"});
  } else {
    peer.addTransceiver("audio", {direction: "recvonly"});
  }
  await peer.setLocalDescription();
  if (peer.iceGatheringState !== "complete")
    await new Promise((done) => peer.addEventListener("icegatheringstatechange",
      () => peer.iceGatheringState === "complete" && done()));
  const offer = peer.localDescription.sdp;
  const response = await fetch(url, {method: "POST", headers: {"Content-Type": "application/sdp"}, body: offer});
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  return offer.split("\\r\\n").filter((line) => line.startsWith("a=candidate:")).map((line) => line.split(" ")[4]);
}
"""


async def test_chromium_that_hides_its_addresses_publishes_and_listens(
    relay: Relay, launch_chromium: LaunchChromium
) -> None:
    # A page that was granted a microphone is told the machine's addresses, and here every page would be.
    browser = await launch_chromium(without=["--use-fake-ui-for-media-stream"])
    page = await new_page(browser)
    await page.goto(f"{relay.url}/api/v1/me")
    for kind in ("whip", "whep"):
        told = await page.evaluate(HIDDEN, [kind, f"{relay.url}/{kind}/main"])
        assert told
        assert [address for address in told if not address.endswith(".local")] == []
    await until(lambda: len(relay.audio) > 50, timeout=60)
    await until(lambda: relay.listeners[0].sent > 50, timeout=60)
    heard: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while heard.get("received", 0) < 50:
            heard = await page.evaluate(HEARD) or {}
            await asyncio.sleep(0.1)
    async with asyncio.timeout(60):
        while relay.listeners[0].statistics.round_trip_s is None:  # Chromium reports how it hears
            await asyncio.sleep(0.1)
    assert relay.listeners[0].statistics.loss == 0
