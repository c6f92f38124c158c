"""The denoiser: slots of streams, advanced together by one hop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from server.errors import Unavailable
from server.inference.deepfilter.config import ModelConfig, read_config
from server.inference.deepfilter.levelling import Levelling
from server.inference.deepfilter.network import Network
from server.inference.deepfilter.runners import Eager, Fixed, Runner, Traced
from server.inference.deepfilter.step import Step
from server.inference.deepfilter.weights import Weights, find_checkpoint
from server.inference.slots import Slots

RUNTIMES = ("auto", "eager", "traced", "fixed")
"""Ways to run the network; "auto" is `traced` on the processor and `fixed`, CUDA graphs, on a GPU."""

POST_FILTER = 0.02
"""β of the published post-filter."""

LOUDEST = 16.0
"""Samples beyond ±16 (24 dB over full scale) are no audio; they are cut off so that nothing overflows."""


def load_deepfilter(
    name: str,
    model_dir: Path,
    device: str = "auto",
    threads: int = 1,
    capacity: int = 64,
    levelling: bool = False,
    runtime: str = "auto",
) -> DeepFilterDenoiser:
    """Load DeepFilterNet 2 or 3 from a folder as published.

    With `levelling` the network hears quiet and loud talkers at a level that it knows; without, the output is that of
    the published implementation. Raises ModelMissing, ModelCorrupt, and Unavailable when there is no such device.
    """
    config = read_config(model_dir / "config.ini")
    weights = Weights.read(find_checkpoint(model_dir))
    torch.set_num_threads(threads)
    return assemble(name, config, weights, device, capacity, levelling, runtime)


def assemble(
    name: str,
    config: ModelConfig,
    weights: Weights,
    device: str,
    capacity: int,
    levelling: bool = False,
    runtime: str = "auto",
) -> DeepFilterDenoiser:
    """A denoiser of these weights; see `load_deepfilter`."""
    step = Step(config, Network(weights, config), Levelling() if levelling else None)
    return DeepFilterDenoiser(name, step, _device(device), capacity, runtime)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise Unavailable("There is no NVIDIA GPU that this PyTorch can use; set CLEARCAST_DENOISE_DEVICE=cpu.")
    # Ten bits of mantissa are audible: the products stay in full precision.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda:0" if name == "cuda" else name)


class DeepFilterDenoiser:
    """A `Denoiser`. The output of a hop comes `delay` samples later: lookahead and the transform's overlap."""

    def __init__(self, name: str, step: Step, device: torch.device, capacity: int, runtime: str = "auto") -> None:
        config: ModelConfig = step.config
        self.name = name
        self.device = str(device)
        self.delay = config.hop * (1 + config.delay_frames)
        self.capacity = capacity
        self.resets = 0
        """Times a slot was reset because its state was no longer finite."""
        self.broken: list[int] = []
        """Slots to which that happened in the last step."""
        self._config = config
        self._step = step.to(device).eval()
        self._fresh = step.layout.fresh().to(device)
        self._memory = self._fresh.repeat(capacity + 1, 1)
        self._heard = np.zeros(capacity, dtype=np.int64)
        self._sharpness = torch.zeros(capacity)
        self._sharp: set[int] = set()
        self._slots = Slots(capacity)
        self._eager = Eager(self._step, self._memory)
        self._runner = self._make_runner(runtime)

    @property
    def runtime(self) -> str:
        """How the network is run, in a word or two."""
        return self._runner.name

    def _make_runner(self, runtime: str) -> Runner:
        on_gpu = self._memory.is_cuda
        if runtime not in RUNTIMES:
            raise ValueError(f"there is no runtime {runtime!r}")
        try:
            if runtime == "fixed" or (runtime == "auto" and on_gpu):
                return Fixed(self._step, self._memory)
            if runtime in ("traced", "auto"):
                return Traced(self._step, self._memory)
        except (RuntimeError, NotImplementedError):
            # Out of memory, or a version of torch that records otherwise: slower is better than not at all.
            if on_gpu:
                torch.cuda.empty_cache()
        finally:
            self._memory[-1] = self._fresh
        return self._eager

    def add(self) -> int:
        slot = self._slots.take()
        self._forget(slot)
        return slot

    def reset(self, slot: int) -> None:
        self._slots.check(slot)
        self._forget(slot)

    def remove(self, slot: int) -> None:
        self._slots.give_back(slot)
        self.post_filter(slot, False)

    def post_filter(self, slot: int, on: bool) -> None:
        """Whether what the network lets through only in part is attenuated a little more."""
        self._sharpness[slot] = POST_FILTER if on else 0.0
        (self._sharp.add if on else self._sharp.discard)(slot)

    def step(self, slots: Sequence[int], hops: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(slots) == 0:
            return np.zeros((0, self._config.hop), dtype=np.float32)
        audio = self._checked(slots, hops)
        with torch.inference_mode():
            clean: NDArray[np.float32] = self._run(list(slots), torch.from_numpy(audio)).numpy()
        self._heard[slots] += 1
        return self._only_finite(slots, clean)

    def flush(self, slots: Sequence[int]) -> NDArray[np.float32]:
        """Like `step`, after the audio's end: what is still under way comes out as if no frame followed.

        A file's last `delay` samples want two hops of silence and then `delay_frames` times this, as the published
        implementation does it for whole files.
        """
        with torch.inference_mode():
            clean: NDArray[np.float32] = self._run(list(slots), None).numpy()
        return self._only_finite(slots, clean)

    def whole(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """A recording (n,) cleaned in one go, aligned with the input: what the published `enhance()` gives."""
        hop, count = self._config.hop, len(samples)
        frames = (count + 2 * hop) // hop
        padded = np.zeros((frames, 1, hop), dtype=np.float32)
        padded.reshape(-1)[:count] = samples[: frames * hop]
        slot = self.add()
        try:
            parts = [self.step([slot], piece)[0] for piece in padded]
            parts += [self.flush([slot])[0] for _ in range(self._config.delay_frames)]
        finally:
            self.remove(slot)
        audio: NDArray[np.float32] = np.concatenate(parts)[self.delay : self.delay + count]
        return audio

    def _forget(self, slot: int) -> None:
        with torch.inference_mode():
            self._memory[slot] = self._fresh
        self._heard[slot] = 0

    def _checked(self, slots: Sequence[int], hops: NDArray[np.float32]) -> NDArray[np.float32]:
        for slot in slots:
            self._slots.check(slot)
        if hops.shape != (len(slots), self._config.hop):
            raise ValueError(f"hops have shape {hops.shape} instead of {(len(slots), self._config.hop)}")
        audio = np.ascontiguousarray(hops, dtype=np.float32)
        # Written so that a sample that is not a number fails the comparison too.
        if not np.abs(audio).max() <= LOUDEST:
            audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0).clip(-LOUDEST, LOUDEST)
        return audio if audio.flags.writeable else audio.copy()

    def _only_finite(self, slots: Sequence[int], clean: NDArray[np.float32]) -> NDArray[np.float32]:
        """Silence and a fresh start for a slot whose state broke: a click is worse than a gap, noise for ever worst."""
        self.broken = []
        if not np.isfinite(clean.sum()):
            for row in np.flatnonzero(~np.isfinite(clean).all(axis=1)):
                clean[row] = 0.0
                self._forget(slots[row])
                self.resets += 1
                self.broken.append(slots[row])
        return clean

    def _run(self, slots: list[int], hops: Tensor | None) -> Tensor:
        """Advance `slots`; None for hops stands for zero features after the end."""
        sharpness = None
        if self._sharp and not self._sharp.isdisjoint(slots):
            sharpness = self._sharpness[slots]
        starting = np.flatnonzero(self._heard[slots] < self._config.lookahead)
        if hops is None or len(starting):
            held = torch.as_tensor(starting, device=self._memory.device) if len(starting) else None
            return self._eager.advance(slots, hops, sharpness, held)
        return self._runner.advance(slots, hops, sharpness)
