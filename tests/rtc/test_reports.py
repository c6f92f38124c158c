"""What a listener reports is kept as far as it can be true."""

from __future__ import annotations

import pytest

from server import metrics
from server.clock import SAMPLE_RATE
from server.rtc.reports import REMEMBERED, ListenerStatistics, ReportLog
from tests.fakes import ManualClock


def test_nothing_is_known_before_a_report() -> None:
    assert ReportLog(ManualClock()).statistics(5) == ListenerStatistics(5)


def test_the_round_trip_is_what_the_listener_did_not_spend() -> None:
    clock = ManualClock()
    log = ReportLog(clock)
    log.sent(0xABCD0001, 50)
    clock.advance(SAMPLE_RATE // 2)
    log.received(64, 3, 480, 0xABCD0001, 65536 // 4)
    seen = log.statistics(51)
    assert seen == ListenerStatistics(51, 3, 0.25, 0.01, pytest.approx(0.25))


def test_a_report_of_something_never_sent_has_no_round_trip() -> None:
    clock = ManualClock()
    log = ReportLog(clock)
    for number in range(REMEMBERED + 1):
        log.sent(number + 1, 50)
    for last, delay in ((0, 0), (1, 0), (99, 0), (5, 65536)):
        log.received(0, 0, 0, last, delay)
    assert log.statistics(0).round_trip_s is None


def test_nobody_loses_more_than_was_sent_and_nothing_is_counted_twice() -> None:
    lost = metrics.LISTENER_PACKETS_LOST
    before = lost._value.get()
    log = ReportLog(ManualClock())
    log.received(255, 8_000_000, 2**32 - 1, 0, 0)
    assert log.statistics(0).packets_lost == 0
    log.sent(1, 100)
    for reported in (-20, 10, 7, 12, 8_000_000):
        log.received(255, reported, 2**32 - 1, 0, 0)
    assert log.statistics(100).packets_lost == 100
    assert log.statistics(100).jitter_s == 10.0
    assert lost._value.get() - before == 100
