"""The published implementation, to measure ours against. Needs the package `deepfilternet`; never used to serve."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from server.errors import ModelCorrupt


class OfflineReference:
    """`df.enhance.enhance()` on whole recordings. Raises ImportError without the package."""

    def __init__(self, model_dir: Path) -> None:
        from df.enhance import enhance, init_df

        self._enhance = enhance
        self._model_dir = model_dir
        self._options = _options(model_dir)
        with _without_variables(self._options), contextlib.redirect_stdout(sys.stderr):
            try:
                self._model, self._transform, _ = init_df(str(model_dir), log_level="none", log_file=None)
            except SystemExit as error:
                raise ModelCorrupt(f"The published implementation cannot load {model_dir}.") from error

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) → (n,), mono at 48 kHz, aligned."""
        with _without_variables(self._options):
            audio: NDArray[np.float32] = self._enhance(
                self._model, self._transform, torch.from_numpy(samples).unsqueeze(0)
            )[0].numpy()
        return audio


def _options(model_dir: Path) -> set[str]:
    parser = ConfigParser(interpolation=None)
    parser.read(model_dir / "config.ini", encoding="utf-8")
    names = {option.upper() for section in parser.sections() for option in parser.options(section)}
    return names | {"DEVICE", "MASK_ONLY", "CP_BLACKLIST"}


@contextlib.contextmanager
def _without_variables(names: set[str]) -> Iterator[None]:
    """The package prefers environment variables (MODEL, SR, DEVICE, …) to the model's own configuration."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
