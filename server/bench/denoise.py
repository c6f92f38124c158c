"""How exact and how costly the denoiser is.

Runs where there is torch and numpy and nothing else; the comparison with the published implementation needs the
package `deepfilternet`, without it the figures that lean on it are null.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.bench.common import Cost, emit, interleaved, main, median_ratio, note, stray_output_to_stderr
from server.bench.golden import difference
from server.bench.hardcases import measure as hard_cases
from server.bench.sound import Clip, find_clip, looped, si_sdr
from server.clock import HOP, SAMPLE_RATE
from server.errors import ModelMissing
from server.inference.denoiser import DEEPFILTER_NAMES, Denoiser, load_denoiser
from server.inference.headroom import step_durations
from server.process import raise_priority

BATCHES = (1, 8, 32, 64)
COMPARED = (1, 32)
"""Batches whose cost is compared with the published implementation, over the full length."""

MOST, MOST_ON_GPU = 256, 8192
"""Streams that are tried at most."""

P99_S = 2.0
"""Seconds of steps of each size of batch from which their 99th percentile is taken."""

OTHERS_S = 10.0
"""Length of audio for the other batches, in seconds."""

HOP_US = HOP / SAMPLE_RATE * 1e6


def measure(
    clip: Clip, model: str, model_dir: Path | None, device: str, threads: int, seconds: float, rounds: int
) -> Any:
    """The JSON object of the bench; without a folder of a model its weights are made up."""
    denoiser = _load(model, model_dir, device, threads)
    reference = None if model_dir is None else _reference(model_dir)
    streamed = clean_whole(denoiser, clip.noisy)
    audio = looped(clip.noisy, seconds)
    lengths = {batch: seconds if batch in COMPARED else min(seconds, OTHERS_S) for batch in BATCHES}
    ways: dict[str, Callable[[], object]] = {
        f"batch {batch}": _batch_run(denoiser, audio, batch, lengths[batch]) for batch in BATCHES
    }
    if reference is not None:
        ways["offline"] = lambda: reference(audio)
        reference(audio)
    costs = interleaved(ways, rounds)
    per_stream_s = {
        batch: [cost.processor / (batch * lengths[batch]) for cost in costs[f"batch {batch}"]] for batch in BATCHES
    }
    offline = [cost.processor / seconds for cost in costs.get("offline", [])]
    us_per_hop = {batch: _hop_us(costs[f"batch {batch}"], lengths[batch]) for batch in BATCHES}
    ratios = {batch: median_ratio(per_stream_s[batch], offline) if offline else None for batch in COMPARED}
    return {
        "parity_max_abs": None if reference is None else np.abs(streamed - reference(clip.noisy)).max(),
        "cost_ratio_b1": ratios[1],
        "cost_ratio_b32": ratios[32],
        "us_per_hop": us_per_hop,
        **_headroom(denoiser, min(seconds, P99_S)),
        "golden_max_abs": difference(model, denoiser.device),
        "runtime": denoiser.runtime,
        "si_sdr_in": None if clip.clean is None else si_sdr(clip.clean, clip.noisy),
        "si_sdr_out": None if clip.clean is None else si_sdr(clip.clean, streamed),
        "delay": denoiser.delay,
        "processor_s_per_stream_s_b32": min(per_stream_s[32]),
        "processor_s_per_stream_s_offline": min(offline, default=None),
        "seconds": seconds,
        "rounds": rounds,
        "threads": threads,
        "device": denoiser.device,
        "torch": str(sys.modules["torch"].__version__),
        "model": model,
        "clip": clip.name,
        **_hard_cases(model, model_dir, device, threads),
    }


def _load(model: str, model_dir: Path | None, device: str, threads: int, levelling: bool = False) -> Denoiser:
    import torch

    from server.inference.deepfilter.madeup import made_up

    on_gpu = device != "cpu" and torch.cuda.is_available()
    capacity = MOST_ON_GPU if on_gpu else MOST
    if model_dir is None:
        torch.set_num_threads(threads)
        return made_up(model, "cuda" if on_gpu else "cpu", capacity)
    return load_denoiser(model, model_dir, device, threads, capacity, levelling=levelling)


def _headroom(denoiser: Denoiser, seconds: float) -> dict[str, Any]:
    """How many streams keep the deadline, and the slowest of 100 steps by size of batch, both with copies."""
    raise_priority()  # as the worker does
    try:
        slowest = _slowest(denoiser, seconds)
    finally:
        raise_priority(0)
    return {"streams_realtime": streams_in_real_time(slowest), "us_per_hop_p99": slowest}


def _slowest(denoiser: Denoiser, seconds: float) -> dict[int, float]:
    slowest: dict[int, float] = {}
    size = 1
    while True:
        slowest[size] = float(np.quantile(step_durations(denoiser, size, seconds), 0.99)) * 1e6
        if slowest[size] > HOP_US or size >= denoiser.capacity:
            break
        size = min(2 * size, denoiser.capacity)
    return slowest


def _hard_cases(model: str, model_dir: Path | None, device: str, threads: int) -> dict[str, Any]:
    if model_dir is None:
        return {"first_2s_si_sdr": None, "quiet": None}
    plain, ours = (_load(model, model_dir, device, threads, levelling) for levelling in (False, True))
    return hard_cases(plain, ours)


def clean_whole(denoiser: Denoiser, samples: Samples) -> Samples:
    """A recording through a slot of its own, aligned with the input, the end flushed where the model can."""
    whole: Callable[[Samples], Samples] | None = getattr(denoiser, "whole", None)
    if whole is not None:
        return whole(samples)
    padded = np.zeros(-(-(len(samples) + denoiser.delay) // HOP) * HOP, dtype=np.float32)
    padded[: len(samples)] = samples
    slot = denoiser.add()
    parts = [denoiser.step([slot], hop[np.newaxis])[0] for hop in padded.reshape(-1, HOP)]
    denoiser.remove(slot)
    clean: Samples = np.concatenate(parts)[denoiser.delay :][: len(samples)]
    return clean


def streams_in_real_time(us_per_hop: dict[int, float]) -> int:
    """Streams whose common step takes as long as a hop lasts, from a straight line through the largest batches."""
    fitting = [batch for batch, took in us_per_hop.items() if took <= HOP_US]
    batches = sorted(us_per_hop)
    if not fitting or len(batches) == 1:
        return max(fitting, default=0)
    low = min(max(fitting), batches[-2])
    high = batches[batches.index(low) + 1]
    slope = (us_per_hop[high] - us_per_hop[low]) / (high - low)
    return int(low + (HOP_US - us_per_hop[low]) / slope) if slope > 0 else high


def _hop_us(costs: list[Cost], seconds: float) -> float:
    return min(cost.wall for cost in costs) / (seconds * SAMPLE_RATE // HOP) * 1e6


def _batch_run(denoiser: Denoiser, audio: Samples, batch: int, seconds: float) -> Callable[[], object]:
    """Each stream hears the audio from another place on. Warm: slots exist, and a second has been run."""
    count = int(seconds * SAMPLE_RATE) // HOP
    hops = audio[: count * HOP].reshape(count, HOP)
    offsets = np.arange(batch) * count // batch

    def work() -> None:
        slots = [denoiser.add() for _ in range(batch)]
        for number in range(count):
            piece: NDArray[np.float32] = hops[(offsets + number) % count]
            denoiser.step(slots, piece)
        for slot in slots:
            denoiser.remove(slot)

    slots = [denoiser.add() for _ in range(batch)]
    for hop in hops[:100]:
        denoiser.step(slots, np.tile(hop, (batch, 1)))
    for slot in slots:
        denoiser.remove(slot)
    return work


def _reference(model_dir: Path) -> Callable[[Samples], Samples] | None:
    try:
        from server.inference.deepfilter.reference import OfflineReference

        return OfflineReference(model_dir)
    except ImportError as error:
        note(f"no comparison with the published implementation: {error}")
        return None


def _model_dir(model: str) -> Path:
    """Where the server looks too; written out, because the server's settings need more than torch and numpy."""
    named = os.environ.get("CLEARCAST_MODELS_DIR")
    folders = [Path(named)] if named else []
    folders.append(Path.home() / ".cache" / "clearcast")
    for folder in folders:
        if (folder / model).is_dir():
            return folder / model
    looked = " nor in ".join(str(folder) for folder in folders)
    raise ModelMissing(f"{model} is not in {looked}: `clearcast models pull {model}` fetches it.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `clearcast bench denoise`."""
    parser.add_argument("--model", choices=DEEPFILTER_NAMES, default="DeepFilterNet3")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="processor threads of both implementations")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="length of audio; at least 30 for a cost that counts"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way, at least 3 for a figure that counts")
    parser.add_argument("--made-up", action="store_true", help="made-up weights: exactness and speed without a model")
    parser.add_argument("--clip", type=Path, help="mono WAV file, 48 kHz, 16 bits, instead of the test clip")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when the measurement completed. Raises ModelMissing, ModelCorrupt."""
    with stray_output_to_stderr():
        result = measure(
            find_clip(arguments.clip),
            arguments.model,
            None if arguments.made_up else _model_dir(arguments.model),
            arguments.device,
            arguments.threads,
            arguments.seconds,
            arguments.rounds,
        )
    emit(result, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main("python -m server.bench.denoise", __doc__, add_arguments, run))
