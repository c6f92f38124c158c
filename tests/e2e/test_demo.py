"""The first look: a noisy talk comes from the server, and who sits there hears what the denoiser does."""

from __future__ import annotations

import asyncio

import pytest

from server.client import demo
from tests.e2e.house import House, hears, open_listening, says

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_the_demo_is_heard_and_its_noise_switched_on_and_off_from_the_listen_page(house: House) -> None:
    live: asyncio.Queue[str] = asyncio.Queue()
    talking = asyncio.create_task(demo.talk(house.url, 5.0, live.put_nowait))
    try:
        assert await asyncio.wait_for(live.get(), 60) == f"{house.url}/listen/demo"
        page = await house.visitor()
        await open_listening(page, house.url, "demo")
        await hears(page)
        switch, facts = page.get_by_test_id("listen-denoise"), page.get_by_test_id("listen-facts")
        assert await switch.get_attribute("aria-checked") == "true"
        await switch.click()
        await says(facts, "^The original sound")
        await hears(page)
        assert await switch.get_attribute("aria-checked") == "false"
        await switch.click()
        await says(facts, "^Without the noise")
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
