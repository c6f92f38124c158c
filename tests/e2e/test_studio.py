"""Somebody talks and somebody listens, each on their page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import House, go_live, hears, live_streams, open_listening, press, says, stop

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_a_friend_hears_the_talk_and_both_pages_say_so(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url, "Bees and how they find home")
    await says(talker.get_by_test_id("listeners"), "^Nobody is listening yet$")
    await open_listening(friend, house.url)
    for _ in range(6):  # a busy machine may take some of it away
        came = await hears(friend, seconds=2)
        if came["concealedSamples"] / came["totalSamplesReceived"] < 0.05:
            break
    assert came["concealedSamples"] / came["totalSamplesReceived"] < 0.05

    await says(talker.get_by_test_id("listeners"), "^1 listening$")
    await says(talker.get_by_test_id("live-tag"), "^Live$")
    await says(talker.get_by_test_id("quality"), "connection")
    await says(friend.get_by_test_id("listen-title"), "^Bees and how they find home$")
    await says(friend.get_by_test_id("live-tag"), "^Live$")
    await says(friend.get_by_test_id("player-title"), "^Playing$")
    at_first = await talker.get_by_test_id("clock").inner_text()
    await talker.wait_for_function(
        "was => document.querySelector('[data-testid=clock]').textContent > was", arg=at_first
    )
    await stop(talker)
    await says(talker.get_by_test_id("ended"), r"You were live for \d:\d\d.*One person listened.*recording is kept")
    await says(friend.get_by_test_id("listen-notice"), "The stream has ended")
    await talker.get_by_test_id("to-recording").click()
    await says(talker.get_by_test_id("recording-title"), "^Bees and how they find home$")
    await friend.get_by_test_id("to-recording").wait_for()


async def test_stop_has_to_be_held(house: House) -> None:
    talker = await house.visitor()
    await go_live(talker, house.url)
    await press(talker, 100)
    await says(talker.get_by_test_id("level-words"), "Still live. Hold Stop for a second")
    assert await talker.get_by_role("button", name="Stop", exact=True).is_visible()
    await talker.get_by_test_id("go-live").focus()
    await talker.keyboard.press("Enter", delay=100)
    await says(talker.get_by_test_id("level-words"), "Still live")
    assert len(await live_streams(house.url)) == 1
    await talker.keyboard.down("Space")
    await talker.get_by_test_id("ended").wait_for()
    await talker.keyboard.up("Space")
    assert await live_streams(house.url) == []
    assert await talker.get_by_role("button", name="Go live").is_visible()


async def test_noise_removal_and_recording_change_while_live_and_the_listener_sees_it(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await open_listening(friend, house.url)
    await hears(friend)
    facts = friend.get_by_test_id("listen-facts")
    await says(facts, "^Without the noise · being recorded$")
    await talker.get_by_test_id("denoise-live").click()
    await says(facts, "^The original sound · being recorded$")
    await talker.get_by_test_id("record").click()
    await says(facts, "^The original sound · not recorded$")
    await says(talker.locator("p[data-testid=record-words]"), "Nothing is kept")
    await talker.get_by_test_id("denoise-live").click()
    await says(facts, "^Without the noise · not recorded$")
    assert await talker.get_by_test_id("denoise-live").get_attribute("aria-checked") == "true"


async def test_the_strength_changes_while_live_by_mouse_and_keys_and_is_remembered(house: House) -> None:
    async def strength() -> float:
        [stream] = await live_streams(house.url)
        return float(stream["denoise"]["strength"])

    talker = await house.visitor()
    await talker.goto(house.url)
    idle, live = talker.get_by_test_id("strength"), talker.get_by_test_id("strength-live")
    assert await idle.get_attribute("aria-valuetext") == "100 %, full"
    await idle.fill("60")
    await says(talker.locator("p[data-testid=denoise-words]"), "^Medium. ")
    await go_live(talker, house.url)
    assert await strength() == 0.6
    box = await live.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    await talker.mouse.move(box["x"] + box["width"] * 0.6, middle)
    await talker.mouse.down()
    for share in (0.5, 0.4, 0.3, 0.2):
        await talker.mouse.move(box["x"] + box["width"] * share, middle)
    await says(talker.locator(".cause output"), "^Gentle · ")
    await talker.mouse.up()
    await talker.keyboard.press("Home")
    await talker.keyboard.press("ArrowRight")
    async with asyncio.timeout(60):
        while await strength() != 0.05:
            await asyncio.sleep(0.05)
    assert await live.get_attribute("aria-valuetext") == "5 %, gentle"
    await talker.get_by_test_id("denoise-live").click()
    assert await live.is_disabled()
    await talker.get_by_test_id("denoise-live").click()
    await stop(talker)
    await talker.reload()
    assert await idle.get_attribute("aria-valuetext") == "5 %, gentle"


async def test_a_muted_talker_is_not_heard_and_the_page_says_so(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await open_listening(friend, house.url)
    await hears(friend)
    await talker.get_by_test_id("mute").click()
    await says(talker.get_by_test_id("level-words"), "You are muted. Listeners hear silence")
    await hears_silence(friend)
    await talker.get_by_test_id("mute").click()
    await hears(friend)


async def hears_silence(page: Page, seconds: float = 1.5) -> None:
    """Wait until that much came in a row with nothing in it."""
    before = await page.evaluate("window.heardStats()")
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.1)
            now = await page.evaluate("window.heardStats()")
            if now["totalAudioEnergy"] - before["totalAudioEnergy"] > 1e-5:
                before = now
            elif now["totalSamplesReceived"] - before["totalSamplesReceived"] >= seconds * 48_000:
                return


async def test_the_link_is_copied_and_moving_around_stops_nothing(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await talker.get_by_test_id("copy-link-live").click()
    await says(talker.get_by_test_id("toast"), "Link copied")
    await open_listening(friend, house.url)
    await hears(friend)
    for page in (talker, friend):
        await page.locator("#rail").get_by_test_id("nav-live-now").click()
        await page.get_by_test_id("live-card").wait_for()
    await hears(friend, seconds=1)
    await says(friend.get_by_test_id("player-title"), "^Playing$")
    await talker.locator("#rail").get_by_test_id("nav-studio").click()
    await says(talker.get_by_test_id("listeners"), "^1 listening$")


async def test_a_listener_who_closes_the_page_is_no_longer_counted(house: House) -> None:
    talker, friend, stays = await house.visitor(), await house.visitor(), await house.visitor()
    await go_live(talker, house.url)
    await open_listening(stays, house.url)
    await open_listening(friend, house.url)
    await hears(friend)
    await says(talker.get_by_test_id("listeners"), "^2 listening$")
    await friend.close(run_before_unload=True)
    await says(talker.get_by_test_id("listeners"), "^1 listening$", limit=22)  # ICE would take half a minute


async def test_go_live_pressed_while_the_title_is_still_being_typed_goes_live_with_it(house: House) -> None:
    talker = await house.visitor()
    await talker.goto(house.url)
    await talker.get_by_test_id("title-rename").click()
    await talker.get_by_test_id("title-field").fill("A title that takes up several lines " * 5)
    await talker.get_by_role("button", name="Go live").click()
    await talker.get_by_role("button", name="Stop", exact=True).wait_for()
    await says(talker.get_by_test_id("title"), "^A title that takes up several lines A title")
    [stream] = await live_streams(house.url)
    assert stream["title"].startswith("A title that takes up several lines A title")
