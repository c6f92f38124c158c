"""A publisher's packets in a recording: every one of them, at stream time, whatever the clocks and the wire do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from server.audio.opus import packet_duration
from server.audio.passage import Arrived, Passage
from server.audio.sender_clock import SenderClock
from server.clock import SAMPLE_RATE

LOUD = -12.0


def packet(number: int, size: int = 60, toc: int = 0xFC) -> bytes:
    """A packet that can be told from all others."""
    return bytes([toc]) + number.to_bytes(6, "big") + bytes(size)


@dataclass
class Tape:
    """A passage, the clock before it, and what it wrote."""

    clock: SenderClock = field(default_factory=SenderClock)
    written: list[tuple[int, bytes]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.passage = Passage(
            lambda start, data: self.written.append((start, data)), lambda start, end: self.gaps.append((start, end))
        )

    def push(self, time: int, payload: bytes, arrival: int, level: float = LOUD) -> int | None:
        self.clock.follow(time, arrival)
        return self.passage.lay(
            Arrived(time, payload, packet_duration(payload), arrival, self.clock.run, self.clock.floor), level
        )

    def gapless(self) -> bool:
        """Whether every packet begins where the one before ends; long silence is left to the file."""
        position = 0
        for start, data in self.written:
            if start != position and start - position <= SAMPLE_RATE:
                return False
            position = start + packet_duration(data)
        return position == self.passage.position

    def own(self) -> list[bytes]:
        """The publisher's packets among those written, in order."""
        return [data for _, data in self.written if len(data) > 10]


@pytest.mark.parametrize(("toc", "duration"), [(0xE4, 120), (0xF4, 480), (0xFC, 960), (0xFD, 1920)])
def test_packets_lie_end_to_end_as_they_came(toc: int, duration: int) -> None:
    tape = Tape()
    sent = [packet(number, toc=toc, size=61) for number in range(500)]
    for number, data in enumerate(sent):
        tape.push(77_000 + number * duration, data, number * duration)
    assert [data for _, data in tape.written] == sent
    assert [start for start, _ in tape.written] == [number * duration for number in range(500)]
    assert tape.gaps == []


@pytest.mark.parametrize("ppm", [200, -200])
@pytest.mark.parametrize("pauses", [True, False])
def test_a_clock_that_runs_away_for_an_hour_is_brought_back_by_single_packets(ppm: int, pauses: bool) -> None:
    """A packet more or less every 100 s, at a pause where the music has one."""
    tape, chaos = Tape(), random.Random(1)
    count = 3600 * 50
    worst = 0
    at_pauses = 0
    for number in range(count):
        sent = number * 960 * (1 + ppm * 1e-6)
        pause = pauses and number % 400 > 380
        repeated = tape.passage.repeated + tape.passage.left_out
        tape.push(number * 960, packet(number), round(sent + 480 * chaos.random()), -48.0 if pause else LOUD)
        at_pauses += pause * (tape.passage.repeated + tape.passage.left_out - repeated)
        if number > 250:
            worst = max(worst, abs(tape.passage.position - round(sent) - 960))
    corrections = tape.passage.repeated + tape.passage.left_out
    assert 34 <= corrections <= 37
    assert (tape.passage.repeated > 0) == (ppm > 0)
    assert worst <= (1400 if pauses else 3400)
    assert at_pauses == corrections or not pauses
    assert abs(tape.passage.position - count * 960 * (1 + ppm * 1e-6)) <= (960 if pauses else 3000)
    assert tape.passage.late == tape.passage.overflowed == 0
    assert tape.gapless()
    assert tape.gaps == []


def test_a_lost_packet_is_asked_of_the_decoder_for_as_long_as_it_was() -> None:
    tape = Tape()
    for number in [*range(10), *range(11, 20)]:
        tape.push(number * 960, packet(number), number * 960)
    assert tape.written[10] == (9600, b"\xfc")
    assert tape.gapless()
    assert tape.passage.position == 20 * 960
    assert tape.passage.made_up == 960


def test_a_long_gap_is_made_up_for_60_ms_and_silent_after_that() -> None:
    tape = Tape()
    for number in [*range(10), *range(60, 70)]:
        tape.push(number * 960, packet(number), number * 960)
    middle = [data for _, data in tape.written[10:-10]]
    assert middle == [b"\xfc"] * 3 + [b"\xfc\xff\xfe"] * 47
    assert tape.gaps == [(10 * 960, 60 * 960)]
    assert tape.gapless()


def test_time_in_which_nobody_sends_is_filled_while_it_passes() -> None:
    tape = Tape()
    for number in range(10):
        tape.push(number * 960, packet(number), number * 960)
    for end in range(9600, 200_000, 480):
        tape.passage.fill(end)
    assert tape.gapless()
    tape.clock.reanchor()
    tape.push(5, packet(10), 200_003)
    assert tape.written[-1][0] == 200_040
    assert tape.gaps == [(9600, 200_040)]
    tape.passage.finish(240_000)
    assert tape.passage.position == 240_000
    assert tape.gapless()


def test_hours_of_nothing_are_left_to_the_file() -> None:
    tape = Tape()
    tape.push(0, packet(0), 0)
    tape.passage.fill(8 * 3600 * SAMPLE_RATE)
    assert len(tape.written) < 10
    assert tape.gapless()


def test_what_comes_in_a_burst_after_a_stall_is_all_kept() -> None:
    tape = Tape()
    for number in range(200):
        tape.push(number * 960, packet(number), number * 960 if not 100 <= number < 175 else 175 * 960)
    assert tape.own() == [packet(number) for number in range(200)]
    assert tape.gapless()


def test_what_comes_after_its_time_was_filled_is_counted() -> None:
    tape = Tape()
    for number in range(10):
        tape.push(number * 960, packet(number), number * 960)
    tape.passage.fill(20 * 960)
    assert tape.push(12 * 960, packet(12), 20 * 960) is None
    assert tape.push(20 * 960, packet(20), 20 * 960) == 20 * 960
    assert tape.passage.late == 1


@pytest.mark.parametrize("jump", [-3_000_000, 48_000, 10**9])
def test_a_sender_that_starts_its_time_anew_keeps_the_timeline(jump: int) -> None:
    tape = Tape()
    for number in range(300):
        tape.push(number * 960 + (jump if number >= 150 else 0), packet(number), number * 960)
    assert len(tape.own()) >= 297
    assert tape.passage.position == 300 * 960
    assert tape.gapless()


def test_a_sender_whose_clock_stood_still_goes_on_at_stream_time() -> None:
    """It pauses for five seconds and stamps the next packet as if it had not."""
    tape = Tape()
    for number in range(300):
        tape.push(number * 960, packet(number), number * 960 + (240_000 if number >= 150 else 0))
        tape.passage.fill((number * 960 + (240_000 if number >= 150 else 0) - 96_000) // 480 * 480)
    assert tape.passage.position == 300 * 960 + 240_000
    assert len(tape.own()) >= 297
    assert tape.gapless()


def test_a_hundred_reconnects_leave_the_recording_at_stream_time() -> None:
    tape, chaos = Tape(), random.Random(3)
    now = 0
    for _ in range(100):
        tape.clock.reanchor()
        base = chaos.randrange(1 << 32)
        late = chaos.randrange(2400)
        for number in range(60):
            tape.push(base + number * 960, packet(number), now + number * 960 + max(0, late - number * 480))
        now += 60 * 960 + chaos.randrange(48_000)
    tape.passage.finish(now // 480 * 480)
    assert 0 <= tape.passage.position - now // 480 * 480 <= 960
    assert tape.gapless()


def test_a_sender_that_sends_too_fast_cannot_run_ahead_of_the_clock() -> None:
    tape = Tape()
    for number in range(2000):
        tape.push(number * 960, packet(number), number * 240)
        assert tape.passage.position <= number * 240 + SAMPLE_RATE + 960
    for number in range(2000, 4000):
        tape.push(number * 960, packet(number), 2000 * 240 + (number - 2000) * 960)
    assert tape.passage.overflowed > 0
    assert abs(tape.passage.position - (2000 * 240 + 2000 * 960)) <= SAMPLE_RATE + 960
    assert tape.own()[-1] == packet(3999)


def test_a_path_that_gets_longer_loses_no_packet() -> None:
    """By 80 ms and for good: what is more than the tolerance is made up for by packets that come twice."""
    tape = Tape()
    for number in range(6000):
        level = -80.0 + number / 50  # it only ever gets louder: there is no quiet place
        tape.push(number * 960, packet(number), number * 960 + (3840 if number > 1000 else 0), max(-50.0, level))
    assert {packet(number) for number in range(6000)} <= set(tape.own())
    assert 0 < tape.passage.repeated <= 4
    assert tape.gapless()


def test_music_without_a_quiet_place_is_corrected_all_the_same_and_later() -> None:
    tape = Tape()
    worst = 0
    for number in range(30_000):
        sent = number * 960 * (1 + 200e-6)
        tape.push(number * 960, packet(number), round(sent), -45.0 + number / 1000)
        worst = max(worst, abs(tape.passage.position - round(sent) - 960))
    assert 2880 <= worst <= 3100
    assert tape.passage.repeated > 0
