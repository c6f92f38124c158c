"""Which sites may show a recording's player in a frame."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from server.config import load_settings
from server.errors import SettingsError

PLAYER = "/embed/recordings/abc"


def framed_by(response: aiohttp.ClientResponse) -> str:
    """What the answer's policy says of frames."""
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    return policy["frame-ancestors"]


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        ("", "'none'"),
        ("https://radio.example/, http://127.0.0.1:8000", "https://radio.example http://127.0.0.1:8000"),
        ("*", "*"),
    ],
)
async def test_the_sites_of_the_setting_may_frame_the_player_and_nothing_else(
    start: Callable[..., Any], sites: str, told: str
) -> None:
    server = await start(embed_sites=sites)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.get(PLAYER) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            assert framed_by(response) == told
            assert re.search(r'src="/static/~\w+/js/embed.js"', await response.text())
        for path in ("/", "/recordings/abc", "/api/v1/recordings/abc", "/static/embed.html"):
            async with http.get(path) as response:
                assert framed_by(response) == "'none'"


@pytest.mark.parametrize("site", ["radio.example", "https://radio.example/page", "https://a.example; x", "x"])
def test_what_is_no_site_is_refused_when_the_server_starts(site: str) -> None:
    with pytest.raises(SettingsError, match=r"EMBED_SITES.*is no site"):
        load_settings(embed_sites=site)
