"""On a telephone and on a desk, by day and by night, with a finger and with a keyboard: nothing too wide, too small,
too pale or out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import DESKTOP, PHONE, House, go_live, still, stop

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänswitwenversammlung " * 3
WAYS = {"studio": "/", "live": "/live", "listen": "/listen/ana", "recordings": "/recordings"}

TOO_SMALL = """
() => [...document.querySelectorAll("a[href], button, input, select, summary")].flatMap((element) => {
  if (!element.checkVisibility() || element.disabled || element.matches(".skip")) return [];
  element.scrollIntoView({ block: "center" });
  const { left, top, width, height } = element.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const reached = (dx, dy) => {
    const hit = document.elementFromPoint(x + dx, y + dy);
    return hit !== null && (hit === element || element.contains(hit));
  };
  const wide = width >= 44 || (reached(-21, 0) && reached(21, 0));
  const tall = height >= 44 || (reached(0, -21) && reached(0, 21));
  if (wide && tall) return [];
  return [`${element.outerHTML.slice(0, 90)}: ${Math.round(width)} × ${Math.round(height)}`];
})
"""
TOO_PALE = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const one of colours) { canvas.fillStyle = one; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = (element) => {
    const found = [];
    for (let at = element; at; at = at.parentElement) found.unshift(getComputedStyle(at).backgroundColor);
    return found;
  };
  return [...document.querySelectorAll("body *")].flatMap((element) => {
    const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
    if (words.length === 0 || !element.checkVisibility()) return [];
    if (element.closest(":disabled, option, script, noscript")) return [];
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const under = grounds(element);
    const [a, b] = [light(rgb([...under, color])), light(rgb(under))].sort((one, two) => two - one);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700) ? 3 : 4.5;
    return ratio >= least ? [] : [`${element.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`];
  });
}
"""


async def settle(page: Page) -> None:
    """Wait until there is a page, and lists have come."""
    await page.get_by_role("heading", level=1).wait_for()
    await page.wait_for_timeout(300)


async def check(page: Page, name: str) -> None:
    """One page as it stands, in both sizes and schemes."""
    for view in (DESKTOP, PHONE):
        await page.set_viewport_size(view)
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px wider than {view['width']} px"
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await still(page)
            assert await page.evaluate(TOO_PALE) == [], f"{name}, {scheme}"
    assert await page.evaluate(TOO_SMALL) == [], f"{name} on a phone"


@pytest.mark.slow
async def test_every_page_fits_shows_and_can_be_touched(house: House) -> None:
    talker, friend = await house.visitor(), await house.visitor()
    for name, way in WAYS.items():
        await friend.goto(house.url + way)
        await settle(friend)
        await check(friend, f"{name}, empty")
    await go_live(talker, house.url, LONG)
    await check(talker, "studio, live")
    for name, way in WAYS.items():
        await friend.goto(house.url + way)
        await settle(friend)
        await check(friend, f"{name}, while somebody is live")
    await stop(talker)
    await check(talker, "studio, after")
    await talker.get_by_test_id("to-recording").click()
    await talker.get_by_test_id("waveform").wait_for()
    await check(talker, "recording")
    await talker.goto(f"{house.url}/recordings")
    await talker.get_by_test_id("recording").first.wait_for()
    await check(talker, "recordings, full")


async def test_a_keyboard_reaches_everything_and_sees_where_it_is(house: House) -> None:
    page = await house.visitor()
    await page.goto(house.url)
    await page.get_by_test_id("microphone").wait_for()
    reached = []
    for _ in range(20):
        await page.keyboard.press("Tab")
        reached.append(
            await page.evaluate(
                """() => {
                  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
                  const name = document.activeElement.dataset.testid ?? document.activeElement.className;
                  return [name, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
                }"""
            )
        )
    names = [name for name, _ in reached]
    for wanted in ("skip", "nav-live-now", "title-rename", "copy-link", "go-live", "microphone", "denoise", "record"):
        assert wanted in names
    unseen = {name for name, seen in reached if not seen and name}
    assert unseen == set()


async def test_whoever_wants_no_motion_gets_none(house: House) -> None:
    page = await house.visitor(reduced_motion="reduce")
    await page.goto(house.url)
    await page.get_by_test_id("go-live").wait_for()
    moving = await page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((element) => {
             const { transitionDuration, animationName } = getComputedStyle(element);
             return animationName !== "none" || transitionDuration.split(",").some((time) => parseFloat(time) > 0);
           }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert moving == []
