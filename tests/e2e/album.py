"""Pictures of pages, to look at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.house import DESKTOP, PHONE, still

if TYPE_CHECKING:
    from playwright.async_api import Page

FOLDER = os.environ.get("CLEARCAST_PICTURES")
LOOKS = [
    (size, view, scheme)
    for size, view in (("desktop", DESKTOP), ("phone", PHONE))
    for scheme in ("light", "dark")
    if FOLDER or (size == "desktop") == (scheme == "light")  # where nobody looks, each size and each scheme once
]


class Album:
    """Takes pictures of a page in all looks; a page that is wider than its window fails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def take(self, page: Page, name: str) -> None:
        for size, view, scheme in LOOKS:
            await page.set_viewport_size(view)
            await page.emulate_media(color_scheme=scheme)
            await still(page)
            if FOLDER:
                await page.screenshot(path=self.folder / f"{name}-{size}-{scheme}.png")
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{name}, {size}, {scheme}, is {wide} px wider than the window"
        await page.set_viewport_size(DESKTOP)
        await page.emulate_media(color_scheme="light")
