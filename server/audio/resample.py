"""Changing the sample rate: by a fixed ratio, and by a ratio that follows another machine's clock.

Both use a Kaiser-windowed sinc (J. O. Smith, "Digital Audio Resampling", 2002). No delay is added to the timeline:
an output sample stands where its input stood, it is only handed out once the input half a filter later is there.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.audio.frame import Samples
from server.clock import SAMPLE_RATE

_KAISER_BETA = 8.0
"""80 dB of stop band."""
_ROLL_OFF = 0.92
"""Cut-off as a fraction of the lower Nyquist frequency, so that the transition ends about there."""
_NATIVE_HALF = 16
_HALF = 24
_STEPS = 512
"""Positions tabulated in each tap; between them the kernel is a straight line, 106 dB below the signal off."""
_NEAR_ONE = 1.5e-3


def _windowed_sinc(half: int, cutoff: float, steps: int) -> NDArray[np.float64]:
    """Kernel at `steps` points a sample over [-half, half]; `cutoff` is a fraction of the Nyquist frequency."""
    time = np.arange(-half * steps, half * steps + 1) / steps
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0.0, 1.0 - (time / half) ** 2))) / np.i0(_KAISER_BETA)
    kernel: NDArray[np.float64] = cutoff * np.sinc(cutoff * time) * window
    return kernel


@functools.cache
def _kernel_table(half: int, cutoff: float) -> NDArray[np.float32]:
    """The kernel over [-half - 2, half + 2], zero outside of its support."""
    return np.pad(_windowed_sinc(half, cutoff, _STEPS), 2 * _STEPS).astype(np.float32)


@functools.cache
def _kernel_rows(half: int, cutoff: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The taps (2 half) that read at each step from -1 to 2 samples after tap `half - 1`, and their change a step."""
    steps = np.arange(3 * _STEPS + 2)[:, None] - _STEPS
    taps = np.arange(2 * half) - (half - 1)
    rows = _kernel_table(half, cutoff)[steps + (half + 2 - taps) * _STEPS]
    return np.ascontiguousarray(rows[:-1]), np.diff(rows, axis=0)


@functools.cache
def _parabola(count: int) -> NDArray[np.float32]:
    """Weights (count, 3) of a parabola through the first, the middle and the last of `count` points."""
    u = np.linspace(0.0, 1.0, count)
    return np.stack([(1 - u) * (1 - 2 * u), 4 * u * (1 - u), u * (2 * u - 1)], axis=1).astype(np.float32)


class VariableResampler:
    """A queue of samples at `rate`, read out at 48 kHz by a clock that runs a little faster or slower.

    Near a ratio of one (48 kHz, within 1500 ppm) the kernel changes so little within a hop that three of it and a
    parabola between do; with a ratio of exactly one and no fraction, samples pass untouched.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        ratio = rate / SAMPLE_RATE
        if rate == SAMPLE_RATE:
            self.half, cutoff = _NATIVE_HALF, 1.0
        else:
            self.half, cutoff = math.ceil(_HALF * max(1.0, ratio)), _ROLL_OFF * min(1.0, 1.0 / ratio)
        self._table = _kernel_table(self.half, cutoff)
        self._taps = np.arange(2 * self.half) - (self.half - 1)
        self._near = _kernel_rows(self.half, cutoff) if rate == SAMPLE_RATE else None
        self._queue: Samples = np.zeros(self.half - 1, np.float32)
        self._position = float(self.half - 1)

    @property
    def unread(self) -> float:
        """Samples put and not yet passed by, the fraction of one included."""
        return len(self._queue) - self._position

    def missing(self, count: int, step: float) -> int:
        """Samples to `put` before `count` outputs can be taken at `step` input samples each."""
        last = math.floor(self._position + (count - 1) * step)
        if self._is_near_one(count, step):
            last = max(last, math.floor(self._position) + count - 1)  # there, one input is read for each output
        return max(0, last + self.half + 1 - len(self._queue))

    def put(self, samples: Samples) -> None:
        """Append to the queue."""
        self._queue = np.concatenate([self._queue, samples])

    def take(self, count: int, step: float) -> Samples:
        """The next `count` samples at 48 kHz, shape (count,). Everything `missing` has been put before."""
        whole = math.floor(self._position)
        fraction = self._position - whole
        first = whole - (self.half - 1)
        output: Samples
        if step == 1.0 and fraction == 0.0:
            output = self._queue[whole : whole + count].copy()
        elif self._is_near_one(count, step):
            output = self._near_one(first, fraction, count, step)
        else:
            output = self._any_step(count, step)
        self._position += count * step
        passed = math.floor(self._position) - (self.half - 1)
        self._queue = self._queue[passed:]
        self._position -= passed
        if abs(self._position - round(self._position)) < 1e-9:
            self._position = float(round(self._position))
        return output

    def _is_near_one(self, count: int, step: float) -> bool:
        return self._near is not None and abs(step - 1.0) <= _NEAR_ONE and abs(step - 1.0) * count < 1.0

    def _kernels(self, fractions: NDArray[np.float64]) -> NDArray[np.float32]:
        """Taps (n, 2 half) that read at these fractions of a sample after tap `half - 1`."""
        places = (fractions[:, None] - self._taps + self.half + 2) * _STEPS
        index = places.astype(np.intp)
        rest = (places - index).astype(np.float32)
        below = self._table[index]
        kernels: NDArray[np.float32] = below + rest * (self._table[index + 1] - below)
        return kernels

    def _near_one(self, first: int, fraction: float, count: int, step: float) -> Samples:
        assert self._near is not None
        rows, slopes = self._near
        change = (count - 1) * (step - 1.0)
        kernels = np.empty((2 * self.half, 3), np.float32)
        for column, shift in enumerate((0.0, 0.5 * change, change)):
            place = (fraction + shift + 1.0) * _STEPS
            index = int(place)
            kernels[:, column] = rows[index] + np.float32(place - index) * slopes[index]
        block = self._queue[first : first + count + 2 * self.half - 1]
        # All runs of 2 half samples; `sliding_window_view` would take longer than the arithmetic.
        windows: Samples = np.ndarray((count, 2 * self.half), np.float32, block, 0, 2 * block.strides).copy()
        three: NDArray[np.float32] = windows @ kernels
        output: Samples = np.einsum("ij,ij->i", three, _parabola(count))
        return output

    def _any_step(self, count: int, step: float) -> Samples:
        places = self._position + np.arange(count) * step
        whole = np.floor(places).astype(np.intp)
        windows = sliding_window_view(self._queue, 2 * self.half)[whole - (self.half - 1)]
        output: Samples = np.einsum("ij,ij->i", windows, self._kernels(places - whole))
        return output


@functools.cache
def _polyphase(up: int, down: int) -> NDArray[np.float32]:
    """Filter bank (up, taps): row p makes the outputs that fall p/up of a sample after an input, latest input last."""
    wide = max(1.0, down / up)
    half = math.ceil(_HALF * wide)
    kernel = _windowed_sinc(half, _ROLL_OFF / wide, up)
    offsets = np.arange(half, -half, -1)
    rows = [kernel[np.clip((offsets + half - 1) * up + phase, 0, len(kernel) - 1)] for phase in range(up)]
    bank: NDArray[np.float64] = np.array(rows)
    bank /= bank.sum(axis=1, keepdims=True)
    return bank.astype(np.float32)


class StreamResampler:
    """Converts one stream from `rate_in` to `rate_out`, in pieces of any size; how it is cut changes nothing.

    Output sample k stands at input sample k * rate_in / rate_out. `lookahead` input samples (0.5 ms at 48 kHz and up)
    have to come before a sample can be made.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        if rate_in <= 0 or rate_out <= 0:
            raise ValueError("a sample rate is positive")
        shared = math.gcd(rate_in, rate_out)
        self._up, self._down = rate_out // shared, rate_in // shared
        self._bank = _polyphase(self._up, self._down)
        taps = self._bank.shape[1]
        self.lookahead = taps // 2
        self._queue: Samples = np.zeros(taps // 2 - 1, np.float32)
        self._queue_start = -(taps // 2 - 1)
        self._taken = 0
        self._made = 0

    def push(self, samples: Samples) -> Samples:
        """Put samples, shape (n,); get what can be made of all so far, shape (m,)."""
        if self._up == self._down:
            return samples.copy()
        self._taken += len(samples)
        self._queue = np.concatenate([self._queue, samples])
        return self._make(((self._taken - self.lookahead) * self._up - 1) // self._down + 1)

    def flush(self) -> Samples:
        """The rest, as if silence followed; in all ceil(n * rate_out / rate_in) samples. Nothing may follow."""
        if self._up == self._down:
            return np.zeros(0, np.float32)
        self._queue = np.concatenate([self._queue, np.zeros(self.lookahead + 1, np.float32)])
        return self._make(-(-self._taken * self._up // self._down))

    def _make(self, end: int) -> Samples:
        count = end - self._made
        if count <= 0:
            return np.zeros(0, np.float32)
        ticks = np.arange(self._made, end, dtype=np.int64) * self._down
        first = ticks // self._up - (self.lookahead - 1) - self._queue_start
        windows = sliding_window_view(self._queue, 2 * self.lookahead)
        output: Samples
        if self._up == 1:
            output = np.ascontiguousarray(windows[first[0] :: self._down][:count]) @ self._bank[0]
        else:
            output = np.einsum("ij,ij->i", windows[first], self._bank[ticks % self._up]).astype(np.float32)
        self._made = end
        keep = end * self._down // self._up - (self.lookahead - 1) - self._queue_start
        keep = min(keep, len(self._queue))
        self._queue = self._queue[keep:]
        self._queue_start += keep
        return output


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """A whole piece of audio, shape (n,), at another rate: ceil(n * rate_out / rate_in) samples."""
    resampler = StreamResampler(rate_in, rate_out)
    return np.concatenate([resampler.push(np.asarray(samples, np.float32)), resampler.flush()])
