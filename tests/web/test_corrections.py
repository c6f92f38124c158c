"""Corrections of captions are kept: read one by one, and taken back one after the other."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from server.app import Server
from server.speech.final import Account, final_account, with_corrections
from server.store.caption_edits import MOST
from server.store.records import CaptionVersion
from tests.store.rows import NOW, caption
from tests.web.test_captions import ask, said  # noqa: F401 - a fixture
from tests.web.test_events import subscribe
from tests.web.test_routes import problem

PATH = "/api/v1/streams/abc/captions"

pytestmark = pytest.mark.usefixtures("said")


async def history(http: aiohttp.ClientSession, number: int) -> list[tuple[Any, Any, bool]]:
    found = await ask(http, "GET", f"{PATH}/{number}/edits")
    assert found["total"] == len(found["items"])
    return [(item["before"], item["after"], item["undone"]) for item in found["items"]]


async def test_corrections_are_taken_back_one_after_the_other(http: aiohttp.ClientSession) -> None:
    first = (await ask(http, "GET", PATH))["items"][0]
    await ask(http, "PATCH", f"{PATH}/1", {"text": "Good evening"})
    await ask(http, "PATCH", f"{PATH}/1", {"text": "Good evening"})  # changes nothing
    await ask(http, "PATCH", f"{PATH}/2", {"hidden": True})
    await ask(http, "PATCH", f"{PATH}/1", {"speakers": ["S2"], "text": "Good night"})
    assert await history(http, 1) == [
        ({"text": "Good evening", "speakers": ["S1"]}, {"text": "Good night", "speakers": ["S2"]}, False),
        ({"text": "Good morning"}, {"text": "Good evening"}, False),
    ]
    back = await ask(http, "POST", f"{PATH}/undo")
    assert (back["id"], back["text"], back["speakers"], back["edited"]) == (1, "Good evening", ["S1"], True)
    assert not (await ask(http, "POST", f"{PATH}/undo"))["hidden"]
    back = await ask(http, "POST", f"{PATH}/undo")
    assert {**back, "rev": 0} == {**first, "rev": 0}
    assert [undone for _, _, undone in await history(http, 1)] == [True, True]
    async with http.post(f"{PATH}/undo") as response:
        assert (await problem(response, 409))["code"] == "nothing-to-undo"
    await ask(http, "PATCH", f"{PATH}/1", {"text": "Good bye"})
    assert (await ask(http, "POST", f"{PATH}/undo"))["text"] == "Good morning"


async def test_taking_back_is_told_as_a_revision_and_found_at_once(server: Server, http: aiohttp.ClientSession) -> None:
    await ask(http, "PATCH", f"{PATH}/1", {"text": "Zebra crossing"})
    page = await subscribe(http, "captions:abc")
    assert (await page.receive_json(timeout=30))["type"] == "snapshot"
    assert (await ask(http, "GET", "/api/v1/recordings?search=zebra"))["total"] == 1
    await ask(http, "POST", f"{PATH}/undo")
    told = await page.receive_json(timeout=30)
    assert (told["type"], told["data"]["kind"]) == ("caption", "revision")
    assert told["data"]["caption"]["text"] == "Good morning"
    assert (await ask(http, "GET", "/api/v1/recordings?search=zebra"))["total"] == 0
    await page.close()


async def test_of_one_caption_the_last_corrections_are_kept(server: Server, http: aiohttp.ClientSession) -> None:
    for number in range(MOST + 5):
        await server.services.caption_desk.edit("abc", 1, text=f"Version {number}", by=("local", NOW))
    found = await history(http, 1)
    assert len(found) == MOST
    assert found[0][1] == {"text": f"Version {MOST + 4}"}


async def test_corrections_stay_with_their_captions_when_they_are_heard_again(
    server: Server, http: aiohttp.ClientSession
) -> None:
    store = server.services.store
    await ask(http, "PATCH", f"{PATH}/2", {"text": "Corrected while live"})
    live = Account(
        tuple(await store.captions.all("abc", CaptionVersion.LIVE)),
        tuple(await store.captions.speakers("abc", CaptionVersion.LIVE)),
    )
    again = final_account(caption(0, "New words before").words, [], live, {})
    await store.captions.replace("abc", CaptionVersion.FINAL, again.captions, again.speakers)
    kept = next(item for item in again.captions if item.text == "Corrected while live")
    assert [after for _, after, _ in await history(http, kept.id)] == [{"text": "Corrected while live"}]
    await ask(http, "PATCH", f"{PATH}/1", {"text": "Corrected afterwards"})
    earlier = Account(tuple(await store.captions.all("abc", CaptionVersion.FINAL)), again.speakers)
    third = final_account((), [], with_corrections(live, earlier), {})
    await store.captions.replace("abc", CaptionVersion.FINAL, third.captions, third.speakers)
    numbers = {item.text: item.id for item in third.captions if item.text is not None}
    assert set(numbers) == {"Corrected while live", "Corrected afterwards"}
    for text, number in numbers.items():
        assert [after for _, after, _ in await history(http, number)] == [{"text": text}]
    assert (await ask(http, "POST", f"{PATH}/undo"))["id"] == numbers["Corrected afterwards"]
    assert (await ask(http, "POST", f"{PATH}/undo?version=live"))["id"] == 2
    await store.captions.forget("abc")
    assert await store.caption_edits.last("abc", CaptionVersion.LIVE) is None
