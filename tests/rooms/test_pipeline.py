"""The audio path on a clock of its own: where a sample comes out, and what does when the denoiser fails."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.frame import Samples
from server.clock import HOP, PACKET, SAMPLE_RATE
from server.rooms.messages import DenoiseMode
from server.rooms.pipeline import Pipeline
from server.rtc.publish import ReceivedAudio
from tests.fakes import ScriptedDenoise
from tests.rooms.sound import level, tone

DEADLINE = 2
"""Hops."""


class Bench:
    """A pipeline, fed in real packets of 20 ms."""

    def __init__(self, mode: DenoiseMode, **denoise: object) -> None:
        self.denoise = ScriptedDenoise(**denoise)  # type: ignore[arg-type]
        self.clean: list[tuple[int, Samples]] = []
        self.raw: list[tuple[int, Samples]] = []
        self.gaps: list[tuple[int, int]] = []
        self.pipeline = Pipeline(
            denoise=self.denoise,
            mode=mode,
            deadline_hops=DEADLINE,
            on_clean=lambda start, samples: self.clean.append((start, samples)),
            on_raw=lambda start, samples: self.raw.append((start, samples)),
            on_gap=lambda start, end: self.gaps.append((start, end)),
        )
        self.now = 0

    def run(self, seconds: float, amplitude: float | None = 0.5) -> None:
        for _ in range(round(seconds * 100)):
            if self.now % PACKET == 0 and amplitude is not None:
                samples = tone(self.now, amplitude)
                self.pipeline.receive(ReceivedAudio(7_000 + self.now, samples, SAMPLE_RATE, self.now), self.now)
            self.now += HOP
            self.pipeline.feed(self.now, self.now)
            self.denoise.flush()
            self.pipeline.emit(self.now)

    def heard(self) -> Samples:
        return joined(self.clean)


def joined(frames: list[tuple[int, Samples]]) -> Samples:
    """All frames in a row; asserts that they begin at 0 and follow each other."""
    assert [start for start, _ in frames] == list(range(0, PACKET * len(frames), PACKET))
    return np.concatenate([samples for _, samples in frames])


def levels(audio: Samples) -> list[float]:
    """RMS of every 100 ms, as a fraction of the tone's."""
    size = SAMPLE_RATE // 10
    return [round(level(audio[at : at + size]) / level(tone(0)), 2) for at in range(0, len(audio) - size + 1, size)]


@pytest.mark.parametrize("mode", list(DenoiseMode))
def test_output_has_no_hole_and_every_sample_keeps_its_time(mode: DenoiseMode) -> None:
    bench = Bench(mode)
    bench.run(10)
    clean, raw = joined(bench.clean), joined(bench.raw)
    both = min(len(clean), len(raw))
    gain = 0.5 if mode is DenoiseMode.ACTIVE else 1.0
    settled = slice(SAMPLE_RATE // 2, both)
    assert np.abs(clean[settled] - gain * raw[settled]).max() < 1e-6
    assert bench.gaps == []
    assert bench.pipeline.position - len(clean) in (0, HOP)


def test_absent_costs_nothing_and_the_others_cost_the_same() -> None:
    benches = {mode: Bench(mode) for mode in DenoiseMode}
    for bench in benches.values():
        bench.run(1)
    lag = {mode: bench.pipeline.position for mode, bench in benches.items()}
    assert lag[DenoiseMode.ACTIVE] == lag[DenoiseMode.BYPASSED]
    assert lag[DenoiseMode.ABSENT] - lag[DenoiseMode.ACTIVE] == 1440 + DEADLINE * HOP
    assert len(benches[DenoiseMode.ABSENT].denoise.lanes) == 0


def test_switching_moves_nothing_in_time() -> None:
    bench = Bench(DenoiseMode.ACTIVE)
    bench.run(1)
    bench.pipeline.set_mode(DenoiseMode.BYPASSED)
    bench.run(1)
    bench.pipeline.set_mode(DenoiseMode.ACTIVE)
    bench.run(1)
    heard = levels(bench.heard())
    assert heard[3:9] == [0.5] * 6
    assert heard[11:19] == [1.0] * 8
    assert heard[21:29] == [0.5] * 8
    assert np.abs(np.diff(bench.heard()[SAMPLE_RATE // 2 :])).max() < 0.06  # no step: it is a fade


def test_a_dead_denoiser_leaves_no_hole_and_is_told() -> None:
    bench = Bench(DenoiseMode.ACTIVE)
    bench.run(1)
    assert not bench.pipeline.degraded
    bench.denoise.dead = True
    bench.run(2)
    assert bench.pipeline.degraded
    bench.denoise.dead = False
    bench.run(2)
    assert not bench.pipeline.degraded
    heard = levels(bench.heard())
    assert len(heard) >= 49
    assert heard[12:29] == [1.0] * 17
    assert heard[35:48] == [0.5] * 13


@pytest.mark.parametrize(("late", "expected"), [(0, 0.5), (1, 0.5), (DEADLINE, 0.5), (DEADLINE + 2, 1.0)])
def test_answers_count_until_the_deadline(late: int, expected: float) -> None:
    bench = Bench(DenoiseMode.ACTIVE, late=late)
    bench.run(3)
    assert levels(bench.heard())[10:] == [expected] * len(levels(bench.heard())[10:])


def test_a_stall_of_the_server_does_not_count_against_the_denoiser() -> None:
    bench = Bench(DenoiseMode.ACTIVE, late=1)
    bench.run(2)
    moment = bench.now + 8 * HOP  # 80 ms pass at once: the denoiser has had no time at all
    while bench.now < moment:
        if bench.now % PACKET == 0:
            audio = ReceivedAudio(7_000 + bench.now, tone(bench.now), SAMPLE_RATE, bench.now)
            bench.pipeline.receive(audio, bench.now)
        bench.now += HOP
        bench.pipeline.feed(bench.now, moment)
        bench.pipeline.emit(moment)
    bench.run(2)
    assert not bench.pipeline.degraded
    assert levels(bench.heard())[5:] == [0.5] * len(levels(bench.heard())[5:])
    assert bench.pipeline.position >= 4 * SAMPLE_RATE


def test_without_a_place_in_the_denoiser_the_original_goes_out_until_there_is_one() -> None:
    bench = Bench(DenoiseMode.ACTIVE, lanes_left=0)
    bench.run(2)
    assert bench.pipeline.degraded
    bench.denoise.lanes_left = 1
    bench.run(6)
    assert not bench.pipeline.degraded
    heard = levels(bench.heard())
    assert heard[2:48] == [1.0] * 46
    assert heard[56:] == [0.5] * len(heard[56:])


def test_missing_audio_is_silence_and_told_once() -> None:
    bench = Bench(DenoiseMode.ABSENT)
    bench.run(1)
    bench.run(2, amplitude=None)
    bench.run(1)
    heard = levels(bench.heard())
    assert len(heard) == 40
    assert max(heard[12:29]) < 0.01
    assert heard[35:] == [1.0] * 5
    ((start, end),) = bench.gaps
    assert abs(start - SAMPLE_RATE) <= 4800
    assert abs(end - 3 * SAMPLE_RATE) <= 4800


def test_the_end_of_a_stream_comes_out_whole() -> None:
    bench = Bench(DenoiseMode.ACTIVE)
    bench.run(1)
    before = bench.pipeline.position
    bench.pipeline.finish(bench.now)
    bench.pipeline.close()
    assert bench.pipeline.position - before == 1440 + DEADLINE * HOP
    assert levels(bench.heard())[-2] == 0.5
    assert np.abs(bench.heard()[-HOP:]).max() < 0.15
    assert bench.denoise.lanes[0].closed
