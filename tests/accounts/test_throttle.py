"""Guessing: a few attempts, then a pause; whoever knows the password is not kept out by whoever does not."""

from __future__ import annotations

import pytest

from server.accounts import throttle as module
from server.accounts.throttle import BY_ADDRESS, BY_NAME, BY_PAIR, Throttle
from server.errors import TooManyRequests
from tests.accounts.conftest import MovableClock


@pytest.fixture
def throttle(clock: MovableClock) -> Throttle:
    return Throttle(clock.monotonic)


def let_in(throttle: Throttle, name: str, address: str) -> bool:
    try:
        throttle.take(name, address)
    except TooManyRequests:
        return False
    return True


def test_five_failures_of_one_name_from_one_address_then_a_pause(throttle: Throttle, clock: MovableClock) -> None:
    for _ in range(BY_PAIR):
        throttle.take("anna", "192.0.2.1")
        clock.forward(seconds=1)
    with pytest.raises(TooManyRequests) as caught:
        throttle.take("anna", "192.0.2.1")
    assert caught.value.retry_after == 15 * 60 - BY_PAIR
    assert let_in(throttle, "anna", "192.0.2.2")
    assert let_in(throttle, "ben", "192.0.2.1")
    clock.forward(seconds=caught.value.retry_after)
    assert let_in(throttle, "anna", "192.0.2.1")
    assert not let_in(throttle, "anna", "192.0.2.1")


def test_an_address_tries_few_names_and_a_name_is_tried_from_few_addresses(throttle: Throttle) -> None:
    assert [let_in(throttle, f"user{number}", "192.0.2.1") for number in range(BY_ADDRESS + 1)].count(False) == 1
    assert [let_in(throttle, "anna", f"198.51.100.{number}") for number in range(BY_NAME + 1)].count(False) == 1


def test_whoever_signed_in_from_there_before_is_not_kept_out_by_strangers(throttle: Throttle) -> None:
    throttle.take("anna", "203.0.113.1")
    throttle.succeeded("anna", "203.0.113.1")
    for number in range(BY_NAME + 1):
        let_in(throttle, "anna", f"198.51.100.{number}")
    assert not let_in(throttle, "anna", "198.51.100.99")
    assert let_in(throttle, "anna", "203.0.113.1")


def test_successes_are_not_counted(throttle: Throttle) -> None:
    for _ in range(10 * BY_ADDRESS):
        throttle.take("anna", "192.0.2.1")
        throttle.succeeded("anna", "192.0.2.1")
    assert let_in(throttle, "anna", "192.0.2.1")


def test_a_network_of_ipv6_addresses_is_one_and_a_mapped_address_is_itself(throttle: Throttle) -> None:
    assert [let_in(throttle, "anna", f"2001:db8::{number:x}") for number in range(BY_PAIR + 1)].count(False) == 1
    assert let_in(throttle, "anna", "2001:db8:0:1::1")
    assert [let_in(throttle, "ben", address) for address in ("192.0.2.9", "::ffff:192.0.2.9") * 3].count(False) == 1


def test_what_is_remembered_has_a_limit(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 50)
    before = module.FAILURES.dropped
    for number in range(1000):
        let_in(throttle, f"name{number}", f"10.0.{number // 250}.{number % 250}")
    assert max(module.FAILURES.lengths()) == 50
    assert module.FAILURES.dropped > before
