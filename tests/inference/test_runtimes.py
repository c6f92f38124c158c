"""However the network is run, and at whatever level somebody talks, the answer is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from server.bench.golden import FOLDER, clip, difference
from server.bench.hardcases import measure
from server.bench.voice import babble
from server.clock import HOP
from server.inference import headroom
from server.inference.deepfilter.levelling import Levelling
from server.inference.deepfilter.madeup import MadeUpWeights, config_of, made_up
from server.inference.deepfilter.network import Network
from server.inference.deepfilter.runners import SIZES, Fixed
from server.inference.deepfilter.runtime import load_deepfilter
from server.inference.deepfilter.state import GAIN
from server.inference.deepfilter.step import Step, post_filter
from server.inference.denoiser import load_denoiser
from server.inference.headroom import streams_in_real_time

MODELS = ("DeepFilterNet3", "DeepFilterNet2")
RUNTIMES = {"eager": "torch", "traced": "torch.jit", "fixed": "fixed batches"}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_equals_what_the_published_implementation_gave(model: str, runtime: str) -> None:
    assert made_up(model, runtime=runtime).runtime == RUNTIMES[runtime]
    assert difference(model, runtime=runtime) <= 1e-5
    assert float(np.sqrt(np.mean(np.load(FOLDER / f"{model}.npy") ** 2))) > 0.01


def test_the_goldens_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000


@pytest.mark.parametrize("runtime", ["traced", "fixed"])
@pytest.mark.parametrize("model", MODELS)
def test_streams_that_come_and_go_sound_as_step_by_step(model: str, runtime: str) -> None:
    hops = clip()[: 40 * HOP].reshape(-1, HOP)
    outs = []
    for way in ("eager", runtime):
        denoiser = made_up(model, capacity=6, runtime=way)
        slots, heard = [denoiser.add() for _ in range(3)], []
        for number, hop in enumerate(hops):
            if number == 10:
                slots.append(denoiser.add())
                denoiser.post_filter(slots[0], True)
            if number == 20:
                denoiser.remove(slots.pop(1))
                denoiser.reset(slots[0])
            playing = slots[::-1] if number % 3 else slots[:1]
            heard.append(denoiser.step(playing, np.stack([hop * np.float32(0.5 + slot) for slot in playing])))
        outs.append(heard)
    for ours, theirs in zip(*outs, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-5


def test_fixed_batches_leave_every_other_slot_alone() -> None:
    step = Step(config_of("DeepFilterNet3"), Network(_weights(), config_of("DeepFilterNet3")), None).eval()
    memory = step.layout.fresh().repeat(6, 1)
    runner = Fixed(step, memory, sizes=(2, 4))
    before = memory.clone()
    with torch.inference_mode():
        assert runner.advance([3, 1, 4], torch.full((3, HOP), 0.1), None).shape == (3, HOP)
    changed = [row for row in range(6) if not torch.equal(before[row], memory[row])]
    assert changed == [1, 3, 4, 5]  # 5 is the spare one
    with pytest.raises(ValueError, match="largest batch"):
        runner.advance([0, 1, 2, 3, 4, 0], torch.zeros(6, HOP), None)
    assert max(SIZES) == 8192


def _weights() -> MadeUpWeights:
    return MadeUpWeights("DeepFilterNet3")


def test_a_runtime_that_cannot_be_had_leaves_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> object:
        raise RuntimeError("recording is not supported")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    denoiser = made_up("DeepFilterNet3")
    assert denoiser.runtime == "torch"
    assert np.abs(denoiser.whole(clip()) - np.load(FOLDER / "DeepFilterNet3.npy")).max() <= 1e-5


def test_the_post_filter_only_takes_away_and_spares_what_is_kept() -> None:
    kept = torch.linspace(0, 1, 100).unsqueeze(0)
    factors = post_filter(kept, torch.tensor([0.02]))
    assert torch.all(factors <= 1.0 + 1e-6)
    assert torch.isclose(factors[0, -1], torch.tensor(1.0))
    assert factors[0, 10] < 0.6
    assert torch.all(post_filter(kept[:, 1:], torch.tensor([0.0])) == 1.0)


# ---- levelling


def levelled(sound: np.ndarray) -> tuple[Step, torch.Tensor, np.ndarray]:
    config = config_of("DeepFilterNet3")
    step = Step(config, Network(_weights(), config), Levelling()).eval()
    rows = step.layout.fresh().repeat(1, 1)
    with torch.inference_mode():
        out = [step(rows, torch.from_numpy(hop[None]), None, None)[0].numpy() for hop in sound.reshape(-1, HOP)]
    return step, rows, np.concatenate(out)


def gain_after(level_db: float, seconds: float = 3.0) -> float:
    voice = babble(seconds)
    voice = voice / np.sqrt(np.mean(voice**2)) * np.float32(10 ** (level_db / 20))
    step, rows, _ = levelled(voice[: len(voice) // HOP * HOP].astype(np.float32))
    return float(step.layout.views(rows)["loudness"][0, GAIN])


def test_talk_in_the_nominal_range_is_left_as_it_is_and_other_talk_brought_into_it() -> None:
    assert abs(gain_after(-36)) < 4
    quiet, loud = gain_after(-60), gain_after(-10)
    assert 12 < quiet < 26
    assert -25 < loud < -15
    assert gain_after(-110) <= 40


def test_the_gain_is_no_part_of_the_output() -> None:
    """With a network that lets everything through, a quiet talker comes out as quiet as before, sample by sample."""
    config = config_of("DeepFilterNet3")

    class Open(Network):
        def forward(self, bands, bins, state):  # type: ignore[no-untyped-def]
            coefficients = torch.zeros(1, config.filter_bins, 2 * config.order)
            coefficients[:, :, 2 * 2] = 1.0  # the frame two back, as it was
            return torch.ones(1, config.bands), coefficients

    step = Step(config, Open(_weights(), config), Levelling()).eval()  # type: ignore[arg-type]
    rows = step.layout.fresh().repeat(1, 1)
    quiet = (babble(1.0) * 0.003).astype(np.float32)[: 100 * HOP].reshape(-1, HOP)
    with torch.inference_mode():
        out = np.stack([step(rows, torch.from_numpy(hop[None]), None, None)[0].numpy() for hop in quiet])
    assert np.abs(out[3:] - quiet[:-3]).max() < 1e-7
    assert float(step.layout.views(rows)["loudness"][0, GAIN]) > 5


def test_digital_silence_moves_no_gain() -> None:
    step, rows, out = levelled(np.zeros(200 * HOP, np.float32))
    assert float(step.layout.views(rows)["loudness"][0, GAIN]) == 0.0
    assert np.isfinite(out).all()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_the_first_two_seconds_and_quiet_talkers_are_no_worse_than_the_input(
    models_dir: Path, clips_dir: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    if not (models_dir / model).exists():
        pytest.skip(f"CLEARCAST_MODELS_DIR holds no {model}: `clearcast models pull {model}`")
    monkeypatch.setenv("CLEARCAST_CLIPS_DIR", str(clips_dir))
    plain, ours = (load_denoiser(model, models_dir / model, "cpu", 1, 12, levelling=way) for way in (False, True))
    figures = measure(plain, ours)
    first, quiet = figures["first_2s_si_sdr"], figures["quiet"]
    assert isinstance(first, dict)
    assert isinstance(quiet, dict)
    for name, figure in first.items():
        assert figure["ours"] >= figure["input"] - 0.5, name
    for figure in quiet.values():
        assert abs(figure["ours_level_db"]) < 3
        assert figure["ours_si_sdr"] > figure["plain_si_sdr"]


# ---- headroom


class Timed:
    """Takes `each` seconds a stream, on a clock of its own."""

    now = 0.0

    delay, capacity, runtime, name, device = 0, 64, "", "", ""
    broken: tuple[int, ...] = ()

    def __init__(self, each: float) -> None:
        self.each = each
        self.free = list(range(64))

    def add(self) -> int:
        return self.free.pop()

    def remove(self, slot: int) -> None:
        self.free.append(slot)

    def reset(self, slot: int) -> None: ...

    def post_filter(self, slot: int, on: bool) -> None: ...

    def step(self, slots: list[int], hops: np.ndarray) -> np.ndarray:
        Timed.now += 1e-5 + self.each * len(slots)
        return hops

    @classmethod
    def perf_counter(cls) -> float:
        return cls.now


def test_headroom_is_what_fits_into_a_hop_with_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom, "time", Timed)
    assert 3 <= streams_in_real_time(Timed(0.0015), 64) <= 5  # 10 ms / 1.3 / 1.5 ms
    assert streams_in_real_time(Timed(0.05), 64) == 1
    assert streams_in_real_time(Timed(0.0), 6) == 6
    assert len(Timed(0.0).free) == 64


def test_load_deepfilter_refuses_a_runtime_that_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runtime"):
        made_up("DeepFilterNet3", runtime="magic")
    assert load_deepfilter.__doc__
