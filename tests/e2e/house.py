"""One server and one browser for the tests of a file, and what a person does and sees in them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import wave
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np

from server.bench.local import LocalServer
from server.client.demo import TALK, mix
from server.client.media import read_blocks
from server.clock import SAMPLE_RATE
from tests.conftest import CHROMIUM_ARGS, PATIENCE_MS, new_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

HOST = "ana"
"""Who is logged in, after whom the first channel is named."""
PATIENT = {"denoise_deadline_ms": 100}
"""Settings of a server whose denoiser may take its time: what a busy machine costs is not what is tested."""
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LONELY = re.compile(r"net::ERR_|WebSocket connection|Failed to fetch")
"""What a browser writes to its console when a server does not answer; pages cannot keep it from doing so."""


@dataclass
class House:
    """A server, a browser whose microphone hears a talk in a noisy room, and what its pages complained of."""

    server: LocalServer
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    excused: list[re.Pattern[str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    async def visitor(self, browser: Browser | None = None, **settings: Any) -> Page:
        """A page of somebody new, with no address yet; its console is watched."""
        chosen = {"viewport": DESKTOP, "permissions": ["microphone", "clipboard-write"], "accept_downloads": True}
        page = await new_page(browser or self.browser, **(chosen | settings))
        self.contexts.append(page.context)
        await page.context.add_init_script(KEEP_PEERS)
        page.on("console", self._heed)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        return page

    def _heed(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def excuse(self, pattern: re.Pattern[str]) -> None:
        """Let a test cause what browsers write to the console."""
        self.excused.append(pattern)

    async def leave(self) -> list[str]:
        """Everybody goes, whatever is live ends. What the pages complained of without an excuse."""
        for context in self.contexts:
            await context.close()
        with contextlib.suppress(aiohttp.ClientError):
            await end_all(self.url)
        left = [text for text in self.complaints if not any(pattern.search(text) for pattern in self.excused)]
        self.contexts, self.complaints, self.excused = [], [], []
        return left


async def end_all(url: str) -> None:
    """End every stream that runs."""
    async with aiohttp.ClientSession(url) as session:
        async with session.get("/api/v1/streams", params={"state": "live"}) as response:
            streams = (await response.json())["items"]
        for stream in streams:
            async with session.post(f"/api/v1/streams/{stream['id']}/end"):
                pass


async def live_streams(url: str) -> list[dict[str, Any]]:
    """The streams that run, as the API tells them."""
    async with aiohttp.ClientSession(url) as session, session.get("/api/v1/streams?state=live") as response:
        items: list[dict[str, Any]] = (await response.json())["items"]
        return items


def write_talk(path: Path, seconds: float = 20, silent: bool = False) -> Path:
    """A WAV file for a fake microphone: speech in a noisy room, or nothing at all."""
    count = int(seconds * SAMPLE_RATE)
    if silent:
        samples = np.zeros(count, np.float32)
    else:
        blocks = list(islice(mix(read_blocks(TALK, loop=True), 12.0), count // 960 + 2))
        samples = np.concatenate(blocks)[:count]
    return write_sound(path, samples)


def write_sound(path: Path, samples: np.ndarray) -> Path:
    """A WAV file of 16 bits at 48 kHz: shape (n,), or (n, channels), in [-1, 1]."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@contextlib.asynccontextmanager
async def browse(
    program: str, microphone: Path | None, without: Iterable[str] = (), *more: str
) -> AsyncIterator[Browser]:
    """Start Chromium with a fake microphone that plays a file, or with none of `without`'s arguments."""
    from playwright.async_api import async_playwright

    sound = [f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []
    arguments = [one for one in CHROMIUM_ARGS if one not in set(without)]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, timeout=PATIENCE_MS, args=[*arguments, *sound, *more]
        )
        try:
            yield browser
        finally:
            await browser.close()


# ---- what a person does


async def go_live(page: Page, url: str, title: str = "") -> None:
    """Open the studio, name the broadcast, press the button; returns once the page says that it is live."""
    await page.goto(url)
    if title:
        await page.get_by_test_id("title-rename").click()
        await page.get_by_test_id("title-field").fill(title)
        await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Go live").click()
    await page.get_by_role("button", name="Stop", exact=True).wait_for()


async def still(page: Page) -> None:
    """Wait until nothing changes its colour or place any more."""
    await page.evaluate(
        """() => Promise.all(document.getAnimations().filter((one) => one instanceof CSSTransition)
             .map((one) => one.finished.catch(() => {})))"""
    )


async def press(page: Page, milliseconds: float) -> None:
    """Hold the big button with the mouse."""
    await hold(page)
    await page.wait_for_timeout(milliseconds)
    await page.mouse.up()


async def hold(page: Page) -> None:
    """Press the big button with the mouse and do not let go."""
    disc = page.get_by_test_id("go-live")
    await disc.scroll_into_view_if_needed()
    box = await disc.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()


async def stop(page: Page) -> None:
    """Hold the button until the page says that it is over."""
    await hold(page)
    await page.get_by_test_id("ended").wait_for()
    await page.mouse.up()


async def open_listening(page: Page, url: str, channel: str = HOST) -> None:
    """Open the listen page and press play."""
    await page.goto(f"{url}/listen/{channel}")
    await page.get_by_role("button", name="Play", exact=True).click()


async def hears(page: Page, seconds: float = 0.5, limit: float = 120) -> dict[str, float]:
    """Wait until `seconds` of sound with something in it came since now; what came meanwhile, by statistic."""
    before = await page.evaluate("window.heardStats()")
    async with asyncio.timeout(limit):
        while True:
            now = await page.evaluate("window.heardStats()")
            came = {name: now[name] - before[name] for name in now}
            if came["totalSamplesReceived"] >= seconds * SAMPLE_RATE and came["totalAudioEnergy"] > 1e-5:
                return came
            await asyncio.sleep(0.1)


async def says(place: Locator, pattern: str, limit: float = 90) -> None:
    """Wait until the words there match."""
    from playwright.async_api import expect

    await expect(place).to_have_text(re.compile(pattern), timeout=limit * 1000)


# ---- processes


def descendants(root: int) -> list[int]:
    """Every process below `root`."""
    found = []
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def called(root: int, words: str) -> list[int]:
    """The processes below `root` with `words` in their command lines."""
    found = []
    for process in descendants(root):
        with contextlib.suppress(OSError):
            if words in Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                found.append(process)
    return found


def tell(processes: Iterable[int], what: signal.Signals) -> None:
    """Send each of them a signal; some may be gone already."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, what)


@contextlib.asynccontextmanager
async def without_worker(server: int, words: str = "server.inference.worker") -> AsyncIterator[None]:
    """Ends each denoise worker that a server starts, or another, for as long as people need to see it: one is back in a
    second."""

    async def kill() -> None:
        while True:
            tell(called(server, words), signal.SIGKILL)
            await asyncio.sleep(0.1)

    killing = asyncio.create_task(kill())
    try:
        yield
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)


class Network:
    """The network of one browser: the process that holds all its sockets."""

    WORDS = "network.mojom.NetworkService"

    def __init__(self, others: Iterable[int]) -> None:
        mine = set(called(os.getpid(), self.WORDS)) - set(others)
        assert len(mine) == 1, f"Chromium's network process was not found: {mine}"
        self.process = mine.pop()

    @classmethod
    def all(cls) -> list[int]:
        """Those of all browsers now."""
        return called(os.getpid(), cls.WORDS)

    def lose(self) -> None:
        """Nothing goes out, nothing comes in."""
        os.kill(self.process, signal.SIGSTOP)

    def restore(self) -> None:
        os.kill(self.process, signal.SIGCONT)


KEEP_PEERS = """
window.__peers = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...settings) { super(...settings); window.__peers.push(this); }
};
window.heardStats = async () => {
  const sums = { totalSamplesReceived: 0, concealedSamples: 0, packetsLost: 0, totalAudioEnergy: 0 };
  for (const peer of window.__peers)
    for (const entry of (await peer.getStats()).values())
      if (entry.type === "inbound-rtp" && entry.kind === "audio")
        for (const name of Object.keys(sums)) sums[name] += entry[name] ?? 0;
  return sums;
};
"""
"""Lets a test ask a page for the statistics of its connections."""
