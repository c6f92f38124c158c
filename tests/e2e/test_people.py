"""Two people meet in two browsers, and what they type is text wherever it is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from server.bench.local import local_server
from tests.e2e.house import House, browse, hears, says

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

PASSWORD = "seven lamps on the quay"
EXCUSED = re.compile(r"status of 40[0134]|net::ERR_ABORTED")
"""What a browser writes to its console where the server refuses what a page asks for."""
MARKUP = "<img src=x onerror=alert(1)>\"'><svg onload=alert(1)>{{7*7}}"
"""What would be an element, were it ever taken for markup."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(chromium_path: str, talk_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A fresh server that whoever reaches it may join, and browsers that have talk in their microphones."""
    folder = tmp_path_factory.mktemp("town")
    async with (
        local_server(
            folder / "data", accounts=True, registration="open", denoise="off", captions=False, rate_limits="sign-in=60"
        ) as server,
        browse(chromium_path, talk_file) as browser,
    ):
        yield House(server, browser)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def nobody_complains(town: House) -> AsyncIterator[None]:
    yield
    for context in town.contexts:
        await context.close()
    left = [text for text in town.complaints if not EXCUSED.search(text)]
    town.contexts, town.complaints = [], []
    assert left == []


async def join(town: House, name: str, display_name: str) -> Page:
    """The page of somebody who has just made an account."""
    page = await town.visitor(reduced_motion="reduce")
    await page.goto(f"{town.url}/register")
    await page.get_by_test_id("field-name").fill(name)
    await page.get_by_test_id("field-display_name").fill(display_name)
    await page.get_by_test_id("field-password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/live")
    return page


async def call(page: Page, method: str, path: str, body: object = None) -> Any:
    """What the page's own session gets from the API."""
    return await page.evaluate(
        """async ([method, path, body]) => {
          const headers = body === null ? {} : { "Content-Type": "application/json" };
          const answer = await fetch(path, { method, headers, body: body === null ? null : JSON.stringify(body) });
          if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
          return answer.status === 204 ? null : answer.json();
        }""",
        [method, path, body],
    )


async def befriend(one: Page, other: Page) -> None:
    """The API's way."""
    [me, them] = [await call(page, "GET", "/api/v1/me") for page in (one, other)]
    await call(one, "POST", "/api/v1/friends/requests", {"to": them["id"]})
    await call(other, "POST", f"/api/v1/friends/requests/{me['id']}/accept")


def told(page: Page, text: str) -> asyncio.Task[None]:
    """Done once a note with this text was seen: it goes again after some seconds."""
    return asyncio.create_task(page.get_by_test_id("toast").filter(has_text=text).first.wait_for())


async def test_two_people_meet_one_goes_live_the_other_listens_is_removed_comes_back_and_is_blocked(
    town: House,
) -> None:
    # A fresh server leads to its one page, wherever one wanted to go.
    ana = await town.visitor(reduced_motion="reduce")
    await ana.goto(f"{town.url}/recordings")
    await ana.wait_for_url("**/first")
    await ana.get_by_test_id("field-name").fill("ana")
    await ana.get_by_test_id("field-display_name").fill("Ana")
    await ana.get_by_test_id("field-password").fill("password")
    await ana.get_by_test_id("first-submit").click()
    await says(ana.locator(".wrong:visible"), "Take another")
    assert await ana.get_by_test_id("field-password").get_attribute("aria-invalid") == "true"
    await ana.get_by_test_id("field-password").fill(PASSWORD)
    await ana.get_by_test_id("first-submit").click()
    await ana.get_by_test_id("welcome").wait_for()

    ben = await join(town, "ben", "Ben")
    await ben.get_by_test_id("welcome").get_by_role("link", name="Find people").click()
    await ben.get_by_test_id("find-people").fill("an")
    asked = told(ana, "Ben would like to be your friend")
    await ben.get_by_role("button", name="Ask Ana to be friends").click()
    await asked
    await ana.locator("#rail").get_by_test_id("nav-friends").click()
    await ana.get_by_role("button", name="Accept Ben").click()
    await ben.get_by_test_id("rail-friend").get_by_text("Ana").wait_for()

    await ana.locator("#rail").get_by_test_id("nav-studio").click()
    await says(ana.get_by_test_id("may-hear-words"), "^All your friends")
    live = told(ben, "Ana is live")
    await ana.get_by_role("button", name="Go live").click()
    await ana.get_by_role("button", name="Stop", exact=True).wait_for()
    await live
    await ben.get_by_role("link", name="Ana. Live").click()
    await ben.get_by_role("button", name="Play", exact=True).click()
    await hears(ben)

    await says(ana.get_by_test_id("listeners"), "^1 listening")
    await ana.get_by_test_id("audience").click()
    await ana.get_by_role("button", name="Remove Ben", exact=True).click()
    await says(ben.get_by_test_id("listen-notice"), "You have been removed")
    await ana.get_by_test_id("audience-list").get_by_test_id("listener").wait_for(state="detached")
    await ben.get_by_role("button", name="Play", exact=True).click()
    await hears(ben)

    await ana.keyboard.press("Escape")
    await ana.get_by_test_id("rail-friend").click()
    await ana.get_by_test_id("person-more").click()
    await ana.get_by_role("button", name="Block").click()
    await ben.get_by_role("heading", name="There is nothing here for you to hear").wait_for()
    await ben.get_by_test_id("rail-friend").wait_for(state="detached")
    assert (await call(ben, "GET", "/api/v1/people?search=ana"))["items"] == []
    await ben.locator("#rail").get_by_test_id("nav-live-now").click()
    await ben.get_by_test_id("welcome").wait_for()
    for place in ("#content", "#rail"):
        assert "Ana" not in await ben.locator(place).inner_text()
    assert await ben.locator("#dock").is_hidden()
    assert await ana.locator("#rail").get_by_test_id("nav-studio").get_attribute("aria-label") == "Studio, you are live"


async def test_what_people_type_is_text_on_every_page(town: House) -> None:
    eve, dan = await join(town, "eve", "Eve"), await join(town, "dan", "Dan")
    await befriend(eve, dan)
    for field, text in {"display_name": MARKUP, "bio": f"{MARKUP}\n<script>alert(1)</script>"}.items():
        await eve.goto(f"{town.url}/settings/profile")
        await eve.get_by_test_id(f"field-{field}").fill(text)
        await eve.get_by_test_id("profile-submit").click()
        await eve.get_by_text("Saved", exact=True).wait_for()
    await call(eve, "POST", "/api/v1/groups", {"name": MARKUP})
    await call(eve, "POST", "/api/v1/invitations", {"note": MARKUP})
    await call(eve, "POST", "/api/v1/account/keys", {"name": MARKUP, "scopes": ["read"]})
    [slug, me] = [(await call(eve, "GET", "/api/v1/me"))[name] for name in ("channel", "id")]
    await eve.goto(town.url)
    await eve.get_by_test_id("title-rename").click()
    await eve.get_by_test_id("title-field").fill(MARKUP)
    await eve.keyboard.press("Enter")
    live = told(dan, "is live")
    await eve.get_by_role("button", name="Go live").click()
    await eve.get_by_role("button", name="Stop", exact=True).wait_for()
    await live
    await _only_text(dan)
    await dan.goto(f"{town.url}/listen/{slug}")
    await dan.get_by_test_id("chat-open").click()
    await dan.get_by_test_id("chat-field").fill(MARKUP)
    await dan.get_by_test_id("chat-send").click()
    for page in (dan, eve):
        await page.get_by_test_id("chat-message").filter(has_text="onerror").wait_for(state="attached")
        await _only_text(page)
    for page, paths in {
        dan: (f"/people/{me}", f"/listen/{slug}", "/live", "/friends", "/notices", "/recordings"),
        await eve.context.new_page(): ("/friends", "/settings/invitations", "/settings/keys", f"/people/{me}"),
    }.items():
        for path in paths:
            await page.goto(town.url + path)
            await page.locator("#content").get_by_text("onerror").locator("visible=true").first.wait_for()
            await _only_text(page)


ADDRESSES = (
    f"/register?invitation={MARKUP}",
    f"/listen/{MARKUP}",
    f"/people/{MARKUP}?next={MARKUP}",
    f"/listen/eve#link={MARKUP}",
)
ELSEWHERE = (
    "javascript:alert(1)",
    "//evil.example/",
    "/\\evil.example",
    "https://evil.example/live",
    "/\t/evil.example",
)


async def test_what_an_address_says_is_text_and_leads_nowhere_else(town: House) -> None:
    page = await town.visitor()
    for path in ADDRESSES:
        await page.goto(town.url + path)
        await page.get_by_role("heading", level=1).wait_for()
        await _only_text(page)
    where = """async (next) => {
      history.replaceState(null, "", `/sign-in?next=${encodeURIComponent(next)}`);
      const door = new URL("people/door.js", document.querySelector("script[type=module]").src);
      return (await import(door)).nextPath("/live");
    }"""
    for next_ in ELSEWHERE:
        assert await page.evaluate(where, next_) == "/live"
    assert await page.evaluate(where, "/people/abc?tab=1") == "/people/abc?tab=1"


ELEMENTS = "[onerror], [onload], script:not([src]), img[src=x], a[href^='javascript']"


async def _only_text(page: Page) -> None:
    """Nothing that somebody typed has become an element."""
    script = "(which) => [...document.querySelectorAll(which)].map((one) => one.outerHTML)"
    assert await page.evaluate(script, ELEMENTS) == []
