"""Every page in every state, in both sizes and schemes, as pictures to look at.

They go to the folder in CLEARCAST_PICTURES; without one the pages are gone through and measured. The studio's, on air,
is the one in the README: `CLEARCAST_PICTURES=pictures pytest tests/e2e/test_pictures.py && cp
pictures/studio-live-desktop-light.png docs/images/studio.png`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from server.bench.local import local_server
from tests.e2e.album import FOLDER, Album
from tests.e2e.house import (
    LONELY,
    PATIENT,
    House,
    Network,
    browse,
    go_live,
    hears,
    open_listening,
    press,
    says,
    stop,
    without_worker,
)

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

TITLE = "How bees find their way home"


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(house: House, tmp_path: Path) -> AsyncIterator[House]:
    """The browser of the house at a server on which nothing has happened."""
    async with local_server(tmp_path / "data", denoise="RNNoise", **PATIENT) as server:
        await server.wait_for_denoiser()
        new = House(server, house.browser)
        yield new
        assert await new.leave() == []


@pytest.mark.slow
async def test_pages_on_which_nothing_has_happened(fresh: House, album: Album) -> None:
    page = await fresh.visitor()
    await page.goto(fresh.url)
    await says(page.get_by_test_id("level-words"), "Good level|We hear your room")
    await page.wait_for_timeout(5000 if FOLDER else 0)
    await album.take(page, "studio-idle")
    page = await fresh.visitor()
    for name, path in {
        "live-empty": "/live",
        "recordings-empty": "/recordings",
        "listen-nobody": "/listen/ana",
    }.items():
        await page.goto(fresh.url + path)
        await page.get_by_test_id("listen-notice" if "listen" in path else "empty").wait_for()
        await album.take(page, name)
    await page.get_by_role("button", name="Play", exact=True).click()
    await says(page.get_by_test_id("player-title"), "Waiting")
    await album.take(page, "listen-first")
    fresh.excuse(LONELY)
    fresh.excuse(re.compile("404"))
    for name, path in {"missing-page": "/nothing/here", "missing-channel": "/listen/nobody"}.items():
        await page.goto(fresh.url + path)
        await page.get_by_role("heading", level=1).wait_for()
        await album.take(page, name)


@pytest.mark.slow
async def test_pages_while_somebody_talks_and_loses_the_network(
    fresh: House, album: Album, chromium_path: str, talk_file: Path
) -> None:
    fresh.excuse(LONELY)
    await (await fresh.visitor()).goto(fresh.url)
    others = Network.all()
    async with browse(chromium_path, talk_file) as browser:
        talker, friend, other = await fresh.visitor(browser), await fresh.visitor(), await fresh.visitor()
        await go_live(talker, fresh.url, TITLE)
        network = Network(others)
        for listener in (friend, other):
            await open_listening(listener, fresh.url)
        await hears(friend, seconds=2)
        await talker.wait_for_timeout(9000 if FOLDER else 0)  # until the strip is full
        await album.take(talker, "studio-live")
        await album.take(friend, "listen-live")
        await other.locator("#rail").get_by_test_id("nav-live-now").click()
        await other.get_by_test_id("live-card").wait_for()
        await album.take(other, "live-full")
        await press(talker, 100)
        await album.take(talker, "studio-still-live")

        async with without_worker(fresh.server.process.pid):
            await says(talker.get_by_test_id("studio-notice"), "Noise removal is resting")
            await album.take(talker, "studio-degraded")
            await says(friend.get_by_test_id("listen-notice"), "Noise removal is resting")
            await album.take(friend, "listen-degraded")
        await talker.get_by_test_id("studio-notice").wait_for(state="hidden")

        network.lose()
        try:
            await says(friend.get_by_test_id("listen-notice"), "lost connection")
            await says(talker.get_by_test_id("studio-notice"), "Connection lost")
            await album.take(friend, "listen-reconnecting")
            await album.take(other, "live-reconnecting")
            await album.take(talker, "studio-reconnecting")
        finally:
            network.restore()
        await talker.get_by_test_id("studio-notice").wait_for(state="hidden")
        await stop(talker)
        await album.take(talker, "studio-ended")
        await friend.get_by_test_id("to-recording").wait_for()
        await album.take(friend, "listen-ended")
        await friend.goto("about:blank")
        await take_recordings(talker, fresh, album)
        assert await fresh.leave() == []


async def take_recordings(page: Page, house: House, album: Album) -> None:
    for title in ("Sound check", "Thursday: a walk through the old harbour, with many guests and their stories"):
        await go_live(page, house.url, title)
        await page.wait_for_timeout(2500 if FOLDER else 500)
        await stop(page)
    await page.goto(f"{house.url}/recordings")
    row = page.get_by_test_id("recording").filter(has_text=TITLE)
    await row.get_by_test_id("play-recording").click()
    await page.wait_for_timeout(2500 if FOLDER else 0)
    await album.take(page, "recordings-full")
    await row.get_by_role("link", name=TITLE, exact=True).click()
    await page.get_by_test_id("waveform").wait_for()
    await page.wait_for_timeout(1000 if FOLDER else 0)
    await album.take(page, "recording")
    await page.get_by_test_id("recording-title-rename").click()
    await album.take(page, "recording-rename")
    await page.keyboard.press("Escape")
    await page.goto(f"{house.url}/recordings")
    row = page.get_by_test_id("recording").filter(has_text="Sound check")
    await row.get_by_test_id("row-more").click()
    await row.get_by_test_id("delete").click()
    await page.get_by_test_id("toast").wait_for()
    await album.take(page, "recordings-deleted")


async def test_pages_without_a_microphone_or_a_server(
    house: House, album: Album, chromium_path: str, talk_file: Path
) -> None:
    house.excuse(LONELY)
    mapped = "--host-resolver-rules=MAP clearcast.test 127.0.0.1"
    async with browse(chromium_path, talk_file, ["--use-fake-ui-for-media-stream"], mapped) as browser:
        page = await house.visitor(browser, permissions=[])
        await page.goto(house.url)
        await album.take(page, "studio-asks")
        await page.get_by_role("button", name="Go live").click()
        await says(page.get_by_test_id("studio-notice"), "no access")
        await album.take(page, "studio-refused")
        await page.route("**/api/v1/**", lambda route: route.abort("connectionrefused"))
        await page.goto(house.url)
        await page.get_by_role("heading", name="Clearcast is not there").wait_for()
        await album.take(page, "no-server")
        assert await house.leave() == []
