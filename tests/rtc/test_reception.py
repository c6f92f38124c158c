"""The numbers of receiver reports."""

from __future__ import annotations

from server.rtc.reception import ReceptionStatistics


def test_loss_is_told_since_the_last_report_and_in_all() -> None:
    statistics = ReceptionStatistics(65_530)
    for n in range(100):
        if n % 4 or n == 0:
            statistics.add(65_530 + n & 0xFFFF, n * 960, n * 960)
    report = statistics.report()
    assert report.packets_lost == 24
    assert report.fraction_lost == (24 << 8) // 100
    assert report.highest_sequence == 65_530 + 99
    assert report.jitter == 0
    assert statistics.report().fraction_lost == 0


def test_jitter_follows_the_spread_of_arrivals() -> None:
    statistics = ReceptionStatistics(0)
    for n in range(500):
        statistics.add(n, n * 960, n * 960 + (n % 2) * 96)
    assert 90 <= statistics.report().jitter <= 96
