"""Taking the noise out of a file, in the process that reads it: nothing is late, and nobody else is served."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from server.audio.frame import Samples
from server.clock import HOP
from server.config import Settings
from server.inference.denoiser import RNNOISE_NAME, Denoiser, load_denoiser
from server.inference.models import find_model


def cleaned(settings: Settings, blocks: Iterable[Samples]) -> Iterator[Samples]:
    """The audio, 48 kHz mono in pieces of any length, without its noise: as long, and sample for sample in its place.

    With the model that the settings name, or RNNoise where that is not installed. Raises ModelCorrupt, Unavailable.
    """
    folder = find_model(settings.denoise, settings) if settings.denoise != RNNOISE_NAME else None
    name = settings.denoise if folder is not None else RNNOISE_NAME
    denoiser = load_denoiser(
        name, folder, "cpu", settings.denoise_threads, capacity=1, levelling=settings.denoise_levelling
    )
    return _through(denoiser, blocks)


def _through(denoiser: Denoiser, blocks: Iterable[Samples]) -> Iterator[Samples]:
    slot = denoiser.add()
    late, length = denoiser.delay, 0
    rest: Samples = np.zeros(0, np.float32)
    end = [np.zeros(late + HOP, np.float32)]
    skip, told = late, 0
    for last, block in itertools.chain(((False, block) for block in blocks), ((True, block) for block in end)):
        length += 0 if last else len(block)
        waiting = np.concatenate([rest, block])
        whole = len(waiting) // HOP * HOP
        rest = waiting[whole:]
        hops = [denoiser.step([slot], hop[None])[0] for hop in waiting[:whole].reshape(-1, HOP)]
        out = np.concatenate([np.zeros(0, np.float32), *hops])
        part = out[skip:][: length - told]
        skip = max(0, skip - len(out))
        told += len(part)
        if len(part):
            yield part
