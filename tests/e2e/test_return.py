"""Talkers who come back: on another network, in another window, after a reload or a sleep, without a microphone."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.clock import SAMPLE_RATE
from tests.e2e.house import House, browse, called, descendants, go_live, hears, live_streams, open_listening, says, tell

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

WATCH_STATES = """
async () => {
  const { publisher } = await import(new URL("studio/publisher.js", document.querySelector("script[type=module]").src));
  window.states = [];
  publisher.watch(() => {
    const now = `${publisher.state} ${publisher.stream?.state}`;
    if (window.states.at(-1) !== now) window.states.push(now);
  });
}
"""
"""Every state that the page and its stream go through from now on."""

UNPLUG = """
async () => {
  const { publisher } = await import(new URL("studio/publisher.js", document.querySelector("script[type=module]").src));
  const [track] = publisher.microphone.stream.getTracks();
  track.stop();
  window.refused = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("gone", "NotFoundError"); };
  track.dispatchEvent(new Event("ended"));
}
"""
"""What a browser does to a track whose device is pulled out; there is none until `PLUG_IN`."""

PLUG_IN = """
() => {
  navigator.mediaDevices.getUserMedia = window.refused;
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
}
"""


async def stream_of(house: House) -> dict[str, Any]:
    [stream] = await live_streams(house.url)
    return stream


async def connections(page: Page) -> list[str]:
    states: list[str] = await page.evaluate("window.__peers.map(peer => peer.connectionState)")
    return states


@pytest.mark.slow
async def test_another_network_takes_over_without_a_gap(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await open_listening(friend, house.url)
    await hears(friend, seconds=2)
    before = await stream_of(house)
    for number in range(1, 6):  # a busy machine takes some of the sound away itself
        await talker.evaluate(WATCH_STATES)
        heard = await friend.evaluate("window.heardStats()")
        await talker.evaluate("window.dispatchEvent(new Event('online'))")
        async with asyncio.timeout(60):
            while await connections(talker) != [*["closed"] * number, "connected"]:
                await asyncio.sleep(0.05)
        await hears(friend, seconds=2)
        now = await friend.evaluate("window.heardStats()")
        lost_s = (now["concealedSamples"] - heard["concealedSamples"]) / SAMPLE_RATE
        states = await talker.evaluate("window.states")
        if lost_s < 0.4 and states == ["live live"]:
            break
    assert states == ["live live"]
    assert lost_s < 0.4
    await talker.get_by_test_id("studio-notice").wait_for(state="hidden")
    assert (await stream_of(house))["id"] == before["id"]
    # The first connection that came keeps the listener, too: nothing was made anew.
    assert await connections(friend) == ["connected"]


@pytest.mark.slow
async def test_a_reload_offers_to_go_on_and_keeps_the_stream(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    talker.on("dialog", leave)
    await go_live(talker, house.url, "Before the reload")
    await open_listening(friend, house.url)
    await hears(friend)
    before = await stream_of(house)
    await talker.get_by_test_id("mute").click()
    await talker.reload()
    assert asked == ["beforeunload"]
    await says(friend.get_by_test_id("listen-notice"), r"lost connection. Waiting for .* \(0:\d\d\).*another 0:\d\d")
    await says(
        talker.get_by_test_id("studio-notice"), r"You were live until a moment ago.*It stays open for another 0:\d\d"
    )
    await talker.get_by_test_id("resume").click()
    await talker.get_by_role("button", name="Stop", exact=True).wait_for()
    await says(talker.get_by_test_id("mute"), "^Unmute$")
    await talker.get_by_test_id("mute").click()
    await hears(friend, seconds=1)
    assert (await stream_of(house))["id"] == before["id"]
    await says(talker.get_by_test_id("title"), "^Before the reload$")


async def test_another_window_takes_the_stream_over_and_the_first_one_says_so(house: House) -> None:
    first, friend = await house.visitor(), await house.visitor()
    await go_live(first, house.url)
    await open_listening(friend, house.url)
    await hears(friend)
    before = await stream_of(house)
    second = await first.context.new_page()
    await second.goto(f"{house.url}/live")
    passed = await first.evaluate("sessionStorage.getItem('clearcast.pass')")
    await second.evaluate(
        "passed => sessionStorage.setItem('clearcast.pass', passed)", passed
    )  # a tab that was doubled
    await second.goto(house.url)
    await says(second.get_by_test_id("studio-notice"), "Your stream is still on the air")
    await second.get_by_test_id("resume").click()
    await second.get_by_role("button", name="Stop", exact=True).wait_for()
    await says(first.get_by_test_id("studio-notice"), "The stream goes on from another window of yours")
    await first.get_by_role("button", name="Go live").wait_for()
    await hears(friend, seconds=1)
    assert (await stream_of(house))["id"] == before["id"]


@pytest.mark.slow
async def test_a_microphone_that_is_pulled_out_leaves_silence_and_comes_back_by_itself(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await open_listening(friend, house.url)
    await hears(friend)
    before = await stream_of(house)
    await talker.evaluate(WATCH_STATES)
    await talker.evaluate(UNPLUG)
    await says(
        talker.get_by_test_id("studio-notice"), "The microphone is gone.|No microphone was found. Listeners hear"
    )
    await talker.wait_for_timeout(4500)  # longer than a connection that sends nothing is taken for lost
    await talker.evaluate(PLUG_IN)
    await talker.get_by_test_id("studio-notice").wait_for(state="hidden")
    await hears(friend, seconds=1)
    assert (await stream_of(house))["id"] == before["id"]
    assert await talker.evaluate("window.states") == ["live live"]


@pytest.mark.slow
async def test_a_laptop_that_slept_goes_on_with_the_stream(house: House, chromium_path: str, talk_file: Path) -> None:
    friend = await house.visitor()
    others = set(descendants(os.getpid()))
    async with browse(chromium_path, talk_file) as browser:
        talker = await house.visitor(browser)
        await go_live(talker, house.url)
        await open_listening(friend, house.url)
        await hears(friend)
        before = await stream_of(house)
        laptop = [process for process in called(os.getpid(), "chrom") if process not in others]
        tell(laptop, signal.SIGSTOP)
        try:
            await says(friend.get_by_test_id("listen-notice"), "lost connection")
            await asyncio.sleep(3)
        finally:
            tell(laptop, signal.SIGCONT)
        await hears(friend, seconds=1)
        await friend.get_by_test_id("listen-notice").wait_for(state="hidden")
        await talker.get_by_test_id("studio-notice").wait_for(state="hidden")
        assert (await stream_of(house))["id"] == before["id"]
        assert await house.leave() == []
