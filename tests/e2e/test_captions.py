"""Captions as people meet them: read while somebody talks, named by the talker, silent off the record, kept after."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from server.bench.local import local_server
from server.client.demo import NANO, TALK
from server.client.media import read_blocks
from server.clock import SAMPLE_RATE
from tests.e2e.album import FOLDER, Album
from tests.e2e.house import HOST, House, browse, go_live, stop, without_worker

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

LIMIT_S = 240.0
"""How long anything may take on a busy machine; on a quiet one words are there after a second."""
TURNS = """
() => [...document.querySelectorAll("[data-testid=captions] .turn:not(.ghost)")].flatMap((turn) => {
  const names = [...turn.querySelectorAll(".name")].map((one) => one.innerText);
  const captions = [...turn.querySelectorAll(".cap:not(.interim)")].map((one) => Number(one.dataset.caption));
  return names.length === 1 && names[0] !== "Somebody" && captions.length ? [[names[0], captions[0]]] : [];
})
"""
"""Whose turns a page shows, each with the first of its final captions."""


@pytest_asyncio.fixture(loop_scope="module")
async def talking(chromium_path: str, models_dir: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A server that writes captions with the small models, and a browser whose microphone hears two people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", HOST)
        async with (
            local_server(tmp_path / "data", denoise="off", captions=True, captions_model=NANO) as server,
            browse(chromium_path, await asyncio.to_thread(two_people, tmp_path / "talk.wav")) as browser,
        ):
            house = House(server, browser)
            yield house
            assert await house.leave() == []


def two_people(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for block in read_blocks(TALK):
            file.writeframes((block * 32767).astype("<i2").tobytes())
    return path


async def turns(page: Page, enough: Callable[[list[tuple[str, int]]], bool]) -> list[tuple[str, int]]:
    """Wait until there are `enough` turns; who has them, each with the number of a caption."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = [(str(name), int(number)) for name, number in await page.evaluate(TURNS)]
            if enough(found):
                return found
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_listeners_read_who_says_what_and_see_the_talker_name_them(talking: House, album: Album) -> None:
    # Pages that draw little leave the processor to the models.
    talker, listener = [await talking.visitor(reduced_motion="reduce") for _ in range(2)]
    await listener.goto(f"{talking.url}/listen/{HOST}")
    await go_live(talker, talking.url)
    before = await turns(listener, lambda found: len({name for name, _ in found}) >= 2)
    first, newest = before[0][0], max(number for _, number in before)
    assert first.startswith("Speaker ")

    await talker.get_by_test_id("speaker").filter(has_text=first).last.click()
    await talker.get_by_test_id("speaker-field").fill("Mira")
    if FOLDER:
        await album.take(talker, "studio-naming")
    await talker.get_by_test_id("speaker-field").press("Enter")
    await turns(listener, lambda found: any(name == "Mira" and number <= newest for name, number in found))

    await is_hidden_and_still_read_after_a_reload(talker, listener, newest)
    switch, banner = talker.get_by_test_id("off-record-switch"), listener.get_by_test_id("off-record")
    await switch.click()
    await banner.wait_for(timeout=LIMIT_S * 1000)
    await talker.get_by_test_id("off-record").wait_for()
    await look(talking, album, talker, listener)
    await switch.click()
    await banner.wait_for(state="hidden", timeout=LIMIT_S * 1000)

    await stop(talker)
    await talker.get_by_test_id("to-recording").click()
    transcript = talker.get_by_test_id("transcript")
    await transcript.get_by_test_id("speaker").filter(has_text="Mira").first.wait_for(timeout=LIMIT_S * 1000)
    await is_searched_and_taken_along(talker)
    if FOLDER:
        await album.take(talker, "recording-transcript")
        await talker.get_by_test_id("downloads").click()
        await album.take(talker, "recording-downloads")
        await talker.goto(f"{talking.url}/voices")
        await album.take(talker, "voices")


async def is_hidden_and_still_read_after_a_reload(talker: Page, listener: Page, number: int) -> None:
    """By whoever has hidden it; the others see nothing of it."""
    caption = talker.get_by_test_id("captions").locator(f".cap[data-caption='{number}']")
    said = await caption.inner_text()
    await caption.focus()
    await caption.press("Delete")
    theirs = listener.get_by_test_id("captions").locator(f".cap[data-caption='{number}']")
    await theirs.wait_for(state="detached", timeout=LIMIT_S * 1000)
    await talker.reload()
    await talker.get_by_test_id("resume").click()
    await talker.locator(f".cap.hid[data-caption='{number}']").filter(has_text=said).wait_for(timeout=LIMIT_S * 1000)


async def is_searched_and_taken_along(page: Page) -> None:
    """The transcript of a recording: a word is found wherever it is, and the text is a file named as the recording."""
    transcript = page.get_by_test_id("transcript")
    words = (await transcript.locator(".cap").first.inner_text()).split()
    word = max((word.strip(".,?!") for word in words), key=len)
    await page.get_by_test_id("open-search").click()
    await page.get_by_test_id("search").fill(word.upper())
    await transcript.locator(".cap.match.here").filter(has_text=word).wait_for()
    assert (await page.get_by_test_id("search-found").inner_text()).startswith("1 of ")
    await page.get_by_test_id("search").fill("nobody says this")
    await page.get_by_test_id("search-found").filter(has_text="Not found").wait_for()
    await page.get_by_test_id("search").press("Escape")
    assert await transcript.locator(".cap.match").count() == 0
    await page.get_by_test_id("downloads").click()
    async with page.expect_download() as waiting:
        await page.get_by_test_id("take-srt").click()
    taken = await waiting.value
    assert taken.suggested_filename.endswith(".srt")
    assert "Mira: " in (await taken.path()).read_text()
    await page.keyboard.press("Escape")


async def look(house: House, album: Album, talker: Page, listener: Page) -> None:
    """Pictures, where somebody wants to look at them: off the record, and without the process that hears words."""
    if not FOLDER:
        return
    await album.take(talker, "studio-off-the-record")
    await album.take(listener, "listen-off-the-record")
    async with without_worker(house.server.process.pid, "captioning.worker"):
        await listener.get_by_test_id("captions-trouble").wait_for(timeout=LIMIT_S * 1000)
        await album.take(listener, "listen-captions-degraded")
    await listener.get_by_test_id("captions-trouble").wait_for(state="hidden", timeout=LIMIT_S * 1000)
