"""A microphone that is not to be had, or hears nothing: plain words, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from server.bench.local import local_server
from tests.e2e.house import House, browse, says, write_talk

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


HEARD_SINCE = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => {
  const stream = await ask(wishes);
  window.heardSince ??= performance.now();
  return stream;
};
"""
"""Lets a test ask a page when its microphone was opened."""


async def test_a_refused_microphone_is_explained_and_can_be_tried_again(
    house: House, chromium_path: str, talk_file: Path
) -> None:
    async with browse(chromium_path, talk_file, without=["--use-fake-ui-for-media-stream"]) as browser:
        page = await house.visitor(browser, permissions=[])
        await page.goto(house.url)
        await page.get_by_role("button", name="Go live").click()
        note = page.get_by_test_id("studio-notice")
        await says(note, "Your browser has no access to the microphone.*Click the lock in the address bar and allow it")
        assert await page.get_by_role("button", name="Go live").is_visible()
        await page.context.grant_permissions(["microphone"])
        await page.get_by_test_id("retry-microphone").click()
        await note.wait_for(state="hidden")
        await page.get_by_test_id("microphone").wait_for()
        await page.get_by_role("button", name="Go live").click()
        await page.get_by_role("button", name="Stop", exact=True).wait_for()
        complaints = await house.leave()
        assert complaints == []


async def test_a_page_over_plain_http_says_why_there_is_no_microphone(
    house: House, chromium_path: str, talk_file: Path, tmp_path: Path
) -> None:
    mapped = "--host-resolver-rules=MAP clearcast.test 127.0.0.1"
    async with (
        local_server(tmp_path / "data", denoise="off", allowed_hosts="clearcast.test") as server,
        browse(chromium_path, talk_file, (), mapped) as browser,
    ):
        house.excuse(re.compile("Cross-Origin-Opener-Policy header has been ignored"))
        page = await house.visitor(browser, permissions=[])
        await page.goto(server.url.replace("127.0.0.1", "clearcast.test"))
        await says(page.get_by_test_id("studio-notice"), "no microphone.*plain HTTP.*over HTTPS.*--tls self-signed")
        await page.get_by_role("button", name="Go live").click()
        assert await page.get_by_role("button", name="Go live").is_visible()
        assert await house.leave() == []


async def test_a_microphone_that_hears_nothing_is_said_after_five_seconds(
    house: House, chromium_path: str, tmp_path: Path
) -> None:
    silence = write_talk(tmp_path / "silence.wav", seconds=5, silent=True)
    async with browse(chromium_path, silence) as browser:
        page = await house.visitor(browser)
        await page.add_init_script(HEARD_SINCE)
        await page.goto(house.url)
        await says(page.get_by_test_id("level-words"), "We hear nothing. Check that the microphone is plugged in")
        assert await page.evaluate("performance.now() - window.heardSince") > 4500
        assert await house.leave() == []
