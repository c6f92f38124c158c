"""What was broadcast is there afterwards: to hear, to name, to take along, to delete and to have back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from tests.e2e.house import PHONE, House, go_live, says, stop

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

TITLE = "Café: „Bienen“ / 蜂"


async def keep(house: House, title: str, seconds: float = 3) -> Any:
    """Broadcast for a while; the page of the recording, opened from the studio."""
    page = await house.visitor()
    await go_live(page, house.url, title)
    await page.wait_for_timeout(seconds * 1000)
    await stop(page)
    await page.get_by_test_id("to-recording").click()
    await page.get_by_test_id("waveform").wait_for()
    return page


POSITION = "document.getElementById('sound').currentTime"


async def test_a_recording_is_heard_searched_and_downloaded_by_its_name(house: House, tmp_path: Path) -> None:
    page = await keep(house, TITLE)
    await says(page.get_by_test_id("recording-title"), f"^{TITLE}$")
    await page.get_by_role("button", name="Play", exact=True).click()
    await page.wait_for_function(f"() => {POSITION} > 0.5")
    length = await page.evaluate("document.getElementById('sound').duration")
    assert length >= 3
    await page.evaluate("document.getElementById('sound').playbackRate = 0.1")  # so that it does not end meanwhile

    wave = page.get_by_test_id("waveform")
    box = await wave.bounding_box()
    await wave.click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
    await page.wait_for_function(f"() => {POSITION} >= {length * 0.74}")
    await wave.press("ArrowLeft")
    await page.wait_for_function(f"() => {POSITION} < {length * 0.7}")
    await page.get_by_role("button", name="Pause", exact=True).click()
    stood = await page.evaluate(POSITION)
    await page.wait_for_timeout(300)
    assert await page.evaluate(POSITION) == stood

    await page.get_by_test_id("downloads").click()
    async with page.expect_download() as waiting:
        await page.get_by_test_id("download").click()
    download = await waiting.value
    assert "Café" in download.suggested_filename and "蜂" in download.suggested_filename
    assert download.suggested_filename.endswith(".opus")
    file = tmp_path / "taken.opus"
    await download.save_as(file)
    with av.open(str(file)) as container:
        assert container.streams.audio[0].codec_context.name in {"opus", "libopus"}
        assert container.duration / av.time_base == pytest.approx(length, abs=0.1)


async def test_the_list_plays_renames_deletes_and_takes_it_back(house: House) -> None:
    first = await keep(house, "To be renamed", seconds=2)
    await first.locator("#rail").get_by_test_id("nav-recordings").click()
    rows = first.get_by_test_id("recording")
    row = rows.filter(has_text="To be renamed")
    await row.get_by_test_id("play-recording").click()
    await first.wait_for_function(f"() => {POSITION} > 0.2")
    await says(first.get_by_test_id("player-title"), "^To be renamed$")

    await row.get_by_test_id("row-more").click()
    await row.get_by_test_id("rename").click()
    await first.keyboard.type("Named anew")
    await first.keyboard.press("Enter")
    row = rows.filter(has_text="Named anew")
    await row.wait_for()
    count = await rows.count()
    await row.get_by_test_id("row-more").click()
    await row.get_by_test_id("delete").click()
    await row.wait_for(state="detached")
    assert await rows.count() == count - 1
    await says(first.get_by_test_id("toast"), "Deleted “Named anew”")
    await first.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await row.wait_for()
    assert await rows.count() == count


async def test_another_window_sees_it_come_and_go(house: House) -> None:
    watcher = await house.visitor(viewport=PHONE)
    await watcher.goto(f"{house.url}/recordings")
    page = await keep(house, "Seen elsewhere", seconds=1)
    row = watcher.get_by_test_id("recording").filter(has_text="Seen elsewhere")
    await row.wait_for()
    await page.get_by_test_id("more").click()
    await page.get_by_test_id("delete").click()
    await row.wait_for(state="detached")
    await page.get_by_role("heading", name="The recording was deleted").wait_for()
    await page.get_by_role("button", name="Undo").click()
    await row.wait_for()
    await page.get_by_test_id("recording-title").wait_for()
