"""Files that were recorded elsewhere: dropped, made into recordings, found by a word, framed."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from server.bench.local import free_port, local_server
from server.client.demo import NANO, TALK
from tests.e2e.album import Album
from tests.e2e.house import HOST, LONELY, PHONE, House, browse, says, write_talk
from tests.e2e.readers import SOUNDS, TEXTS, heard, take

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Locator, Page, Request

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SPOKEN = "mountain"
"""A word that is said four times in the talk, and is in no title."""
NAMED, TALK_S = "Mira Ødegård", 83.92
"""What one of the two is called, and how long they talk."""
DROP = """
(files) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name, { type }));
  }
  return transfer;
}
"""

SLOWLY = 600_000
"""Bytes a second: slow enough to cut something off in the middle."""
SIZES = re.compile(r"· (.*?) of ")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def frames() -> AsyncIterator[str]:
    """The address of another site, whose page shows `?show=…` in a frame."""

    async def page(request: web.Request) -> web.Response:
        text = f'<!doctype html><title>Radio</title><iframe width="600" height="220" src="{request.query["show"]}">'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def archive(
    chromium_path: str, models_dir: Path, frames: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """A server that hears with the small models, and a browser."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOGNAME", HOST)
        settings: dict[str, Any] = {"denoise": "RNNoise", "captions_model": NANO, "embed_sites": frames}
        async with local_server(folder / "data", **settings) as server, browse(chromium_path, None) as browser:
            yield House(server, browser)


@pytest_asyncio.fixture(loop_scope="module")
async def brought(archive: House) -> AsyncIterator[House]:
    yield archive
    assert await archive.leave() == []


async def drop(page: Page, *files: Path) -> None:
    """Let files fall on the page, as if they came from the desktop."""
    given = [(one.name, "audio/flac", base64.b64encode(one.read_bytes()).decode()) for one in files]
    transfer = await page.evaluate_handle(DROP, given)
    zone = page.get_by_test_id("drop-zone")
    for kind in ("dragenter", "dragover", "drop"):
        await zone.dispatch_event(kind, {"dataTransfer": transfer})


def line(page: Page, name: str) -> Locator:
    return page.get_by_test_id("upload").filter(has_text=name)


@pytest.mark.slow
async def test_two_files_are_dropped_and_one_becomes_a_recording_that_is_found_by_a_word(
    brought: House, tmp_path: Path, frames: str, album: Album
) -> None:
    text = tmp_path / "notes.mp3"
    text.write_text("This is no sound at all.\n" * 40)
    page = await brought.visitor()
    await page.goto(f"{brought.url}/uploads")
    await page.get_by_test_id("empty").wait_for()
    await album.take(page, "uploads-empty")
    await drop(page, TALK, text)
    wrong = line(page, "notes.mp3").get_by_test_id("upload-words")
    await says(wrong, "[Ss]ound|[Aa]udio")
    assert not re.search(r"Error|Traceback|\[|0x", await wrong.inner_text())
    talk = line(page, TALK.name)
    await talk.get_by_test_id("upload-progress").wait_for()
    await album.take(page, "uploads-working")
    await says(talk.get_by_test_id("upload-words"), "A recording now", limit=150)
    await album.take(page, "uploads-done")
    assert await line(page, "notes.mp3").get_by_test_id("upload-open").is_hidden()

    await page.goto(f"{brought.url}/recordings")
    rows = page.get_by_test_id("recording")
    await rows.first.wait_for()
    await album.take(page, "library")
    await page.get_by_test_id("library-search").fill("nobodysaysthis")
    await page.get_by_test_id("empty").wait_for()
    await page.get_by_test_id("library-search").fill(SPOKEN)
    match = rows.get_by_test_id("match").first
    await match.wait_for()
    assert SPOKEN in (await match.locator("mark").first.inner_text()).lower()
    await album.take(page, "library-found")
    await match.click()
    await page.wait_for_url(re.compile(r"/recordings/[^/?]+\?.*at=[\d.]+"))
    await page.get_by_test_id("waveform").wait_for()
    at = float(re.search(r"at=([\d.]+)", page.url).group(1))  # type: ignore[union-attr]
    await page.wait_for_function(f"() => Math.abs(document.getElementById('sound').currentTime - {at}) < 1")

    await named_and_taken(page, tmp_path)
    await framed(brought, frames, page.url.split("/")[-1].split("?")[0])


async def named_and_taken(page: Page, folder: Path) -> None:
    """Who speaks gets a name, which is found and stands in every transcript; other programs open every format."""
    row = page.get_by_test_id("who-speaks").first
    await row.get_by_test_id("speaker").click()
    await page.locator(".who-speaks").get_by_test_id("speaker-field").fill(NAMED)
    await page.keyboard.press("Enter")
    await page.get_by_test_id("transcript").get_by_test_id("speaker").filter(has_text=NAMED).first.wait_for()
    await page.get_by_test_id("search").fill(SPOKEN)
    await says(page.get_by_test_id("search-found"), r"^\d of [1-9]")
    await page.get_by_test_id("search").press("Escape")
    await page.get_by_test_id("downloads").click()
    for sound, codec in SOUNDS.items():
        name, seconds = heard((await take(page, sound, folder)).read_bytes())
        assert name.startswith(codec), (sound, name)
        assert seconds == pytest.approx(TALK_S, abs=0.1), sound
    for kind, opens in TEXTS.items():
        text = opens((await take(page, f"take-{kind}", folder)).read_bytes())
        assert SPOKEN in text.lower(), kind
        assert NAMED in text, kind


async def framed(house: House, frames: str, recording: str) -> None:
    """A site of the setting shows the player, another one nothing; what is not there is told plainly."""
    page = await house.visitor(viewport=PHONE)
    await page.goto(f"{frames}/?show={house.url}/embed/recordings/{recording}")
    player = page.frame_locator("iframe")
    await player.get_by_test_id("embed-play").click()
    await says(player.get_by_test_id("embed-time"), "0:0[1-9]")
    house.excuse(re.compile("404|frame-ancestors|Refused to frame|Framing"))
    await page.goto(f"{frames}/?show={house.url}/embed/recordings/nothing")
    await player.get_by_role("heading", name="There is nothing here for you to hear").wait_for()
    other = frames.replace("127.0.0.1", "localhost")
    async with page.expect_console_message(lambda message: "frame" in message.text.lower()):
        await page.goto(f"{other}/?show={house.url}/embed/recordings/{recording}")
    assert await player.get_by_test_id("embed-play").count() == 0


async def test_an_upload_goes_on_after_the_network_and_after_the_page(brought: House, tmp_path: Path) -> None:
    brought.excuse(LONELY)
    sound = await asyncio.to_thread(write_talk, tmp_path / "walk.wav", 40)
    page = await brought.visitor()
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.goto(f"{brought.url}/uploads")
    await page.get_by_test_id("start-after-check").check()
    network = await page.context.new_cdp_session(page)
    await network.send("Network.enable")
    await slow(network, SLOWLY)
    await page.get_by_test_id("upload-files").set_input_files(sound)
    words = line(page, sound.name).get_by_test_id("upload-words")
    await says(words, r"Sending · (?!0 )")

    await slow(network, SLOWLY, offline=True)
    await says(words, "connection is lost")
    await slow(network, SLOWLY)
    await says(words, r"Sending · [1-9.]+ MB of")
    await line(page, sound.name).get_by_test_id("upload-main").press("Enter")
    await says(words, r"Paused · (?!0 )")
    paused_at = SIZES.search(await words.inner_text())
    assert paused_at is not None

    await page.reload()
    await says(words, rf"Stopped at {re.escape(paused_at.group(1))} of .*Choose the same file again")
    await slow(network, -1)
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "PATCH" else None)
    await page.get_by_test_id("upload-files").set_input_files(sound)
    await says(words, "Looked at")
    assert sent and all(int(request.headers["upload-offset"]) > 0 for request in sent)
    assert await page.get_by_test_id("upload").filter(has_text=sound.name).count() == 1
    found = line(page, sound.name).get_by_test_id("diagnosis")
    await says(found, r"Length\s*0:40\s*Format\s*WAV, 48 kHz, mono")
    await line(page, sound.name).get_by_test_id("upload-remove").click()
    await line(page, sound.name).wait_for(state="detached")


async def slow(network: CDPSession, rate: int, offline: bool = False) -> None:
    """Let the browser send `rate` bytes a second, as many as it can for -1, or nothing."""
    await network.send(
        "Network.emulateNetworkConditions",
        {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate},
    )
