"""How often everybody may ask, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from server.accounts import Actor, Role, Scope
from server.config import load_settings
from server.errors import SettingsError, TooManyRequests
from server.rates import DEFAULTS, SHARED, Rate
from server.web import limits
from server.web.limits import COUNTED, Limits
from server.web.pages import static_dir
from server.web.server import ROUTES
from tests.web.test_routes import problem

FEW = {Rate.READ: 3, Rate.PAGE: 4, Rate.WRITE: 2}


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def allowed(counted: Limits, key: str = "anna", rate: Rate = Rate.READ) -> bool:
    try:
        counted.take(rate, key)
    except TooManyRequests:
        return False
    return True


# ---- counting


def test_a_minutes_worth_at_once_and_then_evenly() -> None:
    time = Time()
    counted = Limits({Rate.READ: 60}, time)
    assert sum(allowed(counted) for _ in range(200)) == 60
    time.now += 0.9
    assert not allowed(counted)
    time.now += 0.1
    assert [allowed(counted), allowed(counted)] == [True, False]
    time.now += 30
    assert sum(allowed(counted) for _ in range(200)) == 30
    time.now += 3600
    assert sum(allowed(counted) for _ in range(200)) == 60, "hours of silence save nothing up"


def test_what_is_told_is_true() -> None:
    time = Time()
    counted = Limits({Rate.SIGN_IN: 5}, time)
    for expected in (4, 3, 2, 1, 0):
        left = counted.take(Rate.SIGN_IN, "a")
        assert left is not None and (left.limit, left.remaining) == (5, expected)
        assert left.reset == 60 - 12 * expected
    with pytest.raises(TooManyRequests) as refused:
        counted.take(Rate.SIGN_IN, "a")
    assert refused.value.retry_after == 12
    time.now += refused.value.retry_after
    assert allowed(counted, "a", Rate.SIGN_IN)


def test_what_is_refused_puts_nobody_further_back() -> None:
    time = Time()
    counted = Limits({Rate.READ: 6}, time)
    for _ in range(6):
        assert allowed(counted)
    for _ in range(1000):
        assert not allowed(counted)
    time.now += 10
    assert allowed(counted)


def test_everybody_and_every_class_is_counted_apart() -> None:
    counted = Limits({Rate.READ: 1, Rate.WRITE: 1}, Time())
    assert allowed(counted) and allowed(counted, "ben") and allowed(counted, rate=Rate.WRITE)
    assert not allowed(counted) and not allowed(counted, "ben") and not allowed(counted, rate=Rate.WRITE)


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    counted, before = Limits({Rate.READ: 1}, Time()), COUNTED.dropped
    for number in range(30):
        assert allowed(counted, str(number))
    assert COUNTED.dropped == before + 20
    assert not allowed(counted, "29")
    assert max(COUNTED.lengths()) == 10


# ---- the setting


def test_some_limits_are_changed_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARCAST_RATE_LIMITS", "read=1200, sign-in = 10,page=0")
    assert load_settings().rate_limits == DEFAULTS | {Rate.READ: 1200, Rate.SIGN_IN: 10, Rate.PAGE: 0}
    assert Limits(load_settings().rate_limits).take(Rate.PAGE, "a") is None
    monkeypatch.setenv("CLEARCAST_RATE_LIMITS", " OFF ")
    assert set(load_settings().rate_limits.values()) == {0}
    monkeypatch.delenv("CLEARCAST_RATE_LIMITS")
    assert load_settings().rate_limits == DEFAULTS


@pytest.mark.parametrize(
    ("text", "told"), [("reed=5", "read is near"), ("read", "read=100"), ("read=-5", "read=100"), ("x=1", "sign-in")]
)
def test_a_mistake_in_the_setting_is_named(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"CLEARCAST_RATE_LIMITS.*{told}"):
        load_settings(rate_limits=text)


def test_every_route_is_counted() -> None:
    found = {f"{route.method} {route.path}": route.counted_as for route in ROUTES}
    assert found["GET /api/v1/streams"] is Rate.READ
    assert found["POST /api/v1/sound-check"] is Rate.EXPENSIVE
    assert found["POST /whip/{slug}"] is found["POST /whep/{slug}"] is Rate.CONNECT
    assert found["GET /api/v1/recordings/{id}/audio"] is Rate.MEDIA
    assert found["PATCH /api/v1/streams/{id}"] is Rate.WRITE
    assert found["GET /static/{path:.+}"] is found["GET /health/live"] is Rate.PAGE


# ---- over HTTP


async def test_too_many_requests_are_refused_and_told_when_to_come_back(start: Callable[..., Any]) -> None:
    server = await start(rate_limits=FEW)
    async with aiohttp.ClientSession(server.url) as http:
        for expected in ("2", "1", "0"):
            async with http.get("/api/v1/streams") as response:
                assert response.status == 200
                assert response.headers["X-RateLimit-Limit"] == "3"
                assert response.headers["X-RateLimit-Remaining"] == expected
                assert 0 < int(response.headers["X-RateLimit-Reset"]) <= 60
        for path in ("/api/v1/streams", "/api/v1/recordings"):
            async with http.get(path) as response:
                assert (await problem(response, 429))["code"] == "too-many-requests"
                assert 0 < int(response.headers["Retry-After"]) <= 20
                assert response.headers["X-RateLimit-Remaining"] == "0"
        async with http.get("/health/live") as response:
            assert response.status == 200, "another class"


async def test_addresses_that_lead_nowhere_are_counted_too(start: Callable[..., Any]) -> None:
    server = await start(rate_limits={Rate.PAGE: 1})
    async with aiohttp.ClientSession(server.url) as http:
        statuses = []
        for number in range(SHARED + 2):
            async with http.request("DELETE" if number % 2 else "GET", f"/api/v1/guess-{number}") as response:
                statuses.append(response.status)
    assert statuses == [404] * SHARED + [429] * 2


async def test_subscriptions_are_counted_too(start: Callable[..., Any]) -> None:
    server = await start(rate_limits={Rate.READ: 3})
    async with aiohttp.ClientSession(server.url) as http, http.ws_connect("/api/v1/events") as page:
        for _ in range(4):  # to open the socket was the first of three
            await page.send_json({"type": "subscribe", "topics": [{"topic": "system"}]})
        refused: list[str] = []
        while len(refused) < 2:
            told = await page.receive_json(timeout=30)
            refused += [told["data"]["code"]] if told["type"] == "error" else []
    assert refused == ["too-many-requests"] * 2


async def test_people_are_counted_by_themselves_and_by_their_keys(start: Callable[..., Any]) -> None:
    server = await start(rate_limits={Rate.READ: 2})

    async def asks(http: aiohttp.ClientSession, actor: Actor, times: int) -> list[int]:
        server.services.actor = actor
        statuses = []
        for _ in range(times):
            async with http.get("/api/v1/streams") as response:
                statuses.append(response.status)
        return statuses

    def member(name: str, key: str = "") -> Actor:
        return Actor(name, name, Role.MEMBER, frozenset({Scope.READ}) if key else None, key)

    async with aiohttp.ClientSession(server.url) as http:
        assert await asks(http, member("anna"), 3) == [200, 200, 429]
        assert await asks(http, member("ben"), 1) == [200], "the same address, somebody else"
        assert await asks(http, member("ben", "key-1"), 2) == [200, 429], "a key is its user's"
        assert await asks(http, member("anna", "key-2"), 1) == [429]
        seen = []
        for number in range(2 * SHARED):
            seen += await asks(http, member(f"user-{number}"), 1)
    assert seen.count(200) == 2 * SHARED - 7 and seen[-1] == 429, "an address has an end as well"


async def test_clients_behind_a_proxy_are_told_apart(start: Callable[..., Any]) -> None:
    server = await start(rate_limits={Rate.READ: 1}, trusted_proxies="127.0.0.1, ::1")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        statuses = []
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "6.6.6.6, 192.0.2.2", "2001:db8::1", "2001:db8::2"):
            async with http.get("/api/v1/streams", headers={"X-Forwarded-For": client}) as response:
                statuses.append(response.status)
    assert statuses == [200, 200, 429, 429, 200, 429]


async def test_a_page_that_is_opened_ten_times_a_minute_stays_far_below_its_limits(start: Callable[..., Any]) -> None:
    server = await start(rate_limits=DEFAULTS)
    files = [path for path in static_dir().rglob("*") if path.is_file()]
    assert 10 * len(files) < DEFAULTS[Rate.PAGE] / 2
    lists = [f"/api/v1/{name}" for name in ("me", "config", "channels", "streams", "recordings", "jobs", "voices")]
    async with aiohttp.ClientSession(server.url) as http:
        for path in lists * 10:
            async with http.get(path) as response:
                assert response.status == 200
                left = int(response.headers["X-RateLimit-Remaining"])
    assert left > DEFAULTS[Rate.READ] * 0.85
