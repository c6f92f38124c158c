"""DeepFilterNet as a stream: exact, each slot for itself, and not to be broken by what it hears."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from server.bench.sound import read_wav, si_sdr
from server.bench.voice import babble
from server.clock import HOP
from server.errors import Unavailable
from server.inference.deepfilter.bands import band_matrix, band_widths
from server.inference.deepfilter.runtime import DeepFilterDenoiser, load_deepfilter
from tests.inference.weights import write_random_model

NAMES = ("DeepFilterNet3", "DeepFilterNet2")
DELAYS = {"DeepFilterNet3": 1440, "DeepFilterNet2": 2400}
EXACT = 1e-4
AUDIBLE = 0.01

Load = Callable[..., DeepFilterDenoiser]


@pytest.fixture(scope="session")
def random_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write_random_model(name, tmp_path_factory.mktemp(name) / name) for name in NAMES}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="session")
def loaded() -> dict[tuple[str, int], DeepFilterDenoiser]:
    """Denoisers of random weights that nobody has used."""
    return {}


@pytest.fixture
def load(random_models: dict[str, Path], name: str, loaded: dict[tuple[str, int], DeepFilterDenoiser]) -> Load:
    def make(capacity: int = 8) -> DeepFilterDenoiser:
        """A new one: a copy, which takes a fiftieth of the time that loading does."""
        if (name, capacity) not in loaded:
            loaded[name, capacity] = load_deepfilter(name, random_models[name], device="cpu", capacity=capacity)
        return copy.deepcopy(loaded[name, capacity])

    return make


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 0.02, int(seconds * 48_000))
    return (babble(seconds, seed) + noise).astype(np.float32)


def hops_of(samples: np.ndarray) -> np.ndarray:
    return samples[: len(samples) // HOP * HOP].reshape(-1, HOP)


def alone(denoiser: DeepFilterDenoiser, hops: np.ndarray) -> np.ndarray:
    slot = denoiser.add()
    out = np.stack([denoiser.step([slot], hop[None])[0] for hop in hops])
    denoiser.remove(slot)
    return out


def reference_of(model_dir: Path, samples: np.ndarray) -> np.ndarray:
    pytest.importorskip("df", reason="deepfilternet is not installed: `make test` installs it")
    from server.inference.deepfilter.reference import OfflineReference

    expected = OfflineReference(model_dir)(samples)
    level = float(np.sqrt(np.mean(expected**2)))
    assert level >= AUDIBLE, f"a reference of {level:.4f} RMS proves nothing"
    return expected


# ---- parity with the published implementation


def test_equals_the_published_implementation_with_random_weights(
    load: Load, name: str, random_models: dict[str, Path]
) -> None:
    samples = speech(4.0)[: 4 * 48_000 - 1_234]
    expected = reference_of(random_models[name], samples)
    assert np.abs(load().whole(samples) - expected).max() <= EXACT


def test_equals_the_published_implementation_with_the_published_weights(
    models_dir: Path, clips_dir: Path, name: str
) -> None:
    if not (models_dir / name).exists():
        pytest.skip(f"CLEARCAST_MODELS_DIR holds no {name}: `clearcast models pull {name}`")
    samples = read_wav(clips_dir / "denoise" / "noisy_snr0.wav")
    clean = load_deepfilter(name, models_dir / name, device="cpu", capacity=1).whole(samples)
    expected = reference_of(models_dir / name, samples)
    assert np.abs(clean - expected).max() <= EXACT
    wanted = read_wav(clips_dir / "denoise" / "clean_freesound_33711.wav")
    assert si_sdr(wanted, samples) < 6.1
    assert si_sdr(wanted, clean) > 19.0


def test_environment_variables_do_not_change_the_reference(
    random_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = speech(0.5)
    expected = reference_of(random_models["DeepFilterNet3"], samples)
    monkeypatch.setenv("MODEL", "nonsense")
    monkeypatch.setenv("SR", "8000")
    assert np.array_equal(reference_of(random_models["DeepFilterNet3"], samples), expected)


def test_output_lies_the_stated_delay_behind(load: Load, name: str) -> None:
    denoiser = load()
    assert denoiser.delay == DELAYS[name]
    samples = speech(1.0)
    streamed = alone(denoiser, hops_of(samples)).ravel()
    whole = denoiser.whole(samples)
    overlap = len(streamed) - denoiser.delay
    assert np.abs(streamed[denoiser.delay :] - whole[:overlap]).max() <= 1e-5
    assert not streamed[: 2 * HOP].any()


# ---- slots


def test_slots_come_and_go_without_touching_the_others(load: Load) -> None:
    denoiser = load()
    pieces = [hops_of(speech(1.2, seed)) for seed in range(4)]
    expected = [alone(denoiser, piece) for piece in pieces]
    first, second = denoiser.add(), denoiser.add()
    heard: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: [], 3: []}
    lanes = {0: first, 1: second}
    for hop in range(120):
        if hop == 20:
            denoiser.remove(lanes.pop(0))
            lanes[2] = denoiser.add()
        if hop == 30:
            lanes[3] = denoiser.add()
        if hop == 40:
            denoiser.reset(lanes[3])
            heard[3].clear()
        # Not in the order of their slots, and not always all of them.
        playing = [piece for piece in sorted(lanes, reverse=hop % 2 == 0) if piece != 1 or hop % 3]
        out = denoiser.step(
            [lanes[piece] for piece in playing], np.stack([pieces[piece][len(heard[piece])] for piece in playing])
        )
        for row, piece in enumerate(playing):
            heard[piece].append(out[row])
    for piece, parts in heard.items():
        assert np.abs(np.stack(parts) - expected[piece][: len(parts)]).max() <= 1e-5, piece
    assert [len(parts) for parts in heard.values()] == [20, 80, 100, 80]


def test_a_batch_gives_what_each_stream_gives_alone(load: Load) -> None:
    denoiser = load()
    pieces = np.stack([hops_of(speech(0.6, seed)) for seed in range(8)], axis=1)
    slots = [denoiser.add() for _ in range(8)]
    together = np.stack([denoiser.step(slots, hops) for hops in pieces])
    for slot in slots:
        denoiser.remove(slot)
    for row in (0, 7):
        assert np.abs(together[:, row] - alone(denoiser, pieces[:, row])).max() <= 1e-5


def test_a_removed_slot_is_forgotten_when_taken_again(load: Load) -> None:
    denoiser = load(capacity=1)
    hops = hops_of(speech(0.4))
    assert np.array_equal(alone(denoiser, hops), alone(denoiser, hops))


def test_a_full_denoiser_says_so(load: Load) -> None:
    denoiser = load(capacity=2)
    slots = [denoiser.add(), denoiser.add()]
    with pytest.raises(Unavailable, match="2 streams"):
        denoiser.add()
    denoiser.remove(slots[0])
    assert denoiser.add() == slots[0]


def test_no_streams_and_wrong_shapes(load: Load) -> None:
    denoiser = load()
    slot = denoiser.add()
    assert denoiser.step([], np.zeros((0, HOP), np.float32)).shape == (0, HOP)
    with pytest.raises(ValueError, match="shape"):
        denoiser.step([slot], np.zeros((1, 441), np.float32))
    with pytest.raises(ValueError, match="not in use"):
        denoiser.step([slot + 1], np.zeros((1, HOP), np.float32))


def test_the_input_is_left_as_it_was(load: Load) -> None:
    denoiser = load()
    slot = denoiser.add()
    hops = hops_of(speech(0.1))[:1].copy()
    hops.flags.writeable = False
    before = hops.copy()
    denoiser.step([slot], hops)
    assert np.array_equal(hops, before)


# ---- what must not break a stream


@pytest.fixture
def flush_to_zero() -> object:
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def test_ninety_seconds_of_digital_silence_do_not_break_a_stream(load: Load, flush_to_zero: object) -> None:
    denoiser = load(capacity=32)
    slots = [denoiser.add() for _ in range(2)]
    silence = np.zeros((2, HOP), np.float32)
    # 90 s of silence drive the running norm to where it is set here, 5 s from its end.
    for hops in hops_of(speech(0.2)):
        denoiser.step(slots, np.stack([hops, hops]))
    denoiser._step.layout.views(denoiser._memory)["bin_norm"][:2] = 1e-37
    for _ in range(500):
        assert np.isfinite(denoiser.step(slots, silence)).all()
    after = [denoiser.step(slots, np.stack([hop, hop])) for hop in hops_of(speech(1.0))]
    assert np.isfinite(after).all()
    assert denoiser.resets == 0
    assert float(np.sqrt(np.mean(np.square(after[50:])))) > 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_samples_that_are_no_audio_harm_nobody(load: Load, bad: float) -> None:
    denoiser = load()
    hops = hops_of(speech(0.6))
    expected = alone(denoiser, hops)
    good, other = denoiser.add(), denoiser.add()
    for number, hop in enumerate(hops):
        broken = hop.copy()
        if number in (10, 11):
            broken[100:200] = bad
        out = denoiser.step([good, other], np.stack([hop, broken]))
        assert np.isfinite(out).all()
        assert np.abs(out).max() <= 64.0
        assert np.abs(out[0] - expected[number]).max() <= 1e-5


@pytest.mark.parametrize("part", ["hidden", "band_mean", "bin_norm", "low", "synthesis", "pathway"])
def test_a_broken_state_is_reset_and_counted(load: Load, part: str) -> None:
    denoiser = load()
    hops = hops_of(speech(0.8))
    expected = alone(denoiser, hops)
    good, broken = denoiser.add(), denoiser.add()
    for hop in hops[:20]:
        denoiser.step([good, broken], np.stack([hop, hop]))
    denoiser._step.layout.views(denoiser._memory)[part][broken] = float("nan")
    outs = [denoiser.step([good, broken], np.stack([hop, hop])) for hop in hops[20:]]
    assert np.isfinite(outs).all()
    assert denoiser.resets >= 1
    assert np.abs(np.stack(outs)[:, 0] - expected[20:]).max() <= 1e-5
    assert np.abs(outs[-1][1]).max() > 0.0


# ---- bands


def test_bands_are_those_of_the_published_implementation() -> None:
    libdf = pytest.importorskip("libdf", reason="deepfilternet is not installed: `make test` installs it")
    for rate, fft, bands, minimum in ((48_000, 960, 32, 2), (48_000, 960, 32, 1), (24_000, 480, 24, 2)):
        expected = libdf.DF(
            sr=rate, fft_size=fft, hop_size=fft // 2, nb_bands=bands, min_nb_erb_freqs=minimum
        ).erb_widths()
        assert band_widths(rate, fft, bands, minimum) == expected.tolist()


def test_every_bin_belongs_to_one_band() -> None:
    widths = band_widths(48_000, 960, 32, 2)
    matrix = band_matrix(widths)
    assert matrix.shape == (481, 32)
    assert (matrix.sum(1) == 1).all()
    assert matrix.sum(0).tolist() == widths


def test_the_post_filter_is_the_published_one(load: Load, name: str, random_models: dict[str, Path]) -> None:
    pytest.importorskip("df", reason="deepfilternet is not installed: `make test` installs it")
    from server.inference.deepfilter.reference import OfflineReference

    reference = OfflineReference(random_models[name])
    samples = speech(1.0)
    plain = reference(samples)
    (reference._model if name == "DeepFilterNet3" else reference._model.mask).post_filter = True
    expected = reference(samples)
    assert np.abs(expected - plain).max() > 1e-3
    denoiser = load()
    slot = denoiser.add()
    denoiser.post_filter(slot, True)
    hops = hops_of(samples)
    out = np.concatenate([denoiser.step([slot], hop[None])[0] for hop in hops])[denoiser.delay :]
    # The last frames know of the end of the recording.
    assert np.abs(out[:40_000] - expected[:40_000]).max() <= EXACT
