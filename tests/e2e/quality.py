"""How good speech sounds after its way through the server, against the clean file it was made from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate, resample_poly

RATE = 48_000
Audio = NDArray[np.float32]
SEARCH = RATE // 20
"""How far speech may have moved against the utterance before it: 50 ms."""


@dataclass(frozen=True)
class Quality:
    """What the measures say of one pass of the clip."""

    pesq_wb: float
    stoi: float
    floor_gain_db: float
    """How much lower the noise in the pauses is than in the file that was published."""


def read_mono(path: Path) -> Audio:
    """A whole audio file as mono at 48 kHz, shape (n,)."""
    import av

    blocks = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            blocks += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        blocks += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(blocks).astype(np.float32) if blocks else np.zeros(0, np.float32)


def passes(heard: Audio, clean: Audio, skip: int = RATE) -> list[Audio]:
    """Every complete playing of `clean` found in `heard` after the first `skip` samples, each as long as `clean`.

    The microphone plays the clip in a loop: `heard` holds it several times at unknown offsets. Speech after each
    pause is aligned on its own, as P.862 does: a jitter buffer that grows or shrinks moves what follows.
    """
    length = 1 << int(np.ceil(np.log2(len(heard) + len(clean))))
    likeness = np.fft.irfft(np.fft.rfft(heard, length) * np.conj(np.fft.rfft(clean, length)), length)
    likeness = np.abs(likeness[: max(0, len(heard) - len(clean))])
    if not len(likeness):
        return []
    best = float(likeness.max())
    found = []
    while len(found) < 50:
        at = int(likeness.argmax())
        if likeness[at] < 0.5 * best:
            break
        if at >= skip:
            found.append(at)
        likeness[max(0, at - len(clean) // 2) : at + len(clean) // 2] = 0
    return [_aligned(heard, clean, at) for at in sorted(found)]


def _aligned(heard: Audio, clean: Audio, at: int) -> Audio:
    parts, shift = [], 0
    for begin, end in utterances(clean):
        first = max(0, at + begin + shift - SEARCH)
        place = heard[first : at + end + shift + SEARCH]
        likeness = np.abs(correlate(place, clean[begin:end], "valid", "fft"))
        start = first + int(likeness.argmax()) if len(likeness) else at + begin + shift
        shift = start - at - begin
        parts.append(heard[start : start + end - begin])
    joined = np.concatenate(parts)
    return np.pad(joined, (0, len(clean) - len(joined)))


def utterances(clean: Audio) -> list[tuple[int, int]]:
    """`clean` cut in the middle of its pauses into pieces of at least a second: (begin, end), without gaps."""
    frame = RATE // 100
    count = len(clean) // frame
    power = (clean[: count * frame].reshape(count, frame) ** 2).mean(axis=1)
    quiet = np.convolve(power < power.max() * 1e-3, np.ones(11), "same") >= 11
    cuts = [0]
    for middle in np.flatnonzero(quiet) * frame:
        if middle - cuts[-1] >= RATE and len(clean) - middle >= RATE:
            cuts.append(int(middle))
    return list(itertools.pairwise([*cuts, len(clean)]))


def measure(output: Audio, clean: Audio, noisy: Audio) -> Quality:
    """The quality of one aligned pass; all three of the same length, 48 kHz."""
    from pesq import pesq
    from pystoi import stoi

    reference, heard = (resample_poly(x, 1, 3).astype(np.float32) for x in (clean, output))
    return Quality(
        pesq_wb=float(pesq(16_000, reference, heard, "wb")),
        stoi=float(stoi(clean, output, RATE)),
        floor_gain_db=pause_level(noisy, clean) - pause_level(output, clean),
    )


def pause_level(audio: Audio, clean: Audio) -> float:
    """Mean level in dBFS of `audio` where nobody speaks in `clean` (frames of 20 ms, 100 ms away from speech)."""
    frame = 960
    count = min(len(audio), len(clean)) // frame
    power = (clean[: count * frame].reshape(count, frame) ** 2).mean(axis=1)
    speech = power > power.max() * 1e-4
    near = np.convolve(speech, np.ones(11), "same") > 0
    quiet = audio[: count * frame].reshape(count, frame)[~near]
    return float(10 * np.log10((quiet.astype(np.float64) ** 2).mean() + 1e-12)) if len(quiet) else float("nan")
